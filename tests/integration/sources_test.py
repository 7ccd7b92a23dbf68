"""Keys in Redis and behind a webhook: working, hanging, dying, coming back, talking nonsense.

First the look-ups alone, by key_probe.cc; then whole gateways."""

import hashlib
import json
import os
import queue
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from redis_support import Redis, wait_until
from support import PATIENCE_S, Gateway, Upstream, ask, config, echo

PROBE = sys.argv.pop(1) if len(sys.argv) > 1 and not sys.argv[1].startswith("-") else ""
SECRET = "sk-alice-0123456789"


def sha256(secret):
    return hashlib.sha256(secret.encode()).hexdigest()


class Hook:
    """A webhook whose answer a test sets; it can hang, die, and come back on its port."""

    def __init__(self):
        self.answer = (404, "")
        self.headers = ""
        self.is_hanging = False
        self.asked = []
        self.server = Upstream(self._serve)
        self.port = self.server.port
        self.url = self.server.url + "/check"

    def _serve(self, connection):
        while True:
            _, body = connection.read_request()
            self.asked.append(json.loads(body))
            if self.is_hanging:
                connection.read_until(b"nobody says that")
            connection.answer(self.answer[1], self.answer[0], self.headers)

    def kill(self):
        self.server.close()
        for connection in self.server.open:
            try:
                connection.shutdown(2)
            except OSError:
                pass
            connection.close()

    def close(self):
        self.kill()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Revived(Hook):
    """A webhook on a port where one has died."""

    def __init__(self, former):
        self.answer = former.answer
        self.headers = former.headers
        self.is_hanging = False
        self.asked = []
        self.server = Upstream.__new__(Upstream)
        self.server.script = self._serve
        self.server.tls = None
        self.server.listener = socket.create_server(("127.0.0.1", former.port))
        self.server.port = self.port = former.port
        self.server.url = former.server.url
        self.url = former.url
        self.server.connections = 0
        self.server.open = []
        self.server.is_closed = False
        threading.Thread(target=self.server._accept, daemon=True).start()


