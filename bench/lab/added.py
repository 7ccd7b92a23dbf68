"""What a peer adds to a direct connection, as a ratio to what the floor adds. Pure."""

import dataclasses

from .figures import ADDED_MS_MOST, ERROR_SHARE_MOST, Spread, Verdict

DIRECT, FLOOR = "direct", "floor"
QUANTILES = ("mean", "p50", "p99")
RATIO_BUDGETS = {"p50": (1.20, 1.08), "p99": (1.5, 1.2)}  # Of P7 and P8: budget, goal.
LEAVE_BUDGET_MS = (5, 1)                                  # P14, its p99.
RATE_SHARE_LEAST = 0.98


@dataclasses.dataclass
class Run:
    """One run of load on one peer."""
    round: int
    times_us: dict           # Kind of time to {quantile: us}.
    completed: int = 0
    failed: int = 0          # And what was due and not sent.
    rate: float = 0
    forty_ms_steps: int = 0
    failures: dict = dataclasses.field(default_factory=dict)

    @staticmethod
    def of(number, figures, kinds):
        """From sluice-load's JSON. A kind of which nothing was seen has no times."""
        times = {kind: {each: figures[kind][f"{each}_us"] for each in QUANTILES}
                 for kind in kinds if kind in figures}
        return Run(number, times, figures["completed"], figures["failed"] + figures["not_sent"],
                   figures["rate"], figures["forty_ms_steps"], figures["failures"])


def times(runs, kind, quantile):
    """Round to us."""
    return {run.round: run.times_us[kind][quantile] for run in runs if kind in run.times_us}


def added(runs, direct, kind, quantile):
    """Round to the us above direct, of the rounds that both have."""
    base = times(direct, kind, quantile)
    return {number: us - base[number] for number, us in times(runs, kind, quantile).items()
            if number in base}


def ratios(runs, floor, direct, kind, quantile):
    """Added by the floor's added, by round. A round in which the floor adds nothing gives none:
    it was drowned by the machine."""
    base = added(floor, direct, kind, quantile)
    return [us / base[number] for number, us in added(runs, direct, kind, quantile).items()
            if base.get(number, 0) > 0]


def ratio_of_medians(runs, floor, direct, kind, quantile):
    own = Spread.of(added(runs, direct, kind, quantile).values())
    base = Spread.of(added(floor, direct, kind, quantile).values())
    return own.median / base.median if own and base and base.median > 0 else None


def why_void(runs, direct, kinds, rate=0):
    """Why the runs of a peer say nothing; empty when they count."""
    if not any(run.completed for run in runs) or not all(kinds[0] in run.times_us for run in runs):
        return "nothing completed"
    failed = sum(run.failed for run in runs)
    if failed > ERROR_SHARE_MOST * sum(run.completed for run in runs):
        return f"{failed} failed or not sent"
    slowest = min(run.rate for run in runs)
    if rate and slowest < RATE_SHARE_LEAST * rate:
        return f"only {slowest:.0f} of {rate:.0f} per s"
    steps = sum(run.forty_ms_steps for run in runs)
    if steps:
        return f"{steps} delays of about 40 ms"
    for kind in kinds:
        more = Spread.of(added(runs, direct, kind, "p50").values())
        if more and more.median > ADDED_MS_MOST * 1000:
            return f"adds {more.median / 1000:.1f} ms at the median"
    return ""


def judge(name, work, timings, runs_of, voids):
    """Verdicts of the peer "sluice" beside the floor. `timings` maps kinds of time to titles."""
    for kind, title in timings.items():
        for quantile, (budget, goal) in RATIO_BUDGETS.items():
            what = f"{title}, added {quantile} / the floor's"
            reasons = [f"{peer}: {voids[peer]}" for peer in (DIRECT, FLOOR, "sluice")
                       if voids.get(peer)]
            three = [runs_of.get(peer, []) for peer in ("sluice", FLOOR, DIRECT)]
            value = None if reasons else Spread.of(ratios(*three, kind, quantile))
            note = "; ".join(reasons)
            if value:
                lost = len(three[0]) - len(ratios(*three, kind, quantile))
                whole = ratio_of_medians(*three, kind, quantile)
                note = (f"of the medians {whole:.2f}" if whole else "of the medians none") + (
                    f"; the floor added nothing in {lost} rounds" if lost else "")
            yield Verdict(name, what, work, value, budget, goal,
                          note or "the floor added nothing in any round")


def judge_leaving(work, phase, what, runs):
    """P14 for one phase: the p99 of each run, in ms."""
    failed = sum(run.failed for run in runs)
    p99 = [us / 1000 for us in times(runs, "detection", "p99").values()]
    note = f"{failed} leavings failed" if failed or not p99 else ""
    yield Verdict("P14", f"{phase}: {what}, p99, ms", work, None if note else Spread.of(p99),
                  *LEAVE_BUDGET_MS, note)
