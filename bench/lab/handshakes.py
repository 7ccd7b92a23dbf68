"""New TLS connections: what they cost each peer, and what they do to streams beside them."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from . import generators, readings, report, tls
from .comparison import in_turn
from .figures import Row, Spread, ratios
from .peers import HAPROXY, NGINX, Peers, headers_for
from .processes import LOAD_CORE, PEER_CORE, fail, find_program, free_port

OTHERS = ("nginx", "haproxy")
OPENERS = 8       # Programs that open connections, one at a time each.
UNRESUMED_MOST = 16  # The first ones have no ticket yet.
SETTLE_S = 0.3    # Until all streams are open.
WARM_UP_S = 0.3

# sluice-load speaks plain HTTP to it, it speaks TLS to what is measured, without and with new
# connections alike.
OPENER = """
global
  maxconn 8192
  nbthread 1
defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
listen opener
  bind 127.0.0.1:{port}
  server gateway 127.0.0.1:{target} ssl verify none ssl-min-ver TLSv1.3 ciphersuites {suite}
"""


def command(port, seconds, version, resumed, group):
    script = Path(__file__).with_name("handshake_load.py")
    more = ["--resumed"] if resumed else []
    return [str(each) for each in (sys.executable, "-B", script, "--port", port, "--seconds",
                                   seconds, "--version", version, "--group", group, *more)]


class AnsweringTls(tls.Tls):
    """nginx and HAProxy answer /none themselves, as Sluice does."""

    def nginx(self, text):
        return super().nginx(text.replace(
            "location / {{", "location = /none {{ return 404; }}\n    location / {{"))

    def haproxy(self, text):
        return super().haproxy(text.replace(
            "  default_backend canned",
            "  http-request return status 404 if {{ path /none }}\n  default_backend canned"))


def cost(lab, build, options):
    """(name, figures, table) for each kind of key, version and way."""
    for kind in options.keys:
        for version in options.versions:
            with lab.scope():
                identity = tls.Identity(lab.folder, kind)
                yield from cost_of(lab, build, options, identity, version)


def cost_of(lab, build, options, identity, version):
    peers = Peers(lab, build, AnsweringTls(identity, version=version))
    upstream = peers.canned()
    started = {name: peers.sluice(name, upstream, program)
               for name, program in options.variants.items()}
    started |= {name: getattr(peers, name)(name, upstream) for name in OTHERS}
    for resumed in (False, True):
        name = (f"{identity.kind}, TLS {version}, {'resumed' if resumed else 'full'}, "
                f"{options.group}")
        rows = {peer: [] for peer in started}
        for number, peer in in_turn(name, list(started), options.rounds):
            rows[peer].append(window(lab, number, started[peer], options, version, resumed))
        yield name, {peer: [row.cpu_us for row in each] for peer, each in rows.items()}, \
            cost_table(rows)


def window(lab, number, peer, options, version, resumed):
    def run(seconds):
        return json.loads(lab.run(command(peer.port, seconds, version, resumed,
                                          options.group), LOAD_CORE))
    run(WARM_UP_S)
    before, core = readings.cpu_seconds(peer.pids), readings.core_seconds(PEER_CORE)
    done = run(options.seconds)
    after = readings.cpu_seconds(peer.pids)
    if done["failed"] or done["unfinished"] or (
            resumed and done["resumed"] < done["done"] - UNRESUMED_MOST):
        fail(f"{peer.name}: {done}")
    own = sum(after) - sum(before)
    return Row(number, done["done"], done["seconds"], after[0] - before[0], after[1] - before[1],
               0, readings.core_seconds(PEER_CORE) - core - own)


def cost_table(rows):
    table = [["", "CPU us per connection", "user", "done per s", "core %", "others %", "of nginx"]]
    for name, each in rows.items():
        table.append([name, Spread.of(row.cpu_us for row in each).text(),
                      f"{Spread.of(row.user_s / row.count * 1e6 for row in each).median:.0f}",
                      f"{Spread.of(row.rate for row in each).median:.0f}",
                      f"{Spread.of(row.core_used for row in each).median:.0f}",
                      f"{Spread.of(row.others for row in each).median:.0f}",
                      Spread.of(ratios(each, rows["nginx"])).text(2)])
    return report.columns(table)


def beside(lab, build, options):
    """Delay of events, without new connections and with, for each limit on handshakes."""
    identity = tls.Identity(lab.folder)
    plain = Peers(lab, build)
    events = round((options.seconds + SETTLE_S) / options.period)
    upstream = plain.canned("--paced", f"{options.period * 1000:.0f}ms", "--events", events)
    openers = {}
    for limit in options.limits:
        peers = Peers(lab, build, tls.Tls(identity, handshakes_per_second=limit))
        program = next(iter(options.variants.values()))
        peer = peers.sluice(f"sluice-{limit}", upstream, program)
        openers[limit] = (peer, start_opener(lab, peer))
    names = [(limit, beset) for limit in options.limits for beset in (False, True)]
    rows = {name: [] for name in names}
    for _, name in in_turn("beside", names, options.rounds):
        rows[name].append(beside_window(lab, build, options, *openers[name[0]], name[1]))
    figures = {f"limit {limit}, {'beset' if beset else 'alone'}": rows[limit, beset]
               for limit, beset in names}
    yield (f"{options.streams} streams, an event per {options.period * 1000:.0f} ms", figures,
           beside_table(rows))


def start_opener(lab, peer):
    port = free_port()
    path = lab.folder / f"opener-{port}.conf"
    path.write_text(OPENER.format(port=port, target=peer.port, suite=tls.SUITE))
    lab.start([find_program("haproxy"), "-db", "-f", path], LOAD_CORE, port)
    return port


def run_usual(takes_rest):
    """Beside programs of the real-time class, new connections take what time is left of both."""
    os.sched_setaffinity(0, {PEER_CORE, LOAD_CORE} if takes_rest else {LOAD_CORE})


def new_connections(peer, options):
    """As many a second as the peer lets in; how many."""
    line = [find_program("openssl"), "s_time", "-connect", f"127.0.0.1:{peer.port}", "-new",
            "-www", "/none", "-time", str(max(1, round(options.seconds)))]
    begin = time.monotonic()
    running = [subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True,
                                preexec_fn=lambda: run_usual(options.realtime))
               for _ in range(OPENERS)]
    texts = [process.communicate()[0] for process in running]
    seconds = time.monotonic() - begin
    counts = [re.search(r"(\d+) connections in \d+ real seconds", text) for text in texts]
    if not all(counts):
        fail(texts[0][-300:])
    return sum(int(count.group(1)) for count in counts) / seconds


def beside_window(lab, build, options, peer, opener, is_beset):
    before = readings.cpu_seconds(peer.pids)
    load = generators.PacedLoad(lab, build / "bench/load/sluice-load",
                                f"http://127.0.0.1:{opener}", options.streams,
                                headers_for("sluice", 0))
    time.sleep(SETTLE_S)
    done = new_connections(peer, options) if is_beset else 0
    loaded = load.finish()
    if loaded["failed"]:
        fail(f"{loaded['failed']} streams failed")
    used = sum(readings.cpu_seconds(peer.pids)) - sum(before)
    return {"p50_us": loaded["delay"]["p50_us"], "p99_us": loaded["delay"]["p99_us"],
            "done_per_s": done, "cpu_s": used}


def beside_table(rows):
    table = [["handshakes_per_second", "done per s", "p50 us", "p99 us", "added p50 us",
              "added p99 us", "CPU s"]]
    for (limit, beset), each in rows.items():
        cells = [str(limit), Spread.of(row["done_per_s"] for row in each).text(0)]
        cells += [Spread.of(row[q] for row in each).text(0) for q in ("p50_us", "p99_us")]
        pairs = list(zip(each, rows[limit, False]))
        cells += [Spread.of(row[q] - base[q] for row, base in pairs).text(0) if beset else ""
                  for q in ("p50_us", "p99_us")]
        table.append([*cells, f"{Spread.of(row['cpu_s'] for row in each).median:.2f}"])
    return report.columns(table)
