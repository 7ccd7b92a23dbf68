"""Gateways at the edge: plain ones and ones with TLS, before an upstream of large answers."""

import json
import os
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

from lab import processes, readings, tls
from limits import stage

SAMPLE_S = 0.25
SCRAPE_EACH = 4  # Samples from one scrape of the metrics to the next.


def settings(ports, more=""):
    """Each model has an upstream of its own: `m` for honest clients, `large` for attackers."""
    upstreams = "".join(f"  - {{name: {name}, url: \"http://127.0.0.1:{port}\", "
                        "private_addresses: true}\n" for name, port in ports.items())
    models = "".join(f"  - {{name: {name}, routes: [{{upstream: {name}}}]}}\n" for name in ports)
    return f"development: true\nupstreams:\n{upstreams}models:\n{models}{more}"


def record_client_hello():
    """The first flight of a real TLS client: OpenSSL's, as browsers and curl offer h2."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    outgoing = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


class Watch:
    """Reads a gateway's memory and its open connections until it is ended."""

    def __init__(self, gateway):
        self.gateway = gateway
        self.samples = []  # (monotonic time, KiB resident, connections open or None).
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.thread.join()

    def _run(self):
        turn = 0
        while not self.is_over.wait(SAMPLE_S):
            resident, connections = resident_kib(self.gateway), None
            if turn % SCRAPE_EACH == 0:
                try:
                    connections = int(self.gateway.total("sluice_connections_open"))
                except OSError:
                    pass
            self.samples.append((time.monotonic(), resident, connections))
            turn += 1

    def most(self, begin, end, index):
        values = [each[index] for each in self.samples
                  if begin <= each[0] <= end and each[index] is not None]
        return max(values, default=0)


def resident_kib(gateway):
    try:
        return readings.memory_kib(gateway.process.pid)["VmRSS"]
    except (OSError, KeyError):
        return 0


class Honest:
    """honest.py in a process of its own, until finish()."""

    def __init__(self, place, gateway, rate, newcomers):
        command = [sys.executable, str(Path(__file__).with_name("honest.py")), str(gateway.port),
                   str(rate), str(newcomers)]
        if gateway.authority:
            command.append(str(gateway.authority))
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        preexec_fn=raise_priority)
        place.stack.callback(self.stop)

    def finish(self):
        """[(kind, when it was due, seconds it took, what was wrong or "")] of all requests."""
        out, _ = self.process.communicate(b"end\n", timeout=stage.stage.PATIENCE_S * 2)
        if self.process.returncode != 0:
            processes.fail(f"the honest clients ended with {self.process.returncode}")
        return [tuple(json.loads(line)) for line in out.splitlines()]

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


def raise_priority():
    """It measures; what it measures is not that it has to wait for a core itself."""
    try:
        os.setpriority(os.PRIO_PROCESS, 0, -10)
    except OSError:
        pass


class Stage(stage.Stage):
    identity = None

    def canned(self, events):
        """The port of an upstream whose event streams have so many events."""
        process = subprocess.Popen(
            [str(self.program("bench/canned/sluice-canned")), "--burst", str(events)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.stack.callback(processes.end, process)
        line = process.stdout.readline().decode()
        if not line.startswith("listening on "):
            processes.fail(f"sluice-canned said: {line!r}")
        return int(line.rsplit(":", 1)[1])

    def plain_gateway(self, config, shards=2):
        made = self.gateway(config, shards)
        made.authority = None
        return made

    def tls_gateway(self, config, shards=2, more=""):
        """`more`: settings in its section `tls`, lines of two spaces' indent."""
        self.identity = self.identity or tls.Identity(self.folder)
        made = self.gateway(
            f"{config}tls:\n  certificates: [{{certificate: {self.identity.chain}, "
            f"key: {self.identity.key}}}]\n{more}", shards)
        made.authority = self.identity.chain
        return made

    def begin_assault(self, attack, gateway, seconds, *options):
        command = [str(self.program("bench/edge/sluice-assault")), attack, "--target",
                   f"127.0.0.1:{gateway.port}", "--for", f"{round(seconds * 1000)}ms", *options]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.stack.callback(processes.end, process)
        return process

    @staticmethod
    def end_assault(process, seconds_max):
        out, _ = process.communicate(timeout=seconds_max)
        if process.returncode != 0:
            processes.fail(f"sluice-assault ended with {process.returncode}")
        return json.loads(out)
