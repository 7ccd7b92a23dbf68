#!/usr/bin/env python3
"""bench/compare/latency with runs of a fifth of a second: every work is served and judged."""

import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

LATENCY, BUILD = sys.argv[1:3]
TRACE = """TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:00:00.0000000,30,3
2023-11-16 18:00:01.0000000,60,2
2023-11-16 18:00:01.5000000,10,1
"""


class LatencySmoke(unittest.TestCase):
    def latency(self, *arguments):
        with tempfile.TemporaryDirectory() as folder:
            trace = Path(folder) / "trace.csv"
            trace.write_text(TRACE)
            results = Path(folder) / "results"
            done = subprocess.run(
                [sys.executable, "-B", LATENCY, "--build", BUILD, "--rounds", "1", "--seconds",
                 "0.2", "--rate", "500", "--leavings", "3", "--leave-rounds", "1", "--requests",
                 "50", "--trace", trace, "--results", results, *arguments],
                capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            path, = results.iterdir()
            return done.stdout, json.loads(path.read_text())["latency"]

    def expect_served(self, work, names, *kinds):
        self.assertEqual(set(work["runs"]), set(names))
        for name, (run,) in work["runs"].items():
            self.assertGreater(run["completed"], 0, name)
            self.assertEqual(run["failed"], 0, (name, run["failures"]))
            for kind in kinds:
                self.assertGreater(run["times_us"][kind]["p99"], 0, (name, kind))

    def budgets(self, work):
        return [each["budget"] for each in work["budgets"]]

    def test_requests_and_streams_pass_the_floor_and_sluice(self):
        said, works = self.latency("--only", "open,events")
        peers = ["direct", "floor", "sluice", "sluice again"]
        self.expect_served(works["open"], peers, "latency", "send_lag")
        self.expect_served(works["events"], peers, "delay", "first_delay")
        self.assertEqual(self.budgets(works["open"]), ["P7", "P7"])
        self.assertEqual(self.budgets(works["events"]), ["P8"] * 4)
        self.assertIn("A/A, noise", said)

    def test_leaving_is_judged_by_phase(self):
        _, works = self.latency("--only", "leave")
        self.expect_served(works["leave"], ["connect", "body", "waiting", "streaming"],
                           "detection")
        self.assertEqual(self.budgets(works["leave"]), ["P14"] * 4)

    def test_scenarios_pass_beside_direct(self):
        said, works = self.latency("--only", "llmux,trace", "--no-again")
        for name, count in (("llmux", 50), ("trace", 3)):
            self.expect_served(works[name], ["direct", "sluice"], "latency")
            self.assertEqual(works[name]["runs"]["sluice"][0]["completed"], count)
        self.assertIn("added mean", said)

    def test_what_is_not_known_is_named(self):
        for arguments in (["--only", "opne"], ["--only", "trace"], ["--peers", "apache"],
                          ["--sluice", "x"], ["--rounds", "0"]):
            done = subprocess.run([sys.executable, "-B", LATENCY, *arguments],
                                  capture_output=True, text=True)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertIn(arguments[0], done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
