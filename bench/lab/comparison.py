"""Interleaved rounds of one work on several peers."""

import contextlib
import dataclasses
import http.client
import re
import sys
import time

from . import figures, generators, readings, tls
from .peers import MODEL, SLUICE_OFF, Peer, Peers, headers_for, missing_program
from .processes import PEER_CORE

TLS_KINDS = ("unary", "burst", "large")
PEERS = ("sluice", "sluice-off", "floor", "nginx", "haproxy")
AGAIN = "sluice again"  # The same program once more: what differs is noise.
PACED_STREAMS = 1000
PACED_PERIOD_S = 0.020
LARGE_BYTES = 300_000
BODY_BYTES = 700
H2_STREAMS = 8       # At a time, of each connection.
FIRST_WARM_UP_S, WARM_UP_S, PACED_WARM_UP_S = 1.0, 0.3, 1.0
PROBE_S, PROBE_PACED_S = 0.3, 0.6
PROBE_STREAMS = 50  # So few that the generator reads each event when it comes.


@dataclasses.dataclass(frozen=True)
class Work:
    name: str
    kind: str
    connections: int
    title: str
    body_bytes: int = BODY_BYTES
    h2_rate: int = 2000  # Requests a second at which times over HTTP/2 are taken.

    @property
    def is_h2(self):
        return self.kind.startswith("h2_")

    @property
    def has_events(self):
        return self.kind in ("burst", "h2_burst")


WORKS = [
    Work("unary_32", "unary", 32, "unary, 700-byte body, 540-byte answer, 32 connections"),
    Work("unary_256", "unary", 256, "unary, 700-byte body, 540-byte answer, 256 connections"),
    Work("burst_32", "burst", 32, "burst, 50 events of 240 bytes in one write, 32 connections"),
    Work("burst_256", "burst", 256, "burst, 50 events of 240 bytes in one write, 256 connections"),
    Work("paced", "paced", PACED_STREAMS, "paced, 1000 streams, one event per 20 ms, per event"),
    Work("large", "large", 32, "large, 300 KB prompt, 540-byte answer, 32 connections",
         LARGE_BYTES),
    Work("h2_unary", "h2_unary", 8, "unary over HTTP/2, 8 connections of 8 streams"),
    Work("h2_burst", "h2_burst", 8, "burst over HTTP/2, 8 connections of 8 streams"),
    Work("h2_large", "h2_large", 8, "large over HTTP/2, 8 connections of 8 streams",
         LARGE_BYTES, 200),
    Work("shards", "shards", 32, "shards, unary with 32 connections each, all on one core"),
]


def select_works(names, with_tls=False):
    """Works by name or kind; all without names, over TLS those that can be."""
    known = {work.name for work in WORKS} | {work.kind for work in WORKS}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"no work is called {', '.join(unknown)}; there are "
                         + ", ".join(work.name for work in WORKS))
    if not names and with_tls:
        names = ("unary", "burst")
    works = [work for work in WORKS if not names or work.name in names or work.kind in names]
    if with_tls and any(work.kind not in TLS_KINDS for work in works):
        raise ValueError("--tls: only works of " + ", ".join(TLS_KINDS))
    return works


def read_variants(texts):
    """{name: path of the program, or None for the build's} from PATH=NAME texts."""
    variants = {}
    for text in texts:
        path, equals, name = text.rpartition("=")
        if not equals or not path or not re.fullmatch(r"[\w.+-]+", name):
            raise ValueError(f"--sluice: {text} is not PATH=NAME")
        if name in variants or name in PEERS[1:] or name == AGAIN:
            raise ValueError(f"--sluice: {name} is taken")
        variants[name] = path
    return variants or {"sluice": None}


@dataclasses.dataclass
class Result:
    work: Work
    rounds: int
    seconds: float
    first: str                 # The peer that stands for Sluice.
    variants: list
    rows: dict                 # Peer to its rows.
    added_ms: dict             # Peer to what it adds to a direct request or event.
    voids: dict
    verdicts: list
    skipped: dict              # Peer to why it was not measured.
    memory_mib: dict
    tls: str | None = None     # Which sides speak TLS.


