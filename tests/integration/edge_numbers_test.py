#!/usr/bin/env python3
"""The numbered demands on whoever stands at the edge, shown on a running gateway."""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from support import (DONE, GATEWAY, PATIENCE_S, USAGE, Client, Gateway, Upstream, ask, config,
                     delta, echo, post_admin)
from tls_support import Authority

SECRET = "sk-app-0123456789abcdef"
KEYS = f"keys: [{{name: app, secret: {SECRET}}}]\n"
WITH_KEY = f"authorization: Bearer {SECRET}\r\n"


def with_key(upstream, extra=""):
    return config(upstream, KEYS + extra).replace("development: true\n", "")


class Recorder(Upstream):
    """Answers every request, and keeps each byte that came."""

    def __init__(self):
        self.got = []
        super().__init__(self._answer)

    def _answer(self, connection):
        while True:
            head, body = connection.read_request()
            self.got.append(head + body.decode("latin-1"))
            connection.answer('{"ok":true}')


class AtTheEdge(unittest.TestCase):
    def start(self, text, **named):
        gateway = Gateway(text, **named)
        self.addCleanup(gateway.close)
        return gateway

    def upstream(self, script=None):
        upstream = Upstream(script) if script else Recorder()
        self.addCleanup(upstream.close)
        return upstream

    def status_of(self, gateway, method, path, headers=""):
        with gateway.connect() as client:
            client.send(f"{method} {path} HTTP/1.1\r\nhost: t\r\n{headers}"
                        "content-length: 0\r\n\r\n")
            return client.read_answer().status

    def logged(self, gateway, count):
        """The lines of the access log, once there are so many."""
        began = time.monotonic()
        while True:
            lines = []
            if os.path.exists(gateway.access_log):
                with open(gateway.access_log, encoding="utf-8") as file:
                    lines = [line for line in file.read().splitlines(True) if line.endswith("\n")]
            if len(lines) >= count:
                return [json.loads(line) for line in lines]
            self.assertLess(time.monotonic() - began, PATIENCE_S)


class Paths(AtTheEdge):
    def test_d016_no_spelling_of_a_free_path_opens_another_one(self):
        upstream = self.upstream()
        gateway = self.start(with_key(upstream))
        for path in ("/livez", "/readyz", "/livez?a=/v1/models"):
            self.assertEqual(self.status_of(gateway, "GET", path), 200, path)
        spellings = [template.replace("H", free) for free in ("livez", "readyz", "health/live")
                     for template in ("/H/", "/H//", "//H", "/HX", "/H.", "/H;a", "/H%00", "/H%2f",
                                      "/H/x", "/./H", "/H/.", "/H/..", "/x/../H", "/%2e/H", "\\H")]
        spellings += ["/LIVEZ", "/Livez", "/READYZ", "/%6civez", "/livez%20", "/HEALTH/live",
                      "/health//live", "/health/live"]
        hidden = ["/v1/chat/completions", "/v1/models"]
        spellings += [free + way + path for path in hidden for free in ("/livez", "/health/live")
                      for way in ("/..", "/%2e%2e", "/%2E%2E", "/.%2e", "/..%2f..", "%2f..", ";/..",
                                  "/../..", "//..", "/x/../..", "", "/", "\\..")]
        for path in spellings:
            for method in ("GET", "POST", "OPTIONS"):
                self.assertIn(self.status_of(gateway, method, path), (400, 404), (method, path))
            # A key opens nothing that is spelled so, either.
            self.assertIn(self.status_of(gateway, "POST", path, WITH_KEY), (400, 404), path)
        for path in hidden:
            for odd in (path + "/", path.upper(), "/" + path, path.replace("/v1", "/v1/."),
                        path.replace("v1", "%761")):
                self.assertIn(self.status_of(gateway, "GET", odd), (401, 404), odd)
        self.assertEqual(self.status_of(gateway, "GET", "/v1/models"), 401)
        self.assertEqual(upstream.connections, 0)


