"""Mixed traffic for a long time; memory and descriptors of the gateways must stay flat.

    tools/soak --minutes 60 [--seed N] [--to FOLDER]

Unary answers, event streams, large ones, refusals, failures, callers that leave, HTTP/1.1, TLS and
HTTP/2, keys of every source, limits, and a reload every half minute. Resident memory and open
descriptors are read every few seconds. Of the readings behind the warm-up a line is fitted (Theil
and Sen: the median of the slopes of all pairs); what it rises by over the judged time is the
drift, which has a bound. FOLDER gets soak.json and soak.html, a page with the plots. Exit status 1
when a bound was missed. """

import argparse
import collections
import contextlib
import json
import os
import random
import statistics
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../integration"))

import place  # noqa: E402
import plot  # noqa: E402
import traffic  # noqa: E402
from fleet import Fleet  # noqa: E402
from redis_support import wait_until  # noqa: E402

WARM_UP = 0.25  # Of the whole time; not judged.
RELOAD_EACH_S = 30
RELOADS_LEAST = 3  # Also of a short run.
SAMPLES_MOST = 1500
PAIRS_MOST = 200_000
# What the fitted line may rise by over the judged time: this, or the share of what it begins with.
DRIFT_KIB, DRIFT_SHARE = 2048, 0.02
DRIFT_DESCRIPTORS = 4
SMALL_DRIFT_KIB = 24_576  # Of less than ten minutes: rings and caches are still being touched.
BACK_DESCRIPTORS = 8  # More than at the start, when all callers have gone.
GAUGES = ("sluice_requests_in_flight", "sluice_queue_length", "sluice_upstream_in_flight",
          "sluice_connections_open", "sluice_http2_connections_open")
CACHED_BYTES = 4 << 20  # Blocks that shards keep for reuse stay counted in the byte budget.


def fit(points, chance):
    """(slope, value at 0) of the line of Theil and Sen."""
    pairs = [(a, b) for i, a in enumerate(points) for b in points[i + 1:]]
    if len(pairs) > PAIRS_MOST:
        pairs = chance.sample(pairs, PAIRS_MOST)
    slope = statistics.median((b[1] - a[1]) / (b[0] - a[0]) for a, b in pairs)
    return slope, statistics.median(value - slope * at for at, value in points)


class Counts:
    """What became of requests; keeps what must not be, and no more of it than a page can show."""

    KEPT = 50

    def __init__(self):
        self.lock = threading.Lock()
        self.kinds = collections.Counter()
        self.odd = []

    def record(self, outcome):
        name = outcome.kind if outcome.kind != "refused" else f"refused {outcome.status}"
        with self.lock:
            self.kinds[f"{outcome.protocol}: {name}"] += 1
            if outcome.kind in ("wrong", "gone") and len(self.odd) < self.KEPT:
                self.odd.append(vars(outcome))


