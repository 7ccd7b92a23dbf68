#!/usr/bin/env python3
"""sluice-load against a real sluice-sim: what is good is counted as good, what breaks is named."""

import json
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

LOAD, SIM = sys.argv[1:3]
PATIENCE_S = 60  # The bound of every wait; reached only when a test fails.


class LoadTest(unittest.TestCase):
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

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def run_load(self, mode, *arguments, target=None):
        figures = self.folder / "figures.json"
        figures.unlink(missing_ok=True)
        self.done = subprocess.run([LOAD, mode, "--target", target or self.url,
                                    *map(str, arguments), "--json", figures],
                                   capture_output=True, text=True, timeout=PATIENCE_S)
        self.assertTrue(figures.exists(), self.done.stderr)
        return self.done.returncode, json.loads(figures.read_text())

    def refused(self, *arguments):
        """What a call says that has nothing to measure."""
        done = subprocess.run([LOAD, *map(str, arguments)], capture_output=True, text=True,
                              timeout=PATIENCE_S)
        self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
        return done.stderr

    def file(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path

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
        self.assertEqual(figures["tokens"], 10)

    def test_another_body_is_seen(self):
        reference = self.file("reference", "data: [DONE]\n\n")
        status, figures = self.run_load("streams", "--streams-per-connection", "1", "--events",
                                        "3", "--interval", "1", "--reference", reference)
        self.assertEqual((status, figures["differing"]), (1, 1))

    def test_breaks_are_named(self):
        for fault, reason in (("cut-after:2", "closed within the body"),
                              ("error-event:2", "error event"),
                              ("status:503", "status 503"),
                              ("cut-before-head", "closed before the answer"),
                              ("reset-after:2", "connection reset"),
                              ("cut-mid-event:2", "closed within the body")):
            status, figures = self.run_load("streams", "--streams-per-connection", "2", "--events",
                                            "5", "--interval", "1", "--header",
                                            f"x-sim-fault: {fault}")
            self.assertEqual(status, 1, fault)
            self.assertEqual(figures["failures"], {reason: 2}, fault)
            self.assertIn(f"failed: 2 x {reason}", self.done.stdout)

    def test_a_stream_that_ends_without_done_is_counted(self):
        # Ended by the close, so that HTTP finds nothing wrong with the cut.
        status, figures = self.run_load("streams", "--streams-per-connection", "1", "--events", "5",
                                        "--interval", "1", "--header",
                                        "x-sim-fault: until-close,cut-after:2")
        self.assertEqual((status, figures["without_done"]), (1, 1))
        self.assertEqual(figures["failures"], {"ended without [DONE]": 1})

    def test_whole_answers_that_fail_are_named(self):
        status, figures = self.run_load("unary", "--requests", "4", "--header",
                                        "x-sim-fault: status:500")
        self.assertEqual((status, figures["failures"]), (1, {"status 500": 4}))

    def test_an_unreachable_target_is_a_failure(self):
        status, figures = self.run_load("streams", "--streams-per-connection", "1",
                                        target="http://127.0.0.1:1")
        self.assertEqual((status, figures["failures"]), (1, {"connection refused": 1}))
        status, figures = self.run_load("run", "--rate", "100", "--connections", "3",
                                        target="http://127.0.0.1:1")
        self.assertEqual((status, figures["failures"]), (1, {"connection refused": 3}))

    def test_leaving_is_noticed(self):
        for phase in ("connect", "body", "waiting", "streaming"):
            status, figures = self.run_load("abort", "--phase", phase, "--rounds", "3",
                                            "--events", "100000")
            self.assertEqual(status, 0, phase)
            self.assertEqual(figures["detection"]["count"], 3, phase)

    def test_leaving_at_an_event_is_timed_by_the_upstreams_clock(self):
        status, figures = self.run_load("run", "--stream", "--requests", "20", "--connections", "4",
                                        "--events", "100000", "--interval", "1",
                                        "--leave-at-event", "5")
        self.assertEqual(status, 0, self.done.stdout)
        self.assertEqual((figures["left"], figures["detection"]["count"]), (20, 20))

    def test_a_slow_reader_reads_slowly(self):
        status, figures = self.run_load("slow-reader", "--rate", "1KB/s", "--duration", "500ms",
                                        "--events", "100000", "--interval", "0")
        self.assertEqual(status, 0)
        self.assertLessEqual(figures["bytes"], 1000)

    def test_an_open_loop_sends_what_is_due(self):
        status, figures = self.run_load("run", "--rate", "500@200ms,0@100ms,1000@100ms", "--events",
                                        "1", "--interval", "0", "--connections", "8")
        self.assertEqual(status, 0, self.done.stdout)
        self.assertEqual((figures["loop"], figures["completed"]), ("open", 200))
        self.assertGreater(figures["send_lag"]["count"], 0)

    def test_a_trace_is_sent_again(self):
        trace = self.file("trace.jsonl", "".join(
            f'{{"timestamp": {i * 100}, "input_length": 600, "output_length": {i}, '
            '"hash_ids": [0, 1]}\n' for i in range(1, 6)))
        status, figures = self.run_load("trace", trace, "--speed", "10", "--stream", "--header",
                                        "x-sim-tps: 0")
        self.assertEqual(status, 0, self.done.stdout)
        self.assertEqual((figures["completed"], figures["tokens"]), (5, 15))

    def test_a_scenario_that_misses_its_range_says_so(self):
        scenario = self.file("s.yaml", "name: two models\ntarget: http://127.0.0.1:1\n"
                             "requests: 40\nmodels: {a: 1, b: 1}\nevents: 2\ninterval: 1\n"
                             "expect: {latency.p50: at most 1us, completed: 40}\n")
        page = self.folder / "page.html"
        status, figures = self.run_load("run", scenario, "--html", page)
        self.assertEqual(status, 1)
        met = {e["figure"]: e["met"] for e in figures["expectations"]}
        self.assertEqual((met["latency.p50"], met["completed"]), (False, True))
        self.assertIn("MISSED: latency.p50", self.done.stdout)
        self.assertEqual(sorted(part["name"] for part in figures["parts"]), ["a", "b"])
        self.assertIn("two models", page.read_text())
        # What is typed goes before what the file says.
        status, _ = self.run_load("run", scenario, "--expect", "completed=at least 1")
        self.assertEqual(status, 0, self.done.stdout)

    def test_reports_compare(self):
        reports = []
        for name, requests in (("a.json", "5"), ("b.json", "10")):
            _, figures = self.run_load("run", "--requests", requests, "--interval", "0",
                                       "--events", "1")
            reports.append(self.file(name, json.dumps(figures)))
        done = subprocess.run([LOAD, "compare", *reports], capture_output=True, text=True,
                              timeout=PATIENCE_S)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"completed +5 +10 +2\.000")
        self.assertIn("not a report", self.refused("compare", self.file("c", "{}"), reports[0]))

    def test_what_is_wrong_is_said_with_its_place(self):
        scenario = self.file("bad.yaml", "target: http://127.0.0.1:1\nspede: 4\n")
        self.assertIn("bad.yaml:2: unknown key `spede`", self.refused("run", scenario))
        scenario = self.file("late.yaml", "target: http://127.0.0.1:1\nrate: fast\n")
        self.assertIn("late.yaml:2: rate: fast", self.refused("run", scenario))
        trace = self.file("t.csv", "TIMESTAMP,ContextTokens,GeneratedTokens\nnever,1,2\n")
        self.assertIn("t.csv:2: not a record", self.refused("trace", trace, "--target", self.url))
        self.assertIn("cannot be read", self.refused("run", self.folder / "none.yaml"))
        self.assertIn("target: is missing", self.refused("run"))

    def test_ctrl_c_still_reports(self):
        figures = self.folder / "figures.json"
        process = subprocess.Popen([LOAD, "run", "--target", self.url, "--duration", "600s",
                                    "--events", "1", "--interval", "0", "--progress",
                                    "--json", figures], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        # The progress line of the first second: the run is under way.
        self.assertTrue(process.stderr.read(10))
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=PATIENCE_S)
        found = json.loads(figures.read_text())
        self.assertEqual(process.returncode, 0, out)
        self.assertTrue(found["stopped_early"])
        self.assertGreater(found["completed"], 0)
        self.assertIn("stopped early", out)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