class Headers(AtTheEdge):
    OWN = ("Host", "Content-Length", "Transfer-Encoding", "Connection", "TE", "Upgrade",
           "Keep-Alive", "Trailer", "Expect", "Proxy-Authorization", "Proxy-Connection",
           "proxy-anything", "HOST", "transfer-encoding")

    def refusal(self, text):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            done = subprocess.run([GATEWAY, "run", file.name], stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, timeout=PATIENCE_S, check=False)
        self.assertNotEqual(done.returncode, 0, text)
        return done.stdout.decode()

    def test_d041_no_header_of_a_configuration_frames_or_routes(self):
        begin = ("listen: 127.0.0.1:0\ndevelopment: true\n"
                 "upstreams:\n  - name: up\n    url: https://up.example\n")
        end = "models: [{name: m, routes: [{upstream: up}]}]\n"
        hook = "auth: {sources: [{type: webhook, url: 'https://a.example', "
        where = {
            "headers": begin + "    headers: {NAME: x}\n" + end,
            "headers.insert": begin + "    headers: {NAME: {insert: x}}\n" + end,
            "headers.remove": begin + "    headers: {NAME: {remove: true}}\n" + end,
            "auth.name": begin + "    auth: {type: header, name: NAME, secret: x}\n" + end,
            "forward_headers": begin + end + "forward_headers: [NAME]\n",
            "webhook": begin + end + hook + "headers: {NAME: x}}]}\n",
            "reporter": begin + end + "journal: {directory: /nowhere}\n"
                        "usage_log: {path: /nowhere/u.db, reporters: [{type: webhook, "
                        "url: 'https://a.example', headers: {NAME: x}}]}\n",
        }
        for place, template in where.items():
            for name in self.OWN:
                said = self.refusal(template.replace("NAME", name))
                self.assertRegex(said, rf"\.yaml:\d+: \S*.*names `{name.lower()}`, which belongs "
                                 r"to one connection only; remove it; Sluice writes what is "
                                 r"needed", (place, name))

    def test_d041_no_script_sets_one_either(self):
        upstream = self.upstream()
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "hook.lua")
            for name in self.OWN[:10]:
                with open(path, "w", encoding="utf-8") as file:
                    file.write(f'return {{headers = {{["{name}"] = "x"}}}}\n')
                gateway = self.start(with_key(upstream,
                                              f"scripts: {{on_request: {{file: {path}}}}}\n"))
                with gateway.connect() as client:
                    client.post(ask(), headers=WITH_KEY)
                    self.assertEqual(client.read_answer().status, 500, name)
                gateway.close()
        self.assertEqual(upstream.got, [])


