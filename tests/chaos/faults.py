"""What is done to the processes of a run, what it excuses meanwhile, and when all must be well
again.

A fault has `kind`, a span of time and excuses. An excuse names a kind of trouble that requests of a
gateway may see which overlap the span from the fault's begin to its end and the kind's `bound_s`:

    gone       connections are cut, or refused
    upstream   502, 503, 504; event streams that end with an error event
    keys       503 for keys of sources on the island
    forgotten  401 for the key that only Redis knows
    idle       kept https connections that are closed before an answer's head
"""

import contextlib
import dataclasses
import os
import threading
import time

from fleet import is_alive
from redis_support import wait_until

FILL_BLOCK = 1 << 20
STARVED_SHARE = 0.04  # Of one core.
SHIFTS_S = (-93_600, -3_600, -2, 2, 3_600, 93_600)
BOOT_EARLIER_S = 20_000
BOOT_LATER_S = 1_000_000
UPTIME_LEAST_S = 60  # The kernel refuses clocks that would be negative (time_namespaces(7)).
BOTH = ("edge", "plain")


@dataclasses.dataclass
class Fault:
    kind: str
    target: str
    began: float
    ended: float = 0.0
    bound_s: float = 0.0
    excuses: frozenset = frozenset()
    gateways: tuple = BOTH
    note: str = ""

    def covers(self, outcome, trouble):
        return (trouble in self.excuses and outcome.gateway in self.gateways
                and outcome.began <= (self.ended or 1e18) + self.bound_s
                and outcome.ended >= self.began)


def boot_offsets_s(uptime_s):
    """How far the clocks of another boot may be from those of this one, which is so old."""
    return -int(min(BOOT_EARLIER_S, max(uptime_s - UPTIME_LEAST_S, 0))), BOOT_LATER_S


