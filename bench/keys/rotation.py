"""4: rotations under load, and kill -9 in rotations, first starts and upgrades of the file."""

import asyncio
import hashlib
import random
import shutil
import sqlite3
import time

from limits import tide
from resilience import swarm, verdict

from . import stage

SEED = 4
RATE = 500
EVERY_S = 0.25     # Between two rotations under load.
OVERLAP = "1h"
WITHIN_S = 0.006    # A kill comes so long after a rotation was asked for, at most.
START_S = 0.06     # The same of the start that makes the store.


class Rotated(tide.Tide):
    """A tide whose requests carry the newest secret that is known when they are sent, or, each
    second one, the one before it."""

    def __init__(self, gateway, secret):
        self.flow = tide.Flow("app", b"", RATE, [1])
        super().__init__([gateway], [self.flow])
        self.secrets = [secret]
        self.turn = 0

    async def _one(self, flow, gateway):
        self.turn += 1
        secret = self.secrets[-1 - self.turn % 2 * (len(self.secrets) > 1 and self.may_be_old)]
        await super()._one(tide.Flow(flow.key, stage.request(secret), 0, []), gateway)

    may_be_old = True


async def rotate_on(place, waves, gateway, key, seconds):
    """Rotates again and again. While a rotation runs only the newest secret is surely good: what
    was the one before it is replaced by the newest."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        await asyncio.sleep(EVERY_S)
        waves.may_be_old = False
        if waves.running:  # What was sent with the old one is answered first.
            await asyncio.wait(set(waves.running))
        status, answer, _ = await stage.call(gateway, f"/v1/keys/{key}/rotate",
                                             {"overlap": OVERLAP})
        if status != 200:
            raise AssertionError(f"rotate: {status} {answer}")
        waves.secrets.append(answer["secret"])
        waves.may_be_old = True


def under_load(place, case, seconds):
    with place.scope():
        folder = place.folder / "load"
        folder.mkdir()
        simulator = place.simulator("sim", "ttft=0&tps=0&tokens=1")
        gateway = place.gateway(stage.settings(simulator, folder))
        key, secret = stage.make_key(gateway, name="app")
        waves = Rotated(gateway, secret)
        place.say(f"{seconds} s of {RATE} requests a second under rotations")
        asyncio.run(waves.play(seconds, lambda _: rotate_on(
            place, waves, gateway, key, seconds - 1)))
        answers = waves.answers["app"]
        good = sum(status == 200 for _, _, status in answers)
        case.note("rotations under load", len(waves.secrets) - 1)
        case.note("requests", len(answers))
        case.at_least("requests a second", len(answers) / seconds, RATE * 0.95, is_timed=True)
        case.equal("refused, or without an answer", len(answers) - good, 0)
        case.equal("passed over by the clients", waves.passed_over, 0, is_timed=True)
        if len(waves.secrets) > 2:
            case.equal("the secret before the last two is let in",
                       stage.is_let_in(gateway, waves.secrets[-3]), False)


class Kills:
    """What was found after each restart."""

    def __init__(self):
        self.neither = self.answered_is_lost = self.old_outlived = 0
        self.answered = self.with_old = self.with_new_alone = self.unfinished = 0
        self.rows = 0  # Rotations that are in the audit log and not in the key, or the reverse.


def digests(folder):
    """(the key's digest, its former one, rotations in the audit log) of the file."""
    with sqlite3.connect(folder / "keys.db") as db:
        present, former = db.execute("SELECT digest, former_digest FROM keys").fetchone()
        return present, former, db.execute(
            "SELECT count(*) FROM audit WHERE action = 'key.rotate'").fetchone()[0]


async def rotate_and_kill(gateway, key, overlap, delay, secret):
    """The new secret, or None when the gateway died before it was told."""
    data = stage.request(secret)
    clients = [asyncio.create_task(swarm.loop_until(
        gateway.port, data, lambda: gateway.process.poll() is not None, lambda _: None))
        for _ in range(4)]
    body = {"overlap": OVERLAP} if overlap else {}
    asked = asyncio.create_task(stage.call(gateway, f"/v1/keys/{key}/rotate", body))
    await asyncio.sleep(delay)
    gateway.kill()
    status, answer, _ = await asked
    await asyncio.gather(*clients)
    return answer["secret"] if status == 200 else None


def judge(found, folder, gateway, old, new, overlap, rotations):
    """What works now; gives the secret to go on with, or None when only its digest is known."""
    present, former, in_log = digests(folder)
    digest = hashlib.sha256(old.encode()).digest()
    is_rotated = present != digest
    found.rows += in_log - rotations != is_rotated
    works_old = stage.is_let_in(gateway, old)
    found.with_old += works_old
    found.with_new_alone += not works_old
    if new is None:
        found.unfinished += 1
        # Who asked was not told; the old one has to work unless the file has a new one.
        found.neither += not works_old and (not is_rotated or overlap)
        found.old_outlived += works_old and is_rotated and not overlap
        return old if works_old and not is_rotated else None
    found.answered += 1
    works_new = stage.is_let_in(gateway, new)
    found.neither += not works_new and not works_old
    found.answered_is_lost += not works_new
    found.old_outlived += works_old and not overlap
    return new


def kill_in_rotations(place, case, times):
    chance = random.Random(SEED)
    found = Kills()
    folder = place.folder / "kills"
    folder.mkdir()
    simulator = place.simulator("sim", "ttft=0&tps=0&tokens=1")
    config = stage.settings(simulator, folder)
    gateway = place.gateway(config)
    key, secret = stage.make_key(gateway, name="app")
    for turn in range(times):
        overlap = turn % 2 == 0
        rotations = digests(folder)[2]
        new = asyncio.run(rotate_and_kill(gateway, key, overlap,
                                          chance.uniform(0, WITHIN_S), secret))
        gateway = place.gateway(config)
        next_secret = judge(found, folder, gateway, secret, new, overlap, rotations)
        if next_secret is None:  # An operator asks again.
            next_secret = gateway.admin(f"/v1/keys/{key}/rotate", {})["secret"]
        secret = next_secret
        if turn % 25 == 24:
            place.say(f"{turn + 1} of {times} kills")
    gateway.signal_end()
    case.note("killed while a rotation ran, or just after it", times)
    case.note("of those, the new secret had been told", found.answered)
    case.note("not told, the old one goes on", found.unfinished)
    case.note("after the restart the old secret worked", found.with_old)
    case.note("the new one alone", found.with_new_alone)
    case.equal("neither works", found.neither, 0)
    case.equal("a secret that was told does not work", found.answered_is_lost, 0)
    case.equal("without overlap, the old one outlived the new one", found.old_outlived, 0)
    case.equal("rotations of the file that the audit log lacks, or the reverse", found.rows, 0)


def kill_in_first_starts(place, case, times):
    """The first start makes the file step by step; the second one must find it good."""
    chance = random.Random(SEED)
    simulator = place.simulator("sim", "ttft=0&tps=0&tokens=1")
    bad, versions = 0, {}
    for turn in range(times):
        folder = place.folder / f"start{turn}"
        folder.mkdir()
        config = stage.settings(simulator, folder)
        place.start_and_kill(config, chance.uniform(0, START_S))
        version = "none"
        if (folder / "keys.db").exists():
            version = look_at_version(folder / "keys.db")
        versions[version] = versions.get(version, 0) + 1
        with place.scope():
            gateway = place.gateway(config)
            _, secret = stage.make_key(gateway, name="app")
            bad += not stage.is_let_in(gateway, secret)
            gateway.signal_end()
    case.note("killed in a first start; steps that the file had", ", ".join(
        f"{each}: {count}" for each, count in sorted(versions.items())))
    case.equal("a second start without a working store", bad, 0)


# Takes the file one step back, by the step.
BACK = {5: "DROP TABLE answers",
        4: "ALTER TABLE keys DROP COLUMN tags; ALTER TABLE keys DROP COLUMN model_limits",
        3: "DROP INDEX keys_by_former; ALTER TABLE keys DROP COLUMN former_until; "
           "ALTER TABLE keys DROP COLUMN former_digest",
        2: "DROP TABLE audit"}


def kill_in_upgrades(place, case, times):
    """A file of an earlier version is brought up to date at the start, which is killed."""
    chance = random.Random(SEED)
    simulator = place.simulator("sim", "ttft=0&tps=0&tokens=1")
    first = place.folder / "newest"
    first.mkdir()
    with place.scope():
        gateway = place.gateway(stage.settings(simulator, first))
        _, secret = stage.make_key(gateway, name="app")
        gateway.signal_end()
    lost, versions = 0, {}
    for turn in range(times):
        folder, version = place.folder / f"upgrade{turn}", 1 + turn % 4
        folder.mkdir()
        shutil.copy(first / "keys.db", folder)
        with sqlite3.connect(folder / "keys.db") as db:
            for step in range(max(BACK), version, -1):
                db.executescript(f"{BACK[step]}; DELETE FROM schema_version WHERE version = {step}")
        config = stage.settings(simulator, folder)
        place.start_and_kill(config, chance.uniform(0, START_S))
        found = f"{version} to {look_at_version(folder / 'keys.db')}"
        versions[found] = versions.get(found, 0) + 1
        with place.scope():
            gateway = place.gateway(config)
            lost += not stage.is_let_in(gateway, secret)
            gateway.signal_end()
    case.note("killed in an upgrade, from step to step", ", ".join(
        f"{each}: {count}" for each, count in sorted(versions.items())))
    case.equal("a second start without the key", lost, 0)


def look_at_version(path):
    try:
        with sqlite3.connect(path) as db:
            return str(db.execute("SELECT max(version) FROM schema_version").fetchone()[0])
    except sqlite3.Error:
        return "0"


def run(place, is_small):
    seconds, kills, starts = (4, 6, 4) if is_small else (30, 200, 60)
    case = verdict.Case(
        4, f"Rotations of a key under {RATE} requests a second; {kills} kills in rotations",
        f"two shards; overlap {OVERLAP}, each second request with the secret before the last; "
        f"kills within {WITHIN_S * 1000:g} ms of the call, each second one without overlap, "
        f"seed {SEED}")
    under_load(place, case, seconds)
    kill_in_rotations(place, case, kills)
    kill_in_first_starts(place, case, starts)
    kill_in_upgrades(place, case, starts)
    return case
