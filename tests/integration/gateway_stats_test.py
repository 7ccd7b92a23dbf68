"""What gateways with one Redis tell each other of their deployments (D34)."""

import contextlib
import json
import threading
import time
import unittest

from redis_support import Redis, wait_until
from support import Gateway, Upstream, ask

STALE_MOST_S = 1  # As docs/failures.md states.
BUSY = 6


def configured(upstreams, redis):
    names = "".join(f"  - {{name: {name}, url: '{upstream.url}', private_addresses: true}}\n"
                    for name, upstream in upstreams.items())
    routes = ", ".join(f"{{upstream: {name}}}" for name in upstreams)
    return (f"development: true\nupstreams:\n{names}"
            f"models:\n  - {{name: m, strategy: least_busy, routes: [{routes}]}}\n"
            "  - {name: only-a, routes: [{upstream: a}]}\n"
            f"redis: {{url: 'redis://{redis.host}:{redis.port}', gateways: 2}}\n")


class Scripted:
    """Answers with its name; 429 while it `is_full`; holds requests that say so until released."""

    def __init__(self, name):
        self.name = name
        self.is_full = False
        self.holding = 0
        self.released = threading.Event()

    def __call__(self, connection):
        while True:
            _, body = connection.read_request()
            if json.loads(body).get("user") == "hold":
                self.holding += 1
                self.released.wait(60)
            if self.is_full:
                connection.answer("{}", 429, "retry-after: 60\r\n")
            else:
                connection.answer(json.dumps({"id": self.name, "choices": []}))


def states(gateway):
    _, listed = gateway.admin("GET", "/v1/upstreams")
    return {one["name"]: one for one in listed["upstreams"]}


def served_by(gateway, model="m"):
    with gateway.connect() as client:
        client.post(ask(model=model))
        answer = client.read_answer()
    return json.loads(answer.body).get("id") if answer.status == 200 else answer.status


@contextlib.contextmanager
def two_gateways():
    scripts = {name: Scripted(name) for name in "ab"}
    with contextlib.ExitStack() as stack:
        redis = stack.enter_context(Redis())
        upstreams = {name: stack.enter_context(Upstream(script))
                     for name, script in scripts.items()}
        gateways = [stack.enter_context(Gateway(configured(upstreams, redis), shards=2))
                    for _ in range(2)]
        wait_until(lambda: redis.call("HLEN", "sluice:{stats}") == 2, "both write their stats")
        stack.callback(lambda: [script.released.set() for script in scripts.values()])
        yield redis, scripts, gateways


class GatewayStats(unittest.TestCase):
    def test_d034_a_rest_that_one_gateway_was_told_holds_at_the_other(self):
        with two_gateways() as (redis, scripts, (first, second)):
            scripts["a"].is_full = True
            self.assertEqual(served_by(first, "only-a"), 429)
            told = time.monotonic()
            wait_until(lambda: states(second)["a"]["state"] == "cooling", "the other hears")
            heard = time.monotonic() - told
            second.wait_for(rb"a: cooldown for [0-9.ms]+, as another gateway says")
            scripts["a"].is_full = False
            self.assertEqual({served_by(second) for _ in range(20)}, {"b"})
            # One look of wait_until, and what a busy machine takes, on top of what is stated.
            self.assertLess(heard, 2 * STALE_MOST_S)
            self.assertLessEqual(states(second)["a"]["cooldown_s"], 60)
            first.admin("POST", "/v1/upstreams/a/clear")
            wait_until(lambda: states(second)["a"]["state"] == "up", "the other hears of the end")
            self.assertGreater(redis.call("PTTL", "sluice:{stats}"), 0)

    def test_d034_requests_in_flight_at_one_gateway_move_the_other(self):
        with two_gateways() as (redis, scripts, (first, second)):
            with contextlib.ExitStack() as stack:
                for _ in range(BUSY):
                    client = stack.enter_context(first.connect())
                    client.post(ask(model="only-a", user="hold"))
                wait_until(lambda: scripts["a"].holding == BUSY, "a is busy")

                def moved():
                    return {served_by(second) for _ in range(10)} == {"b"}
                wait_until(moved, "the other gateway goes elsewhere")
                self.assertEqual(states(second)["a"]["in_flight"], 0)
                redis.kill()
                wait_until(lambda: "a" in {served_by(second) for _ in range(10)},
                           "what is not heard any more is forgotten")

    def test_d034_without_redis_each_serves_on_by_itself(self):
        with two_gateways() as (redis, scripts, gateways):
            redis.pause()
            for gateway in gateways:
                gateway.wait_for(rb"on_loss")
                self.assertEqual({served_by(gateway) for _ in range(40)}, {"a", "b"})
            redis.kill()
            scripts["a"].is_full = True
            self.assertEqual(served_by(gateways[0], "only-a"), 429)
            self.assertEqual({served_by(gateways[0]) for _ in range(20)}, {"b"})
            redis.start()
            wait_until(lambda: states(gateways[1])["a"]["state"] == "cooling",
                       "the other hears when Redis is back")

    def test_what_others_write_there_is_ignored_unless_it_is_ours(self):
        with two_gateways() as (redis, _, gateways):
            now_us = int(time.time() * 1e6)
            for field, text in (("x", "rubbish"), ("y", f"{now_us} 1;9:a"),
                                ("z", f"{now_us} \xff" + "9" * 100_000), ("old", "1 1;")):
                redis.call("HSET", "sluice:{stats}", field, text)
            wait_until(lambda: "old" not in redis.call("HKEYS", "sluice:{stats}"),
                       "old ones are removed")
            wait_until(lambda: "x" not in redis.call("HKEYS", "sluice:{stats}"), "others, too")
            for gateway in gateways:
                self.assertEqual({served_by(gateway) for _ in range(40)}, {"a", "b"})
            redis.call("DEL", "sluice:{stats}")
            redis.call("SET", "sluice:{stats}", "no hash", "PX", 1000)
            for gateway in gateways:
                self.assertIn(served_by(gateway), ("a", "b"))
            wait_until(lambda: redis.call("HLEN", "sluice:{stats}") == 2, "both write again")


if __name__ == "__main__":
    unittest.main(verbosity=1)
