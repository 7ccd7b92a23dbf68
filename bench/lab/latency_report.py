"""Added times as tables for the terminal and as JSON."""

import dataclasses

from . import added
from .added import DIRECT, FLOOR
from .comparison import AGAIN
from .figures import Spread
from .report import columns, verdict_table


def cell(values, digits=0):
    spread = Spread.of(values)
    return spread.text(digits) if spread else "-"


def shown(result):
    """Means only where no floor takes up room."""
    return tuple(added.RATIO_BUDGETS) if FLOOR in result.runs else added.QUANTILES


def peer_line(result, name, kind):
    runs, direct = result.runs[name], result.runs.get(DIRECT, [])
    is_direct = name == DIRECT
    cells = [name, *(cell(added.times(runs, kind, each).values()) for each in shown(result))]
    for quantile in shown(result):
        cells.append("" if is_direct else
                     cell(added.added(runs, direct, kind, quantile).values()))
    if FLOOR in result.runs:
        for quantile in added.RATIO_BUDGETS:
            cells.append("" if name in (DIRECT, FLOOR) else
                         cell(added.ratios(runs, result.runs[FLOOR], direct, kind, quantile), 2))
    return [*cells, f"void: {result.voids[name]}" if name in result.voids else ""]


def timing_table(result, kind):
    heads = ["", *shown(result), *(f"added {each}" for each in shown(result))]
    if FLOOR in result.runs:
        heads += [f"/ floor {each}" for each in added.RATIO_BUDGETS]
    return columns([[*heads, ""], *(peer_line(result, name, kind) for name in result.runs)])


def against_first(result):
    """What another build of Sluice adds by what the first adds, and the first beside itself."""
    runs, direct = result.runs, result.runs.get(DIRECT, [])
    for name in [*result.variants[1:], AGAIN]:
        if name not in runs or result.first not in runs:
            continue
        for kind, title in result.work.timings.items():
            three = (runs[name], runs[result.first], direct, kind)
            told = ", ".join(f"{each} {cell(added.ratios(*three, each), 3)}"
                             for each in added.RATIO_BUDGETS)
            yield (f"  {title}, {name} / {result.first}, added: {told} "
                   f"({'A/A, noise' if name == AGAIN else 'A/B'})")


def phase_table(result):
    rows = [["", "p50 us", "p99 us", "left", "failed"]]
    for phase, runs in result.runs.items():
        rows.append([phase, *(cell(added.times(runs, "detection", each).values())
                              for each in ("p50", "p99")),
                     str(sum(run.completed for run in runs)),
                     str(sum(run.failed for run in runs))])
    return columns(rows)


def lag_line(result):
    """What the generator itself was late by; it is in every time beside it."""
    runs = [run for each in result.runs.values() for run in each]
    lags = {each: added.times(runs, "send_lag", each).values() for each in added.RATIO_BUDGETS}
    return "  own send lag, us, of all: " + ", ".join(
        f"{each} {cell(values)}" for each, values in lags.items())


def count_line(result):
    return "  completed: " + ", ".join(
        f"{name} {sum(run.completed for run in runs)}" for name, runs in result.runs.items())


def failure_lines(result):
    for name, runs in result.runs.items():
        reasons = {}
        for run in runs:
            for reason, count in run.failures.items():
                reasons[reason] = reasons.get(reason, 0) + count
        yield from (f"  {name}: {count} x {reason}" for reason, count in reasons.items())


def work_table(result):
    rounds = max((len(runs) for runs in result.runs.values()), default=0)
    lines = ["", f"{result.work.name}: {result.title}; {rounds} rounds, us, medians (least - most)"]
    if result.work.name == "leave":
        lines.append(phase_table(result))
    else:
        for kind, title in result.work.timings.items():
            lines += [f"  {title}:", timing_table(result, kind)]
        lines += [lag_line(result), count_line(result)]
    lines += [f"  {name}: skipped, {why}" for name, why in result.skipped.items()]
    lines += [*failure_lines(result), *against_first(result)]
    return "\n".join(lines + ([verdict_table(result.verdicts)] if result.verdicts else []))


def as_dict(result):
    return {
        "title": result.title, "stands_for_sluice": result.first,
        "runs": {name: [dataclasses.asdict(run) for run in runs]
                 for name, runs in result.runs.items()},
        "voids": result.voids, "skipped": result.skipped,
        "budgets": [each.as_dict() for each in result.verdicts],
    }
