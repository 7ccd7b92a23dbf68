"""The gateway as its clients and upstreams see it, byte by byte, over real sockets."""

import json
import threading
import unittest

from support import DONE, USAGE, Gateway, Upstream, ask, config, delta, echo, streams


class Forwarding(unittest.TestCase):
    def test_d108_every_valid_body_goes_on_byte_for_byte(self):
        bodies = [
            '{"model":"m","stop":"x","messages":[{"role":"user","content":null}]}',
            '{ "messages" : [ {"content":[{"type":"text","text":"h\\u00e9"}]} ] , "model" : "m" }',
            '{"seed":12345678901234567890123,"t":1e-7,"model":"m","z":{"model":"inner"}}',
            '{"user":"\u00fc\U0001f600","model":"m","unknown":[[],{},1.0,true]}',
            '{"\\u006dodel":"m","messages":[]}',
        ]
        with Upstream(echo) as upstream, Gateway(config(upstream)) as gateway:
            with gateway.connect() as client:
                for body in bodies:
                    client.post(body)
                    answer = client.read_answer()
                    self.assertEqual(answer.status, 200)
                    self.assertEqual(json.loads(answer.body)["body"], body)

    def test_the_model_name_alone_is_replaced(self):
        with Upstream(echo) as upstream, Gateway(
                config(upstream, model_extra=', model: "org/big-\\"1\\""')) as gateway:
            with gateway.connect() as client:
                client.post('{"a": 1.50, "model" : "m" , "b":[ ]}')
                got = json.loads(client.read_answer().body)["body"]
                self.assertEqual(got, '{"a": 1.50, "model" : "org/big-\\"1\\"" , "b":[ ]}')

    def test_d022_no_field_of_one_request_reaches_the_next(self):
        with Upstream(echo) as upstream, Gateway(config(upstream)) as gateway:
            with gateway.connect() as client:
                client.post(ask(stop=["x"], tools=[{"a": 1}], user="u", unknown=5))
                client.read_answer()
                client.post('{"model":"m"}')
                self.assertEqual(json.loads(client.read_answer().body)["body"], '{"model":"m"}')

    def test_d060_d126_only_listed_headers_and_our_own_credential_go_upstream(self):
        extra = "keys: [{name: k, secret: sk-client-secret}]\n"
        with Upstream(echo) as upstream, Gateway(
                config(upstream, extra, upstream_extra="    credential: env://UP_KEY\n"
                       "    headers: {x-own: yes}"),
                {"UP_KEY": "sk-upstream"}) as gateway, gateway.connect() as client:
            client.post(ask(), headers="authorization: Bearer sk-client-secret\r\ncookie: a=b\r\n"
                        "x-arbitrary: 1\r\nx-forwarded-for: 1.2.3.4\r\nidempotency-key: i1\r\n"
                        "traceparent: 00-ab-cd-01\r\n")
            head = json.loads(client.read_answer().body)["head"].lower()
            self.assertNotIn("sk-client-secret", head)
            self.assertIn("authorization: bearer sk-upstream\r\n", head)
            self.assertIn("x-own: yes\r\n", head)
            self.assertIn("idempotency-key: i1\r\n", head)
            self.assertIn("traceparent: 00-ab-cd-01\r\n", head)
            for absent in ("cookie", "x-arbitrary", "x-forwarded-for"):
                self.assertNotIn(absent, head)

    def test_d062_d063_host_path_and_query(self):
        cases = [("", "/v1/chat/completions?a=b"), ("/v1", "/v1/chat/completions?a=b"),
                 ("/foo", "/foo/v1/chat/completions?a=b"),
                 ("/x/chat/completions?k=v", "/x/chat/completions?k=v&a=b")]
        with Upstream(echo) as upstream:
            for suffix, expected in cases:
                base = upstream.url
                upstream.url = base + suffix
                with Gateway(config(upstream)) as gateway, gateway.connect() as client:
                    client.post(ask(), path="/v1/chat/completions?a=b")
                    head = json.loads(client.read_answer().body)["head"]
                    self.assertEqual(head.split("\r\n")[0], f"POST {expected} HTTP/1.1")
                    self.assertIn(f"host: 127.0.0.1:{upstream.port}\r\n", head.lower())
                upstream.url = base

    def test_d058_a_models_name_never_becomes_a_part_of_the_path(self):
        name = "../../x?y#z%2F"
        with Upstream(echo) as upstream:
            settings = config(upstream).replace("- name: m\n", "- name: '*'\n")
            with Gateway(settings) as gateway, gateway.connect() as client:
                client.post(ask(model=name))
                seen = json.loads(client.read_answer().body)
                self.assertTrue(seen["head"].startswith("POST /v1/chat/completions HTTP/1.1\r\n"))
                self.assertEqual(json.loads(seen["body"])["model"], name)

    def test_d059_a_credential_arrives_as_it_is(self):
        secret = "a&b+c%20d#e=f"
        auth = f"    auth: {{type: header, name: api-key, secret: '{secret}'}}"
        with Upstream(echo) as upstream:
            with Gateway(config(upstream, upstream_extra=auth)) as gateway:
                with gateway.connect() as client:
                    client.post(ask())
                    head = json.loads(client.read_answer().body)["head"]
                    self.assertIn(f"\r\napi-key: {secret}\r\n", head)

    def test_d118_answer_headers_pass_and_hop_by_hop_ones_do_not(self):
        def script(connection):
            connection.read_request()
            connection.answer("{}", headers="x-request-id: up-1\r\n"
                              "x-ratelimit-limit-requests: 9\r\nconnection: x-hop\r\n"
                              "x-hop: 1\r\nkeep-alive: timeout=5\r\n"
                              "set-cookie: s=1\r\nx-custom: yes\r\n")
        with Upstream(script) as upstream, Gateway(config(upstream)) as gateway:
            with gateway.connect() as client:
                client.post(ask())
                headers = client.read_answer().headers
        self.assertEqual(headers["x-upstream-request-id"], "up-1")
        self.assertEqual(headers["x-ratelimit-limit-requests"], "9")
        self.assertEqual(headers["x-custom"], "yes")
        for absent in ("x-hop", "keep-alive", "set-cookie", "connection"):
            self.assertNotIn(absent, headers)

    def test_d119_an_error_for_a_streaming_request_keeps_status_and_type(self):
        def script(connection):
            connection.read_request()
            connection.answer('{"error":{"message":"no"}}', status=429,
                              headers="retry-after: 7\r\n")
        with Upstream(script) as upstream, Gateway(config(upstream)) as gateway:
            with gateway.connect() as client:
                client.post(ask(stream=True))
                answer = client.read_answer()
        self.assertEqual(answer.status, 429)
        self.assertEqual(answer.headers["content-type"], "application/json")
        self.assertEqual(answer.headers["retry-after"], "7")

    def test_an_answer_until_close_is_framed_for_the_client(self):
        def script(connection):
            connection.read_request()
            connection.send("HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n{\"a\":1}")
        with Upstream(script) as upstream, Gateway(config(upstream)) as gateway:
            with gateway.connect() as client:
                for _ in range(50):  # Each cuts its connection: see docs/traps on shutting down.
                    client.post(ask())
                    self.assertEqual(client.read_answer().body, b'{"a":1}')


