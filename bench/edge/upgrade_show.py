#!/usr/bin/env python3
"""Shows an upgrade without a cut: during streams and requests nothing is lost, limits hold.

    bench/edge/upgrade_show.py --build build              1,000 streams and 1,000 requests a second
    bench/edge/upgrade_show.py --build build --small      a tenth of it, for a test

Three loads run on one gateway, all of sluice-load: streams that are open before the upgrade and end
after it; requests at an even rate, most on kept connections, some on a new one each; and a key that
asks for more than its requests_per_minute allows. In the middle the gateway is upgraded twice. The
same is done once more without an upgrade, for the times beside it. Exit status 1 when a figure was
missed; tables go to stdout, and with `--results DIR` the figures to a file.
"""

import argparse
import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

PATIENCE_S = 60
SECONDS = 24  # Of the requests.
UPGRADES_AT_S = (6, 14)
STREAM_EVENTS, EVENTS_A_SECOND = 150, 10
LIMIT = 300  # Requests a minute of the key that has a limit.


def read_until(process, pattern):
    """Of the lines of `process`; the match."""
    deadline = time.monotonic() + PATIENCE_S
    for line in process.stdout:
        if match := re.search(pattern, line):
            return match
        if time.monotonic() > deadline:
            break
    raise SystemExit(f"{process.args[0]} did not say {pattern}")


def swallow(stream):
    threading.Thread(target=lambda: [None for _ in stream], daemon=True).start()


class Stage(contextlib.ExitStack):
    """The processes, ended by their pids."""

    def __init__(self, build):
        super().__init__()
        self.build = build
        self.folder = pathlib.Path(self.enter_context(tempfile.TemporaryDirectory()))
        self.pids = []
        self.callback(self.end)
        self.sims = [self.start_sim("--ttft", "2ms", "--tps", "0", "--tokens", "5"),
                     self.start_sim("--ttft", "20ms", "--tps", str(EVENTS_A_SECOND),
                                    "--tokens", str(STREAM_EVENTS))]

    def end(self):
        for pid in self.pids:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)

    def start(self, *command):
        process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True)
        self.pids.append(process.pid)
        return process

    def start_sim(self, *options):
        sim = self.start(self.build / "tools/sim/sluice-sim", "--listen", "127.0.0.1:0", *options)
        url = read_until(sim, r"(http://\S+)").group(1)
        swallow(sim.stdout)
        return url

    def start_gateway(self):
        self.admin = self.folder / "admin.sock"
        config = self.folder / "sluice.yaml"
        upstreams = "".join(f"  - {{name: up{i}, url: {url}, private_addresses: true}}\n"
                            for i, url in enumerate(self.sims))
        config.write_text(
            "listen: 127.0.0.1:0\nshards: 2\ndevelopment: true\ndrain_timeout: 60s\n"
            f"admin: {{socket: {self.admin}}}\nupstreams:\n{upstreams}"
            f"journal: {{directory: {self.folder}/journal}}\n"
            "access_log: {enabled: false}\n"
            "models:\n  - {name: fast, routes: [{upstream: up0}]}\n"
            "  - {name: slow, routes: [{upstream: up1}]}\n"
            "keys:\n  - {name: open, secret: sk-open-0123456789abcdef}\n"
            "  - {name: limited, secret: sk-limited-0123456789abcdef,"
            f" limits: {{requests_per_minute: {LIMIT}}}}}\n", encoding="utf-8")
        config.chmod(0o600)
        self.gateway = self.start(self.build / "src/app/sluice", "run", config)
        self.url = read_until(self.gateway, r"listening on (http://\S+)").group(1)
        swallow(self.gateway.stdout)

    def load(self, name, *options, key="open"):
        """A load that runs; its figures are read by figures()."""
        process = self.start(
            self.build / "bench/load/sluice-load", "run", "--target", self.url, "--name", name,
            "--key", f"sk-{key}-0123456789abcdef=1", "--json", self.folder / f"{name}.json",
            "--timeout", "30s", *options)
        swallow(process.stdout)
        return process

    def figures(self, name, process):
        process.wait(PATIENCE_S)
        return json.loads((self.folder / f"{name}.json").read_text())

    def upgrade(self):
        """Seconds until the successor served."""
        begun = time.monotonic()
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE_S)
            connection.connect(str(self.admin))
            connection.sendall(b"POST /v1/upgrade HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
                               b"content-length: 0\r\n\r\n")
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
        if not answer.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"no upgrade: {answer.decode()}")
        self.pids.append(json.loads(answer.split(b"\r\n\r\n", 1)[1])["pid"])
        return time.monotonic() - begun


