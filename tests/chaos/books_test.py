"""The judge itself: each kind of trouble must be seen, and what is excused must not be."""

import collections
import os
import sys
import types
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../integration"))

import books  # noqa: E402
import wording  # noqa: E402
from callers import Events, Outcome, Wrong, check_error, check_unary  # noqa: E402
from faults import UPTIME_LEAST_S, Fault, boot_offsets_s  # noqa: E402


def outcome(token="1.0.1-u", kind="whole", status=200, began=100.0, ended=101.0, **more):
    return Outcome(token, more.pop("user", "app"), more.pop("gateway", "plain"), "http", began,
                   ended, kind, status, **more)


def row(token, status=200, source="reported", **more):
    prompt, answer = wording.use(token)
    cost = prompt * books.PRICE[0] + answer * books.PRICE[1]
    return (token, status, source, more.get("prompt", prompt), answer, cost, 0, "", "a")


def run_of(outcomes, rows=None, faults=(), arrivals=None):
    made = types.SimpleNamespace()
    made.outcomes = {each.token: each for each in outcomes}
    made.faults = list(faults)
    made.fleet = types.SimpleNamespace(gateways=[types.SimpleNamespace(name="plain")])
    made.arrivals = arrivals or {each.token: [each.began + 0.1] for each in outcomes}
    made.ends = {token: [(times[0] + 0.2, "whole")] for token, times in made.arrivals.items()}
    made.users = {each.token: each.user for each in outcomes}
    made.rows = {"plain": [row(each.token) for each in outcomes] if rows is None else rows}
    made.kills = lambda name: [(each.began, each.ended) for each in made.faults
                               if each.kind == "gateway_kill"]
    made.of_kind = lambda *kinds: [each for each in made.faults if each.kind in kinds]
    return made


def kill(began, ended, bound=1.0):
    return Fault("gateway_kill", "plain", began, ended, bound, frozenset(["gone"]), ("plain",))


class Answers(unittest.TestCase):
    def test_what_is_whole_needs_no_excuse(self):
        self.assertEqual(books.check_answers(run_of([outcome()])), [])

    def test_a_cut_connection_needs_a_fault_beside_it(self):
        gone = outcome(kind="gone", status=0, detail="within: EOFError")
        for faults, wrong in (([], 1), ([kill(100.5, 102)], 0), ([kill(90, 99.5)], 0),
                              ([kill(90, 98)], 1), ([kill(101.5, 103)], 1)):
            with self.subTest(faults=faults):
                self.assertEqual(len(books.check_answers(run_of([gone], faults=faults))), wrong)

    def test_a_fault_excuses_its_own_kind_and_its_own_gateway(self):
        refused = outcome(kind="refused", status=503, code="x")
        self.assertEqual(len(books.check_answers(run_of([refused], faults=[kill(100, 102)]))), 1)
        elsewhere = outcome(kind="gone", gateway="edge")
        self.assertEqual(len(books.check_answers(run_of([elsewhere], faults=[kill(100, 102)]))), 1)

    def test_what_is_never_right_is_never_excused(self):
        for each in (outcome(kind="wrong"), outcome(kind="refused", status=401),
                     outcome(kind="refused", status=429), outcome(kind="refused", status=500)):
            fault = kill(0, 1000)
            fault.excuses = frozenset(["gone", "upstream", "keys", "forgotten", "idle"])
            self.assertEqual(len(books.check_answers(run_of([each], faults=[fault]))), 1, each)

    def test_a_key_with_a_limit_may_be_refused(self):
        each = outcome(kind="refused", status=429, user="limited")
        self.assertEqual(books.check_answers(run_of([each])), [])

    def test_what_nobody_served_is_seen(self):
        run = run_of([outcome()])
        run.ends = {}
        self.assertEqual(len(books.check_served(run)), 1)
        run = run_of([outcome()])
        run.arrivals["2.0.0-u"] = [1.0]
        self.assertEqual(len(books.check_served(run)), 1)


class Usage(unittest.TestCase):
    def test_a_record_that_is_missing_double_foreign_or_wrong(self):
        each = outcome()
        for rows, wrong in (([row(each.token)], 0), ([], 1), ([row(each.token)] * 2, 1),
                            ([row(each.token), row("9.9.9-u")], 1),
                            ([row(each.token, prompt=1)], 1),
                            ([row(each.token, source="unknown")], 1)):
            with self.subTest(rows=rows):
                self.assertEqual(len(books.check_usage(run_of([each], rows))), wrong)

    def test_a_kill_takes_the_last_moment_and_no_more(self):
        for ended, wrong in ((101.9, 0), (100.5, 1)):
            run = run_of([outcome(ended=ended)], [], [kill(102, 103)])
            self.assertEqual(len(books.check_usage(run)), wrong)

    def test_spend_is_compared_with_the_log(self):
        run = run_of([outcome()])
        right = [{"requests": 1, "micro_dollars": run.rows["plain"][0][5]}]
        self.assertEqual(books.check_spend(run, {"plain": right}), [])
        self.assertEqual(len(books.check_spend(run, {"plain": right * 2})), 1)

    def test_the_database_is_told_of_each_once(self):
        run = run_of([outcome()])
        told = [("1.0.1-u", "200", "reported")]
        self.assertEqual(books.check_told(run, told), [])
        self.assertEqual(len(books.check_told(run, [])), 1)
        self.assertEqual(len(books.check_told(run, told * 2)), 1)


