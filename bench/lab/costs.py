"""What one exchange, event or stream costs whatever the machine is at, and two times."""

import contextlib
import dataclasses
import json
import os
import subprocess
import time

from . import callgrind, generators, readings
from .clients import Client, post_to_socket, request_bytes
from .figures import Spread
from .peers import KEY, MODEL, SLUICE_ALL_ON, headers_for
from .processes import PEER_CORE, end, fail, find_program

BODY_BYTES = 700
WARM_UP = 50


@dataclasses.dataclass
class Cost:
    """One line of the table. Without a budget it is told for itself."""
    budget: str
    what: str
    unit: str
    values: list
    at_most: float | None = None
    goal: float | None = None
    note: str = ""
    why_not: str = ""  # Why there are no values.

    @property
    def judged(self):
        """Times by their median, since one round may meet another process; all else by its most."""
        return Spread.of(self.values).median if self.unit == "ms" else max(self.values)

    @property
    def word(self):
        if not self.values:
            return "not measured"
        if self.at_most is None:
            return ""
        if self.judged <= self.goal:
            return "goal"
        return "pass" if self.judged <= self.at_most else "missed"

    @property
    def is_missed(self):
        return self.word in ("missed", "not measured")

    def as_dict(self):
        return {**dataclasses.asdict(self), "verdict": self.word}


class Costs:
    """`sizes` are the numbers of requests, events and streams; smaller ones make a smoke run."""

    def __init__(self, lab, peers, options):
        self.lab, self.peers, self.options = lab, peers, options

    def unary_request(self):
        return request_bytes(generators.make_body(MODEL, BODY_BYTES, False),
                             headers_for("sluice", 0))

    def stream_request(self):
        return request_bytes(generators.make_body(MODEL, BODY_BYTES, True),
                             headers_for("sluice", 0))

    # --- instructions

    def instructions(self):
        """P13, and the same for events: the shard on recorded bytes and a simulated kernel."""
        if not find_program("valgrind"):
            yield Cost("P13", "instructions of a warm unary exchange", "", [],
                       why_not="no valgrind")
            return
        for test, budget, what in (
                ("p013_unary_exchange", (14_000, 8_000), "a warm unary exchange"),
                ("p013_stream_of_50_events_in_one_write", (None, None),
                 "a stream of 50 events in one write"),
                ("p013_stream_of_50_events_and_the_usage", (None, None),
                 "the same with a usage event, which is dropped"),
                ("p013_event_that_comes_alone", (None, None), "an event that comes alone")):
            sizes = [self.options.units, 2 * self.options.units]
            counts = [self.count(test, size) for size in sizes]
            yield Cost("P13" if budget[0] else "", what, "instructions",
                       callgrind.per_unit(counts, sizes), *budget,
                       f"runs of {sizes[0]} and {sizes[1]}")

    def count(self, test, units):
        """Instructions of the counted turns of one run."""
        out = self.lab.folder / f"{test}-{units}.callgrind"
        # Valgrind knows no AVX-512.
        environment = {**os.environ, "SLUICE_UNITS": str(units),
                       "SIMDJSON_FORCE_IMPLEMENTATION": "haswell"}
        done = subprocess.run(
            [find_program("valgrind"), "-q", "--tool=callgrind", "--collect-atstart=no",
             f"--callgrind-out-file={out}", self.peers.program("tests/sim/instructions"),
             f"--gtest_filter=*.{test}"], capture_output=True, text=True, env=environment)
        if done.returncode != 0:
            fail(f"{test}: {done.stdout}{done.stderr}")
        return callgrind.parse_profile(out.read_text(errors="replace"))

    def start_sluice(self, upstream, folder, text=SLUICE_ALL_ON, shards=1):
        """The gateway with everything on and a port of its own choice; (process, port)."""
        path = folder / "sluice.yaml"
        path.write_text(text.format(port=0, upstream=upstream, folder=folder, key=KEY, model=MODEL,
                                    shards=shards))
        command = [self.peers.program("src/app/sluice"), "run", path]
        return self.lab.start_announced(command, PEER_CORE)

    # --- allocations

    def allocations(self):
        """P12, as the simulation counts them: malloc and all its kin, on the shard's thread."""
        program = self.peers.build / "tests/sim/allocations"
        if not program.exists():
            yield Cost("P12", "heap allocations of a warm exchange", "", [],
                       why_not="tests/sim/allocations is not built")
            return
        out = self.lab.folder / "allocations.json"
        subprocess.run([program, "--gtest_filter=*p012*", f"--gtest_output=json:{out}"],
                       stdout=subprocess.DEVNULL)
        for test in json.loads(out.read_text())["testsuites"][0]["testsuite"]:
            what = test["name"].removeprefix("p012_a_").removesuffix("_allocates_nothing")
            values = [int(test["allocations"])] if "allocations" in test else []
            yield Cost("P12", f"heap allocations of a {what.replace('_', ' ')}", "allocations",
                       values, 0, 0, f"over {test.get('units', '?')}")

    # --- memory

    def streams(self):
        """P9: open streams that have brought an event and are idle."""
        count = self.options.streams
        folder = self.lab.folder / "streams"
        folder.mkdir()
        with self.lab.scope(), contextlib.ExitStack() as stack:
            upstream = self.peers.canned("--paced", "5s", "--events", 1000)
            process, port = self.start_sluice(upstream, folder)
            clients = [stack.enter_context(contextlib.closing(Client(port)))]
            clients[0].ask(self.unary_request(), WARM_UP)
            before = readings.memory_kib(process.pid)
            request = self.stream_request()
            for _ in range(count):
                clients.append(stack.enter_context(contextlib.closing(Client(port))))
                clients[-1].send(request)
                if clients[-1].read_head()[0] != 200:
                    fail("a stream was refused")
            for client in clients[1:]:
                client.read_until(b"\n\n")
            after = readings.memory_kib(process.pid)
        for field, name, budget in (("RssAnon", "P9", (12, 6)), ("VmRSS", "", (None, None))):
            each = (after[field] - before[field]) / count
            yield Cost(name, f"{field} of an open idle stream", "KiB", [each], *budget,
                       f"{count} streams; {before[field]} KiB before, {after[field]} KiB with them")

    # --- times

    def start(self):
        """P15: from exec to the line that says it listens."""
        with self.lab.scope():
            upstream = self.peers.canned()
            for what, text, shards, budget in (
                    ("start to listening", SLUICE_ALL_ON, 1, (100, 50)),
                    ("the same with 10,000 keys, 200 deployments", large_config("a"), 1,
                     (None, None)),
                    ("with an https upstream, the system's authorities", https_config(1), 1,
                     (100, 50)),
                    ("with 50 of them", https_config(50), 1, (None, None)),
                    ("with 50 of them, 8 shards", https_config(50), 8, (None, None))):
                values = []
                for number in range(self.options.rounds):
                    folder = self.lab.folder / f"start-{len(text)}-{shards}-{number}"
                    folder.mkdir()
                    begin = time.monotonic()
                    process, _ = self.start_sluice(upstream, folder, text, shards)
                    values.append((time.monotonic() - begin) * 1000)
                    end(process)
                yield Cost("P15" if budget[0] else "", what, "ms", values, *budget)

    def reload(self):
        """P15: the admin socket's answer to a reload, beside requests of which none may be lost."""
        folder = self.lab.folder / "reload"
        folder.mkdir()
        with self.lab.scope():
            upstream = self.peers.canned()
            _, port = self.start_sluice(upstream, folder, large_config("a"))
            path = folder / "sluice.yaml"
            texts = [path.read_text(), path.read_text().replace("key-a-", "key-b-")]
            idle = [self.reload_once(folder, texts[number % 2])
                    for number in range(self.options.rounds)]
            yield Cost("", "reload of 10,000 keys, 200 deployments, idle", "ms", idle)
            yield from self.reload_under_load(folder, texts, port)

    def reload_under_load(self, folder, texts, port):
        if not find_program("wrk"):
            yield Cost("P15", "the same under load", "ms", [], why_not="no wrk")
            return
        script = folder / "post.lua"
        script.write_text(generators.wrk_script(
            generators.make_body(MODEL, BODY_BYTES, False), headers_for("sluice", 0)))
        with generators.WrkLoad(self.lab, f"http://127.0.0.1:{port}", 32, script) as load:
            values = []
            for number in range(self.options.rounds):
                time.sleep(0.2)
                values.append(self.reload_once(folder, texts[(number + 1) % 2]))
            requests, seconds, errors, _ = load.finish()
        yield Cost("P15", "the same beside a saturating load on its core", "ms", values, 150, 50,
                   f"32 connections, {requests / seconds:.0f} requests/s")
        yield Cost("P15", "requests lost meanwhile", "requests", [errors], 0, 0,
                   f"of {requests}, {len(values)} reloads")

    def reload_once(self, folder, text):
        """Milliseconds until the new configuration is in force."""
        path = folder / "sluice.yaml"
        path.write_text(text)
        begin = time.monotonic()
        status, answer = post_to_socket(folder / "admin.sock", "/v1/reload")
        elapsed = (time.monotonic() - begin) * 1000
        if status != 200:
            fail(f"reload: {answer[:500]}")
        return elapsed


