"""How each program reads the cases: parsers over a pipe, proxies and our gateway over loopback."""

import asyncio
import json
import struct
import subprocess

from loop_peers import PATIENCE_S, exchange, read_answers, source_of

LANES = 48  # Connections at a time.


class ParserProbe:
    """A program that reads framed cases and answers each with a line; see parser_probe.cc."""

    def __init__(self, name, command):
        self.name = name
        self.command = command

    def read(self, kind, cases):
        frames = b"".join(kind + struct.pack("<I", len(case)) + case for case in cases)
        run = subprocess.run(self.command, input=frames, capture_output=True, timeout=300,
                             check=False)
        lines = run.stdout.splitlines()
        if len(lines) != len(cases):
            where = cases[len(lines)] if len(lines) < len(cases) else b""
            raise AssertionError(f"{self.name} ended with {run.returncode} at {where[:400]}: "
                                 f"{run.stderr[-2000:].decode('latin-1')}")
        return [json.loads(line) for line in lines]


def expected_answers(ours):
    """How many answers our reading of a case would give."""
    return len(ours["messages"]) + (ours["tail"] == "refused")


def methods_of(ours):
    return [bytes.fromhex(message["method"]) for message in ours["messages"]]


def reading_of(answers, may_stop):
    """What a proxy before an echo has understood, by its answers. `may_stop` says that an end
    without a refusal means nothing."""
    messages = []
    for status, body, closes in answers:
        if status == 200 and body.startswith(b'{"echo"'):
            messages.append(json.loads(body))
        elif status == 200 and not body:
            messages.append({"method": b"HEAD".hex()})
        else:
            return {"messages": messages, "tail": "refused", "why": str(status), "status": status}
        if closes:
            return {"messages": messages, "tail": "closed"}
    return {"messages": messages, "tail": "closed" if may_stop and messages else "waits"}


async def in_lanes(count, work):
    """Runs work(0) to work(count - 1), some at a time."""
    indexes = iter(range(count))

    async def lane():
        for index in indexes:
            await work(index)

    await asyncio.gather(*(lane() for _ in range(min(LANES, count))))


async def ask_proxy(hop, cases, ours, is_nginx, first_index):
    """One reading for each case."""
    readings = [None] * len(cases)

    async def ask(index):
        awaits = 0 if is_nginx else expected_answers(ours[index])
        answer = await exchange(hop.port, cases[index], source_of(first_index + index), awaits)
        answers = read_answers(answer, methods_of(ours[index]))
        readings[index] = reading_of(answers, not is_nginx)

    await in_lanes(len(cases), ask)
    reasons = hop.reasons() if is_nginx else {}
    for index, reading in enumerate(readings):
        if reading["tail"] == "refused":
            reason = reasons.get(source_of(first_index + index))
            reading["why"] = f"{reading['why']} {reason}" if reason else reading["why"]
    return readings


def misread_by_gateway(ours, answers):
    """What is wrong with the gateway's answers to what our parser reads as `ours`, or None."""
    for index, message in enumerate(ours["messages"]):
        if index >= len(answers):
            return f"answer {index} of {len(ours['messages'])} is missing"
        status, body, closes = answers[index]
        if b'"malformed_request"' in body or status in (417, 431, 501, 505):
            return f"request {index} is refused with {status}"
        if body.startswith(b'{"echo"') and json.loads(body)["body"] != message["body"]:
            return f"the body of request {index} was changed"
        if closes:
            return None if len(answers) == index + 1 else "more answers behind the last one"
    rest = answers[len(ours["messages"]):]
    if ours["part"] == "body" and ours["tail"] != "clean":
        # Its head is whole: it may have an answer already, which must be the last one.
        return None if not rest or (len(rest) == 1 and rest[0][2]) else "its body is not awaited"
    if ours["tail"] != "refused":
        return "an answer without a request" if rest else None
    if [status for status, _, _ in rest] != [ours["status"]] or not rest[0][2]:
        return f"refused as {[answer[::2] for answer in rest]}, not {ours['status']} and close"
    return None


async def ask_gateway(port, cases, ours):
    """[(index, what is wrong)] of the gateway's own behaviour."""
    wrong = []

    async def ask(index):
        expected = ours[index]
        answer = await exchange(port, cases[index], awaits=expected_answers(expected),
                                pause_s=PATIENCE_S / 2)
        fault = misread_by_gateway(expected, read_answers(answer, methods_of(expected), True))
        if fault:
            wrong.append((index, fault))

    await in_lanes(len(cases), ask)
    return wrong


async def post_bodies(port, cases, ours):
    """How many bodies that name the model m reached the upstream, and sentences on changed ones."""
    fitting = [index for index, reading in enumerate(ours)
               if reading["ok"] and reading["model"] == b"m".hex()]
    wrong = []

    async def post(at):
        index = fitting[at]
        data = (b"POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\n"
                b"content-type: application/json\r\n"
                b"content-length: %d\r\n\r\n" % len(cases[index]) + cases[index])
        answers = read_answers(await exchange(port, data, awaits=1,
                                              pause_s=PATIENCE_S / 2))
        if len(answers) != 1 or answers[0][0] != 200:
            wrong.append(f"a body was not forwarded but answered {answers}: {cases[index]}")
            return
        arrived = bytes.fromhex(json.loads(answers[0][1])["body"])
        asks_for_usage = ours[index]["stream"] and not ours[index]["usage"]
        if arrived != cases[index] and not asks_for_usage:
            wrong.append(f"a body arrived changed, as {arrived}: {cases[index]}")
        elif asks_for_usage and not differs_in_usage_alone(cases[index], arrived):
            wrong.append(f"more than its usage was changed, to {arrived}: {cases[index]}")

    await in_lanes(len(fitting), post)
    return len(fitting), wrong


def differs_in_usage_alone(sent, arrived):
    """Whether every other member arrived as it was, and the usage is asked for."""
    before, after = json.loads(sent), json.loads(arrived)
    options = after.pop("stream_options")
    before_options = before.pop("stream_options", None) or {}
    return before == after and options == {**before_options, "include_usage": True}
