"""2: clients that mean harm, while honest ones ask."""

import dataclasses
import os
import time
from pathlib import Path

from resilience import verdict

from . import stage

SECONDS = 60         # Of each attack.
AROUND_S = 5         # Before it and behind it.
STANDS_S = 10        # Until its connections are open and their first bytes are through.
RATE, NEWCOMERS = 200, 20
EVENTS = 20_000      # Of an answer that slow readers ask for: 4.8 MB.
SETTLE_S = 100       # The bound of the wait for all connections of an attack to be gone.
CACHED = 28 << 20    # Bytes that the block pools of two shards keep for the next ones, at most.
KEPT = 32 + 8        # Honest clients' connections, and newcomers' that are just open.


@dataclasses.dataclass(frozen=True)
class Assault:
    name: str
    title: str
    connections: int
    rate: int
    endings: tuple            # All that may become of its connections.
    with_tls: bool = False
    least_opened: int = 0     # In all; 0: `connections`.


ENDS = ("left", "open at the end", "left before it was connected")
ATTACKS = [
    Assault("silent", "5,000 connections that say nothing", 5000, 5000, ("closed",)),
    Assault("slowloris", "slowloris, 5,000 connections, a byte of a head each 2 s", 5000, 5000,
            ("408, closed", "408, reset")),
    Assault("hello", "10,000 ClientHellos a second, never gone on with", 8000, 10_000,
            ("tls, closed", "tls, reset", "closed", "reset", "tls, left", "tls alert, closed",
             "tls, open at the end"), with_tls=True),
    Assault("body", "1,000 bodies, a byte a second", 1000, 1000, ("408, closed", "408, reset")),
    Assault("header", "headers of 1 GB, 20 at a time", 20, 50,
            ("431, closed", "431, reset", "reset", "closed")),
    Assault("reader", "5,000 readers that take nothing", 5000, 2000, ("closed",)),
    Assault("dripping-reader", "1,000 readers, a byte a second", 1000, 1000,
            ("bytes, open at the end", "200, open at the end", "200, closed", "200, reset",
             "bytes, closed")),
    Assault("flood", "5,000 new connections a second, 4,000 held", 4000, 5000, ("closed",)),
]

# What clients may take is the default; only how many handshakes an address may ask for is not
# limited by default, because many users may share one.
LIMITS = "timeouts: {}\n"
SMALL_LIMITS = ("timeouts: {first_byte: 1s, head: 1s, body: 2s, stall: 1s, keep_alive: 20s}\n"
                "limits: {body_rate_min: 1MiB}\n")
TLS_LIMITS = "  handshakes_per_address: 10\n"
TLS_SMALL_LIMITS = "  handshake_timeout: 1s\n  handshakes_per_address: 10\n"


@dataclasses.dataclass
class Phase:
    kept: list
    new: list
    faults: dict

    @staticmethod
    def of(answers, begin, end):
        inside = [each for each in answers if begin <= each[1] < end]
        faults = {}
        for kind, _, _, fault in inside:
            if fault:
                faults[f"{kind}: {fault}"] = faults.get(f"{kind}: {fault}", 0) + 1
        return Phase([each for each in inside if each[0] == "kept"],
                     [each for each in inside if each[0] == "new"], faults)

    @staticmethod
    def success(answers):
        good = sum(not each[3] for each in answers)
        return 100.0 * good / len(answers) if answers else 0.0

    @staticmethod
    def ms(answers, share):
        return verdict.quantile([each[2] * 1000 for each in answers if not each[3]], share)

    def cell(self):
        return (f"{self.success(self.kept):.2f} / {self.success(self.new):.2f} %, "
                f"{self.ms(self.kept, 0.5):.1f} / {self.ms(self.kept, 0.99):.1f}, "
                f"{self.ms(self.new, 0.5):.1f} / {self.ms(self.new, 0.99):.1f}")


def metrics_said(gateway):
    """What the gateway counted of what it did to clients; zeros are left out."""
    values, _ = gateway.samples()
    names = ("sluice_slow_clients_total", "sluice_connections_refused_total",
             "sluice_accept_pauses_total", "sluice_tls_handshakes_total",
             "sluice_buffers_starved_total")
    return {series.removeprefix("sluice_").replace("_total", "").replace('"', ""): int(value)
            for series, value in values.items()
            if series.split("{")[0] in names and value > 0}


def settle(gateway, seconds_max):
    """How long until only honest clients' connections are open."""
    begin = time.monotonic()
    while time.monotonic() - begin < seconds_max:
        if gateway.total("sluice_connections_open") <= KEPT:
            break
        time.sleep(0.1)
    return time.monotonic() - begin


def descriptors(gateway):
    """All but those of upstream connections, which are kept."""
    upstream = int(gateway.total("sluice_upstream_connections_open"))
    return len(os.listdir(f"/proc/{gateway.process.pid}/fd")) - upstream


def words(counts):
    return "; ".join(f"{count:,} {what}" for what, count in counts.items()) or "nothing"


