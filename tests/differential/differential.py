#!/usr/bin/env python3
"""Our parsers beside others', over cases from a seed; see docs/differential.md.

Exits 1 when a class of disagreement is unexplained, when the gateway behaves otherwise than its
parser, when a body does not reach the upstream as it was sent, or when a request can be smuggled.
"""

import argparse
import asyncio
import contextlib
import os
import random
import sys
import time
from dataclasses import dataclass, field

import answer_forms
import bodies
import body_forms
import chain_forms
import chains
import compare
import explanations
import hostile
import page
import request_forms
import stages
from hops import HERE, Haproxy, Nginx, Sluice, use_gateway
from readers import ParserProbe, ask_gateway, ask_proxy, post_bodies

BATCH = 2000
PROXY_SHARE = 4   # One in so many requests also goes to the proxies and to our gateway.
CHAIN_SHARE = 40  # So many cases to a trial of each chain.
CARELESS_TRIALS = 200  # Enough to prove the search; its proxy waits for what never comes.


@dataclass
class Findings:
    """What a run has come to."""
    known: list
    counts: dict = field(default_factory=dict)       # Difference -> how often.
    unexplained: dict = field(default_factory=dict)  # Difference -> oddities and a case.
    used: set = field(default_factory=set)           # Explanations that fitted.
    shown: dict = field(default_factory=dict)        # (example, peer) -> its Difference.
    readings: dict = field(default_factory=dict)     # (kind, reader) -> cases.
    broken: list = field(default_factory=list)       # Sentences.
    chains: dict = field(default_factory=dict)       # Name -> Found.

    def add(self, difference, data):
        self.counts[difference] = self.counts.get(difference, 0) + 1
        fitting = explanations.explain(self.known, difference)
        if fitting is None:
            self.unexplained.setdefault(difference, (difference.oddities, data))
        else:
            self.used.add(fitting)
            if fitting.data == data:
                self.shown[data, difference.peer] = difference

    def count(self, kind, reader, cases):
        self.readings[kind, reader] = self.readings.get((kind, reader), 0) + cases


class Comparison:
    """All readers of one run; `examples` run before the generated cases."""

    def __init__(self, build, seed, findings):
        folder = os.path.join(build, "tests", "differential")
        node = ["node", os.path.join(HERE, "node_probe.js")]
        self.ours = ParserProbe("Sluice", [os.path.join(folder, "parser_probe")])
        self.parsers = [ParserProbe("node", node),
                        ParserProbe("http-parser", [os.path.join(folder, "http_parser_probe")])]
        self.node = self.parsers[0]
        self.random = random.Random(seed)
        self.findings = findings
        self.source = 0

    def examples(self, kind):
        return [each.data for each in self.findings.known if each.kinds[0] == kind]

    def batches(self, kind, make, count):
        """Lists of cases, `count` in all and the examples."""
        cases = self.examples(kind)
        for done in range(0, count, BATCH):
            cases += [make(self.random) for _ in range(min(BATCH, count - done))]
            yield cases
            say(f"{kind}: {done + BATCH if done + BATCH < count else count} of {count}")
            cases = []

    def compare_all(self, kind, peer, cases, ours, theirs, is_proxy=False):
        self.findings.count(kind, peer, len(cases))
        for data, mine, other in zip(cases, ours, theirs):
            difference = compare.compare(kind, peer, mine, other, data, is_proxy)
            if difference:
                self.findings.add(difference, data)

    def read_answers(self, count):
        for cases in self.batches("answer", answer_forms.make_case, count):
            heads = self.examples("answer to HEAD") + cases[::8]
            for kind, name, part in ((b"s", "answer", cases), (b"h", "answer to HEAD", heads)):
                ours = self.ours.read(kind, part)
                for parser in self.parsers:
                    self.compare_all(name, parser.name, part, ours, parser.read(kind, part))

    async def answer_badly(self, count):
        answers = [answer_forms.make_case(self.random) for _ in range(count)]
        readings = self.ours.read(b"s", answers)
        with contextlib.ExitStack() as stack:
            port = await hostile.serve_hostile(stack, answers, readings)
            sluice = stack.enter_context(Sluice(port, hostile.PATIENT, hostile.NO_RETRIES))
            for number, fault in await hostile.answer_badly(sluice.port, readings):
                self.findings.broken.append(f"answered by an upstream: {fault}: {answers[number]}")
        self.findings.count("answer", "our gateway", count)
        say(f"hostile upstream: {count} answers")

    async def read_requests(self, count):
        with contextlib.ExitStack() as stack:
            port, _ = await stages.serve_echo(stack)
            nginx = stack.enter_context(Nginx(port))
            haproxy = stack.enter_context(Haproxy(port))
            sluice = stack.enter_context(Sluice(port))
            for cases in self.batches("request", request_forms.make_case, count):
                ours = self.ours.read(b"q", cases)
                for parser in self.parsers:
                    self.compare_all("request", parser.name, cases, ours, parser.read(b"q", cases))
                few = len(self.examples("request")) + BATCH // PROXY_SHARE
                cases, ours = cases[:few], ours[:few]
                for hop, name in ((nginx, "nginx"), (haproxy, "HAProxy")):
                    theirs = await ask_proxy(hop, cases, ours, name == "nginx", self.source)
                    self.compare_all("request", name, cases, ours, theirs, is_proxy=True)
                self.source += len(cases)
                self.findings.count("request", "our gateway", len(cases))
                for index, fault in await ask_gateway(sluice.port, cases, ours):
                    self.findings.broken.append(f"the gateway: {fault}: {cases[index]}")

    async def read_bodies(self, count):
        with contextlib.ExitStack() as stack:
            port, _ = await stages.serve_echo(stack)
            sluice = stack.enter_context(Sluice(port))
            for cases in self.batches("body", body_forms.make_case, count):
                ours = self.ours.read(b"j", cases)
                in_node = self.node.read(b"j", cases)
                for name in ("python", "node"):
                    self.findings.count("body", name, len(cases))
                for data, mine, other in zip(cases, ours, in_node):
                    for difference in bodies.compare_bodies(mine, bodies.read_in_python(data),
                                                            other):
                        self.findings.add(difference, data)
                part = slice(None, None, PROXY_SHARE)
                sent, wrong = await post_bodies(sluice.port, cases[part], ours[part])
                self.findings.count("body", "our gateway", sent)
                self.findings.broken += wrong

    async def search_chains(self, count):
        for make in (stages.careless, *stages.CHAINS):
            size = min(count, CARELESS_TRIALS) if make is stages.careless else count
            trials = [chain_forms.make_trial(self.random, number) for number in range(size)]
            ours = self.ours.read(b"q", trials)
            async with stages.standing(make) as chain:
                found = await chains.search(chain, trials, ours)
            say(f"chain {chain.name}: {size} trials")
            if make is stages.careless:
                if found.is_clean():
                    self.findings.broken.append("the search finds nothing where there is smuggling")
                self.findings.chains["careless on purpose"] = found
                continue
            self.findings.chains[chain.name] = found
            self.findings.broken += [f"{chain.name}: smuggled {trials[number]}"
                                     for number in found.smuggled]
            self.findings.broken += [f"{chain.name}: {what}: {trials[number]}"
                                     for number, what in found.misdirected]


