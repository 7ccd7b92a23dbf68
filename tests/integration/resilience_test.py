#!/usr/bin/env python3
"""bench/resilience/show with a few requests each: what it counts must hold on any machine, and what
it is to find out it must be able to find.

    resilience_test.py SHOW BUILD
"""

from pathlib import Path

from show_support import ShowCase, run


class Resilience(ShowCase):
    @staticmethod
    def results(folder):
        return "--json", Path(folder) / "figures.json"

    def test_every_strategy_hides_the_failures_of_one_server(self):
        figures, _ = self.show_case(1)
        self.assertEqual(len([name for name in figures if ":" not in name]), 10)
        # Exact by construction, however few the requests.
        self.assertGreater(figures["failover"]["share"]["fast"], 90)
        self.assertGreater(figures["lowest_cost"]["share"]["fast"], 80)

    def test_d033_only_probes_reach_a_server_whose_breaker_half_opens(self):
        self.show_case(3)

    def test_d024_d111_a_total_outage_is_refused_within_the_bound(self):
        self.show_case(4)

    def test_d115_nothing_is_held_after_aborts_cuts_and_stalls(self):
        figures, _ = self.show_case(5)
        self.assertGreater(figures["endings"]["200 whole"], 50)
        self.assertGreater(figures["endings"]["200 cut"], 10)

    def test_d038_a_full_server_is_shared_by_weight(self):
        self.show_case(7)

    def test_a_late_first_token_is_hedged(self):
        self.show_case(8)

    def test_d114_what_is_not_committed_survives_two_kills(self):
        self.show_case(9)

    def test_an_unknown_case_is_refused(self):
        done, _ = self.show("--only", "6")
        self.assertEqual(done.returncode, 2)
        self.assertIn("there are 1, 3, 4, 5, 7, 8, 9", done.stderr)


if __name__ == "__main__":
    run()
