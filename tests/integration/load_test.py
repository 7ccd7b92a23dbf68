#!/usr/bin/env python3
"""sluice-load against a real sluice-sim: what is good is counted as good, what breaks is named."""

import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

LOAD, SIM = sys.argv[1:3]


class LoadSmoke(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sim = subprocess.Popen([SIM, "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE,
                                   text=True)
        cls.url = cls.sim.stdout.readline().split()[-1]

    @classmethod
    def tearDownClass(cls):
        cls.sim.terminate()
        cls.sim.wait()
        cls.sim.stdout.close()

    def run_load(self, mode, *arguments, target=None):
        with tempfile.TemporaryDirectory() as folder:
            figures = Path(folder) / "figures.json"
            done = subprocess.run([LOAD, mode, "--target", target or self.url, *arguments,
                                   "--json", figures], capture_output=True, text=True)
            self.assertTrue(figures.exists(), done.stderr)
            return done.returncode, json.loads(figures.read_text())

    def test_streams_equal_their_reference(self):
        status, figures = self.run_load(
            "streams", "--connections", "5", "--streams-per-connection", "2", "--events", "10",
            "--interval", "1", "--spread", "0", "--fixed", "--reference-url", self.url)
        self.assertEqual(status, 0)
        self.assertEqual((figures["completed"], figures["identical"]), (10, 10))

    def test_stamps_give_delays(self):
        status, figures = self.run_load("streams", "--streams-per-connection", "1", "--events",
                                        "10", "--interval", "1", "--stamps")
        self.assertEqual(status, 0)
        self.assertGreaterEqual(figures["delay"]["count"], 10)

    def test_another_body_is_seen(self):
        with tempfile.NamedTemporaryFile("w") as reference:
            reference.write("data: [DONE]\n\n")
            reference.flush()
            status, figures = self.run_load("streams", "--streams-per-connection", "1", "--events",
                                            "3", "--interval", "1", "--reference", reference.name)
        self.assertEqual((status, figures["differing"]), (1, 1))

    def test_breaks_are_named(self):
        for fault, reason in (("cut-after:2", "closed within the body"),
                              ("error-event:2", "error event"),
                              ("status:503", "status is not 200"),
                              ("cut-before-head", "closed before the answer")):
            status, figures = self.run_load("streams", "--streams-per-connection", "2", "--events",
                                            "5", "--interval", "1", "--header",
                                            f"x-sim-fault: {fault}")
            self.assertEqual(status, 1, fault)
            self.assertEqual(figures["failures"], {reason: 2}, fault)

    def test_an_unreachable_target_is_a_failure(self):
        status, figures = self.run_load("streams", "--streams-per-connection", "1",
                                        target="http://127.0.0.1:1")
        self.assertEqual((status, figures["failures"]), (1, {"connection refused": 1}))

    def test_leaving_is_noticed(self):
        for phase in ("connect", "body", "waiting", "streaming"):
            status, figures = self.run_load("abort", "--phase", phase, "--rounds", "3",
                                            "--events", "100000")
            self.assertEqual(status, 0, phase)
            self.assertEqual(figures["detection"]["count"], 3, phase)

    def test_a_slow_reader_reads_slowly(self):
        status, figures = self.run_load("slow-reader", "--rate", "1KB/s", "--duration", "500ms",
                                        "--events", "100000", "--interval", "0")
        self.assertEqual(status, 0)
        self.assertLessEqual(figures["bytes"], 1000)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
