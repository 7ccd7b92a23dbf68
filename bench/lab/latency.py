"""Interleaved rounds of load whose times are told: what is added to a direct connection."""

import dataclasses

from . import added, comparison, generators
from .added import DIRECT, FLOOR, Run
from .comparison import AGAIN
from .peers import KEY, MODEL, SLUICE_ALL_ON, Peer, Peers, missing_program
from .processes import LOAD_CORE

PEERS = (DIRECT, FLOOR, "sluice", "nginx", "haproxy")
BODY_BYTES = 700
STREAMS, PERIOD_MS = 1000, 20
WARM_UP_MS = 300

# What a generator asks of the simulated upstream must reach it.
SLUICE_BEFORE_SIM = SLUICE_ALL_ON + """
forward_headers: [x-sim-tokens, x-sim-tps, x-sim-ttft, x-sim-stamp, x-sim-fixed, x-sim-fault]
"""
PHASES = {  # To its own options and what is timed.
    "connect": (["--timeout", "20s"], "gateway closed, no upstream yet"),
    "body": (["--timeout", "90s"], "gateway closed, no upstream yet"),
    "waiting": ([], "upstream saw the end"),
    "streaming": (["--events", "100000", "--interval", "10"], "upstream saw the end"),
}


@dataclasses.dataclass(frozen=True)
class Work:
    name: str
    title: str
    timings: dict      # sluice-load's kinds of time to titles.
    budget: str = ""


ANSWER = {"latency": "whole answer"}
WORKS = [
    Work("open", "open loop at {rate} requests per s, {connections} connections", ANSWER, "P7"),
    Work("events", f"{STREAMS} paced streams, an event per {PERIOD_MS} ms each",
         {"first_delay": "first event", "delay": "each event"}, "P8"),
    Work("leave", "a client leaves, {leavings} times a run and phase",
         {"detection": "until it is noticed"}, "P14"),
    Work("llmux", "10,000 requests, 100 at a time, to an upstream of 50 ms", ANSWER),
    Work("trace", "recorded traffic at 20 times its speed",
         {"first_event": "first event", "gap": "gap between events", **ANSWER}),
]


def select_works(names, has_trace):
    """By name; without names all, the trace only when there is one."""
    unknown = [name for name in names if name not in {work.name for work in WORKS}]
    if unknown:
        raise ValueError(f"--only: no work is called {', '.join(unknown)}; there are "
                         + ", ".join(work.name for work in WORKS))
    if "trace" in names and not has_trace:
        raise ValueError("--only: trace needs --trace FILE")
    return [work for work in WORKS if work.name in names or not names
            and (work.name != "trace" or has_trace)]


def milliseconds(seconds):
    """As sluice-load reads a duration."""
    return f"{max(1, round(seconds * 1000))}ms"


@dataclasses.dataclass
class Result:
    work: Work
    title: str
    first: str       # The peer that stands for Sluice.
    variants: list
    runs: dict       # Peer, or phase of leaving, to its runs.
    voids: dict
    skipped: dict
    verdicts: list