class Streaming(unittest.TestCase):
    def test_d021_the_usage_event_is_asked_for_and_hidden(self):
        seen = []

        def script(connection):
            while True:
                _, body = connection.read_request()
                seen.append(json.loads(body))
                connection.begin_stream()
                connection.chunk(delta("a"))
                connection.chunk(USAGE)
                connection.chunk(DONE)
                connection.end_stream()
        with Upstream(script) as upstream, Gateway(config(upstream)) as gateway:
            with gateway.connect() as client:
                client.post(ask(stream=True))
                self.assertEqual(client.read_answer().body.decode(), delta("a") + DONE)
                client.post(ask(stream=True, stream_options={"include_usage": True}))
                self.assertEqual(client.read_answer().body.decode(), delta("a") + USAGE + DONE)
                client.post(ask(stream=True, stream_options={"include_usage": False}))
                self.assertEqual(client.read_answer().body.decode(), delta("a") + DONE)
        self.assertEqual([body["stream_options"]["include_usage"] for body in seen], [True] * 3)

    def test_d018_lines_of_any_length_arrive_byte_exact(self):
        for size in (16 * 1024 + 1, 256 * 1024 + 1, 8 * 1024 * 1024):
            event = "data: " + "x" * size + "\n\n"
            for accounting in ("on", "off"):
                with Upstream(streams(event, delta("z"))) as upstream, Gateway(
                        config(upstream, f"usage: {accounting}\n")) as gateway:
                    with gateway.connect() as client:
                        client.post(ask(stream=True))
                        body = client.read_answer().body.decode()
                        self.assertTrue(body == event + delta("z") + DONE, (size, accounting))

    def test_d025_an_event_leaves_when_it_came(self):
        """Each event must reach the client before the upstream goes on to the next."""
        go_on = threading.Semaphore(0)
        forms = [delta("a"), "data: 1\r\n\r\n", "data: 1\r\r", ": note\n\n",
                 "data: a\ndata: b\n\n", "data: \u00fc\U0001f600\n\n"]

        def script(connection):
            connection.read_request()
            connection.begin_stream()
            for event in forms:
                for byte in event.encode():
                    connection.chunk(bytes([byte]))
                go_on.acquire()
            connection.end_stream()
        for accounting in ("on", "off"):
            with Upstream(script) as upstream, Gateway(
                    config(upstream, f"usage: {accounting}\n")) as gateway:
                with gateway.connect() as client:
                    client.post(ask(stream=True))
                    client.read_head()
                    for event in forms:
                        got = b""
                        while len(got) < len(event.encode()):
                            got += client.read_chunk()
                        self.assertEqual(got, event.encode())
                        go_on.release()
                    self.assertEqual(client.read_chunk(), b"")

    def test_d026_the_connection_serves_again_after_a_stream(self):
        with Upstream(streams(delta("a"))) as upstream, Gateway(config(upstream)) as gateway:
            with gateway.connect() as client:
                for _ in range(20):
                    client.post(ask(stream=True))
                    self.assertEqual(client.read_answer().body.decode(), delta("a") + DONE)
            self.assertEqual(upstream.connections, 1)

    def test_the_head_of_a_stream_tells_proxies_not_to_buffer(self):
        with Upstream(streams(delta("a"))) as upstream, Gateway(config(upstream)) as gateway:
            with gateway.connect() as client:
                client.post(ask(stream=True))
                headers = client.read_answer().headers
        self.assertEqual(headers["cache-control"], "no-cache")
        self.assertEqual(headers["x-accel-buffering"], "no")
        self.assertNotIn("content-length", headers)

    def test_d103_a_cut_stream_ends_with_an_error_event_and_no_end(self):
        def script(connection):
            connection.read_request()
            connection.begin_stream()
            connection.chunk(delta("a"))
        for accounting in ("on", "off"):
            with Upstream(script) as upstream, Gateway(
                    config(upstream, f"usage: {accounting}\n")) as gateway:
                with gateway.connect() as client:
                    client.post(ask(stream=True))
                    status, headers, _ = client.read_head()
                    self.assertEqual(status, 200)
                    self.assertNotIn("connection", headers)
                    body = b""
                    while (chunk := client.read_chunk()) is not None:
                        self.assertNotEqual(chunk, b"", "a last chunk would look like success")
                        body += chunk
                    self.assertTrue(body.decode().startswith(delta("a")))
                    event = json.loads(body.decode()[len(delta("a")) + len("data: "):])
                    self.assertEqual(event["error"]["code"], "upstream_lost")
                    self.assertNotIn(b"[DONE]", body)

    def test_d103_cut_inside_an_event_the_stream_is_cut_too(self):
        def script(connection):
            connection.read_request()
            connection.begin_stream()
            connection.chunk(delta("a") + "data: {\"cho")
        with Upstream(script) as upstream, Gateway(config(upstream, "usage: off\n")) as gateway:
            with gateway.connect() as client:
                client.post(ask(stream=True))
                client.read_head()
                self.assertEqual(client.read_chunk().decode(), delta("a") + "data: {\"cho")
                self.assertIsNone(client.read_chunk())

    def test_d109_a_client_that_leaves_closes_its_upstream(self):
        gone = threading.Event()

        def script(connection):
            connection.read_request()
            connection.begin_stream()
            connection.chunk(delta("a"))
            if connection.is_closed():
                gone.set()
        for leave in ("close", "reset"):
            gone.clear()
            with Upstream(script) as upstream, Gateway(config(upstream)) as gateway:
                client = gateway.connect()
                client.post(ask(stream=True))
                client.read_head()
                client.read_chunk()
                getattr(client, leave)()
                self.assertTrue(gone.wait(20), leave)

    def test_d109_also_while_the_answer_has_not_begun(self):
        gone, arrived = threading.Event(), threading.Event()

        def script(connection):
            connection.read_request()
            arrived.set()
            if connection.is_closed():
                gone.set()
        with Upstream(script) as upstream, Gateway(config(upstream)) as gateway:
            client = gateway.connect()
            client.post(ask())
            self.assertTrue(arrived.wait(20))
            client.close()
            self.assertTrue(gone.wait(20))

    def test_a_slow_client_slows_its_upstream_and_costs_little(self):
        """The upstream must block long before it has written all; memory stays bounded."""
        block = "data: " + "x" * 65000 + "\n\n"
        blocked = threading.Event()

        def script(connection):
            connection.read_request()
            connection.begin_stream()
            connection.socket.settimeout(3)
            try:
                for _ in range(1600):
                    connection.chunk(block)
            except TimeoutError:
                blocked.set()
        with Upstream(script) as upstream, Gateway(config(upstream)) as gateway:
            with gateway.connect() as client:
                client.post(ask(stream=True))
                client.read_head()
                before = gateway.resident_kb()
                self.assertTrue(blocked.wait(20))
                self.assertLess(gateway.resident_kb() - before, 2048)

    def test_a_stream_for_an_http_1_0_client_has_no_chunked_framing(self):
        with Upstream(streams(delta("a"))) as upstream, Gateway(config(upstream)) as gateway:
            with gateway.connect() as client:
                body = ask(stream=True)
                client.send(f"POST /v1/chat/completions HTTP/1.0\r\ncontent-length: {len(body)}\r\n"
                            f"\r\n{body}")
                answer = client.read_answer()
                self.assertNotIn("transfer-encoding", answer.headers)
                self.assertEqual(answer.headers["connection"], "close")
                self.assertEqual(answer.body.decode(), delta("a") + DONE)


