#!/usr/bin/python3
"""Counts the test cases of a finished `meson test`: prints `<passed> <failed>`.

A GoogleTest program counts with its cases, any other test as one. A program that failed without a
failed case (a crash, a timeout, a leak found at its end) counts as one failure more.
"""

import json
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

GOOD = ("OK", "EXPECTEDFAIL")


def cases_of(file):
    """(passed, failed, skipped) of one GoogleTest report."""
    passed = failed = skipped = 0
    for case in ElementTree.parse(file).getroot().iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
        elif case.get("status") == "notrun" or case.get("result") == "skipped":
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped


def count(builddir):
    """(passed, failed, skipped) of the run whose logs lie in `builddir`."""
    total = [0, 0, 0]
    log = builddir / "meson-logs/testlog.json"
    for line in log.read_text(encoding="utf-8").splitlines():
        test = json.loads(line)
        name = test["name"].split(" / ")[-1]
        report = builddir / f"{name}.xml"
        if test["result"] == "SKIP":
            total[2] += 1
            continue
        good = test["result"] in GOOD
        if not report.exists():
            total[0 if good else 1] += 1
            continue
        passed, failed, skipped = cases_of(report)
        if not good and failed == 0:
            failed = 1
        total = [total[0] + passed, total[1] + failed, total[2] + skipped]
    return total


def main():
    builddir, status = Path(sys.argv[1]), int(sys.argv[2])
    try:
        passed, failed, skipped = count(builddir)
    except (OSError, ValueError, KeyError, ElementTree.ParseError) as error:
        # Without a log nothing ran: most often the build failed.
        print(f"test: no results to read: {error}", file=sys.stderr)
        print("0 1")
        return
    if status != 0 and failed == 0:
        failed = 1
    if skipped:
        print(f"test: {skipped} skipped", file=sys.stderr)
    print(passed, failed)


if __name__ == "__main__":
    main()
