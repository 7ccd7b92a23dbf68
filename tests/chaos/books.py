"""What a run must have kept to: judged from what callers saw, what providers noted, what the
gateways wrote, and the faults there were.

Every check gives the list of what is wrong with it; an empty one is an invariant that held.
"""

import bisect
import collections
import sqlite3

import wording
from fleet import GATEWAYS_MOST, LIMIT, NARROW, PRICE

WINDOW_S = 60
# docs/journal.md: what the last `flush` before a kill had not written yet. The record is made a
# little after the caller or the provider sees its cause, so the machine's slowness adds to it.
FLUSH_S = 0.05
SLOWNESS_S = 0.75
UPSTREAM_CODES = (502, 503, 504)
FAR_KEYS = ("database", "redis")
# After these a gateway may count as if Redis were lost. A part of a limit that its gateway does not
# renew moves to others after 10 s only, which is longer than any of them; so a stop or a kill by
# itself lets nothing more through.
LOSSES = ("redis_kill", "redis_stop", "partition", "gateway_stop", "cpu_starved", "upgrade_kill")
# Connecting again, 2 s in which a Redis that forgot everything learns, and the longest request.
LOSS_TAIL_S = 8
SHOWN = 8


class Run:
    """All that is known of a run when it is over."""

    def __init__(self, fleet, outcomes, faults):
        self.fleet = fleet
        self.outcomes = {each.token: each for each in outcomes}
        self.faults = faults
        self.arrivals = collections.defaultdict(list)  # token -> [time]
        self.ends = collections.defaultdict(list)      # token -> [(time, how)]
        self.users = {}
        for provider in fleet.providers:
            for letter, at, token, more in provider.notes():
                if letter == "A":
                    self.arrivals[token].append(at)
                    self.users[token] = more
                else:
                    self.ends[token].append((at, more))
        self.rows = {each.name: rows_of(each) for each in fleet.gateways}

    def kills(self, name):
        """[(begin, end)] of the kills of this gateway's processes."""
        kinds = ("gateway_kill", "other_boot", "upgrade_kill")
        return [(each.began, each.ended) for each in self.faults
                if each.kind in kinds and each.target == name]

    def of_kind(self, *kinds):
        return [each for each in self.faults if each.kind in kinds]


def rows_of(gateway):
    """[(request id, status, source, input, output, micro dollars, partial, error,
    deployment)]."""
    with sqlite3.connect(f"file:{gateway.disk}/usage.db?mode=ro", uri=True) as db:
        return db.execute(
            "SELECT request_id, status, source, input_tokens, output_tokens, micro_dollars,"
            " is_partial, error, deployment FROM usage ORDER BY number").fetchall()


# --- answers

def troubles(outcome):
    """The kinds of trouble of which one must be excused; empty when nothing is wrong with it."""
    if outcome.kind in ("whole", "left"):
        return ()
    if outcome.kind == "broken":
        return ("upstream",)
    if outcome.kind == "gone":
        before = outcome.detail.startswith(("before its head", "connect"))
        # A kept connection may be closed in the moment of its next request (docs/upgrade.md).
        is_kept = "kept" in outcome.detail or outcome.protocol == "h2"
        return ("gone", "idle") if before and is_kept else ("gone",)
    if outcome.kind != "refused":
        return ("never",)
    if outcome.status == 400 and outcome.code == "asked_for":
        return ()
    if outcome.status == 429 and outcome.user in ("limited", "narrow"):
        return ()
    if outcome.status == 401 and outcome.user == "redis":
        return ("forgotten",)
    if outcome.status in UPSTREAM_CODES:
        return ("upstream", "keys") if outcome.user in FAR_KEYS else ("upstream",)
    return ("never",)


def check_answers(run):
    """One answer each, its own, whole; errors well-formed, and only beside faults."""
    wrong = []
    for outcome in run.outcomes.values():
        found = troubles(outcome)
        if found and not any(fault.covers(outcome, each) for fault in run.faults for each in found):
            wrong.append(describe(run, outcome))
    return wrong


def describe(run, outcome):
    near = [f"{each.kind} of {each.target} ended {outcome.began - each.ended:.1f} s before"
            for each in run.faults if each.began <= outcome.ended
            and outcome.began - 15 <= each.ended]
    span = f"{outcome.began:.3f} to {outcome.ended:.3f}"
    return (f"{outcome.protocol} at {outcome.gateway}, {outcome.user}, {outcome.token}: "
            f"{outcome.kind} {outcome.status} {outcome.code} {outcome.detail}, {span}; {near}")


def check_served(run):
    """What is whole at a caller was served by a provider, and nobody served what was not asked."""
    served = {token for token, ends in run.ends.items() if any(how == "whole" for _, how in ends)}
    wrong = [f"{token}: whole, and no provider served it" for token, each in run.outcomes.items()
             if each.kind == "whole" and token not in served]
    wrong += [f"{token}: served, and never asked" for token in run.arrivals
              if token not in run.outcomes]
    return wrong


# --- limits

def windows(spans, length_s):
    """(begin, how many were surely admitted from then on within `length_s`) of each window."""
    begins = sorted(begin for begin, _ in spans)
    ends = sorted(end for _, end in spans)
    return [(begin, bisect.bisect_right(ends, begin + length_s) - index)
            for index, begin in enumerate(begins)]


