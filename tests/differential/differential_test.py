#!/usr/bin/env python3
"""The comparison itself: that it sees what differs, and that every class needs its reason."""

import json
import random
import unittest

import bodies
import chain_forms
import compare
import explanations
import page
import request_forms
from chains import is_evidence
from hostile import misrelayed
from loop_peers import read_answers, split_coded
from readers import misread_by_gateway

CLEAN = {"tail": "clean", "part": "head", "why": "", "status": 0}
REQUEST = b"GET / HTTP/1.1\r\nhost: h\r\n\r\n"


def message(**changes):
    return {"begin": 0, "end": len(REQUEST), "method": b"GET".hex(), "target": "2f", "path": "2f",
            "minor": 1,
            "keep": True, "fields": [[b"host".hex(), b"h".hex()]], "body": "", **changes}


def compared(ours, theirs, is_proxy=False):
    return compare.compare("request", "node", ours, theirs, REQUEST, is_proxy)


class Comparing(unittest.TestCase):
    def test_equal_readings_are_no_difference(self):
        self.assertIsNone(compared({**CLEAN, "messages": [message()]},
                                   {**CLEAN, "messages": [message()]}))

    def test_another_body_is_named_before_anything_else(self):
        found = compared({**CLEAN, "messages": [message()]},
                         {**CLEAN, "messages": [message(body="00", fields=[])]})
        self.assertEqual(found.ours, "differs in body")

    def test_one_more_request_is_a_difference(self):
        two = {**CLEAN, "messages": [message(), message()]}
        found = compared({"tail": "refused", "why": "x", "messages": [message()]}, two)
        self.assertEqual((found.ours, found.theirs), ("refuses: x", "accepts"))
        self.assertEqual(compared(two, {**CLEAN, "messages": [message()]}).theirs, "ends")

    def test_what_follows_our_close_is_not_compared(self):
        self.assertIsNone(compared({"tail": "closed", "messages": [message(keep=False)]},
                                   {**CLEAN, "messages": [message(keep=False), message()]}))

    def test_both_refusing_is_agreement(self):
        self.assertIsNone(compared({"tail": "refused", "why": "a", "messages": []},
                                   {"tail": "waits", "messages": []}))

    def test_a_proxy_may_add_fields_but_not_change_ours(self):
        mine = message(fields=[[b"x-a".hex(), "31"], [b"host".hex(), "68"]])
        theirs = {"method": b"GET".hex(), "target": "2f", "fields": [[b"X-A".hex(), "31"]],
                  "body": ""}
        self.assertIsNone(compared({**CLEAN, "messages": [mine]}, {**CLEAN, "messages": [theirs]},
                                   True))
        theirs["fields"] = [[b"X-A".hex(), "32"]]
        found = compared({**CLEAN, "messages": [mine]}, {**CLEAN, "messages": [theirs]}, True)
        self.assertEqual(found.ours, "differs in fields")


class Explaining(unittest.TestCase):
    def test_a_new_class_is_not_explained(self):
        known = explanations.load()
        new = compare.Difference("request", "node", "differs in body", "accepts")
        self.assertIsNone(explanations.explain(known, new))
        self.assertIsNone(explanations.explain(known, compare.Difference(
            "body", "node", "refuses: syntax error", "accepts")))

    def test_the_page_has_every_class_as_the_file_has_it(self):
        with open(page.PAGE, encoding="utf-8") as file:
            text = file.read()
        for each in explanations.load():
            self.assertIn(page.row_head(each), text, "tools/differential --write makes it anew")


class Reading(unittest.TestCase):
    def test_answers_are_split_by_their_framing(self):
        data = (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 100 Continue\r\n\r\n"
                b"HTTP/1.1 400 X\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
                b"1\r\nx\r\n0\r\n\r\n")
        self.assertEqual(read_answers(data), [(200, b"ok", False), (400, b"x", True)])
        self.assertEqual(read_answers(data[:39]), [])

    def test_a_chunked_body_is_whole_with_its_trailers_only(self):
        self.assertEqual(split_coded(b"2\r\nab\r\n0\r\nx: y\r\n\r\nrest"), (b"ab", 18))
        self.assertIsNone(split_coded(b"2\r\nab\r\n0\r\nx: y\r\n"))

    def test_the_gateway_must_answer_as_its_parser_reads(self):
        ours = {"tail": "refused", "part": "head", "status": 400, "messages": [message()]}
        good = [(404, b"", False), (400, b"", True)]
        self.assertIsNone(misread_by_gateway(ours, good))
        self.assertIsNotNone(misread_by_gateway(ours, good[:1]))
        self.assertIsNotNone(misread_by_gateway(ours, [(404, b"", False), (404, b"", True)]))
        self.assertIsNotNone(misread_by_gateway({**CLEAN, "messages": []}, good[:1]))
        echo = json.dumps({"echo": True, "body": "00"}).encode()
        self.assertIsNotNone(misread_by_gateway({**CLEAN, "messages": [message()]},
                                                [(200, echo, False)]))


