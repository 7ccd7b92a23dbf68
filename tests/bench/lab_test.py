#!/usr/bin/env python3
"""The arithmetic and the reading of bench/lab, without a process."""

import json
import sys
import tempfile
import types
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))

from lab import added, callgrind, clients, comparison, costs, figures  # noqa: E402
from lab import generators, latency, latency_report, peers, readings, report, tls  # noqa: E402
from lab.figures import Row, Spread  # noqa: E402


def rows(*cpu_us, seconds=4.0, count=100_000, **more):
    """A row per round with so much CPU a unit, half of it in the kernel."""
    half = [each * count / 1e6 / 2 for each in cpu_us]
    return [Row(number, count, seconds, each, each, **more) for number, each in enumerate(half)]


class FiguresTests(unittest.TestCase):
    def test_a_row_gives_cpu_rate_and_core(self):
        row = rows(20.0)[0]
        self.assertAlmostEqual(row.cpu_us, 20)
        self.assertAlmostEqual(row.rate, 25_000)
        self.assertAlmostEqual(row.core_used, 50)

    def test_a_row_without_requests_is_no_zero(self):
        self.assertEqual(rows(20.0, count=0)[0].cpu_us, float("inf"))

    def test_ratios_are_by_round(self):
        self.assertEqual([round(each, 3) for each in figures.ratios(rows(10, 30), rows(5, 10))],
                         [2, 3])

    def test_a_round_that_one_lacks_gives_no_ratio(self):
        below = rows(5, 10)[1:]
        self.assertEqual([round(each, 3) for each in figures.ratios(rows(10, 30), below)], [3])
        self.assertEqual(figures.ratios(rows(10), rows(0)), [])

    def test_the_median_of_ratios_is_not_the_ratio_of_medians(self):
        ratios = figures.ratios(rows(10, 20, 60), rows(10, 40, 20))
        self.assertAlmostEqual(Spread.of(ratios).median, 1.0)

    def test_nothing_has_no_spread(self):
        self.assertIsNone(Spread.of([]))

    def test_void_rows_name_their_reason(self):
        self.assertEqual(figures.why_void(rows(10)), "")
        self.assertEqual(figures.why_void(rows(10), added_ms=0.9), "")
        self.assertIn("100.0 ms", figures.why_void(rows(10), added_ms=100.0))
        self.assertIn("errors", figures.why_void(rows(10, errors=5000)))
        self.assertIn("nothing", figures.why_void(rows(10, count=0)))

    def test_cautions(self):
        idle = rows(10)  # A quarter of the core.
        self.assertEqual(list(figures.cautions(idle, "unary")), ["core used under 80 %"])
        self.assertEqual(list(figures.cautions(idle, "paced")), [])
        self.assertEqual(list(figures.cautions(rows(36, others_s=0.4), "unary")),
                         ["disturbed by others"])