def allowance(run, begin, end):
    """Beyond the limit in this time, by docs/limits.md.

    A gateway that starts while Redis has nothing, or is out of reach, has forgotten what it let
    through, and so has Redis: the limit once more. One of two that is cut off alone: half of it.
    """
    def within(each):
        return begin - WINDOW_S <= each.ended and each.began <= end
    lost = run.of_kind("redis_kill", "redis_stop", "partition")
    starts = list(filter(within, run.of_kind("gateway_kill", "other_boot", "gateway_restart",
                                             "upgrade_kill")))
    forgets = sum(1 for start in starts if any(
        each.began - WINDOW_S < start.ended < each.ended + WINDOW_S for each in lost))
    alone = len([each for each in filter(within, run.of_kind("partition"))
                 if len(each.gateways) == 1])
    return forgets * LIMIT + alone * LIMIT // 2


def admitted(run):
    """(sent, at a provider) of the requests of the key `limited`."""
    return [(run.outcomes[token].began, min(times)) for token, times in run.arrivals.items()
            if run.users[token] == "limited" and token in run.outcomes]


def check_limit(run):
    wrong = []
    for begin, count in windows(admitted(run), WINDOW_S):
        bound = LIMIT + allowance(run, begin, begin + WINDOW_S)
        if count > bound:
            wrong.append(f"{count} of {bound} in the minute from {begin:.1f} on")
    return wrong


def limit_most(run):
    return max((count for _, count in windows(admitted(run), WINDOW_S)), default=0)


def at_a_time(run):
    """(when, how many of the key `narrow` were surely in flight from then on) of each that came.

    Surely: from the arrival at a provider to its end there, of what the caller got whole. What is
    not whole at the caller may have been given up by its gateway while the provider went on.
    """
    steps = []
    for token, times in run.arrivals.items():
        outcome = run.outcomes.get(token)
        ends = [at for at, how in run.ends.get(token, ()) if how == "whole"]
        if run.users[token] == "narrow" and outcome and outcome.kind == "whole" and ends:
            steps += [(min(times), 1), (min(*ends, outcome.ended), -1)]
    now, found = 0, []
    for at, step in sorted(steps):
        now += step
        if step > 0:
            found.append((at, now))
    return found


def narrow_bound(run, at):
    """docs/limits.md: each gateway that has lost Redis admits by `share`, beside what others hold
    of the limit; until the loss is over, and what was admitted then too.
    """
    lost = {name for each in run.of_kind(*LOSSES) for name in each.gateways
            if each.began <= at <= each.ended + LOSS_TAIL_S}
    return NARROW + len(lost) * (NARROW // GATEWAYS_MOST)


def check_narrow(run):
    wrong = []
    for at, count in at_a_time(run):
        bound = narrow_bound(run, at)
        if count > bound:
            near = [f"{each.kind} of {each.target} from {each.began:.1f} to {each.ended:.1f}"
                    for each in run.faults if each.began <= at <= each.ended + LOSS_TAIL_S]
            wrong.append(f"{count} of {bound} at {at:.3f}; {near}")
    return wrong


def narrow_most(run):
    return max((count for _, count in at_a_time(run)), default=0)


# --- usage and spend

def check_usage(run):
    """Each exchange that reached a provider is in the usage log once, as it was served; what a kill
    took is the last moment before it.
    """
    wrong = []
    for gateway in run.fleet.gateways:
        name, rows = gateway.name, collections.defaultdict(list)
        for row in run.rows[name]:
            rows[row[0]].append(row)
        kills = run.kills(name)
        wrong += [f"{token} is there {len(found)} times" for token, found in rows.items()
                  if len(found) > 1]
        wrong += [f"{token}: a record of what nobody asked" for token in rows
                  if token not in run.outcomes]
        for token, outcome in run.outcomes.items():
            arrivals = run.arrivals.get(token)
            if outcome.gateway != name or not arrivals:
                continue
            last = max([*arrivals, outcome.ended])
            excused = any(begin - FLUSH_S - SLOWNESS_S <= last and min(arrivals) <= end
                          for begin, end in kills)
            if token not in rows:
                if not excused:
                    wrong.append("missing: " + describe(run, outcome))
                continue
            fault = wrong_row(token, outcome, rows[token][0], excused)
            if fault:
                wrong.append(f"{name}: {token} ({outcome.kind} {outcome.status}): {fault}")
    return wrong


def wrong_row(token, outcome, row, excused):
    _, status, source, prompt, answer, micro_dollars, partial, error, _ = row
    if source == "unknown" and excused:
        return ""
    if outcome.kind == "whole":
        expected = wording.use(token)
        cost = expected[0] * PRICE[0] + expected[1] * PRICE[1]
        if (status, source, prompt, answer, micro_dollars, partial, error) != (
                200, "reported", *expected, cost, 0, row[7]) or error:
            return f"{row} and not {expected}, {cost}"
    elif outcome.kind == "refused" and status != outcome.status:
        return f"its status is {status}"
    return ""


def check_spend(run, spends):
    """The journal's totals are the sums of the usage log; `spends` of each gateway by key."""
    wrong = []
    for gateway in run.fleet.gateways:
        name = gateway.name
        found = spends[name]
        rows = run.rows[name]
        sums = (len(rows), sum(row[5] or 0 for row in rows))
        totals = (sum(each["requests"] for each in found),
                  sum(each["micro_dollars"] for each in found))
        if sums != totals:
            wrong.append(f"{name}: the log has {sums} (requests, micro dollars), spend {totals}")
    return wrong


def check_told(run, told):
    """PostgreSQL was told of every record once, and of nothing else; `told` are its rows."""
    logged = collections.Counter(row[:3] for rows in run.rows.values() for row in rows)
    found = collections.Counter((row[0], int(row[1]), row[2]) for row in told)
    wrong = [f"{each} was not told" for each in logged - found]
    return wrong + [f"{each} was told and is not in the log" for each in found - logged]
