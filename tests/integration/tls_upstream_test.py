"""Upstreams that speak https: whom the gateway trusts, and what people read when it does not."""

import json
import ssl
import unittest

from support import Gateway, Upstream, ask, config, delta, echo, streams
from tls_support import Authority, openssl


class Upstreams(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.authority = Authority()
        cls.elsewhere = Authority("elsewhere")
        cls.leaf = cls.authority.issue()

    def serving(self, identity, script=echo, **options):
        return Upstream(script, tls=Authority.serving(identity, **options))

    def config(self, upstream, tls="", extra=""):
        ca = "" if "ca:" in tls or "verify" in tls else f"ca: {self.authority.pem}, "
        return config(upstream, "limits: {attempts: 1}\n" + extra,
                      upstream_extra=f"    tls: {{{ca}{tls}}}\n")

    def refusal(self, upstream, tls=""):
        """What the client and the access log are told."""
        with Gateway(self.config(upstream, tls)) as gateway:
            with gateway.connect() as client:
                client.post(ask())
                answer = client.read_answer()
            samples = gateway.metrics()
            gateway.signal()
            gateway.wait()
            with open(gateway.access_log, encoding="utf-8") as file:
                line = json.loads(file.readline())
        self.assertEqual(samples['sluice_upstream_tls_handshakes_total{upstream="up",'
                                 'outcome="failed"}'], 1)
        self.assertEqual(samples['sluice_upstream_attempts_total{upstream="up",'
                                 'outcome="tls_error"}'], 1)
        self.assertEqual(answer.status, 502)
        return json.loads(answer.body)["error"], line

    def assert_served(self, upstream, tls="", environment=None):
        with Gateway(self.config(upstream, tls), environment) as gateway:
            with gateway.connect() as client:
                client.post(ask())
                answer = client.read_answer()
                self.assertEqual(answer.status, 200, answer.body)
                return answer.body

    def test_a_good_one_is_served(self):
        with self.serving(self.leaf) as upstream:
            self.assert_served(upstream)
            self.assert_served(upstream, "version_min: 1.3")

    def test_wrong_certificates_are_refused_each_with_its_reason(self):
        wrong_name = self.authority.issue("DNS:other.test")
        no_name = self.authority.issue(None, "/CN=127.0.0.1")
        expired = self.authority.issue(is_expired=True)
        self_signed = self.authority.issue(is_self_signed=True)
        unknown = self.elsewhere.issue()
        for identity, reason in ((wrong_name, "another name"), (no_name, "another name"),
                                 (expired, "expired"), (self_signed, "self-signed"),
                                 (unknown, "signed by no trusted authority")):
            with self.serving(identity) as upstream:
                error, line = self.refusal(upstream)
                self.assertEqual(error["code"], "upstream_tls_error")
                self.assertIn(reason, line["error_detail"])

    def test_the_systems_authorities_do_not_know_ours(self):
        with self.serving(self.leaf) as upstream:
            with Gateway(config(upstream)) as gateway, gateway.connect() as client:
                client.post(ask())
                self.assertEqual(client.read_answer().status, 502)

    def test_the_name_is_asked_for_and_checked(self):
        seen = []
        context = Authority.serving(self.authority.issue("DNS:inner.test"))
        context.sni_callback = lambda _, name, __: seen.append(name)
        with Upstream(echo, tls=context) as upstream:
            self.assert_served(upstream, "server_name: inner.test")
        self.assertEqual(seen, ["inner.test"])

    def test_d062_port_name_path_and_host_of_an_https_url(self):
        seen = []
        context = Authority.serving(self.leaf)
        context.sni_callback = lambda _, name, __: seen.append(name)
        with Upstream(echo, tls=context) as upstream:
            upstream.url = f"https://localhost:{upstream.port}/v1/chat/completions"
            head = json.loads(self.assert_served(upstream))["head"]
        self.assertEqual(seen, ["localhost"])
        self.assertEqual(head.split("\r\n")[0], "POST /v1/chat/completions HTTP/1.1")
        self.assertIn(f"host: localhost:{upstream.port}\r\n", head.lower())

    def test_pins(self):
        key = openssl("x509", "-in", self.leaf.chain, "-noout", "-pubkey").encode()
        path = self.authority.file("spki.der")
        openssl("pkey", "-pubin", "-outform", "der", "-out", path, stdin=key)
        good = "sha256/" + openssl("base64", "-in", self._digest(path)).strip()
        bad = "sha256/" + "B" * 42 + "A="
        with self.serving(self.leaf) as upstream:
            self.assert_served(upstream, f"pins: [{bad}, {good}]")
            _, line = self.refusal(upstream, f"pins: [{bad}]")
            self.assertIn("pinned", line["error_detail"])

    def _digest(self, path):
        openssl("dgst", "-sha256", "-binary", "-out", path + ".sha256", path)
        return path + ".sha256"

    def test_a_client_certificate_is_shown_when_it_is_asked_for(self):
        ours = self.authority.issue(None, "/CN=gateway")
        shown = f"certificate: {ours.chain}, key: {ours.key}"
        with self.serving(self.leaf, clients_from=self.authority.pem) as upstream:
            self.assert_served(upstream, shown)
            with Gateway(self.config(upstream)) as gateway, gateway.connect() as client:
                client.post(ask())
                self.assertEqual(client.read_answer().status, 502)
        with self.serving(self.leaf) as upstream:
            self.assert_served(upstream, shown)

    def test_verify_off_is_for_development_alone(self):
        with self.serving(self.authority.issue("DNS:x", is_self_signed=True)) as upstream:
            self.assert_served(upstream, "verify: false")
            text = self.config(upstream, "verify: false", "keys: [{name: k, secret: sk-k}]\n")
            with self.assertRaisesRegex(AssertionError, "verify"):
                Gateway(text.replace("development: true", "development: false")).close()

    def test_sessions_are_resumed(self):
        def script(connection):
            connection.read_request()
            connection.answer("{}")
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = Authority.serving(self.leaf)
            context.maximum_version = version
            with Upstream(script, tls=context) as upstream, Gateway(self.config(upstream).replace(
                    "    tls:", "    pool: {idle_max: 0}\n    tls:")) as gateway:
                for _ in range(5):
                    with gateway.connect() as client:
                        client.post(ask())
                        self.assertEqual(client.read_answer().status, 200)
                samples = gateway.metrics()
                counts = [samples[f'sluice_upstream_tls_handshakes_total{{upstream="up",'
                                  f'outcome="{outcome}"}}'] for outcome in ("full", "resumed")]
                self.assertEqual(counts, [1, 4])

    def test_an_answer_until_close_is_whole_only_with_close_notify(self):
        def script(connection):
            _, body = connection.read_request()
            connection.send("HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n{\"a\":1}")
            if json.loads(body)["ends"]:
                connection.socket.unwrap()
        with self.serving(self.leaf, script) as upstream, Gateway(
                self.config(upstream)) as gateway:
            with gateway.connect() as client:
                client.post(ask(ends=True))
                self.assertEqual(client.read_answer().body, b'{"a":1}')
            with gateway.connect() as client:
                client.post(ask(ends=False))
                with self.assertRaises(EOFError):
                    client.read_answer()

    def test_streams_pass_over_tls(self):
        events = [delta(f"word {i}") for i in range(200)]
        with self.serving(self.leaf, streams(*events)) as upstream, Gateway(
                self.config(upstream)) as gateway, gateway.connect() as client:
            for _ in range(3):
                client.post(ask(stream=True))
                self.assertTrue(client.read_answer().body.decode().startswith("".join(events)))

    def test_a_plain_http_upstream_behind_an_https_url(self):
        def script(connection):
            connection.more()
            connection.send("HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n")
        with Upstream(script) as upstream:
            upstream.url = upstream.url.replace("http:", "https:")
            error, line = self.refusal(upstream)
            self.assertIn("speaks plain HTTP", line["error_detail"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