class VerdictTests(unittest.TestCase):
    def judge(self, kind="unary", voids=None, **cpu):
        rows_of = {name.replace("_", "-"): rows(*each) for name, each in cpu.items()}
        return {each.name: each for each in figures.judge("w", kind, rows_of, voids or {})}

    def test_goal_pass_and_missed(self):
        for sluice, word in ((11, "goal"), (12.4, "pass"), (12.6, "missed")):
            verdict = self.judge(sluice=[sluice] * 3, floor=[10] * 3)["P1"]
            self.assertEqual(verdict.word, word)
            self.assertEqual(verdict.is_missed, word == "missed")

    def test_each_kind_has_its_budgets(self):
        everyone = {"sluice": [10], "sluice_off": [10], "floor": [10], "nginx": [10],
                    "haproxy": [10]}
        self.assertEqual(set(self.judge("unary", **everyone)), {"P1", "P2", "P6"})
        self.assertEqual(set(self.judge("burst", **everyone)), {"P3", "P4", "P6"})
        self.assertEqual(set(self.judge("paced", **everyone)), {"P5", "P6"})
        self.assertEqual(set(self.judge("large", **everyone)), {"P11"})

    def test_a_peer_that_did_not_run_gives_no_verdict(self):
        self.assertEqual(set(self.judge(sluice=[10], floor=[10])), {"P1"})

    def test_a_void_peer_voids_the_verdict_and_counts_as_missed(self):
        verdict = self.judge(voids={"floor": "5 errors"}, sluice=[10], floor=[10])["P1"]
        self.assertEqual((verdict.word, verdict.is_missed), ("void", True))
        self.assertIn("floor: 5 errors", verdict.note)

    def test_memory_is_judged_by_its_most(self):
        samples = {"start": [5.0], "load": [8.0, 21.0, 9.0]}
        start, load = figures.judge_memory("w", "unary", samples)
        self.assertEqual((start.word, load.word), ("goal", "missed"))
        self.assertEqual(list(figures.judge_memory("w", "burst", samples)), [])

    def test_shards_are_a_ratio_of_ratios(self):
        rows_of = {"sluice": rows(10, 10), "sluice-2": rows(12, 12), "floor": rows(8, 8),
                   "floor-2": rows(9.6, 8)}
        verdict, = figures.judge_shards("shards", rows_of, {})
        self.assertEqual([round(verdict.value.least, 2), round(verdict.value.most, 2)], [1, 1.2])


def runs(*p50_us, **more):
    """A run per round with such a median, and twice that as p99."""
    return [added.Run(number, {"latency": {"mean": us, "p50": us, "p99": 2 * us}},
                      **{"completed": 1000, "rate": 500, **more})
            for number, us in enumerate(p50_us)]


