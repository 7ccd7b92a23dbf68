"""7: kill -9 under load, ten times, and what the journal knows of it."""

import asyncio
import time

from resilience import swarm, verdict

from . import stage

FLUSH_MS = 50
SLACK_MS = 50  # A tick of control and a late thread of a busy machine.
CLIENTS = 20
TOKENS = 8     # Of each answer, a thousandth of a dollar each.


async def play(place, gateway, turn, seconds):
    """Clients ask without pause until the gateway is killed; gives how many got an answer."""
    data = swarm.request("m", stage.authorization("app") + f"x-sim-tokens: {TOKENS}\r\n",
                         max_tokens=TOKENS)
    is_over = False
    answered = []

    def keep(answer):
        if answer.is_good:
            answered.append(answer.ended)

    clients = [asyncio.create_task(swarm.loop_until(
        gateway.port, data, lambda: is_over or gateway.process.poll() is not None, keep))
        for _ in range(CLIENTS)]
    await asyncio.sleep(seconds)
    is_over = turn is None
    if turn is not None:
        gateway.kill()
        place.say(f"kill {turn + 1}, {len(answered)} answers before it")
    await asyncio.gather(*clients)
    return answered


def spent(gateway):
    """What the journal knows of the key."""
    rows = gateway.admin("/v1/spend/key/total")["spend"]
    return next((row for row in rows if row["name"] == "app"),
                {"requests": 0, "micro_dollars": 0, "unknown": 0})


def wait_for_replay(gateway, is_enough):
    deadline = time.monotonic() + 5
    while not is_enough(spent(gateway)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return spent(gateway)


def run(place, is_small):
    kills, seconds = (3, 0.8) if is_small else (10, 2.0)
    case = verdict.Case(
        7, f"kill -9 under load, {kills} times",
        f"{CLIENTS} clients without pause, two shards, journal.flush {FLUSH_MS} ms; what is "
        "replayed after each kill against what the server answered")
    simulator = place.simulator("sim", "ttft=2ms&tps=0")
    journal = place.folder / "journal"
    journal.mkdir()
    config = stage.settings(simulator, {"app": "budget_total: 1000000"},
                            f"journal: {{directory: {journal}, flush: {FLUSH_MS}ms}}\n")
    case.table = [["kill", "server answered", "in the journal", "missing", "unknown", "bound"]]
    over = worst = missing_before = 0
    bounds = 0
    for turn in range(kills):
        gateway = place.gateway(config)
        answered = asyncio.run(play(place, gateway, turn, seconds))
        last = max(answered)
        bound = sum(ended > last - (FLUSH_MS + SLACK_MS) / 1000 for ended in answered) + CLIENTS
        bounds += bound
        with place.scope():
            found = spent(place.gateway(config))
        upstream = simulator.stats()["answered"]
        missing = upstream - found["requests"]
        case.table.append([f"{turn + 1}", f"{upstream}", f"{found['requests']}",
                           f"{missing - missing_before}", f"{found['unknown']}", f"{bound}"])
        worst = max(worst, missing - missing_before - bound)
        over = max(over, missing_before - missing)
        missing_before = missing
    gateway = place.gateway(config)
    asyncio.run(play(place, gateway, None, seconds))
    upstream = simulator.stats()["answered"]
    found = wait_for_replay(gateway, lambda row: upstream - row["requests"] <= missing_before)
    case.at_most("missing after a kill, beyond its bound", worst, 0)
    # A request that was on its way when its gateway died is in the journal, whatever became of it.
    case.at_most("in the journal and never answered", over, CLIENTS)
    case.equal("missing after a run without a kill", upstream - found["requests"], missing_before)
    case.note("missing in all", missing_before)
    each = TOKENS * 1000
    case.within("micro-dollars in the journal / those of the server's answers",
                found["micro_dollars"] / max(upstream * each, 1),
                1 - bounds / max(upstream, 1), 1 + kills * CLIENTS / max(upstream, 1))
    return case
