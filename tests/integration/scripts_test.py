#!/usr/bin/env python3
"""Scripts of a running gateway: what they return takes effect, and nothing else does."""

import json
import os
import tempfile
import unittest

from support import Gateway, Upstream, ask, echo, post_admin

SECRET = "sk-app-0123456789abcdef"


class Scripts(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.upstream = Upstream(echo)
        self.addCleanup(self.upstream.close)

    def file(self, name, text):
        path = os.path.join(self.folder.name, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def start(self, extra, **hooks):
        """A gateway with one key, and a script for each hook; `extra` stands in `scripts`."""
        scripts = "".join(f"  {hook}: {{file: {self.file(hook + '.lua', text)}}}\n"
                          for hook, text in hooks.items())
        return self.run_gateway((f"scripts:\n{scripts}{extra}" if hooks else extra) +
                                f"keys: [{{name: app, secret: {SECRET}}}]\n")

    def run_gateway(self, extra):
        gateway = Gateway(f"""
upstreams: [{{name: up, url: "{self.upstream.url}", private_addresses: true}}]
models:
  - {{name: m, routes: [{{upstream: up}}]}}
  - {{name: other, routes: [{{upstream: up}}]}}
{extra}""")
        self.addCleanup(gateway.close)
        return gateway

    def send(self, gateway, headers="", secret=SECRET):
        """The status, the body, and with 200 what the upstream has got."""
        with gateway.connect() as client:
            client.post(ask(), headers=f"authorization: Bearer {secret}\r\n{headers}")
            answer = client.read_answer()
        body = json.loads(answer.body)
        got = body.get("head", "").lower()
        return answer.status, body, got

    def code(self, *arguments, **named):
        status, body, _ = self.send(*arguments, **named)
        return status, body.get("error", {}).get("code")

    def test_d132_what_scripts_return_takes_effect(self):
        gateway = self.start(
            "  may_route: true\n",
            on_auth='log("seen " .. request.key_id)\n'
                    'return { metadata = { centre = "c7" } }\n',
            on_request='if request.headers["x-refuse"] then\n'
                       '  return { allow = false, message = "not today" }\n'
                       'end\n'
                       'return { headers = { ["x-centre"] = metadata.centre }, model = "other" }\n',
            on_response='return { log = { by = request.key_id, centre = metadata.centre } }\n')
        status, body, got = self.send(gateway)
        self.assertEqual(status, 200)
        self.assertIn("x-centre: c7\r\n", got)
        self.assertEqual(json.loads(body["body"])["model"], "other")
        gateway.wait_for(rb"seen app")
        status, body, _ = self.send(gateway, "x-refuse: 1\r\n")
        self.assertEqual((status, body["error"]["code"]), (403, "refused_by_policy"))
        self.assertIn("not today", body["error"]["message"])
        gateway.signal()
        self.assertEqual(gateway.wait(), 0)
        with open(gateway.access_log, encoding="utf-8") as file:
            lines = file.read()
        self.assertIn('"by":"app"', lines)
        self.assertIn('"centre":"c7"', lines)

    def test_d095_a_script_that_fails_refuses_unless_it_may_be_passed_over(self):
        for on_error, expected in (("refuse", (500, "policy_failed")), ("pass", (200, None))):
            path = self.file("fails.lua", 'error("canary " .. request.headers["x-word"])\n')
            gateway = self.run_gateway(
                f"scripts: {{on_request: {{file: {path}, on_error: {on_error}}}}}\n"
                f"keys: [{{name: app, secret: {SECRET}}}]\n")
            status, body, _ = self.send(gateway, "x-word: a\r\n")
            self.assertEqual((status >= 500, body.get("error", {}).get("code")),
                             (expected[0] >= 500, expected[1]), on_error)
            self.assertNotIn("canary", json.dumps(body.get("error", "")))

    def test_d094_a_script_changes_neither_key_nor_route_unless_it_may(self):
        for returned in ('{ headers = { authorization = "Bearer other" } }',
                         '{ headers = { ["x-api-key"] = "other" } }',
                         '{ model = "other" }', '{ tags = { "gold" } }', '{ tenant = "other" }',
                         '{ key_id = "other" }'):
            gateway = self.start("", on_request=f"return {returned}\n")
            self.assertEqual(self.code(gateway)[1], "policy_failed", returned)
            gateway.close()
        self.assertEqual(self.upstream.connections, 0)

    def test_d130_a_script_that_does_not_end_costs_its_own_request_alone(self):
        gateway = self.start(
            "", on_request='if request.headers["x-loop"] then while true do end end\n'
                           'if request.headers["x-bomb"] then\n'
                           '  local all = {}\n'
                           '  while true do all[#all + 1] = string.rep("x", 100000) end\n'
                           'end\n')
        for bad in ("x-loop: 1\r\n", "x-bomb: 1\r\n"):
            self.assertEqual(self.code(gateway, bad)[1], "policy_failed")
            self.assertEqual(self.code(gateway), (200, None))

    def test_d128_a_script_of_the_chain_decides_each_request(self):
        """Also where it has no objection, and another source knows the key."""
        store = os.path.join(self.folder.name, "keys.db")
        script = self.file("chain.lua", 'if request.headers["x-refuse"] then return false end\n')
        gateway = self.run_gateway(
            f"store: {{path: {store}}}\n"
            f"auth: {{sources: [{{type: lua, script: {script}}}, {{type: sqlite}}]}}\n")
        status, made = post_admin(gateway, "/v1/keys", {"name": "app"})
        self.assertEqual(status, 201)
        for _ in range(3):
            self.assertEqual(self.code(gateway, secret=made["secret"]), (200, None))
            self.assertEqual(self.code(gateway, "x-refuse: 1\r\n", made["secret"]),
                             (403, "refused_by_policy"))

    def test_d133_who_asks_is_not_said_by_the_client(self):
        gateway = self.start("")
        forged = ("x-api-key-userid: root\r\nx-api-key-name: root\r\nx-user-id: root\r\n"
                  "x-forwarded-for: 10.1.1.1\r\n")
        status, _, got = self.send(gateway, forged)
        self.assertEqual(status, 200)
        for word in ("root", "10.1.1.1", SECRET):
            self.assertNotIn(word, got)


if __name__ == "__main__":
    unittest.main()
