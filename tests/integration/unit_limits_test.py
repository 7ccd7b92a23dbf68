"""Under the limits of the shipped unit, as a user without rights: it serves; and where a limit or
a right is missing, it says which and what to do. Needs root, to become that user."""

import os
import re
import resource
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import unittest

from support import GATEWAY, PATIENCE_S, Client, Upstream

UNIT = None
NOBODY = 65534
CONFIG = """
listen: {listen}
shards: 2
admin: {{socket: {folder}/run/admin.sock}}
log: {{file: {folder}/log/sluice.log}}
access_log: {{file: {folder}/log/access.log}}
journal: {{directory: {folder}/state/journal}}
store: {{path: {folder}/state/keys.db}}
limits: {{bank_file: {folder}/state/bank}}
upstreams: [{{name: one, url: {url}, private_addresses: true}}]
models: [{{name: m, routes: [{{upstream: one}}]}}]
keys: [{{name: app, secret: sk-test-0123456789abcdef}}]
"""


def unit_settings():
    with open(UNIT, encoding="utf-8") as file:
        return dict(re.findall(r"^(\w+)=(.*)$", file.read(), re.M))


def bytes_of(text):
    number, unit = re.fullmatch(r"(\d+)([KMG]?)", text).groups()
    return int(number) << {"": 0, "K": 10, "M": 20, "G": 30}[unit]


def attainable(name, wanted):
    """The unit's limit, or this machine's own where not even root may go above that."""
    _, hard = resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)


class Started:
    """The gateway as the unit would start it."""

    def __init__(self, case, limits=(), capabilities="+net_bind_service", listen="127.0.0.1:0",
                 before=(), folders=("run", "log", "state")):
        self.folder = tempfile.mkdtemp(prefix="sluice-unit-")
        case.addCleanup(shutil.rmtree, self.folder)
        os.chmod(self.folder, 0o755)
        for name in ("run", "log", "state"):
            os.mkdir(os.path.join(self.folder, name), 0o750)
            if name in folders:
                os.chown(os.path.join(self.folder, name), NOBODY, NOBODY)
        path = os.path.join(self.folder, "sluice.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(CONFIG.format(listen=listen, folder=self.folder, url=case.upstream.url))
        # The build's own folder need not be open to that user.
        program = os.path.join(self.folder, "sluice")
        shutil.copy(GATEWAY, program)
        settings = unit_settings()
        values = {"nofile": attainable("NOFILE", int(settings["LimitNOFILE"])),
                  "memlock": attainable("MEMLOCK", bytes_of(settings["LimitMEMLOCK"])),
                  "core": int(settings["LimitCORE"]), **dict(limits)}
        command = [*before, "prlimit", *(f"--{name}={value}" for name, value in values.items()),
                   "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
                   f"--bounding-set=-all,{capabilities}", f"--inh-caps=-all,{capabilities}",
                   f"--ambient-caps=-all,{capabilities}", "--no-new-privs", program, "run", path]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        umask=int(settings["UMask"], 8))
        case.addCleanup(self.end)

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def refusal(self, case):
        said = self.process.communicate(timeout=PATIENCE_S)[0].decode()
        case.assertEqual(self.process.returncode, 2, said)
        # One sentence, and nothing that looks like an accident.
        print("    " + said.strip().splitlines()[-1], file=sys.stderr)
        return said

    def port(self):
        line = self.process.stdout.readline().decode()
        found = re.search(r"listening on http://[\d.]+:(\d+)", line)
        if not found:
            raise AssertionError(line + self.process.communicate(timeout=PATIENCE_S)[0].decode())
        return int(found.group(1))


