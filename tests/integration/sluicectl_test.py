"""sluicectl against a real gateway with a store: every command, its exit status, its questions.

    sluicectl_test.py SLUICECTL MANUAL_PAGE
"""

import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest

from support import DONE, PATIENCE_S, USAGE, Gateway, Upstream, config, delta

SLUICECTL = sys.argv[1]
MANUAL_PAGE = sys.argv[2]
SECRET = re.compile(r"^sk-\S{40,}$")


def answer_all(connection):
    while True:
        _, body = connection.read_request()
        if json.loads(body).get("stream"):
            connection.begin_stream()
            for part in (delta("hi"), USAGE, DONE):
                connection.chunk(part)
            connection.end_stream()
            continue
        connection.answer(json.dumps({
            "id": "c", "object": "chat.completion", "model": "m",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"},
                         "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}}))


class Terminal:
    """sluicectl on a pseudo terminal of 24 lines; what it writes is kept."""

    def __init__(self, arguments, lines=24, columns=100):
        self.output = b""
        self.status = None
        pid, self.fd = pty.fork()
        if pid == 0:
            os.execv(SLUICECTL, [SLUICECTL, *arguments])
        self.pid = pid
        self.resize(lines, columns)

    def resize(self, lines, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def read(self):
        """Reads once; False at the end."""
        ready, _, _ = select.select([self.fd], [], [], PATIENCE_S)
        if not ready:
            raise AssertionError(f"nothing more came after: {self.output!r}")
        try:
            piece = os.read(self.fd, 65536)
        except OSError:
            piece = b""
        self.output += piece
        return bool(piece)

    def wait_for(self, pattern, since=0):
        end = time.monotonic() + PATIENCE_S
        while not re.search(pattern, self.output[since:]):
            if time.monotonic() > end or not self.read():
                os.kill(self.pid, signal.SIGKILL)
                raise AssertionError(f"{pattern} is not in: {self.output[-4000:]!r}")

    def type(self, text):
        os.write(self.fd, text.encode())

    def modes(self):
        return termios.tcgetattr(self.fd)[3]

    def end(self):
        """Its exit status."""
        while self.read():
            pass
        if self.status is None:
            self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.fd)
        return self.status


class Sluicectl(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.upstream = Upstream(answer_all)
        cls.addClassCleanup(cls.upstream.close)
        cls.gateway = cls.start(cls.folder.name)

    @classmethod
    def start(cls, folder):
        state = (f"store: {{path: {folder}/keys.db}}\n"
                 f"journal: {{directory: {folder}/journal}}\n"
                 f"usage_log: {{path: {folder}/usage.db}}\n")
        gateway = Gateway(config(cls.upstream, state), shards=2)
        cls.addClassCleanup(gateway.close)
        return gateway

    def run_it(self, *arguments, text=None, gateway=None, where=None):
        where = where or ["--socket", (gateway or self.gateway).socket_path]
        return subprocess.run([SLUICECTL, *where, *arguments], input=text, capture_output=True,
                              text=True, timeout=PATIENCE_S)

    def ctl(self, *arguments, status=0, **more):
        done = self.run_it(*arguments, **more)
        self.assertEqual(done.returncode, status, (arguments, done.stdout, done.stderr))
        return done.stdout if status == 0 else done.stdout + done.stderr

    def on_terminal(self, *arguments):
        return Terminal(["--socket", self.gateway.socket_path, *arguments])

    def make_key(self, *arguments):
        """The id and the secret of a new key."""
        lines = self.ctl("keys", "create", *arguments).splitlines()
        self.assertRegex(lines[-1], SECRET)
        return lines[0].split()[-1], lines[-1]

    def ask_model(self, secret, gateway=None):
        with (gateway or self.gateway).connect() as client:
            client.post(json.dumps({"model": "m", "messages": [{"role": "user", "content": "x"}]}),
                        headers=f"authorization: Bearer {secret}\r\n")
            return client.read_answer().status

    def file(self, name, text):
        path = os.path.join(self.folder.name, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    # --- all commands

    def test_every_command_is_done_once(self):
        """Walks the manual page, so that no command is left out, and the JSON is the API's own."""
        gateway = self.start(tempfile.mkdtemp(dir=self.folder.name))
        say = lambda *arguments, **more: self.ctl(*arguments, gateway=gateway, **more)
        candidate = self.file("candidate.yaml", gateway.config)
        keys = self.file("sync.json", "[]")
        say("organisations", "create", "--id", "o1", "--name", "one")
        say("teams", "create", "--id", "t1", "--name", "two", "--organisation", "o1")
        say("users", "create", "--id", "u1", "--name", "three", "--team", "t1")
        made = json.loads(say("keys", "create", "--name", "k", "--team", "t1", "--json"))
        key = made["key"]["id"]
        self.assertRegex(made["secret"], SECRET)
        words = {"ID": key, "UPSTREAM": "up", "TIME": "1s", "FILE": candidate, "GENERATION": "1",
                 "SCOPE": "key", "SUBJECT": key, "SHELL": "bash"}
        last = ["keys delete", "users delete", "teams delete", "organisations delete",
                "upgrade", "drain"]
        extra = {"keys create": ["--name", "k2"], "keys update": ["--name", "k3"],
                 "keys sync": ["--dry-run"], "top": ["--once", "--interval", "100ms"]}
        page = subprocess.run([SLUICECTL, "man"], capture_output=True, text=True, check=True).stdout
        rows = re.findall(r"^\.SS \\fB(.*?)\\fR(.*)$", page, re.M)
        names = [name.replace("\\-", "-") for name, _ in rows]
        self.assertEqual(len(set(names)), 55)
        self.assertTrue(set(last) < set(names))
        ids = {"organisations": "o1", "teams": "t1", "users": "u1"}
        for name in [n for n in names if n not in last] + last:
            command = name.split()
            usage = rows[names.index(name)][1]
            arguments = [words[word] for word in re.findall(r"\\fI([A-Z]+)\\fR", usage)
                         if word in words]
            if command[0] in ids:
                arguments = [ids[command[0]]] if arguments else ["--name", "new"]
                arguments = [] if command[1] == "list" else arguments
                if command[1] == "update":
                    arguments += ["--name", "renamed"]
            if name == "keys sync":
                arguments = [keys]
            with self.subTest(name):
                text = say(*command, *arguments, *extra.get(name, []), "--yes", "--json")
                if name not in ("man", "completion"):
                    json.loads(text)
        self.assertEqual(gateway.wait(), 0)

    def test_json_is_what_the_api_said(self):
        self.make_key("--name", "same")
        for command, path in ((["keys", "list"], "/v1/keys"), (["upstreams"], "/v1/upstreams"),
                              (["version"], "/v1/version"), (["openapi"], "/v1/openapi.json"),
                              (["config", "history"], "/v1/config/history")):
            status, answer = self.gateway.admin("GET", path)
            self.assertEqual(status, 200)
            self.assertEqual(json.loads(self.ctl(*command, "--json")), answer)

    def test_every_call_of_the_api_has_a_command(self):
        """But for LiteLLM's, which are there for its scripts."""
        openapi = json.loads(self.ctl("openapi"))
        calls = {path for path in openapi["paths"] if path.startswith("/v1/")}
        spend = {path for path in calls if path.startswith("/v1/spend")}
        known = {"/v1/keys", "/v1/keys/{id}", "/v1/keys/{id}/block", "/v1/keys/{id}/unblock",
                 "/v1/keys/{id}/rotate", "/v1/keys/sync", "/v1/usage", "/v1/usage/records",
                 "/v1/audit", "/v1/config", "/v1/config/validate", "/v1/config/history",
                 "/v1/config/rollback", "/v1/reload", "/v1/upstreams", "/v1/shards", "/v1/version",
                 "/v1/drain", "/v1/upgrade", "/v1/log-level", "/v1/top",
                 "/v1/openapi.json",
                 "/v1/limits/{scope}/{subject}", "/v1/limits/{scope}/{subject}/reset"}
        for group in ("organisations", "teams", "users"):
            known |= {f"/v1/{group}{rest}"
                      for rest in ("", "/{id}", "/{id}/block", "/{id}/unblock")}
        known |= {f"/v1/upstreams/{{name}}/{order}"
                  for order in ("cooldown", "clear", "drain", "undrain")}
        self.assertEqual(calls - spend, known)

    # --- keys

    def test_new_secret_stands_alone_on_the_last_line_and_works(self):
        done = self.run_it("keys", "create", "--name", "app", "--limit", "requests_per_minute=60")
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = done.stdout.splitlines()
        self.assertIn("shown this once", done.stderr)
        self.assertRegex(lines[-1], SECRET)
        self.assertEqual(done.stdout.count(lines[-1]), 1)
        self.assertEqual(self.ask_model(lines[-1]), 200)
        key = lines[0].split()[-1]
        self.assertNotIn(lines[-1], self.ctl("keys", "show", key))
        self.ctl("keys", "block", key)
        self.assertEqual(self.ask_model(lines[-1]), 403)
        self.ctl("keys", "unblock", key)
        self.assertEqual(self.ask_model(lines[-1]), 200)
        new = self.ctl("keys", "rotate", key).splitlines()[-1]
        self.assertEqual(self.ask_model(lines[-1]), 401)
        self.assertEqual(self.ask_model(new), 200)

    def test_idempotency_key_makes_one_key(self):
        first = json.loads(self.ctl("keys", "create", "--idempotency-key", "once", "--json"))
        done = self.run_it("keys", "create", "--idempotency-key", "once")
        self.assertEqual(done.returncode, 0)
        self.assertIn(first["key"]["id"], done.stdout)
        self.assertIn("shown then", done.stderr)

    def test_d079_keys_are_made_from_files(self):
        self.ctl("teams", "create", "--id", "filed", "--name", "filed")
        path = self.file("new.csv", 'name,team,limits.requests_per_minute\n"a b",filed,60\nc,,\n')
        lines = self.ctl("keys", "create", "--from-file", path).splitlines()
        self.assertEqual(lines[0], "name,id,secret")
        self.assertRegex(lines[1], r"^a b,key_\w+,sk-")
        self.assertEqual(self.ask_model(lines[2].split(",")[-1]), 200)
        shown = json.loads(self.ctl("keys", "show", lines[1].split(",")[1], "--json"))["key"]
        self.assertEqual(shown["team"], "filed")
        self.assertEqual(shown["limits"]["requests_per_minute"], 60)
        self.ctl("keys", "create", "--from-file", path, "--name", "x", status=2)
        path = self.file("bad.json", '[{"name": "good"}, {"nam": "typo"}]')
        self.assertIn("key 2 of 2", self.ctl("keys", "create", "--from-file", path, status=1))

    def test_sync_reads_json_and_csv(self):
        secret = "sk-" + "x" * 40
        path = self.file("sync.csv", f"name,secret\nsynced,{secret}\n")
        self.assertIn("created 1", self.ctl("keys", "sync", path, "--dry-run"))
        self.assertEqual(self.ask_model(secret), 401)
        self.assertIn("created 1", self.ctl("keys", "sync", path))
        self.assertEqual(self.ask_model(secret), 200)
        path = self.file("same.json", json.dumps({"keys": [{"name": "synced", "secret": secret}]}))
        self.assertIn("unchanged 1", self.ctl("keys", "sync", path))
        self.ctl("keys", "sync", path, "--mode", "full", status=2)  # Asks, and there is nobody.
        self.assertEqual(self.ask_model(secret), 200)

    def test_sync_that_is_too_large_is_refused_with_the_reason(self):
        keys = [{"name": f"k{i}", "secret": f"sk-{i:060}"} for i in range(12000)]
        path = self.file("large.json", json.dumps(keys))
        self.assertIn("refused: ", self.ctl("keys", "sync", path, status=1))

    # --- exit status

    def test_exit_status_says_what_happened(self):
        self.ctl("version", status=0)
        self.assertIn("refused", self.ctl("keys", "show", "key_none", status=1))
        said = self.ctl("keys", "show", "key_none", "--json", status=1)
        self.assertEqual(json.loads(said)["error"]["code"], "not_found")
        self.ctl("keys", "liste", status=2)
        self.ctl("keys", "create", "--weight", "heavy", status=2)
        self.ctl("usage", "--by", "moon", status=2)
        self.ctl(status=2)
        self.ctl("version", status=2, where=["--socket", self.folder.name + "/none"])
        self.ctl("version", status=2, where=["--url", "https://127.0.0.1:1"])
        self.assertIn("Exit status", self.ctl("--help"))
        self.assertIn("--model-limit", self.ctl("keys", "create", "--help"))

    def test_failure_of_the_gateway_is_status_3(self):
        """A gateway whose answers say so: 5xx of the real one need a broken disk."""
        def fail(connection):
            connection.read_until(b"\r\n\r\n")
            body = b'{"error":{"message":"the store cannot be written","code":"store_failed"}}\n'
            connection.answer(body, status=503)
        with Upstream(fail) as server:
            token = self.file("token", "sk-" + "t" * 40 + "\n")
            where = ["--url", server.url, "--token-file", token]
            said = self.ctl("keys", "list", status=3, where=where)
        self.assertIn("failed: the store cannot be written", said)

    def test_second_listener_takes_a_key_from_a_file(self):
        folder = tempfile.mkdtemp(dir=self.folder.name)
        bootstrap = "b" * 40
        gateway = Gateway(config(self.upstream, f"store: {{path: {folder}/keys.db}}\n"),
                          environment={"BOOTSTRAP": bootstrap},
                          admin=", listen: 127.0.0.1:0, bootstrap_token: env://BOOTSTRAP")
        self.addCleanup(gateway.close)
        url = gateway.wait_for(rb"admin calls with keys on (http://[0-9.:]+)").group(1).decode()
        where = ["--url", url, "--token-file", self.file("bootstrap", bootstrap + "\n")]
        lines = self.ctl("keys", "create", "--type", "read_only", where=where).splitlines()
        where = ["--url", url, "--token-file", self.file("reader", lines[-1] + "\n")]
        self.assertIn("read_only", self.ctl("keys", "list", where=where))
        self.ctl("keys", "create", status=1, where=where)
        self.ctl("keys", "list", status=2, where=["--url", url])
        where = ["--url", url, "--token-file", self.file("wrong", "sk-" + "w" * 40)]
        self.ctl("keys", "list", status=1, where=where)

    # --- questions

    def test_without_a_terminal_nothing_is_destroyed(self):
        key, secret = self.make_key()
        self.ctl("users", "create", "--id", "kept", "--name", "Kept")
        generation = json.loads(self.ctl("version", "--json"))["generation"]
        for command in (["keys", "delete", key], ["users", "delete", "kept"], ["drain"],
                        ["config", "rollback", "1"], ["limits", "reset", "key", key]):
            self.assertIn("--yes", self.ctl(*command, status=2, text="yes\n"))
        self.assertEqual(self.ask_model(secret), 200)
        version = json.loads(self.ctl("version", "--json"))
        self.assertEqual((version["generation"], version["draining"]), (generation, False))
        self.assertIn("Kept", self.ctl("users", "show", "kept"))

    def test_a_key_goes_when_yes_is_typed(self):
        key, _ = self.make_key()
        terminal = self.on_terminal("keys", "delete", key)
        terminal.wait_for(rb"Type yes: ")
        terminal.type("no\n")
        self.assertEqual(terminal.end(), 2)
        self.assertIn(key, self.ctl("keys", "show", key))
        terminal = self.on_terminal("keys", "delete", key)
        terminal.wait_for(rb"Type yes: ")
        terminal.type("yes\n")
        self.assertEqual(terminal.end(), 0)
        self.ctl("keys", "show", key, status=1)

    def test_d085_owners_go_when_their_name_is_typed(self):
        for group in ("users", "teams", "organisations"):
            self.ctl(group, "create", "--id", f"{group}-1", "--name", f"The {group}")
            for typed, status in ((f"{group}-1", 2), ("yes", 2), ("", 2), (f"The {group}", 0)):
                terminal = self.on_terminal(group, "delete", f"{group}-1")
                terminal.wait_for(rb"to go on: ")
                self.assertIn(f"The {group}".encode(), terminal.output)
                terminal.type(typed + "\n")
                self.assertEqual(terminal.end(), status, typed)
                self.ctl(group, "show", f"{group}-1", status=0 if status else 1)
        terminal = self.on_terminal("teams", "delete", "none")
        self.assertEqual(terminal.end(), 1)

    # --- pages

    def test_manual_page_is_the_one_that_is_kept(self):
        page = subprocess.run([SLUICECTL, "man"], capture_output=True, text=True, check=True).stdout
        with open(MANUAL_PAGE, encoding="utf-8") as file:
            self.assertEqual(page, file.read(), "run: sluicectl man > docs/sluicectl.1")
        if shutil.which("man"):
            shown = subprocess.run(["man", "--warnings", "-l", MANUAL_PAGE], capture_output=True,
                                   text=True, env={**os.environ, "MANWIDTH": "80", "LC_ALL": "C"})
            self.assertEqual((shown.returncode, shown.stderr), (0, ""))
            self.assertIn("--from-file", shown.stdout)

    def test_completions_are_of_their_shells(self):
        for shell in ("bash", "zsh", "fish"):
            script = subprocess.run([SLUICECTL, "completion", shell], capture_output=True,
                                    text=True, check=True).stdout
            if shutil.which(shell):
                done = subprocess.run([shell, "-n"], input=script, capture_output=True, text=True)
                self.assertEqual((done.returncode, done.stderr), (0, ""), shell)

    def completed(self, *words):
        script = subprocess.run([SLUICECTL, "completion", "bash"], capture_output=True, text=True,
                                check=True).stdout
        script += ('COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _sluicectl; '
                   'printf "%s\\n" "${COMPREPLY[@]}"')
        done = subprocess.run(["bash", "-c", script, "bash", "sluicectl", *words],
                              capture_output=True, text=True, timeout=PATIENCE_S)
        self.assertEqual(done.stderr, "")
        return done.stdout.split()

    def test_bash_completes_words_options_and_choices(self):
        self.assertEqual(self.completed("ke"), ["keys"])
        self.assertEqual(self.completed("--socket", "x", "keys", "cr"), ["create"])
        self.assertEqual(self.completed("keys", "create", "--mo"), ["--model", "--model-limit"])
        self.assertEqual(self.completed("keys", "create", "--type", "m"), ["management"])
        self.assertEqual(self.completed("usage-records", "--fr"), ["--from"])
        self.assertEqual(self.completed("limits", "show", "up"), ["upstream"])
        self.assertIn("--with-all", self.completed("teams", "delete", "x", "--"))

    # --- top

    def load(self, count):
        """Streams, since only they have a first token."""
        _, secret = self.make_key("--name", "load")
        for _ in range(count):
            with self.gateway.connect() as client:
                client.post(json.dumps({"model": "m", "stream": True,
                                        "messages": [{"role": "user", "content": "x"}]}),
                            headers=f"authorization: Bearer {secret}\r\n")
                self.assertEqual(client.read_answer().status, 200)

    def test_top_shows_what_moves(self):
        before = json.loads(self.ctl("top", "--once", "--json", "--interval", "100ms"))
        process = subprocess.Popen(
            [SLUICECTL, "--socket", self.gateway.socket_path, "top", "--json", "--interval", "1s"],
            stdout=subprocess.PIPE, text=True)
        try:
            frame = json.loads(process.stdout.readline())
            seen = {"requests": 0, "tokens": 0, "attempts": 0, "first": None}
            while not all(seen.values()):
                self.load(5)
                frame = json.loads(process.stdout.readline())
                total = frame["total"]
                seen["requests"] += total["requests_per_s"]
                seen["tokens"] += total["tokens_in_per_s"]
                seen["attempts"] += frame["upstreams"][0]["attempts_per_s"]
                seen["first"] = seen["first"] or total["first_token_ms_p50"]
        finally:
            process.terminate()
            process.wait()
            process.stdout.close()
        self.assertEqual([shard["shard"] for shard in frame["shards"]], [0, 1])
        model = next(model for model in frame["models"] if model["name"] == "m")
        old = next(model for model in before["models"] if model["name"] == "m")
        self.assertGreaterEqual(model["requests"], old["requests"] + 5)
        text = self.ctl("top", "--once", "--interval", "100ms")
        for title in ("SHARD", "MODEL", "UPSTREAM", "TENANT", "first token p50", "in flight"):
            self.assertIn(title, text)
        self.assertNotIn("\x1b", text)

    def test_top_gives_the_terminal_back(self):
        for ends in ("q", "\x03"):
            terminal = self.on_terminal("top", "--interval", "100ms")
            terminal.wait_for(rb"(?s)\x1b\[\?1049h.*MODEL.*SHARD|SHARD.*MODEL")
            during = terminal.modes()
            self.assertFalse(during & (termios.ECHO | termios.ICANON))
            terminal.type(ends)
            self.assertEqual(terminal.end(), 0)
            self.assertTrue(terminal.output.rstrip().endswith(b"\x1b[?25h\x1b[?1049l"))

    def test_top_restores_the_terminal_on_a_signal(self):
        terminal = self.on_terminal("top", "--interval", "100ms")
        terminal.wait_for(rb"MODEL")
        os.kill(terminal.pid, signal.SIGTERM)
        self.assertEqual(terminal.end(), 0)
        self.assertTrue(terminal.output.rstrip().endswith(b"\x1b[?1049l"))

    def test_top_fits_each_size(self):
        terminal = self.on_terminal("top", "--interval", "100ms")
        terminal.wait_for(rb"MODEL")
        seen = len(terminal.output)
        terminal.resize(6, 30)
        terminal.wait_for(rb"\x1b\[J", seen)
        for _ in range(3):  # The frame after the change is whole.
            seen = len(terminal.output)
            terminal.wait_for(rb"(?s)\x1b\[H.*\x1b\[J", seen)
        frame = re.findall(rb"(?s)\x1b\[H(.*?)\x1b\[J", terminal.output)[-1]
        lines = [re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", line).rstrip(b"\r")
                 for line in frame.split(b"\r\n")]
        self.assertLessEqual(len(lines), 6)
        self.assertLessEqual(max(map(len, lines)), 30)
        terminal.type("q")
        self.assertEqual(terminal.end(), 0)

    def test_top_outlives_the_gateway(self):
        folder = tempfile.mkdtemp(dir=self.folder.name)
        gateway = self.start(folder)
        terminal = Terminal(["--socket", gateway.socket_path, "top", "--interval", "100ms"])
        terminal.wait_for(rb"MODEL")
        gateway.process.kill()
        gateway.wait()
        terminal.wait_for(rb"no answer, q ends: cannot connect")
        terminal.type("q")
        self.assertEqual(terminal.end(), 0)

    def test_top_without_a_terminal_says_what_to_use(self):
        self.assertIn("--once", self.ctl("top", status=2))
        self.ctl("top", "--once", "--interval", "1us", status=2)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
