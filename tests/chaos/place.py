"""Where a run lives: a network and mounts of its own, where the user may have them.

    place.enter()                # Starts the program anew within them.
    place.missing()              # {what: why} of what this machine does not allow.
    with place.Island() as island:
        island.command(...)      # The words that run a program there.
        island.cut("edge")       # No packet goes between it and this side of that link.
"""

import contextlib
import os
import subprocess
import sys

INSIDE = "SLUICE_CHAOS_INSIDE"
PATIENCE_S = 20
LINKS = ("edge", "plain", "watch")  # The last one is the run's own, and is never cut.


def run(*words):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=PATIENCE_S, check=False)
    if done.returncode != 0:
        raise OSError(f"{' '.join(words)}: {done.stdout.strip()}")
    return done.stdout


def is_allowed(*words):
    try:
        run(*words)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return ""


def enter():
    """Returns within the namespaces, or where it was when there are none to be had."""
    if os.environ.get(INSIDE):
        if has_namespaces():
            run("ip", "link", "set", "lo", "up")
        return
    refusal = is_allowed("unshare", "-n", "-m", "ip", "link", "set", "lo", "up")
    environment = {**os.environ, INSIDE: refusal or "yes"}
    words = [sys.executable, *sys.argv]
    if not refusal:
        words = ["unshare", "-n", "-m", "--propagation", "private", *words]
    os.execvpe(words[0], words, environment)


def has_namespaces():
    return os.environ.get(INSIDE) == "yes"


def missing():
    found = {}
    if not has_namespaces():
        why = os.environ.get(INSIDE, "not within")
        found["partition"] = found["disk_full"] = why
    refusal = is_allowed("unshare", "-T", "--monotonic", "1000", "--boottime", "1000", "true")
    if refusal:
        found["other_boot"] = refusal
    if not quota_folder():
        found["cpu_starved"] = "no control group with a quota of CPU time can be made"
    return found


def mount_memory(path, mebibytes):
    """A small disk; gone with the namespace."""
    run("mount", "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=0755", "none", path)


def quota_folder():
    """Where control groups for CPU time are made, as (folder, version)."""
    for folder, name, version in (("/sys/fs/cgroup/cpu", "cpu.cfs_quota_us", 1),
                                  ("/sys/fs/cgroup", "cgroup.controllers", 2)):
        if os.path.exists(os.path.join(folder, "cpu.shares" if version == 1 else name)):
            if os.access(folder, os.W_OK):
                return folder, version
    return None


class Quota:
    """A share of one core for a process and all its threads, until it is closed."""

    PERIOD_US = 100_000

    def __init__(self, name, pid, share):
        folder, self.version = quota_folder()
        self.home = os.path.join(folder, "cgroup.procs")
        self.folder = os.path.join(folder, f"sluice-chaos-{name}-{os.getpid()}")
        self.pid = pid
        os.makedirs(self.folder, exist_ok=True)
        try:
            self.limit(int(self.PERIOD_US * share))
            self.write(os.path.join(self.folder, "cgroup.procs"), pid)
        except OSError:
            self.close()
            raise

    def limit(self, most_us):
        if self.version == 1:
            self.write(os.path.join(self.folder, "cpu.cfs_period_us"), self.PERIOD_US)
            self.write(os.path.join(self.folder, "cpu.cfs_quota_us"), most_us)
        else:
            self.write(os.path.join(self.folder, "cpu.max"), f"{most_us} {self.PERIOD_US}")

    @staticmethod
    def write(path, value):
        with open(path, "w", encoding="ascii") as file:
            file.write(str(value))

    def close(self):
        with contextlib.suppress(OSError):
            self.write(self.home, self.pid)
        for _ in range(100):
            try:
                os.rmdir(self.folder)
                return
            except OSError:
                with contextlib.suppress(OSError):
                    with open(os.path.join(self.folder, "cgroup.procs"), encoding="ascii") as file:
                        for pid in file.read().split():
                            self.write(self.home, pid)


class Island:
    """A network behind links that can be cut. Without namespaces it is this one, without links."""

    def __init__(self):
        self.holder = None
        self.addresses = dict.fromkeys(LINKS, "127.0.0.1")
        if not has_namespaces():
            return
        self.holder = subprocess.Popen(["unshare", "-n", "cat"], stdin=subprocess.PIPE)
        self.wait_until_apart()
        self.inside("ip", "link", "set", "lo", "up")
        for number, name in enumerate(LINKS, 1):
            near, far = f"near{number}", f"far{number}"
            run("ip", "link", "add", near, "type", "veth", "peer", "name", far, "netns",
                str(self.holder.pid))
            run("ip", "addr", "add", f"10.77.{number}.1/24", "dev", near)
            run("ip", "link", "set", near, "up")
            self.inside("ip", "addr", "add", f"10.77.{number}.2/24", "dev", far)
            self.inside("ip", "link", "set", far, "up")
            self.addresses[name] = f"10.77.{number}.2"

    def wait_until_apart(self):
        own = os.readlink("/proc/self/ns/net")
        for _ in range(10_000):
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{self.holder.pid}/ns/net") != own:
                    return
            os.sched_yield()
        raise OSError("the island has no network of its own")

    def command(self, *words):
        if not self.holder:
            return list(words)
        return ["nsenter", "-t", str(self.holder.pid), "-n", *words]

    def inside(self, *words):
        run(*self.command(*words))

    def cut(self, name):
        """From now on packets vanish; nobody is told."""
        self.inside("ip", "link", "set", f"far{LINKS.index(name) + 1}", "down")

    def mend(self, name):
        self.inside("ip", "link", "set", f"far{LINKS.index(name) + 1}", "up")

    def close(self):
        if self.holder:
            self.holder.stdin.close()
            self.holder.wait(timeout=PATIENCE_S)
            self.holder = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
