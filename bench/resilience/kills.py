"""9: a server is killed twice under many streams."""

import asyncio
import collections
import time

from . import stage, swarm, verdict


def config(simulators):
    upstreams = "".join(stage.upstream(each, "breaker: {consecutive: 5, open_for: 1s}")
                        for each in simulators)
    routes = ", ".join(f"{{upstream: {each.name}, model: sim-small}}" for each in simulators)
    return ("development: true\nretries: {budget: 50%}\n"
            f"upstreams:\n{upstreams}models:\n  - {{name: m, routes: [{routes}]}}\n")


async def kill_twice(place, victim, step):
    """Gives whether streams ran on it each time."""
    had_streams = []
    for turn in ("first", "second"):
        await asyncio.sleep(step)
        had_streams.append(victim.stats()["in_flight"])
        place.say(f"{turn} kill, {had_streams[-1]} streams on it")
        victim.kill()
        await asyncio.sleep(step)
        victim.start()
    await asyncio.sleep(step)
    return had_streams


async def play(place, gateway, victim, count, step):
    answers = []
    is_over = False
    data = swarm.request("m", stream=True)

    async def client(number):
        await asyncio.sleep(number / count * step / 2)
        await swarm.loop_until(gateway.port, data, lambda: is_over, answers.append)

    clients = [asyncio.create_task(client(number)) for number in range(count)]
    had_streams = await kill_twice(place, victim, step)
    is_over = True
    await asyncio.gather(*clients)
    return answers, had_streams


def run(place, is_small):
    count, step = (60, 1.0) if is_small else (500, 3.0)
    case = verdict.Case(
        9, f"Two kill -9 of a server under {count} streams",
        f"two servers, two shards; killed, {step:g} s later back on its port, killed again; streams"
        " of 1.3 s, 0.1 s of it before the first token; retry budget 50 %")
    simulators = [place.simulator(name, "ttft=100ms&tps=25&tokens=30", seed)
                  for seed, name in enumerate(("victim", "survivor"), 1)]
    gateway = place.gateway(config(simulators))
    began = time.monotonic()
    answers, had_streams = asyncio.run(play(place, gateway, simulators[0], count, step))
    committed = [each for each in answers if each.status == 200]
    failed = collections.Counter(each.status for each in answers if each.status != 200)
    cut = sum(not each.is_whole for each in committed)
    case.note("requests", len(answers))
    case.note("requests a second", len(answers) / (time.monotonic() - began))
    for turn, running in zip(("first", "second"), had_streams):
        case.at_least(f"streams on the server at the {turn} kill", running, 1)
    case.note("streams cut after their first byte", cut)
    case.at_most("of those that ran on it", cut, sum(had_streams))
    case.equal("failed, not yet committed", sum(failed.values()), 0)
    case.note("by status", ", ".join(f"{amount} x {status or 'no answer'}"
                                     for status, amount in failed.items()) or "none")
    case.note("retries", int(gateway.total("sluice_retries_total")))
    return case