class Framing(AtTheEdge):
    POST = "POST /v1/chat/completions HTTP/1.1\r\nhost: t\r\n" + WITH_KEY
    SMUGGLED = "GET /v1/models HTTP/1.1\r\nhost: t\r\n\r\n"

    def chunked(self, body):
        return self.POST + "transfer-encoding: chunked\r\n\r\n" + body

    def bad_heads(self):
        post = self.POST
        fields = ["content-length: 5\r\ntransfer-encoding: chunked",
                  "transfer-encoding: chunked\r\ncontent-length: 5",
                  "content-length: 2\r\ncontent-length: 3",
                  "content-length: 2\r\nContent-Length: 2",
                  "content-length: 2, 3", "content-length: +2", "content-length: -2",
                  "content-length: 0x2", "content-length: 2 ", "content-length:",
                  "content-length: 2a", "content-length: 99999999999999999999",
                  "transfer-encoding: chunked, chunked", "transfer-encoding: chunked, identity",
                  "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
                  "transfer-encoding: chunked,", "transfer-encoding: \"chunked\"",
                  "transfer-encoding: chunked\x0b", "transfer-encoding:\x0bchunked",
                  "content-length : 2", "content-length\t: 2", " content-length: 2",
                  "transfer-encoding : chunked", "x: a\r\n content-length: 9", "x: a\r\n\tb",
                  "x: a\rcontent-length: 9", "x: a\ncontent-length: 9", "x: a\r\r", "x: a\0b",
                  "x\0: a", "\0", "x", ": x", "x y: a", "host: u", "x: \x7f"]
        good = {"content-length: 2 "}  # White space behind a value is none of it.
        bad = [f"{post}{field}\r\n\r\n{{}}" for field in fields if field not in good]
        bad += ["POST /v1/chat/completions HTTP/1.1\r\n" + WITH_KEY + "content-length: 2\r\n\r\n{}",
                "POST /v1/chat/completions HTTP/1.1\nhost: t\n\n",
                "POST  /v1/chat/completions HTTP/1.1\r\nhost: t\r\n\r\n",
                "POST /v1/chat/completions\tHTTP/1.1\r\nhost: t\r\n\r\n",
                "POST /v1/chat/comp\0letions HTTP/1.1\r\nhost: t\r\n\r\n",
                "POST /v1/chat/completions\rHTTP/1.1\r\nhost: t\r\n\r\n",
                "P\0ST /v1/chat/completions HTTP/1.1\r\nhost: t\r\n\r\n"]
        return bad

    def bad_bodies(self):
        rest = "\r\n0\r\n\r\n"
        sizes = ["0x2", "+2", "-2", " 2", "2 ", "", "2g", "2,2", "2 2", "fffffffffffffffff",
                 "8000000000000000", "00000000000000002", "2\0", ";a", "\"2\""]
        bodies = [f"{size}\r\n{{}}{rest}" for size in sizes]
        bodies += ["2\n{}" + rest, "2\r{}" + rest, "2\r\r\n{}" + rest, "2\r\n{}\n0\r\n\r\n",
                   "2\r\n{}0\r\n\r\n", "2\r\n{}x\r\n0\r\n\r\n", "1\r\n{}" + rest,
                   "2;a\nb\r\n{}" + rest, "2;a\0\r\n{}" + rest, "2;a\rb\r\n{}" + rest,
                   "2;" + "a" * 70_000 + "\r\n{}" + rest,  # An extension without an end.
                   "2\r\n{}\r\n0\r\nx : a\r\n\r\n", "2\r\n{}\r\n0\r\nx: a\r\n b\r\n\r\n",
                   "2\r\n{}\r\n0\r\nx: " + "a" * 70_000 + "\r\n\r\n"]
        return [self.chunked(body) for body in bodies]

    def test_d065_what_two_readers_could_see_differently_is_never_forwarded(self):
        upstream = self.upstream()
        gateway = self.start(with_key(upstream))
        for text in self.bad_heads() + self.bad_bodies():
            with gateway.connect() as client:
                try:
                    client.send((text + self.SMUGGLED).encode("latin-1"))
                except OSError:
                    pass  # It has closed already.
                answer = client.read_answer()
                self.assertEqual(answer.status, 400, text[:300])
                # The second request is not answered: what stands behind is nobody's.
                self.assertTrue(client.is_closed(), text[:300])
        self.assertEqual(upstream.got, [])
        self.assertEqual(upstream.connections, 0)
        with gateway.connect() as client:  # And yet it serves.
            client.post(ask(), headers=WITH_KEY)
            self.assertEqual(client.read_answer().status, 200)
            client.send(self.chunked(f"{len(ask()):x};a=b\r\n{ask()}\r\n0\r\nx: y\r\n\r\n"))
            self.assertEqual(client.read_answer().status, 200)
        # What came in chunks goes on with its length, without extensions and trailers.
        self.assertIn("content-length: ", upstream.got[1])
        self.assertTrue(upstream.got[1].endswith(ask()))
        self.assertNotIn("x: y", upstream.got[1])


