"""Gateways with a store of keys, and what clients send with them."""

import asyncio
import json
import subprocess
import time

from limits import stage
from limits.stage import upstream
from resilience import swarm

MODELS = "price: {input: 0, output: 1000}"


def settings(simulator, folder, more=""):
    """The configuration of a gateway with a store in `folder`, before one simulated server."""
    return ("forward_headers: [x-sim-tokens, x-sim-tps, x-sim-ttft, x-sim-fixed]\n"
            f"store: {{path: {folder}/keys.db}}\n"
            f"upstreams:\n{upstream(simulator, 'breaker: off')}"
            f"models:\n  - {{name: m, routes: [{{upstream: {simulator.name}, model: sim, "
            f"{MODELS}}}]}}\n{more}")


def authorization(secret):
    return f"authorization: Bearer {secret}\r\n"


def request(secret, **fields):
    return swarm.request("m", authorization(secret) + "x-sim-tokens: 1\r\n", **fields)


def make_key(gateway, **members):
    """(id, secret) of a new key."""
    made = gateway.admin("/v1/keys", members)
    return made["key"]["id"], made["secret"]


async def call(gateway, path, body):
    """(status, answer, when its last byte was read) of a POST beside the clients of this thread.

    Status 0 when the gateway went before its answer was whole.
    """
    loop = asyncio.get_running_loop()
    got = b""
    try:
        reader, writer = await asyncio.open_unix_connection(str(gateway.socket))
        writer.write(stage.admin_request("POST", path, json.dumps(body).encode()))
        got = await asyncio.wait_for(reader.read(), swarm.PATIENCE_S)
        writer.close()
    except OSError:
        pass
    ended = loop.time()
    head, _, text = got.partition(b"\r\n\r\n")
    try:
        return int(head[9:12]), json.loads(text), ended
    except ValueError:
        return 0, {}, ended


def is_let_in(gateway, secret):
    """Whether one request with this secret is answered; anything but 200, 401 and 403 is told."""
    answer, line = asyncio.run(swarm.ask(gateway.port, request(secret)))
    del line
    if answer.status not in (200, 401, 403):
        raise AssertionError(f"status {answer.status}")
    return answer.status == 200


class Stage(stage.Stage):
    def start_and_kill(self, config, delay):
        """kill -9 of a gateway so many seconds after its start, whether it serves or not."""
        self.started += 1
        path = self.folder / f"gateway{self.started}.yaml"
        path.write_text(f"listen: 127.0.0.1:0\nshards: 2\naccess_log: off\n{config}")
        process = subprocess.Popen([str(self.program("src/app/sluice")), "run", str(path)],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        time.sleep(delay)
        process.kill()
        process.wait()
