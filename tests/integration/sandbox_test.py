"""The sandbox: what is in force, what an intruder could still do, and which calls serving makes."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

from support import PATIENCE_S, Gateway, Upstream

PROBE = None
CONFIG = """
upstreams: [{name: one, url: URL, private_addresses: true}]
models: [{name: m, routes: [{upstream: one}]}]
development: true
"""
BYSTANDER = r"""
import os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(f"\0sluice-bystander-{os.getpid()}")
s.listen()
print("ready", flush=True)
sys.stdin.read()
"""
# What serving needs, and the bound is elsewhere: each is named in docs/sandbox.md.
REMAINS = {"start a thread", "listen on a free port", "connect to any address",
           "read the keys of the configuration", "change the configuration's file",
           "map a file that it wrote executable"}
# Calls of a shard while it serves: the ring, and a socket's options and sizes beside it.
OF_A_SHARD = {"io_uring_enter", "futex", "setsockopt", "getsockopt", "socket", "getpeername",
              "write", "madvise", "munmap", "mmap", "mprotect", "getrandom", "restart_syscall",
              "shutdown", "close"}


def status_of(pid, thread):
    with open(f"/proc/{pid}/task/{thread}/status", encoding="ascii") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def threads_of(pid):
    return os.listdir(f"/proc/{pid}/task")


class Probe(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        for name in ("conf", "elsewhere"):
            os.mkdir(os.path.join(cls.folder.name, name))
        for name in ("conf/sluice.yaml", "conf/key", "elsewhere/secret"):
            with open(os.path.join(cls.folder.name, name), "w", encoding="ascii") as file:
                file.write("x")
        os.symlink("../elsewhere/secret", os.path.join(cls.folder.name, "conf/link"))
        # A bystander of the same user, with an abstract socket.
        with subprocess.Popen(
                [sys.executable, "-c", BYSTANDER],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE) as bystander:
            bystander.stdout.readline()
            done = subprocess.run([PROBE, cls.folder.name, str(bystander.pid)], timeout=60,
                                  stdout=subprocess.PIPE, check=False)
            cls.is_alive = bystander.poll() is None
            bystander.stdin.close()
        cls.status = done.returncode
        cls.text = done.stdout.decode()
        cls.rows = [line.split("\t") for line in cls.text.splitlines()]

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def setUp(self):
        if self.status == 77:
            self.skipTest(self.text.strip())

    def test_only_what_serving_needs_remains(self):
        self.assertEqual(self.status, 0)
        for name, outcome, how in self.rows:
            print(f"    {name:45} {outcome:8} {how}", file=sys.stderr)
        self.assertGreaterEqual(len(self.rows), 40)
        self.assertEqual({row[0] for row in self.rows if row[1] == "allowed"}, REMAINS)
        self.assertEqual([row for row in self.rows if row[1] == "crashed"], [])
        self.assertTrue(self.is_alive)

    def test_what_nothing_here_calls_ends_the_process(self):
        killed = {row[0] for row in self.rows if row[1] == "killed"}
        self.assertLessEqual({"run /bin/sh", "make a new ring", "trace another process", "setuid",
                              "load a BPF program", "make a user namespace"}, killed)


class Running(unittest.TestCase):
    def setUp(self):
        self.upstream = Upstream(self.answer_all)
        self.addCleanup(self.upstream.close)

    @staticmethod
    def answer_all(connection):
        while True:
            connection.read_request()
            connection.answer('{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}')

    def gateway(self, more=""):
        gateway = Gateway(CONFIG.replace("URL", self.upstream.url) + more, shards=2)
        self.addCleanup(gateway.close)
        gateway.wait_for(rb"sandbox: [^\"]*")
        return gateway

    def said(self, gateway):
        return re.search(rb"sandbox: ([^\"]*)", gateway.output).group(1).decode()

    def test_every_thread_is_confined(self):
        gateway = self.gateway()
        said = self.said(gateway)
        if "seccomp" not in said:
            self.skipTest(said)
        for thread in threads_of(gateway.process.pid):
            status = status_of(gateway.process.pid, thread)
            self.assertEqual((status["Seccomp"], status["NoNewPrivs"]), ("2", "1"), status["Name"])

    def test_it_can_be_switched_off(self):
        gateway = self.gateway("sandbox: off\n")
        self.assertEqual(self.said(gateway), "off")
        for thread in threads_of(gateway.process.pid):
            self.assertEqual(status_of(gateway.process.pid, thread)["Seccomp"], "0")

    def test_a_reload_that_names_a_file_elsewhere_says_that_a_restart_reads_it(self):
        gateway = self.gateway()
        if "Landlock" not in self.said(gateway):
            self.skipTest(self.said(gateway))
        with tempfile.TemporaryDirectory() as elsewhere:
            secret = os.path.join(elsewhere, "key")
            with open(secret, "w", encoding="ascii") as file:
                file.write("sk-secret\n")
            gateway.rewrite("private_addresses: true",
                            f"private_addresses: true, credential: 'file://{secret}'")
            status, answer = gateway.admin("POST", "/v1/reload")
            self.assertNotEqual(status, 200)
            self.assertIn("restart Sluice", str(answer))
        beside = os.path.join(gateway.directory.name, "key")
        with open(beside, "w", encoding="ascii") as file:
            file.write("sk-secret\n")
        gateway.rewrite(secret, beside)
        self.assertEqual(gateway.admin("POST", "/v1/reload")[0], 200)

    def test_calls_of_a_shard_while_it_serves(self):
        if subprocess.run(["which", "strace"], stdout=subprocess.DEVNULL, check=False).returncode:
            self.skipTest("strace is not installed")
        gateway = self.gateway()
        tids = [t for t in threads_of(gateway.process.pid)
                if status_of(gateway.process.pid, t)["Name"].startswith("shard-")]
        self.assertEqual(len(tids), 2)
        with tempfile.NamedTemporaryFile() as out:
            tracer = subprocess.Popen(
                ["strace", "-c", "-o", out.name, *[f"-p{tid}" for tid in tids]],
                stderr=subprocess.PIPE)
            self.assertIn(b"attached", tracer.stderr.readline())
            clients = [threading.Thread(target=self.ask_many, args=(gateway,)) for _ in range(4)]
            for client in clients:
                client.start()
            for client in clients:
                client.join(timeout=PATIENCE_S)
            tracer.send_signal(signal.SIGINT)
            tracer.communicate(timeout=PATIENCE_S)
            table = out.read().decode()
        print(table, file=sys.stderr)
        counts = {line.split()[-1]: int(line.split()[3]) for line in table.splitlines()
                  if re.match(r"\s*[\d.]+\s+[\d.]+\s+\d+\s+\d+", line)
                  and not line.rstrip().endswith("total")}
        self.assertLessEqual(set(counts), OF_A_SHARD)
        self.assertGreater(counts["io_uring_enter"], 0.8 * sum(counts.values()))

    def ask_many(self, gateway):
        with gateway.connect() as client:
            for _ in range(250):
                client.post('{"model": "m", "messages": []}')
                client.read_answer()


if __name__ == "__main__":
    PROBE = sys.argv.pop(1)
    unittest.main()
