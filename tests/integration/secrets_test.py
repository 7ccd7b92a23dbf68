"""Where secrets must not be: in core files, in logs, in answers, in a crash report.

The gateway is given a different canary for each secret; then every byte that it shows is searched.
"""

import json
import os
import re
import resource
import signal
import socket
import subprocess
import tempfile
import unittest

from redis_support import Redis, wait_until
from support import PATIENCE_S, Client, Upstream, ask, config, delta, post_admin, streams
from tls_support import Authority, TlsGateway
from usage_log_test import Receiver

UPSTREAM_KEY = "canary-upstream-4f1c9a72e0"
HEADER_SECRET = "canary-header-77ab01c3d9"
KEY = "sk-canary-of-the-file-0123456789"
WRONG_KEY = "sk-canary-wrong-5566778899"
BOOTSTRAP = "canary-bootstrap-token-0123456789abcdef"
REDIS = "canary-redis-password-31337"
WEBHOOK = "canary-webhook-token-9988776655"
PROMPT = "canary-of-the-prompt-abcdefghijk"
ANSWER = "canary-of-the-answer-lmnopqrstuv"
CANARIES = {name: value.encode() for name, value in {
    "upstream credential": UPSTREAM_KEY, "upstream header": HEADER_SECRET, "key": KEY,
    "wrong key": WRONG_KEY, "bootstrap token": BOOTSTRAP, "Redis password": REDIS,
    "webhook token": WEBHOOK, "prompt": PROMPT, "answer": ANSWER}.items()}
ENVIRONMENT = {"UPSTREAM_KEY": UPSTREAM_KEY, "HEADER_SECRET": HEADER_SECRET, "REDIS_PW": REDIS,
               "WEBHOOK": WEBHOOK, "BOOTSTRAP": BOOTSTRAP, "KEY": KEY, "SLUICE_DUMPABLE": "1"}


def private_exponent(identity):
    text = subprocess.run(["openssl", "pkey", "-in", identity.key, "-noout", "-text"],
                          stdout=subprocess.PIPE, timeout=PATIENCE_S, check=True).stdout.decode()
    digits = re.search(r"priv:\s*((?:[0-9a-f]{2}[:\s]*)+)", text).group(1)
    number = bytes.fromhex(re.sub(r"[^0-9a-f]", "", digits))
    return number[-32:]


def mappings(pid):
    """(begin, end, rights, name, flags) of each."""
    found = []
    with open(f"/proc/{pid}/smaps", encoding="utf-8") as file:
        for line in file:
            head = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+\s*(.*)", line)
            if head:
                found.append([int(head[1], 16), int(head[2], 16), head[3], head[4], ()])
            elif line.startswith("VmFlags:"):
                found[-1][4] = tuple(line.split()[1:])
    return found


def search(pid, needles, is_wanted):
    """Names of what is found in the wanted mappings, with where."""
    found = []
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for begin, end, rights, name, flags in mappings(pid):
            if not rights.startswith("r") or name in ("[vvar]", "[vsyscall]"):
                continue
            if not is_wanted(flags):
                continue
            try:
                memory.seek(begin)
                data = memory.read(end - begin)
            except (OSError, ValueError, OverflowError):
                continue
            found += [(what, name or "anonymous", rights) for what, value in needles.items()
                      if value in data]
    return found


