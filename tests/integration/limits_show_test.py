#!/usr/bin/env python3
"""bench/limits/show for a moment each: what it counts must hold on any machine.

    limits_show_test.py SHOW BUILD
"""

from show_support import ShowCase, run


class Limits(ShowCase):
    def test_four_gateways_keep_a_limit_in_every_window(self):
        figures, _ = self.show_case(2)
        self.assertGreater(figures["10/min: most in any minute, by clients"], 0)

    def test_a_limit_holds_whatever_becomes_of_redis(self):
        figures, _ = self.show_case(3)
        self.assertEqual(len([name for name in figures if name.endswith("windows")]), 4)

    def test_what_redis_does_is_independent_of_the_rate(self):
        self.show_case(5)

    def test_token_limits_on_streams(self):
        self.show_case(6)

    def test_the_journal_survives_kill_9(self):
        self.show_case(7)

    def test_an_unknown_case_is_refused(self):
        done, _ = self.show("--only", "4")
        self.assertEqual(done.returncode, 2)
        self.assertIn("there are 2, 3, 5, 6, 7", done.stderr)


if __name__ == "__main__":
    run()