@unittest.skipIf(os.geteuid() != 0, "needs root, to become the unit's user")
@unittest.skipIf(shutil.which("setpriv") is None, "setpriv is not installed")
class UnitLimits(unittest.TestCase):
    def setUp(self):
        self.upstream = Upstream(self.answer_all)
        self.addCleanup(self.upstream.close)

    @staticmethod
    def answer_all(connection):
        while True:
            connection.read_request()
            connection.answer('{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}')

    def ask(self, port):
        with Client(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)) as client:
            client.post('{"model": "m", "messages": []}',
                        headers="authorization: Bearer sk-test-0123456789abcdef\r\n")
            return client.read_answer().status

    def test_it_serves_and_ends_in_order(self):
        started = Started(self)
        port = started.port()
        self.assertEqual([self.ask(port) for _ in range(20)], [200] * 20)
        pid = started.process.pid
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            status = file.read()
        self.assertRegex(status, rf"Uid:\t{NOBODY}\t{NOBODY}\t{NOBODY}")
        self.assertRegex(status, r"NoNewPrivs:\t1")
        self.assertRegex(status, r"Seccomp:\t2|Seccomp:\t0")
        with open(f"/proc/{pid}/limits", encoding="ascii") as file:
            limits = file.read()
        self.assertRegex(limits, r"Max core file size +0 +0")
        for name in ("state/keys.db", "state/bank", "log/access.log", "run/admin.sock"):
            mode = os.stat(os.path.join(started.folder, name)).st_mode
            self.assertEqual(stat.S_IMODE(mode) & 0o007, 0, name)
        started.process.terminate()
        self.assertEqual(started.process.wait(timeout=PATIENCE_S), 0)

    def test_a_port_below_1024_needs_the_capability_and_has_it(self):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", 80))
            except OSError:
                self.skipTest("port 80 is in use")
        started = Started(self, listen="127.0.0.1:80")
        self.assertEqual(self.ask(started.port()), 200)
        started.process.kill()
        started.process.wait()
        said = Started(self, listen="127.0.0.1:80", capabilities="-net_bind_service").refusal(self)
        self.assertIn("127.0.0.1:80", said)
        self.assertIn("CAP_NET_BIND_SERVICE", said)

    def test_too_few_descriptors(self):
        said = Started(self, limits={"nofile": 1000}).refusal(self)
        self.assertIn("LimitNOFILE=", said)
        self.assertIn("limits.connections_max", said)

    def test_too_little_locked_memory(self):
        # Kernels differ in whether rings count as such; where they do not, it serves.
        started = Started(self, limits={"memlock": 65536})
        line = started.process.stdout.readline().decode()
        if "listening" not in line:
            print("    " + line.strip(), file=sys.stderr)
            self.assertIn("LimitMEMLOCK=", line)
            self.assertEqual(started.process.wait(timeout=PATIENCE_S), 2)
        self.assertEqual(self.ask(Started(self, limits={"memlock": 2 << 20}).port()), 200)

    def test_no_io_uring(self):
        # As a container's seccomp profile does it; the one of this interpreter is as good.
        forbid = ("import ctypes, os, sys\n"
                  "lib = ctypes.CDLL('libseccomp.so.2')\n"
                  "lib.seccomp_init.restype = ctypes.c_void_p\n"
                  "f = ctypes.c_void_p(lib.seccomp_init(0x7fff0000))\n"
                  "n = lib.seccomp_syscall_resolve_name(b'io_uring_setup')\n"
                  "assert lib.seccomp_rule_add(f, 0x00050001, n, 0) == 0\n"
                  "assert lib.seccomp_load(f) == 0\n"
                  "os.execvp(sys.argv[1], sys.argv[1:])\n")
        said = Started(self, before=[sys.executable, "-c", forbid]).refusal(self)
        self.assertIn("io_uring is forbidden here", said)
        self.assertIn("io_uring_setup", said)

    def test_folders_that_cannot_be_written(self):
        for missing, named in (("run", "admin.sock"), ("log", "sluice.log"), ("state", "state/")):
            with self.subTest(missing):
                folders = {"run", "log", "state"} - {missing}
                said = Started(self, folders=folders).refusal(self)
                self.assertIn(named, said)
                self.assertIn("Permission denied", said)
                self.assertNotIn("1023", said)


if __name__ == "__main__":
    UNIT = sys.argv.pop(1)
    unittest.main()