class Limits(unittest.TestCase):
    def run_with(self, count, faults=()):
        each = [outcome(f"1.0.{i}-u", began=100 + i * 0.1, ended=101 + i * 0.1, user="limited")
                for i in range(count)]
        return run_of(each, faults=faults)

    def test_one_too_many_in_a_minute(self):
        self.assertEqual(books.check_limit(self.run_with(books.LIMIT)), [])
        self.assertEqual(len(books.check_limit(self.run_with(books.LIMIT + 1))), 1)

    def test_what_forgets_twice_has_it_once_more(self):
        lost = Fault("redis_kill", "redis", 95, 96)
        faults = [kill(97, 98), lost]
        self.assertEqual(books.check_limit(self.run_with(books.LIMIT * 2, faults)), [])
        for fault in faults:  # One of them alone forgets nothing.
            self.assertEqual(len(books.check_limit(self.run_with(books.LIMIT + 1, [fault]))), 1)

    def narrow(self, count, faults=(), **more):
        return run_of([outcome(f"1.0.{i}-s", user="narrow", **more) for i in range(count)],
                      faults=faults)

    def test_one_too_many_at_a_time(self):
        for count, wrong in ((books.NARROW, 0), (books.NARROW + 1, 1)):
            self.assertEqual(len(books.check_narrow(self.narrow(count))), wrong)

    def test_each_that_lost_redis_has_its_share_at_a_time_while_it_lasts(self):
        share = books.NARROW // books.GATEWAYS_MOST
        self.assertGreater(share, 0)
        ended = 100 - books.LOSS_TAIL_S
        one = Fault("partition", "plain", 80, ended + 1, gateways=("plain",))
        both = Fault("redis_stop", "redis", 80, ended + 1)
        again = Fault("gateway_stop", "plain", 80, ended + 1, gateways=("plain",))
        for faults, more in (([one], share), ([both], 2 * share), ([one, again], share)):
            run = self.narrow(books.NARROW + more, faults)
            self.assertEqual(books.check_narrow(run), [])
            run = self.narrow(books.NARROW + more + 1, faults)
            self.assertEqual(len(books.check_narrow(run)), 1)

    def test_what_is_over_or_no_loss_excuses_nothing_at_a_time(self):
        over = Fault("redis_kill", "redis", 80, 99 - books.LOSS_TAIL_S)
        later = Fault("redis_kill", "redis", 102, 103)
        others = [Fault(kind, "plain", 99, 100)
                  for kind in ("upstream_kill", "upgrade", "gateway_restart")]
        for fault in (over, later, kill(99, 100), *others):
            run = self.narrow(books.NARROW + 1, [fault])
            self.assertEqual(len(books.check_narrow(run)), 1, fault.kind)

    def test_a_request_is_in_flight_over_all_its_attempts(self):
        run = self.narrow(books.NARROW + 1)
        first, *others = run.arrivals
        run.arrivals[first] = [90.0, 110.0]  # Of which the second one ended well.
        run.ends[first] = [(91.0, "cut"), (112.0, "whole")]
        run.outcomes[first].ended = 113.0
        self.assertEqual(len(books.check_narrow(run)), 1)
        # The first one, given up by then, went on at its provider.
        run.ends[first] = [(91.0, "whole"), (112.0, "whole")]
        self.assertEqual(books.check_narrow(run), [])
        self.assertEqual(books.narrow_most(run), len(others))

    def test_what_its_caller_did_not_get_whole_may_have_been_given_up(self):
        run = self.narrow(books.NARROW + 1)
        next(iter(run.outcomes.values())).kind = "gone"
        self.assertEqual(books.check_narrow(run), [])


class Bytes(unittest.TestCase):
    TOKEN = "1.0.1-s"

    def event(self, piece, token=TOKEN):
        return ('data: {"id": "%s", "choices": [{"delta": {"content": "%s"}}]}\n\n'
                % (token, piece)).encode()

    def whole(self):
        return b"".join(map(self.event, wording.pieces(self.TOKEN)))

    def test_a_whole_stream_by_single_bytes(self):
        events = Events(self.TOKEN)
        for byte in self.whole() + b"data: [DONE]\n\n":
            events.take(bytes([byte]))
        self.assertTrue(events.is_done)

    def test_streams_that_must_not_be(self):
        first, second = map(self.event, wording.pieces(self.TOKEN)[:2])
        for stream in (second + first, first + first, first + b"data: [DONE]\n\n",
                       self.event(wording.pieces("2.0.0-s")[0]), self.event("x", "2.0.0-s"),
                       self.whole() + b"data: [DONE]\n\n" + first, b"event: x\n\n"):
            with self.subTest(stream=stream), self.assertRaises(Wrong):
                Events(self.TOKEN).take(stream)

    def test_another_ones_answer(self):
        with self.assertRaises(Wrong):
            check_unary("1.0.1-u", '{"id": "1.0.1-u", "choices": [{"message": {"content": "?"}}]}')
        for body in (b"", b"{}", b'{"error": {"message": "m"}}',
                     b'{"error": {"message": "1.0.2-e", "code": "asked_for"}}'):
            with self.assertRaises(Wrong):
                check_error("1.0.1-e", 400, body)

    def test_no_two_tokens_share_a_piece(self):
        seen = collections.Counter(piece for i in range(200) for piece in wording.pieces(f"{i}-s"))
        self.assertEqual(max(seen.values()), 1)


class Boots(unittest.TestCase):
    def test_no_clock_of_another_boot_is_negative(self):
        for uptime_s in (5, UPTIME_LEAST_S, 1_000.7, 16_559.8, 40_000, 1e7):
            with self.subTest(uptime_s=uptime_s):
                earlier, later = boot_offsets_s(uptime_s)
                self.assertGreaterEqual(uptime_s + earlier, min(uptime_s, UPTIME_LEAST_S))
                self.assertLessEqual(earlier, 0)
                self.assertGreater(later, 0)


if __name__ == "__main__":
    unittest.main()