def large_config(word, keys=10_000, deployments=200, routes=50):
    """The usual configuration with so many more keys and deployments; a format text like it."""
    upstreams = "".join(f'  - {{{{name: up-{i}, url: "http://127.0.0.1:{{upstream}}", '
                        f'private_addresses: true}}}}\n'
                        for i in range(deployments))
    models = "".join(
        f"  - {{{{name: model-{first}, routes: ["
        + ", ".join(f"{{{{upstream: up-{i}}}}}" for i in range(first, first + routes))
        + "]}}\n" for first in range(0, deployments, routes))
    more = "".join(f"  - {{{{name: key-{word}-{i}, secret: sk-key-{word}-{i:012d}}}}}\n"
                   for i in range(keys))
    text = SLUICE_ALL_ON.replace("models:\n", upstreams + "models:\n" + models)
    return 'admin: {{socket: "{folder}/admin.sock"}}\n' + text + more


def https_config(count):
    """So many https upstreams, which are never dialled."""
    upstreams = "".join(f'  - {{{{name: up-{i}, url: "https://127.0.0.1:{{upstream}}/{i}", '
                        f'private_addresses: true}}}}\n'
                        for i in range(count))
    models = ("  - {{name: secure, routes: ["
              + ", ".join(f"{{{{upstream: up-{i}}}}}" for i in range(count)) + "]}}\n")
    return SLUICE_ALL_ON.replace("models:\n", upstreams + "models:\n" + models)


def rows_of(costs):
    """Cells for report.columns."""
    rows = [["budget", "figure", "", "at most", "goal", "", ""]]
    for each in costs:
        spread = Spread.of(each.values)
        digits = 0 if each.values and max(each.values) >= 100 else 1
        value = "-" if spread is None else spread.text(digits) if len(each.values) > 1 else \
            f"{spread.median:.{digits}f}"
        bounds = ["", ""] if each.at_most is None else [f"{each.at_most:g}", f"{each.goal:g}"]
        about = each.what + "".join(f"  ({more})" for more in (each.note, each.why_not) if more)
        rows.append([each.budget, value, each.unit, *bounds, each.word, about])
    return rows