class Soak:
    def __init__(self, fleet, seconds, seed):
        self.fleet, self.seconds = fleet, seconds
        self.chance = random.Random(seed)
        self.counts = Counts()
        self.samples = {each.name: [] for each in fleet.gateways}  # (s, KiB, descriptors, ...).
        self.reloads = []
        self.before = {each.name: each.descriptors() for each in fleet.gateways}
        self.callers = traffic.callers(fleet, seed, failing=True)
        self.stuck = 0

    def run(self):
        began = time.monotonic()
        pause = max(0.5, self.seconds / SAMPLES_MOST)
        for caller in self.callers:
            caller.record = self.counts.record
            caller.start()
        each = min(RELOAD_EACH_S, self.seconds / (RELOADS_LEAST + 1))
        reload_at, over = each, threading.Event()
        while (at := time.monotonic() - began) < self.seconds:
            self.sample(at)
            if at >= reload_at:
                reload_at += each
                gateway = self.chance.choice(self.fleet.gateways)
                if not gateway.reload():
                    raise AssertionError(f"{gateway.name} refuses a reload")
                self.reloads.append((at, f"reload of {gateway.name}"))
                print(f"{at:6.0f} s of {self.seconds:.0f}: {sum(self.counts.kinds.values())} "
                      "requests", flush=True)
            over.wait(pause)
        self.stuck = len(traffic.end(self.callers))

    def sample(self, at):
        for gateway in self.fleet.gateways:
            found = gateway.metrics()
            self.samples[gateway.name].append(
                (at, gateway.resident_kib(), gateway.descriptors(),
                 found["sluice_requests_in_flight"], found["sluice_byte_budget_used_bytes"]))

    def drift(self, name, index):
        """(line for the plot, what it rises by, what it begins with) of what is judged."""
        begin, end = self.seconds * WARM_UP, self.seconds
        points = [(each[0], each[index]) for each in self.samples[name] if each[0] >= begin]
        slope, base = fit(points, self.chance)
        first, last = base + slope * begin, base + slope * end
        return (begin, end, first, last), last - first, first

    def left_over(self, gateway):
        """Gauges that do not return to 0; waits for them."""
        def found():
            return {name: value for name, value in gateway.metrics().items()
                    if name.split("{")[0] in GAUGES and value}
        try:
            wait_until(lambda: not found(), "gauges are 0")
        except AssertionError:
            return found()
        return {}

    def descriptors_back(self, gateway):
        """More than at the start; pooled connections to providers are closed some seconds later."""
        def more():
            return gateway.descriptors() - self.before[gateway.name]
        with contextlib.suppress(AssertionError):
            wait_until(lambda: more() <= BACK_DESCRIPTORS, "idle connections are closed")
        return more()

    def judge(self):
        rows, sections = [], []
        kib_most = DRIFT_KIB if self.seconds >= 600 else SMALL_DRIFT_KIB
        for gateway in self.fleet.gateways:
            name = gateway.name
            line, rise, first = self.drift(name, 1)
            bound = max(kib_most, first * DRIFT_SHARE)
            hours = self.seconds * (1 - WARM_UP) / 3600
            rows.append((f"{name}: resident memory, drift", f"{rise:+.0f} KiB of {first:.0f} "
                         f"({rise / hours:+.0f} KiB an hour)", f"{bound:.0f} KiB", rise <= bound))
            sections.append((f"{name}: resident memory, MiB (ticks: reloads)", plot.Plot(
                [(each[0], each[1] / 1024) for each in self.samples[name]],
                (*line[:2], line[2] / 1024, line[3] / 1024), self.reloads)))
            line, rise, first = self.drift(name, 2)
            rows.append((f"{name}: descriptors, drift", f"{rise:+.1f} of {first:.0f}",
                         f"{DRIFT_DESCRIPTORS}", rise <= DRIFT_DESCRIPTORS))
            sections.append((f"{name}: open descriptors", plot.Plot(
                [(each[0], each[2]) for each in self.samples[name]], line, self.reloads)))
            left = self.left_over(gateway)
            rows.append((f"{name}: gauges when all have gone", str(left or "0"), "0", not left))
            cached = gateway.metrics()["sluice_byte_budget_used_bytes"]
            rows.append((f"{name}: bytes of the budget then", f"{cached:.0f}", f"{CACHED_BYTES}",
                         cached <= CACHED_BYTES))
            back = self.descriptors_back(gateway)
            rows.append((f"{name}: descriptors beyond those of the start", f"{back}",
                         f"{BACK_DESCRIPTORS}", back <= BACK_DESCRIPTORS))
        odd = sum(count for name, count in self.counts.kinds.items()
                  if name.endswith(("wrong", "gone")))
        rows.append(("answers that must not be, or connections cut", f"{odd}", "0", odd == 0))
        rows.append(("callers that are stuck", f"{self.stuck}", "0", self.stuck == 0))
        return rows, sections


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--to", default=tempfile.gettempdir())
    chosen = parser.parse_args()
    place.enter()
    seconds = chosen.minutes * 60
    with Fleet(disk_mib=64 + int(chosen.minutes * 16)) as fleet:
        soak = Soak(fleet, seconds, chosen.seed)
        soak.run()
        rows, sections = soak.judge()
    total = sum(soak.counts.kinds.values())
    introduction = (f"{chosen.minutes:g} minutes, {total} requests, {len(soak.reloads)} reloads, "
                    f"seed {chosen.seed}. Judged from {seconds * WARM_UP / 60:.1f} min on; dashed: "
                    "the fitted line.")
    os.makedirs(chosen.to, exist_ok=True)
    with open(os.path.join(chosen.to, "soak.html"), "w", encoding="utf-8") as file:
        file.write(plot.page("Soak", introduction, sections, rows))
    with open(os.path.join(chosen.to, "soak.json"), "w", encoding="utf-8") as file:
        json.dump({"seconds": seconds, "requests": soak.counts.kinds, "rows": rows,
                   "odd": soak.counts.odd, "reloads": soak.reloads, "samples": soak.samples}, file)
    print(introduction)
    for name, count in sorted(soak.counts.kinds.items()):
        print(f"  {name:28} {count}")
    for what, figure, bound, is_met in rows:
        print(f"  {'met   ' if is_met else 'MISSED'} {what}: {figure}; at most {bound}")
    for each in soak.counts.odd[:10]:
        print(f"  {each}")
    print(f"figures and plots: {chosen.to}/soak.json, soak.html")
    return 0 if all(row[3] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
