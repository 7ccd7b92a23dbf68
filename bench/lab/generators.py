"""Load: wrk for whole answers and bursts, h2load for them over HTTP/2, sluice-load for paced
streams."""

import dataclasses
import json
import re
import signal
import statistics
import subprocess

from .processes import LOAD_CORE, fail

WRK_SCRIPT = """
wrk.method = "POST"
{headers}
wrk.body = [[{body}]]
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("RESULT %d %d %d %d\\n", summary.requests, summary.duration,
    e.status + e.connect + e.read + e.write + e.timeout, latency:percentile(50)))
end
"""
ATTEMPTS_MAX = 6
RESULT = re.compile(r"^RESULT (\d+) (\d+) (\d+) (\d+)$", re.MULTILINE)


def make_body(model, length, streams):
    """A chat request of `length` bytes."""
    fields = {"model": model}
    if streams:
        fields["stream"] = True
    fields["messages"] = [{"role": "user", "content": ""}]
    text = json.dumps(fields, separators=(",", ":"))
    words = "lorem ipsum " * (length // 12 + 1)
    return text.replace('""', json.dumps(words[:max(0, length - len(text))]))


def wrk_script(body, headers):
    lines = "\n".join(f'wrk.headers["{name}"] = "{value}"' for name, value in headers.items())
    return WRK_SCRIPT.format(headers=lines, body=body)


def parse_wrk(text):
    """(requests, seconds, errors, median latency in us) of a run."""
    match = RESULT.search(text)
    if not match:
        fail(f"wrk said {text!r}")
    requests, duration_us, errors, median_us = map(int, match.groups())
    return requests, duration_us / 1e6, errors, median_us


def run_wrk(lab, url, connections, seconds, script):
    """wrk's own durations are whole seconds; a shorter run is interrupted, and still reports."""
    whole = max(1, round(seconds))
    command = ["wrk", "-t1", f"-c{connections}", f"-d{whole}s", "-s", script,
               url + "/v1/chat/completions"]
    if seconds >= 1:
        return parse_wrk(lab.run(command, LOAD_CORE))
    for _ in range(ATTEMPTS_MAX):
        timed = ["timeout", "--signal=INT", str(seconds), *map(str, command)]
        done = subprocess.run(timed, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              cwd=lab.folder, preexec_fn=lab.prepare(LOAD_CORE))
        if done.stdout:
            break
        seconds *= 2  # On a busy machine the interrupt comes before wrk is ready for it.
    return parse_wrk(done.stdout or done.stderr)


@dataclasses.dataclass(frozen=True)
class H2load:
    """How h2load asks: what each request has, and how many are on a connection at a time."""
    body: str
    headers: dict
    streams: int = 1
    speaks_h1: bool = False  # In plain text, to an upstream.


H2LOAD_RESULT = re.compile(r"finished in .*?requests: .*?(\d+) succeeded, (\d+) failed, "
                           r"\d+ errored, (\d+) timeout", re.DOTALL)


def run_h2load(lab, url, connections, seconds, how, rate=0):
    """(requests, seconds, errors, times of each in us) of a window. The times are asked for with a
    `rate` of requests a second, or of a single connection: keeping them takes time itself."""
    body, log = lab.folder / "h2load.json", lab.folder / "h2load.log"
    body.write_text(how.body)
    log.unlink(missing_ok=True)
    command = ["h2load", "-t1", "-c", connections, "-m", how.streams, "-D",
               f"{round(seconds * 1000)}ms", "-d", body]
    if how.speaks_h1:
        command.append("--h1")
    for name, value in how.headers.items():
        command += ["-H", f"{name}: {value}"]
    if rate:
        command += ["--rps", rate / connections]
    if rate or connections == how.streams == 1:
        command += ["--log-file", log]
    said = lab.run([*command, url + "/v1/chat/completions"], LOAD_CORE)
    match = H2LOAD_RESULT.search(said)
    if not match:
        fail(f"h2load said {said!r}")
    succeeded, failed, timed_out = map(int, match.groups())
    times = [int(line.split("\t")[2]) for line in log.read_text().splitlines()] \
        if log.exists() else []
    return succeeded, seconds, failed + timed_out, times


def quantiles_us(times):
    """{"p50", "p99"} of some times; 0 of none."""
    if len(times) < 2:
        return {"p50": 0, "p99": 0}
    cuts = statistics.quantiles(times, n=100, method="inclusive")
    return {"p50": cuts[49], "p99": cuts[98]}


class WrkLoad:
    """wrk from the start of the object until finish()."""

    def __init__(self, lab, url, connections, script):
        command = ["wrk", "-t1", f"-c{connections}", "-d3600s", "-s", str(script),
                   url + "/v1/chat/completions"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        text=True, cwd=lab.folder,
                                        preexec_fn=lab.prepare(LOAD_CORE))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()

    def finish(self):
        self.process.send_signal(signal.SIGINT)
        return parse_wrk(self.process.communicate()[0])


def run_load(lab, program, url, arguments):
    """Runs sluice-load to its end; gives its figures, whatever it made of the ranges."""
    path = lab.folder / "load.json"
    path.unlink(missing_ok=True)
    command = [program, *arguments, "--target", url, "--json", path]
    done = subprocess.run([str(each) for each in command], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, cwd=lab.folder,
                          preexec_fn=lab.prepare(LOAD_CORE))
    if not path.exists():
        fail(f"sluice-load failed: {done.stdout}{done.stderr}")
    return json.loads(path.read_text())


class PacedLoad:
    """`streams` streams on one peer, from the start of the object until finish()."""

    def __init__(self, lab, program, url, streams, headers):
        self.figures = lab.folder / "load.json"
        self.figures.unlink(missing_ok=True)
        command = [str(program), "streams", "--target", url, "--connections", str(streams),
                   "--streams-per-connection", "1", "--spread", "0", "--json", str(self.figures)]
        for name, value in headers.items():
            if name != "content-type":
                command += ["--header", f"{name}: {value}"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True,
                                        preexec_fn=lab.prepare(LOAD_CORE))
        lab.stack.callback(self.stop)

    def finish(self):
        """Waits for the end of all streams; gives sluice-load's figures."""
        out, err = self.process.communicate()
        if not self.figures.exists():
            fail(f"sluice-load failed: {out}{err}")
        return json.loads(self.figures.read_text())

    def interrupt(self):
        """Ends the streams where they are; sluice-load still reports."""
        self.process.send_signal(signal.SIGINT)

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


def read_stats(connection):
    """What a canned upstream has served, over a kept http.client connection."""
    connection.request("GET", "/stats")
    return json.loads(connection.getresponse().read())