class Relaying(unittest.TestCase):
    GOOD = {"tail": "closed", "messages": [{"code": 200, "body": b"x".hex()}]}
    BAD = {"tail": "refused", "messages": []}

    def test_a_good_answer_must_arrive_as_it_is(self):
        self.assertIsNone(misrelayed(self.GOOD, [(200, b"x", False)]))
        self.assertIsNotNone(misrelayed(self.GOOD, [(200, b"y", False)]))
        self.assertIsNotNone(misrelayed(self.GOOD, [(502, b'{"error"', False)]))
        self.assertIsNotNone(misrelayed(self.GOOD, []))
        self.assertIsNotNone(misrelayed(self.GOOD, [(200, b"x", False)] * 2))

    def test_a_refused_answer_must_not_arrive_whole(self):
        self.assertIsNone(misrelayed(self.BAD, [(502, b'{"error"', False)]))
        self.assertIsNone(misrelayed(self.BAD, []))
        self.assertIsNotNone(misrelayed(self.BAD, [(200, b"x", False)]))


class Bodies(unittest.TestCase):
    OURS = {"ok": True, "model": b"m".hex(), "stream": False, "usage": False, "max_tokens": 1,
            "max_completion_tokens": None, "max_output_tokens": None, "n": None, "user": "",
            "prompt_cache_key": ""}

    def differences(self, ours, data):
        node = {"ok": True, "isObject": True, "model": "m", "max_tokens": 1, "usage": False}
        return bodies.compare_bodies(ours, bodies.read_in_python(data), node)

    def test_equal_readings_are_no_difference(self):
        self.assertEqual(self.differences(self.OURS, b'{"model":"m","max_tokens":1}'), [])

    def test_a_field_that_differs_is_found(self):
        found = self.differences(self.OURS, b'{"model":"m","max_tokens":2}')
        self.assertEqual([each.ours for each in found], ["differs in max_tokens"])

    def test_what_the_contract_forbids_must_be_refused(self):
        found = self.differences(self.OURS, b'{"model":"x","model":"m","max_tokens":1}')
        self.assertIn("accepts against model: given twice", [each.ours for each in found])

    def test_a_refusal_without_a_reason_is_a_class_of_its_own(self):
        ours = {"ok": False, "why": "n: given twice"}
        found = self.differences(ours, b'{"model":"m","n":1}')
        self.assertIn("refuses: without a reason: n: given twice", [each.ours for each in found])


class Searching(unittest.TestCase):
    def test_ids_that_a_mutation_has_spoilt_are_no_evidence(self):
        plain = chain_forms.ask("T-0") + chain_forms.ask("M-0")
        self.assertTrue(is_evidence([plain, chain_forms.ask("M-01")], "M-0"))
        self.assertFalse(is_evidence([plain, chain_forms.ask("M-0")], "M-0"))
        self.assertFalse(is_evidence([plain.replace(b"host: h", b"x-request-id: M-1")], "M-0"))


class Generating(unittest.TestCase):
    def test_a_seed_makes_the_same_cases_again(self):
        first, second = random.Random(5), random.Random(5)
        for _ in range(50):
            self.assertEqual(request_forms.make_case(first), request_forms.make_case(second))
            self.assertEqual(chain_forms.make_trial(first, 1), chain_forms.make_trial(second, 1))

    def test_a_plain_request_is_framed_as_it_says(self):
        head, body = chain_forms.ask("C-1").split(b"\r\n\r\n")
        self.assertIn(b"content-length: %d" % len(body), head)


if __name__ == "__main__":
    unittest.main()
