#!/usr/bin/env python3
"""Pages of browsers that call the gateway: what they are told, and what Chromium makes of it."""

import json
import unittest

from browser_support import CHROMIUM, Chromium, PageServer
from support import DONE, PATIENCE_S, Gateway, Upstream, ask, delta
from tls_support import Authority

SECRET = "sk-page-0123456789abcdef"
TOKEN = "let-me-in-0123456789abcdef0123456789"
PAGE = "https://chat.example"
# What an upstream says to browsers is not what the operator of the gateway says.
UPSTREAM_SAYS = ("Access-Control-Allow-Origin: *\r\naccess-control-allow-credentials: true\r\n"
                 "Strict-Transport-Security: max-age=1\r\nX-Content-Type-Options: nosniff\r\n"
                 "vary: accept-encoding\r\n")


def answer_all(connection):
    """Streams where that is asked for; says what a permissive server would say to browsers."""
    while True:
        _, body = connection.read_request()
        if json.loads(body).get("stream"):
            connection.begin_stream(UPSTREAM_SAYS)
            for text in ("a", "b", "c"):
                connection.chunk(delta(text))
            connection.chunk(DONE)
            connection.end_stream()
        else:
            connection.answer('{"ok":true}', headers=UPSTREAM_SAYS)


def config(upstream, extra=""):
    return f"""
upstreams: [{{name: up, url: "{upstream.url}", private_addresses: true, stream_usage: pass}}]
models: [{{name: m, routes: [{{upstream: up}}]}}]
keys:
  - {{name: page, secret: {SECRET}}}
  - {{name: once, secret: {SECRET}-once, limits: {{requests_per_day: 1}}}}
{extra}
"""


def allowing(origin, more=""):
    return f'cors: {{enabled: true, data_origins: {{allow: ["{origin}"]}}{more}}}\n'