class Probe:
    """A process with the look-ups of one shard."""

    def __init__(self):
        self.process = subprocess.Popen([PROBE], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        self.directory = tempfile.TemporaryDirectory()
        self.log = []
        self.answers = {}
        self.asked = 0
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            said = json.loads(line)
            if "log" in said:
                self.log.append(said["log"])
            else:
                self.answers[said["id"]].put(said)

    def begin(self, *words):
        self.asked += 1
        name = str(self.asked)
        answer = self.answers[name] = queue.Queue()
        self.process.stdin.write("\t".join([words[0], name, *words[1:]]) + "\n")
        self.process.stdin.flush()
        return answer

    def order(self, *words):
        return self.begin(*words).get(timeout=PATIENCE_S)

    def follow(self, text):
        path = os.path.join(self.directory.name, "sluice.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write("listen: 127.0.0.1:0\n" + text)
        errors = self.order("follow", path)["errors"]
        assert not errors, errors

    def ask(self, secret=SECRET):
        return self.order("ask", secret)["said"]

    def wait_log(self, part):
        wait_until(lambda: any(part in line for line in self.log), f"`{part}` in {self.log}")

    def close(self):
        self.process.stdin.close()
        try:
            self.status = self.process.wait(timeout=PATIENCE_S)
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.directory.cleanup()
        assert self.status == 0, f"the probe ended with {self.status}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Anywhere:
    """An upstream that nobody calls."""
    url = "http://127.0.0.1:1"


def redis_source(redis, extra=""):
    return (f"    - type: redis\n      redis: {{url: 'redis://127.0.0.1:{redis.port}'}}\n"
            f"      pattern: 'key:{{sha256}}'\n      ttl: 1s\n      negative_ttl: 100ms\n{extra}")


def hook_source(hook, extra=""):
    return (f"    - type: webhook\n      url: {hook.url}\n      private_addresses: true\n"
            f"      key_form: plain\n      ttl: 1s\n      negative_ttl: 100ms\n{extra}")


def chain(*sources, mode="first_match", upstream=Anywhere, wait="3s"):
    # A file key, so that the gateway is not open to everybody as in development without keys.
    return config(upstream, f"keys: [{{name: f, secret: sk-file-0123456789}}]\n"
                            f"auth:\n  mode: {mode}\n  wait_max: {wait}\n  sources:\n"
                            "    - type: file\n" + "".join(sources))


def put(redis, secret, **fields):
    words = [word for pair in fields.items() for word in pair]
    redis.call("HSET", "key:" + sha256(secret), *words)


class RedisLookups(unittest.TestCase):
    def test_hash_json_and_time_to_live(self):
        with Redis() as redis, Probe() as probe:
            probe.follow(chain(redis_source(redis)))
            wait_until(lambda: probe.ask()[0]["kind"] == "not_found", "Redis answers")
            put(redis, SECRET, id="7", user_id="alice", requests_per_minute=60)
            said, = probe.ask()
            self.assertEqual((said["kind"], said["key"], said["user"], said["limits"]),
                             ("found", "redis:7", "alice", 1))
            self.assertEqual(said["source"], 1)
            self.assertEqual(said["ttl_ms"], 0)
            redis.call("PEXPIRE", "key:" + sha256(SECRET), 90_000)
            self.assertLessEqual(probe.ask()[0]["ttl_ms"], 90_000)
            self.assertGreater(probe.ask()[0]["ttl_ms"], 1_000)
            redis.call("SET", "key:" + sha256("sk-b"), '{"user_id": "bob", "status": 1}')
            said, = probe.ask("sk-b")
            self.assertEqual((said["kind"], said["user"], said["blocked"]), ("found", "bob", True))

    def test_entries_that_make_no_sense_fail(self):
        with Redis() as redis, Probe() as probe:
            probe.follow(chain(redis_source(redis)))
            name = "key:" + sha256(SECRET)
            for command in (("LPUSH", name, "x"), ("SET", name, "no json"), ("SET", name, "[]"),
                            ("HSET", name, "expires_at", "soon"), ("SADD", name, "x")):
                redis.call("DEL", name)
                redis.call(*command)
                wait_until(lambda: "connected" not in probe.ask()[0]["reason"], "it is connected")
                said, = probe.ask()
                self.assertEqual(said["kind"], "failed", command)

    def test_hanging_dying_and_coming_back(self):
        with Redis() as redis, Probe() as probe:
            probe.follow(chain(redis_source(redis, "      timeout: 200ms\n")))
            put(redis, SECRET, user_id="alice")
            wait_until(lambda: probe.ask()[0]["kind"] == "found", "Redis answers")
            redis.pause()
            answer = probe.order("ask", SECRET)
            self.assertEqual(answer["said"][0]["kind"], "failed")
            self.assertLess(answer["ms"], 2_000)
            redis.resume()
            wait_until(lambda: probe.ask()[0]["kind"] == "found", "Redis goes on")
            redis.kill()
            self.assertEqual(probe.ask()[0]["kind"], "failed")
            redis.start()
            wait_until(lambda: probe.ask()[0]["kind"] == "not_found", "the new Redis answers")
            probe.wait_log("source redis cannot be asked")
            self.assertFalse(any(SECRET in line for line in probe.log))


class WebhookLookups(unittest.TestCase):
    def test_question_and_answers(self):
        with Hook() as hook, Probe() as probe:
            probe.follow(chain(hook_source(hook)))
            self.assertEqual(probe.ask()[0]["kind"], "not_found")
            self.assertEqual(hook.asked[0]["api_key"], SECRET)
            self.assertAlmostEqual(hook.asked[0]["timestamp"], time.time(), delta=60)
            hook.answer = (200, '{"id": 9, "user_id": "alice", "ttl": 30}')
            said, = probe.ask()
            self.assertEqual((said["kind"], said["key"], said["user"], said["ttl_ms"]),
                             ("found", "webhook:9", "alice", 30_000))
            self.assertEqual(hook.server.connections, 1)

    def test_d128_nothing_but_a_good_answer_is_a_key(self):
        good = '{"user_id": "alice"}'
        with Hook() as hook, Probe() as probe:
            probe.follow(chain(hook_source(hook)))
            for answer in ((401, "{}"), (401, good), (403, good), (500, good), (200, ""),
                           (200, "{}"), (200, "[]"), (200, good + "x"), (204, ""),
                           (200, '{"error": "unknown", "id": "r-1"}'),
                           (200, '{"user_id": "alice", "expires_at": "soon"}')):
                hook.answer = answer
                self.assertEqual(probe.ask()[0]["kind"], "failed", answer)
            hook.answer = (200, '{"found": false}')
            self.assertEqual(probe.ask()[0]["kind"], "not_found")
            hook.answer = (200, good)
            self.assertEqual(probe.ask()[0]["kind"], "found")
            self.assertFalse(any(SECRET in line for line in probe.log))

    def test_hanging_dying_and_coming_back(self):
        with Hook() as hook, Probe() as probe:
            probe.follow(chain(hook_source(hook, "      timeout: 200ms\n")))
            hook.answer = (200, '{"user_id": "alice"}')
            self.assertEqual(probe.ask()[0]["kind"], "found")
            hook.is_hanging = True
            answer = probe.order("ask", SECRET)
            self.assertEqual(answer["said"][0]["kind"], "failed")
            self.assertLess(answer["ms"], 2_000)
            hook.is_hanging = False
            self.assertEqual(probe.ask()[0]["kind"], "found")
            hook.kill()
            self.assertEqual(probe.ask()[0]["kind"], "failed")
            with Revived(hook):
                wait_until(lambda: probe.ask()[0]["kind"] == "found", "the new one answers")
            probe.wait_log("source webhook cannot be asked")
            probe.wait_log("source webhook answers again")

    def test_one_question_for_all_who_wait(self):
        with Hook() as hook, Probe() as probe:
            probe.follow(chain(hook_source(hook, "      timeout: 200ms\n")))
            hook.is_hanging = True
            answers = [probe.begin("ask", SECRET) for _ in range(20)]
            for answer in answers:
                self.assertEqual(answer.get(timeout=PATIENCE_S)["said"][0]["kind"], "failed")
            self.assertEqual(len(hook.asked), 1)


class Chains(unittest.TestCase):
    def test_first_match_and_all(self):
        with Redis() as redis, Hook() as hook, Probe() as probe:
            hook.answer = (200, '{"user_id": "of-hook"}')
            probe.follow(chain(redis_source(redis), hook_source(hook)))
            wait_until(lambda: [s["kind"] for s in probe.ask()] == ["not_found", "found"], "both")
            put(redis, SECRET, user_id="of-redis")
            self.assertEqual([s["user"] for s in probe.ask()], ["of-redis"])
            probe.follow(chain(redis_source(redis), hook_source(hook), mode="all"))
            self.assertEqual([s["user"] for s in probe.ask()], ["of-redis", "of-hook"])

    def test_a_source_that_fails_ends_the_questions_unless_old_answers_may_hold(self):
        with Hook() as hook, Hook() as other, Probe() as probe:
            hook.answer = (500, "")
            other.answer = (200, '{"user_id": "u"}')
            second = hook_source(other, "      name: other\n")
            probe.follow(chain(hook_source(hook), second))
            self.assertEqual([s["kind"] for s in probe.ask()], ["failed"])
            probe.follow(chain(hook_source(hook, "      on_error: allow_cached\n"), second))
            self.assertEqual([s["kind"] for s in probe.ask()], ["failed", "found"])


def call(gateway, secret):
    with gateway.connect() as client:
        client.post(ask(), headers=f"authorization: Bearer {secret}\r\n")
        return client.read_answer().status


class WholeGateway(unittest.TestCase):
    def test_redis_decides_and_may_go_and_come_back(self):
        with Redis() as redis, Upstream(echo) as upstream:
            text = chain(redis_source(redis, "      timeout: 300ms\n"), upstream=upstream)
            with Gateway(text, shards=2) as gateway:
                put(redis, SECRET, user_id="alice")
                wait_until(lambda: call(gateway, SECRET) == 200, "the key of Redis is good")
                self.assertEqual(call(gateway, "sk-file-0123456789"), 200)
                self.assertEqual(call(gateway, "sk-nobody-0123456789"), 401)
                put(redis, SECRET, status="disabled")
                wait_until(lambda: call(gateway, SECRET) != 200, "the key is blocked")
                put(redis, SECRET, status="active")
                wait_until(lambda: call(gateway, SECRET) == 200, "the key is good again")
                redis.pause()
                wait_until(lambda: call(gateway, SECRET) != 200, "a lost Redis refuses")
                self.assertEqual(call(gateway, "sk-file-0123456789"), 200)
                redis.resume()
                wait_until(lambda: call(gateway, SECRET) == 200, "Redis goes on")
                self.assertNotIn(SECRET.encode(), gateway.output)

    def test_answers_from_before_hold_while_a_webhook_is_gone(self):
        with Hook() as hook, Upstream(echo) as upstream:
            hook.answer = (200, '{"user_id": "alice"}')
            extra = "      on_error: allow_cached\n      stale_max: 1h\n      timeout: 300ms\n"
            with Gateway(chain(hook_source(hook, extra), upstream=upstream)) as gateway:
                self.assertEqual(call(gateway, SECRET), 200)
                hook.kill()
                begun = time.monotonic()
                pause = threading.Event()
                while time.monotonic() - begun < 2.5:
                    self.assertEqual(call(gateway, SECRET), 200)
                    pause.wait(0.1)
                self.assertNotEqual(call(gateway, "sk-nobody-0123456789"), 200)
                samples = gateway.metrics()
                failed = 'sluice_key_lookups_total{source="webhook",outcome="failed"}'
                self.assertGreater(samples[failed], 0)


if __name__ == "__main__":
    unittest.main()