class AddedTests(unittest.TestCase):
    DIRECT = runs(50, 60, 50)
    TIMINGS = {"latency": "answer"}

    def judge(self, sluice, floor, voids=None):
        runs_of = {"direct": self.DIRECT, "floor": floor, "sluice": sluice}
        return list(added.judge("P7", "open", self.TIMINGS, runs_of, voids or {}))

    def test_ratios_are_of_what_is_added_in_the_same_round(self):
        ratios = added.ratios(runs(70, 90, 80), runs(60, 80, 70), self.DIRECT, "latency", "p50")
        self.assertEqual(ratios, [2, 1.5, 1.5])

    def test_a_round_in_which_the_floor_adds_nothing_gives_no_ratio_and_is_told(self):
        floor = runs(50, 80, 70)
        self.assertEqual(added.ratios(runs(70, 90, 80), floor, self.DIRECT, "latency", "p50"),
                         [1.5, 1.5])
        self.assertIn("nothing in 1 rounds", self.judge(runs(70, 90, 80), floor)[0].note)

    def test_a_round_that_one_lacks_gives_no_ratio(self):
        self.assertEqual(added.ratios(runs(70, 90), runs(60, 80, 70)[1:], self.DIRECT, "latency",
                                      "p50"), [1.5])
        self.assertEqual(added.ratios(runs(70), runs(60), self.DIRECT, "gap", "p50"), [])

    def test_medians_and_p99_have_budgets_of_their_own(self):
        p50, p99 = self.judge(runs(63, 73, 63), runs(60, 70, 60))  # A ratio of 1.3 in both.
        self.assertEqual((p50.word, p99.word), ("missed", "pass"))
        self.assertAlmostEqual(p50.value.median, 1.3)
        self.assertIn("of the medians 1.30", p50.note)

    def test_what_cannot_be_had_counts_as_missed(self):
        for each in (self.judge(runs(60), runs(60), {"floor": "9 failed"}),
                     self.judge(runs(60), runs(40))):
            self.assertEqual([(verdict.word, verdict.is_missed) for verdict in each],
                             [("void", True)] * 2)

    def test_why_runs_say_nothing(self):
        def why(some, rate=0):
            return added.why_void(some, self.DIRECT, ["latency"], rate)
        self.assertEqual(why(runs(70, 80), 500), "")
        self.assertIn("nothing", why(runs(70, completed=0)))
        self.assertIn("nothing", why([]))
        self.assertIn("9 failed", why(runs(70, failed=9)))
        self.assertIn("only 500 of 600", why(runs(70), 600))
        self.assertIn("40 ms", why(runs(70, forty_ms_steps=1)))
        self.assertIn("adds 2.0 ms", why(runs(2050)))

    def test_leaving_is_judged_by_its_p99_and_void_when_one_is_not_noticed(self):
        def leaving(us, failed=0):
            some = [added.Run(0, {"detection": {"p99": us}}, completed=9, failed=failed)]
            verdict, = added.judge_leaving("leave", "waiting", "told", some)
            return verdict.word
        self.assertEqual([leaving(900), leaving(4000), leaving(6000), leaving(900, 1)],
                         ["goal", "pass", "missed", "void"])

    def test_what_sluice_load_says(self):
        figures = {"latency": {"mean_us": 1, "p50_us": 2, "p99_us": 3, "max_us": 4},
                   "completed": 5, "failed": 1, "not_sent": 2, "rate": 7, "forty_ms_steps": 0,
                   "failures": {"status 503": 1}}
        run = added.Run.of(4, figures, ["latency", "gap"])
        self.assertEqual(run.times_us, {"latency": {"mean": 1, "p50": 2, "p99": 3}})
        self.assertEqual((run.round, run.failed), (4, 3))

    def test_works_by_name(self):
        def names(wanted, has_trace=False):
            return [work.name for work in latency.select_works(wanted, has_trace)]
        self.assertEqual(names([]), ["open", "events", "leave", "llmux"])
        self.assertEqual(names([], True)[-1], "trace")
        self.assertEqual(names(["leave", "open"]), ["open", "leave"])
        for wanted in (["opne"], ["trace"]):
            with self.assertRaises(ValueError):
                names(wanted)

    def test_the_table_has_what_is_added_ratios_and_voids(self):
        work, = latency.select_works(["open"], False)
        result = latency.Result(
            work, "open loop", "sluice", ["sluice"],
            {"direct": self.DIRECT, "floor": runs(60, 70, 60), "sluice": runs(63, 73, 63),
             "sluice again": runs(63, 73, 63)}, {"floor": "9 failed"},
            {"nginx": "is not installed"}, self.judge(runs(63, 73, 63), runs(60, 70, 60)))
        text = latency_report.work_table(result)
        self.assertRegex(text, r"sluice +63 .* 13 \(13 - 13\) .* 1\.30 \(1\.30 - 1\.30\)")
        self.assertRegex(text, r"floor .* void: 9 failed")
        self.assertRegex(text, r"P7 +1\.30 .* missed")
        self.assertIn("nginx: skipped, is not installed", text)
        self.assertIn("added: p50 1.000", text)
        self.assertIn("completed: direct 3000, floor 3000, ", text)


class ReadingsTests(unittest.TestCase):
    def test_a_program_may_be_called_anything(self):
        text = "7 (a) b (c)) S 1 7 7 0 -1 4 9 0 0 0 250 50 0 0 20 0 1 0 5 1 1"
        user, kernel = readings.parse_stat(text)
        self.assertEqual((user * readings.TICKS, kernel * readings.TICKS), (250, 50))

    def test_memory_by_field(self):
        text = "Name:\tx\nVmRSS:\t    2048 kB\nRssAnon:\t    1024 kB\nThreads:\t2\n"
        self.assertEqual(readings.parse_memory(text), {"VmRSS": 2048, "RssAnon": 1024})

    def test_a_busy_core_counts_stolen_time_and_no_interrupts(self):
        text = "cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 1 2 3 100 5 6 7 8 0 0\ncpu1 9 9 9 9 9 9 9 9 0 0\n"
        self.assertAlmostEqual(readings.parse_core(text, 0) * readings.TICKS, 14)

    def test_processors_become_words_of_a_file_name(self):
        self.assertEqual(readings.cpu_words("Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz"),
                         "intel-xeon-e5-2680-v4")
        self.assertEqual(readings.cpu_words("AMD EPYC"), "amd-epyc")


