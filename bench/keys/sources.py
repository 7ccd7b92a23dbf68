"""3: each source against the real thing, with it hanging, dying and returning."""

import os
import re
import subprocess
import sys
from pathlib import Path

from resilience import verdict

TESTS = Path(__file__).resolve().parents[2] / "tests" / "integration"
PATIENCE_S = 200  # The bound of one file.

# File, what it asks of, and the probe that it needs.
FILES = (("sources_test.py", "Redis, a webhook", "key_probe"),
         ("sql_sources_test.py", "PostgreSQL, MariaDB, an OIDC issuer", "source_probe"),
         ("all_sources_test.py", "all of them before whole gateways", ""),
         ("usage_log_test.py", "reporters: a webhook, PostgreSQL, MariaDB", ""))


def run_file(place, name, probe):
    """(passed, in all, what was said of those that did not)."""
    command = [sys.executable, "-W", "ignore", "-B", str(TESTS / name)]
    if probe:
        command.append(str(place.program(f"tests/integration/{probe}")))
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE_S,
        env={**os.environ, "SLUICE_BIN": str(place.program("src/app/sluice"))})
    ran = re.search(r"Ran (\d+) tests?", done.stderr)
    count = int(ran.group(1)) if ran else 0
    failed = re.findall(r"^(?:FAIL|ERROR): \S+ \(__main__\.([^)]*)\)", done.stderr, re.M)
    skipped = re.search(r"skipped=(\d+)", done.stderr)
    if failed:
        place.say(done.stderr[-3000:])
    if done.returncode != 0 and not failed:
        failed = [done.stderr[-200:]]
    return count - len(failed) - int(skipped.group(1) if skipped else 0), count, failed


def run(place, is_small):
    case = verdict.Case(3, "Sources and reporters against the real things",
                        "the tests start the servers of the distribution's packages, pause them, "
                        "kill them and start them again")
    case.table = [["file", "passed", "of", "against"]]
    for name, what, probe in FILES[2:3] if is_small else FILES:
        place.say(name)
        passed, count, failed = run_file(place, name, probe)
        case.table.append([name, f"{passed}", f"{count}", what])
        case.at_least(f"tests of {name}", count, 1)
        case.equal(f"not passed in {name}", ", ".join(failed) or "none", "none")
    return case
