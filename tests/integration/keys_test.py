#!/usr/bin/env python3
"""Keys of the store in a running gateway of two shards, from the admin call to the file.

Who calls whom is real: clients, the admin socket, an upstream, and kill -9.
"""

import glob
import hashlib
import json
import os
import re
import signal
import sqlite3
import tempfile
import unittest

from limits_support import usage
from redis_support import wait_until
from support import Gateway, Upstream, ask, config, echo, post_admin
from usage_log_test import Receiver, webhook

PROMPT = "canary-in-the-prompt"
ANSWER = "canary-in-the-answer"
CONNECTIONS = 8  # That both shards have some is looked at.
ENDPOINTS = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses")


class Place:
    """A folder for the store, the journal and the usage log of some processes."""

    def __init__(self):
        self.kept = tempfile.TemporaryDirectory()
        self.path = self.kept.name
        self.store = os.path.join(self.path, "keys.db")

    def settings(self, upstream, extra="", model_extra="", upstream_extra="", reporters=""):
        text = config(upstream, extra, model_extra, upstream_extra)
        return (text.replace("development: true\n", "") + f"store: {{path: {self.store}}}\n"
                "log: {level: debug}\n"
                f"journal: {{directory: {self.path}/journal}}\n"
                f"usage_log:\n  path: {self.path}/usage.db\n{reporters}")

    def records(self, columns):
        with sqlite3.connect(f"file:{self.path}/usage.db?mode=ro", uri=True) as db:
            return db.execute(f"SELECT {columns} FROM usage ORDER BY number").fetchall()

    def files(self, gateway):
        """(name, bytes) of all that the gateway wrote."""
        folders = (self.path, gateway.directory.name)
        for folder in folders:
            for name in glob.glob(folder + "/**", recursive=True):
                if os.path.isfile(name) and name != gateway.path:
                    with open(name, "rb") as file:
                        yield name, file.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kept.cleanup()


def call(gateway, path, body=None, method="POST"):
    status, answer = post_admin(gateway, path, body, method)
    if status >= 300:
        raise AssertionError(f"{method} {path}: {status} {answer}")
    return answer


def make_key(gateway, **members):
    """(id, secret)."""
    made = call(gateway, "/v1/keys", members)
    return made["key"]["id"], made["secret"]


def bearer(secret):
    return f"authorization: Bearer {secret}\r\n"


def post(gateway, secret, path="/v1/chat/completions", headers="", **fields):
    """The answer to one request on a connection of its own."""
    with gateway.connect() as client:
        client.post(ask(**fields), path, bearer(secret) + headers)
        return client.read_answer()


def code_of(answer):
    return answer.status, json.loads(answer.body)["error"]["code"]


def get(gateway, path, headers=""):
    with gateway.connect() as client:
        client.send(f"GET {path} HTTP/1.1\r\nhost: t\r\n{headers}\r\n")
        return client.read_answer()


class Keys(unittest.TestCase):
    def start(self, script=echo, **settings):
        self.place = Place()
        self.addCleanup(self.place.__exit__)
        self.upstream = Upstream(script)
        self.addCleanup(self.upstream.close)
        os.mkdir(os.path.join(self.place.path, "journal"))
        self.text = self.place.settings(self.upstream, **settings)
        return self.run_again()

    def run_again(self):
        gateway = Gateway(self.text, shards=2)
        self.addCleanup(gateway.close)
        return gateway


