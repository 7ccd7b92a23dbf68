"""2: four gateways, one Redis, limits hammered with nearly all traffic on one."""

import asyncio

from resilience import swarm, verdict

from . import fleet, stage, tide

SLOW, MIDDLE = 10, 6_000


def by_clock(place, case, seconds, middle, rate):
    """10 and `middle` a minute at the same time, by clients whose clocks are looked at."""
    with place.scope():
        redis = place.redis()
        simulator, gateways = fleet.start(
            place, {"slow": f"requests_per_minute: {SLOW}",
                    "middle": f"requests_per_minute: {middle}"}, fleet.redis_of("one", redis))
        fleet.wait_until_together(gateways)
        place.say(f"{SLOW} and {middle:,} a minute, {seconds} s")
        waves = tide.Tide(gateways, [
            tide.Flow(key, swarm.request("m", stage.authorization(key)), rate, fleet.SKEW)
            for key, rate in (("slow", 8), ("middle", rate))])
        asyncio.run(waves.play(seconds))
        admitted, counts = fleet.finish(place, case, simulator, gateways)
        case.note("of those, answers by status", dict(sorted(counts.items())))
        for key, most in (("slow", SLOW), ("middle", middle)):
            fleet.judge(case, f"{most:,}/min", most, admitted.get(key, []), waves.admitted(key),
                        seconds=seconds)
        case.equal(f"answers but 200 and 429, of {sum(map(len, waves.answers.values())):,}",
                   sum(map(len, waves.answers.values())) - waves.count(200, 429), 0)


def by_load(place, case, seconds, most, rate):
    """`most` a minute under sluice-load, by the clock of the gateways."""
    with place.scope():
        redis = place.redis()
        simulator, gateways = fleet.start(place, {"fast": f"requests_per_minute: {most}"},
                                          fleet.redis_of("one", redis))
        fleet.wait_until_together(gateways)
        place.say(f"{most:,} a minute, {seconds} s of {rate:,} requests a second")
        begun = [place.begin_load(gateway, "--rate", f"{int(rate * share)}", "--connections", 64,
                                  "--key", "sk-show-fast-0123456789=1", "--model", "m=1",
                                  "--duration", f"{seconds}s", "--body-bytes", "300=1",
                                  "--answer-tokens", 1)
                 for gateway, share in zip(gateways, fleet.SKEW)]
        for each in begun:
            place.end_load(each)
        admitted, counts = fleet.finish(place, case, simulator, gateways)
        spans = admitted.get("fast", [])
        case.note(f"{most:,}/min: reached in all, a second", sum(counts.values()) / seconds)
        case.at_least(f"{most:,}/min: refused, so that the limit was reached", counts.get(429, 0),
                      1, is_timed=True)
        fleet.judge(case, f"{most:,}/min", most, spans, seconds=seconds)


def run(place, is_small):
    seconds, middle, middle_rate, fast, rate = (
        (6, 600, 200, 6_000, 1_500) if is_small else (180, MIDDLE, 250, 600_000, 13_000))
    case = verdict.Case(
        2, "Four gateways and one Redis, limits hammered with 90 % of the traffic on one",
        f"two shards each, {seconds} s each; asked for: 8, {middle_rate} and {rate:,} a second")
    case.table = [["limit", "let through in each minute, one after the other"]]
    by_clock(place, case, seconds, middle, middle_rate)
    by_load(place, case, seconds, fast, rate)
    return case