class Latency:
    """`root` holds the scenarios, `build` our programs, `options` what the command was told."""

    def __init__(self, lab, root, build, options):
        self.lab, self.root, self.options = lab, root, options
        self.peers = Peers(lab, build)
        self.program = self.peers.program("bench/load/sluice-load")
        self.variants = options.variants
        self.first = next(iter(self.variants))

    def measure(self, work):
        with self.lab.scope():  # Idle peers of another work would share the cores.
            title = work.title.format(**vars(self.options))
            result = Result(work, title, self.first, list(self.variants), {}, {}, {}, [])
            if work.name == "leave":
                self.measure_leaving(result)
            elif work.name in ("llmux", "trace"):
                self.measure_beside_direct(result)
            else:
                self.measure_beside_floor(result)
        return result

    # --- beside the floor: P7 and P8

    def measure_beside_floor(self, result):
        peers = self.start_peers(result)
        prepare = self.open_arguments if result.work.name == "open" else self.event_arguments
        self.run_rounds(result, peers, prepare())
        rate = self.options.rate if result.work.name == "open" else 0
        self.find_voids(result, rate)
        runs, voids = dict(result.runs), dict(result.voids)
        if self.first in runs:
            runs["sluice"], voids["sluice"] = runs[self.first], voids.get(self.first)
        if FLOOR in runs and "sluice" in runs:
            result.verdicts = list(added.judge(result.work.budget, result.work.name,
                                               result.work.timings, runs, voids))

    def start_peers(self, result):
        if result.work.name == "open":
            upstream = self.peers.canned()
        else:
            upstream = self.peers.canned("--paced", f"{PERIOD_MS}ms", "--events",
                                         max(1, round(self.options.seconds * 1000 / PERIOD_MS)))
        peers = {DIRECT: Peer(DIRECT, upstream, [])}
        for name in self.options.peers:
            lacks = missing_program(name)
            if lacks:
                result.skipped[name] = f"{lacks} is not installed"
            elif name == "sluice":
                peers |= self.start_variants(upstream, SLUICE_ALL_ON)
            elif name != DIRECT:
                peers[name] = getattr(self.peers, name)(name, upstream)
        return peers

    def start_variants(self, upstream, text):
        names = [*self.variants, *([AGAIN] if self.options.again else [])]
        return {name: self.peers.sluice(name.replace(" ", "-"), upstream,
                                        self.variants.get(name, self.variants[self.first]), text)
                for name in names}

    def open_arguments(self):
        body = self.lab.folder / "body.json"
        body.write_text(generators.make_body(MODEL, BODY_BYTES, False))
        return ["run", "--rate", f"{self.options.rate:g}", "--arrivals", self.options.arrivals,
                "--connections", self.options.connections, "--spin", self.options.spin,
                "--warm-up", f"{WARM_UP_MS}ms", "--duration", milliseconds(self.options.seconds),
                "--body", body]

    def event_arguments(self):
        """The upstream lays the phases evenly over the period; the spread keeps 1,000 starts
        apart."""
        return ["streams", "--connections", STREAMS, "--streams-per-connection", 1,
                "--spread", milliseconds(min(1, self.options.seconds))]

    # --- beside direct alone: recorded and made scenarios on the simulated upstream

    def measure_beside_direct(self, result):
        upstream = self.start_sim()
        peers = {DIRECT: Peer(DIRECT, upstream, [])} if DIRECT in self.options.peers else {}
        if "sluice" in self.options.peers:
            peers |= self.start_variants(upstream, SLUICE_BEFORE_SIM)
        scenarios = self.root / "bench/load/scenarios"
        if result.work.name == "llmux":
            arguments = ["run", scenarios / "llmux.yaml"]
            if self.options.requests:
                arguments += ["--requests", self.options.requests]
        else:
            arguments = ["run", scenarios / "azure_20x.yaml", "--trace", self.options.trace,
                         "--duration", self.options.trace_duration]
        self.run_rounds(result, peers, arguments)
        self.find_voids(result)

    def start_sim(self):
        command = [self.peers.program("tools/sim/sluice-sim"), "--listen", "127.0.0.1:0"]
        return self.lab.start_announced(command, LOAD_CORE)[1]

    # --- leaving: P14

    def measure_leaving(self, result):
        upstream = self.start_sim()
        program = self.variants[self.first]
        peer = self.peers.sluice("sluice", upstream, program, SLUICE_BEFORE_SIM)
        for number, phase in comparison.in_turn("leave", list(PHASES), self.options.leave_rounds):
            more, what = PHASES[phase]
            figures = self.load(peer, ["abort", "--rounds", self.options.leavings, "--phase",
                                       phase, "--stats-url", f"http://127.0.0.1:{upstream}",
                                       *more])
            result.runs.setdefault(phase, []).append(Run.of(number, figures, ["detection"]))
        for phase, runs in result.runs.items():
            result.verdicts += added.judge_leaving(result.work.name, phase, PHASES[phase][1], runs)

    # --- runs

    def run_rounds(self, result, peers, arguments):
        result.runs = {name: [] for name in peers}
        kinds = list(result.work.timings)
        for number, name in comparison.in_turn(result.work.name, list(peers),
                                               self.options.rounds):
            figures = self.load(peers[name], arguments)
            result.runs[name].append(Run.of(number, figures, [*kinds, "send_lag"]))

    def load(self, peer, arguments):
        return generators.run_load(self.lab, self.program, peer.url,
                                   [*arguments, "--key", KEY])

    def find_voids(self, result, rate=0):
        direct = result.runs.get(DIRECT, [])
        for name, runs in result.runs.items():
            reason = added.why_void(runs, direct, list(result.work.timings), rate)
            if reason:
                result.voids[name] = reason
