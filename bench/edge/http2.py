"""1: clients over HTTP/2: h2load, curl, Chromium, and floods."""

import json
import re
import ssl
import subprocess

import browser_support
import http2_rules
import http2_support
from lab.processes import find_program
from resilience import verdict

from . import stage

EVENTS = 50
RUNS = [  # (what, streams, connections, streams at a time of each connection).
    ("unary", False, 1, 1), ("unary", False, 4, 10), ("unary", False, 4, 100),
    ("event streams", True, 4, 10), ("event streams", True, 4, 100)]
FIGURES = re.compile(r"finished in [\d.]+\w+, ([\d.]+) req/s.*?(\d+) succeeded, (\d+) failed, "
                     r"(\d+) errored, (\d+) timeout", re.S)

PAGE = """<script>
(async () => {
  const ask = (more) => fetch('URL/v1/chat/completions', {
    method: 'POST', headers: {'content-type': 'application/json'},
    body: JSON.stringify({model: 'm', messages: [], ...more})});
  const answers = await Promise.all(Array.from({length: 50}, () => ask({})));
  const good = answers.filter((answer) => answer.status === 200).length;
  const reader = (await ask({stream: true})).body.getReader();
  const decoder = new TextDecoder();
  let text = '', pieces = 0;
  for (;;) {
    const {done, value} = await reader.read();
    if (done) break;
    text += decoder.decode(value, {stream: true});
    ++pieces;
  }
  const events = text.split('data: ').length - 1;
  await fetch('/report', {method: 'POST', body: JSON.stringify(
    {good, events, pieces, isWhole: text.endsWith('data: [DONE]\\n\\n')})});
})();
</script>"""


def body(**more):
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": "Say it."}], **more})


def h2load(place, case, gateway, requests):
    if not find_program("h2load"):
        case.equal("h2load is installed", "no", "yes")
        return
    case.table.append(["h2load", "requests", "a second", "time for a request: least", "most",
                       "mean", ""])
    for what, streams, connections, at_once in RUNS:
        place.say(f"h2load: {what}, {connections} connections, {at_once} at a time")
        path = place.folder / "body.json"
        path.write_text(body(stream=True) if streams else body())
        done = subprocess.run(
            ["h2load", "-n", str(requests), "-c", str(connections), "-m", str(at_once), "-d",
             str(path), "-H", "content-type: application/json",
             f"https://127.0.0.1:{gateway.port}/v1/chat/completions"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
        figures = FIGURES.search(done.stdout)
        if not figures:
            case.equal(f"h2load said {done.stdout[-300:]!r}", done.returncode, "figures")
            continue
        rate, succeeded, *bad = figures.groups()
        name = f"h2load, {what}, {connections} x {at_once}"
        case.equal(f"{name}: succeeded", int(succeeded), requests)
        case.equal(f"{name}: failed, errored, timed out", "/".join(bad), "0/0/0")
        times = re.search(r"time for request:\s+(\S+)\s+(\S+)\s+(\S+)", done.stdout)
        case.table.append([f"{what}, {connections} connections, {at_once} at a time",
                           str(requests), rate, *times.groups(), ""])


def curl(case, gateway, what, *options):
    """What came."""
    done = subprocess.run(
        ["curl", "-sS", "--http2", "--cacert", str(gateway.authority), "-w",
         "\n%{http_version} %{http_code}", *options],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
    said, _, about = done.stdout.rpartition("\n")
    case.equal(f"curl, {what}: version and status", about or done.stderr, "2 200")
    return said


def with_curl(place, case, gateway):
    place.say("curl --http2")
    url = f"https://localhost:{gateway.port}"
    curl(case, gateway, "GET", f"{url}/livez")
    json_type = "content-type: application/json"
    curl(case, gateway, "POST", "-d", body(), "-H", json_type, f"{url}/v1/chat/completions")
    said = curl(case, gateway, "a stream", "-N", "-d", body(stream=True), "-H", json_type,
                f"{url}/v1/chat/completions")
    case.equal("curl: events of a stream, [DONE] included", said.count("data: "), EVENTS + 1)
    case.equal("curl: the stream ends in", said.strip()[-12:], "data: [DONE]")


def with_chromium(place, case):
    if not browser_support.CHROMIUM:
        case.equal("Chromium is installed", "no", "yes")
        return
    place.say("fetch in headless Chromium")
    address = {}
    pages = browser_support.PageServer(lambda: PAGE.replace("URL", address["url"]))
    try:
        gateway = place.tls_gateway(stage.settings(
            {"m": place.canned(EVENTS)}, "cors: {enabled: true, data_origins: "
            f"{{allow: [\"{pages.origin}\"]}}}}\n"))
        address["url"] = f"https://127.0.0.1:{gateway.port}"
        with browser_support.Chromium(pages.origin, "--ignore-certificate-errors"):
            seen = pages.reports.get(timeout=60)
        case.equal("Chromium: fetches of 50 that were answered 200", seen["good"], 50)
        case.equal("Chromium: events of a stream, [DONE] included", seen["events"], EVENTS + 1)
        case.equal("Chromium: the stream came to its end", seen["isWhole"], True)
        streams = gateway.total("sluice_http2_streams_total")
        case.at_least("Chromium: requests that the gateway got over HTTP/2", int(streams), 52)
    finally:
        pages.close()


def floods(place, case, gateway):
    context = ssl.create_default_context(cafile=gateway.authority)
    before = stage.resident_kib(gateway)
    for name in http2_support.FLOODS:
        place.say(f"flood: {name}")
        became, count, seconds = http2_support.play_flood(gateway.port, context, name)
        right = {"unknown frames": ("goes on",)}.get(name, (http2_support.CALM,))
        if name in http2_support.MADE_TO_RESET:
            right += (http2_support.TOO_MANY,)
        case.equal(f"flood of {name}: outcome", became,
                   became if became in right else " or ".join(right))
        case.note(f"flood of {name}: frames sent", f"{count} in {seconds * 1000:.0f} ms")
    wrong = []
    place.say(f"{len(http2_rules.RULES)} rules, each broken once")
    for name in http2_rules.RULES:
        if "more streams" in name or "end of the body" in name:
            continue  # They need an upstream that does not answer; http2_floods_test.py has one.
        became, right = http2_rules.play(gateway.port, context, name)
        if became not in right:
            wrong.append(f"{name}: {became}")
    case.equal("rules that were broken and had another outcome than they should",
               "; ".join(wrong) or "none", "none")
    with http2_support.Client(gateway.port, context) as client:
        case.equal("an honest client afterwards", client.finish(client.ask()).status, 200)
    case.at_most("memory more than before", (stage.resident_kib(gateway) - before) / 1024, 64,
                 unit=" MiB")
    for reason in ("protocol", "resets", "control_frames", "headers"):
        case.at_least(f"connections that the gateway ended for {reason}",
                      int(gateway.total("sluice_http2_connections_ended_total", reason=reason)), 1)


def run(place, is_small):
    requests = 2000 if is_small else 40_000
    case = verdict.Case(1, "clients over HTTP/2", "two shards, TLS 1.3, canned upstream; clients "
                        "on the same cores")
    gateway = place.tls_gateway(stage.settings({"m": place.canned(EVENTS)}))
    h2load(place, case, gateway, requests)
    with_curl(place, case, gateway)
    with_chromium(place, case)
    floods(place, case, gateway)
    case.equal("the gateway still runs", gateway.process.poll(), None)
    return case