class GeneratorsTests(unittest.TestCase):
    def test_bodies_have_their_length(self):
        for length, streams in ((700, False), (700, True), (300_000, False)):
            body = generators.make_body("m", length, streams)
            self.assertEqual(len(body), length)
            self.assertEqual(json.loads(body).get("stream", False), streams)
            self.assertNotIn("]]", body)  # It stands in a Lua bracket.

    def test_what_wrk_says(self):
        self.assertEqual(generators.parse_wrk("Running\nRESULT 1200 2000000 3 450\n"),
                         (1200, 2.0, 3, 450))
        with self.assertRaises(SystemExit):
            generators.parse_wrk("unable to connect")


class ComparisonTests(unittest.TestCase):
    def test_works_by_name_and_kind(self):
        def names(*wanted):
            return [work.name for work in comparison.select_works(wanted)]
        self.assertEqual(names("unary", "burst_32"), ["unary_32", "unary_256", "burst_32"])
        self.assertEqual(len(names()), len(comparison.WORKS))
        with self.assertRaises(ValueError):
            names("unary_33")

    def test_over_tls_there_are_fewer_works(self):
        names = [work.name for work in comparison.select_works([], True)]
        self.assertEqual(names, ["unary_32", "unary_256", "burst_32", "burst_256"])
        with self.assertRaises(ValueError):
            comparison.select_works(["paced"], True)

    def test_configurations_turn_into_tls_on_the_sides_asked_for(self):
        identity = types.SimpleNamespace(chain="chain.pem", key="key.pem", both="both.pem")
        fields = {"port": 1, "upstream": 2, "folder": "f", "key": "k", "model": "m", "shards": 1}
        for is_out in (False, True):
            turned = tls.Tls(identity, is_out)
            sluice = turned.sluice(peers.SLUICE_ALL_ON).format(**fields)
            nginx = turned.nginx(peers.NGINX).format(**fields)
            haproxy = turned.haproxy(peers.HAPROXY).format(**fields)
            self.assertIn("certificate: \"chain.pem\", key: \"key.pem\"", sluice)
            self.assertIn("listen 127.0.0.1:1 ssl;", nginx)
            self.assertIn("bind 127.0.0.1:1 ssl crt both.pem", haproxy)
            self.assertEqual("https://127.0.0.1:2\", tls: {ca: \"chain.pem\"}" in sluice, is_out)
            self.assertEqual("proxy_pass https://canned;" in nginx, is_out)
            self.assertEqual("server canned 127.0.0.1:2 ssl verify required" in haproxy, is_out)

    def test_over_tls_the_table_has_ratios_to_peers_and_no_verdicts(self):
        work, = comparison.select_works(["unary_32"], True)
        result = comparison.Result(work, 2, 4, "sluice", ["sluice"], {
            "sluice": rows(12, 12), "nginx": rows(16, 16)}, {}, {}, [], {}, {}, "both")
        text = report.work_table(result)
        self.assertIn("https both ways", text)
        self.assertIn("sluice / nginx: 0.75 (0.75 - 0.75)", text)

    def test_variants(self):
        self.assertEqual(comparison.read_variants(["a/b=x", "c=y"]), {"x": "a/b", "y": "c"})
        self.assertEqual(comparison.read_variants([]), {"sluice": None})
        for texts in (["a"], ["=x"], ["a="], ["a=floor"], ["a=x/y"], ["a=x", "b=x"]):
            with self.assertRaises(ValueError):
                comparison.read_variants(texts)

    def test_configurations_leave_nothing_unfilled(self):
        for text in (peers.SLUICE_ALL_ON, peers.SLUICE_OFF, peers.NGINX, peers.HAPROXY):
            filled = text.format(port=1, upstream=2, folder="f", key="k", model="m", shards=1)
            self.assertNotIn("{{", filled)


