"""What tests of limits share: clients with keys, many at once, and the count of exact windows."""

import bisect
import json
import threading
import time

from support import PATIENCE_S, ask, until

# A dollar a token of an answer, so that a budget of 5 is five answers of one token.
DOLLAR_A_TOKEN = ", price: {input: 0, output: 1000000}"


def usage(prompt=7, completion=5):
    """A script that answers everything with so much use."""
    answer = json.dumps({"id": "c", "choices": [], "usage": {
        "prompt_tokens": prompt, "completion_tokens": completion}})

    def script(connection):
        while True:
            connection.read_request()
            connection.answer(answer)
    return script


def keys(*items):
    """`keys` of (name, limits as YAML); the secret of app is sk-app."""
    return "keys:\n" + "".join(
        f"  - {{name: {name}, secret: sk-{name}{', ' + more if more else ''}}}\n"
        for name, more in items)


def post(client, key="app", path="/v1/chat/completions", headers="", **fields):
    client.post(ask(**fields), path, f"authorization: Bearer sk-{key}\r\n{headers}")
    return client.read_answer()


def statuses(gateway, count, key="app", **fields):
    """Of `count` requests, each on a connection of its own: the shards take turns."""
    found = []
    for _ in range(count):
        with gateway.connect() as client:
            found.append(post(client, key, **fields).status)
    return found


def until_asked(gateway, count):
    """Waits until the upstream `up` has that many requests."""
    until(lambda: gateway.metrics()['sluice_upstream_in_flight{upstream="up"}'] == count,
          f"{count} requests in flight")


def until_settled(gateway):
    """Waits until the answers that clients have got are charged: a moment after they have them."""
    until(lambda: gateway.metrics()["sluice_requests_in_flight"] == 0, "all is settled")


def error_of(answer):
    return json.loads(answer.body)["error"]


def refused(gateway, limit, mode="enforced"):
    name = f'sluice_limit_refused_total{{limit="{limit}",mode="{mode}"}}'
    return gateway.metrics().get(name, 0)


class Hammer:
    """Clients that ask without pause until told to stop; keeps when each was let through."""

    def __init__(self, gateways, clients=8, key="app", **fields):
        self.admitted = []  # (sent, answered) of each 200.
        self.others = {}    # Counts by status.
        self.refused_at = dict.fromkeys(range(len(gateways)), 0)
        self.lock = threading.Lock()
        self.ends = threading.Event()
        self.fields = {"key": key, **fields}
        self.threads = [threading.Thread(target=self._run, daemon=True,
                                         args=(gateways, each % len(gateways)))
                        for each in range(clients)]

    def _run(self, gateways, place):
        gateway = gateways[place]
        client = None
        while not self.ends.is_set():
            sent = time.monotonic()
            try:
                client = client or gateway.connect()
                status = post(client, **self.fields).status
            except (OSError, EOFError):
                client, status = None, 0
            with self.lock:
                if status == 200:
                    self.admitted.append((sent, time.monotonic()))
                else:
                    self.others[status] = self.others.get(status, 0) + 1
                    self.refused_at[place] += 1
        if client:
            client.close()

    def until(self, condition):
        """Asks until `condition(self)`, at most PATIENCE_S."""
        end = time.monotonic() + PATIENCE_S
        with self:
            while not condition(self) and time.monotonic() < end:
                self.ends.wait(0.01)
        return self

    def refusals(self):
        return sum(self.others.values())

    def refusals_least(self):
        """Of the gateway that refused least: one that awaits a grant has refused nothing yet."""
        return min(self.refused_at.values())

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ends.set()
        for thread in self.threads:
            thread.join(PATIENCE_S)


def window_most(admitted, length_s):
    """The most that were surely let through within any interval of this length.

    A request was let through somewhere between its sending and its answer, so an interval that
    begins at a sending holds those that were sent in it and answered before its end.
    """
    sent = sorted(times[0] for times in admitted)
    answered = sorted(times[1] for times in admitted)
    return max((bisect.bisect_right(answered, begin + length_s) - index
                for index, begin in enumerate(sent)), default=0)
