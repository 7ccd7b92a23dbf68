"""Our gateway as the client of an upstream that answers with whatever a grammar makes.

Each answer is followed by a plain request through the same gateway, which must get its own answer:
bytes behind a whole answer, and connections whose framing is in doubt, must reach nobody else.
"""

import asyncio

import chain_forms
from loop_peers import PATIENCE_S, Echo, exchange, read_answers
from readers import in_lanes

# Neither a breaker nor a rest may keep requests from the upstream, and no retry hide an answer.
PATIENT = """, breaker: {consecutive: 1000000, failure_ratio: 100%, requests_min: 1000000},
             cooldown: {after_429: 0s, max: 0s}"""
NO_RETRIES = "retries: {budget: 0%, budget_min: 0}"
RELAYED = (200, 201, 400)  # Statuses that reach the client as they came.


class HostileOrigin(Echo):
    """Answers T-<number> with the bytes of that number, every other request as the echo does."""

    def __init__(self, answers, readings):
        super().__init__([])
        self.answers = answers
        self.readings = readings

    def _answer(self, head, body):
        self.keep_id(head)
        if not self.seen[-1].startswith("T-"):
            super()._answer(head, body)
            return
        number = int(self.seen[-1][2:])
        reading = self.readings[number]
        self.transport.write(self.answers[number])
        # Kept open whenever the gateway might take it for usable; else it would wait for more.
        if reading["tail"] == "waits" or (reading["tail"] == "closed"
                                          and not reading["messages"][-1]["keep"]):
            self.transport.close()


def misrelayed(reading, answers):
    """What is wrong with what a client got of an upstream's answer that our parser reads so."""
    if len(answers) > 1:
        return "more than one answer"
    if reading["tail"] != "closed":
        # A head may have been relayed before its body broke; then the client's answer is cut, too.
        is_error = bool(answers) and answers[0][0] >= 500 and b'"error"' in answers[0][1]
        return None if not answers or is_error else f"a refused answer came as {answers}"
    final = reading["messages"][-1]
    if final["code"] not in RELAYED:
        return None
    if not answers or answers[0][0] != final["code"]:
        return f"a good answer came as {answers}"
    return None if answers[0][1].hex() == final["body"] else f"its body came as {answers[0][1]}"


async def answer_badly(port, readings):
    """[(number, what is wrong)] over all answers."""
    wrong = []

    async def ask(number):
        answers = read_answers(await exchange(port, chain_forms.ask(f"T-{number}"), awaits=1,
                                              pause_s=PATIENCE_S / 2))
        fault = misrelayed(readings[number], answers)
        canary = read_answers(await exchange(port, chain_forms.ask(f"C-{number}"), awaits=1,
                                             pause_s=PATIENCE_S / 2))
        if [status for status, _, _ in canary] != [200] or (
                f'"id": "C-{number}"'.encode() not in canary[0][1]):
            fault = f"the next request got {canary}"
        if fault:
            wrong.append((number, fault))

    await in_lanes(len(readings), ask)
    return wrong


async def serve_hostile(stack, answers, readings):
    """The port of a HostileOrigin."""
    server = await asyncio.get_running_loop().create_server(
        lambda: HostileOrigin(answers, readings), "127.0.0.1", 0)
    stack.callback(server.close)
    return server.sockets[0].getsockname()[1]
