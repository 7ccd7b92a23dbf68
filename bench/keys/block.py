"""2: a key, or its team, is blocked while clients use it at both shards."""

import asyncio

from resilience import swarm, verdict

from . import stage

CLIENTS = 32
FLOWING = 40   # Requests that must be let through before each block.
BEYOND_S = 0.02  # Clients go on for so long behind each answer.
SETTLE_S = 10  # The bound of the wait for requests to flow again.


class Clients:
    """They ask with one key without pause; keeps what became of each request."""

    def __init__(self, gateway, secret):
        self.gateway, self.data = gateway, stage.request(secret)
        self.answers = []
        self.is_over = False

    async def __aenter__(self):
        self.tasks = [asyncio.create_task(swarm.loop_until(
            self.gateway.port, self.data, lambda: self.is_over, self.answers.append))
            for _ in range(CLIENTS)]
        return self

    async def __aexit__(self, *_):
        self.is_over = True
        await asyncio.gather(*self.tasks)

    async def flow(self, since):
        """Until requests that were sent after `since` are let through again."""
        end = since + SETTLE_S
        loop = asyncio.get_running_loop()
        while loop.time() < end:
            if sum(a.is_good and a.began > since for a in self.answers) >= FLOWING:
                return
            await asyncio.sleep(0.005)
        raise AssertionError("requests do not flow again")


class Found:
    """Over all blocks."""

    def __init__(self):
        self.after = 0        # Let through though sent after the answer.
        self.calls = []       # Seconds from the call to its answer.
        self.last_sent = []   # From the last accepted request's sending to the answer.
        self.last_ended = []  # From the answer to the end of the last accepted request.
        self.late_back = 0    # Refused though sent after the answer of the unblock.
        self.refused = {}


async def block_once(clients, found, gateway, path):
    loop = asyncio.get_running_loop()
    await clients.flow(loop.time())
    clients.answers.clear()
    asked = loop.time()
    status, answer, blocked = await stage.call(gateway, path + "/block", {})
    if status != 200:
        raise AssertionError(f"{path}/block: {status} {answer}")
    await asyncio.sleep(BEYOND_S)
    accepted = [each for each in clients.answers if each.status == 200]
    found.calls.append(blocked - asked)
    found.after += sum(each.began > blocked for each in accepted)
    if accepted:
        found.last_sent.append(blocked - max(each.began for each in accepted))
        found.last_ended.append(max(each.ended for each in accepted) - blocked)
    for each in clients.answers:
        if each.status != 200:
            found.refused[each.status] = found.refused.get(each.status, 0) + 1
    status, answer, unblocked = await stage.call(gateway, path + "/unblock", {})
    await clients.flow(unblocked)
    found.late_back += sum(each.status != 200 and each.began > unblocked
                           for each in clients.answers)


async def play(place, gateway, secret, paths, times):
    found = Found()
    async with Clients(gateway, secret) as clients:
        for turn in range(times):
            await block_once(clients, found, gateway, paths[turn % len(paths)])
            if turn % 50 == 49:
                place.say(f"{turn + 1} of {times} blocks")
    return found


def run(place, is_small):
    times = 20 if is_small else 500
    case = verdict.Case(
        2, f"{times} times a key is blocked under load, each second time by its team",
        f"two shards, {CLIENTS} clients without pause on one key; one clock for clients and calls")
    simulator = place.simulator("sim", "ttft=0&tps=0&tokens=1")
    gateway = place.gateway(stage.settings(simulator, place.folder))
    team = gateway.admin("/v1/teams", {"name": "blue"})["team"]["id"]
    key, secret = stage.make_key(gateway, name="app", team=team)
    found = asyncio.run(play(place, gateway, secret, [f"/v1/keys/{key}", f"/v1/teams/{team}"],
                             times))
    busy = [shard for shard in gateway.admin("/v1/shards")["shards"] if shard["requests"] > 0]
    case.equal("shards that had requests", len(busy), 2)
    case.equal("let through, sent after the answer of a block", found.after, 0)
    case.equal("refused, sent after the answer of an unblock", found.late_back, 0)
    case.equal("statuses of what was refused", ", ".join(map(str, sorted(found.refused))), "403")
    case.note("refused requests", sum(found.refused.values()))
    ms = [each * 1000 for each in found.calls]
    case.note("block call, p50", verdict.quantile(ms, 0.5), " ms")
    case.at_most("block call, p99", verdict.quantile(ms, 0.99), 100, is_timed=True, unit=" ms")
    case.note("last accepted request was sent before the answer by, least",
              min(found.last_sent, default=0.0) * 1000, " ms")
    case.note("and had ended after the answer by, most",
              max(0.0, max(found.last_ended, default=0.0)) * 1000, " ms")
    return case
