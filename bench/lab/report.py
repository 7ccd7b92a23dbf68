"""Comparisons as tables for the terminal and as JSON."""

import dataclasses
import json

from . import figures, readings
from .comparison import AGAIN


def columns(rows):
    """Rows of cells as text, each column as wide as its widest; the outer two stand on the left."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) if i in (0, len(row) - 1) else cell.rjust(width)
                 for i, (cell, width) in enumerate(zip(row, widths))]
        lines.append("  " + "  ".join(cells).rstrip())
    return "\n".join(lines)


def headline(machine):
    return (f"{machine['date']}, commit {machine['commit']}, {machine['cpu']}, "
            f"{machine['cores']} cores, Linux {machine['kernel']}")


def base_of(result):
    """The peer whose CPU the table divides by."""
    wanted = ("floor", "nginx") if result.tls else ("floor",)
    return next((name for name in wanted if name in result.rows), next(iter(result.rows)))


def median_of(rows, read):
    return figures.Spread.of(read(row) for row in rows).median


def marks(result, name):
    rows = result.rows[name]
    if name in result.voids:
        return "void: " + result.voids[name]
    return ", ".join(figures.cautions(rows, result.work.kind)) if rows else ""


def peer_line(result, name):
    rows = [row for row in result.rows[name] if row.count]
    if not rows:
        return [name, "-", "-", "-", "-", "-", "-", marks(result, name)]
    ratio = figures.Spread.of(figures.ratios(rows, result.rows[base_of(result)]))
    per = 1e6
    return [name, figures.Spread.of(row.cpu_us for row in rows).text(),
            f"{median_of(rows, lambda row: row.user_s / row.count * per):.1f} + "
            f"{median_of(rows, lambda row: row.kernel_s / row.count * per):.1f}",
            f"{median_of(rows, lambda row: row.rate):.0f}",
            f"{median_of(rows, lambda row: row.core_used):.0f}",
            ratio.text(2) if ratio else "-",
            f"{result.added_ms.get(name, 0) * 1000:.0f}", marks(result, name)]


def verdict_table(verdicts):
    if not verdicts:
        return ""
    rows = [["budget", "figure", "at most", "goal", "", ""]]
    for each in verdicts:
        about = each.what + (f"  ({each.note})" if each.note else "")
        rows.append([each.name, each.value.text(2) if each.value else "-", f"{each.budget:.2f}",
                     f"{each.goal:.2f}", each.word, about])
    return columns(rows)


def against_first(result):
    """Other builds of Sluice against the first, the first against itself; over TLS, which has no
    budgets, against its peers too."""
    first = result.rows.get(result.first, [])
    for name in [*result.variants[1:], AGAIN]:
        spread = figures.Spread.of(figures.ratios(result.rows.get(name, []), first))
        if spread:
            what = "A/A, noise" if name == AGAIN else "A/B"
            yield f"  {name} / {result.first}: {spread.text(3)} ({what})"
    for name in ("nginx", "haproxy") if result.tls else ():
        spread = figures.Spread.of(figures.ratios(first, result.rows.get(name, [])))
        if spread:
            yield f"  {result.first} / {name}: {spread.text(2)}"


def delay_lines(result):
    if result.work.is_h2:
        yield f"  time of a request, us, at {result.work.h2_rate} a second:"
    elif result.work.kind == "paced":
        yield "  delay of an event, us, from the stamp within it:"
    else:
        return
    rows = [["", "p50", "p99"]]
    for name, each in result.rows.items():
        rows.append([name, *(figures.Spread.of(row.delay_us[q] for row in each).text(0)
                             for q in ("p50", "p99"))])
    yield columns(rows)


def work_table(result):
    unit = "event" if result.work.kind == "paced" else "request"
    over = {"in": ", https in", "both": ", https both ways", "h2": ", https in"}.get(result.tls, "")
    lines = ["", f"{result.work.name}: {result.work.title}{over}; {result.rounds} rounds of "
             f"{result.seconds:g} s, medians (least - most)"]
    rows = [["", f"CPU us per {unit}", "user + kernel", "per s", "core %",
             f"/ {base_of(result)}", "added p50 us", ""]]
    rows += [peer_line(result, name) for name in result.rows if name != "direct"]
    lines.append(columns(rows))
    lines += [f"  {name}: skipped, {why}" for name, why in result.skipped.items()]
    lines += delay_lines(result)
    lines += against_first(result)
    table = verdict_table(result.verdicts)
    return "\n".join(lines + ([table] if table else []))


def as_dict(result):
    return {
        "title": result.work.title, "rounds": result.rounds, "seconds": result.seconds,
        "stands_for_sluice": result.first,
        "peers": {name: {"rows": [{**dataclasses.asdict(row), "cpu_us": round(row.cpu_us, 3),
                                   "core_used": round(row.core_used, 1)} for row in rows],
                         "added_ms": result.added_ms.get(name),
                         "void": result.voids.get(name)} for name, rows in result.rows.items()},
        "skipped": result.skipped, "rss_anon_mib": result.memory_mib,
        "budgets": [each.as_dict() for each in result.verdicts],
    }


def result_path(folder, machine):
    cpu = readings.cpu_words(machine["cpu"])
    return folder / f"{machine['date']}-{cpu}-{machine['commit']}.json"


def save(folder, machine, section, name, figures_of):
    """Adds to the file of this date, machine and commit; what else is there stays."""
    folder.mkdir(parents=True, exist_ok=True)
    path = result_path(folder, machine)
    whole = json.loads(path.read_text()) if path.exists() else {"machine": machine}
    whole.setdefault(section, {})[name] = figures_of
    path.write_text(json.dumps(whole, indent=1) + "\n")
