#!/usr/bin/env python3
"""bench/keys/show for a moment each: what it counts must hold on any machine.

    keys_show_test.py SHOW BUILD
"""

from show_support import ShowCase, run


class Keys(ShowCase):
    def test_keys_of_a_large_store_are_found(self):
        self.show_case(1)

    def test_d005_a_block_holds_from_its_answer_on(self):
        figures, _ = self.show_case(2)
        self.assertGreater(figures["refused requests"], 0)

    def test_d009_d083_rotations_and_kills(self):
        figures, _ = self.show_case(4)
        self.assertGreater(figures["rotations under load"], 3)

    def test_reloads_lose_nothing(self):
        figures, _ = self.show_case(5)
        self.assertGreater(figures["streams that came to their end"], 0)

    def test_d094_d130_scripts_that_attack_are_stopped(self):
        self.show_case(6)

    def test_the_session_of_an_operator(self):
        _, printed = self.show_case(7)
        self.assertIn("$ sluicectl top --once", printed)

    def test_an_unknown_case_is_refused(self):
        done, _ = self.show("--only", "9")
        self.assertEqual(done.returncode, 2)
        self.assertIn("there are 1, 2, 3, 4, 5, 6, 7", done.stderr)


if __name__ == "__main__":
    run()
