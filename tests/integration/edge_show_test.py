#!/usr/bin/env python3
"""bench/edge/show for a moment each: what it counts must hold on any machine.

    edge_show_test.py SHOW BUILD
"""

import json
import subprocess
import unittest
from pathlib import Path

from show_support import BUILD, PATIENCE_S, ShowCase, run

ASSAULT = str(Path(BUILD) / "bench/edge/sluice-assault")


class Edge(ShowCase):
    def test_clients_over_http2(self):
        figures, _ = self.show_case(1)
        self.assertGreaterEqual(figures["connections that the gateway ended for resets"], 1)

    def test_hostile_clients_harm_no_honest_one(self):
        figures, _ = self.show_case(2)
        self.assertEqual(figures["slowloris: honest requests that failed, on kept connections"], 0)
        self.assertGreater(figures["slowloris: connections made"], 0)

    def test_an_unknown_case_is_refused(self):
        done, _ = self.show("--only", "9")
        self.assertEqual(done.returncode, 2)
        done, _ = self.show("--seconds", "0")
        self.assertEqual(done.returncode, 1)
        self.assertIn("1 to 600", done.stderr)


class Assault(unittest.TestCase):
    def assault(self, *arguments):
        return subprocess.run([ASSAULT, *arguments], capture_output=True, text=True,
                              timeout=PATIENCE_S)

    def test_what_cannot_be_attacked_is_refused(self):
        for arguments in (("silent", "--target", "10.0.0.1:80"),
                          ("silent", "--target", "127.0.0.1"),
                          ("noise", "--target", "127.0.0.1:80"),
                          ("hello", "--target", "127.0.0.1:80"),
                          ("silent", "--target", "127.0.0.1:80", "--for", "2h"),
                          ("silent", "--target", "127.0.0.1:80", "--connections", "0"),
                          ("silent", "--target", "127.0.0.1:80", "--rate", "0")):
            done = self.assault(*arguments)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertIn("sluice-assault: ", done.stderr)

    def test_a_server_that_is_not_there_is_told(self):
        done = self.assault("silent", "--target", "127.0.0.1:1", "--connections", "5", "--rate",
                            "100", "--for", "200ms")
        figures = json.loads(done.stdout)
        self.assertEqual(figures["opened"], 0)
        self.assertGreater(figures["endings"]["connection refused"], 0)


if __name__ == "__main__":
    run()
