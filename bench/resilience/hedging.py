"""8: a second attempt beside a first token that is late."""

from . import stage, verdict

SLOW = "5%:1s"
BUDGET = 0.10


def config(simulators, hedge):
    upstreams = "".join(stage.upstream(each) for each in simulators)
    routes = ", ".join(f"{{upstream: {each.name}, model: sim-small}}" for each in simulators)
    return (f"development: true\nupstreams:\n{upstreams}models:\n  - name: m\n{hedge}"
            f"    strategy: random\n    routes: [{routes}]\n")


def measure(place, hedge, requests, rate):
    with place.scope():
        simulators = [place.simulator(name, f"ttft=20ms&tps=1000&tokens=8&slow-first={SLOW}", seed)
                      for seed, name in enumerate(("one", "two"), 1)]
        gateway = place.gateway(config(simulators, hedge))
        load = place.load(gateway.port, "--model", "m", "--rate", rate, "--requests", requests,
                          "--connections", 512, "--stream", "--timeout", "20s")
        load["calls"] = sum(each.calls() for each in simulators)
        load["hedges"] = {outcome: gateway.total("sluice_hedges_total", outcome=outcome)
                          for outcome in ("won", "lost", "failed")}
        load["wasted"] = gateway.total("sluice_hedge_wasted_tokens_total")
        return load


def run(place, is_small):
    requests, rate = (400, 200) if is_small else (4000, 400)
    case = verdict.Case(
        8, "Hedging where 5 % of first tokens are slow",
        f"{requests:,} streams at {rate}/s over two servers, first token after 20 ms, of 5 % 1 s "
        f"later; hedge: quantile 90 %, after_min 40 ms, budget {BUDGET:.0%}; two shards")
    place.say("without")
    before = measure(place, "", requests, rate)
    place.say("with")
    hedge = f"    hedge: {{quantile: 90%, after_min: 40ms, budget: {BUDGET:.0%}}}\n"
    after = measure(place, hedge, requests, rate)
    case.table = [["first event, ms", "p50", "p90", "p99", "p99.9", "upstream calls", "failed"]]
    for name, load in (("without", before), ("with", after)):
        first = load["first_event"]
        case.table.append([name, *(f"{first[key] / 1000:.1f}" for key in
                                   ("p50_us", "p90_us", "p99_us", "p999_us")),
                           f"{load['calls']}", f"{load['failed']}"])
    was, now = (load["first_event"]["p99_us"] / 1000 for load in (before, after))
    case.at_least("p99 without", was, 900, is_timed=True, unit=" ms")
    case.at_most("p99 with", now, 200, is_timed=True, unit=" ms")
    extra = after["calls"] - requests
    case.within("extra attempts", 100 * extra / requests, 1, 100 * BUDGET + 0.5, unit=" %")
    case.equal("hedges counted", int(sum(after["hedges"].values())), extra)
    case.note("hedges that won, lost, failed",
              ", ".join(f"{int(count)} {name}" for name, count in after["hedges"].items()))
    case.note("tokens wasted", int(after["wasted"]))
    case.equal("failed", before["failed"] + after["failed"], 0)
    return case
