"""A TLS listener as openssl, curl and Python's ssl see it."""

import json
import os
import socket
import ssl
import subprocess
import threading
import unittest

from support import PATIENCE_S, Client, Upstream, ask, config, delta, echo, streams
from tls_support import Authority, TlsGateway, openssl

CIPHERS_13 = ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"]
CIPHERS_12 = ["AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305"]
# Weak ones that the library has compiled in, and what is only old.
REFUSED_12 = ["aNULL", "eNULL", "PSK", "kRSA", "DHE", "AES128-SHA", "ECDHE-RSA-AES128-SHA256",
              "ECDHE-ECDSA-AES256-SHA384", "ECDHE-ECDSA-AES128-CCM"]
# Those that openssl no longer has, by number: RC4, 3DES and NULL with RSA and ECDHE, anonymous DH.
REFUSED_CODES = [0x0004, 0x0005, 0x000a, 0x0001, 0x0002, 0x003b, 0xc006, 0xc007, 0xc008, 0xc010,
                 0xc011, 0xc012, 0xc015, 0xc016, 0xc018, 0x0018, 0x0034, 0x006c, 0x00a6]
V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
NO_CIPHER = "Cipher is (NONE)"
REQUEST = b"GET /v1/models HTTP/1.1\r\nhost: t\r\n\r\n"


class TlsCase(unittest.TestCase):
    """One authority, one upstream and one gateway with two certificates for all its tests."""

    more = ""

    @classmethod
    def setUpClass(cls):
        cls.authority = Authority()
        cls.leaf = cls.authority.issue(key="rsa")
        cls.other = cls.authority.issue("DNS:other.test,DNS:*.wild.test", "/CN=other")
        cls.upstream = cls.enterClassContext(Upstream(cls.script))
        cls.gateway = cls.enterClassContext(TlsGateway(
            cls.authority, config(cls.upstream), [cls.leaf, cls.other], cls.more, shards=2))

    @classmethod
    def enterClassContext(cls, context):  # Python 3.11 has it.
        cls.addClassCleanup(context.__exit__, None, None, None)
        return context.__enter__()

    @staticmethod
    def script(connection):
        echo(connection)

    def assert_answers(self, client):
        client.post(ask())
        self.assertEqual(client.read_answer().status, 200)


