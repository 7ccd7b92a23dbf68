"""Faults from a seed on real processes under load, and what must hold all the while.

    tools/chaos [--minutes 60] [--seed N] [--only KIND,...] [--to FOLDER]
    tools/chaos --small              every kind of fault once, about 45 s

Two gateways (one with TLS and HTTP/2) before three providers, with Redis and PostgreSQL on an
island of their own network, are asked by callers that check every byte. Meanwhile processes are
killed, stopped, cut off, starved, and their disks, descriptors and clocks are taken; see
faults.py. In the end all that was seen is compared; see books.py. FOLDER gets chaos.json. Exit
status 1 when an invariant was broken. """

import argparse
import collections
import contextlib
import json
import os
import random
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../integration"))

import books  # noqa: E402
import place  # noqa: E402
import traffic  # noqa: E402
from faults import KINDS, Faults  # noqa: E402
from fleet import SHIFTED_CLOCK, Fleet  # noqa: E402
from redis_support import wait_until  # noqa: E402

SETTLE_S = 3  # Between two faults: longer than most bounds, so that each is judged by itself.
SMALL_SETTLE_S = 1  # The suite's time counts.
QUIET_S = 5  # In the end nothing is excused any more.
PAIRS = 0.2  # Of the faults of a long run have a second one beside them.
GAUGES = ("sluice_requests_in_flight", "sluice_queue_length", "sluice_upstream_in_flight",
          "sluice_connections_open", "sluice_http2_connections_open",
          "sluice_usage_backlog_records", "sluice_journal_lag_seconds")
COUNTERS = ("sluice_journal_records_lost_total", 'sluice_usage_records_total{fate="lost"}')
CACHED_BYTES = 4 << 20  # Blocks that shards keep for reuse stay counted in the byte budget.
MORE_DESCRIPTORS = 16
MORE_KIB = 48 * 1024
REPORTER_S = 320  # A reporter waits 5 minutes at most before it tries again.


class Chaos:
    def __init__(self, fleet, seed, kinds, settle_s=SETTLE_S):
        self.fleet, self.kinds, self.settle_s = fleet, kinds, settle_s
        self.chance = random.Random(seed)
        self.over = threading.Event()
        self.faults = Faults(fleet, self.chance, self.over)
        self.callers = traffic.callers(fleet, seed)
        self.before = {}
        self.deaths = []

    def begin(self):
        for caller in self.callers:
            caller.start()
        self.over.wait(SETTLE_S)
        self.before = {each.name: (each.descriptors(), each.resident_kib())
                       for each in self.fleet.gateways}

    def once(self):
        """Every kind once, in an order of the seed's."""
        kinds = list(self.kinds)
        self.chance.shuffle(kinds)
        for kind in kinds:
            self.inject(kind)

    def until(self, end):
        kinds, number = [], 0
        while time.monotonic() < end:
            if not kinds:
                kinds = list(self.kinds)
                self.chance.shuffle(kinds)
            kind = kinds.pop()
            beside = None
            if kinds and self.chance.random() < PAIRS:
                beside = threading.Thread(target=self.inject_quietly, args=(kinds.pop(), kind))
                beside.start()
            self.inject(kind, beside)
            number += 1
            if number % 10 == 0:
                asked = sum(len(each.outcomes) for each in self.callers)
                print(f"{end - time.monotonic():6.0f} s to go: {len(self.faults.seen)} faults, "
                      f"{asked} requests", flush=True)

    def inject_quietly(self, kind, other):
        """Beside `other`; not when both would take the same process."""
        if not (self.family(kind) & self.family(other)):
            getattr(self.faults, kind)()

    @staticmethod
    def family(kind):
        words = set(kind.split("_")[:1])
        if kind in ("reload", "upgrade", "disk_full", "descriptors", "cpu_starved", "clock",
                    "other_boot", "partition"):
            words.add("gateway")
        return words

    def inject(self, kind, beside=None):
        getattr(self.faults, kind)()
        if beside:
            beside.join()  # Before it a gateway may be down on purpose.
        for gateway in self.fleet.gateways:
            if not gateway.is_running():
                self.deaths.append(f"{gateway.name} died at a {kind}: {gateway.log()[-1500:]}")
                gateway.start()
        self.over.wait(self.chance.uniform(0.3, 1) * self.settle_s)

    def end(self):
        """What is still stuck after the quiet time."""
        self.over.wait(QUIET_S)
        stuck = traffic.end(self.callers)
        return [f"{each.protocol} at {each.gateway.name}: a request for {each.under_way}"
                for each in stuck]

    def check_gauges(self):
        wrong = []
        for gateway in self.fleet.gateways:
            def found(gateway=gateway):
                return {name: value for name, value in gateway.metrics().items()
                        if value and (name.split("{")[0] in GAUGES or name in COUNTERS)}
            wrong += [f"{gateway.name}: {each}" for each in settles(found)]
            cached = gateway.metrics()["sluice_byte_budget_used_bytes"]
            if cached > CACHED_BYTES:
                wrong.append(f"{gateway.name}: {cached} bytes of the budget")
        return wrong

    def check_resources(self):
        wrong = []
        for gateway in self.fleet.gateways:
            descriptors, kib = self.before[gateway.name]
            now = (gateway.descriptors(), gateway.resident_kib())
            if now[0] > descriptors + MORE_DESCRIPTORS:
                wrong.append(f"{gateway.name}: {now[0]} descriptors, {descriptors} before")
            if now[1] > kib + MORE_KIB:
                wrong.append(f"{gateway.name}: {now[1]} KiB, {kib} before")
        return wrong

    def spends(self):
        found = {}
        for gateway in self.fleet.gateways:
            status, answer = gateway.admin("GET", "/v1/spend/key/total")
            if status != 200:
                raise AssertionError(f"no spend: {answer}")
            found[gateway.name] = answer["spend"]
        return found

    def wait_for_rows(self):
        """The usage log is written a moment behind the journal; how far it is is judged later."""
        def is_equal(gateway):
            requests = sum(each["requests"] for each in self.spends()[gateway.name])
            return len(books.rows_of(gateway)) >= requests
        for gateway in self.fleet.gateways:
            with contextlib.suppress(AssertionError):
                wait_until(lambda gateway=gateway: is_equal(gateway), "the usage log is written")

    def told(self, run):
        """What PostgreSQL was told, once it has all."""
        names = {row[0] for rows in run.rows.values() for row in rows}
        end = time.monotonic() + REPORTER_S
        while True:
            told = self.fleet.database.told()
            if names <= {row[0] for row in told} or time.monotonic() > end:
                return told
            self.over.wait(0.5)