class Faults:
    """Each method is a fault from its begin to its end; `chance` decides on whom, `over` may end it
    early.
    """

    def __init__(self, fleet, chance, over):
        self.fleet, self.chance, self.over = fleet, chance, over
        self.seen = []
        self.lock = threading.Lock()

    def wait(self, low_s, high_s):
        self.over.wait(self.chance.uniform(low_s, high_s))

    @contextlib.contextmanager
    def fault(self, kind, target, bound_s, excuses=(), gateways=BOTH):
        made = Fault(kind, target, time.monotonic(), 0.0, bound_s, frozenset(excuses), gateways)
        with self.lock:
            self.seen.append(made)
        try:
            yield made
        finally:
            made.ended = time.monotonic()

    def one_gateway(self):
        return self.chance.choice(self.fleet.gateways)

    # --- the gateways

    def gateway_kill(self, **more):
        gateway = self.one_gateway()
        with self.fault("gateway_kill", gateway.name, 1, ("gone", "keys"), (gateway.name,)) as made:
            gateway.kill()
            made.note = f"dead at {time.monotonic():.3f}"
            self.wait(0, 1)
            gateway.start(**more)

    def other_boot(self):
        """Killed, and started with clocks that count from another boot."""
        offsets = boot_offsets_s(time.clock_gettime(time.CLOCK_MONOTONIC))
        self.gateway_kill(boot_offset_s=self.chance.choice(offsets))
        self.seen[-1].kind = "other_boot"

    def gateway_stop(self):
        gateway = self.one_gateway()
        with self.fault("gateway_stop", gateway.name, 3, ("upstream", "keys", "gone"),
                        (gateway.name,)):
            gateway.stop()
            self.wait(0.5, 3)
            gateway.resume()

    def gateway_restart(self):
        gateway = self.one_gateway()
        with self.fault("gateway_restart", gateway.name, 1, ("gone", "upstream", "keys"),
                        (gateway.name,)):
            gateway.end()
            gateway.start()

    def reload(self):
        gateway = self.one_gateway()
        with self.fault("reload", gateway.name, 0, (), (gateway.name,)):
            gateway.reload()
            self.wait(0.1, 0.3)

    def upgrade(self):
        """At times the process before is killed while it drains."""
        gateway = self.one_gateway()
        kills = self.chance.random() < 0.4
        excuses = ("idle", "gone", "keys") if kills else ("idle", "keys")
        kind = "upgrade_kill" if kills else "upgrade"
        with self.fault(kind, gateway.name, 1, excuses, (gateway.name,)):
            before = gateway.upgrade()
            if before is None:
                return
            if kills:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(before, 9)
            wait_until(lambda: not is_alive(before), "the end of the process before")

    def clock(self):
        gateway = self.one_gateway()
        shift = self.chance.choice(SHIFTS_S)
        with self.fault("clock", gateway.name, 0, (), (gateway.name,)) as made:
            made.note = f"{shift:+d} s"
            gateway.shift_clock(shift)
            self.wait(1, 2)
            gateway.shift_clock(0)

    def disk_full(self):
        gateway = self.one_gateway()
        with self.fault("disk_full", gateway.name, 0, (), (gateway.name,)):
            path = os.path.join(gateway.disk, "filler")
            fill(path)
            self.wait(1, 3)
            os.unlink(path)

    def descriptors(self):
        gateway = self.one_gateway()
        with self.fault("descriptors", gateway.name, 3, ("upstream", "keys", "gone"),
                        (gateway.name,)):
            before = gateway.limit_descriptors_to(self.chance.randrange(0, 4))
            self.wait(1, 2)
            gateway.limit_descriptors(before)

    def cpu_starved(self):
        gateway = self.one_gateway()
        with self.fault("cpu_starved", gateway.name, 4, ("upstream", "keys"), (gateway.name,)):
            quota = gateway.starve(STARVED_SHARE)
            self.wait(1, 3)
            quota.close()

    # --- what stands behind them

    def redis_kill(self):
        with self.fault("redis_kill", "redis", 2, ("forgotten", "keys")):
            self.fleet.redis.kill()
            self.wait(0, 2)
            self.fleet.redis.start()

    def redis_stop(self):
        with self.fault("redis_stop", "redis", 2, ("keys",)):
            self.fleet.redis.stop()
            self.wait(0.5, 3)
            self.fleet.redis.resume()

    def postgres_kill(self):
        with self.fault("postgres_kill", "postgres", 2, ("keys",)):
            self.fleet.database.kill()
            self.wait(0, 2)
            self.fleet.database.start()

    def postgres_stop(self):
        with self.fault("postgres_stop", "postgres", 2, ("keys",)):
            self.fleet.database.pause()
            self.wait(0.5, 3)
            self.fleet.database.resume()

    def upstream_kill(self):
        provider = self.chance.choice(self.fleet.providers)
        with self.fault("upstream_kill", provider.name, 3, ("upstream",)):
            provider.kill()
            self.wait(0, 2)
            provider.start()

    def upstream_stop(self):
        provider = self.chance.choice(self.fleet.providers)
        with self.fault("upstream_stop", provider.name, 4, ("upstream",)):
            provider.stop()
            self.wait(0.5, 3)
            provider.resume()

    def partition(self):
        """Of one gateway from the island, or of both."""
        names = self.chance.choice((("edge",), ("plain",), BOTH))
        with self.fault("partition", "+".join(names), 4, ("upstream", "keys"), names):
            for name in names:
                self.fleet.island.cut(name)
            self.wait(1, 4)
            for name in names:
                self.fleet.island.mend(name)


def fill(path):
    """Takes all the space that its disk has left."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    size = FILL_BLOCK
    while size >= 512:
        try:
            if os.write(fd, bytes(size)) < size:
                size //= 2
        except OSError:
            size //= 2
    os.close(fd)


KINDS = ("gateway_kill", "redis_kill", "upstream_kill", "postgres_kill", "reload", "gateway_stop",
         "redis_stop", "upstream_stop", "postgres_stop", "partition", "disk_full", "descriptors",
         "cpu_starved", "clock", "upgrade", "other_boot", "gateway_restart")
