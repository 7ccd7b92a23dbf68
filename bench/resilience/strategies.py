"""1: every strategy over four servers of different speeds, of which one fails."""

from . import stage, verdict

SPEEDS = {"slow": 1, "slow-too": 1, "middle": 2, "fast": 4}
FAILING = "middle"
SLOTS = 13           # With SETTINGS below a server of speed 1 serves 270 requests a second.
RATE = 1000          # A quarter of it keeps a slow one busy nine tenths of the time.
PROMPTS = 40         # Of different lengths; the load generator makes one text for each length.
WEIGHTS = {"slow": 1, "slow-too": 1, "middle": 2, "fast": 4}
PRICES = {"slow": 4, "slow-too": 4, "middle": 2, "fast": 1}
PRIORITIES = {"slow": 2, "slow-too": 3, "middle": 1, "fast": 0}
# What each is expected to give the fast server, in percent of the calls.
STRATEGIES = {
    "round_robin": (23, 27), "weighted": (46, 52), "random": (22, 28), "least_busy": (30, 90),
    "power_of_two": (30, 90), "lowest_latency": (30, 100), "lowest_cost": (80, 100),
    "lowest_usage": (20, 32), "affinity": (15, 60), "failover": (80, 100)}


def settings(name):
    speed = SPEEDS[name]
    fault = "&fault=20%:status:503" if name == FAILING else ""
    return f"ttft={40_000 // speed}us&tps={400 * speed}&tokens=4&slots={SLOTS}{fault}"


def route(name, strategy):
    extra = ""
    if strategy == "weighted":
        extra = f", weight: {WEIGHTS[name]}"
    elif strategy == "lowest_cost":
        extra = f", price: {{input: {PRICES[name]}, output: {PRICES[name]}}}"
    elif strategy == "failover":
        extra = f", priority: {PRIORITIES[name]}"
    return f"      - {{upstream: {name}, model: sim-small{extra}}}"


def config(simulators, strategy):
    # Of 20 % failures five in a row come about once in 3,000 requests: the breaker is to stay out
    # of this.
    upstreams = "".join(stage.upstream(each, "breaker: {consecutive: 50}") for each in simulators)
    routes = "\n".join(route(each.name, strategy) for each in simulators)
    return (f"development: true\nupstreams:\n{upstreams}models:\n  - name: m\n"
            f"    strategy: {strategy}\n    routes:\n{routes}\n")


def run(place, is_small):
    requests, rate = (200, 400) if is_small else (10_000, RATE)
    case = verdict.Case(
        1, "Every strategy over four servers of speeds 1:1:2:4, one failing 20 %",
        f"{requests:,} streams of {PROMPTS} prompts at {rate:,}/s for each strategy, two shards, "
        f"{SLOTS} slots a server; {FAILING} fails; limits.attempts 3, retry budget 20 %")
    case.table.append(["strategy", *(f"{name} %" for name in SPEEDS), "first event p50 ms",
                       "p99 ms", "client errors", "upstream calls", ""])
    for strategy, (least, most) in STRATEGIES.items():
        place.say(f"strategy {strategy}")
        with place.scope():
            measure(place, case, strategy, requests, rate, (least, most))
    return case


def measure(place, case, strategy, requests, rate, fast_share):
    simulators = [place.simulator(name, settings(name), seed)
                  for seed, name in enumerate(SPEEDS, 1)]
    gateway = place.gateway(config(simulators, strategy))
    sizes = [part for i in range(PROMPTS) for part in ("--body-bytes", 600 + 10 * i)]
    load = place.load(gateway.port, "--model", "m", "--rate", rate, "--requests", requests, *sizes,
                      "--connections", 512, "--stream", "--timeout", "20s")
    calls = {each.name: each.calls() for each in simulators}
    total = sum(calls.values())
    shares = {name: 100 * count / max(total, 1) for name, count in calls.items()}
    first = load.get("first_event", {"p50_us": 0, "p99_us": 0})
    errors = load["failed"] + load["not_sent"]
    case.table.append([strategy, *(f"{share:.1f}" for share in shares.values()),
                       f"{first['p50_us'] / 1000:.1f}", f"{first['p99_us'] / 1000:.1f}",
                       f"{errors}", f"{total}", ", ".join(load["failures"])])
    case.figures[strategy] = {
        "share": shares, "p50_ms": first["p50_us"] / 1000, "p99_ms": first["p99_us"] / 1000,
        "errors": errors, "failures": load["failures"], "calls": total}
    case.equal(f"{strategy}: errors seen by clients", errors, 0)
    case.at_most(f"{strategy}: upstream calls per request", total / requests, 1.2)
    # Small runs are too short for exact shares.
    case.within(f"{strategy}: share of the fast server", shares["fast"], *fast_share,
                is_timed=True, unit=" %")
