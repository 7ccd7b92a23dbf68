"""3: the same with Redis stopped, killed, failed over and one third of a cluster gone."""

import asyncio
import re
import time

import redis_support
from resilience import swarm, verdict

from . import fleet, stage, tide

WAIT_MAX_MS = 50
SUBJECT = re.compile(r"}:[0-9a-f]{32}$")


async def stop(made, seconds):
    made.pause()
    await asyncio.sleep(seconds)
    made.resume()


async def kill(made, seconds):
    made.kill()
    await asyncio.sleep(seconds)
    made.start()


async def fail_over(made, seconds):
    old = made.master
    old.kill()
    await asyncio.sleep(seconds)
    found = {each.master_address(made.name)[1] for each in made.sentinels}
    if old.port in found:
        raise RuntimeError("Sentinel has not failed over")


async def lose_master(made, seconds):
    # The one that counts for the key: its hash of a rule and of a subject stands there.
    victim = next(node for node in made.nodes
                  if any(SUBJECT.search(key) for key in node.call("KEYS", "*")))
    victim.kill()
    await asyncio.sleep(seconds)
    victim.start()


FAULTS = {
    "stopped": ("one", redis_support.Redis, {}, stop),
    "killed, restarted empty": ("one", redis_support.Redis, {}, kill),
    "failed over by Sentinel": ("sentinel", redis_support.Sentinel, {}, fail_over),
    "a cluster's master killed": ("cluster", redis_support.Cluster, {}, lose_master)}


def one(place, case, name, most, rate, times):
    kind, make, options, strike = FAULTS[name]
    before, fault, after = times
    with place.scope():
        made = place.redis(make, **options)
        keys = {"app": f"requests_per_minute: {most}"}
        simulator, gateways = fleet.start(place, keys, fleet.redis_of(kind, made))
        fleet.wait_until_together(gateways)
        place.say(f"{name}: {before} s before, {fault} s of it, {after} s after")
        spans = {}

        async def beside(_):
            await asyncio.sleep(before)
            spans["begin"] = time.time()
            place.say(f"{name}: now")
            await strike(made, fault)
            spans["end"] = time.time()
            place.say(f"{name}: over")

        waves = tide.Tide(gateways, [tide.Flow(
            key, swarm.request("m", stage.authorization(key)), rate, fleet.SKEW)
            for key in keys])
        asyncio.run(waves.play(before + fault + after, beside))
        admitted, _ = fleet.finish(place, case, simulator, gateways)
        for key in keys:
            # A replica may lack what was granted in the last moment.
            lag = int(most * 0.01) if kind == "sentinel" else 0
            # What was used counts anew from when it is told to one that has forgotten it.
            least = 0 if strike in (kill, lose_master) else most // fleet.GATEWAYS
            fleet.judge(case, name, most, admitted.get(key, []), waves.admitted(key), lag,
                        before + fault + after, least)
        case.equal(f"{name}: answers but 200 and 429", waves.others(), "none")
        key = next(iter(keys))
        calm = waves.latencies(key, spans["begin"] - before, spans["begin"])
        struck = waves.latencies(key, spans["begin"], spans["end"])
        calm_ms = 1000 * verdict.quantile(calm, 0.99)
        case.note(f"{name}: p99 before", calm_ms, " ms")
        case.at_most(f"{name}: p99 during the fault", 1000 * verdict.quantile(struck, 0.99),
                     calm_ms + 10, is_timed=True, unit=" ms")
        case.at_most(f"{name}: longest during the fault", 1000 * max(struck, default=0),
                     calm_ms + 3 * WAIT_MAX_MS, is_timed=True, unit=" ms")


def run(place, is_small):
    most, rate, times = (300, 80, (2, 2, 3)) if is_small else (6_000, 250, (45, 20, 65))
    case = verdict.Case(
        3, "Four gateways while Redis is stopped, killed, failed over",
        f"{most:,} requests a minute, {rate} a second asked for, 90 % at one gateway; on_loss: "
        f"share; the fault lasts {times[1]} s")
    case.table = [["fault", "let through in each minute, one after the other"]]
    for name in FAULTS:
        one(place, case, name, most, rate, times)
    return case
