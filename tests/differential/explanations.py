"""The classes of disagreement that are known, each with the reason why our reading is right."""

import os
import re
import tomllib
from dataclasses import dataclass

FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "explanations.toml")


@dataclass(frozen=True)
class Explanation:
    """One entry of the file. Where `peers`, `theirs` or `oddity` is empty, any will do."""
    kinds: tuple
    ours: tuple
    why: str
    rule: str
    example: str
    peers: tuple = ()
    theirs: str = ""  # A regular expression for all of it.
    oddity: str = ""

    @property
    def data(self):
        return expand(self.example)

    def explains(self, difference):
        is_of_kind = difference.kind in self.kinds or (
            difference.kind == "answer to HEAD" and "answer" in self.kinds)
        return (is_of_kind and difference.ours in self.ours
                and (not self.peers or difference.peer in self.peers)
                and (not self.theirs or re.fullmatch(self.theirs, difference.theirs) is not None)
                and (not self.oddity or self.oddity in difference.oddities))


def expand(example):
    """The bytes of an example as the file spells it."""
    text = re.sub(r"\{(\d+)\*(.+?)\}(?!\})", lambda match: match.group(2) * int(match.group(1)),
                  example,
                  flags=re.S)
    return text.encode("latin-1")


def _as_tuple(value):
    return (value,) if isinstance(value, str) else tuple(value)


def load(path=FILE):
    """All entries, in the file's order. A byte above 127 stands there as a character of Latin-1."""
    with open(path, "rb") as file:
        entries = tomllib.load(file)["class"]
    return [Explanation(tuple(entry["kinds"]), _as_tuple(entry["ours"]), entry["why"],
                        entry["rule"],
                        entry["example"], tuple(entry.get("peers", ())),
                        entry.get("theirs", ""), entry.get("oddity", "")) for entry in entries]


def explain(explanations, difference):
    """The first Explanation that fits, or None."""
    return next((each for each in explanations if each.explains(difference)), None)
