"""Requests that are due by the clock, on one thread: of several keys, to several gateways."""

import asyncio
import dataclasses
import time

from resilience import swarm

IN_FLIGHT_MOST = 400  # Of one gateway; what is due beyond it is passed over and counted.


@dataclasses.dataclass
class Flow:
    """So many requests a second with one key, spread over gateways by shares."""
    key: str
    data: bytes
    rate: float
    shares: list


class Tide:
    def __init__(self, gateways, flows):
        self.gateways, self.flows = gateways, flows
        self.answers = {flow.key: [] for flow in flows}  # (sent, answered, status), wall clock.
        self.passed_over = 0
        self.idle = {gateway.port: [] for gateway in gateways}
        self.running = set()
        self.offset = time.time() - time.monotonic()

    async def play(self, seconds, beside=None):
        """All flows for so long; `beside(tide)` is a coroutine function that runs along."""
        began = time.monotonic()
        parts = [self._flow(flow, gateway, flow.rate * share, began, seconds)
                 for flow in self.flows for gateway, share in zip(self.gateways, flow.shares)]
        if beside:
            parts.append(beside(self))
        await asyncio.gather(*parts)
        if self.running:
            await asyncio.wait(self.running)
        for lines in self.idle.values():
            for line in lines:
                line.close()

    async def _flow(self, flow, gateway, rate, began, seconds):
        if rate <= 0:
            return
        for number in range(int(seconds * rate)):
            wait = began + (number + 0.5) / rate - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            if len(self.running) >= IN_FLIGHT_MOST * len(self.gateways):
                self.passed_over += 1
                continue
            task = asyncio.create_task(self._one(flow, gateway))
            self.running.add(task)
            task.add_done_callback(self.running.discard)

    async def _one(self, flow, gateway):
        lines = self.idle[gateway.port]
        sent = time.monotonic()
        answer, line = await swarm.ask(gateway.port, flow.data, lines.pop() if lines else None)
        if line:
            lines.append(line)
        self.answers[flow.key].append(
            (sent + self.offset, answer.ended + self.offset, answer.status))

    def admitted(self, key):
        return [each for each in self.answers[key] if each[2] == 200]

    def count(self, *statuses):
        return sum(each[2] in statuses for found in self.answers.values() for each in found)

    def latencies(self, key, since, until):
        """Seconds of each answer to what was sent between two times of the wall clock."""
        return [end - sent for sent, end, _ in self.answers[key] if since <= sent < until]
