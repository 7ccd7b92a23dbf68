"""Four gateways that share one Redis, and the lines that every run of them must meet."""

from . import stage, windows

GATEWAYS = 4
SKEW = (0.9, 0.04, 0.03, 0.03)  # Of the traffic: nearly all of it goes to one.
WINDOW_S = 60


def start(place, keys, redis, more=""):
    """(the simulated server, the gateways) with `redis`, a setting of YAML, in common."""
    simulator = place.simulator("sim", "ttft=0&tps=0&tokens=1")
    config = stage.settings(simulator, keys,
                            f"redis: {{{redis}, gateways: {GATEWAYS}}}\n{more}")
    return simulator, [place.gateway(config, shards=2) for _ in range(GATEWAYS)]


def redis_of(kind, made):
    """The setting for a redis_support object."""
    if kind == "sentinel":
        return f"sentinels: [{', '.join(made.addresses)}], master: {made.name}"
    if kind == "cluster":
        return f"cluster: [{', '.join(made.addresses)}]"
    return f"url: redis://{made.host}:{made.port}"


def wait_until_together(gateways):
    """A Redis that knows nothing learns at first; until then each gateway has a part of its own."""
    for gateway in gateways:
        gateway.wait_for("(limits are counted together in Redis)")


def finish(place, case, simulator, gateways):
    """Ends the gateways; what their logs say of each key."""
    place.log_is_whole(case, gateways)
    served = simulator.stats()["answered"]
    for gateway in gateways:
        gateway.signal_end()
    place.say("reading access logs")
    admitted, counts = windows.read_logs(gateways)
    case.equal("let through, by logs and by the server", sum(map(len, admitted.values())), served)
    return admitted, counts


def judge(case, name, most, spans, client=(), allowed=0, seconds=0, least=None):
    """That no window saw more than `most` and `allowed`, and whole ones at least `least`."""
    begin = min((each[0] for each in spans), default=0)
    found = windows.by_window(spans, begin, WINDOW_S)
    case.table.append([name, " ".join(f"{each:,}" for each in found)])
    case.at_most(f"{name}: most in any minute, by access logs",
                 windows.most_within(spans, WINDOW_S), most + allowed)
    if client:
        case.at_most(f"{name}: most in any minute, by clients",
                     windows.most_within(client, WINDOW_S), most + allowed)
    case.figures[f"{name}: windows"] = found
    whole = found[:int(seconds // WINDOW_S)] or found[:1]
    least_name = f"{name}: least in a whole minute"
    if least == 0:
        case.note(least_name, min(whole, default=0))
    else:
        case.at_least(least_name, min(whole, default=0), least or nearly(most), is_timed=True)


def nearly(most):
    """2 % stay in leases and credit, 2 of 64 slots of the window return late."""
    return int(0.95 * most) if most > 50 else most - 1
