"""7: a full server, three tenants in line for it, one of them flooding."""

import asyncio
import collections
import time

from . import stage, swarm, verdict

WEIGHTS = {"light": 1, "middle": 2, "heavy": 4}
FLOODING = "light"
PLACES = 8


def config(simulator, line_max):
    keys = "".join(f"  - {{name: {name}, secret: sk-show-{name}-0123456789, tenant: {name}, "
                   f"weight: {weight}}}\n" for name, weight in WEIGHTS.items())
    return ("upstreams:\n" + stage.upstream(simulator, f"concurrency_max: {PLACES}")
            + "models:\n  - name: m\n"
            f"    queue: {{length_max: {line_max}, wait_max: 60s}}\n"
            f"    routes: [{{upstream: {simulator.name}, model: sim-small}}]\nkeys:\n" + keys)


async def play(gateway, clients, seconds):
    """(answers within the window, by tenant; other answers by status)."""
    kept = {name: [] for name in WEIGHTS}
    others = collections.Counter()
    began = time.monotonic()
    window = (began + seconds * 0.3, began + seconds)

    async def client(name):
        data = swarm.request("m", f"authorization: Bearer sk-show-{name}-0123456789\r\n")

        def keep(answer):
            if not answer.is_good:
                others[answer.status] += 1
            elif window[0] <= answer.ended < window[1]:
                kept[name].append(answer.ended - answer.began)
        await swarm.loop_until(gateway.port, data, lambda: time.monotonic() > window[1], keep)

    await swarm.all_of([client(name) for name, count in clients.items() for _ in range(count)])
    return kept, others


def measure(place, case, shards, clients, seconds, tolerance):
    simulator = place.simulator("server", f"ttft=20ms&tps=0&tokens=4&slots={PLACES}")
    gateway = place.gateway(config(simulator, 1000), shards)
    kept, others = asyncio.run(play(gateway, clients, seconds))
    total = sum(len(waits) for waits in kept.values())
    weights = sum(WEIGHTS.values())
    for name, weight in WEIGHTS.items():
        fair = 100 * weight / weights
        share = 100 * len(kept[name]) / max(total, 1)
        waits = kept[name] or [0.0]
        case.table.append([f"{shards}", name, f"{weight}", f"{clients[name]}",
                           f"{len(kept[name])}", f"{share:.1f}", f"{fair:.1f}",
                           f"{1000 * verdict.quantile(waits, 0.5):.0f}",
                           f"{1000 * max(waits):.0f}"])
        case.within(f"{shards} shards: share of {name}", share, fair * (1 - tolerance),
                    fair * (1 + tolerance), unit=" %")
        if name != FLOODING:
            case.at_most(f"{shards} shards: worst wait of {name}", max(waits), 1.5,
                         is_timed=True, unit=" s")
        else:
            case.note(f"{shards} shards: worst wait of {name}, which floods", max(waits), " s")
    case.at_most(f"{shards} shards: most at a time on the server",
                 simulator.stats()["in_flight_most"], PLACES)
    case.equal(f"{shards} shards: answers other than 200", dict(others), {})


def run(place, is_small):
    clients = {"light": 120, "middle": 40, "heavy": 40} if is_small else {
        "light": 400, "middle": 60, "heavy": 60}
    seconds = 3 if is_small else 10
    case = verdict.Case(
        7, "A line with three tenants of weights 1:2:4, one flooding",
        f"a server of {PLACES} places and 20 ms a request, which all tenants would fill alone, for "
        f"{seconds} s; {FLOODING} floods")
    case.table.append(["shards", "tenant", "weight", "clients", "answers", "share %", "fair %",
                       "p50 ms", "worst ms"])
    for shards, tolerance in ((1, 0.1), (2, 0.2)):
        place.say(f"{shards} shards")
        with place.scope():
            measure(place, case, shards, clients, seconds, 0.3 if is_small else tolerance)
    return case