class Requests(unittest.TestCase):
    def test_d065_ambiguous_requests_are_refused_and_never_forwarded(self):
        post = "POST /v1/chat/completions HTTP/1.1\r\nhost: t\r\n"
        bad = [
            post + "content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            post + "content-length: 2\r\ncontent-length: 3\r\n\r\n{}",
            post + "content-length: 2\r\ncontent-length: 2\r\n\r\n{}",
            post + "content-length: +2\r\n\r\n{}",
            post + "content-length: 2, 2\r\n\r\n{}",
            post + "x: a\r\n b\r\ncontent-length: 2\r\n\r\n{}",
            post + "x: a\rb\r\ncontent-length: 2\r\n\r\n{}",
            post + "x: a\ncontent-length: 2\r\n\r\n{}",
            post + "x : a\r\ncontent-length: 2\r\n\r\n{}",
            post + "x: a\0b\r\ncontent-length: 2\r\n\r\n{}",
            post + "transfer-encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n",
            post + "transfer-encoding: chunked\r\n\r\n2\n{}\r\n0\r\n\r\n",
            post + "host: u\r\ncontent-length: 2\r\n\r\n{}",
            "POST /v1/chat/completions HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}",
        ]
        with Upstream(echo) as upstream, Gateway(config(upstream)) as gateway:
            for text in bad:
                with gateway.connect() as client:
                    client.send(text)
                    answer = client.read_answer()
                    self.assertEqual(answer.status, 400, text)
                    self.assertEqual(set(json.loads(answer.body)["error"]),
                                     {"message", "type", "param", "code"})
                    self.assertTrue(client.is_closed(), text)
            self.assertEqual(upstream.connections, 0)

    def test_pipelined_requests_are_answered_in_order(self):
        with Upstream(echo) as upstream, Gateway(config(upstream)) as gateway:
            with gateway.connect() as client:
                for number in range(10):
                    client.post(ask(number=number))
                client.send("GET /livez HTTP/1.1\r\nhost: t\r\n\r\n")
                for number in range(10):
                    body = json.loads(json.loads(client.read_answer().body)["body"])
                    self.assertEqual(body["number"], number)
                self.assertEqual(client.read_answer().status, 200)

    def test_bodies_of_every_size_and_cut_arrive_whole(self):
        with Upstream(echo) as upstream, Gateway(config(upstream)) as gateway:
            with gateway.connect() as client:
                for size in (0, 100, 15_000, 16_320, 17_000, 70_000, 1_200_000, 5_000_000):
                    body = ask(pad="x" * size)
                    client.post(body)
                    answer = json.loads(client.read_answer().body)
                    self.assertTrue(answer["body"] == body, size)

    def test_chunked_bodies_arrive_whole(self):
        with Upstream(echo) as upstream, Gateway(config(upstream)) as gateway:
            with gateway.connect() as client:
                for size in (1, 7, 5000, 40_000):
                    body = ask(pad="y" * 100_000).encode()
                    client.send("POST /v1/chat/completions HTTP/1.1\r\nhost: t\r\n"
                                "transfer-encoding: chunked\r\n\r\n")
                    pieces = [body[at:at + size] for at in range(0, len(body), size)]
                    client.send(b"".join(b"%x\r\n" % len(p) + p + b"\r\n" for p in pieces)
                                + b"0\r\n\r\n")
                    answer = json.loads(client.read_answer().body)
                    self.assertTrue(answer["body"] == body.decode(), size)

    def test_d120_bodies_above_the_limit_are_413_with_the_limit(self):
        with Upstream(echo) as upstream, Gateway(
                config(upstream, "limits: {body_bytes_max: 100KiB}\n")) as gateway:
            with gateway.connect() as client:
                client.send("POST /v1/chat/completions HTTP/1.1\r\nhost: t\r\n"
                            "content-length: 102401\r\n\r\n")
                answer = client.read_answer()
                self.assertEqual(answer.status, 413)
                error = json.loads(answer.body)["error"]
                self.assertEqual(error["code"], "request_too_large")
                self.assertIn("102400", error["message"])
            with gateway.connect() as client:
                client.send("POST /v1/chat/completions HTTP/1.1\r\nhost: t\r\n"
                            "transfer-encoding: chunked\r\n\r\n")
                client.send(b"19000\r\n" + b"x" * 0x19000 + b"\r\n1\r\nx\r\n")
                self.assertEqual(client.read_answer().status, 413)
            self.assertEqual(upstream.connections, 0)

    def test_expect_100_continue_is_answered_before_the_body_and_after_the_key(self):
        extra = "keys: [{name: k, secret: sk-right}]\n"
        head = ("POST /v1/chat/completions HTTP/1.1\r\nhost: t\r\nexpect: 100-continue\r\n"
                "authorization: Bearer {}\r\ncontent-length: 11\r\n\r\n")
        with Upstream(echo) as upstream, Gateway(config(upstream, extra)) as gateway:
            with gateway.connect() as client:
                client.send(head.format("sk-right"))
                self.assertEqual(client.read_until(b"\r\n\r\n"), b"HTTP/1.1 100 Continue\r\n\r\n")
                client.send('{"model":"m"}'[:11])
                self.assertEqual(client.read_answer().status, 400)
            with gateway.connect() as client:
                client.send(head.format("sk-wrong"))
                self.assertEqual(client.read_answer().status, 401)

    def test_d016_no_spelling_of_a_path_passes_for_another(self):
        extra = "keys: [{name: k, secret: sk-1}]\n"
        with Upstream(echo) as upstream, Gateway(config(upstream, extra)) as gateway:
            with gateway.connect() as client:
                for path in ("/livez/", "/LIVEZ", "//livez", "/livez/../v1/chat/completions",
                             "/%6civez", "/livez%2f..%2fv1/models", "/v1//models", "/v1/models/"):
                    client.send(f"GET {path} HTTP/1.1\r\nhost: t\r\n\r\n")
                    self.assertEqual(client.read_answer().status, 404, path)
            self.assertEqual(upstream.connections, 0)

    def test_d093_unknown_endpoints_and_methods_are_clean(self):
        with Upstream(echo) as upstream, Gateway(config(upstream)) as gateway:
            with gateway.connect() as client:
                client.post("{}", path="/v1/audio/speech")
                answer = client.read_answer()
                self.assertEqual(answer.status, 404)
                self.assertEqual(json.loads(answer.body)["error"]["code"], "unknown_url")
            with gateway.connect() as client:
                client.send("GET /v1/chat/completions HTTP/1.1\r\nhost: t\r\n\r\n")
                answer = client.read_answer()
                self.assertEqual(answer.status, 405)
                self.assertEqual(answer.headers["allow"], "POST")
                client.send("HEAD /livez HTTP/1.1\r\nhost: t\r\n\r\n")
                self.assertEqual(client.read_answer(is_head=True).status, 200)
                client.send("GET /livez HTTP/1.1\r\nhost: t\r\n\r\n")
                self.assertEqual(client.read_answer().body, b'{"status":"live"}')

    def test_d075_d144_request_ids(self):
        with Upstream(echo) as upstream, Gateway(config(upstream)) as gateway:
            with gateway.connect() as client:
                cases = [("x-request-id: mine-1.A_b", "mine-1.A_b"), ("x-trace-id: t-9", "t-9"),
                         ("x-request-id: a b", None), ("x-request-id: " + "x" * 129, None),
                         ("x-other: 1", None)]
                for header, expected in cases:
                    for path in ("/livez", "/nowhere"):
                        client.send(f"GET {path} HTTP/1.1\r\nhost: t\r\n{header}\r\n\r\n")
                        got = client.read_answer().headers["x-request-id"]
                        if expected:
                            self.assertEqual(got, expected)
                        else:
                            self.assertRegex(got, r"^req_[0-9a-f]{32}$")

    def test_broken_bodies_are_400_with_the_parameter(self):
        cases = [("{", "invalid_json", None), ("[]", "invalid_json", None),
                 ('{"model":"m","model":"m"}', "unsupported_value", "model"),
                 ('{"messages":[]}', "missing_required_parameter", "model"),
                 ('{"model":7}', "unsupported_value", "model"),
                 ('{"model":"m","stream":"yes"}', "unsupported_value", "stream"),
                 (b'{"model":"\xff"}', "invalid_json", None),
                 ('{"model":"m"} x', "invalid_json", None),
                 ('{"model":"m","a":' + "[" * 2000 + "]" * 2000 + "}", None, None)]
        with Upstream(echo) as upstream, Gateway(config(upstream)) as gateway:
            with gateway.connect() as client:
                for body, code, param in cases:
                    client.post(body)
                    answer = client.read_answer()
                    self.assertEqual(answer.status, 400, body[:40])
                    error = json.loads(answer.body)["error"]
                    if code:
                        self.assertEqual((error["code"], error["param"]), (code, param), body)
            self.assertEqual(upstream.connections, 0)


if __name__ == "__main__":
    unittest.main(verbosity=1)