def kept_sockets(port):
    """Sockets whose bytes wait for a peer though nobody owns them: FIN-WAIT-1."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(1 for line in lines
               if line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "04")


def start(place, attack, is_small):
    ports = {"m": place.canned(50), "large": place.canned(EVENTS)}
    if attack.with_tls:
        return place.tls_gateway(stage.settings(ports, SMALL_LIMITS if is_small else LIMITS),
                                 more=TLS_SMALL_LIMITS if is_small else TLS_LIMITS)
    return place.plain_gateway(stage.settings(ports, SMALL_LIMITS if is_small else LIMITS))


def judge(case, attack, found):
    name = attack.name
    outcome = found["outcome"]
    ended = outcome["ended_after_s"]
    after = f"; it ended them after {ended['p50']:.1f} s, {ended['most']:.1f} s at most" \
        if ended["count"] else ""
    case.transcript += [f"{attack.title}: {words(outcome['endings'])}",
                        f"    the gateway counted: {words(found['metrics'])}{after}"]
    case.figures |= {f"{name}: endings": outcome["endings"], f"{name}: counted": found["metrics"],
                     f"{name}: ended after": ended}
    case.at_least(f"{name}: connections made", outcome["opened"], found["least_opened"])
    others = sorted(set(outcome["endings"]) - set(attack.endings) - set(ENDS))
    case.equal(f"{name}: other endings than expected", ", ".join(others) or "none", "none")
    case.equal(f"{name}: sockets of its own that the kernel still keeps", found["kept_sockets"], 0)
    during = found["during"]
    case.at_least(f"{name}: honest requests meanwhile", len(during.kept) + len(during.new),
                  round(found["seconds"] * (RATE + NEWCOMERS) * 0.9))
    case.equal(f"{name}: honest requests that failed, on kept connections",
               sum(bool(each[3]) for each in during.kept), 0)
    case.equal(f"{name}: and on new ones", sum(bool(each[3]) for each in during.new), 0)
    if during.faults:
        case.note(f"{name}: their faults", during.faults)
    steady = found["steady"]
    case.note(f"{name}: p99 of honest requests, kept and new", f"{during.ms(during.kept, 0.99):.1f}"
              f" and {during.ms(during.new, 0.99):.1f} ms")
    case.at_most(f"{name}: p99, kept, once its connections stand", steady.ms(steady.kept, 0.99),
                 100, is_timed=True, unit=" ms")
    before, most, last = found["resident"]
    case.at_most(f"{name}: memory more than before, most", (most - before) / 1024, 1024,
                 unit=" MiB")
    case.at_most(f"{name}: connections open once it was over", found["open_after"], KEPT)
    case.note(f"{name}: after", found["settled_s"], " s")
    case.at_most(f"{name}: descriptors more than before", found["descriptors"], KEPT)
    case.at_most(f"{name}: receive buffers in use, afterwards", found["buffers"], 8)
    case.at_most(f"{name}: bytes counted in byte_budget, afterwards", found["counted"], CACHED)
    case.note(f"{name}: memory more than before, afterwards, the allocator's",
              (last - before) / 1024, " MiB")


def play(place, case, attack, hello, is_small):
    seconds = 3.0 if is_small else SECONDS
    around = 1.0 if is_small else AROUND_S
    connections = min(attack.connections, 100) if is_small else attack.connections
    rate = min(attack.rate, 500) if is_small else attack.rate
    with place.scope():
        gateway = start(place, attack, is_small)
        honest = stage.Honest(place, gateway, RATE, NEWCOMERS)
        time.sleep(around)
        first = time.monotonic()
        with stage.Watch(gateway) as watch:
            time.sleep(around)
            before_kib, before_fds = stage.resident_kib(gateway), descriptors(gateway)
            begin = time.monotonic()
            place.say(f"{attack.title}, {seconds:g} s")
            options = ["--connections", str(connections), "--rate", str(rate)]
            if attack.name == "hello":
                options += ["--hello", str(hello)]
            assault = place.begin_assault(attack.name, gateway, seconds, *options)
            outcome = place.end_assault(assault, seconds + 60)
            end = time.monotonic()
            settled_s = settle(gateway, SETTLE_S)
            quiet = time.monotonic()
            time.sleep(around)
            last = time.monotonic()
        answers = honest.finish()
        phases = [Phase.of(answers, first, begin), Phase.of(answers, begin, begin + seconds),
                  Phase.of(answers, quiet, last)]
        most_kib = watch.most(begin, end, 1)
        after_kib = stage.resident_kib(gateway)
        stands = begin + min(STANDS_S, seconds / 2)
        found = {"steady": Phase.of(answers, stands, begin + seconds),
                 "buffers": int(gateway.total("sluice_buffers_in_use")),
                 "counted": int(gateway.total("sluice_byte_budget_used_bytes")),
                 "outcome": outcome, "during": phases[1], "metrics": metrics_said(gateway),
                 "resident": (before_kib, most_kib, after_kib), "settled_s": settled_s,
                 "open_after": int(gateway.total("sluice_connections_open")),
                 "descriptors": max(0, descriptors(gateway) - before_fds),
                 "seconds": seconds, "kept_sockets": kept_sockets(gateway.port),
                 "least_opened": attack.least_opened or connections}
        judge(case, attack, found)
        case.table.append([attack.name, *(phase.cell() for phase in phases),
                           f"{before_kib // 1024} / {most_kib // 1024} / {after_kib // 1024}",
                           str(watch.most(begin, end, 2))])


def run(place, is_small):
    seconds = 3 if is_small else SECONDS
    case = verdict.Case(
        2, f"hostile clients for {seconds:g} s each, while honest ones ask",
        f"two shards; {RATE} requests a second on 32 kept connections and {NEWCOMERS} newcomers a "
        "second, each on a connection of its own; the attackers have 32 addresses and the same "
        "cores")
    case.table.append(["success and ms: kept / new, kept p50 / p99, new p50 / p99", "before",
                       "during", "after", "MiB before / most / after", "open, most"])
    hello = place.folder / "hello.bin"
    hello.write_bytes(stage.record_client_hello())
    for attack in ATTACKS:
        play(place, case, attack, hello, is_small)
    return case
