#!/usr/bin/env python3
"""bench/limits/show for a moment each: what it counts must hold on any machine.

    limits_show_test.py SHOW BUILD
"""

import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SHOW, BUILD = sys.argv[1:3]
PATIENCE_S = 120  # The bound of every case; reached only when a test fails.


def show(*arguments):
    """(what ended, the figures of the cases by their numbers)."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-B", SHOW, "--build", BUILD, "--small", "--results", folder,
             *arguments], capture_output=True, text=True, timeout=PATIENCE_S)
        figures = Path(folder) / "figures.json"
        cases = json.loads(figures.read_text())["cases"] if figures.exists() else []
        return done, {case["number"]: case for case in cases}


class Limits(unittest.TestCase):
    def show_case(self, number):
        done, cases = show("--only", str(number))
        missed = [(line["what"], line["value"], line["expected"]) for line in cases[number]["lines"]
                  if not line["is_met"] and not line["is_timed"]] if cases else []
        self.assertEqual(done.returncode, 0, f"{missed}\n{done.stderr}")
        self.assertEqual(missed, [])
        self.assertIn("expected", done.stdout)
        return cases[number]["figures"]

    def test_four_gateways_keep_a_limit_in_every_window(self):
        figures = self.show_case(2)
        self.assertGreater(figures["10/min: most in any minute, by clients"], 0)

    def test_a_limit_holds_whatever_becomes_of_redis(self):
        figures = self.show_case(3)
        self.assertEqual(len([name for name in figures if name.endswith("windows")]), 4)

    def test_what_redis_does_is_independent_of_the_rate(self):
        self.show_case(5)

    def test_token_limits_on_streams(self):
        self.show_case(6)

    def test_the_journal_survives_kill_9(self):
        self.show_case(7)

    def test_an_unknown_case_is_refused(self):
        done, _ = show("--only", "4")
        self.assertEqual(done.returncode, 2)
        self.assertIn("there are 2, 3, 5, 6, 7", done.stderr)


if __name__ == "__main__":
    del sys.argv[1:3]
    unittest.main()
