"""6: token limits on streams whose answers are of unknown length."""

import asyncio
import random

from resilience import swarm, verdict

from . import stage, windows

CLIENTS, WINDOW_S = 200, 60
MAX_TOKENS, MEAN = 300, 60  # What a client allows; what its answer has on average.
RESERVES = ("max", "p95", "none")
WORDS = ("the river ran past a small house where nobody had lived for years and Anna, who was 34, "
         "counted 1,200 steps; fährt über die Brücke; 我们去看看 ").split()


def request(chance, key):
    """A stream whose answer has an exponential number of tokens."""
    tokens = min(MAX_TOKENS, max(1, int(chance.expovariate(1 / MEAN))))
    prompt = " ".join(chance.choices(WORDS, k=chance.randrange(20, 200)))
    return swarm.request("m", stage.authorization(key) + f"x-sim-tokens: {tokens}\r\n", stream=True,
                         max_tokens=MAX_TOKENS, user=prompt,
                         messages=[{"role": "user", "content": prompt}])


async def play(gateway, key, seconds):
    """200 clients ask without pause; a refused one waits a little."""
    chance, counts = random.Random(6), {}
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds

    async def client():
        line = None
        while loop.time() < end:
            answer, line = await swarm.ask(gateway.port, request(chance, key), line)
            counts[answer.status] = counts.get(answer.status, 0) + 1
            if answer.status != 200:
                await asyncio.sleep(0.2)
        if line:
            line.close()
    await swarm.all_of([client() for _ in range(CLIENTS)])
    return counts


def bucket_quantile(values, name, share):
    """The upper edge of the bucket that a histogram's quantile lies in."""
    edges = {}
    for series, value in values.items():
        if series.startswith(name + "_bucket{"):
            edge = series.split('le="')[1].split('"')[0]
            edges[float(edge)] = edges.get(float(edge), 0) + value
    total = max(edges.values(), default=0)
    return next((edge for edge in sorted(edges) if edges[edge] >= share * total), 0.0)


def run(place, is_small):
    most, seconds = (40_000, 4) if is_small else (120_000, 15)
    case = verdict.Case(
        6, f"Token limits on {CLIENTS} streams at a time, answers of unknown length",
        f"{most:,} tokens a minute for each key; clients allow {MAX_TOKENS}, answers have {MEAN} "
        f"on average; each key for {seconds} s; two shards")
    simulator = place.simulator("sim", "ttft=5ms&tps=400")
    gateway = place.gateway(stage.settings(simulator, {
        reserve: f"tokens_per_minute: {most}, reserve: {reserve}" for reserve in RESERVES}))
    counts = {}
    for reserve in RESERVES:
        place.say(f"reserve: {reserve}")
        counts[reserve] = asyncio.run(play(gateway, reserve, seconds))
    gateway.signal_end()
    admitted, _ = windows.read_logs([gateway])
    case.table = [["reserve", "answered", "refused", "tokens used", "of the limit"]]
    for reserve in RESERVES:
        used = windows.tokens_within(admitted.get(reserve, []), WINDOW_S)
        case.table.append([reserve, f"{counts[reserve].get(200, 0)}",
                           f"{counts[reserve].get(429, 0)}", f"{used:,}", f"{used / most:.1%}"])
        # What is beyond what was set aside is debt: of the streams that run when room ends.
        debt = {"max": 0, "p95": 0.05 * CLIENTS * MAX_TOKENS,
                "none": CLIENTS * MAX_TOKENS}[reserve]
        case.at_most(f"tokens in a minute, reserve: {reserve}", used, int(most + debt))
        case.at_least(f"part of the limit used, reserve: {reserve}", used / most,
                      {"max": 0.4, "p95": 0.6, "none": 0.9}[reserve], is_timed=True)
        other = {code: count for code, count in counts[reserve].items() if code not in (200, 429)}
        case.equal(f"other answers, reserve: {reserve}", other or "none", "none")
    name = "sluice_prompt_estimate_error_ratio"
    total = sum(value for series, value in gateway.last.items()
                if series.startswith(name + "_count"))
    error = sum(value for series, value in gateway.last.items()
                if series.startswith(name + "_sum"))
    case.at_most("estimator's error, mean", error / max(total, 1), 0.25)
    case.note("estimator's error, half below", bucket_quantile(gateway.last, name, 0.5))
    case.note("estimator's error, 95 % below", bucket_quantile(gateway.last, name, 0.95))
    return case
