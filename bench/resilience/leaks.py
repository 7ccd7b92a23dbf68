"""5: clients that leave and servers that break in every phase: nothing may be left behind."""

import asyncio
import collections
import random
import time

from . import stage, swarm, verdict

SEED = 20261127
PATIENCE_S = 20
CLIENTS = 150
PLACES = 140  # Of the process, so that some wait for one.
RELOAD_S = 2  # Each makes a generation, and lets go of the one before.
# Gauges that count nothing held. The byte budget is looked at apart: shards keep blocks for their
# next requests.
OTHER_GAUGES = ("sluice_build_info", "sluice_config_", "sluice_tls_", "sluice_breaker_",
                "sluice_byte_budget_", "process_",
                "sluice_upstream_connections_open",  # Beside the idle ones, below.
                "sluice_upstream_connections_idle", "sluice_upstream_up", "sluice_discovery_")

# Model and what its servers do to some of its requests; by these names below.
SHAPES = {
    "plain": "", "burst": "?burst=1", "slow": "?fault=slow:20000",
    "cut-head": "?fault=50%:cut-before-head", "garbage": "?fault=30%:garbage",
    "cut": "?fault=50%:cut-after:3", "mid-event": "?fault=50%:cut-mid-event:4",
    "mid-chunk": "?fault=50%:cut-mid-chunk:2", "reset": "?fault=50%:reset-after:2",
    "bad-chunk": "?fault=50%:bad-chunk:2", "error-event": "?fault=50%:error-event:3",
    "stall": "?fault=20%:stall", "stall-after": "?fault=20%:stall-after:2",
    "status": "?fault=30%:status:500,20%:status:429", "early-close": "?fault=early-close"}
# Further models: their settings, and the shape whose servers they use.
WAYS = {
    "hedged": ("hedge: {quantile: 50%, after_min: 10ms, budget: 50%}", "?slow-first=30%:50ms"),
    "retried": ("recovery: retry", "?fault=40%:cut-after:3"),
    "appended": ("recovery: append", "?fault=40%:reset-after:3"),
    "fallen-back": ("fallbacks: [plain, status]", "?fault=50%:status:503"),
    "narrow": ("concurrency_max: 6\n    queue: {length_max: 40, wait_max: 200ms}", ""),
    "thrifty": ("retries: {budget: 1%, budget_min: 1}", "?fault=50%:status:503"),
    "pinged": ("ping: 100ms", "?slow-first=30%:150ms")}
# Each of these counts something that the above makes happen.
COUNTERS = ("sluice_retries_total", "sluice_retries_refused_total", "sluice_hedges_total",
            "sluice_hedge_wasted_tokens_total", "sluice_queue_requests_total",
            "sluice_queue_wait_seconds_count", "sluice_breaker_opened_total",
            "sluice_cooldowns_total", "sluice_probes_total")
LEAVES = ("never", "never", "never", "connected", "in head", "in body", "waiting", "in line",
          "in stream", "standing still")

TIMEOUTS = "timeouts: {connect: 1s, response: 300ms, first_token: 300ms, idle: 250ms}"


def config(simulators):
    steady = [each for each in simulators if each.name != "guarded"]
    upstreams = "".join(stage.upstream(each, TIMEOUTS, "breaker: off", "cooldown: {after_429: 1ms}")
                        for each in steady)
    upstreams += stage.upstream(simulators[-1], TIMEOUTS, "concurrency_max: 20",
                                "breaker: {consecutive: 5, open_for: 200ms}")
    models = []
    for name, shape in SHAPES.items():
        models.append(model(name, "", shape, steady))
    for name, (more, shape) in WAYS.items():
        models.append(model(name, more, shape, steady))
    models.append(model("guarded", "", "?fault=30%:status:500,5%:stall", simulators[-1:]))
    return (f"development: true\nlimits: {{concurrency_max: {PLACES}}}\n"
            f"retries: {{backoff: 2ms, backoff_max: 20ms, budget: 50%}}\n"
            f"upstreams:\n{upstreams}models:\n" + "".join(models))


def model(name, more, shape, simulators):
    routes = "".join(f"      - {{upstream: {each.name}, model: \"sim-small{shape}\"}}\n"
                     for each in simulators)
    return f"  - name: {name}\n" + (f"    {more}\n" if more else "") + f"    routes:\n{routes}"