class Lines(unittest.TestCase):
    """Raw requests: every field of the answer."""

    def setUp(self):
        self.upstream = Upstream(answer_all)
        self.addCleanup(self.upstream.close)

    def start(self, extra=""):
        gateway = Gateway(config(self.upstream, extra))
        self.addCleanup(gateway.close)
        return gateway

    def fields(self, gateway, method, path, headers="", body="", key=SECRET):
        """The status, and all values of each field."""
        if key:
            headers += f"authorization: Bearer {key}\r\n"
        with gateway.connect() as client:
            client.send(f"{method} {path} HTTP/1.1\r\nhost: t\r\n{headers}"
                        f"content-length: {len(body)}\r\n\r\n{body}")
            status, _, head = client.read_head()
        found = {}
        for line in head.split("\r\n")[1:-2]:
            name, value = line.split(": ", 1)
            found.setdefault(name.lower(), []).append(value)
        return status, found

    def preflight(self, gateway, path, origin=PAGE):
        return self.fields(gateway, "OPTIONS", path, key=None,
                           headers=f"origin: {origin}\r\naccess-control-request-method: POST\r\n"
                                   "access-control-request-headers: authorization\r\n")

    def test_a_preflight_is_answered_without_a_key_and_without_an_upstream(self):
        gateway = self.start(allowing(PAGE))
        for path in ("/v1/chat/completions", "/v1/models", "/v1/models/m", "/livez"):
            status, fields = self.preflight(gateway, path)
            self.assertEqual(status, 204, path)
            self.assertEqual(fields["access-control-allow-origin"], [PAGE])
            self.assertEqual(fields["access-control-allow-methods"], ["GET, POST, OPTIONS"])
            self.assertEqual(fields["access-control-allow-headers"],
                             ["authorization, content-type, x-api-key"])
            self.assertEqual(fields["access-control-max-age"], ["600"])
            self.assertEqual(fields["vary"], ["origin"])
            self.assertNotIn("content-length", fields)
            self.assertNotIn("access-control-allow-credentials", fields)
        self.assertEqual(self.upstream.connections, 0)
        self.assertEqual(self.preflight(gateway, "/v1/nothing")[0], 404)

    def test_a_preflight_of_another_origin_is_refused_and_told_nothing(self):
        gateway = self.start(allowing(PAGE, ", expose_headers: [x-request-id]"))
        for origin in ("https://evil.example", "null", PAGE + ".evil", "https://chat.exampl",
                       "http://chat.example", PAGE.upper(), PAGE + ":443"):
            status, fields = self.preflight(gateway, "/v1/chat/completions", origin)
            self.assertEqual(status, 403, origin)
            self.assertFalse([name for name in fields if name.startswith("access-control")], origin)

    def test_every_answer_to_an_allowed_page_can_be_read(self):
        gateway = self.start(allowing(PAGE))
        page = f"origin: {PAGE}\r\n"
        once = SECRET + "-once"
        for expected, *request in (
                (200, "GET", "/v1/models", page),
                (401, "GET", "/v1/models", page, "", None),
                (404, "GET", "/v1/nothing", page),
                (405, "GET", "/v1/chat/completions", page),
                (400, "POST", "/v1/chat/completions", page, "{"),
                (404, "POST", "/v1/chat/completions", page, ask(model="none")),
                (200, "POST", "/v1/chat/completions", page, ask()),
                (200, "POST", "/v1/chat/completions", page, ask(stream=True)),
                (200, "POST", "/v1/chat/completions", page, ask(), once),
                (429, "POST", "/v1/chat/completions", page, ask(), once)):
            status, fields = self.fields(gateway, *request)
            self.assertEqual(status, expected, request)
            self.assertEqual(fields["access-control-allow-origin"], [PAGE], request)
            self.assertEqual(fields["access-control-expose-headers"], ["x-request-id, retry-after"])
            self.assertNotIn("access-control-allow-credentials", fields)
            self.assertIn("origin", fields["vary"])
            self.assertEqual(fields["x-content-type-options"], ["nosniff"])

    def test_no_word_of_an_upstream_reaches_a_browser(self):
        for extra in ("", allowing(PAGE)):
            gateway = self.start(extra)
            for origin in ("", "origin: https://evil.example\r\n"):
                for body in (ask(), ask(stream=True)):
                    status, fields = self.fields(gateway, "POST", "/v1/chat/completions", origin,
                                                 body)
                    self.assertEqual(status, 200)
                    self.assertFalse([name for name in fields if name.startswith("access-control")])
                    self.assertNotIn("strict-transport-security", fields)
                    self.assertEqual(fields["x-content-type-options"], ["nosniff"])
                    self.assertIn("accept-encoding", fields["vary"])
                    self.assertEqual("origin" in fields["vary"], bool(extra))

    def test_without_cors_a_preflight_is_a_wrong_method(self):
        status, fields = self.preflight(self.start(), "/v1/chat/completions")
        self.assertEqual((status, fields["allow"]), (405, ["POST"]))
        self.assertNotIn("vary", fields)

    def test_all_origins_are_a_star_and_credentials_are_named(self):
        gateway = self.start('cors: {enabled: true, allow_all_origins: true, '
                             'data_origins: {deny: ["https://evil.example"]}}\n')
        for origin, expected in (("https://any.example", ["*"]), ("https://evil.example", None)):
            _, fields = self.fields(gateway, "GET", "/v1/models", f"origin: {origin}\r\n")
            self.assertEqual(fields.get("access-control-allow-origin"), expected)
        gateway = self.start(allowing(PAGE, ", allow_credentials: true"))
        _, fields = self.fields(gateway, "GET", "/v1/models", f"origin: {PAGE}\r\n")
        self.assertEqual(fields["access-control-allow-credentials"], ["true"])
        self.assertEqual(self.preflight(gateway, "/livez")[1]["access-control-allow-credentials"],
                         ["true"])

    def test_a_reload_changes_who_may(self):
        gateway = self.start(allowing(PAGE))
        gateway.rewrite(PAGE, "https://new.example")
        self.assertEqual(gateway.admin("POST", "/v1/reload")[0], 200)
        self.assertEqual(self.preflight(gateway, "/livez")[0], 403)
        self.assertEqual(self.preflight(gateway, "/livez", "https://new.example")[0], 204)

    def test_a_preflight_is_no_request_of_a_limit(self):
        gateway = self.start(allowing(PAGE) + "rate_limits: [{name: few, per: ip, "
                             "requests_per_day: 1}]\n")
        for _ in range(3):
            self.assertEqual(self.preflight(gateway, "/v1/models")[0], 204)
        page = f"origin: {PAGE}\r\n"
        self.assertEqual(self.fields(gateway, "GET", "/v1/models", page)[0], 200)
        status, fields = self.fields(gateway, "GET", "/v1/models", page)
        self.assertEqual(status, 429)
        self.assertEqual(fields["access-control-allow-origin"], [PAGE])

    def test_d086_only_a_listener_with_tls_is_remembered_as_one(self):
        authority = Authority()
        leaf = authority.issue()
        import ssl  # pylint: disable=import-outside-toplevel
        for more, expected in (("", "max-age=31536000"), (", hsts: 1h", "max-age=3600"),
                               (", hsts: off", None)):
            gateway = self.start(f"tls: {{certificates: [{{certificate: {leaf.chain}, "
                                 f"key: {leaf.key}}}]{more}}}\n")
            context = ssl.create_default_context(cafile=authority.pem)
            with gateway.connect() as client:
                client.socket = context.wrap_socket(client.socket, server_hostname="localhost")
                client.send("GET /livez HTTP/1.1\r\nhost: t\r\n\r\n")
                _, headers, _ = client.read_head()
            self.assertEqual(headers.get("strict-transport-security"), expected)
        _, fields = self.fields(self.start(), "GET", "/livez")
        self.assertNotIn("strict-transport-security", fields)


# Runs every request of CALLS in order, reports what the page could read of each, goes on to NEXT.
SCRIPT = """<script>
(async () => {
  const seen = {};
  for (const [name, url, options] of CALLS) {
    try {
      const answer = await fetch(url, options);
      const report = {status: answer.status, id: answer.headers.get('x-request-id') !== null,
                      retry: answer.headers.get('retry-after') !== null,
                      hidden: answer.headers.get('x-accel-buffering')};
      let text = '';
      const reader = answer.body.getReader(), decoder = new TextDecoder();
      for (;;) {
        const {done, value} = await reader.read();
        if (done) break;
        text += decoder.decode(value, {stream: true});
      }
      seen[name] = {...report, text};
    } catch (error) {
      seen[name] = error.name;
    }
  }
  await fetch('/report', {method: 'POST', body: JSON.stringify(seen)});
  if (NEXT) location.href = NEXT;
})();
</script>"""