class SecretsCase(unittest.TestCase):
    def start(self, log="level: debug", script=None, environment=None, more=""):
        self.authority = Authority()
        self.leaf = self.authority.issue()
        self.redis = self.enter(Redis(password=REDIS))
        self.upstream = self.enter(Upstream(script or streams(delta(ANSWER))))
        self.webhook = self.enter(Receiver())
        folder = self.enter(tempfile.TemporaryDirectory())
        extra = (
            f"{more}"
            f"store: {{path: {folder}/keys.db}}\njournal: {{directory: {folder}/journal}}\n"
            f"usage_log:\n  path: {folder}/usage.db\n  reporters:\n"
            f"    - {{type: webhook, name: billing, url: '{self.webhook.url}', interval: 100ms, "
            "private_addresses: true, headers: {authorization: env://WEBHOOK}}\n"
            f"log: {{{log}}}\n"
            "keys:\n  - {name: app, secret: 'env://KEY'}\n"
            f"redis: {{url: 'redis://127.0.0.1:{self.redis.port}', password: env://REDIS_PW, "
            "gateways: 1}\n")
        text = config(
            self.upstream, extra,
            upstream_extra="    credential: env://UPSTREAM_KEY\n"
                           "    headers: {x-secret: env://HEADER_SECRET}\n")
        self.gateway = self.enter(TlsGateway(
            self.authority, text, [self.leaf], shards=2,
            admin=", listen: 127.0.0.1:0, bootstrap_token: env://BOOTSTRAP",
            environment={**ENVIRONMENT, **(environment or {})}))
        self.canaries = dict(CANARIES)
        for what, members in (("key of the store", {}), ("management key", {"type": "management"})):
            status, made = post_admin(self.gateway, "/v1/keys", members)
            self.assertEqual(status, 201, made)
            self.canaries[what] = made["secret"].encode()

    def enter(self, context):
        self.addCleanup(context.__exit__, None, None, None)
        return context.__enter__()

    def request(self, key=KEY, headers=""):
        with self.gateway.connect() as client:
            client.post(ask(stream=True, messages=[{"role": "user", "content": PROMPT}]),
                        headers=f"authorization: Bearer {key}\r\n{headers}")
            return client.read_answer()

    def call_admin_listener(self, secret):
        port = int(self.gateway.wait_for(
            rb"admin calls with keys on https?://127\.0\.0\.1:(\d+)").group(1))
        with Client(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)) as client:
            client.send("GET /v1/keys HTTP/1.1\r\nhost: t\r\n"
                        f"authorization: Bearer {secret}\r\n\r\n")
            return client.read_answer().status

    def log_text(self):
        """What the process has said until its end, and its access log."""
        self.gateway.signal()
        self.gateway.wait()
        return self.rest_of_output() + self.access_log()

    def rest_of_output(self):
        while True:
            chunk = os.read(self.gateway.process.stdout.fileno(), 65536)
            if not chunk:
                return self.gateway.output
            self.gateway.output += chunk

    def access_log(self):
        with open(self.gateway.access_log, "rb") as file:
            return file.read()

    def assert_clean(self, data, where):
        found = [name for name, value in self.canaries.items() if value in data]
        self.assertEqual(found, [], f"in {where}")


class Memory(SecretsCase):
    def test_secrets_are_only_in_memory_that_core_files_leave_out(self):
        self.start()
        for _ in range(4):
            for what in ("key", "key of the store"):
                self.assertEqual(self.request(self.canaries[what].decode()).status, 200)
        for secret in (BOOTSTRAP, self.canaries["management key"].decode()):
            self.assertEqual(self.call_admin_listener(secret), 200)
        wait_until(lambda: self.webhook.texts, "a call of the webhook")
        self.assertEqual(self.request(WRONG_KEY).status, 401)
        self.gateway.signal(signal.SIGHUP)
        self.gateway.wait_for(rb"configuration|reload")
        self.assertEqual(self.request().status, 200)
        needles = {**self.canaries, "TLS key": private_exponent(self.leaf)}
        pid = self.gateway.process.pid
        self.assertEqual(search(pid, needles, lambda flags: "dd" not in flags), [])
        # The search can find what is there.
        hidden = {what for what, _, _ in search(pid, needles, lambda flags: "dd" in flags)}
        self.assertLessEqual({"upstream credential", "Redis password", "TLS key", "prompt"}, hidden)

    def test_a_core_file_has_no_secret(self):
        with open("/proc/sys/kernel/core_pattern", encoding="ascii") as file:
            pattern = file.read().strip()
        if pattern.startswith("|") or "/" in pattern:
            self.skipTest("core files do not go to the working directory here")
        # The limit and the directory are inherited; nothing else of this process depends on them.
        before, here = resource.getrlimit(resource.RLIMIT_CORE), os.getcwd()
        if before[1] != resource.RLIM_INFINITY:
            self.skipTest("core files are not allowed here")
        folder = self.enter(tempfile.TemporaryDirectory())
        gateway_path = os.path.abspath(os.environ["SLUICE_BIN"])
        self.assertTrue(os.path.exists(gateway_path))
        try:
            resource.setrlimit(resource.RLIMIT_CORE, (before[1], before[1]))
            os.chdir(folder)
            self.start(more="sandbox: false\n")  # It lets nobody make a file there, nor the kernel.
        finally:
            os.chdir(here)
            resource.setrlimit(resource.RLIMIT_CORE, before)
        for _ in range(4):
            self.assertEqual(self.request().status, 200)
        self.gateway.signal(signal.SIGABRT)
        self.assertEqual(self.gateway.wait(), -signal.SIGABRT)
        names = os.listdir(folder)
        self.assertEqual(len(names), 1, "one core file")
        with open(os.path.join(folder, names[0]), "rb") as file:
            data = file.read()
        self.assertTrue(data.startswith(b"\x7fELF"))
        self.canaries["TLS key"] = private_exponent(self.leaf)
        self.assert_clean(data, "the core file")

    def test_without_the_variable_nobody_may_dump_it(self):
        self.start(environment={"SLUICE_DUMPABLE": "0"})
        # The kernel gives the files of such a process to root.
        self.assertEqual(os.stat(f"/proc/{self.gateway.process.pid}/mem").st_uid, 0)
        status = subprocess.run(["cat", f"/proc/{self.gateway.process.pid}/coredump_filter"],
                                stdout=subprocess.PIPE, check=False).stdout
        self.assertTrue(status.strip())