class Clients:
    def __init__(self, port, seed, count):
        self.port, self.left = port, count
        self.random = random.Random(seed)
        self.endings = collections.Counter()
        self.leaves = collections.Counter()
        self.models = [*SHAPES, *WAYS, "guarded"]

    async def one(self):
        line = None
        while self.left > 0:
            self.left -= 1
            leaves = self.random.choice(LEAVES)
            self.leaves[leaves] += 1
            try:
                if line is None or line.is_lost:
                    line = await swarm.Line.open(self.port)
                line = await self._exchange(line, leaves)
            except OSError as error:
                self.endings[type(error).__name__] += 1
                line = None
        if line:
            line.close()

    def _request(self):
        name = self.random.choice(self.models)
        streams = self.random.random() < 0.8
        wish = "x-sluice-timeout: 80ms\r\n" if self.random.random() < 0.05 else ""
        return swarm.request(name, wish, stream=streams, user="x" * self.random.randrange(2000))

    async def _exchange(self, line, leaves):
        """Gives the connection when it may be used again."""
        data = self._request()
        body = data.index(b"\r\n\r\n") + 4
        cuts = {"connected": 0, "in head": self.random.randrange(1, body),
                "in body": self.random.randrange(body, len(data))}
        line.send(data[:cuts.get(leaves, len(data))])
        if leaves in cuts:
            await asyncio.sleep(self.random.choice((0, 0.001, 0.005)))
            return self._leave(line)
        if leaves in ("waiting", "in line"):
            await asyncio.sleep(self.random.uniform(0, 0.006 if leaves == "waiting" else 0.1))
            return self._leave(line)
        if leaves == "in stream":
            await line.read(self.random.randrange(1, 8))
            return self._leave(line)
        if leaves == "standing still":
            line.transport.pause_reading()
            await asyncio.sleep(self.random.uniform(0.01, 0.1))
            return self._leave(line)
        answer = await line.read()
        how = "whole" if answer.is_whole else "cut"
        self.endings[f"{answer.status or 'no head'} {how}"] += 1
        if not answer.is_whole:
            line.close()
            return None
        return line

    def _leave(self, line):
        line.close(with_reset=self.random.random() < 0.5)
        return None


def held(gateway):
    """Gauges that count something held and are not zero."""
    values, kinds = gateway.samples()
    left = {name: value for name, value in values.items()
            if value != 0 and kinds.get(name.split("{")[0]) == "gauge"
            and not name.startswith(OTHER_GAUGES)}
    for name, value in values.items():
        if not name.startswith("sluice_upstream_connections_open{"):
            continue
        busy = value - values[name.replace("_open{", "_idle{")]
        if busy != 0:
            left[name + " beside the idle ones"] = busy
    return left


def wait_until_nothing_is_held(gateway, simulators):
    deadline = time.monotonic() + PATIENCE_S
    while True:
        left = held(gateway)
        open_requests = sum(each.stats()["in_flight"] for each in simulators)
        if (not left and open_requests == 0) or time.monotonic() > deadline:
            return left, open_requests
        time.sleep(0.1)


async def play(place, gateway, clients, count):
    """All requests of these clients, under reloads."""
    async def reload():
        while True:
            await asyncio.sleep(RELOAD_S)
            gateway.reload()
            place.say(f"{count - clients.left:,} of {count:,} requests, reloaded")
    reloads = asyncio.create_task(reload())
    await swarm.all_of([clients.one() for _ in range(CLIENTS)])
    reloads.cancel()


def tell(case, halves):
    """How the requests ended."""
    leaves, endings = collections.Counter(), collections.Counter()
    for each in halves:
        leaves += each.leaves
        endings += each.endings
    case.figures["leaves"], case.figures["endings"] = dict(leaves), dict(endings)
    del leaves["never"]
    case.table = [["the client left", "requests"]]
    case.table += [[name, f"{amount}"] for name, amount in leaves.most_common()]
    case.table += [["it stayed, and had", ""]]
    case.table += [[name, f"{amount}"] for name, amount in endings.most_common()]


def run(place, is_small):
    count = 2000 if is_small else 100_000
    case = verdict.Case(
        5, f"{count:,} requests with random aborts, cuts and stalls in every phase",
        f"seeds {SEED} and {SEED + 1}, {CLIENTS} clients, two shards, three servers, "
        f"{len(SHAPES) + len(WAYS) + 1} models with faults, hedging, recovery, fallbacks, pings, "
        f"lines and a breaker; a reload every {RELOAD_S} s")
    simulators = [place.simulator(name, "ttft=2ms&tps=3000&tokens=8", seed)
                  for seed, name in enumerate(("one", "two", "guarded"), 1)]
    gateway = place.gateway(config(simulators))
    began = time.monotonic()
    kept, halves = [], []
    for seed in (SEED, SEED + 1):
        halves.append(Clients(gateway.port, seed, count // 2))
        asyncio.run(play(place, gateway, halves[-1], count // 2))
        left, open_requests = wait_until_nothing_is_held(gateway, simulators)
        kept.append(gateway.total("sluice_byte_budget_used_bytes"))
    took = time.monotonic() - began
    tell(case, halves)
    case.note("requests a second", count / took)
    case.note("reloads", int(gateway.total("sluice_config_reloads_total", result="success")))
    case.note("blocks kept for the next requests", kept[1] / 1024, " KiB")
    case.at_most("grown in the second half by", max(0.0, 100 * (kept[1] / max(kept[0], 1) - 1)), 15,
                 is_timed=True, unit=" %")
    case.equal("gauges that are not back at zero", ", ".join(
        f"{name} {value:g}" for name, value in sorted(left.items())) or "none", "none")
    case.equal("requests still open on the servers", open_requests, 0)
    idle = [name for name in COUNTERS if gateway.total(name) == 0]
    case.equal("counters that have not moved", ", ".join(idle) or "none", "none",
               is_timed=True)  # A small run may be too short.
    case.equal("the gateway still runs", gateway.process.poll() is None, True)
    for model_name in ("plain", "hedged", "narrow"):
        answer, _ = asyncio.run(swarm.ask(gateway.port, swarm.request(model_name, stream=True)))
        case.equal(f"status of one more request for {model_name}", answer.status, 200)
    return case
