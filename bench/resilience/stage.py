"""The programs of a case: simulated servers, the gateway before them, load. Ports are the kernel's
choice, and each program is ended by its id."""

import contextlib
import http.client
import json
import re
import signal
import subprocess
import time
from pathlib import Path

from lab.processes import end, fail

PATIENCE_S = 20  # The bound of every wait for a program.


def ask(port, path, body=None):
    """(status, text) of one question to one of the programs."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    with contextlib.closing(connection):
        connection.request("GET" if body is None else "POST", path, body)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


class Simulator:
    """A sluice-sim, which can be killed and started again on its port."""

    def __init__(self, program, name, settings, seed):
        self.program, self.name, self.settings, self.seed = program, name, settings, seed
        self.port = 0
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [str(self.program), "--listen", f"127.0.0.1:{self.port}", "--seed", str(self.seed),
             "--shape", self.settings],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        line = self.process.stdout.readline().decode()
        if not line.startswith("listening on "):
            fail(f"{self.program} said: {line!r}")
        self.port = int(line.rsplit(":", 1)[1])

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()

    def end(self):
        end(self.process)

    def stats(self):
        return json.loads(ask(self.port, "/sim/stats")[1])

    def calls(self):
        """Requests for models that it got, answered or not."""
        stats = self.stats()
        return stats["answered"] + stats["in_flight"]

    def change(self, settings):
        status, answer = ask(self.port, "/sim/shape", settings)
        if status != 200:
            fail(f"{self.name} refuses {settings}: {answer}")


class Gateway:
    def __init__(self, program, folder, config, shards):
        self.output = folder / "gateway.out"
        self.was_ended, self.crashed_with = False, None
        path = folder / "sluice.yaml"
        path.write_text(f"listen: 127.0.0.1:0\nshards: {shards}\n"
                        "metrics: {listen: 127.0.0.1:0}\n"
                        f"access_log: {{file: {folder}/access.log}}\n{config}")
        with open(self.output, "wb") as out:
            self.process = subprocess.Popen([str(program), "run", str(path)],
                                            stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        self.port = int(self._wait_for(r"listening on https?://127\.0\.0\.1:(\d+)"))
        self.metrics_port = int(self._wait_for(r"metrics on http://127\.0\.0\.1:(\d+)"))

    def _wait_for(self, pattern):
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            said = self.output.read_text(errors="replace")
            match = re.search(pattern, said)
            if match:
                return match.group(1)
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        end(self.process)
        fail(f"the gateway said: {said[-1500:]}")

    def samples(self):
        """(value by name with labels, kind by name) of one scrape."""
        values, kinds = {}, {}
        for line in ask(self.metrics_port, "/metrics")[1].splitlines():
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ", 3)
                kinds[name] = kind
            elif line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                values[name] = float(value)
        return values, kinds

    def total(self, name, **labels):
        """The sum of a metric's series that have these labels; 0 when there is none."""
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        values, _ = self.samples()
        return sum(value for series, value in values.items()
                   if series.split("{")[0] == name and all(each in series for each in wanted))

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def has_crashed(self):
        if not self.was_ended and self.crashed_with is None:
            self.crashed_with = self.process.poll()
        return self.crashed_with is not None

    def last_words(self):
        return self.output.read_text(errors="replace")[-1500:].strip()

    def end(self):
        self.has_crashed()
        self.was_ended = True
        end(self.process)


class Stage:
    """Starts the programs of one case and ends them when it is left."""

    def __init__(self, build, folder, progress):
        self.build, self.folder, self.say = Path(build), Path(folder), progress
        self.stack = contextlib.ExitStack()
        self.gateways = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stack.close()

    def crashes(self):
        """Statuses of gateways that ended by themselves."""
        return [each.crashed_with for each in self.gateways if each.has_crashed()]

    def last_words(self):
        return self.gateways[-1].last_words() if self.gateways else "no gateway ran"

    def program(self, path):
        program = self.build / path
        if not program.exists():
            fail(f"{program} is missing; bench/README.md says how to build it")
        return program

    def simulator(self, name, settings, seed=1):
        made = Simulator(self.program("tools/sim/sluice-sim"), name, settings, seed)
        self.stack.callback(made.end)
        return made

    def gateway(self, config, shards=2):
        made = Gateway(self.program("src/app/sluice"), self.folder, config, shards)
        self.stack.callback(made.end)
        self.gateways.append(made)
        return made

    @contextlib.contextmanager
    def scope(self):
        """What is started within it ends with it."""
        outer, self.stack = self.stack, contextlib.ExitStack()
        try:
            yield
        finally:
            inner, self.stack = self.stack, outer
            inner.close()

    def load(self, port, *options, seconds_max=60):
        """What sluice-load measured; what failed is in its figures."""
        figures = self.folder / "load.json"
        figures.unlink(missing_ok=True)
        command = [self.program("bench/load/sluice-load"), "run", "--target",
                   f"http://127.0.0.1:{port}", *options, "--json", figures]
        done = subprocess.run([str(each) for each in command], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=seconds_max)
        if not figures.exists():
            fail(f"sluice-load ended with {done.returncode}: {done.stdout}{done.stderr}")
        return json.loads(figures.read_text())


def upstream(simulator, *settings):
    """One item of `upstreams`, each setting a line of YAML."""
    lines = [f"  - name: {simulator.name}", f"    url: http://127.0.0.1:{simulator.port}",
             "    private_addresses: true"]
    return "\n".join(lines + [f"    {setting}" for setting in settings]) + "\n"