class Shown(SecretsCase):
    def test_d070_no_log_answer_or_metric_has_a_secret(self):
        self.start()
        self.assertEqual(self.request().status, 200)
        refused = self.request(WRONG_KEY)
        self.assertEqual(refused.status, 401)
        self.assert_clean(refused.body, "the refusal")
        for path in ("/v1/config", "/v1/version", "/v1/upstreams", "/v1/limits", "/v1/shards",
                     "/v1/keys"):
            _, answer = self.gateway.admin("GET", path)
            self.assert_clean(json.dumps(answer).encode(), path)
        metrics = "\n".join(self.gateway.metrics()).encode()
        self.assert_clean(metrics, "metrics")
        with open(f"/proc/{self.gateway.process.pid}/cmdline", "rb") as file:
            self.assert_clean(file.read(), "cmdline")
        self.webhook.__exit__()
        self.call_admin_listener(WRONG_KEY)
        self.redis.stop()  # Its failure is logged.
        self.upstream.close()
        self.request()
        self.gateway.signal(signal.SIGHUP)
        self.assert_clean(self.log_text(), "the logs")

    def test_d070_patterns_strike_out_what_they_match_and_change_with_a_reload(self):
        self.start(log="level: debug, redact: ['badge-[0-9]+', 'model (m-[a-z]+)']")
        with self.gateway.connect() as client:
            client.post(ask("badge-4711"), headers=f"authorization: Bearer {KEY}\r\n")
            client.read_answer()
        self.request(headers="x-request-id: badge-4712\r\n")
        wait_until(lambda: self.access_log().count(b"\n") >= 2, "two lines")
        first = self.access_log()
        self.assertIn(b"[redacted]", first)
        self.assertNotIn(b"badge-471", first)
        self.gateway.rewrite("'badge-[0-9]+'", "'chip-[0-9]+'")
        status, _ = post_admin(self.gateway, "/v1/reload")
        self.assertEqual(status, 200)
        self.request(headers="x-request-id: badge-4713\r\n")
        self.request(headers="x-request-id: chip-4714\r\n")
        wait_until(lambda: self.access_log().count(b"\n") >= 4, "four lines")
        self.assertIn(b"badge-4713", self.access_log())
        self.assertNotIn(b"chip-4714", self.access_log())
        for line in self.access_log().splitlines():
            json.loads(line)
        self.gateway.rewrite("'chip-[0-9]+'", "'chip-['")
        status, answer = post_admin(self.gateway, "/v1/reload")
        self.assertNotEqual(status, 200)
        self.assertIn("log.redact[0] is not a pattern of RE2", json.dumps(answer))


class Crash(SecretsCase):
    def crash(self, number):
        self.start()
        with self.gateway.connect() as client:
            # In flight: the rest of its body never comes.
            client.send("POST /v1/chat/completions HTTP/1.1\r\nhost: t\r\n"
                        f"authorization: Bearer {KEY}\r\ncontent-length: 999\r\n\r\n{PROMPT}")
            self.assertEqual(self.request().status, 200)
            self.gateway.signal(number)
            self.assertEqual(self.gateway.wait(), -number)
        text = self.rest_of_output()
        self.assertRegex(text, rb"sluice: crash: version [0-9][^,]*, signal "
                         + number.name.encode() + rb" \([^)]*\), address none, sent by a process"
                         rb", thread sluice, process \d+\. ")
        self.assertRegex(text, rb"\n  #\d+ sluice\+0x[0-9a-f]+\n")
        self.assertIn(b"sluice: end of the crash report", text)
        self.assert_clean(text, "the crash report")
        return text

    def test_a_segmentation_fault_is_reported_and_ends_the_process_by_its_signal(self):
        text = self.crash(signal.SIGSEGV)
        offsets = re.findall(rb" sluice\+(0x[0-9a-f]+)", text)
        named = subprocess.run(
            ["addr2line", "-Cfe", os.environ["SLUICE_BIN"], *(o.decode() for o in offsets)],
            stdout=subprocess.PIPE, timeout=60, check=True).stdout.decode()
        self.assertIn("main", named)

    def test_an_abort_is_reported_and_ends_the_process_by_its_signal(self):
        self.crash(signal.SIGABRT)


if __name__ == "__main__":
    unittest.main()
