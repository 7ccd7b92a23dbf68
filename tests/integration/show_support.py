"""Runs cases of a show program of bench/ for a moment: what it counts must hold on any machine.

    class Keys(ShowCase):
        def test_something(self):
            figures, printed = self.show_case(2)

    run()                                   # With the arguments SHOW BUILD.
"""

import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SHOW, BUILD = sys.argv[1:3]
PATIENCE_S = 120  # The bound of every case; reached only when a test fails.


class ShowCase(unittest.TestCase):
    @staticmethod
    def results(folder):
        """How the program is told where its figures.json goes."""
        return "--results", folder

    def show(self, *arguments):
        """(what ended, the figures of the cases by their numbers)."""
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                [sys.executable, "-B", SHOW, "--build", BUILD, "--small", *self.results(folder),
                 *arguments], capture_output=True, text=True, timeout=PATIENCE_S)
            figures = Path(folder) / "figures.json"
            cases = json.loads(figures.read_text())["cases"] if figures.exists() else []
            return done, {case["number"]: case for case in cases}

    def show_case(self, number):
        """(the figures of one case, all of whose counts are as expected; what was printed)."""
        done, cases = self.show("--only", str(number))
        missed = [line for line in cases[number]["lines"]
                  if not line["is_met"] and not line["is_timed"]] if cases else []
        self.assertEqual(done.returncode, 0, f"{missed}\n{done.stderr}\n{done.stdout}")
        self.assertEqual(missed, [])
        self.assertIn("expected", done.stdout)
        return cases[number]["figures"], done.stdout


def run():
    del sys.argv[1:3]
    unittest.main()
