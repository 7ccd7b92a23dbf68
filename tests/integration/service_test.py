"""Under a supervisor as systemd is one: what it hears, the watchdog, sockets that it passes."""

import ctypes
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

from support import GATEWAY, PATIENCE_S, Client, Gateway

UNITS = None
CONFIG = """
upstreams: [{name: one, url: http://127.0.0.1:1, private_addresses: true}]
models: [{name: m, routes: [{upstream: one}]}]
development: true
"""
PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH = 0x4206, 0x4207, 17


class Supervisor:
    """The socket that a service speaks to."""

    def __init__(self, name):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.settimeout(PATIENCE_S)
        self.socket.bind(name.replace("@", "\0", 1))
        self.environment = {"NOTIFY_SOCKET": name}

    def hear(self, word):
        """What is said up to the first message with `word`."""
        said = []
        while not any(word in message for message in said):
            said.append(self.socket.recv(4096).decode())
        return said

    def falls_silent(self, word, within_s):
        """Whether no `word` comes for so long."""
        self.socket.settimeout(within_s)
        try:
            return word not in self.socket.recv(4096).decode()
        except TimeoutError:
            return True

    def close(self):
        self.socket.close()


def name_of(pid, tid):
    with open(f"/proc/{pid}/task/{tid}/comm", encoding="ascii") as file:
        return file.read().strip()


