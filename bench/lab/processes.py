"""Starts programs on their cores, waits until they listen, and ends each by its id."""

import contextlib
import os
import select
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

CORES = sorted(os.sched_getaffinity(0))
PEER_CORE = CORES[0]                       # What is measured, all its threads.
LOAD_CORE = CORES[min(1, len(CORES) - 1)]  # Generator and upstream.
PATIENCE_S = 10


def fail(text):
    sys.exit(f"{Path(sys.argv[0]).name}: {text}")


def find_program(name):
    """Also where distributions keep servers, which is not on everybody's path."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class ShortLogs(threading.Thread):
    """Cuts files that programs append to, so that they grow into the same pages again.

    An access log grows by gigabytes in a comparison; and where the host of a virtual machine takes
    free pages back, the first touch of each costs several times what writing it does: the price of
    this machine's memory, not of the log.
    """
    PAUSE_S = 0.05
    BYTES_MAX = 4 << 20

    def __init__(self, core):
        super().__init__(daemon=True)
        self.core, self.paths, self.is_over = core, [], threading.Event()

    def run(self):
        os.sched_setaffinity(0, {self.core})  # Of this thread.
        while not self.is_over.wait(self.PAUSE_S):
            for path in list(self.paths):
                with contextlib.suppress(OSError):
                    if path.stat().st_size > self.BYTES_MAX:
                        os.truncate(path, 0)

    def end(self):
        self.is_over.set()
        self.join()


class Lab:
    """A folder in memory and the processes that run in it; ends them when it is left."""

    def __init__(self, folder, nice=0, is_realtime=False):
        self.folder, self.nice, self.is_realtime = Path(folder), nice, is_realtime
        self.stack = contextlib.ExitStack()
        self.short_logs = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stack.close()

    def keep_short(self, path):
        """A log that nobody reads."""
        if self.short_logs is None:
            self.short_logs = ShortLogs(LOAD_CORE)
            self.short_logs.start()
            self.stack.callback(self.short_logs.end)
        self.short_logs.paths.append(Path(path))

    def keep_awake(self):
        """Keeps the cores from idling, with work that gives way to all other.

        What wakes a core that sleeps is a virtual machine's host, and it may take milliseconds.
        """
        for core in {PEER_CORE, LOAD_CORE}:
            def give_way(core=core):
                os.sched_setaffinity(0, {core})
                os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
            busy = subprocess.Popen([sys.executable, "-c", "while True: pass"],
                                    stdin=subprocess.DEVNULL, preexec_fn=give_way)
            self.stack.callback(end, busy)

    def prepare(self, core):
        """A function that a process runs just before its program starts."""
        def bind():
            os.sched_setaffinity(0, {core})
            if self.nice != 0:
                os.setpriority(os.PRIO_PROCESS, 0, self.nice)
            if self.is_realtime:
                os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        return bind

    def start(self, command, core, port):
        """Starts a server and waits until it accepts on `port`."""
        command = [str(each) for each in command]
        log = self.folder / (Path(command[0]).name + ".out")
        with open(log, "ab") as out:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                       cwd=self.folder, preexec_fn=self.prepare(core))
        self.stack.callback(end, process)
        self.wait_for_port(port, process, log)
        return process

    def wait_for_port(self, port, process, log):
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if process.poll() is not None:
                fail(f"{process.args[0]} ended with {process.returncode}: {last_words(log)}")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return
            time.sleep(0.01)
        fail(f"nothing listens on {port}: {process.args[0]}: {last_words(log)}")

    @contextlib.contextmanager
    def scope(self):
        """What is started within it ends with it."""
        outer, self.stack = self.stack, contextlib.ExitStack()
        try:
            yield
        finally:
            inner, self.stack = self.stack, outer
            inner.close()

    def start_announced(self, command, core):
        """Starts one of our own servers, which name their port in the first line; gives both."""
        command = [str(each) for each in command]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   cwd=self.folder, preexec_fn=self.prepare(core))
        self.stack.callback(end, process)
        ready, _, _ = select.select([process.stdout], [], [], PATIENCE_S)
        line = process.stdout.readline().decode() if ready else ""
        if not line.startswith("listening on "):
            fail(f"{command[0]} said: {line!r}")
        return process, int(line.rsplit(":", 1)[1])

    def run(self, command, core):
        """Runs a program to its end; gives what it printed."""
        command = [str(each) for each in command]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              cwd=self.folder, preexec_fn=self.prepare(core))
        if done.returncode != 0:
            fail(f"{command[0]} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout


@contextlib.contextmanager
def group_priority(nice):
    """With scheduling by session (autogroup), a nice value counts within the session alone."""
    path = Path("/proc/self/autogroup")
    if nice == 0 or not path.exists():
        yield
        return
    path.write_text(str(nice))
    try:
        yield
    finally:
        path.write_text("0")


def last_words(log):
    return log.read_text(errors="replace")[-500:].strip() if log.exists() else ""


def end(process):
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdout:
        process.stdout.close()


def memory_folder():
    """Where files cost no disk: logs go there."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
