"""5: reloads while streams and requests run."""

import time

from lab.processes import fail
from redis_support import wait_until
from resilience import verdict

from . import stage

STREAMS, RATE = 1_000, 2_000
EVENTS, INTERVAL_MS = 60, 400  # Of each stream.

# What a reload changes, one after the other, there and back.
CHANGES = (("drain_timeout: 31s", "drain_timeout: 32s"),
           ("strategy: random", "strategy: power_of_two"),
           ("requests_per_minute: 100000000", "requests_per_minute: 100000001"),
           ("output: 1000", "output: 1001"),
           ("level: info", "level: warn"),
           ("weight: 2", "weight: 3"))


def settings(simulator, folder):
    text = stage.settings(
        simulator, folder,
        "drain_timeout: 31s\nlog: {level: info}\n"
        "keys: [{name: app, secret: sk-show-app-0123456789, "
        "limits: {requests_per_minute: 100000000}}]\n")
    text = text.replace("- {name: m, routes", "- {name: m, strategy: random, routes")
    return text.replace("model: sim, ", "model: m, weight: 2, ")


class Turns:
    """Rewrites the configuration file of a gateway and has it read."""

    def __init__(self, gateway):
        self.gateway, self.path = gateway, gateway.folder / "sluice.yaml"
        self.took, self.wrong = [], []

    def one(self, number):
        old, new = CHANGES[number % len(CHANGES)]
        text = self.path.read_text()
        if old not in text:
            old, new = new, old
        if old not in text:
            fail(f"{old} is not in the configuration")
        self.path.write_text(text.replace(old, new))
        before = time.monotonic()
        status, answer = self.gateway.call("/v1/reload", {})
        self.took.append(time.monotonic() - before)
        if status != 200 or answer["generation"] != number + 2:
            self.wrong.append(f"{status} {answer}")


def failures(figures):
    return ", ".join(f"{count} x {why}" for why, count in figures["failures"].items()) or "none"


def run(place, is_small):
    streams, rate, reloads, seconds = (
        (50, 200, 10, 4) if is_small else (STREAMS, RATE, 200, 45))
    case = verdict.Case(
        5, f"{reloads} reloads during {streams:,} streams and {rate:,} requests a second",
        f"two shards; each reload changes one of {len(CHANGES)}: a limit, a price, a strategy, "
        f"a weight, the log level, drain_timeout; streams of {EVENTS} tokens, {INTERVAL_MS} ms "
        "apart; every answer of the requests is compared by byte with the server's own")
    simulator = place.simulator("sim", "ttft=0&tps=0&tokens=1")
    gateway = place.gateway(settings(simulator, place.folder))
    key = ("--key", "sk-show-app-0123456789=1", "--model", "m=1", "--body-bytes", "300=1")
    interval = INTERVAL_MS // 20 if is_small else INTERVAL_MS
    flowing = place.begin_load(
        gateway, *key, "--stream", "--connections", streams, "--streams-per-connection", 0,
        "--duration", f"{seconds}s", "--events", EVENTS, "--interval", interval, "--spread", "2s",
        "--finish", "60s", name="streams")
    steady = place.begin_load(
        gateway, *key, "--rate", rate, "--connections", 64, "--duration", f"{seconds}s",
        "--events", 1, "--fixed", "--reference-url", f"http://127.0.0.1:{simulator.port}",
        "--finish", "30s", name="steady")
    wait_until(lambda: simulator.stats()["in_flight"] >= streams * 0.8, "the streams are open")
    turns = Turns(gateway)
    began = time.monotonic()
    least = streams
    for number in range(reloads):
        turns.one(number)
        wait = began + (number + 1) * (seconds - 5 if not is_small else 2) / reloads
        if number % 10 == 9:
            least = min(least, simulator.stats()["in_flight"])
            place.say(f"{number + 1} reloads")
        time.sleep(max(0, wait - time.monotonic()))
    steady, flowing = place.end_load(steady), place.end_load(flowing)
    ms = [each * 1000 for each in turns.took]
    case.equal("reloads that were not applied", len(turns.wrong), 0)
    case.note("reload, p50", verdict.quantile(ms, 0.5), " ms")
    case.note("reload, longest", max(ms), " ms")
    case.at_least("streams open at the server, least", least, streams * 0.8, is_timed=True)
    case.note("streams that came to their end", flowing["completed"])
    case.equal("streams lost, cut or wrong", failures(flowing), "none")
    case.note("requests", steady["completed"])
    case.at_least("requests a second", steady["rate"], rate * 0.95, is_timed=True)
    case.equal("requests lost, refused or with another answer", failures(steady), "none")
    case.note("requests, p99", steady["latency"]["p99_us"] / 1000, " ms")
    return case
