#!/usr/bin/env python3
"""bench/cost/cost and scale on few requests, streams and rounds: every figure is there."""

import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

COST, BUILD = sys.argv[1:3]


class CostSmoke(unittest.TestCase):
    def test_every_figure_is_measured(self):
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                [sys.executable, "-B", COST, "--build", BUILD, "--results", folder, "--units", "5",
                 "--streams", "20", "--rounds", "1"], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            path, = Path(folder).iterdir()
            figures = json.loads(path.read_text())["costs"]
        self.assertEqual(set(figures),
                         {"instructions", "allocations", "streams", "start", "reload"})
        for kind, found in figures.items():
            for each in found:
                if each["why_not"]:
                    print(f"{kind}: skipped, {each['why_not']}")
                    continue
                self.assertTrue(each["values"], (kind, each["what"]))
                self.assertGreaterEqual(min(each["values"]), 0, (kind, each["what"]))

    def test_what_is_not_known_is_named(self):
        done = subprocess.run([sys.executable, "-B", COST, "--only", "speed"],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 2)
        self.assertIn("speed", done.stderr)

    def test_growth_is_measured(self):
        scale = Path(COST).with_name("scale")
        done = subprocess.run(
            [sys.executable, "-B", scale, "--build", BUILD, "--deployments", "1,60", "--keys",
             "10,20", "--streams", "20", "--rounds", "1", "--seconds", "0.3"],
            capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        for first in ("deployments", "keys", "streams"):
            self.assertRegex(done.stdout, rf"(?m)^  {first} .*\n  \d+ .*\d")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
