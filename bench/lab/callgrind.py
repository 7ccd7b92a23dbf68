"""How callgrind's files are read."""

import re


def parse_profile(text):
    """Instructions in all, from the text of a profile."""
    return int(re.search(r"^(?:totals|summary): (\d+)", text, re.MULTILINE).group(1))


def per_unit(counts, sizes):
    """Instructions per unit: of the first run, and of what each further run counted beyond it."""
    beyond = [(later - sooner) / (more - fewer) for sooner, later, fewer, more
              in zip(counts, counts[1:], sizes, sizes[1:])]
    return [counts[0] / sizes[0], *beyond]
