"""Limits of several gateways through a real Redis, and its script against the rules in C++."""

import os
import random
import subprocess
import sys
import threading
import time
import unittest

from redis_support import Redis, wait_until
from support import Gateway, Upstream, ask, config, echo

PROBE = sys.argv.pop(1)
BUCKETS = 16
SECOND = 1_000_000
MASK = (1 << 64) - 1


def bucket_of(rule, subject):
    turned = (subject << 32 | subject >> 32) & MASK
    return ((rule ^ turned) * 0x9E3779B97F4A7C15 & MASK) >> 60


class Model:
    def __enter__(self):
        self.process = subprocess.Popen([PROBE, "model"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def ask(self, now, gateway, lane, batch, since, asks):
        numbers = [lane, batch, len(asks), *since]
        for rule, subject, *rest in asks:
            numbers += [rule, subject, *rest]
        self.process.stdin.write(f"{now} {gateway} " + " ".join(map(str, numbers)) + "\n")
        self.process.stdin.flush()
        return [int(word) for word in self.process.stdout.readline().split()]


class Script:
    """The script with a clock that the test sets."""

    def __init__(self, redis):
        text = subprocess.run([PROBE, "script"], check=True, capture_output=True, text=True).stdout
        clock = "redis.call('TIME')"
        assert text.count(clock) == 1
        self.text = text.replace(clock, "{ARGV[#ARGV - 1], ARGV[#ARGV]}")
        self.wire = redis.connect()

    def ask(self, now, gateway, lane, batch, since, asks):
        keys = [f"t:{{b00}}:last:{gateway}:{lane}"]
        keys += [f"t:{{b{bucket:02}}}:gateways" for bucket in range(BUCKETS)]
        arguments = [gateway, batch, BUCKETS, len(asks), *since]
        for rule, subject, *rest in asks:
            bucket = bucket_of(rule, subject)
            keys.append(f"t:{{b{bucket:02}}}:{rule:016x}{subject:016x}")
            arguments += [bucket + 1, *rest]
        return self.wire.call("EVAL", self.text, len(keys), *keys, *arguments, now // SECOND,
                              now % SECOND)


class Differential(unittest.TestCase):
    KINDS = ((0, 60 * SECOND), (0, 86_400 * SECOND), (1, 0), (2, 0), (3, 0), (4, 0), (5, 0),
             (5, SECOND + SECOND // 32))

    def play(self, redis, seed, steps):
        rng = random.Random(seed)
        redis.call("FLUSHALL")
        script = Script(redis)
        subjects = []
        for index in range(6):
            kind, length = rng.choice(self.KINDS)
            subjects.append((rng.getrandbits(64) | 1, rng.getrandbits(64), kind, length,
                             rng.choice((1, 10, 100, 10_000, 1 << 40))))
        # Days, weeks and months end now and then.
        now = rng.choice((1_700_000_000, 1_709_164_799 - rng.randrange(60), 1_735_689_590,
                          rng.randrange(1_600_000_000, 2_000_000_000))) * SECOND
        since = [0] * BUCKETS
        batches = {}
        slots = {}
        previous = {}
        with Model() as model:
            for step in range(steps):
                now += rng.choice((0, 300, 20_000, 900_000, 3 * SECOND, 11 * SECOND,
                                   -rng.randrange(5 * SECOND) if rng.random() < 0.2 else 0))
                gateway = f"g{rng.randrange(4)}"
                lane = rng.randrange(2)
                if (gateway, lane) in previous and rng.random() < 0.1:
                    call = previous[gateway, lane]
                else:
                    batches[gateway] = batches.get(gateway, 0) + 1
                    asks = []
                    for rule, subject, kind, length, most in rng.sample(subjects, rng.randrange(5)):
                        amount = rng.choice((0, 1, 1, 5, most // 90, most // 10, most))
                        returned = rng.choice((0, 0, 1, most // 20))
                        asks.append((rule, subject, kind, max(1, most - rng.choice((0, 0, 0, 1))),
                                     length, amount, rng.choice((0, 1, amount)), returned,
                                     slots.get((rule, subject), 0),
                                     rng.choice((0, 0, 0, 1, most, most - most // 60))))
                    known = [time if rng.random() < 0.9 else 0 for time in since]
                    call = (gateway, lane, batches[gateway], known, asks)
                    if asks:
                        previous[gateway, lane] = call
                expected = model.ask(now, *call)
                answered = script.ask(now, *call)
                self.assertEqual(answered, expected, f"seed {seed}, step {step}: {call}")
                since = answered[0:2 * BUCKETS:2]
                for index, (rule, subject, *_) in enumerate(call[4]):
                    slots[rule, subject] = answered[2 * BUCKETS + index * 8 + 1]
        script.wire.close()

    def test_the_script_and_the_model_agree(self):
        seeds = int(os.environ.get("SLUICE_LEDGER_SEEDS", "20"))
        with Redis() as redis:
            for seed in range(1, seeds + 1):
                self.play(redis, seed, 200)
            self.assertEqual([key for key in redis.call("KEYS", "*")
                              if redis.call("PTTL", key) < 0], [])


def gateway_config(upstream, redis, gateways, limit, on_loss="share"):
    return config(upstream, extra=f"""
redis: {{url: 'redis://127.0.0.1:{redis.port}/0', gateways: {gateways}}}
rate_limits:
  - {{name: all, per: gateway, {limit}, on_loss: {on_loss}}}
""")


def statuses(gateway, count):
    found = []
    with gateway.connect() as client:
        for _ in range(count):
            client.post(ask())
            found.append(client.read_answer().status)
    return found


def is_up(gateway):
    return gateway.metrics().get("sluice_redis_up") == 1


class Gateways(unittest.TestCase):
    def fleet(self, stack, redis, count, limit, **options):
        upstream = stack.enter_context(Upstream(echo))
        text = gateway_config(upstream, redis, count, limit, **options)
        gateways = [stack.enter_context(Gateway(text)) for _ in range(count)]
        for gateway in gateways:
            wait_until(lambda g=gateway: is_up(g), "the gateway counts in Redis")
        return gateways

    def hammer(self, gateways, requests):
        counts = [[] for _ in gateways]
        threads = [threading.Thread(target=lambda i=i: counts[i].extend(
            statuses(gateways[i], requests[i]))) for i in range(len(gateways))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return counts

    def test_d035_d027_four_gateways_admit_one_limit_together(self):
        import contextlib
        with Redis() as redis, contextlib.ExitStack() as stack:
            gateways = self.fleet(stack, redis, 4, "requests_per_minute: 100")
            counts = self.hammer(gateways, [150, 20, 20, 20])
            admitted = sum(status == 200 for found in counts for status in found)
            self.assertLessEqual(admitted, 100)
            self.assertGreaterEqual(admitted, 98)
            self.assertEqual({status for found in counts for status in found}, {200, 429})
            keys = redis.call("KEYS", "*")
            self.assertTrue(any(key.endswith(":gateways") for key in keys))
            self.assertEqual([key for key in keys if redis.call("PTTL", key) < 0], [])

    def test_a_redis_that_is_killed_leaves_each_its_share_and_learns_when_it_is_back(self):
        import contextlib
        with Redis() as redis, contextlib.ExitStack() as stack:
            gateways = self.fleet(stack, redis, 2, "requests_per_minute: 100")
            self.assertEqual(statuses(gateways[0], 30), [200] * 30)
            redis.kill()
            wait_until(lambda: not is_up(gateways[0]) and not is_up(gateways[1]), "it is lost")
            # 50 each: 20 more of the first, 50 of the second.
            counts = self.hammer(gateways, [60, 60])
            self.assertEqual([found.count(200) for found in counts], [20, 50])
            redis.start()
            wait_until(lambda: is_up(gateways[0]) and is_up(gateways[1]), "it has learned")
            counts = self.hammer(gateways, [60, 60])
            self.assertEqual(sum(found.count(200) for found in counts), 0)


if __name__ == "__main__":
    unittest.main()