class Errors(AtTheEdge):
    INTERNAL = re.compile(r"127\.0\.0\.\d|nowhere|\.invalid|/home|/tmp|\.lua|\.cc|\.db|SELECT|"
                          r"errno|ECONN|refused|resolve|getaddr|certificate|stack|traceback|"
                          r"line \d|:\d{2,5}\b|password|redis", re.I)

    def check(self, gateway, expected, code, secret=SECRET, body=None):
        with gateway.connect() as client:
            client.post(body or ask(), headers=f"authorization: Bearer {secret}\r\n")
            answer = client.read_answer()
        self.assertEqual(answer.status, expected, answer.body)
        error = json.loads(answer.body)["error"]
        self.assertEqual(error["code"], code)
        self.assertTrue(answer.headers["x-request-id"])
        text = answer.raw_head.replace("x-request-id: " + answer.headers["x-request-id"], "")
        text = re.sub(r"date: .*", "", text) + answer.body.decode()
        self.assertIsNone(self.INTERNAL.search(text), text)
        return answer.headers["x-request-id"]

    def test_d074_a_failed_upstream_is_not_described(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            refused = f"http://127.0.0.1:{taken.getsockname()[1]}"
            authority = Authority()  # That nobody trusts.
            tls = Upstream(echo, tls=authority.serving(authority.issue()))
            self.addCleanup(tls.close)
            for url, expected, code in (
                    ("http://nowhere.invalid:1234/secret-path", 502, "upstream_connect_error"),
                    (refused, 502, "upstream_connect_error"),
                    (tls.url, 502, "upstream_tls_error")):
                gateway = self.start(f"""
upstreams: [{{name: up, url: "{url}", private_addresses: true}}]
models: [{{name: m, routes: [{{upstream: up}}]}}]
{KEYS}""")
                with self.subTest(url):
                    found = self.check(gateway, expected, code)
                    # Whoever operates it finds the request by the id that the client was told.
                    self.assertEqual(self.logged(gateway, 1)[0]["request_id"], found)

    def test_d074_a_failed_source_of_keys_is_not_described(self):
        upstream = self.upstream()
        sql = ("{type: database, table: api_keys, key_column: k, sql: {driver: DRIVER, "
               "host: 127.0.0.1, port: 9, user: gateway, password: hidden-password, "
               "database: secret_db, tls: off, timeout: 1s}}")
        sources = {
            "redis": "{type: redis, redis: {url: 'redis://127.0.0.1:9'}, timeout: 1s}",
            "postgres": sql.replace("DRIVER", "postgres"), "mysql": sql.replace("DRIVER", "mysql"),
            "webhook": "{type: webhook, url: 'http://127.0.0.1:9/secret-path', "
                       "private_addresses: true, timeout: 1s}"}
        for name, source in sources.items():
            with self.subTest(name):
                gateway = self.start(with_key(
                    upstream, f"auth: {{sources: [{{type: file}}, {source}]}}\n"))
                self.check(gateway, 503, "auth_unavailable", "sk-unknown-0123456789")
                gateway.close()
        self.assertEqual(upstream.connections, 0)

    def test_d074_a_failed_script_is_not_described(self):
        upstream = self.upstream()
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "hook.lua")
            for hook in ("on_auth", "on_request"):
                for text in ('error("secret stack")', "local a = nil; return a.b", "return 5",
                             "while true do end"):
                    with open(path, "w", encoding="utf-8") as file:
                        file.write(text + "\n")
                    gateway = self.start(with_key(
                        upstream, f"scripts: {{{hook}: {{file: {path}}}}}\n"))
                    with self.subTest(hook=hook, text=text):
                        self.check(gateway, 500, "policy_failed")
                    gateway.close()


class Packaged(AtTheEdge):
    def run_with(self, *arguments, text=None):
        with tempfile.TemporaryDirectory() as folder:
            if text is not None:
                path = os.path.join(folder, "sluice.yaml")
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)
                arguments = (*arguments, path)
            done = subprocess.run([os.path.abspath(GATEWAY), *arguments], cwd=folder,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  timeout=PATIENCE_S, check=False)
        return done.returncode, done.stdout.decode()

    def test_d077_without_a_configuration_nothing_is_served(self):
        self.assertNotIn("listening", self.run_with()[1])  # It says how it is used.
        for arguments in (("run",), ("run", "/nowhere/sluice.yaml"), ("run", "/")):
            code, said = self.run_with(*arguments)
            self.assertNotEqual(code, 0, arguments)
            self.assertNotIn("listening", said)
        self.assertNotEqual(self.run_with("run", text="")[0], 0)

    def test_d077_without_keys_nothing_is_served_to_others(self):
        upstream = "upstreams: [{name: up, url: 'https://up.example'}]\n"
        models = "models: [{name: m, routes: [{upstream: up}]}]\n"
        for listen, more, cause in (
                ("0.0.0.0:0", "", "keys is missing: without keys every caller may use every model"),
                ("127.0.0.1:0", "", "keys is missing"), ("[::]:0", "", "keys is missing"),
                ("0.0.0.0:0", "development: true\n",
                 "listen must be a loopback address in development"),
                ("[::]:0", "development: true\n", "listen must be a loopback address"),
                ("0.0.0.0:0", "keys: []\n", "keys")):
            code, said = self.run_with("run", text=f'listen: "{listen}"\n{upstream}{models}{more}')
            self.assertNotEqual(code, 0, (listen, more))
            self.assertIn(cause, said)
            self.assertNotIn("listening", said)

    def test_d077_no_shipped_configuration_serves_before_it_has_secrets(self):
        shipped = pathlib.Path(__file__).resolve().parents[2] / "configs"
        paths = [path for path in sorted(shipped.rglob("*.yaml")) if path.name != "minimal.yaml"]
        self.assertGreater(len(paths), 4)
        for path in paths:  # minimal.yaml has no keys, is for development and for loopback.
            code, said = self.run_with("run", str(path))
            self.assertNotEqual(code, 0, path)
            self.assertNotIn("listening", said)

    def test_d077_with_keys_nobody_else_is_let_in(self):
        upstream = self.upstream()
        gateway = self.start(with_key(upstream))
        for headers in ("", "authorization: Bearer sk-other\r\n", "authorization: Basic YTpi\r\n",
                        "x-api-key: \r\n", "authorization: Bearer \r\n"):
            with gateway.connect() as client:
                client.post(ask(), headers=headers)
                self.assertIn(client.read_answer().status, (400, 401), headers)
        self.assertEqual(upstream.connections, 0)