class InForce(Keys):
    """What is told on the admin socket holds from the answer on, on every shard."""

    def statuses(self, clients, secret):
        found = []
        for client in clients:
            client.post(ask(), headers=bearer(secret))
            answer = client.read_answer()
            found.append(answer.status)
            if answer.headers.get("connection") == "close":
                raise EOFError("closed")
        return found

    def on_new_connections(self, gateway, secret):
        return {post(gateway, secret).status for _ in range(CONNECTIONS)}

    def test_d005_a_block_holds_for_the_very_next_request(self):
        gateway = self.start()
        organisation = call(gateway, "/v1/organisations", {"name": "o"})["organisation"]["id"]
        team = call(gateway, "/v1/teams", {"name": "t", "organisation": organisation})["team"]["id"]
        user = call(gateway, "/v1/users", {"name": "u", "team": team,
                                           "organisation": organisation})["user"]["id"]
        key, secret = make_key(gateway, organisation=organisation, team=team, user=user)
        for path in (f"/v1/keys/{key}", f"/v1/teams/{team}", f"/v1/users/{user}",
                     f"/v1/organisations/{organisation}"):
            with self.subTest(path):
                clients = [gateway.connect() for _ in range(CONNECTIONS)]
                self.assertEqual(set(self.statuses(clients, secret)), {200})
                call(gateway, path + "/block")
                for client in clients:  # Connections that remember the key.
                    client.post(ask(), headers=bearer(secret))
                    self.assertEqual(code_of(client.read_answer()), (403, "key_blocked"))
                    client.close()
                self.assertEqual(self.on_new_connections(gateway, secret), {403})
                call(gateway, path + "/unblock")
                self.assertEqual(self.on_new_connections(gateway, secret), {200})
        shards = post_admin(gateway, "/v1/shards", method="GET")[1]["shards"]
        self.assertEqual(len([shard for shard in shards if shard["requests"] > 0]), 2)

    def test_a_key_that_is_deleted_or_expires_is_refused(self):
        gateway = self.start()
        key, secret = make_key(gateway)
        self.assertEqual(self.on_new_connections(gateway, secret), {200})
        call(gateway, f"/v1/keys/{key}", {"expires": "2020-01-01T00:00:00Z"}, "PATCH")
        self.assertEqual(self.on_new_connections(gateway, secret), {401})
        call(gateway, f"/v1/keys/{key}", {"expires": None}, "PATCH")
        self.assertEqual(self.on_new_connections(gateway, secret), {200})
        call(gateway, f"/v1/keys/{key}", method="DELETE")
        self.assertEqual(self.on_new_connections(gateway, secret), {401})

    def test_d009_after_a_kill_one_of_the_two_secrets_works(self):
        gateway = self.start()
        key, old = make_key(gateway)
        new = call(gateway, f"/v1/keys/{key}/rotate", {"overlap": "1h"})["secret"]
        newest = None
        for overlap in ({"overlap": "1h"}, {}):
            before = new
            new = call(gateway, f"/v1/keys/{key}/rotate", overlap)["secret"]
            gateway.signal(signal.SIGKILL)  # As soon as the answer is read.
            gateway.wait()
            gateway = self.run_again()
            self.assertEqual(post(gateway, new).status, 200)
            self.assertEqual(post(gateway, before).status, 200 if overlap else 401)
            newest = new
        self.assertEqual(post(gateway, old).status, 401)
        with sqlite3.connect(self.place.store) as db:
            digest, = db.execute("SELECT digest FROM keys").fetchone()
        self.assertEqual(digest, hashlib.sha256(newest.encode()).digest())

    def test_d083_what_a_fresh_store_was_told_is_there_after_a_kill(self):
        gateway = self.start()
        team = call(gateway, "/v1/teams", {"name": "t"})["team"]["id"]
        made = {"name": "app", "team": team, "type": "inference", "models": ["m"],
                "limits": {"requests_per_minute": 600, "budget_per_day": 5},
                "model_limits": [{"models": "m*", "tokens_per_minute": 100000}],
                "allowed_addresses": ["127.0.0.0/8"], "denied_addresses": ["10.0.0.0/8"],
                "not_before": "2020-01-01T00:00:00Z", "expires": "2099-01-01T00:00:00Z",
                "weight": 3, "priority_max": 2, "tags": ["a", "b"], "metadata": {"cost": "7"}}
        key, secret = make_key(gateway, **made)
        shown = post_admin(gateway, f"/v1/keys/{key}", method="GET")[1]["key"]
        for name, value in made.items():
            if name not in ("not_before", "expires"):
                self.assertEqual(shown[name], value, name)
        gateway.signal(signal.SIGKILL)
        gateway.wait()
        gateway = self.run_again()
        self.assertEqual(post_admin(gateway, f"/v1/keys/{key}", method="GET")[1]["key"], shown)
        self.assertEqual(post(gateway, secret).status, 200)
        self.assertEqual(os.stat(self.place.store).st_mode & 0o777, 0o600)

    def test_d012_d145_models_of_a_key_and_of_its_team(self):
        gateway = self.start(extra="  - {name: other, routes: [{upstream: up}]}\n"
                                   "  - {name: third, routes: [{upstream: up}]}\n")
        team = call(gateway, "/v1/teams", {"name": "t", "models": ["m", "other"]})["team"]["id"]
        _, secret = make_key(gateway, team=team, models=["other", "third"])
        listed = json.loads(get(gateway, "/v1/models", bearer(secret)).body)["data"]
        self.assertEqual([model["id"] for model in listed], ["other"])
        before = self.upstream.connections
        for model in ("m", "third"):
            for path in ENDPOINTS:
                for stream in (False, True):
                    answer = post(gateway, secret, path, model=model, stream=stream)
                    self.assertEqual(code_of(answer), (403, "model_not_allowed"), (path, model))
            self.assertEqual(get(gateway, f"/v1/models/{model}", bearer(secret)).status, 404)
        self.assertEqual(self.upstream.connections, before)
        for path in ENDPOINTS:
            self.assertEqual(post(gateway, secret, path, model="other").status, 200, path)
        for headers in ("", bearer("sk-nobody-0123456789")):
            self.assertEqual(get(gateway, "/v1/models", headers).status, 401)

    def test_d127_every_attribute_is_enforced(self):
        gateway = self.start()
        for members, expected in (
                ({"not_before": "2099-01-01T00:00:00Z"}, 403),
                ({"not_before": "2020-01-01T00:00:00Z", "expires": "2099-01-01T00:00:00Z"}, 200),
                ({"allowed_addresses": ["10.0.0.0/8"]}, 403),
                ({"allowed_addresses": ["127.0.0.0/8"]}, 200),
                ({"denied_addresses": ["127.0.0.1"]}, 403),
                ({"type": "read_only"}, 403), ({"type": "management"}, 403),
                ({"limits": {"requests_per_minute": 2}}, 200)):
            with self.subTest(members):
                _, secret = make_key(gateway, **members)
                self.assertEqual(post(gateway, secret).status, expected)
        # The last one has two requests a minute, whichever shard they come to.
        found = [post(gateway, secret).status for _ in range(CONNECTIONS)]
        self.assertEqual(found.count(200), 1, found)
        self.assertEqual(set(found), {200, 429})

    def test_d127_a_limit_of_a_team_holds_for_its_keys_together(self):
        gateway = self.start()
        team = call(gateway, "/v1/teams", {"name": "t", "limits": {"requests_per_minute": 5}})
        secrets = [make_key(gateway, team=team["team"]["id"])[1] for _ in range(2)]
        found = [post(gateway, secrets[i % 2]).status for i in range(12)]
        self.assertEqual(found.count(200), 5, found)


