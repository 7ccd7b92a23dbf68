"""Keys, failing upstreams and the accounting of it all, over real sockets."""

import json
import threading
import unittest

from support import USAGE, Gateway, Upstream, ask, config, delta, echo, streams


class Keys(unittest.TestCase):
    EXTRA = """
keys:
  - {name: alice, secret: sk-alice, models: [m]}
  - {name: bob, secret: sk-bob, models: [other]}
  - {name: old, secret: sk-old, expires: 2020-01-01T00:00:00Z}
"""

    def config(self, upstream):
        return config(upstream, "  - name: other\n    routes: [{upstream: up}]\n" + self.EXTRA)

    def test_keys_in_three_headers_and_their_refusals(self):
        with Upstream(echo) as upstream, Gateway(self.config(upstream)) as gateway:
            with gateway.connect() as client:
                for header in ("authorization: Bearer sk-alice", "x-api-key: sk-alice",
                               "api-key: sk-alice", "authorization: bearer sk-alice"):
                    client.post(ask(), headers=header + "\r\n")
                    self.assertEqual(client.read_answer().status, 200, header)
            for header in ("x-none: 1", "authorization: Bearer sk-wrong", "authorization: Basic x",
                           "api-key: sk-old", "authorization: Bearer sk-alice x"):
                with gateway.connect() as client:
                    client.post(ask(), headers=header + "\r\n")
                    answer = client.read_answer()
                    self.assertEqual(answer.status, 401, header)
                    self.assertEqual(json.loads(answer.body)["error"]["code"], "invalid_api_key")

    def test_d012_d145_models_are_filtered_by_key(self):
        with Upstream(echo) as upstream, Gateway(self.config(upstream)) as gateway:
            for path in ("/v1/models", "/v1/models/m"):
                with gateway.connect() as client:
                    client.send(f"GET {path} HTTP/1.1\r\nhost: t\r\n\r\n")
                    self.assertEqual(client.read_answer().status, 401, path)
            with gateway.connect() as client:
                for secret, models in (("sk-alice", ["m"]), ("sk-bob", ["other"])):
                    client.send(f"GET /v1/models HTTP/1.1\r\nhost: t\r\napi-key: {secret}\r\n\r\n")
                    listed = json.loads(client.read_answer().body)["data"]
                    self.assertEqual([model["id"] for model in listed], models)
                client.send("GET /v1/models/m HTTP/1.1\r\nhost: t\r\napi-key: sk-bob\r\n\r\n")
                self.assertEqual(client.read_answer().status, 404)
                for path in ("/v1/chat/completions", "/v1/completions", "/v1/embeddings",
                             "/v1/responses"):
                    for stream in (False, True):
                        client.post(ask(stream=stream), path, "api-key: sk-bob\r\n")
                        answer = client.read_answer()
                        self.assertEqual(answer.status, 403)
                        self.assertEqual(json.loads(answer.body)["error"]["code"],
                                         "model_not_allowed")
            self.assertEqual(upstream.connections, 0)