class Operators(AtTheEdge):
    FIELDS = {"x-content-type-options": "nosniff", "x-frame-options": "DENY",
              "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
              "referrer-policy": "no-referrer", "cache-control": "no-store"}

    def check(self, connection, method, path, expected):
        with Client(connection) as client:
            client.send(f"{method} {path} HTTP/1.1\r\nhost: t\r\ncontent-length: 0\r\n\r\n")
            status, headers, _ = client.read_head()
        self.assertEqual(status, expected, path)
        for name, value in self.FIELDS.items():
            self.assertEqual(headers.get(name), value, (path, name))
        self.assertIn("camera=()", headers["permissions-policy"])
        self.assertNotIn("strict-transport-security", headers)
        self.assertNotIn("access-control-allow-origin", headers)

    def test_d086_answers_to_operators_are_no_page_of_anybody(self):
        gateway = self.start(with_key(self.upstream()), environment={"TOKEN": "a" * 32},
                             admin=', listen: "127.0.0.1:0", bootstrap_token: env://TOKEN')
        admin = int(gateway.wait_for(
            rb"admin calls with keys on http://127\.0\.0\.1:(\d+)").group(1))
        metrics = int(gateway.wait_for(rb"metrics on http://127\.0\.0\.1:(\d+)").group(1))
        for port, method, path, expected in (
                (metrics, "GET", "/metrics", 200), (metrics, "GET", "/", 404),
                (metrics, "POST", "/metrics", 405), (metrics, "GET", "/\tx", 400),
                (admin, "GET", "/v1/version", 401), (admin, "OPTIONS", "/v1/version", 401)):
            self.check(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S), method,
                       path, expected)
        for method, path, expected in (("GET", "/v1/version", 200), ("GET", "/v1/none", 404),
                                       ("DELETE", "/v1/version", 405)):
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(PATIENCE_S)
            connection.connect(gateway.socket_path)
            self.check(connection, method, path, expected)

    def test_d086_answers_to_clients_are_not_guessed_at(self):
        upstream = self.upstream()
        gateway = self.start(with_key(upstream))
        with gateway.connect() as client:
            for request in (f"GET /v1/models HTTP/1.1\r\nhost: t\r\n{WITH_KEY}\r\n",
                            "GET /v1/models HTTP/1.1\r\nhost: t\r\n\r\n",
                            "GET /nothing HTTP/1.1\r\nhost: t\r\n\r\n",
                            "GET /livez HTTP/1.1\r\nhost: t\r\n\r\n",
                            "GET /\tx HTTP/1.1\r\nhost: t\r\n\r\n"):
                client.send(request)
                answer = client.read_answer()
                self.assertEqual(answer.headers["x-content-type-options"], "nosniff", request)


