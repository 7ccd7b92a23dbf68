"""The programs of a case: gateways that share their limits, each in a folder of its own, a
simulated server behind them, Redis."""

import contextlib
import json
import socket
import subprocess

import redis_support
from lab.processes import fail
from resilience import stage
from resilience.stage import Simulator, ask, upstream  # noqa: F401

RUN_MAX_S = 400  # The bound of one run of sluice-load.


def admin_request(method, path, text=b""):
    return (f"{method} {path} HTTP/1.1\r\nhost: show\r\nconnection: close\r\n"
            f"content-type: application/json\r\ncontent-length: {len(text)}\r\n\r\n"
            ).encode() + text


class Gateway(stage.Gateway):
    """One gateway; `folder` is its own and holds its log, access log and admin socket."""

    def __init__(self, program, folder, config, shards):
        folder.mkdir()
        self.folder = folder
        self.access_log = folder / "access.log"
        self.socket = folder / "admin.sock"
        super().__init__(program, folder, f"admin: {{socket: {self.socket}}}\n{config}", shards)

    def call(self, path, body=None, method=None):
        """(status, answer) of one admin call; a POST when there is a body."""
        text = b"" if body is None else json.dumps(body).encode()
        method = method or ("GET" if body is None else "POST")
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as wire:
            wire.settimeout(stage.PATIENCE_S)
            wire.connect(str(self.socket))
            wire.sendall(admin_request(method, path, text))
            got = b""
            while more := wire.recv(65536):
                got += more
        return int(got[9:12]), json.loads(got.split(b"\r\n\r\n", 1)[1])

    def admin(self, path, body=None):
        """The answer of a call that must succeed."""
        status, answer = self.call(path, body)
        if status >= 300:
            fail(f"{path}: {status} {answer}")
        return answer

    def wait_for(self, pattern):
        return self._wait_for(pattern)

    last = None  # The samples of the last scrape.

    def signal_end(self):
        """Ends it in good order, which writes its log to the end; keeps its last samples."""
        self.last = self.samples()[0]
        self.end()

    def kill(self):
        """kill -9; no crash of its own."""
        self.was_ended = True
        self.process.kill()
        self.process.wait()


class Stage(stage.Stage):
    started = 0

    def gateway(self, config, shards=2):
        self.started += 1
        made = Gateway(self.program("src/app/sluice"), self.folder / f"gateway{self.started}",
                       config, shards)
        self.stack.callback(made.end)
        self.gateways.append(made)
        return made

    def redis(self, kind=redis_support.Redis, **options):
        """A redis_support.Redis, Sentinel or Cluster."""
        return self.stack.enter_context(kind(**options))

    def begin_load(self, gateway, *options, name="load"):
        """Starts sluice-load; (process, file of its figures). Two at a time have two names."""
        figures = gateway.folder / f"{name}.json"
        figures.unlink(missing_ok=True)
        command = [self.program("bench/load/sluice-load"), "run", "--target",
                   f"http://127.0.0.1:{gateway.port}", *options, "--json", figures]
        process = subprocess.Popen([str(each) for each in command], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.stack.callback(stage.end, process)
        return process, figures

    def end_load(self, begun):
        """The figures of begin_load() when it has ended."""
        process, figures = begun
        process.wait(timeout=RUN_MAX_S)
        return json.loads(figures.read_text())

    def log_is_whole(self, case, gateways):
        """Figures from access logs hold only when no line was lost."""
        lost = sum(each.total("sluice_access_log_dropped_total") for each in gateways)
        case.equal("lines lost from access logs", int(lost), 0)


def settings(simulator, keys, more=""):
    """The configuration of a gateway before one simulated server. `keys`: limits by key."""
    listed = "".join(
        f"  - {{name: {name}, secret: sk-show-{name}-0123456789, limits: {{{limits}}}}}\n"
        for name, limits in keys.items())
    return (f"forward_headers: [x-sim-tokens]\n"
            f"upstreams:\n{upstream(simulator, 'breaker: off')}"
            f"models:\n  - {{name: m, routes: [{{upstream: {simulator.name}, model: sim, "
            "price: {input: 0, output: 1000}}]}\n"
            f"keys:\n{listed}{more}")


def authorization(key):
    return f"authorization: Bearer sk-show-{key}-0123456789\r\n"
