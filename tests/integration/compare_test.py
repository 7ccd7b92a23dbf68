#!/usr/bin/env python3
"""bench/compare/compare with windows of a fifth of a second: every peer serves every work."""

import json
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

COMPARE, BUILD = sys.argv[1:3]  # Behind them, the classes of tests to run; none is all.
PEERS = ("floor", "nginx", "haproxy", "sluice-off", "sluice")
ON_PATH = "/usr/sbin:/usr/local/sbin"


class Comparison(unittest.TestCase):
    def compare(self, *arguments, section="works"):
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                [sys.executable, "-B", COMPARE, "--build", BUILD, "--rounds", "1", "--seconds",
                 "0.2", "--results", folder, *arguments], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            path, = Path(folder).iterdir()
            return done.stdout, json.loads(path.read_text())[section]

    def expect_served(self, works, names, peers):
        self.assertEqual(set(works), set(names))
        for name, work in works.items():
            for peer in set(peers) - set(work["skipped"]):
                row, = work["peers"][peer]["rows"]
                self.assertGreater(row["count"], 0, (name, peer))
                self.assertEqual(row["errors"], 0, (name, peer))


@unittest.skipUnless(shutil.which("wrk"), "wrk is not installed")
class EveryPeer(Comparison):
    def test_requests_and_bursts_pass_every_peer(self):
        works = ("unary_32", "burst_32", "large")
        said, figures = self.compare("--only", ",".join(works))
        self.expect_served(figures, works, PEERS)
        self.assertIn("A/A", said)
        for peer in ("nginx", "haproxy"):
            if not (shutil.which(peer) or shutil.which(peer, path=ON_PATH)):
                self.assertIn(f"{peer}: skipped", said)

    @unittest.skipUnless(shutil.which("h2load"), "h2load is not installed")
    def test_requests_pass_every_peer_that_speaks_http2(self):
        works = ("h2_unary", "h2_burst")
        said, figures = self.compare("--only", ",".join(works), "--no-again", section="works, h2")
        self.expect_served(figures, works, set(PEERS) - {"floor"})
        self.assertIn("floor: skipped", said)
        for work in figures.values():
            for peer in work["peers"].values():
                self.assertGreater(peer["rows"][0]["delay_us"]["p50"], 0)


@unittest.skipUnless(shutil.which("wrk"), "wrk is not installed")
class OwnPrograms(Comparison):
    def test_techniques_serve_beside_the_floor(self):
        techniques = Path(COMPARE).with_name("techniques")
        done = subprocess.run(
            [sys.executable, "-B", techniques, "--build", BUILD, "--rounds", "1", "--seconds",
             "0.2", "--only", "burst_32"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("nothing again", done.stdout)
        self.assertNotIn("nothing completed", done.stdout)

    def test_paced_streams_are_counted_by_event(self):
        _, figures = self.compare("--only", "paced", "--peers", "sluice,floor", "--no-again")
        self.expect_served(figures, ["paced"], ["sluice", "floor"])
        self.assertIn("p50", figures["paced"]["peers"]["sluice"]["rows"][0]["delay_us"])

    def test_shards_and_two_programs_are_compared(self):
        _, figures = self.compare("--only", "shards")
        self.expect_served(figures, ["shards"], ["sluice", "sluice-2", "floor", "floor-2"])
        program = Path(BUILD) / "src/app/sluice"
        said, figures = self.compare("--only", "unary_32", "--peers", "sluice", "--no-again",
                                     "--sluice", f"{program}=before", "--sluice",
                                     f"{program}=after")
        self.expect_served(figures, ["unary_32"], ["before", "after"])
        self.assertIn("after / before", said)

    def test_what_is_not_known_is_named(self):
        for arguments in (["--only", "unry"], ["--peers", "apache"], ["--sluice", "x"]):
            done = subprocess.run([sys.executable, "-B", COMPARE, *arguments],
                                  capture_output=True, text=True)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertIn(arguments[0], done.stderr)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