def run(build, scale, upgrades):
    with Stage(build) as stage:
        stage.start_gateway()
        many = int(1000 * scale)
        streams = stage.load("streams", "--stream", "--model", "slow=1", "--connections", many,
                             "--requests-per-connection", 1, "--spread", "2s")
        kept = stage.load("kept", "--model", "fast=1", "--rate", int(900 * scale),
                          "--connections", 64, "--duration", f"{SECONDS}s")
        fresh = stage.load("fresh", "--model", "fast=1", "--rate", int(100 * scale),
                           "--connections", 16, "--requests-per-connection", 1,
                           "--duration", f"{SECONDS}s")
        limited = stage.load("limited", "--model", "fast=1", "--rate", 50, "--connections", 8,
                             "--duration", f"{SECONDS}s", key="limited")
        begun = time.monotonic()
        took = []
        for at in upgrades:
            time.sleep(max(0, begun + at - time.monotonic()))
            # The second one waits for the end of the first predecessor, whose streams go on.
            took.append(stage.upgrade() if not took else later(stage))
        found = {name: stage.figures(name, process) for name, process in
                 (("streams", streams), ("kept", kept), ("fresh", fresh), ("limited", limited))}
        found["upgrades_s"] = took
        return found


def later(stage):
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return stage.upgrade()
        except SystemExit as busy:
            if "still drains" not in str(busy) or time.monotonic() > deadline:
                raise
        time.sleep(0.2)


def p99(figures):
    return figures["latency"]["p99_us"] / 1000


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build"))
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--results", type=pathlib.Path)
    options = parser.parse_args()
    scale = 0.1 if options.small else 1
    build = options.build.resolve()
    plain = run(build, scale, ())
    upgraded = run(build, scale, UPGRADES_AT_S)
    missed = []

    def show(what, value, expected, is_good):
        if not is_good:
            missed.append(what)
        print(f"| {what} | {value} | {expected} | {'yes' if is_good else 'NO'} |")

    print("| figure | found | expected | met |\n|---|---|---|---|")
    times = ", ".join(f"{took * 1000:.0f} ms" for took in upgraded["upgrades_s"])
    show("upgrades, until the successor served", times, "2", len(upgraded["upgrades_s"]) == 2)
    for name in ("streams", "kept", "fresh"):
        found = upgraded[name]
        lost = found["started"] - found["completed"]
        show(f"{name}: started, lost", f"{found['started']:,}, {lost} {found['failures'] or ''}",
             "0 lost", lost == 0 and found["started"] > 0 and found["without_done"] == 0)
    show("streams that were open in the first upgrade", f"{upgraded['streams']['started']:,}",
         f"{int(1000 * scale):,}", upgraded["streams"]["started"] == int(1000 * scale))
    admitted = upgraded["limited"]["completed"]
    show("requests of the limited key that were let in", admitted,
         f"{LIMIT} of {upgraded['limited']['started']:,}", admitted <= LIMIT)
    show("the same, not less for the upgrades", admitted, f"{LIMIT * 0.98:.0f} or more",
         admitted >= LIMIT * 0.98)
    for name in ("kept", "fresh"):
        print(f"| {name}: p99, ms | {p99(upgraded[name]):.2f} | {p99(plain[name]):.2f} without an "
              "upgrade | - |")
        worst = max((second["p99_us"] for second in upgraded[name]["timeline"]), default=0) / 1000
        print(f"| {name}: p99 of the worst second, ms | {worst:.2f} | "
              f"{max(s['p99_us'] for s in plain[name]['timeline']) / 1000:.2f} | - |")
    if options.results:
        options.results.mkdir(parents=True, exist_ok=True)
        (options.results / "upgrade.json").write_text(
            json.dumps({"plain": plain, "upgraded": upgraded}))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