class Draining(AtTheEdge):
    def test_d124_streams_end_themselves_and_the_last_of_them_is_on_disk(self):
        step = threading.Event()

        def script(connection):
            while True:
                connection.read_request()
                connection.begin_stream()
                connection.chunk(delta("a"))
                if not step.wait(PATIENCE_S):
                    return
                for text in (delta("b"), USAGE, DONE):
                    connection.chunk(text)
                connection.end_stream()

        upstream = self.upstream(script)
        with tempfile.TemporaryDirectory() as folder:
            more = (f"journal: {{directory: {folder}/journal}}\n"
                    f"usage_log: {{path: {folder}/usage.db}}\ndrain_timeout: 20s\n")
            gateway = self.start(with_key(upstream, more))
            waiting = gateway.connect()
            self.addCleanup(waiting.close)
            waiting.send("GET /livez HTTP/1.1\r\nhost: t\r\n\r\n")
            waiting.read_answer()
            stream = gateway.connect()
            self.addCleanup(stream.close)
            stream.post(ask(stream=True), headers=WITH_KEY)
            stream.read_head()
            self.assertEqual(stream.read_chunk().decode(), delta("a"))
            gateway.signal(signal.SIGTERM)
            gateway.wait_for(rb"draining, asked by SIGTERM")
            self.assertTrue(waiting.is_closed())  # An idle one ends at once.
            with self.assertRaises(OSError):  # A new one finds nobody.
                with gateway.connect() as late:
                    late.post(ask(), headers=WITH_KEY)
                    if not late.more():
                        raise ConnectionResetError
            step.set()
            rest = b"".join(iter(stream.read_chunk, b"")).decode()
            self.assertTrue(rest.endswith(DONE), rest)
            self.assertEqual(gateway.wait(), 0)
            # The process has ended: what it did last must be in its files.
            last = self.logged(gateway, 2)[-1]
            self.assertEqual((last["status"], last["stream"]), (200, True))
            self.assertEqual(last["output_tokens"], 5)
            with self.start(with_key(upstream, more)) as again:
                status, answer = post_admin(again, "/v1/usage/records", method="GET")
                self.assertEqual(status, 200, answer)
                records = answer["records"]
            self.assertEqual([record["output_tokens"] for record in records], [5])

    def test_d124_the_grace_has_an_end_that_is_logged(self):
        def script(connection):
            connection.read_request()
            connection.begin_stream()
            connection.chunk(delta("a"))
            connection.more()  # Until somebody closes.

        gateway = self.start(with_key(self.upstream(script), "drain_timeout: 100ms\n"))
        with gateway.connect() as client:
            client.post(ask(stream=True), headers=WITH_KEY)
            client.read_head()
            client.read_chunk()
            gateway.signal(signal.SIGTERM)
            self.assertIn(b'"code":"draining"', client.read_to_end())
        self.assertEqual(gateway.wait(), 0)
        self.assertEqual(self.logged(gateway, 1)[-1]["error"], "draining")


class Addresses(AtTheEdge):
    FORGED = ("x-forwarded-for: 192.0.2.{0}\r\n", "X-Real-IP: 192.0.2.{0}\r\n",
              "forwarded: for=192.0.2.{0}\r\n", "x-forwarded-for: 192.0.2.{0}, 127.0.0.1\r\n",
              'forwarded: for="[2001:db8::{0}]"\r\n', "true-client-ip: 192.0.2.{0}\r\n",
              "cf-connecting-ip: 192.0.2.{0}\r\n", "x-client-ip: 192.0.2.{0}\r\n",
              "x-forwarded-for: 192.0.2.{0}\r\nx-forwarded-for: 198.51.100.{0}\r\n",
              "x-forwarded-for: " + "9" * 4000 + "{0}\r\n")

    def test_d125_a_forged_address_neither_evades_a_limit_nor_makes_an_entry(self):
        upstream = self.upstream()
        limit = "rate_limits: [{name: flood, per: ip, requests_per_day: 3}]\n"
        for trusted in ("", "trusted_proxies: [127.0.0.9, 192.0.2.0/24]\n"):
            gateway = self.start(with_key(upstream, limit + trusted))
            got = []
            for number, forged in enumerate(self.FORGED * 3):
                with gateway.connect() as client:
                    client.post(ask(), headers=WITH_KEY + forged.format(number))
                    got.append(client.read_answer().status)
            self.assertEqual(got, [200] * 3 + [429] * (len(got) - 3))
            self.assertEqual({line["client"] for line in self.logged(gateway, len(got))},
                             {"127.0.0.1"})
            began = time.monotonic()
            while gateway.metrics()["sluice_limit_subjects"] == 0:  # Counted each second.
                self.assertLess(time.monotonic() - began, PATIENCE_S)
            self.assertEqual(gateway.metrics()["sluice_limit_subjects"], 1)

    def test_d125_a_forged_address_is_not_in_a_list_of_allowed_ones(self):
        upstream = self.upstream()
        with tempfile.TemporaryDirectory() as folder:
            gateway = self.start(with_key(upstream, f"store: {{path: {folder}/keys.db}}\n"))
            status, made = post_admin(gateway, "/v1/keys", {
                "name": "far", "allowed_addresses": ["192.0.2.0/24"]})
            self.assertEqual(status, 201, made)
            for forged in ("", *self.FORGED):
                with gateway.connect() as client:
                    client.post(ask(), headers=f"authorization: Bearer {made['secret']}\r\n"
                                + forged.format(7))
                    answer = client.read_answer()
                self.assertEqual(answer.status, 403, forged)
                self.assertEqual(json.loads(answer.body)["error"]["code"], "address_not_allowed")
        self.assertEqual(upstream.connections, 0)


if __name__ == "__main__":
    unittest.main()
