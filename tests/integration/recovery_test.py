#!/usr/bin/env python3
"""A stream whose server breaks goes on with another attempt; the client sees one stream."""

import json
import unittest

from support import Gateway, Upstream, ask, config, delta, until

WORDS = ["one ", "two ", "three ", "four ", "five "]


def text_of(events):
    lines = [line for line in events.decode().splitlines() if line.startswith("data: {")]
    return "".join(json.loads(line[6:])["choices"][0]["delta"]["content"] for line in lines)


class Recovery(unittest.TestCase):
    def ask_of(self, script, mode, messages=({"role": "user", "content": "Count."},)):
        """The events, whether the stream was whole, and the metrics."""
        with Upstream(script) as upstream:
            settings = config(upstream, upstream_extra="    breaker: off\n").replace(
                "  - name: m\n", f"  - name: m\n    recovery: {mode}\n")
            with Gateway(settings) as gateway, gateway.connect() as client:
                client.post(ask(stream=True, messages=list(messages)))
                self.assertEqual(client.read_head()[0], 200)
                events = b""
                while chunk := client.read_chunk():
                    events += chunk

                def is_settled():
                    metrics = gateway.metrics()
                    return sum(value for name, value in metrics.items()
                               if name.startswith("sluice_usage_total{")) == 1
                until(is_settled, "the exchange is settled")
                return events, chunk == b"", gateway.metrics()

    def test_d023_a_broken_stream_goes_on_without_a_word_twice_or_missing(self):
        cuts = [2, 4, None]

        def script(connection):
            connection.read_request()
            cut = cuts.pop(0)
            connection.begin_stream()
            for word in WORDS[:cut]:
                connection.chunk(delta(word))
            if cut is None:
                connection.chunk("data: [DONE]\n\n")
                connection.end_stream()
        events, is_whole, metrics = self.ask_of(script, "retry")
        self.assertTrue(is_whole)
        self.assertEqual(text_of(events), "".join(WORDS))
        self.assertEqual(events.count(b"[DONE]"), 1)
        self.assertEqual(metrics['sluice_retries_total{model="m",kind="recovery"}'], 2)

    def test_usage_is_what_the_last_stream_says_wherever_the_one_before_broke(self):
        usage = ('data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":5,'
                 '"total_tokens":12}}\n\n')
        for cut in 0, 20, 40, len(usage) - 4:
            streams = [usage[:cut], usage + "data: [DONE]\n\n"]

            def script(connection, streams=streams):
                connection.read_request()
                connection.begin_stream()
                for word in WORDS:
                    connection.chunk(delta(word))
                end = streams.pop(0)
                if end:
                    connection.chunk(end)
                if not streams:
                    connection.end_stream()
            events, is_whole, metrics = self.ask_of(script, "retry")
            self.assertTrue(is_whole)
            self.assertEqual(text_of(events), "".join(WORDS))
            self.assertEqual(metrics['sluice_usage_total{source="reported"}'], 1, cut)
            self.assertEqual(metrics['sluice_tokens_total{model="m",type="output"}'], 5, cut)

    def test_d023_the_partial_answer_is_sent_along_to_be_continued(self):
        bodies = []

        def script(connection):
            _, body = connection.read_request()
            bodies.append(json.loads(body))
            connection.begin_stream()
            is_first = len(bodies) == 1
            for word in WORDS[:3] if is_first else WORDS[3:]:
                connection.chunk(delta(word))
            if not is_first:
                connection.chunk("data: [DONE]\n\n")
                connection.end_stream()
        events, is_whole, _ = self.ask_of(script, "append")
        self.assertTrue(is_whole)
        self.assertEqual(text_of(events), "".join(WORDS))
        self.assertEqual(bodies[1]["messages"][-1],
                         {"role": "assistant", "content": "".join(WORDS[:3])})

    def test_d023_what_cannot_be_continued_is_not_asked_for_again(self):
        def script(connection):
            connection.read_request()
            connection.begin_stream()
            for word in WORDS[:3]:
                connection.chunk(delta(word))
        events, is_whole, _ = self.ask_of(script, "append", messages=())
        self.assertFalse(is_whole)
        self.assertEqual(events.count(b"one "), 1)
        self.assertIn(b"upstream_lost", events)

    def test_d023_another_text_is_not_taken_for_the_rest(self):
        words = [WORDS[:2], ["uno ", "dos ", "tres "]]

        def script(connection):
            connection.read_request()
            connection.begin_stream()
            for word in words.pop(0):
                connection.chunk(delta(word))
            if not words:
                connection.end_stream()
        events, is_whole, _ = self.ask_of(script, "retry")
        self.assertFalse(is_whole)
        self.assertIn(b"upstream_lost", events)
        self.assertNotIn(b"uno", events)


if __name__ == "__main__":
    unittest.main()
