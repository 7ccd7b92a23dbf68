"""3: many requests at once when a breaker half-opens."""

import asyncio
import time

from . import stage, swarm, verdict

PROBES = 1
OPEN_FOR_S = 2


def config(simulator):
    return ("development: true\nlimits: {attempts: 1}\nupstreams:\n"
            + stage.upstream(simulator, "breaker: {consecutive: 5, requests_min: 1000, "
                             f"open_for: {OPEN_FOR_S}s, probes: {PROBES}, successes: 2}}")
            + f"models:\n  - name: m\n    routes: [{{upstream: {simulator.name}, "
              "model: sim-small}]\n")


async def open_breaker(port):
    """Asks until the gateway itself refuses; gives how many failures of the server came before."""
    failures = 0
    for _ in range(200):
        answer, line = await swarm.ask(port, swarm.request("m"))
        if line:
            line.close()
        if answer.status == 503:
            return failures
        failures += 1
    return failures


async def rush(port, lines):
    """All at once; gives the answers."""
    data = swarm.request("m")
    asked = await swarm.all_of([swarm.ask(port, data, line) for line in lines])
    for at, (_, line) in enumerate(asked):
        lines[at] = line or await swarm.Line.open(port)
    return [answer for answer, _ in asked]


async def play(case, place, simulator, gateway, count):
    lines = await swarm.all_of([swarm.Line.open(gateway.port) for _ in range(count)])
    simulator.change("fault=status:500")
    failures = await open_breaker(gateway.port)
    opened = time.monotonic()
    case.at_most("failures until the breaker opened", failures, 20)
    simulator.change("fault=none&ttft=1s")
    await asyncio.sleep(max(0, opened + OPEN_FOR_S + 0.3 - time.monotonic()))
    for turn in ("first", "second"):
        place.say(f"{count} requests at the {turn} probe")
        simulator.change("ttft=1s")
        before = simulator.calls()
        answers = await rush(gateway.port, lines)
        stats = simulator.stats()
        reached = stats["answered"] + stats["in_flight"] - before
        refused = [each for each in answers if each.status == 503 and each.retry_after.isdigit()]
        case.within(f"{turn} rush: requests that reached the server", reached, 1, PROBES)
        case.at_most(f"{turn} rush: most at a time on the server", stats["in_flight_most"], PROBES)
        case.equal(f"{turn} rush: refused with 503 and retry-after", len(refused), count - reached)
        await asyncio.sleep(0.3)  # Shards hear from each other every 100 ms.
    simulator.change("ttft=1ms")
    answers = await rush(gateway.port, lines)
    case.equal("third rush, the breaker closed: answered", sum(each.is_good for each in answers),
               count)
    for line in lines:
        line.close()


def run(place, is_small):
    count = 100 if is_small else 1000
    case = verdict.Case(
        3, f"{count:,} requests when a breaker half-opens",
        f"one server, two shards; breaker: 5 in a row, open for {OPEN_FOR_S} s, probes: {PROBES}, "
        "successes: 2; the probe takes 1 s")
    simulator = place.simulator("server", "ttft=1ms&tps=0&tokens=2")
    gateway = place.gateway(config(simulator))
    asyncio.run(play(case, place, simulator, gateway, count))
    return case
