#!/usr/bin/env python3
"""Admin calls to a running gateway: on its Unix socket, and with keys on its second listener."""

import concurrent.futures
import json
import os
import socket
import ssl
import stat
import tempfile
import unittest

from support import PATIENCE_S, Client, Gateway
from tls_support import Authority

CONFIG = """development: true
upstreams: [{name: up, url: "http://127.0.0.1:9", private_addresses: true}]
models: [{name: m, routes: [{upstream: up}]}]
"""
BOOTSTRAP = "let-me-in-0123456789abcdef0123456789"


class Admin(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def start(self, admin="", config=CONFIG):
        store = os.path.join(self.folder.name, "keys.db")
        gateway = Gateway(f"{config}store: {{path: {store}}}\n", shards=2,
                          environment={"BOOTSTRAP": BOOTSTRAP},
                          admin=f', listen: "127.0.0.1:0", bootstrap_token: env://BOOTSTRAP{admin}')
        self.addCleanup(gateway.close)
        pattern = rb"admin calls with keys on https?://127\.0\.0\.1:(\d+)"
        self.port = int(gateway.wait_for(pattern).group(1))
        self.gateway = gateway
        return gateway

    def call(self, method, path, body=None, token=None, headers="", raw=None):
        """Over the Unix socket, or with a token over the listener. The status, headers and body."""
        if token is None:
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(PATIENCE_S)
            connection.connect(self.gateway.socket_path)
        else:
            connection = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)
            headers += f"authorization: Bearer {token}\r\n"
        data = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        if "content-type" not in headers:
            headers += "content-type: application/json\r\n"
        if "transfer-encoding" not in headers:
            headers += f"content-length: {len(data)}\r\n"
        with Client(connection) as client:
            client.send(f"{method} {path} HTTP/1.1\r\nhost: t\r\n{headers}\r\n".encode() + data)
            answer = client.read_answer()
        return answer.status, answer.headers, json.loads(answer.body)

    def ok(self, *arguments, **named):
        status, _, body = self.call(*arguments, **named)
        self.assertLess(status, 300, body)
        return body

    def refused(self, *arguments, **named):
        status, _, body = self.call(*arguments, **named)
        self.assertGreaterEqual(status, 400, body)
        return status, body["error"]["code"]

    def make_key(self, **members):
        made = self.ok("POST", "/v1/keys", members)
        return made["key"]["id"], made["secret"]

    def test_d001_the_data_port_has_no_admin_path(self):
        gateway = self.start()
        _, secret = self.make_key(type="management")
        paths = [path.replace("{", "").replace("}", "")
                 for path in self.ok("GET", "/v1/openapi.json")["paths"]]
        paths += ["/user/info", "/organization/list", "/spend/logs", "/audit/logs", "/admin/keys",
                  "/global/activity", "/invitation/list", "/control/config", "/mcp/tools", "/"]
        for path in paths:
            for headers in ("", f"authorization: Bearer {secret}\r\n",
                            f"authorization: Bearer {BOOTSTRAP}\r\n"):
                with gateway.connect() as client:
                    client.send(f"GET {path} HTTP/1.1\r\nhost: t\r\n{headers}\r\n")
                    self.assertEqual(client.read_answer().status, 404, path)

    def test_d002_a_listener_beyond_loopback_needs_tls(self):
        with self.assertRaises(AssertionError) as caught:
            Gateway(CONFIG, environment={"BOOTSTRAP": BOOTSTRAP},
                    admin=', listen: "0.0.0.0:0", bootstrap_token: env://BOOTSTRAP')
        self.assertIn("without TLS", str(caught.exception))

    def test_d003_d099_rights_come_from_the_type_of_the_key(self):
        self.start()
        keys = {kind: self.make_key(type=kind)[1]
                for kind in ("inference", "management", "read_only")}
        self.assertEqual(self.refused("GET", "/v1/keys", token=keys["inference"])[0], 403)
        self.assertEqual(self.refused("POST", "/v1/keys", {}, token=keys["inference"])[0], 403)
        self.ok("GET", "/v1/keys", token=keys["read_only"])
        for method, path in (("POST", "/v1/keys"), ("POST", "/v1/reload"), ("POST", "/v1/drain"),
                             ("POST", "/key/generate")):
            self.assertEqual(self.refused(method, path, {}, token=keys["read_only"]),
                             (403, "forbidden"))
        self.ok("POST", "/v1/keys", {}, token=keys["management"])

    def test_d004_a_key_of_one_organisation_does_not_reach_another(self):
        self.start()
        mine, other = (self.ok("POST", "/v1/organisations", {"name": name})["organisation"]["id"]
                       for name in ("mine", "other"))
        foreign, _ = self.make_key(organisation=other)
        own, token = self.make_key(organisation=mine, type="management")
        for method, path in (("GET", ""), ("DELETE", ""), ("PATCH", ""), ("POST", "/block"),
                             ("POST", "/rotate")):
            self.assertEqual(self.refused(method, f"/v1/keys/{foreign}{path}", {}, token=token),
                             (404, "not_found"))
        listed = self.ok("GET", "/v1/keys", token=token)["keys"]
        self.assertEqual([key["id"] for key in listed], [own])
        made = self.ok("POST", "/v1/keys", {}, token=token)
        self.assertEqual(made["key"]["organisation"], mine)
        self.assertEqual(self.refused("POST", "/v1/reload", {}, token=token)[0], 403)

    def test_d008_who_did_it_is_not_what_a_header_says(self):
        self.start()
        key, token = self.make_key(type="management")
        forged = "x-user-id: root\r\nx-actor: root\r\nx-forwarded-for: 9.9.9.9\r\n"
        made = self.ok("POST", "/v1/keys", {}, token=token, headers=forged)["key"]["id"]
        entry = self.ok("GET", f"/v1/audit?object={made}")["entries"][0]
        self.assertEqual((entry["actor"], entry["origin"]), (key, "127.0.0.1"))
        first = self.ok("GET", f"/v1/audit?object={key}")["entries"][0]
        self.assertEqual(first["actor"], f"unix:uid={os.getuid()},pid={os.getpid()}")

    def test_d010_a_body_above_one_mebibyte_is_refused(self):
        self.start()
        big = b'{"name":"' + b"a" * (1 << 20) + b'"}'
        self.assertEqual(self.call("POST", "/v1/keys", raw=big)[0], 413)
        chunks = b"".join(b"10000\r\n" + b"a" * 0x10000 + b"\r\n" for _ in range(17)) + b"0\r\n\r\n"
        self.assertEqual(self.call("POST", "/v1/keys", raw=chunks,
                                   headers="transfer-encoding: chunked\r\n")[0], 413)
        body = b'{"name":"a"}'
        chunk = f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"
        self.assertEqual(self.call("POST", "/v1/keys", raw=chunk,
                                   headers="transfer-encoding: chunked\r\n")[0], 201)

    def test_d015_a_browser_changes_nothing(self):
        self.start()
        plain = "content-type: text/plain\r\n"
        self.assertEqual(self.call("POST", "/v1/keys", {}, headers=plain)[0], 415)
        page = "origin: http://evil\r\n"
        self.assertEqual(self.call("POST", "/v1/keys", {}, headers=page)[0], 403)
        status, headers, body = self.call("GET", "/v1/keys")
        self.assertEqual((status, body["keys"]), (200, []))
        self.assertEqual(headers["x-content-type-options"], "nosniff")
        self.assertEqual(headers["cache-control"], "no-store")

    def test_d104_the_bootstrap_token_makes_the_first_key(self):
        self.start()
        made = self.ok("POST", "/v1/keys", {"type": "management"}, token=BOOTSTRAP)
        self.ok("GET", "/v1/shards", token=made["secret"])
        self.assertEqual(self.refused("GET", "/v1/keys", token=BOOTSTRAP[:-1])[0], 401)

    def test_tokens_cannot_be_guessed_for_long(self):
        self.start()
        seen = [self.refused("GET", "/v1/keys", token=f"sk-guess-{i}")[0] for i in range(12)]
        self.assertEqual(seen, [401] * 10 + [429] * 2)
        self.ok("GET", "/v1/keys")  # The Unix socket is another matter.

    def test_d141_a_full_sync_of_nothing_must_be_meant(self):
        self.start()
        keys = [{"name": f"k{i}", "secret": f"sk-0123456789abcdef-{i}"} for i in range(3)]
        dry = self.ok("POST", "/v1/keys/sync", {"mode": "full", "dry_run": True, "keys": keys})
        self.assertEqual((dry["created"], self.ok("GET", "/v1/keys")["keys"]), (3, []))
        self.ok("POST", "/v1/keys/sync", {"mode": "full", "keys": keys})
        empty = {"mode": "full", "keys": []}
        self.assertEqual(self.refused("POST", "/v1/keys/sync", empty)[0], 400)
        self.assertEqual(len(self.ok("GET", "/v1/keys")["keys"]), 3)
        gone = self.ok("POST", "/v1/keys/sync", {"mode": "full", "allow_empty": True, "keys": []})
        self.assertEqual(gone["deleted"], 3)

    def test_a_repeated_request_makes_one_key(self):
        self.start()
        once = "idempotency-key: abc-1\r\n"
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            calls = [pool.submit(self.ok, "POST", "/v1/keys", {"name": "a"}, headers=once)
                     for _ in range(8)]
            answers = [call.result(timeout=PATIENCE_S) for call in calls]
        self.assertEqual(len({answer["key"]["id"] for answer in answers}), 1)
        self.assertEqual([answer["secret"] is None for answer in answers].count(False), 1)
        self.assertEqual(self.refused("POST", "/v1/keys", {"name": "b"}, headers=once),
                         (409, "idempotency_conflict"))

    def test_everything_is_in_the_audit_log_and_no_secret(self):
        self.start()
        key, secret = self.make_key(name="app")
        self.ok("PATCH", f"/v1/keys/{key}", {"name": "other"})
        self.ok("POST", f"/v1/keys/{key}/block")
        rotated = self.ok("POST", f"/v1/keys/{key}/rotate")["secret"]
        self.ok("POST", "/v1/upstreams/up/drain")
        self.ok("POST", "/v1/reload")
        self.ok("DELETE", f"/v1/keys/{key}")
        entries = self.ok("GET", "/v1/audit")["entries"]
        self.assertEqual([entry["action"] for entry in reversed(entries)],
                         ["key.create", "key.update", "key.block", "key.rotate", "upstream.drain",
                          "config.reload", "key.delete"])
        for text in (secret, rotated):
            self.assertNotIn(text, json.dumps(entries))
        with open(os.path.join(self.folder.name, "keys.db"), "rb") as file:
            self.assertNotIn(secret.encode(), file.read())

    def test_the_socket_has_the_mode_of_the_configuration(self):
        gateway = self.start(admin=f", mode: 0640, group: \"{os.getgid()}\"")
        status = os.stat(gateway.socket_path)
        self.assertEqual(stat.S_IMODE(status.st_mode), 0o640)

    def test_the_listener_speaks_tls(self):
        authority = Authority()
        identity = authority.issue()
        self.start(admin=f", certificate: {identity.chain}, key: {identity.key}")
        context = ssl.create_default_context(cafile=authority.pem)
        raw = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)
        with Client(context.wrap_socket(raw, server_hostname="localhost")) as client:
            client.send(f"GET /v1/version HTTP/1.1\r\nhost: t\r\nauthorization: Bearer {BOOTSTRAP}"
                        "\r\n\r\n")
            answer = client.read_answer()
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.headers["strict-transport-security"], "max-age=31536000")
        with Client(socket.create_connection(("127.0.0.1", self.port),
                                             timeout=PATIENCE_S)) as client:
            client.send("GET /v1/version HTTP/1.1\r\nhost: t\r\n\r\n")
            self.assertTrue(client.is_closed() or b"HTTP/1.1 200" not in client.buffer)


if __name__ == "__main__":
    unittest.main()
