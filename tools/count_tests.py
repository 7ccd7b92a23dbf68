#!/usr/bin/python3
"""Counts the test cases of a finished `meson test`: prints `<passed> <failed>`, and behind it a
line for each program that failed with its reasons, short enough for the end of a long log.

A GoogleTest program and a run of node:test count with their cases, any other test as one. A
program that failed without a failed case (a crash, a timeout, a leak found at its end) counts as
one failure more. GoogleTest's cases are read from the log and not from the XML reports: those are
named after the program alone, so that equal names in two suites overwrite each other.
"""

import json
import re
import sys
from pathlib import Path

GOOD = ("OK", "EXPECTEDFAIL")
GOOGLE_TEST = "[==========] Running "
# The line that ends a case, for instance `[       OK ] Slab.grows (0 ms)`.
CASE = re.compile(r"\[( *OK| *FAILED| *SKIPPED) +\] \S.*\(\d+ ms\)$", re.M)
# The lines that end a run of node:test in TAP, for instance `# pass 93`; "cancelled" ones failed.
NODE_TEST = re.compile(r"^TAP version \d+$", re.M)
NODE_FIGURE = re.compile(r"^# (pass|fail|cancelled|skipped) (\d+)$", re.M)
# What names a failed case or its reason: GoogleTest's, unittest's and TAP's lines, an exception at
# the end of its traceback, a sanitizer's finding.
REASON = re.compile(r"^(\[ +FAILED +\] \S.*\(\d+ ms\)|(ERROR|FAIL): \S.*|\s*not ok \d+ .*|"
                    r"[A-Za-z_.]*(Error|Exception|Interrupt|Exit)\b.*|"
                    r".*(runtime error|Sanitizer): .*)$", re.M)
REASONS_MAX, REASON_CHARACTERS_MAX = 6, 160


def reasons_of(test):
    """Why one program failed: its failed cases and their reasons, or else its last line."""
    output = test.get("stderr", "") + "\n" + test.get("stdout", "")
    reasons = [match.group(0).strip() for match in REASON.finditer(output)]
    if not reasons:
        reasons = [line for line in output.splitlines() if line.strip()][-1:]
    return "; ".join(reason[:REASON_CHARACTERS_MAX] for reason in reasons[:REASONS_MAX])


def node_cases_of(stdout):
    """(passed, failed, skipped) of one run of node:test; zeros when it did not come to its end."""
    figures = {name: int(count) for name, count in NODE_FIGURE.findall(stdout)}
    failed = figures.get("fail", 0) + figures.get("cancelled", 0)
    return figures.get("pass", 0), failed, figures.get("skipped", 0)


def cases_of(stdout):
    """(passed, failed, skipped) of one GoogleTest program's output."""
    words = [match.group(1).strip() for match in CASE.finditer(stdout)]
    return words.count("OK"), words.count("FAILED"), words.count("SKIPPED")


def tests_of(log):
    """The tests of the run whose JSON lines `log` holds."""
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]


def count(tests):
    """(passed, failed, skipped) of a run."""
    total = [0, 0, 0]
    for test in tests:
        good = test["result"] in GOOD
        stdout = test.get("stdout", "")
        if test["result"] == "SKIP":
            total[2] += 1
        elif GOOGLE_TEST not in stdout and not NODE_TEST.search(stdout):
            total[0 if good else 1] += 1
        else:
            read_cases = cases_of if GOOGLE_TEST in stdout else node_cases_of
            passed, failed, skipped = read_cases(stdout)
            if not good and failed == 0:
                failed = 1
            total = [total[0] + passed, total[1] + failed, total[2] + skipped]
    return total


def main():
    builddir, status = Path(sys.argv[1]), int(sys.argv[2])
    try:
        tests = tests_of(builddir / "meson-logs/testlog.json")
        passed, failed, skipped = count(tests)
    except (OSError, ValueError, KeyError) as error:
        # Without a log nothing ran: most often the build failed.
        print(f"test: no results to read: {error}", file=sys.stderr)
        print("0 1")
        return
    if status != 0 and failed == 0:
        failed = 1
    if skipped:
        print(f"test: {skipped} skipped", file=sys.stderr)
    print(passed, failed)
    for test in tests:
        if test["result"] not in (*GOOD, "SKIP"):
            print(f"{test['name']}: {test['result']}: {reasons_of(test)}")


if __name__ == "__main__":
    main()