class Notices(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def supervised(self, name, shards=2, **more):
        supervisor = Supervisor(name)
        self.addCleanup(supervisor.close)
        gateway = Gateway(CONFIG, {**supervisor.environment, **more}, shards=shards)
        self.addCleanup(gateway.close)
        return supervisor, gateway

    def life(self, name):
        supervisor, gateway = self.supervised(name)
        self.assertIn(f"serving on 127.0.0.1:{gateway.port}", supervisor.hear("READY=1")[-1])
        gateway.signal(signal.SIGHUP)
        self.assertIn("MONOTONIC_USEC=", supervisor.hear("RELOADING=1")[-1])
        self.assertIn("configuration 2", supervisor.hear("READY=1")[-1])
        gateway.signal()
        supervisor.hear("STOPPING=1")
        self.assertEqual(gateway.wait(), 0)

    def test_start_reload_and_end_by_a_path(self):
        self.life(os.path.join(self.folder.name, "notify"))

    def test_start_reload_and_end_by_an_abstract_name(self):
        self.life(f"@sluice-notify-{os.getpid()}")

    def test_a_supervisor_that_is_not_there_is_named_and_does_no_harm(self):
        with Gateway(CONFIG, {"NOTIFY_SOCKET": "/nowhere/notify"}) as gateway:
            gateway.wait_for(rb"cannot reach NOTIFY_SOCKET /nowhere/notify")

    def test_the_watchdog_hears_of_shards_that_answer_and_not_of_one_that_hangs(self):
        supervisor, gateway = self.supervised(
            os.path.join(self.folder.name, "notify"), WATCHDOG_USEC="400000")
        for _ in range(3):
            supervisor.hear("WATCHDOG=1")
        pid = gateway.process.pid
        shard = next(int(tid) for tid in os.listdir(f"/proc/{pid}/task")
                     if name_of(pid, tid) == "shard-1")
        libc = ctypes.CDLL(None, use_errno=True)
        libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
        if libc.ptrace(PTRACE_SEIZE, shard, None, None) != 0:
            self.skipTest("tracing is not allowed here")
        libc.ptrace(PTRACE_INTERRUPT, shard, None, None)
        os.waitpid(shard, 0x40000000)  # __WALL
        # One that was on its way, and the question that the shard had read already.
        for _ in range(3):
            if supervisor.falls_silent("WATCHDOG=1", 2):
                break
        self.assertTrue(supervisor.falls_silent("WATCHDOG=1", 1))
        supervisor.socket.settimeout(PATIENCE_S)
        libc.ptrace(PTRACE_DETACH, shard, None, None)
        supervisor.hear("WATCHDOG=1")


class Sockets(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def listener(self, port=0):
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind(("127.0.0.1", port))
        made.listen(64)
        made.setblocking(False)  # As systemd passes them.
        self.addCleanup(made.close)
        return made

    def start(self, sockets, names=None, listen="127.0.0.1:0", more="", shards=2):
        """Passes `sockets` as systemd does: from descriptor 3 on."""
        path = os.path.join(self.folder.name, "sluice.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"listen: {listen}\nshards: {shards}\naccess_log: off\n{more}{CONFIG}")
        # Numbers that are not in each other's way first.
        script = "".join(f"exec {3 + i}<&{made.fileno() + 200} {made.fileno() + 200}<&-\n"
                         for i, made in enumerate(sockets))
        script = "".join(f"exec {made.fileno() + 200}<&{made.fileno()} {made.fileno()}<&-\n"
                         for made in sockets) + script
        script += f"export LISTEN_PID=$$ LISTEN_FDS={len(sockets)}\nexec \"$0\" run \"$1\"\n"
        names = {} if names is None else {"LISTEN_FDNAMES": names}
        process = subprocess.Popen(
            ["bash", "-c", script, GATEWAY, path], stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, env={**os.environ, **names},
            pass_fds=[made.fileno() for made in sockets])
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        process.kill()
        process.wait()
        process.stdout.close()

    def refused(self, *arguments, **more):
        process = self.start(*arguments, **more)
        said = process.communicate(timeout=PATIENCE_S)[0].decode()
        self.assertEqual(process.returncode, 2, said)
        return said

    def assert_serves(self, port, path="/healthz"):
        with Client(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)) as client:
            client.send(f"GET {path} HTTP/1.1\r\nhost: t\r\n\r\n")
            self.assertIn(client.read_answer().status, (200, 401, 404))

    def test_one_socket_is_shared_by_all_shards(self):
        made = self.listener()
        port = made.getsockname()[1]
        process = self.start([made], "listen")
        self.assertIn(f":{port}".encode(), process.stdout.readline())
        for _ in range(8):
            self.assert_serves(port)

    def test_a_socket_for_each_shard(self):
        first = self.listener()
        port = first.getsockname()[1]
        second = self.listener(port)
        process = self.start([first, second], listen=f"127.0.0.1:{port}")
        self.assertIn(f":{port}".encode(), process.stdout.readline())
        first.close()
        second.close()
        for _ in range(16):
            self.assert_serves(port)

    def test_metrics_and_admin_sockets_go_by_their_names(self):
        admin = socket.socket(socket.AF_UNIX)
        path = os.path.join(self.folder.name, "admin.sock")
        admin.bind(path)
        admin.listen(8)
        self.addCleanup(admin.close)
        data, metrics = self.listener(), self.listener()
        process = self.start(
            [metrics, admin, data], "metrics:admin:listen",
            more=f"metrics: {{listen: 127.0.0.1:0}}\nadmin: {{socket: {path}}}\n")
        self.assertIn(f":{data.getsockname()[1]}".encode(), process.stdout.readline())
        self.assert_serves(metrics.getsockname()[1], "/metrics")
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE_S)
            connection.connect(path)
            with Client(connection) as client:
                client.send("GET /v1/status HTTP/1.1\r\nhost: t\r\n\r\n")
                self.assertLess(client.read_answer().status, 500)

    def test_what_cannot_be_used_is_refused_with_its_remedy(self):
        datagram = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        datagram.bind(("127.0.0.1", 0))
        silent = socket.socket()
        silent.bind(("127.0.0.1", 0))
        unix = socket.socket(socket.AF_UNIX)
        unix.bind(os.path.join(self.folder.name, "x.sock"))
        unix.listen(1)
        for made in (datagram, silent, unix):
            self.addCleanup(made.close)
        self.assertIn("use ListenStream=", self.refused([datagram]))
        self.assertIn("it does not listen", self.refused([silent]))
        self.assertIn("must be a TCP socket", self.refused([unix]))
        self.assertIn("set FileDescriptorName=", self.refused([self.listener()], "web"))
        self.assertIn("must be a Unix socket", self.refused([self.listener()], "admin"))
        self.assertIn("set shards to 2", self.refused([self.listener(), self.listener()], shards=1))
        self.assertIn("`listen` says otherwise",
                      self.refused([self.listener()], listen="127.0.0.1:1"))
        self.assertIn("metrics.listen is not set", self.refused([self.listener()], "metrics"))


class Units(unittest.TestCase):
    def test_they_are_valid_and_exposed_little(self):
        if not os.path.exists("/usr/bin/systemd-analyze"):
            self.skipTest("systemd is not installed")
        with tempfile.TemporaryDirectory() as folder:
            for name in ("sluice.service", "sluice.socket"):
                with open(os.path.join(UNITS, name), encoding="utf-8") as file:
                    text = file.read()
                with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                    file.write(text.replace("/usr/bin/sluice", os.path.abspath(GATEWAY)))
            paths = [os.path.join(folder, n) for n in ("sluice.service", "sluice.socket")]
            done = subprocess.run(["systemd-analyze", "verify", *paths], stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, timeout=60, check=False)
            complaints = [line for line in done.stdout.decode().splitlines()
                          if "sluice" in line and "Documentation" not in line]
            self.assertEqual(complaints, [])
            done = subprocess.run(
                ["systemd-analyze", "security", "--offline=true", "--threshold=20", paths[0]],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
            exposure = re.search(r"exposure level.*?: ([\d.]+)", done.stdout.decode())
            self.assertIsNotNone(exposure, done.stdout.decode())
            print(f"    exposure {exposure.group(1)}", file=sys.stderr)
            self.assertLessEqual(float(exposure.group(1)), 2.0)

    def test_without_a_configuration_it_does_not_start(self):
        with open(os.path.join(UNITS, "sluice.service"), encoding="utf-8") as file:
            self.assertIn("ConditionPathExists=/etc/sluice/sluice.yaml", file.read())
        done = subprocess.run([GATEWAY, "run", "/nowhere/sluice.yaml"], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=PATIENCE_S, check=False)
        self.assertEqual(done.returncode, 1)


if __name__ == "__main__":
    UNITS = sys.argv.pop(1)
    unittest.main()
