"""What grows with deployments, keys and open streams."""

import contextlib
import re
import time
from pathlib import Path

from . import generators, readings, tls
from .clients import Client, trusting_context
from .costs import KEY, MODEL, Costs
from .figures import Spread
from .peers import SLUICE_ALL_ON
from .processes import fail

ROUTES = 50        # Of a model; a configuration may have up to 64.
PAGE_KIB = 4
SETTLE_S = 1.0     # What the kernel frees late is gone by then.
MODELS_SCRIPT = """
wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
wrk.headers["authorization"] = "Bearer {key}"
local bodies, next = {{}}, 0
for i = 0, {models} - 1 do
  bodies[i] = string.gsub([[{body}]], "{model}", "model-" .. i)
end
function request()
  next = (next + 1) % {models}
  return wrk.format(nil, nil, nil, bodies[next])
end
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("RESULT %d %d %d %d\\n", summary.requests, summary.duration,
    e.status + e.connect + e.read + e.write + e.timeout, latency:percentile(50)))
end
"""


def with_deployments(count):
    """So many upstreams, shared out to models of up to ROUTES routes. Each has its own address, so
    that none uses the connections of another; all reach one server, which listens on any."""
    upstreams = "".join(f'  - {{{{name: up-{i}, url: "http://127.1.{i // 250}.{i % 250 + 1}:'
                        '{upstream}", private_addresses: true, stream_usage: inject}}\n'
                        for i in range(count))
    models = "".join(
        f"  - {{{{name: model-{number}, routes: ["
        + ", ".join(f"{{{{upstream: up-{i}}}}}"
                    for i in range(first, min(first + ROUTES, count))) + "]}}\n"
        for number, first in enumerate(range(0, count, ROUTES)))
    return SLUICE_ALL_ON.replace("models:\n", upstreams + "models:\n" + models)


def with_keys(count):
    """So many keys, with the one that is used."""
    return SLUICE_ALL_ON + "".join(f"  - {{{{name: k{i}, secret: sk-{i:012d}}}}}\n"
                                   for i in range(count - 1))


def kernel_kib():
    """The kernel's slabs, and what TCP holds in buffers, of the whole machine."""
    slab = re.search(r"^Slab:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    tcp = re.search(r"^TCP:.* mem (\d+)$", Path("/proc/net/sockstat").read_text(), re.MULTILINE)
    return int(slab.group(1)), int(tcp.group(1)) * PAGE_KIB


class Scale(Costs):
    """Each method gives rows of cells, the first of them the headings."""

    def deployments(self):
        counts, script = self.options.deployments, self.lab.folder / "models.lua"
        rows = {count: [] for count in counts}
        with self.lab.scope():
            upstream = self.peers.canned("--listen", "0.0.0.0:0")
            started = {count: self.start(count, upstream, with_deployments(count))
                       for count in counts}
            body = generators.make_body(MODEL, 700, False)
            for number in range(self.options.rounds):
                for place in range(len(counts)):
                    count = counts[(place + number) % len(counts)]
                    process, port = started[count][:2]
                    script.write_text(MODELS_SCRIPT.format(
                        key=KEY, body=body, model=MODEL, models=-(-count // ROUTES)))
                    url = f"http://127.0.0.1:{port}"
                    generators.run_wrk(self.lab, url, 32, 1, script)
                    before = sum(readings.cpu_seconds([process.pid]))
                    done, _, errors, _ = generators.run_wrk(self.lab, url, 32,
                                                            self.options.seconds, script)
                    spent = sum(readings.cpu_seconds([process.pid])) - before
                    rows[count].append((spent / done * 1e6, errors))
            yield ["deployments", "CPU us per request", "of the first, by round", "errors",
                   "RssAnon MiB", "descriptors"]
            for count in counts:
                ratios = [own[0] / first[0] for own, first in zip(rows[count], rows[counts[0]])]
                pid = started[count][0].pid
                yield [str(count), Spread.of(us for us, _ in rows[count]).text(2),
                       Spread.of(ratios).text(3), str(sum(errors for _, errors in rows[count])),
                       f"{readings.memory_kib(pid)['RssAnon'] / 1024:.1f}",
                       str(len(list(Path(f"/proc/{pid}/fd").iterdir())))]

    def keys(self):
        yield ["keys", "file MB", "start ms", "RssAnon MiB", "most RSS MiB", "bytes per key"]
        first = None
        for count in self.options.keys:
            text = with_keys(count)
            with self.lab.scope():
                upstream = self.peers.canned()
                process, _, elapsed = self.start(count, upstream, text)
                memory = readings.memory_kib(process.pid)
            first = first or (count, memory["RssAnon"])
            each = ""
            if count > first[0]:
                each = f"{(memory['RssAnon'] - first[1]) * 1024 / (count - first[0]):.0f}"
            yield [str(count), f"{len(text) / 1e6:.1f}", f"{elapsed * 1000:.0f}",
                   f"{memory['RssAnon'] / 1024:.1f}", f"{memory['VmHWM'] / 1024:.1f}", each]

    def start(self, count, upstream, text):
        """(process, port, seconds until it listens)."""
        folder = self.lab.folder / f"scale-{len(text)}-{count}"
        folder.mkdir(exist_ok=True)
        begin = time.monotonic()
        process, port = self.start_sluice(upstream, folder, text)
        return process, port, time.monotonic() - begin

    def streams(self):
        yield ["streams", "RssAnon KiB each", "VmRSS KiB each", "slab KiB each", "TCP buffers KiB",
               "open s"]
        for count in self.options.streams:
            yield self.streams_row(count)

    def streams_row(self, count):
        """The kernel's part is of both connections with both their ends, which are all here."""
        with self.lab.scope(), contextlib.ExitStack() as stack:
            upstream = self.peers.canned("--paced", "8s", "--events", 1000)
            context = trusting_context() if self.options.tls else None
            text = SLUICE_ALL_ON.replace(
                "inject}}", f"inject, pool: {{{{connections_max: {count + 100}}}}}}}}}"
            ) + f"limits: {{{{connections_max: {count + 100}}}}}\n"
            if self.options.tls:
                identity = tls.Identity(self.lab.folder)
                is_out = self.options.tls == "both"
                text = tls.Tls(identity, is_out).sluice(text)
                if is_out:
                    upstream = tls.start_upstream(self.lab, identity, upstream, tls.AS_THEY_COME)
            process, port, _ = self.start(count, upstream, text)
            clients = [stack.enter_context(contextlib.closing(Client(port, context)))]
            clients[0].ask(self.unary_request(), 50)
            before, kernel = readings.memory_kib(process.pid), kernel_kib()
            begin = time.monotonic()
            request = self.stream_request()
            for _ in range(count):
                clients.append(stack.enter_context(contextlib.closing(Client(port, context))))
                clients[-1].send(request)
                if clients[-1].read_head()[0] != 200:
                    fail("a stream was refused")
            # A session over TLS is at its least when it has lasted a second and is used again.
            for client in clients[1:] * (2 if context else 1):
                client.read_until(b"\n\n")
            elapsed = time.monotonic() - begin
            time.sleep(SETTLE_S)
            after, kernel_after = readings.memory_kib(process.pid), kernel_kib()
            each = [(after[name] - before[name]) / count for name in ("RssAnon", "VmRSS")]
            each += [(now - then) / count for now, then in zip(kernel_after, kernel)]
            cells = [str(count), *(f"{value:.1f}" for value in each), f"{elapsed:.1f}"]
        return cells
