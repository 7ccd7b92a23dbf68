"""0: what tests of real processes show."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from resilience import verdict

ROOT = Path(__file__).resolve().parents[2]
SUITE_MAX_S = 600


class Suite:
    """A case that runs test programs; each of their tests is a line."""

    number, title, programs = 0, "", ()

    @classmethod
    def arguments(cls, place, program):
        """What the program is told besides."""
        del place, program
        return []

    @classmethod
    def run(cls, place, is_small):
        del is_small
        case = verdict.Case(cls.number, cls.title, f"tests/integration: {', '.join(cls.programs)}")
        for program in cls.programs:
            path = ROOT / "tests/integration" / program
            if not path.exists():
                case.equal(f"{program} is there", "no", "yes")
                continue
            place.say(program)
            run_tests(case, place, path, cls.arguments(place, program))
        return case


def run_tests(case, place, path, arguments):
    gateway = place.program("src/app/sluice")
    with tempfile.TemporaryFile("w+") as said:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", str(path), *map(str, arguments), "-v"],
            stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd=ROOT,
            env={**os.environ, "SLUICE_BIN": str(gateway)}, timeout=SUITE_MAX_S)
        said.seek(0)
        text = said.read()
    # What a test's processes print stands before its verdict, at the end of a line.
    verdicts = re.findall(
        r"^test_(\w+) \((?s:.*?)(?:^| )(ok|FAIL|ERROR|expected failure|skipped .*)$", text, re.M)
    for name, said_of_it in verdicts:
        what = name.replace("_", " ")
        if said_of_it.startswith("skipped"):
            case.note(what, said_of_it)
        else:
            case.equal(what, said_of_it, "ok")
    case.at_least(f"{path.name}: tests", len(verdicts), 1)
    case.equal(f"{path.name}: exit status", done.returncode, 0)


class Process(Suite):
    """3: what the process may ask of the kernel."""

    number, title = 3, "operations and system calls of a gateway at work; a process that was taken"
    programs = ("sandbox_test.py",)

    @classmethod
    def arguments(cls, place, program):
        del program
        return [place.program("tests/unit/app/sandbox_probe")]


class Upgrade(Suite):
    """4: an upgrade under load."""

    number, title, programs = 4, "upgrades under load", ("upgrade_test.py",)


class Service(Suite):
    """5: as the shipped unit starts it."""

    number, title = 5, "under the shipped unit's limits, as a user without rights"
    programs = ("service_test.py", "unit_limits_test.py")

    @classmethod
    def arguments(cls, place, program):
        folder = ROOT / "configs/systemd"
        return [folder if program == "service_test.py" else folder / "sluice.service"]


class Numbers(Suite):
    """6: the requirements of the edge, by number."""

    number, title = 6, "requirements by number"
    programs = ("edge_numbers_test.py", "secrets_test.py", "hostile_test.py", "cors_test.py",
                "http2_floods_test.py")
