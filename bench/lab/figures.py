"""Medians, spreads, ratios by round and what the budgets say about them. Pure."""

import dataclasses
import statistics

CORE_USED_LEAST = 80  # Percent; below it the run was not at saturation and CPU a request too high.
ADDED_MS_MOST = 1.0   # A peer that delays more is misconfigured.
ERROR_SHARE_MOST = 0.001
OTHERS_MOST = 5       # Percent of the peer's core that other processes may take.


@dataclasses.dataclass(frozen=True)
class Spread:
    median: float
    least: float
    most: float

    @staticmethod
    def of(values):
        values = list(values)
        return Spread(statistics.median(values), min(values), max(values)) if values else None

    def text(self, digits=1):
        return f"{self.median:.{digits}f} ({self.least:.{digits}f} - {self.most:.{digits}f})"


@dataclasses.dataclass
class Row:
    """One window of load on one peer."""
    round: int
    count: int        # Requests, or events of a paced work.
    seconds: float
    user_s: float
    kernel_s: float
    errors: int = 0
    others_s: float = 0   # Of the same core, by other processes.
    delay_us: dict = dataclasses.field(default_factory=dict)  # Of paced events: p50, p99.

    @property
    def cpu_us(self):
        return (self.user_s + self.kernel_s) / self.count * 1e6 if self.count else float("inf")

    @property
    def core_used(self):
        return (self.user_s + self.kernel_s) / self.seconds * 100

    @property
    def others(self):
        return max(0, self.others_s) / self.seconds * 100

    @property
    def rate(self):
        return self.count / self.seconds


def ratios(above, below):
    """Ratio of the CPU per unit in each round that both have."""
    base = {row.round: row.cpu_us for row in below if row.count}
    return [row.cpu_us / base[row.round] for row in above
            if row.count and base.get(row.round, 0) > 0]


def why_void(rows, added_ms=None):
    """Why the rows of a peer say nothing; empty when they count."""
    if not any(row.count for row in rows):
        return "nothing completed"
    errors, count = sum(row.errors for row in rows), sum(row.count for row in rows)
    if errors > ERROR_SHARE_MOST * count:
        return f"{errors} errors"
    if added_ms is not None and added_ms > ADDED_MS_MOST:
        return f"adds {added_ms:.1f} ms at the median"
    return ""


def is_unsaturated(rows):
    return statistics.median(row.core_used for row in rows) < CORE_USED_LEAST


def is_disturbed(rows):
    return statistics.median(row.others for row in rows) > OTHERS_MOST


def cautions(rows, kind):
    """What a reader of the rows should know; a paced work is not meant to fill its core."""
    if kind != "paced" and is_unsaturated(rows):
        yield f"core used under {CORE_USED_LEAST} %"
    if is_disturbed(rows):
        yield "disturbed by others"


@dataclasses.dataclass(frozen=True)
class Budget:
    name: str
    what: str
    kind: str    # Of the works it is about.
    above: str   # Peers: the figure is the ratio of the first to the second.
    below: str
    budget: float
    goal: float


BUDGETS = [
    Budget("P1", "unary CPU per request / floor", "unary", "sluice", "floor", 1.25, 1.12),
    Budget("P2", "unary CPU per request / nginx", "unary", "sluice", "nginx", 0.85, 0.72),
    Budget("P3", "burst CPU per stream / floor", "burst", "sluice", "floor", 1.30, 1.12),
    Budget("P4", "burst CPU per stream / HAProxy", "burst", "sluice", "haproxy", 0.75, 0.60),
    Budget("P5", "paced CPU per event / floor", "paced", "sluice", "floor", 1.20, 1.05),
    Budget("P6", "policies on / off", "unary", "sluice", "sluice-off", 1.08, 1.03),
    Budget("P6", "policies on / off", "burst", "sluice", "sluice-off", 1.08, 1.03),
    Budget("P6", "policies on / off", "paced", "sluice", "sluice-off", 1.08, 1.03),
    Budget("P11", "300 KB prompt, CPU per request / nginx", "large", "sluice", "nginx", 1.7, 1.4),
]
MEMORY_BUDGETS_MIB = {"start": (10, 6), "load": (20, 12)}  # P10: budget, goal.
SHARDS_BUDGET = (1.05, 1.00)                               # P16


@dataclasses.dataclass
class Verdict:
    name: str
    what: str
    work: str
    value: Spread | None
    budget: float
    goal: float
    note: str = ""

    @property
    def word(self):
        if self.value is None:
            return "void" if self.note else "not measured"
        if self.value.median <= self.goal:
            return "goal"
        return "pass" if self.value.median <= self.budget else "missed"

    @property
    def is_missed(self):
        """A figure that cannot be had counts as missed."""
        return self.word in ("missed", "void")

    def as_dict(self):
        return {"budget": self.name, "what": self.what, "work": self.work, "verdict": self.word,
                "value": dataclasses.asdict(self.value) if self.value else None,
                "at_most": self.budget, "goal": self.goal, "note": self.note}


def judge(work, kind, rows_of, voids):
    """The verdicts on one work. `rows_of` maps peers to rows, `voids` void ones to their reason."""
    for each in BUDGETS:
        if each.kind != kind or each.above not in rows_of or each.below not in rows_of:
            continue
        reasons = [f"{peer}: {voids[peer]}" for peer in (each.above, each.below)
                   if voids.get(peer)]
        value = None if reasons else Spread.of(ratios(rows_of[each.above], rows_of[each.below]))
        low = [f"{peer}: {caution}" for peer in (each.above, each.below)
               for caution in cautions(rows_of[peer], kind)]
        yield Verdict(each.name, each.what, work, value, each.budget, each.goal,
                      "; ".join(reasons or low))


def judge_memory(work, kind, samples_mib):
    """P10. `samples_mib` maps "start" and "load" to readings of RssAnon."""
    if kind != "unary":
        return
    for when, (budget, goal) in MEMORY_BUDGETS_MIB.items():
        if samples_mib.get(when):
            value = Spread.of(samples_mib[when])
            worst = Spread(value.most, value.least, value.most)
            yield Verdict("P10", f"RssAnon, {'at start' if when == 'start' else 'most under load'}"
                          ", MiB", work, worst, budget, goal)


def judge_shards(work, rows_of, voids):
    """P16: (Sluice 2 shards / 1) / (floor 2 processes / 1), by round."""
    names = ("sluice", "sluice-2", "floor", "floor-2")
    if not all(name in rows_of for name in names):
        return
    reasons = [f"{name}: {voids[name]}" for name in names if voids.get(name)]
    by_round = zip(ratios(rows_of["sluice-2"], rows_of["sluice"]),
                   ratios(rows_of["floor-2"], rows_of["floor"]))
    value = None if reasons else Spread.of(own / floor for own, floor in by_round)
    yield Verdict("P16", "(2 shards / 1) / (2 floors / 1), all on one core", work, value,
                  *SHARDS_BUDGET, "; ".join(reasons))
