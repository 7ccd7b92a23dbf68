"""What a case says: figures beside what was expected of them."""

import dataclasses

from lab import report


@dataclasses.dataclass
class Line:
    what: str
    value: object
    expected: str
    is_met: bool
    is_timed: bool = False  # It depends on the machine's speed; small runs do not judge by it.

    def mark(self, is_small):
        if self.is_timed and is_small:
            return "not judged"
        return "ok" if self.is_met else "MISSED"


@dataclasses.dataclass
class Case:
    number: int
    title: str
    setting: str  # What ran, in a sentence.
    lines: list = dataclasses.field(default_factory=list)
    table: list = dataclasses.field(default_factory=list)  # Rows of text, the first its heads.
    transcript: list = dataclasses.field(default_factory=list)  # Lines as a program wrote them.
    figures: dict = dataclasses.field(default_factory=dict)

    def at_most(self, what, value, most, is_timed=False, unit=""):
        self._add(what, value, f"at most {text(most)}{unit}", value <= most, is_timed, unit)

    def at_least(self, what, value, least, is_timed=False, unit=""):
        self._add(what, value, f"at least {text(least)}{unit}", value >= least, is_timed, unit)

    def within(self, what, value, least, most, is_timed=False, unit=""):
        self._add(what, value, f"{text(least)} to {text(most)}{unit}", least <= value <= most,
                  is_timed, unit)

    def equal(self, what, value, expected, is_timed=False):
        self._add(what, value, text(expected), value == expected, is_timed, "")

    def note(self, what, value, unit=""):
        """A figure of which nothing is expected."""
        self._add(what, value, "", True, False, unit)

    def _add(self, what, value, expected, is_met, is_timed, unit):
        self.lines.append(Line(what, f"{text(value)}{unit}", expected, is_met, is_timed))
        self.figures[what] = value

    def is_good(self, is_small):
        return all(line.is_met or (is_small and line.is_timed) for line in self.lines)

    def render(self, is_small):
        rows = [["", "measured", "expected", ""]]
        rows += [[line.what, line.value, line.expected,
                  line.mark(is_small) if line.expected else ""] for line in self.lines]
        parts = [f"\n{self.number}. {self.title}", f"   {self.setting}"]
        parts += [f"   | {line}".rstrip() for line in self.transcript]
        if self.table:
            parts.append(report.columns(self.table))
        return "\n".join([*parts, report.columns(rows)])

    def as_dict(self, is_small):
        return {"number": self.number, "title": self.title, "setting": self.setting,
                "is_good": self.is_good(is_small), "figures": self.figures, "table": self.table,
                "lines": [dataclasses.asdict(line) for line in self.lines]}


def text(value):
    return f"{value:.4g}" if isinstance(value, float) else f"{value}"


def quantile(values, share):
    """Of a list that need not be sorted; 0 of none."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0