class CostTests(unittest.TestCase):
    def cost(self, values, unit="KiB", at_most=12, goal=6):
        return costs.Cost("P9", "memory", unit, values, at_most, goal)

    def test_times_are_judged_by_their_median_and_all_else_by_its_most(self):
        self.assertEqual(self.cost([5, 5, 13]).word, "missed")
        self.assertEqual(self.cost([5, 5, 13], "ms").word, "goal")
        self.assertEqual(self.cost([7]).word, "pass")

    def test_what_was_not_measured_counts_as_missed(self):
        cost = self.cost([])
        self.assertEqual((cost.word, cost.is_missed), ("not measured", True))
        self.assertIn("memory", report.columns(costs.rows_of([cost])))

    def test_a_figure_without_a_budget_is_only_told(self):
        cost = self.cost([5], at_most=None, goal=None)
        self.assertEqual((cost.word, cost.is_missed), ("", False))

    def test_profiles_and_what_a_unit_costs(self):
        self.assertEqual(callgrind.parse_profile("events: Ir\nsummary: 4166\n\ntotals: 4166\n"),
                         4166)
        self.assertEqual(callgrind.per_unit([1000, 1900], [10, 20]), [100, 90])

    def test_a_large_configuration_holds_what_it_says(self):
        text = costs.large_config("a", keys=3, deployments=4, routes=2).format(
            port=0, upstream=1, folder="f", key="k", model="m", shards=1)
        self.assertEqual(text.count("- {name: key-a-"), 3)
        self.assertEqual(text.count("- {name: up-"), 4)
        self.assertEqual(text.count("{upstream: up-"), 4)
        self.assertIn("  - name: bench\n    secret: k\n", text)
        self.assertNotIn("{{", text)

    def test_recorded_requests_are_whole(self):
        request = clients.request_bytes("{}", {"a": "b"})
        self.assertTrue(request.endswith(b"a: b\r\ncontent-length: 2\r\n\r\n{}"))


class ReportTests(unittest.TestCase):
    MACHINE = {"date": "2026-01-02", "cpu": "AMD EPYC", "cores": 2, "kernel": "6", "commit": "abc"}

    def result(self, name="unary_32", **more):
        work, = comparison.select_works([name])
        fields = {"variants": ["sluice"], "voids": {}, "skipped": {"nginx": "is not installed"},
                  "rows": {"sluice": rows(12, 12), "floor": rows(10, 10)}, "added_ms": {},
                  "memory_mib": {}}
        result = comparison.Result(work=work, rounds=2, seconds=4, first="sluice", verdicts=[],
                                   **{**fields, **more})
        result.verdicts = list(figures.judge(work.name, work.kind, result.rows, result.voids))
        return result

    def test_the_table_has_ratio_verdict_and_what_was_skipped(self):
        text = report.work_table(self.result())
        self.assertRegex(text, r"sluice +12\.0 \(12\.0 - 12\.0\) .* 1\.20 \(1\.20 - 1\.20\)")
        self.assertRegex(text, r"P1 +1\.20 .* pass")
        self.assertIn("nginx: skipped, is not installed", text)

    def test_variants_are_compared_with_the_first(self):
        text = report.work_table(self.result(
            variants=["sluice", "new"], rows={"sluice": rows(10, 10), "new": rows(9, 8),
                                              "sluice again": rows(10, 11)}))
        self.assertIn("new / sluice: 0.850 (0.800 - 0.900) (A/B)", text)
        self.assertIn("sluice again / sluice: 1.050 (1.000 - 1.100) (A/A, noise)", text)

    def test_void_rows_are_shown_with_their_reason(self):
        empty = self.result(rows={"sluice": rows(12, count=0), "floor": rows(10)},
                            voids={"sluice": "nothing completed"})
        self.assertIn("void: nothing completed", report.work_table(empty))

    def test_works_of_one_commit_share_a_file(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in ("unary_32", "unary_256", "unary_32"):
                report.save(Path(folder), self.MACHINE, "works", name,
                            report.as_dict(self.result(name)))
            path, = Path(folder).iterdir()
            self.assertEqual(path.name, "2026-01-02-amd-epyc-abc.json")
            whole = json.loads(path.read_text())
        self.assertEqual(set(whole["works"]), {"unary_32", "unary_256"})
        self.assertEqual(whole["works"]["unary_32"]["budgets"][0]["verdict"], "pass")


if __name__ == "__main__":
    unittest.main()
