"""4: every server of a model is gone for a while."""

import asyncio
import collections
import time

from . import stage, swarm, verdict

ATTEMPTS = 3
BUDGET = 0.2
BUDGET_MIN = 10       # In 10 s, of the whole process.
OPEN_FOR_S = 1
SETTLED_S = 1.0       # After so long of the outage every answer must be a refusal.


def config(simulators):
    upstreams = "".join(
        stage.upstream(each, f"breaker: {{consecutive: 5, open_for: {OPEN_FOR_S}s}}")
        for each in simulators)
    routes = ", ".join(f"{{upstream: {each.name}, model: sim-small}}" for each in simulators)
    return (f"development: true\nlimits: {{attempts: {ATTEMPTS}}}\n"
            f"retries: {{budget: {BUDGET:.0%}, budget_min: {BUDGET_MIN}}}\n"
            f"upstreams:\n{upstreams}models:\n  - {{name: m, routes: [{routes}]}}\n")


class Load:
    """An open loop: a request every so often, whatever becomes of those before."""

    def __init__(self, port, rate):
        self.port, self.pause_s = port, 1 / rate
        self.free = []
        self.answers = []
        self.running = set()

    async def _one(self):
        answer, line = await swarm.ask(self.port, swarm.request("m", stream=True),
                                       self.free.pop() if self.free else None)
        if line:
            self.free.append(line)
        self.answers.append(answer)

    async def go_on_for(self, seconds):
        due = time.monotonic()
        end = due + seconds
        while due < end:
            task = asyncio.create_task(self._one())
            self.running.add(task)
            task.add_done_callback(self.running.discard)
            due += self.pause_s
            await asyncio.sleep(max(0, due - time.monotonic()))

    async def finish(self):
        await asyncio.gather(*self.running)
        for line in self.free:
            line.close()


async def play(place, simulators, gateway, rate, times):
    before_s, outage_s, after_s = times
    load = Load(gateway.port, rate)
    place.say("all is well")
    await load.go_on_for(before_s)
    place.say("outage")
    down = time.monotonic()
    for each in simulators:
        each.change("down=1")
    calls_before = sum(each.calls() for each in simulators)
    await load.go_on_for(outage_s)
    calls = sum(each.calls() for each in simulators) - calls_before
    place.say("the servers are back")
    up = time.monotonic()
    for each in simulators:
        each.change("down=0")
    await load.go_on_for(after_s)
    await load.finish()
    return load.answers, down, up, calls


def judge(case, answers, down, up, calls):
    during = [each for each in answers if down + 0.05 <= each.began < up - 0.05]
    late = [each for each in during if each.began >= down + SETTLED_S]
    others = [each for each in late if each.status != 503 or not each.retry_after.isdigit()]
    early = collections.Counter(each.status for each in during if each.began < down + SETTLED_S)
    case.note(f"answers in the first {SETTLED_S:g} s of the outage, by status",
              ", ".join(f"{count} x {status}" for status, count in sorted(early.items())))
    case.equal("answers after that other than 503 with retry-after", len(others), 0)
    if others:
        case.note("the first of them",
                  f"{others[0].began - down:.3f} s after the servers went: {others[0]}")
    case.at_most("upstream calls per client request", calls / max(len(during), 1), 1 + BUDGET)
    case.note("upstream calls in the outage", calls)
    case.note("client requests in the outage", len(during))
    case.equal("without any answer", sum(each.status == 0 for each in during), 0)
    after = [each for each in answers if each.began >= up]
    good = [each.ended for each in after if each.is_good]
    bad = [each.began for each in after if not each.is_good]
    case.at_most("from the servers' return to the first good answer",
                 (min(good) if good else up + 99) - up, OPEN_FOR_S + 1, is_timed=True, unit=" s")
    case.at_most("to the last one that was not good", max([each - up for each in bad], default=0.0),
                 OPEN_FOR_S + 2, is_timed=True, unit=" s")
    case.equal("the last 20 answers that are good",
               sum(each.is_good for each in sorted(after, key=lambda each: each.began)[-20:]), 20)


def run(place, is_small):
    rate, times = (100, (0.5, 2.5, 3.5)) if is_small else (300, (2, 6, 4))
    case = verdict.Case(
        4, "Total outage",
        f"two servers that reset every connection for {times[1]:g} s, two shards, {rate} streams/s;"
        f" limits.attempts {ATTEMPTS}, retry budget {BUDGET:.0%}, breaker: 5 in a row, open for "
        f"{OPEN_FOR_S} s")
    simulators = [place.simulator(name, "ttft=5ms&tps=1000&tokens=4", seed)
                  for seed, name in enumerate(("one", "two"), 1)]
    gateway = place.gateway(config(simulators))
    judge(case, *asyncio.run(play(place, simulators, gateway, rate, times)))
    return case