def say(text):
    print(text, file=sys.stderr, flush=True)


def report(findings):
    """Prints what a run has come to; the exit status."""
    for (kind, reader), cases in findings.readings.items():
        parted = sum(count for difference, count in findings.counts.items()
                     if (difference.kind, difference.peer) == (kind, reader))
        print(f"{kind:8} {reader:12} {cases:8} cases, {parted} read otherwise")
    for name, found in findings.chains.items():
        print(f"chain    {name}: {found.trials} trials, {found.forwarded} forwarded, "
              f"{len(found.smuggled)} smuggled, {len(found.misdirected)} misdirected")
    for difference in sorted(findings.unexplained, key=str):
        oddities, data = findings.unexplained[difference]
        print(f"UNEXPLAINED {difference.kind} {difference.peer}: Sluice {difference.ours}, "
              f"it {difference.theirs} {oddities}\n    {data[:600]}")
    for sentence in findings.broken:
        print(f"BROKEN {sentence[:1500]}")
    kinds = {kind for kind, _ in findings.readings}
    for each in findings.known:
        if each not in findings.used and each.kinds[0] in kinds:
            print(f"not seen: {each.kinds[0]}: {each.ours[0]} {each.theirs} {each.oddity}")
    print(f"{len(findings.used)} of {len(findings.known)} classes seen, "
          f"{len(findings.unexplained)} unexplained, {len(findings.broken)} broken")
    return 1 if findings.unexplained or findings.broken else 0


async def run(options, findings):
    comparison = Comparison(options.build, options.seed, findings)
    if "answers" in options.parts:
        comparison.read_answers(options.cases)
        await comparison.answer_badly(options.cases // PROXY_SHARE)
    if "requests" in options.parts:
        await comparison.read_requests(options.cases)
    if "bodies" in options.parts:
        await comparison.read_bodies(options.cases)
    if "chains" in options.parts:
        await comparison.search_chains(max(50, options.cases // CHAIN_SHARE))
    return comparison


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--cases", type=int, default=20_000,
                        help="requests, answers and bodies each")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--build", default="build", help="build folder")
    parser.add_argument("--parts", default="answers,requests,bodies,chains",
                        type=lambda text: text.split(","))
    parser.add_argument("--write", action="store_true", help="write docs/differential.md anew")
    options = parser.parse_args()
    use_gateway(os.path.join(options.build, "src", "app", "sluice"))
    began = time.monotonic()
    findings = Findings(explanations.load())
    asyncio.run(run(options, findings))
    status = report(findings)
    if options.write:
        page.write(findings, options, time.monotonic() - began)
    return status


if __name__ == "__main__":
    sys.exit(main())