def settles(found):
    try:
        wait_until(lambda: not found(), "all is settled")
    except AssertionError:
        return [found()]
    return []


def judge(chaos, stuck):
    gauges = chaos.check_gauges()
    chaos.wait_for_rows()
    outcomes = [each for caller in chaos.callers for each in caller.outcomes]
    run = books.Run(chaos.fleet, outcomes, chaos.faults.seen)
    told = chaos.told(run)
    invariants = {
        "one answer each, its own, whole or a well-formed error, well again in time":
            books.check_answers(run),
        "no request is stuck": stuck,
        "what callers got is what providers served": books.check_served(run),
        f"no more than {books.LIMIT} requests a minute but by the mode's bound":
            books.check_limit(run),
        f"no more than {books.NARROW} requests at a time but by the mode's bound":
            books.check_narrow(run),
        "usage is what was served, once each": books.check_usage(run),
        "spend is the sum of usage": books.check_spend(run, chaos.spends()),
        "PostgreSQL was told of each record once": books.check_told(run, told),
        "gauges return to 0, nothing was lost": gauges,
        "descriptors and memory return": chaos.check_resources(),
        "the processes live": chaos.deaths,
    }
    return run, invariants


def report(chaos, run, invariants, seconds, seed):
    faults = collections.Counter(each.kind for each in run.faults)
    kinds = collections.Counter(
        each.kind + (f" {each.status}" if each.kind == "refused" else "")
        for each in run.outcomes.values())
    print(f"seed {seed}: {seconds:.0f} s, {sum(faults.values())} faults, "
          f"{len(run.outcomes)} requests; most in a minute of {books.LIMIT}: "
          f"{books.limit_most(run)}, at a time of {books.NARROW}: {books.narrow_most(run)}")
    print("  faults: " + ", ".join(f"{kind} {count}" for kind, count in sorted(faults.items())))
    print("  answers: " + ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items())))
    for kind, why in place.missing().items():
        print(f"  SKIPPED {kind}: {why}")
    for name, wrong in invariants.items():
        print(f"  {'held  ' if not wrong else 'BROKEN'} {name}"
              + (f" ({len(wrong)} times)" if wrong else ""))
        for each in wrong[:books.SHOWN]:
            print(f"         {each}")
    return {"seed": seed, "seconds": seconds, "faults": faults, "answers": kinds,
            "skipped": place.missing(), "invariants": invariants,
            "schedule": [{**vars(each), "excuses": sorted(each.excuses)} for each in run.faults]}


def kinds_of(only):
    kinds = [kind for kind in KINDS if kind not in place.missing()]
    if not SHIFTED_CLOCK:
        print("SKIPPED clock: SLUICE_SHIFTED_CLOCK names no library")
        kinds.remove("clock")
    if only:
        unknown = set(only.split(",")) - set(KINDS)
        if unknown:
            sys.exit(f"no such kinds of fault: {', '.join(sorted(unknown))}; there are "
                     f"{', '.join(KINDS)}")
        kinds = [kind for kind in kinds if kind in only.split(",")]
    return kinds


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--to", default=tempfile.gettempdir())
    chosen = parser.parse_args()
    place.enter()
    minutes = 2 if chosen.small else chosen.minutes
    began = time.monotonic()
    with Fleet(disk_mib=64 + int(minutes * 16)) as fleet:
        chaos = Chaos(fleet, chosen.seed, kinds_of(chosen.only),
                      SMALL_SETTLE_S if chosen.small else SETTLE_S)
        chaos.begin()
        if chosen.small:
            chaos.once()
        else:
            chaos.until(time.monotonic() + minutes * 60)
        stuck = chaos.end()
        run, invariants = judge(chaos, stuck)
        found = report(chaos, run, invariants, time.monotonic() - began, chosen.seed)
        is_broken = any(invariants.values())
        os.makedirs(chosen.to, exist_ok=True)
        with open(os.path.join(chosen.to, "chaos.json"), "w", encoding="utf-8") as file:
            json.dump(found, file)
        if is_broken:
            for gateway in fleet.gateways:
                kept = os.path.join(chosen.to, f"chaos-{gateway.name}.log")
                with open(kept, "w", encoding="utf-8") as file:
                    file.write(gateway.log())
                print(f"  the log of {gateway.name}: {kept}")
    return 1 if is_broken else 0


if __name__ == "__main__":
    sys.exit(main())