def calls_of(data, admin):
    """Requests as a page's script makes them; those with a key or JSON are asked for first."""
    def post(path, body, key=SECRET, **more):
        headers = {"content-type": "application/json", "authorization": f"Bearer {key}", **more}
        return [data + path, {"method": "POST", "headers": headers, "body": body}]
    chat = "/v1/chat/completions"
    return [["plain", data + "/v1/models", {}],
            ["chat", *post(chat, ask())],
            ["stream", *post(chat, ask(stream=True))],
            ["once", *post(chat, ask(), SECRET + "-once")],
            ["again", *post(chat, ask(), SECRET + "-once")],
            ["nowhere", data + "/v1/nothing", {}],
            ["other_field", *post(chat, ask(), **{"x-other": "1"})],
            ["other_method", data + "/v1/models", {"method": "PUT"}],
            ["credentials", data + "/v1/models", {"credentials": "include"}],
            ["admin", admin + "/v1/version", {"headers": {"authorization": f"Bearer {TOKEN}"}}]]


@unittest.skipUnless(CHROMIUM, "chromium is not installed; tools/setup installs it")
class InChromium(unittest.TestCase):
    """Chromium is started once: a page that may call goes on to one that may not."""

    @classmethod
    def setUpClass(cls):
        pages = {}
        cls.allowed = PageServer(lambda: pages["allowed"])
        cls.addClassCleanup(cls.allowed.close)
        cls.denied = PageServer(lambda: pages["denied"])
        cls.addClassCleanup(cls.denied.close)
        cls.upstream = Upstream(answer_all)
        cls.addClassCleanup(cls.upstream.close)
        origin = cls.allowed.origin
        gateway = Gateway(config(cls.upstream, allowing(
            origin, f', admin_origins: {{allow: ["{origin}"]}}')),
            environment={"TOKEN": TOKEN},
            admin=', listen: "127.0.0.1:0", bootstrap_token: env://TOKEN')
        cls.addClassCleanup(gateway.close)
        port = gateway.wait_for(rb"admin calls with keys on http://127\.0\.0\.1:(\d+)").group(1)
        calls = calls_of(f"http://127.0.0.1:{gateway.port}", f"http://127.0.0.1:{port.decode()}")
        for name, following in (("allowed", cls.denied.origin), ("denied", None)):
            pages[name] = SCRIPT.replace("CALLS", json.dumps(calls)).replace(
                "NEXT", json.dumps(following))
        with Chromium(origin):
            cls.seen = cls.allowed.reports.get(timeout=3 * PATIENCE_S)
            cls.reached = cls.upstream_requests(gateway)
            cls.seen_denied = cls.denied.reports.get(timeout=PATIENCE_S)
            cls.reached_after = cls.upstream_requests(gateway)

    @staticmethod
    def upstream_requests(gateway):
        return sum(value for name, value in gateway.metrics().items()
                   if name.startswith("sluice_upstream_attempts_total"))

    def test_an_allowed_page_reads_answers_and_errors(self):
        self.assertEqual(self.seen["plain"]["status"], 401)
        self.assertIn("invalid_api_key", self.seen["plain"]["text"])
        self.assertTrue(self.seen["plain"]["id"])
        self.assertEqual(self.seen["nowhere"]["status"], 404)

    def test_an_allowed_page_sends_its_key_and_reads_the_answer(self):
        self.assertEqual(self.seen["chat"]["status"], 200)
        self.assertEqual(self.seen["chat"]["text"], '{"ok":true}')

    def test_an_allowed_page_reads_a_stream(self):
        self.assertEqual(self.seen["stream"]["status"], 200)
        self.assertEqual(self.seen["stream"]["text"],
                         delta("a") + delta("b") + delta("c") + DONE)
        self.assertIsNone(self.seen["stream"]["hidden"])  # It is not among those exposed.

    def test_an_allowed_page_reads_when_to_try_again(self):
        self.assertEqual((self.seen["once"]["status"], self.seen["again"]["status"]), (200, 429))
        self.assertTrue(self.seen["again"]["retry"])

    def test_an_allowed_page_sends_nothing_else(self):
        for name in ("other_field", "other_method", "credentials"):
            self.assertEqual(self.seen[name], "TypeError", name)

    def test_an_allowed_page_commands_with_a_token(self):
        self.assertEqual(self.seen["admin"]["status"], 200)

    def test_another_page_reads_nothing_and_reaches_no_upstream(self):
        self.assertEqual(set(self.seen_denied), set(self.seen))
        for name, seen in self.seen_denied.items():
            self.assertEqual(seen, "TypeError", name)
        self.assertGreater(self.reached, 0)
        self.assertEqual(self.reached_after, self.reached)


if __name__ == "__main__":
    unittest.main()
