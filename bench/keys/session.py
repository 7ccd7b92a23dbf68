"""7: an operator's session: a team, a key with a budget, its use, top, a block, the audit log."""

import json
import os
import shlex
import subprocess

from redis_support import wait_until
from resilience import stage as programs
from resilience import verdict

from . import stage

RATE, SECONDS, TOKENS = 40, 6, 50
LINE_MOST = 130


class Terminal:
    """Runs commands as an operator types them, and keeps what they printed."""

    def __init__(self, place, gateway, case):
        self.program = str(place.program("tools/sluicectl/sluicectl"))
        self.gateway, self.case = gateway, case

    def run(self, line):
        """What the command printed on stdout."""
        done = subprocess.run(
            [self.program, "--socket", str(self.gateway.socket), *shlex.split(line)],
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=programs.PATIENCE_S, env={**os.environ, "COLUMNS": "100"})
        self.tell(f"$ sluicectl {line}")
        for each in (done.stdout + done.stderr).splitlines():
            self.tell(each[:LINE_MOST])
        self.tell(f"[exit status {done.returncode}]" if done.returncode else "")
        self.case.equal(f"exit status of `{' '.join(shlex.split(line)[:2])}`", done.returncode, 0)
        return done.stdout

    def ask(self, secret):
        """One request as curl makes it; its status."""
        done = subprocess.run(
            ["curl", "-sS", "-w", "\n%{http_code}", "-H", "@-",
             "-H", "content-type: application/json",
             "-d", json.dumps({"model": "m", "max_tokens": TOKENS,
                               "messages": [{"role": "user", "content": "Hello"}]}),
             f"http://127.0.0.1:{self.gateway.port}/v1/chat/completions"],
            input=f"authorization: Bearer {secret}\n", capture_output=True, text=True,
            timeout=programs.PATIENCE_S)
        body, status = done.stdout.rsplit("\n", 1)
        self.tell("$ curl -H 'authorization: Bearer sk-...' -d '{\"model\": \"m\", ...}' "
                  ".../v1/chat/completions")
        self.tell(body[:LINE_MOST] + ("..." if len(body) > LINE_MOST else ""))
        self.tell(f"{status}\n")
        return status

    def tell(self, line):
        self.case.transcript += line.split("\n")


def run(place, is_small):
    case = verdict.Case(7, "An operator's first session, as it was printed",
                        "one gateway with a store, a journal and a usage log; sluicectl and curl")
    simulator = place.simulator("sim", "ttft=5ms&tps=0&tokens=50")
    config = stage.settings(
        simulator, place.folder, f"journal: {{directory: {place.folder}/journal}}\n"
        f"usage_log: {{path: {place.folder}/usage.db}}\n")
    (place.folder / "journal").mkdir()
    gateway = place.gateway(config)
    terminal = Terminal(place, gateway, case)
    terminal.run("teams create --name blue --limit budget_per_month=100")
    team = gateway.admin("/v1/teams")["teams"][0]["id"]
    # An answer costs 50 tokens of a thousandth of a dollar: 160 of them are the budget.
    printed = terminal.run(f"keys create --name app --team {team} --model m "
                           "--limit budget_per_day=8 --limit requests_per_minute=6000")
    key = gateway.admin("/v1/keys")["keys"][0]["id"]
    secret = next(word for word in printed.split() if word.startswith("sk-"))
    terminal.run("keys list")
    first = terminal.ask(secret)
    terminal.tell(f"$ sluice-load run --rate {RATE} --duration {SECONDS}s --key sk-...   "
                  "# beside what follows\n")
    load = place.begin_load(gateway, "--rate", RATE, "--duration", f"{SECONDS}s", "--connections",
                            8, "--key", f"{secret}=1", "--model", "m=1", "--stream",
                            "--answer-tokens", TOKENS, "--body-bytes", "300=1")
    wait_until(lambda: any(model["name"] == "m" and model["requests"] > 1
                           for model in gateway.admin("/v1/top")["models"]), "the load has begun")
    top = terminal.run("top --once --interval 1s")
    figures = place.end_load(load)
    limits = terminal.run(f"limits show key {key}")
    wait_until(lambda: gateway.admin("/v1/usage?by=team")["usage"], "the usage log is written")
    terminal.run("spend --by key --window day")
    usage = terminal.run("usage --by team")
    used_up = terminal.ask(secret)
    terminal.run(f"--yes keys block {key}")
    blocked = terminal.ask(secret)
    terminal.run("keys list --blocked true")
    audit = terminal.run("audit")
    case.equal("a request with the new key", first, "200")
    case.equal("`top` shows the model", " m " in top.replace("\n", " "), True)
    case.at_least("requests let through until the budget was used up", figures["completed"], 100,
                  is_timed=True)
    case.equal("`limits` shows the budget", "budget_per_day" in limits, True)
    case.equal("`usage` shows the team", team in usage, True)
    case.equal("a request beyond the budget", used_up, "429")
    case.equal("a request with the blocked key", blocked, "403")
    for action in ("team.create", "key.create", "key.block"):
        case.equal(f"{action} is in the audit log", action in audit, True)
    told = "\n".join(case.transcript[case.transcript.index("$ sluicectl keys list"):])
    case.equal("the secret is shown again", secret in told, False)
    return case
