#!/usr/bin/env python3
"""What an operator and the active checks do to upstreams of a running gateway.

    operations_test.py SLUICECTL
"""

import json
import subprocess
import sys
import time
import unittest

from support import PATIENCE_S, Gateway, Upstream, ask
from tls_support import Authority

SLUICECTL = sys.argv[1]


class Server:
    """Answers completions with its name, and /health as it is told to."""

    def __init__(self, name, tls=None):
        self.name = name
        self.health = 200
        self.checks = 0
        self.requests = 0
        self.status = 200
        self.upstream = Upstream(self.serve, tls)

    def serve(self, connection):
        while True:
            head, _ = connection.read_request()
            if head.startswith("GET /health "):
                self.checks += 1
                connection.answer("{}", status=self.health)
                continue
            self.requests += 1
            connection.answer(json.dumps({"id": self.name, "choices": []}), status=self.status)


def settings(servers, upstream_extra="", extra=""):
    text = "development: true\nupstreams:\n"
    for server in servers:
        text += (f"  - name: {server.name}\n    url: {server.upstream.url}\n"
                 f"    private_addresses: true\n{upstream_extra}")
    routes = ", ".join(f"{{upstream: {server.name}}}" for server in servers)
    model = f"  - name: m\n    strategy: round_robin\n    routes: [{routes}]\n"
    return f"{text}models:\n{model}{extra}"


HEALTH = ("    health: {interval: 100ms, timeout: 100ms, unhealthy_after: 2, healthy_after: 2}\n")