class Handshakes(TlsCase):
    def test_versions_12_and_13_are_spoken_and_older_ones_refused(self):
        for version in ("-tls1_2", "-tls1_3"):
            self.assertIn("Verification: OK", self.gateway.s_client(version))
        for version in ("-tls1", "-tls1_1"):
            said = self.gateway.s_client(version, "-cipher", "DEFAULT@SECLEVEL=0")
            self.assertIn(NO_CIPHER, said)
            self.assertIn("alert protocol version", said)

    def test_each_allowed_cipher_suite_works_and_no_other(self):
        for cipher in CIPHERS_13:
            self.assertIn(f"Cipher is {cipher}",
                          self.gateway.s_client("-tls1_3", "-ciphersuites", cipher))
        for name, kind in (("localhost", "RSA"), ("other.test", "ECDSA")):
            for cipher in CIPHERS_12:
                said = self.gateway.s_client("-tls1_2", "-cipher", f"ECDHE-{kind}-{cipher}",
                                             "-servername", name)
                self.assertIn(f"Cipher is ECDHE-{kind}-{cipher}", said)
            for cipher in REFUSED_12:
                said = self.gateway.s_client("-tls1_2", "-cipher", f"{cipher}:@SECLEVEL=0",
                                             "-servername", name)
                self.assertIn(NO_CIPHER, said, cipher)
        said = self.gateway.s_client("-tls1_3", "-ciphersuites", "TLS_AES_128_CCM_SHA256")
        self.assertIn(NO_CIPHER, said)

    def test_suites_that_openssl_has_forgotten_are_refused_too(self):
        extensions = (b"\0\x0a\0\4\0\2\0\x17" + b"\0\x0b\0\2\1\0" +
                      b"\0\x0d\0\6\0\4\4\3\4\1")
        for code in REFUSED_CODES:
            hello = (b"\3\3" + os.urandom(32) + b"\0" + b"\0\2" + code.to_bytes(2, "big") +
                     b"\1\0" + len(extensions).to_bytes(2, "big") + extensions)
            message = b"\1" + len(hello).to_bytes(3, "big") + hello
            with self.gateway.connect_plain() as client:
                client.send(b"\x16\3\1" + len(message).to_bytes(2, "big") + message)
                answer = client.read_to_end()
            self.assertEqual(answer, b"\x15\3\3\0\2\2\x28", hex(code))  # handshake_failure.

    def test_groups(self):
        for group in ("X25519", "P-256", "P-384"):
            for version in ("-tls1_2", "-tls1_3"):
                self.assertIn("Verification: OK",
                              self.gateway.s_client(version, "-groups", group))
        for group in ("P-521", "X448", "ffdhe2048"):
            self.assertIn(NO_CIPHER, self.gateway.s_client("-tls1_3", "-groups", group), group)
        for group in ("P-192", "P-224", "secp160k1", "ffdhe2048"):
            said = self.gateway.s_client("-tls1_2", "-cipher", "DEFAULT@SECLEVEL=0", "-groups",
                                         group)
            self.assertIn(NO_CIPHER, said, group)
        # The first share is of a group that is not spoken: the client is asked for another.
        self.assertIn("Verification: OK", self.gateway.s_client("-groups", "P-521:X25519"))

    def test_the_name_that_is_asked_for_chooses_the_certificate(self):
        for name, subject in (("localhost", "localhost"), ("other.test", "other"),
                              ("OTHER.test", "other"), ("a.wild.test", "other"),
                              ("a.b.wild.test", "localhost"), ("wild.test", "localhost"),
                              ("nobody.test", "localhost")):
            for version in ("-tls1_2", "-tls1_3"):
                said = self.gateway.s_client(version, "-servername", name)
                self.assertIn(f"subject=CN = {subject}\n", said, name)
        said = openssl("s_client", "-connect", f"127.0.0.1:{self.gateway.port}", "-noservername")
        self.assertIn("subject=CN = localhost\n", said)

    def test_curl_speaks_both_versions(self):
        for version in ("1.2", "1.3"):
            done = subprocess.run(
                ["curl", "-sS", "--http1.1", "--cacert", self.authority.pem, "--tlsv" + version,
                 "--tls-max", version, "-w", " %{http_version} %{ssl_verify_result}", "-d", ask(),
                 f"https://localhost:{self.gateway.port}/v1/chat/completions"],
                capture_output=True, timeout=PATIENCE_S, check=True)
            self.assertTrue(done.stdout.endswith(b" 1.1 0"), done.stdout)
            self.assertIn(b'"head"', done.stdout)

    def test_alpn_chooses_http_2_before_http_11(self):
        for offered, chosen in ((["h2", "http/1.1"], "h2"), (["http/1.1", "h2"], "h2"),
                                (["http/1.1"], "http/1.1"), (["spdy/1", "http/1.1"], "http/1.1")):
            for version in (V12, V13):
                context = self.authority.trusting(version=version)
                context.set_alpn_protocols(offered)
                with self.gateway.connect(context) as client:
                    self.assertEqual(client.socket.selected_alpn_protocol(), chosen)
                    if chosen == "http/1.1":
                        self.assert_answers(client)
        self.assertIn("No ALPN negotiated", self.gateway.s_client("-alpn", "spdy/1"))

    def test_http_2_can_be_switched_off(self):
        with TlsGateway(self.authority, config(self.upstream) + "http2: {enabled: false}\n",
                        [self.leaf]) as gateway:
            context = self.authority.trusting()
            context.set_alpn_protocols(["h2", "http/1.1"])
            with gateway.connect(context) as client:
                self.assertEqual(client.socket.selected_alpn_protocol(), "http/1.1")
                self.assert_answers(client)

    def test_tickets_resume_on_any_shard(self):
        for version in (V12, V13):
            context = self.authority.trusting(version=version)
            with self.gateway.connect(context) as client:
                self.assert_answers(client)
                session = client.socket.session
            before = self.gateway.handshakes()["resumed"]
            # The kernel spreads connections: 32 of them all come to one of two shards in no run.
            for _ in range(32):
                with self.gateway.connect(context, session=session) as client:
                    self.assertTrue(client.socket.session_reused)
                    self.assert_answers(client)
            self.assertEqual(self.gateway.handshakes()["resumed"], before + 32)

    def test_s_client_resumes(self):
        path = self.authority.file("session")
        for version in ("-tls1_2", "-tls1_3"):
            answer = b"GET /healthz HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n"
            said = self.gateway.s_client(version, "-ign_eof", "-sess_out", path, stdin=answer)
            self.assertIn("New, ", said)
            self.assertIn("Reused, ", self.gateway.s_client(version, "-sess_in", path))

    def test_a_ticket_that_was_altered_makes_a_full_handshake(self):
        path = self.authority.file("altered")
        self.gateway.s_client("-tls1_2", "-sess_out", path)
        der = openssl("sess_id", "-in", path, "-outform", "DER", "-out", path + ".der")
        with open(path + ".der", "rb") as file:
            bytes_ = bytearray(file.read())
        bytes_[-40] ^= 1  # Within the ticket, which stands near the end.
        with open(path + ".der", "wb") as file:
            file.write(bytes_)
        openssl("sess_id", "-inform", "DER", "-in", path + ".der", "-out", path)
        said = self.gateway.s_client("-tls1_2", "-sess_in", path)
        self.assertIn("New, TLSv1.2", said, der)
        self.assertIn("Verification: OK", said)

    def test_renegotiation_is_refused_and_harms_nobody(self):
        said = self.gateway.s_client("-tls1_2", "-msg", stdin=b"R\nGET / HTTP/1.1\r\n")
        self.assertNotIn("DONE", said)
        with self.gateway.connect() as client:
            self.assert_answers(client)

    def test_key_updates_of_a_client_are_followed(self):
        process = subprocess.Popen(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{self.gateway.port}", "-tls1_3"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        with process:
            for line in (b"K\n", b"k\n", b"K\n"):
                process.stdin.write(line)
                process.stdin.flush()
                # Each line is a read of its own only when the one before was taken.
                while b"KEYUPDATE" not in process.stdout.readline():
                    self.assertIsNone(process.poll())
            process.stdin.write(REQUEST)
            process.stdin.flush()
            while b"HTTP/1.1 200" not in process.stdout.readline():
                self.assertIsNone(process.poll())
            process.kill()

    def test_plain_http_gets_400_in_json(self):
        with self.gateway.connect_plain() as client:
            client.post(ask(big="x" * 100_000))
            answer = client.read_answer()
            self.assertEqual(answer.status, 400)
            self.assertEqual(json.loads(answer.body)["error"]["code"], "plain_http_on_tls_port")
            self.assertTrue(client.is_closed())

    def test_garbage_is_closed_and_harms_nobody(self):
        before = self.gateway.handshakes()["failed"]
        pieces = [b"\0" * 64, b"\x16\x03\x01\xff\xff" + b"\x01" * 200, b"\x80\x2e\x01\x03\x01",
                  b"\x15\x03\x03\0\x02\x01\0", b"\x17\x03\x03\0\x10" + b"a" * 16,
                  b"\x16\x03\x01\0\0" * 30, os.urandom(5000)]
        for piece in pieces:
            with self.gateway.connect_plain() as client:
                client.send(piece)
                client.socket.shutdown(socket.SHUT_WR)
                client.read_to_end()
        with self.gateway.connect_plain() as client:
            client.reset()
        with self.gateway.connect() as client:
            self.assert_answers(client)
        self.assertGreaterEqual(self.gateway.handshakes()["failed"], before + len(pieces) - 1)

    def test_a_handshake_in_single_bytes_is_completed(self):
        outer = socket.create_connection(("127.0.0.1", self.gateway.port), timeout=PATIENCE_S)
        outer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        session = self.authority.trusting().wrap_bio(incoming, outgoing,
                                                     server_hostname="localhost")
        with outer:
            for _ in range(100):
                try:
                    session.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    for byte in outgoing.read():
                        outer.send(bytes([byte]))
                    incoming.write(outer.recv(65536))
            session.write(REQUEST)
            for byte in outgoing.read():
                outer.send(bytes([byte]))
            text = b""
            while b"\r\n\r\n" not in text:
                incoming.write(outer.recv(65536))
                try:
                    text += session.read(65536)
                except ssl.SSLWantReadError:
                    pass
            self.assertTrue(text.startswith(b"HTTP/1.1 200"))


class Requests(TlsCase):
    @staticmethod
    def script(connection):
        while True:
            _, body = connection.read_request()
            fields = json.loads(body)
            if "answer" not in fields:
                connection.answer(json.dumps({"bytes": len(body)}))
                continue
            connection.answer(b"x" * fields["answer"])

    def test_a_long_head_and_one_too_long(self):
        with self.gateway.connect() as client:
            client.send(REQUEST[:-2] + b"x-a: " + b"y" * 14_000 + b"\r\n\r\n")
            self.assertEqual(client.read_answer().status, 200)
            client.send(REQUEST[:-2] + b"x-a: " + b"y" * 20_000 + b"\r\n\r\n")
            answer = client.read_answer()
            self.assertEqual(answer.status, 431)
            self.assertEqual(json.loads(answer.body)["error"]["code"], "head_too_large")

    def test_a_large_body(self):
        for version in (V12, V13):
            with self.gateway.connect(self.authority.trusting(version=version)) as client:
                for size in (300_000, 1, 5_000_000):
                    body = ask(padding="p" * size)
                    client.post(body)
                    answer = json.loads(client.read_answer().body)
                    self.assertGreaterEqual(answer["bytes"], size)

    def test_expect_100_continue(self):
        with self.gateway.connect() as client:
            body = ask().encode()
            client.send("POST /v1/chat/completions HTTP/1.1\r\nhost: t\r\nexpect: 100-continue\r\n"
                        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n")
            status, _, _ = client.read_head()
            self.assertEqual(status, 100)
            client.send(body)
            self.assertEqual(client.read_answer().status, 200)

    def test_pipelined_requests_in_one_record(self):
        with self.gateway.connect() as client:
            client.send(REQUEST * 50)  # Within 16 KiB, so one record.
            for _ in range(50):
                self.assertEqual(client.read_answer().status, 200)

    def test_one_request_in_many_records(self):
        body = ask(padding="p" * 200).encode()
        request = (b"POST /v1/chat/completions HTTP/1.1\r\nhost: t\r\n"
                   b"content-type: application/json\r\n"
                   b"content-length: %d\r\n\r\n" % len(body)) + body
        with self.gateway.connect() as client:
            client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in request * 2:
                client.send(bytes([byte]))
            for _ in range(2):
                self.assertEqual(json.loads(client.read_answer().body)["bytes"], len(body))

    def test_a_huge_answer_to_a_slow_reader_stays_small_in_memory(self):
        size = 100_000_000
        with self.gateway.connect() as client:
            client.post(ask(answer=10_000_000))
            client.read_answer()
            before = self.gateway.resident_kb()
            client.post(ask(answer=size))
            _, headers, _ = client.read_head()
            self.assertEqual(int(headers["content-length"]), size)
            largest, left = 0, size - len(client.buffer)
            client.buffer.clear()
            while left > 0:
                taken = client.socket.recv(1 << 20)
                self.assertTrue(taken)
                self.assertEqual(taken.count(b"x"), len(taken))
                left -= len(taken)
                if left % 50 == 0 or left < size // 100:
                    largest = max(largest, self.gateway.resident_kb())
            print(f"100 MB over TLS: {largest - before} KiB more resident memory")
            self.assertLess(largest - before, 20_000)

    def test_a_client_that_goes_without_close_notify_is_no_trouble(self):
        for _ in range(20):
            client = self.gateway.connect()
            client.send(REQUEST[:-2])
            client.reset()
        with self.gateway.connect() as client:
            self.assert_answers(client)

    def test_the_end_of_a_connection_is_announced(self):
        with self.gateway.connect(suppress_ragged_eofs=False) as client:
            client.send(b"GET /v1/models HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n")
            client.read_answer()
            self.assertTrue(client.is_closed())  # Without close_notify this raises SSLEOFError.


class ClientCertificates(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.authority = Authority()
        cls.leaf = cls.authority.issue()
        cls.team = cls.authority.issue(None, "/O=Example/CN=team-a")
        cls.elsewhere = Authority("stranger")
        cls.stranger = cls.elsewhere.issue(None, "/CN=team-a")

    def gateway(self, upstream, mode, extra=""):
        more = f"  client_certificates: {mode}\n  client_ca: {self.authority.pem}\n"
        return TlsGateway(self.authority, config(upstream, extra), [self.leaf], more)

    def is_refused(self, gateway, context):
        try:
            with gateway.connect(context) as client:
                client.send(REQUEST)
                return not client.more()
        except ssl.SSLError as error:
            # The library sends no alert for a missing certificate in TLS 1.2.
            return "ALERT" in str(error) or "EOF" in str(error)

    def test_optional_ones_may_be_missing_but_not_wrong(self):
        with Upstream(echo) as upstream, self.gateway(upstream, "optional") as gateway:
            for version in (V12, V13):
                for identity in (None, self.team):
                    context = self.authority.trusting(identity, version)
                    self.assertFalse(self.is_refused(gateway, context))
                context = self.authority.trusting(self.stranger, version)
                self.assertTrue(self.is_refused(gateway, context))

    def test_required_ones_must_be_shown(self):
        with Upstream(echo) as upstream, self.gateway(upstream, "required") as gateway:
            for version in (V12, V13):
                for identity, is_refused in ((None, True), (self.stranger, True),
                                             (self.team, False)):
                    context = self.authority.trusting(identity, version)
                    self.assertEqual(self.is_refused(gateway, context), is_refused)

    def test_a_certificate_is_a_key(self):
        keys = ("keys:\n  - {name: team, certificate_subject: 'CN=team-a,O=Example'}\n"
                "  - {name: app, secret: sk-app}\n")
        other = self.authority.issue(None, "/CN=team-b")
        with Upstream(echo) as upstream, self.gateway(upstream, "optional", keys) as gateway:
            for identity, key, status in ((self.team, "", 200), (other, "", 401), (None, "", 401),
                                          (other, "authorization: Bearer sk-app\r\n", 200),
                                          (None, "authorization: Bearer sk-app\r\n", 200)):
                with gateway.connect(self.authority.trusting(identity)) as client:
                    client.post(ask(), headers=key)
                    self.assertEqual(client.read_answer().status, status, (identity, key))


class Stapling(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.authority = Authority()
        cls.leaf, cls.bare, cls.other = (cls.authority.issue() for _ in range(3))
        for identity in (cls.leaf, cls.bare):
            identity.ocsp = cls.authority.staple(identity)
        with open(cls.authority.pem, encoding="ascii") as issuer, open(
                cls.leaf.chain, "a", encoding="ascii") as chain:
            chain.write(issuer.read())

    def test_the_ocsp_response_is_stapled_for_those_who_ask(self):
        with Upstream(echo) as upstream, TlsGateway(
                self.authority, config(upstream), [self.leaf]) as gateway:
            for version in ("-tls1_2", "-tls1_3"):
                self.assertIn("Cert Status: good", gateway.s_client(version, "-status"))
                self.assertNotIn("OCSP", gateway.s_client(version))

    def test_what_cannot_be_stapled_is_refused_at_the_start(self):
        asks = f"  client_certificates: optional\n  client_ca: {self.authority.pem}\n"
        for identities, more, reason in (
                ([self.bare], "", "append it to the certificate's file"),
                ([self.leaf, self.other], "", "one certificate only"),
                ([self.leaf], asks, "where clients are asked for certificates")):
            with Upstream(echo) as upstream, self.assertRaisesRegex(AssertionError, reason):
                TlsGateway(self.authority, config(upstream), identities, more).close()


if __name__ == "__main__":
    unittest.main(verbosity=2)