class Failures(unittest.TestCase):
    def two(self, first, second, extra=""):
        return f"""
development: true
upstreams:
  - {{name: a, url: {first}, private_addresses: true}}
  - {{name: b, url: {second}, private_addresses: true}}
models:
  - name: m
    routes: [{{upstream: a, priority: 0}}, {{upstream: b, priority: 1}}]
{extra}
"""

    @staticmethod
    def dead_url():
        with Upstream(echo) as closed:
            return closed.url

    def test_the_next_candidate_serves_after_a_refused_connection_or_a_5xx(self):
        def failing(connection):
            while True:
                connection.read_request()
                connection.answer('{"error":{"message":"internal secret"}}', status=500)
        with Upstream(echo) as good, Upstream(failing) as bad:
            for first in (self.dead_url(), bad.url):
                with Gateway(self.two(first, good.url)) as gateway, gateway.connect() as client:
                    for _ in range(5):
                        client.post(ask())
                        self.assertEqual(client.read_answer().status, 200)

    def test_d112_the_upstreams_own_answer_wins_over_ours(self):
        def failing(connection):
            connection.read_request()
            connection.answer('{"error":{"message":"mine"}}', status=503)
        with Upstream(failing) as bad, Gateway(self.two(bad.url, self.dead_url())) as gateway:
            with gateway.connect() as client:
                client.post(ask())
                answer = client.read_answer()
                self.assertEqual((answer.status, answer.body),
                                 (503, b'{"error":{"message":"mine"}}'))
                client.send("GET /livez HTTP/1.1\r\nhost: t\r\n\r\n")
                self.assertEqual(client.read_answer().body, b'{"status":"live"}')

    def test_d074_internals_stay_inside(self):
        dead = self.dead_url()
        with Gateway(self.two(dead, dead)) as gateway, gateway.connect() as client:
            client.post(ask())
            answer = client.read_answer()
            self.assertEqual(answer.status, 502)
            self.assertIn("x-request-id", answer.headers)
            self.assertNotIn(b"127.0.0.1", answer.body)
            self.assertNotIn(b"refused", answer.body)

    def test_garbage_from_upstream_is_502_and_its_connection_is_not_used_again(self):
        garbage = ["SSH-2.0-x\r\n\r\n", "HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
                   "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
                   "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n"]
        for text in garbage:
            def script(connection, text=text):
                connection.read_request()
                connection.send(text)
                connection.is_closed()
            with Upstream(script) as upstream, Gateway(config(upstream)) as gateway:
                with gateway.connect() as client:
                    for _ in range(2):
                        client.post(ask())
                        answer = client.read_answer()
                        self.assertEqual(answer.status, 502, text)
                        self.assertEqual(json.loads(answer.body)["error"]["code"],
                                         "upstream_protocol_error")
                self.assertEqual(upstream.connections, 2)

    def test_a_kept_connection_that_dies_is_replaced_once_unseen(self):
        """The upstream closes each connection after one answer, without saying so."""
        def script(connection):
            connection.read_request()
            connection.answer("{}")
            connection.read_request()
        with Upstream(script) as upstream, Gateway(config(upstream)) as gateway:
            with gateway.connect() as client:
                for _ in range(10):
                    client.post(ask())
                    self.assertEqual(client.read_answer().status, 200)

    def test_stray_bytes_behind_an_answer_never_reach_a_client(self):
        closed = threading.Semaphore(0)

        def script(connection):
            connection.read_request()
            connection.answer("{}")
            connection.send("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged")
            if connection.is_closed():
                closed.release()
        with Upstream(script) as upstream, Gateway(config(upstream)) as gateway:
            with gateway.connect() as client:
                for _ in range(5):
                    client.post(ask())
                    self.assertEqual(client.read_answer().body, b"{}")
                    self.assertTrue(closed.acquire(timeout=20), "the connection stayed in the pool")


class Accounting(unittest.TestCase):
    def records(self, gateway, count):
        """Ends the gateway, which flushes the log, and reads its records."""
        gateway.signal()
        self.assertEqual(gateway.wait(), 0)
        with open(gateway.access_log, encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
        self.assertEqual(len(lines), count, lines)
        return lines

    def test_d135_usage_counts_wherever_it_stands(self):
        early = streams(USAGE, delta("a"), usage_when_asked=False)
        with Upstream(early) as upstream, Gateway(config(upstream)) as gateway:
            with gateway.connect() as client:
                client.post(ask(stream=True))
                self.assertNotIn(b"usage", client.read_answer().body)
            record, = self.records(gateway, 1)
        self.assertEqual((record["usage_source"], record["input_tokens"], record["output_tokens"]),
                         ("reported", 7, 5))

    def test_d103_a_cut_stream_is_counted_and_partial(self):
        def script(connection):
            connection.read_request()
            connection.begin_stream()
            for _ in range(3):
                connection.chunk(delta("a"))
        with Upstream(script) as upstream, Gateway(config(upstream)) as gateway:
            with gateway.connect() as client:
                client.post(ask(stream=True))
                client.read_to_end()
            record, = self.records(gateway, 1)
        self.assertEqual((record["usage_source"], record["output_tokens"]), ("counted", 3))
        self.assertTrue(record["usage_partial"])
        self.assertEqual(record["error"], "upstream_lost")
        self.assertNotIn("input_tokens", record)

    def test_d097_one_request_id_for_many_requests_bills_each(self):
        with Upstream(streams(delta("a"))) as upstream, Gateway(config(upstream)) as gateway:
            with gateway.connect() as client:
                for _ in range(3):
                    client.post(ask(stream=True), headers="x-request-id: same\r\n")
                    client.read_answer()
            records = self.records(gateway, 3)
        self.assertEqual([record["output_tokens"] for record in records], [5, 5, 5])
        self.assertEqual({record["request_id"] for record in records}, {"same"})

    def test_d066_no_prompt_answer_or_secret_in_the_log(self):
        extra = "keys: [{name: k, secret: sk-canary-key}]\n"
        with Upstream(streams(delta("canary-answer"))) as upstream, Gateway(
                config(upstream, extra,
                       upstream_extra="    credential: canary-credential")) as gateway:
            with gateway.connect() as client:
                client.post(ask(stream=True, user="canary-user", prompt="canary-prompt"),
                            headers="authorization: Bearer sk-canary-key\r\n")
                client.read_answer()
            self.records(gateway, 1)
            with open(gateway.access_log, encoding="utf-8") as file:
                self.assertNotIn("canary", file.read())
            self.assertNotIn(b"canary", gateway.output)


if __name__ == "__main__":
    unittest.main(verbosity=1)