class Progress:
    """One line on a terminal that says what is measured and how long it may still take."""

    def __init__(self, title, steps):
        self.title, self.steps, self.done = title, steps, 0
        self.begin = time.monotonic()
        self.is_shown = sys.stderr.isatty()

    def say(self, text):
        if not self.is_shown:
            return
        left = ""
        if self.done:
            seconds = (time.monotonic() - self.begin) / self.done * (self.steps - self.done)
            left = f", about {seconds:.0f} s left"
        print(f"\r\033[K[{self.done}/{self.steps}] {self.title}: {text}{left}", end="",
              file=sys.stderr, flush=True)

    def clear(self):
        if self.is_shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def in_turn(title, names, rounds):
    """(round, name) of each; each round begins with another name."""
    progress = Progress(title, len(names) * rounds)
    for number in range(rounds):
        for place in range(len(names)):
            name = names[(place + number) % len(names)]
            progress.say(f"round {number + 1}, {name}")
            yield number, name
            progress.done += 1
    progress.clear()


class Comparison:
    """Peers are started when a work first needs them and live until the lab is left."""

    def __init__(self, lab, build, options):
        self.lab, self.build, self.options = lab, build, options
        self.identity = tls.Identity(lab.folder) if options.tls else None
        is_out = options.tls == "both"
        self.peers = Peers(lab, build, tls.Tls(self.identity, is_out) if options.tls else None)
        self.h2_peers = None
        self.upstream_scheme = "https" if is_out else "http"
        self.variants = options.variants
        self.first = next(iter(self.variants))
        self.started = {}
        self.upstreams = {}
        self.is_again_due = options.again
        self.memory_at_start = []
        self.memory_under_load = []

    # --- what runs

    def upstream(self, kind):
        """The port of the canned upstream for a kind of work."""
        if self.upstream_scheme == "https":
            if kind not in self.upstreams:  # One for each, since its cache has one answer.
                self.upstreams[kind] = tls.start_upstream(self.lab, self.identity,
                                                          self.peers.canned())
            return self.upstreams[kind]
        manner = "paced" if kind == "paced" else "burst"
        if manner not in self.upstreams:
            length = PACED_WARM_UP_S + self.options.seconds + 0.5
            flags = ([] if manner == "burst" else
                     ["--paced", f"{PACED_PERIOD_S * 1000:.0f}ms", "--events",
                      round(length / PACED_PERIOD_S)])
            self.upstreams[manner] = self.peers.canned(*flags)
        return self.upstreams[manner]

    def peers_for(self, kind):
        if not kind.startswith("h2_"):
            return self.peers
        if self.h2_peers is None:
            identity = tls.Identity(self.lab.folder)
            self.h2_peers = Peers(self.lab, self.build, tls.Tls(identity, with_h2=True))
        return self.h2_peers

    def start(self, name, kind):
        upstream, peers = self.upstream(kind), self.peers_for(kind)
        if name == "floor" or name == "floor-2":
            return peers.floor(name, upstream, 2 if name == "floor-2" else 1)
        if name in ("nginx", "haproxy", "portkey"):
            return getattr(peers, name)(name, upstream)
        program = self.variants.get(name, self.variants[self.first])
        if name == "sluice-off":
            return peers.sluice(name, upstream, program, SLUICE_OFF)
        peer = peers.sluice(name.replace(" ", "-"), upstream, program,
                                 shards=2 if name == "sluice-2" else 1)
        if name in (self.first, AGAIN) and peers is self.peers:
            self.memory_at_start.append(rss_anon_mib(peer))
        return peer

    def peer(self, name, kind):
        key = (name, self.upstream(kind), kind.startswith("h2_"))
        if key not in self.started:
            self.started[key] = self.start(name, kind)
        return self.started[key]

    def names(self, work):
        """Who takes part, and why others do not."""
        wanted = [name for name in self.options.peers if name != "sluice"]
        own = list(self.variants) if "sluice" in self.options.peers else []
        if work.kind == "shards":
            return own[:1] + ["sluice-2", "floor", "floor-2"], {}
        skipped = {name: f"{missing_program(name)} is not installed" for name in wanted
                   if missing_program(name)}
        if work.is_h2:
            skipped.update({name: "it speaks no HTTP/2" for name in wanted
                            if name in ("floor", "portkey")})
        names = own + [name for name in wanted if name not in skipped]
        if self.is_again_due and own:
            self.is_again_due = False
            names.append(AGAIN)
        return names, skipped

    # --- one work

    def measure(self, work):
        names, skipped = self.names(work)
        result = Result(work, self.options.rounds, self.options.seconds, self.first,
                        list(self.variants), {name: [] for name in names}, {}, {}, [], skipped, {},
                        "h2" if work.is_h2 else self.options.tls)
        peers = {name: self.peer(name, work.kind) for name in names}
        self.memory_under_load = []
        if work.kind == "paced":
            self.measure_paced(result, peers)
        elif work.is_h2:
            self.measure_h2(result, peers)
        else:
            self.measure_wrk(result, peers)
        self.conclude(result)
        return result

    def rounds(self, result, peers):
        """(round, name, peer) in turn; each round begins with another peer."""
        for number, name in in_turn(result.work.name, list(peers), self.options.rounds):
            yield number, name, peers[name]

    def measure_wrk(self, result, peers):
        work = result.work
        upstream = self.upstream(work.kind)
        body = generators.make_body(MODEL, work.body_bytes, work.has_events)
        scripts = {}
        for name in peers:
            scripts[name] = self.lab.folder / f"{name.replace(' ', '-')}.lua"
            scripts[name].write_text(generators.wrk_script(body, headers_for(name, upstream)))
        direct = Peer("direct", upstream, [], self.upstream_scheme)
        base_us = self.probe(direct, scripts[next(iter(scripts))])
        for name, peer in peers.items():
            result.added_ms[name] = (self.probe(peer, scripts[name]) - base_us) / 1000
        for number, name, peer in self.rounds(result, peers):
            warm_up = WARM_UP_S if number else FIRST_WARM_UP_S
            seconds = self.options.seconds
            connections = work.connections * (2 if name.endswith("-2") else 1)
            generators.run_wrk(self.lab, peer.url, connections, min(warm_up, seconds),
                               scripts[name])
            begin, cpu = self.begin(peer)
            requests, _, errors, _ = generators.run_wrk(self.lab, peer.url, connections, seconds,
                                                        scripts[name])
            result.rows[name].append(self.row(number, requests, begin, cpu, peer, errors))
            self.note_memory(name, peer)

    def measure_h2(self, result, peers):
        work = result.work
        upstream = self.upstream(work.kind)
        body = generators.make_body(MODEL, work.body_bytes, work.has_events)

        def load(peer, connections, seconds, streams=H2_STREAMS, **more):
            how = generators.H2load(body, headers_for(peer.name, upstream), streams, not peer.pids)
            return generators.run_h2load(self.lab, peer.url, connections, seconds, how, **more)

        def probe(peer):
            return generators.quantiles_us(load(peer, 1, PROBE_S, 1)[3])["p50"]

        base_us = probe(Peer("direct", upstream, []))
        for name, peer in peers.items():
            result.added_ms[name] = (probe(peer) - base_us) / 1000
        for number, name, peer in self.rounds(result, peers):
            load(peer, work.connections, WARM_UP_S if number else FIRST_WARM_UP_S)
            begin, cpu = self.begin(peer)
            requests, _, errors, _ = load(peer, work.connections, self.options.seconds)
            row = self.row(number, requests, begin, cpu, peer, errors)
            times = load(peer, work.connections, self.options.seconds, rate=work.h2_rate)[3]
            row.delay_us = generators.quantiles_us(times)
            result.rows[name].append(row)

    def measure_paced(self, result, peers):
        upstream = self.upstream("paced")
        direct_rows = []
        result.added_ms = self.probe_paced(peers)
        everyone = {"direct": Peer("direct", upstream, []), **peers}
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", upstream)) as stats:
            for number, name, peer in self.rounds(result, everyone):
                row = self.paced_window(number, peer, stats, headers_for(name, upstream))
                (direct_rows if name == "direct" else result.rows[name]).append(row)
        result.rows["direct"] = direct_rows

    def probe_paced(self, peers):
        """What each adds to the delay of an event when the generator has time, in ms."""
        upstream = self.upstream("paced")
        medians = {}
        for name, peer in {"direct": Peer("direct", upstream, []), **peers}.items():
            load = self.paced_load(peer, PROBE_STREAMS, headers_for(name, upstream))
            time.sleep(PROBE_PACED_S)
            load.interrupt()
            medians[name] = load.finish()["delay"]["p50_us"]
        return {name: (medians[name] - medians["direct"]) / 1000 for name in peers}

    def paced_load(self, peer, streams, headers):
        return generators.PacedLoad(self.lab, self.build / "bench/load/sluice-load", peer.url,
                                    streams, headers)

    def paced_window(self, number, peer, stats, headers):
        load = self.paced_load(peer, PACED_STREAMS, headers)
        time.sleep(PACED_WARM_UP_S)
        begin, cpu = self.begin(peer)
        events = generators.read_stats(stats)["events"]
        time.sleep(self.options.seconds)
        count = generators.read_stats(stats)["events"] - events
        row = self.row(number, count, begin, cpu, peer, 0)
        loaded = load.finish()
        # A stream that failed stands for all the events it did not bring.
        row.errors = loaded["failed"] * round(self.options.seconds / PACED_PERIOD_S)
        row.delay_us = {"p50": loaded["delay"]["p50_us"], "p99": loaded["delay"]["p99_us"]}
        return row

    def row(self, number, count, begin, cpu_before, peer, errors):
        user, kernel, core = self.read_cpu(peer)
        own = user + kernel - cpu_before[0] - cpu_before[1]
        return figures.Row(number, count, time.monotonic() - begin, user - cpu_before[0],
                           kernel - cpu_before[1], errors, core - cpu_before[2] - own)

    def begin(self, peer):
        return time.monotonic(), self.read_cpu(peer)

    @staticmethod
    def read_cpu(peer):
        return *readings.cpu_seconds(peer.pids), readings.core_seconds(PEER_CORE)

    def probe(self, peer, script):
        """The median latency of a single connection, in us."""
        return generators.run_wrk(self.lab, peer.url, 1, PROBE_S, script)[3]

    def note_memory(self, name, peer):
        if name == self.first:
            self.memory_under_load.append(rss_anon_mib(peer))

    def conclude(self, result):
        work = result.work
        for name, rows in result.rows.items():
            reason = figures.why_void(rows, result.added_ms.get(name))
            if reason:
                result.voids[name] = reason
        rows = {name: each for name, each in result.rows.items() if name != "direct"}
        voids = dict(result.voids)
        if self.first in rows:
            rows["sluice"] = rows[self.first]
            voids["sluice"] = voids.get(self.first)
        if result.tls:
            return  # The budgets are about plain HTTP.
        result.verdicts = list(figures.judge(work.name, work.kind, rows, voids))
        if work.kind == "shards":
            result.verdicts += figures.judge_shards(work.name, rows, voids)
        if self.first in rows:
            result.memory_mib = {"start": self.memory_at_start[:1],
                                 "load": self.memory_under_load}
            result.verdicts += figures.judge_memory(work.name, work.kind, result.memory_mib)


def rss_anon_mib(peer):
    return readings.memory_kib(peer.pids[0])["RssAnon"] / 1024
