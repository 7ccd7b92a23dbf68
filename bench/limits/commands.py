"""5: what Redis has to do at a low and at a high rate of requests."""

from resilience import verdict

from . import fleet, stage

KEY = "sk-show-app-0123456789"


def count(redis):
    """(calls that gateways made, commands that ran, those of scripts included)."""
    calls = {}
    for name, fields in redis.fields("commandstats").items():
        calls[name.removeprefix("cmdstat_")] = int(fields.split("calls=")[1].split(",")[0])
    return calls.get("evalsha", 0) + calls.get("eval", 0), redis.commands()


def measure(place, redis, gateways, seconds, *load):
    before = count(redis)
    begun = [place.begin_load(gateway, "--connections", 32, "--key", f"{KEY}=1", "--model", "m=1",
                              "--duration", f"{seconds}s", "--body-bytes", "300=1",
                              "--answer-tokens", 1, *load) for gateway in gateways]
    reached = 0
    for each in begun:
        figures = place.end_load(each)
        reached += find_rate(figures)
    after = count(redis)
    return reached, (after[0] - before[0]) / seconds, (after[1] - before[1]) / seconds


def find_rate(figures):
    return figures["completed"] / max(figures["seconds"], 0.001)


def run(place, is_small):
    seconds = 3 if is_small else 15
    case = verdict.Case(
        5, "Commands of Redis a second at 1,000 and at as many requests a second as there can be",
        f"two gateways of two shards, one limit of a key that is not reached; {seconds} s each; "
        "the second load is a closed loop, since load, server and gateways share the cores")
    redis = place.redis()
    simulator = place.simulator("sim", "ttft=0&tps=0&tokens=1")
    config = stage.settings(simulator, {"app": "requests_per_minute: 100M"},
                            f"redis: {{{fleet.redis_of('one', redis)}, gateways: 2}}\n")
    gateways = [place.gateway(config) for _ in range(2)]
    fleet.wait_until_together(gateways)
    case.table = [["requests a second", "calls a second", "commands a second, in scripts too"]]
    found = []
    for what, load in (("1,000 a second", ("--rate", 500)), ("as many as there can be", ())):
        place.say(what)
        found.append(measure(place, redis, gateways, seconds, *load))
        case.table.append([f"{each:,.0f}" for each in found[-1]])
    case.note("requests a second reached", found[1][0])
    case.at_least("as many times more requests", found[1][0] / max(found[0][0], 1), 5,
                  is_timed=True)
    case.at_most("as many times more calls", found[1][1] / max(found[0][1], 1), 1.5)
    case.at_most("as many times more commands", found[1][2] / max(found[0][2], 1), 1.5)
    return case
