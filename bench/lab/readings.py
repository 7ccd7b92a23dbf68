"""What /proc and git say: CPU time, memory, the machine, the commit."""

import os
import platform
import re
import subprocess
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def parse_stat(text):
    """Seconds in user space and in the kernel, from the text of /proc/PID/stat."""
    # The program's name stands in parentheses and may hold anything, these included.
    fields = text.rsplit(")", 1)[1].split()
    return int(fields[11]) / TICKS, int(fields[12]) / TICKS


def parse_memory(text):
    """KiB by field, from the text of /proc/PID/status."""
    return {name: int(value) for name, value in
            re.findall(r"^(Vm\w+|Rss\w+):\s+(\d+) kB$", text, re.MULTILINE)}


def with_children(pid):
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


def cpu_seconds(pids):
    """User and kernel seconds of the processes and of their children, all threads."""
    readings = [parse_stat(Path(f"/proc/{each}/stat").read_text())
                for pid in pids for each in with_children(pid)]
    return sum(user for user, _ in readings), sum(kernel for _, kernel in readings)


def parse_core(text, core):
    """Seconds that one core was busy or taken away, interrupts left out; from /proc/stat."""
    fields = re.search(rf"^cpu{core} (.+)$", text, re.MULTILINE).group(1).split()
    user, nice, system, steal = (int(fields[i]) for i in (0, 1, 2, 7))
    return (user + nice + system + steal) / TICKS


def core_seconds(core):
    return parse_core(Path("/proc/stat").read_text(), core)


def memory_kib(pid):
    return parse_memory(Path(f"/proc/{pid}/status").read_text())


def cpu_model():
    text = Path("/proc/cpuinfo").read_text()
    match = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return match.group(1).strip() if match else platform.machine()


def cpu_words(model):
    """A processor's name as part of a file's name."""
    words = re.sub(r"\((?:r|tm)\)|\bcpu\b|\bprocessor\b|@.*", " ", model.lower())
    return "-".join(re.findall(r"[a-z0-9.]+", words)) or "unknown"


def commit(root):
    """The short commit; "+" behind it when something differs from it."""
    def git(*arguments):
        return subprocess.run(["git", "-C", str(root), *arguments], capture_output=True,
                              text=True).stdout.strip()
    changed = git("status", "--porcelain", "--untracked-files=no")
    return (git("rev-parse", "--short", "HEAD") or "unknown") + ("+" if changed else "")


def machine():
    return {"cpu": cpu_model(), "cores": len(os.sched_getaffinity(0)),
            "kernel": platform.release()}