class Operations(unittest.TestCase):
    def setUp(self):
        self.servers = [Server("a"), Server("b")]
        for server in self.servers:
            self.addCleanup(server.upstream.close)

    def start(self, upstream_extra="", extra="", shards=2):
        gateway = Gateway(settings(self.servers, upstream_extra, extra), shards=shards)
        self.addCleanup(gateway.close)
        return gateway

    def control(self, gateway, *arguments, status=0):
        done = subprocess.run([SLUICECTL, "--socket", gateway.socket_path, *arguments],
                              capture_output=True, text=True, timeout=PATIENCE_S)
        self.assertEqual(done.returncode, status, done.stderr)
        return done.stdout + done.stderr

    def states(self, gateway):
        answer = json.loads(self.control(gateway, "--json", "upstreams"))
        return {upstream["name"]: upstream for upstream in answer["upstreams"]}

    def wait_until(self, holds):
        """How long it took."""
        began = time.monotonic()
        while not holds():
            self.assertLess(time.monotonic() - began, PATIENCE_S)
        return time.monotonic() - began

    def served_by(self, gateway, count=8, statuses=(200,)):
        """Who answered, over connections of their own so that all shards are asked."""
        names = set()
        for _ in range(count):
            with gateway.connect() as client:
                client.post(ask())
                answer = client.read_answer()
            self.assertIn(answer.status, statuses, answer.body)
            names.add(json.loads(answer.body)["id"])
        return names

    def test_a_failing_health_check_takes_a_server_out_and_back(self):
        gateway = self.start(HEALTH)
        self.wait_until(lambda: self.servers[0].checks >= 1)
        self.assertEqual(self.served_by(gateway), {"a", "b"})
        self.servers[0].health = 503
        out = self.wait_until(lambda: self.states(gateway)["a"]["state"] == "down")
        self.assertEqual(self.served_by(gateway), {"b"})
        metrics = gateway.metrics()
        self.assertEqual(metrics['sluice_upstream_up{upstream="a"}'], 0)
        self.assertEqual(metrics['sluice_upstream_up{upstream="b"}'], 1)
        self.assertGreaterEqual(
            metrics['sluice_health_checks_total{upstream="a",outcome="refused"}'], 2)
        gateway.wait_for(rb"a is down after 2 failed checks in a row: it answered 503")
        self.servers[0].health = 200
        back = self.wait_until(lambda: self.states(gateway)["a"]["state"] == "up")
        self.assertEqual(self.served_by(gateway), {"a", "b"})
        gateway.wait_for(rb"a is up again after 2 passed checks in a row")
        print(f"\nout after {out * 1000:.0f} ms, back after {back * 1000:.0f} ms", file=sys.stderr)
        gateway.signal()
        self.assertEqual(gateway.wait(), 0)
        self.assertEqual(gateway.output.count(b"a is down"), 1)

    def test_a_dead_server_is_found_without_requests_and_a_reload_ends_its_checks(self):
        gateway = self.start(HEALTH)
        self.servers[1].upstream.close()
        self.wait_until(lambda: self.states(gateway)["b"]["state"] == "down")
        self.assertEqual(self.served_by(gateway), {"a"})
        gateway.rewrite(HEALTH, "")
        self.control(gateway, "reload")
        self.wait_until(lambda: self.states(gateway)["b"]["state"] == "up")
        gateway.wait_for(rb"b: is not checked any more")
        gateway.signal()
        self.assertEqual(gateway.wait(), 0)

    def test_a_server_behind_tls_is_checked_through_it(self):
        authority, stranger = Authority(), Authority("strange")
        trusted, strange = authority.issue(), stranger.issue()
        self.servers = [Server("a", Authority.serving(trusted)),
                        Server("b", Authority.serving(strange))]
        for server in self.servers:
            self.addCleanup(server.upstream.close)
        gateway = self.start(HEALTH + f"    tls: {{ca: {authority.pem}}}\n")
        self.wait_until(lambda: self.states(gateway)["b"]["state"] == "down")
        self.wait_until(lambda: self.servers[0].checks >= 3)
        self.assertEqual(self.states(gateway)["a"]["state"], "up")
        self.assertEqual(self.served_by(gateway), {"a"})
        self.assertGreater(
            gateway.metrics()['sluice_health_checks_total{upstream="b",outcome="unreachable"}'], 1)
        self.control(gateway, "reload")
        checks = self.servers[0].checks
        self.wait_until(lambda: self.servers[0].checks > checks + 2)
        gateway.signal()
        self.assertEqual(gateway.wait(), 0)

    def test_traffic_moves_when_an_upstream_is_drained_and_undrained(self):
        gateway = self.start()
        self.control(gateway, "drain-upstream", "a")
        self.assertEqual(self.states(gateway)["a"]["state"], "drained")
        self.wait_until(lambda: self.served_by(gateway) == {"b"})
        before = self.servers[0].requests
        self.assertEqual(self.served_by(gateway, 20), {"b"})
        self.assertEqual(self.servers[0].requests, before)
        self.control(gateway, "undrain-upstream", "a")
        self.wait_until(lambda: self.served_by(gateway) == {"a", "b"})
        gateway.wait_for(rb"a: drain asked by unix:uid=\d+")
        self.assertIn("no upstream of this name",
                      self.control(gateway, "drain-upstream", "c", status=1))

    def test_traffic_moves_while_an_upstream_cools_down_and_when_it_is_cleared(self):
        gateway = self.start()
        self.control(gateway, "cooldown", "a", "10m")
        state = self.states(gateway)["a"]
        self.assertEqual(state["state"], "cooling")
        self.assertGreater(state["cooldown_s"], 500)
        self.wait_until(lambda: self.served_by(gateway) == {"b"})
        self.assertEqual(self.served_by(gateway, 20), {"b"})
        self.control(gateway, "clear", "a")
        self.assertEqual(self.states(gateway)["a"]["state"], "up")
        self.wait_until(lambda: self.served_by(gateway) == {"a", "b"})
        gateway.wait_for(rb"a: cooldown for 10m, as an operator asked")
        self.assertIn("refused", self.control(gateway, "cooldown", "a", "soon", status=1))

    def test_clearing_closes_a_breaker_that_opened(self):
        breaker = "    breaker: {consecutive: 3, open_for: 10m}\n"
        gateway = self.start(breaker, shards=1)
        self.servers[0].status = 500
        self.served_by(gateway, 12)
        self.wait_until(lambda: self.states(gateway)["a"]["state"] == "breaker_open")
        state = self.states(gateway)["a"]
        self.assertGreater(state["breaker_s"], 500)
        self.assertEqual(state["error_ratio"], 1)
        gateway.wait_for(rb"a: breaker opened for \S+; 3 of 3 recent attempts failed")
        self.servers[0].status = 200
        self.control(gateway, "clear", "a")
        self.wait_until(lambda: self.served_by(gateway) == {"a", "b"})
        gateway.wait_for(rb"a: breaker closed, as an operator asked")

    def test_an_outlier_is_ejected_and_counted(self):
        gateway = self.start(
            "    breaker: off\n", shards=1,
            extra="outliers: {interval: 1s, requests_min: 5, share_max: 50%, eject_for: 10m}\n")
        self.servers[0].status = 500

        def is_ejected():
            # The retry budget ends before the interval does.
            self.served_by(gateway, 10, statuses=(200, 500))
            return self.states(gateway)["a"]["state"] == "ejected"
        self.wait_until(is_ejected)
        self.assertEqual(self.served_by(gateway), {"b"})
        self.assertEqual(gateway.metrics()['sluice_ejections_total{upstream="a"}'], 1)
        gateway.wait_for(rb"a: ejected for 10m; \d+ of \d+ attempts failed within 1s")


if __name__ == "__main__":
    del sys.argv[1:2]
    unittest.main()