class Outside(Keys):
    """What leaves the process."""

    IDENTITY = ("x-api-key-userid: root\r\nx-api-key-name: root\r\nx-user-id: root\r\n"
                "x-api-key: sk-else\r\napi-key: sk-else\r\ncookie: session=1\r\n"
                "proxy-authorization: Basic eDp5\r\nx-forwarded-user: root\r\n")

    def test_d126_d133_own_keys_and_claims_of_identity_do_not_go_upstream(self):
        for credential in ("", "    credential: upstream-secret-0123\n"):
            with self.subTest(credential):
                gateway = self.start(upstream_extra=credential)
                _, secret = make_key(gateway)
                head = json.loads(post(gateway, secret, headers=self.IDENTITY).body)["head"].lower()
                for word in (secret, "root", "sk-else", "session=1", "edp5"):
                    self.assertNotIn(word.lower(), head)
                for name in ("x-api-key", "api-key", "cookie", "x-user-id", "x-forwarded-user"):
                    self.assertNotIn(f"\n{name}:", head)
                self.assertEqual("authorization: bearer upstream-secret-0123" in head,
                                 bool(credential))

    def test_d066_d134_nothing_that_is_written_has_a_prompt_or_a_secret(self):
        answer = json.dumps({"id": "c", "choices": [{"message": {"content": ANSWER}}],
                             "usage": {"prompt_tokens": 7, "completion_tokens": 5}})

        def script(connection):
            while True:
                connection.read_request()
                connection.answer(answer)
        gateway = self.start(script)
        team = call(gateway, "/v1/teams", {"name": "t"})["team"]["id"]
        user = call(gateway, "/v1/users", {"name": "u", "team": team})["user"]["id"]
        key, first = make_key(gateway, name="app", team=team, user=user)
        second = call(gateway, f"/v1/keys/{key}/rotate", {"overlap": "1h"})["secret"]
        unknown = "sk-unknown-0123456789abcdef"
        generated = call(gateway, "/key/generate", {"team_id": team})["key"]
        call(gateway, "/v1/keys/sync", {"mode": "incremental", "keys": [
            {"name": "synced", "secret": "sk-synced-0123456789abcdef"}]})
        messages = [{"role": "user", "content": PROMPT}]
        for secret in (first, second, generated, unknown):
            post(gateway, secret, messages=messages, user=PROMPT)
        get(gateway, f"/v1/models?key={first}", bearer(second))
        wait_until(lambda: len(self.place.records("request_id")) == 3, "the usage log is written")
        told = json.dumps([post_admin(gateway, path, method="GET")[1] for path in (
            "/v1/audit", "/v1/keys", f"/v1/keys/{key}", "/v1/usage/records", "/v1/top",
            "/v1/config", "/key/list", f"/key/info?key={key}")])
        told += " ".join(gateway.metrics())
        gateway.signal()
        gateway.wait()
        written = dict(self.place.files(gateway))
        written["stdout and stderr"] = gateway.output + gateway.process.stdout.read()
        self.assertIn(b"key.rotate", b"".join(written.values()))
        self.assertTrue(any("journal" in name for name in written))
        for word in (PROMPT, ANSWER, first, second, generated, unknown,
                     "sk-synced-0123456789abcdef"):
            self.assertNotIn(word, told)
            for name, data in written.items():
                self.assertNotIn(word.encode(), data, f"{word} in {name}")

    def test_d136_a_webhook_that_hangs_takes_no_threads_and_descriptors(self):
        with Receiver() as receiver:
            receiver.hangs.set()
            gateway = self.start(usage(), reporters="  reporters:\n" + webhook(receiver.url))
            _, secret = make_key(gateway)
            with gateway.connect() as client:
                def more(count):
                    for _ in range(count):
                        client.post(ask(), headers=bearer(secret))
                        self.assertEqual(client.read_answer().status, 200)
                more(20)
                wait_until(lambda: receiver.texts, "it is told")
                tasks = os.listdir(f"/proc/{gateway.process.pid}/task")
                descriptors = gateway.descriptors()
                more(300)
                self.assertEqual(len(os.listdir(f"/proc/{gateway.process.pid}/task")), len(tasks))
                self.assertLess(gateway.descriptors(), descriptors + 5)


