#!/usr/bin/env python3
"""bench/keys/show for a moment each: what it counts must hold on any machine.

    keys_show_test.py SHOW BUILD
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


class Keys(unittest.TestCase):
    def show_case(self, number):
        done, cases = show("--only", str(number))
        missed = [(line["what"], line["value"], line["expected"]) for line in cases[number]["lines"]
                  if not line["is_met"] and not line["is_timed"]] if cases else []
        self.assertEqual(done.returncode, 0, f"{missed}\n{done.stderr}")
        self.assertEqual(missed, [])
        self.assertIn("expected", done.stdout)
        return cases[number]["figures"], done.stdout

    def test_keys_of_a_large_store_are_found(self):
        self.show_case(1)

    def test_d005_a_block_holds_from_its_answer_on(self):
        figures, _ = self.show_case(2)
        self.assertGreater(figures["refused requests"], 0)

    def test_d009_d083_rotations_and_kills(self):
        figures, _ = self.show_case(4)
        self.assertGreater(figures["rotations under load"], 3)

    def test_reloads_lose_nothing(self):
        figures, _ = self.show_case(5)
        self.assertGreater(figures["streams that came to their end"], 0)

    def test_d094_d130_scripts_that_attack_are_stopped(self):
        self.show_case(6)

    def test_the_session_of_an_operator(self):
        _, printed = self.show_case(7)
        self.assertIn("$ sluicectl top --once", printed)

    def test_an_unknown_case_is_refused(self):
        done, _ = show("--only", "9")
        self.assertEqual(done.returncode, 2)
        self.assertIn("there are 1, 2, 3, 4, 5, 6, 7", done.stderr)


if __name__ == "__main__":
    del sys.argv[1:3]
    unittest.main()
