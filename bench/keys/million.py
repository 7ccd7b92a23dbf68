"""1: a million keys in the store: look-up, memory, start, reload."""

import asyncio
import hashlib
import json
import sqlite3
import subprocess
import time

from resilience import stage as programs
from resilience import swarm, verdict

from . import stage

KNOWN = 200          # Keys whose secrets are known, spread over all.
REPETITIONS = 5      # Of the micro-benchmark; others may use the machine's caches meanwhile.
BENCH_S = 300        # The bound of the micro-benchmark.
LOOKUP_NS = 1_000    # P6 of the performance budgets: under a microsecond.
ORGANISATIONS, TEAMS = 100, 1_000

OWNERS = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
INSERT INTO owners(id, level, name, organisation, team, is_blocked, expires, models, limits,
                   metadata, created, updated)
SELECT ? || i, ?, 'owner ' || i, CASE WHEN ? THEN 'org_' || (1 + i % ?) END, NULL, 0, NULL,
       '', '', '', 1, 1 FROM n
"""
KEYS = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
INSERT INTO keys(id, name, prefix, digest, kind, organisation, team, user, is_blocked, not_before,
                 expires, models, limits, allowed_addresses, denied_addresses, weight,
                 priority_max, metadata, created, updated, model_limits, tags)
SELECT 'key_' || lower(hex(randomblob(12))), 'service-' || i, 'sk-abcd',
       CASE WHEN i % ? = 0 THEN digest(i / ?) ELSE randomblob(32) END, 0,
       'org_' || (1 + (1 + i % 1000) % 100), 'team_' || (1 + i % 1000), NULL, 0, NULL, NULL,
       '["m","text-*"]', '{"requests_per_minute":' || (60000 + i % 20) || '}', '', '', 1, 0, '',
       1, 1, '', '' FROM n
"""


def secret_of(number):
    return f"sk-known-{number:08d}-0123456789abcdef"


def fill(path, count):
    """Puts so many keys into a store that a gateway has made; every fiftieth part is known."""
    step = count // KNOWN
    with sqlite3.connect(path) as db:
        db.create_function(
            "digest", 1, lambda n: hashlib.sha256(secret_of(n).encode()).digest(),
            deterministic=True)
        db.execute("PRAGMA synchronous = OFF")
        db.execute(OWNERS, (ORGANISATIONS, "org_", 0, 0, 1))
        db.execute(OWNERS, (TEAMS, "team_", 1, 1, ORGANISATIONS))
        db.execute(KEYS, (count, step, step))
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def resident_kb(gateway):
    with open(f"/proc/{gateway.process.pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))


def start(place, config):
    """(gateway, seconds until it listens)."""
    began = time.monotonic()
    gateway = place.gateway(config)
    return gateway, time.monotonic() - began


def measure_lookup(place, case):
    """The directory's own benchmark, among a million keys."""
    done = subprocess.run(
        [str(place.program("bench/micro/bench_auth")), "--benchmark_filter=^find",
         "--benchmark_format=json", f"--benchmark_repetitions={REPETITIONS}"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=BENCH_S)
    found = {}
    for each in json.loads(done.stdout)["benchmarks"]:
        if each["run_type"] == "iteration":
            found.setdefault(each["run_name"], []).append(each)
    for name, what in (("known", "a known key"), ("unknown", "an unknown key"),
                       ("known_under_a_full_delta", "a known key under 1,000 changes")):
        times = sorted(each["cpu_time"] for each in found[f"find/{name}"])
        case.at_most(f"CPU of a look-up of {what}, least of {REPETITIONS}", times[0], LOOKUP_NS,
                     is_timed=True, unit=" ns")
        case.note(f"the median of them, {what}", times[len(times) // 2], " ns")
    case.note("bytes per key, by the index itself", found["find/known"][0]["bytes_per_key"])


async def ask_known(gateway, numbers):
    """(statuses, seconds of each answer) of one request with each key, one after the other."""
    statuses, times, line = {}, [], None
    for number in numbers:
        answer, line = await swarm.ask(gateway.port, stage.request(secret_of(number)), line)
        statuses[answer.status] = statuses.get(answer.status, 0) + 1
        times.append(answer.ended - answer.began)
    return statuses, times


async def reload_under_load(gateway):
    """(seconds of the reload, answers of clients meanwhile)."""
    answers, is_over = [], False
    data = stage.request(secret_of(1))
    clients = [asyncio.create_task(swarm.loop_until(
        gateway.port, data, lambda: is_over, answers.append)) for _ in range(4)]
    async with asyncio.timeout(programs.PATIENCE_S):
        while len(answers) < 100:
            await asyncio.sleep(0.005)
    began = time.monotonic()
    status, answer, ended = await stage.call(gateway, "/v1/reload", {})
    is_over = True
    await asyncio.gather(*clients)
    if status != 200:
        raise AssertionError(f"reload: {status} {answer}")
    return ended - began, answers


def run(place, is_small):
    count = 20_000 if is_small else 1_000_000
    case = verdict.Case(
        1, f"{count:,} keys in the store",
        f"with limits, models, a team and an organisation each; {ORGANISATIONS} organisations, "
        f"{TEAMS:,} teams; the file is in the page cache")
    if not is_small:
        place.say("the look-up alone")
        measure_lookup(place, case)
    simulator = place.simulator("sim", "ttft=0&tps=0&tokens=1")
    config = stage.settings(simulator, place.folder)
    with place.scope():
        gateway, empty_s = start(place, config)
        empty_kb = resident_kb(gateway)
        gateway.signal_end()
    place.say(f"{count:,} keys go into the file")
    fill(place.folder / "keys.db", count)
    case.note("the file", (place.folder / "keys.db").stat().st_size / 2**20, " MiB")
    gateway, took = start(place, config)
    case.at_most("start", took, 10, is_timed=True, unit=" s")
    case.note("start with an empty store", empty_s, " s")
    case.note("bytes per key, by the memory of the process",
              (resident_kb(gateway) - empty_kb) * 1024 / count)
    statuses, times = asyncio.run(ask_known(gateway, range(1, KNOWN + 1)))
    case.equal("requests with keys of the file, by status", statuses, {200: KNOWN})
    statuses, _ = asyncio.run(ask_known(gateway, range(KNOWN + 1, KNOWN + 9)))
    case.equal("requests with keys that it does not have", statuses, {401: 8})
    case.note("a request with such a key, p50", verdict.quantile(times, 0.5) * 1000, " ms")
    took, answers = asyncio.run(reload_under_load(gateway))
    case.at_most("reload", took * 1000, 1000, is_timed=True, unit=" ms")
    case.equal("requests that failed beside it", sum(not each.is_good for each in answers), 0)
    case.note("the longest of them", max(each.ended - each.began for each in answers) * 1000, " ms")
    began = time.monotonic()
    found = gateway.admin("/v1/keys?search=service-77&limit=1")["keys"]
    case.note("a list of one by its name", (time.monotonic() - began) * 1000, " ms")
    began = time.monotonic()
    gateway.admin(f"/v1/keys/{found[0]['id']}/block", {})
    case.at_most("a block", (time.monotonic() - began) * 1000, 100, is_timed=True, unit=" ms")
    case.note("memory of the process in the end", resident_kb(gateway) / 1024, " MiB")
    return case