class Starts(Keys):
    """D107: who cannot serve does not say that it can."""

    def refuse(self, pattern):
        with self.assertRaisesRegex(AssertionError, pattern):
            Gateway(self.text, shards=2)

    def test_d107_a_gateway_that_runs_is_ready_without_a_key(self):
        gateway = self.start()
        for path in ("/livez", "/readyz"):
            self.assertEqual(get(gateway, path).status, 200, path)

    def test_a_script_that_does_not_compile_refuses_the_start(self):
        with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
            file.write("local a = 1\nreturn {\n")
            file.flush()
            with self.assertRaisesRegex(AssertionError, re.escape(file.name) + r":3: .*mend"):
                self.start(extra=f"scripts: {{on_request: {{file: {file.name}}}}}\n")

    def test_d107_ready_before_and_not_in_a_drain(self):
        begun = []

        def hang(connection):
            connection.read_request()
            begun.append(1)
            connection.read_to_end()
        gateway = self.start(hang)
        _, secret = make_key(gateway)
        with gateway.connect() as open_one, gateway.connect() as waiting:
            open_one.send("GET /readyz HTTP/1.1\r\nhost: t\r\n\r\n")
            self.assertEqual(open_one.read_answer().status, 200)
            waiting.post(ask(), headers=bearer(secret))
            wait_until(lambda: begun, "a request runs")
            open_one.send("GET /readyz HTTP/1.1\r\nhos")  # A request that has begun is answered.
            wait_until(lambda: post_admin(gateway, "/v1/drain")[0] < 300, "it drains")
            open_one.send("t: t\r\n\r\n")
            self.assertEqual(open_one.read_answer().status, 503)

    def test_d107_a_store_that_cannot_be_opened_refuses_the_start(self):
        gateway = self.start()
        key, secret = make_key(gateway)
        other = self.text
        self.text = self.text.replace("/journal}", "/journal2}").replace("/usage.db", "/usage2.db")
        self.refuse("in use by the process")
        self.text = other
        gateway.signal()
        gateway.wait()
        with sqlite3.connect(self.place.store) as db:
            db.execute("INSERT INTO schema_version(version, at) VALUES (99, 1)")
        self.refuse("has version 99 of the tables")
        with sqlite3.connect(self.place.store) as db:
            db.execute("DELETE FROM schema_version WHERE version = 99")
        with open(self.place.store, "rb") as file:
            good = file.read()
        with open(self.place.store, "wb") as file:
            file.write(b"no database, but long enough to be looked at" * 100)
        self.refuse("keys.db")
        with open(self.place.store, "wb") as file:
            file.write(good)
        gateway = self.run_again()
        self.assertEqual(post(gateway, secret).status, 200)
        self.assertEqual(post_admin(gateway, f"/v1/keys/{key}", method="GET")[0], 200)

    def test_a_locked_store_fails_loudly_and_keys_go_on(self):
        gateway = self.start()
        _, secret = make_key(gateway)
        holder = sqlite3.connect(self.place.store, isolation_level=None)
        self.addCleanup(holder.close)
        holder.execute("BEGIN IMMEDIATE")
        status, answer = post_admin(gateway, "/v1/keys", {"name": "late"})
        self.assertGreaterEqual(status, 500, answer)
        self.assertEqual(post(gateway, secret).status, 200)
        holder.execute("ROLLBACK")
        self.assertEqual(post_admin(gateway, "/v1/keys", {"name": "late"})[0], 201)


if __name__ == "__main__":
    unittest.main()
