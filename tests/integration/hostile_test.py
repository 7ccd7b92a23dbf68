#!/usr/bin/env python3
"""Clients that mean harm, in numbers that a test can have; bench/edge has the large ones."""

import resource
import select
import socket
import threading
import unittest

from support import (DONE, PATIENCE_S, Client, Gateway, Upstream, ask, config, delta, echo,
                     post_admin, streams, until)
from tls_support import Authority, TlsGateway

REQUEST = ask().encode()


def connect_from(port, source):
    raw = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S,
                                   source_address=(source, 0))
    return Client(raw)


def slow(gateway, reason):
    return gateway.metrics()[f'sluice_slow_clients_total{{reason="{reason}"}}']


def refused(gateway, reason):
    return gateway.metrics()[f'sluice_connections_refused_total{{reason="{reason}"}}']


def is_reset(client):
    """Waits for a reset, which comes also while bytes wait to be read."""
    watch = select.poll()
    watch.register(client.socket, 0)
    return any(events & select.POLLERR for _, events in watch.poll(PATIENCE_S * 1000))


class Slow(unittest.TestCase):
    def serves(self, gateway):
        with gateway.connect() as client:
            client.post(ask())
            self.assertEqual(client.read_answer().status, 200)

    def test_connections_that_say_nothing_are_closed(self):
        with Upstream(echo) as upstream, Gateway(
                config(upstream, "timeouts: {first_byte: 200ms, keep_alive: 1h}\n")) as gateway:
            silent = [gateway.connect() for _ in range(100)]
            self.serves(gateway)
            for client in silent:
                self.assertTrue(client.is_closed())
            self.assertEqual(slow(gateway, "first_byte"), 100)

    def test_heads_that_never_end_are_answered_408(self):
        with Upstream(echo) as upstream, Gateway(
                config(upstream, "timeouts: {head: 300ms}\n")) as gateway:
            clients = [gateway.connect() for _ in range(100)]
            for client in clients:
                client.send("POST /v1/chat/completions HTTP/1.1\r\nx-a: ")
            self.serves(gateway)
            for client in clients:
                self.assertEqual(client.read_answer().status, 408)
                self.assertTrue(client.is_closed())
            self.assertEqual(slow(gateway, "head"), 100)

    def test_a_head_of_a_gigabyte_is_refused_at_its_bound(self):
        with Upstream(echo) as upstream, Gateway(config(upstream)) as gateway:
            before = gateway.resident_kb()
            with gateway.connect() as client:
                client.send("GET /v1/models HTTP/1.1\r\n")
                sent = 0
                line = "x-a: " + "a" * 8000 + "\r\n"
                try:
                    while sent < 1 << 30:
                        client.send(line)
                        sent += len(line)
                except OSError:
                    pass
            self.assertLess(sent, 80 << 20)
            self.assertLess(gateway.resident_kb() - before, 20_000)
            self.serves(gateway)

    def test_a_body_that_drips_is_given_up_by_its_pace(self):
        with Upstream(echo) as upstream, Gateway(config(
                upstream, "limits: {body_rate_min: 1MiB}\n")) as gateway:
            for framing, first in (("content-length: 1000000", "{"),
                                   ("transfer-encoding: chunked", "1\r\n{\r\n")):
                with gateway.connect() as client:
                    client.send("POST /v1/chat/completions HTTP/1.1\r\nhost: t\r\n"
                                f"content-type: application/json\r\n{framing}\r\n\r\n{first}")
                    answer = client.read_answer()
                    self.assertEqual(answer.status, 408)
                    self.assertTrue(client.is_closed())
            self.assertEqual(slow(gateway, "body_rate"), 2)
            self.assertEqual(slow(gateway, "body"), 0)

    def test_readers_that_take_nothing_end_after_the_stall(self):
        big = delta("x" * 60_000)
        with Upstream(streams(*[big] * 200)) as upstream, Gateway(config(
                upstream, "timeouts: {stall: 500ms}\n")) as gateway:
            readers = []
            for _ in range(20):
                raw = socket.socket()
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                raw.settimeout(PATIENCE_S)
                raw.connect(("127.0.0.1", gateway.port))
                reader = Client(raw)
                reader.post(ask(stream=True))
                readers.append(reader)
            until(lambda: slow(gateway, "answer") == 20, "all slow readers are given up")
            with gateway.connect() as client:
                client.post(ask(stream=True))
                self.assertTrue(client.read_answer().body.decode().endswith(DONE))
            for reader in readers:
                self.assertTrue(is_reset(reader), "the kernel keeps what was not taken")
                reader.close()
            until(lambda: gateway.metrics()["sluice_connections_open"] <= 1, "all are gone")


class Many(unittest.TestCase):
    def test_an_address_has_no_more_connections_than_it_may_over_both_shards(self):
        with Upstream(echo) as upstream, Gateway(
                config(upstream, "limits: {connections_per_address: 10}\n"), shards=2) as gateway:
            held = [connect_from(gateway.port, "127.0.0.2") for _ in range(10)]
            for client in held:
                client.post(ask())
                self.assertEqual(client.read_answer().status, 200)
            for _ in range(20):
                with connect_from(gateway.port, "127.0.0.2") as client:
                    answer = client.read_answer()
                    self.assertEqual(answer.status, 429)
                    self.assertIn("your address", answer.body.decode())
            with connect_from(gateway.port, "127.0.0.3") as client:
                client.post(ask())
                self.assertEqual(client.read_answer().status, 200)
            self.assertEqual(refused(gateway, "address"), 20)
            for client in held:
                client.close()

            def is_let_in():
                with connect_from(gateway.port, "127.0.0.2") as client:
                    client.post(ask())
                    return client.read_answer().status == 200
            until(is_let_in, "places come back when connections end")

    def test_trusted_proxies_are_not_limited(self):
        with Upstream(echo) as upstream, Gateway(config(
                upstream, "trusted_proxies: [127.0.0.1]\n"
                "limits: {connections_per_address: 1}\n")) as gateway:
            clients = [gateway.connect() for _ in range(5)]
            for client in clients:
                client.post(ask())
                self.assertEqual(client.read_answer().status, 200)
                client.close()

    def test_an_address_begins_no_more_handshakes_than_it_may(self):
        authority = Authority()
        identity = authority.issue()
        with Upstream(echo) as upstream, TlsGateway(
                authority, config(upstream), [identity],
                "  handshakes_per_address: 5\n") as gateway:
            raws = [socket.create_connection(("127.0.0.1", gateway.port), timeout=PATIENCE_S,
                                             source_address=("127.0.0.9", 0)) for _ in range(30)]
            until(lambda: refused(gateway, "handshakes") >= 20, "a flood is refused")
            with gateway.connect() as client:  # From another address.
                client.post(ask())
                self.assertEqual(client.read_answer().status, 200)
            for raw in raws:
                raw.close()

    def test_who_says_nothing_takes_no_place_among_the_handshakes(self):
        authority = Authority()
        identity = authority.issue()
        with Upstream(echo) as upstream, TlsGateway(
                authority, config(upstream, "timeouts: {first_byte: 1s}\n"), [identity],
                "  handshakes_per_second: 1\n") as gateway:
            before = gateway.resident_kb()
            silent = [socket.create_connection(("127.0.0.1", gateway.port), timeout=PATIENCE_S)
                      for _ in range(200)]
            with gateway.connect() as client:  # Behind 200 others it would be refused.
                client.post(ask())
                self.assertEqual(client.read_answer().status, 200)
            # The state of a handshake alone would take 60 KB of each.
            self.assertLess(gateway.resident_kb() - before, 200 * 30)
            for raw in silent:
                self.assertEqual(raw.recv(1), b"")
                raw.close()
            self.assertEqual(slow(gateway, "first_byte"), 200)

    def test_accepting_pauses_while_no_descriptors_are_left(self):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        with Upstream(echo) as upstream, Gateway(config(upstream)) as gateway:
            with gateway.connect() as honest:
                honest.post(ask())
                self.assertEqual(honest.read_answer().status, 200)
                least = gateway.descriptors() + 20
                resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE, (least, least))
                # The kernel keeps the limit that was there when an accept began: another listener.
                gateway.rewrite("listen: 127.0.0.1:0\nshards", f"listen: 127.0.0.1:{port}\nshards")
                status, outcome = post_admin(gateway, "/v1/reload")
                self.assertEqual(status, 200, outcome)
                gateway.port = port
                flood = [gateway.connect() for _ in range(100)]
                until(lambda: gateway.descriptors() >= least, "all descriptors are in use")
                honest.post(ask())  # Its upstream connection is open already.
                self.assertEqual(honest.read_answer().status, 200)
                for client in flood:
                    client.close()
                until(lambda: gateway.descriptors() < least - 15, "they come back")
                with gateway.connect() as late:
                    late.post(ask())
                    self.assertEqual(late.read_answer().status, 200)
            gateway.wait_for(rb"accepting pauses: no file descriptors are left")
            pauses = gateway.metrics()['sluice_accept_pauses_total{reason="descriptors"}']
            self.assertGreater(pauses, 0)


class Memory(unittest.TestCase):
    def used(self, gateway):
        return gateway.metrics()["sluice_byte_budget_used_bytes"]

    def test_readers_that_take_single_bytes_hold_no_more_than_their_bound(self):
        readers_most, held_most = 50, 64 << 10
        big = delta("x" * 60_000)
        with Upstream(streams(*[big] * 200)) as upstream, Gateway(config(
                upstream, f"limits: {{held_bytes_max: {held_most}B}}\n")) as gateway:
            descriptors, resident = gateway.descriptors(), gateway.resident_kb()
            readers = []
            for _ in range(readers_most):
                raw = socket.socket()
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                raw.settimeout(PATIENCE_S)
                raw.connect(("127.0.0.1", gateway.port))
                reader = Client(raw)
                reader.post(ask(stream=True))
                readers.append(reader)
            for _ in range(20):
                for reader in readers:
                    self.assertTrue(reader.socket.recv(1))
                # Two batches of a stream, and one block more of each for heads and requests.
                self.assertLess(self.used(gateway), readers_most * (2 * held_most + 32_768))
            self.assertLess(gateway.resident_kb() - resident, 40_000)
            for reader in readers:
                reader.close()
            until(lambda: gateway.metrics()["sluice_connections_open"] <= 1, "all are gone")
            until(lambda: gateway.descriptors() <= descriptors + 2, "so are their descriptors")
            # What is kept for reuse counts as used.
            until(lambda: self.used(gateway) < 8 << 20, "their bytes come back")

    def test_heads_that_promise_bodies_take_little_of_the_budget(self):
        with Upstream(echo) as upstream, Gateway(config(upstream)) as gateway:
            clients = [gateway.connect() for _ in range(100)]
            for client in clients:
                client.send("POST /v1/chat/completions HTTP/1.1\r\nhost: t\r\n"
                            "content-type: application/json\r\ncontent-length: 2000000\r\n\r\n{")
            until(lambda: self.used(gateway) >= 100 * 65_536, "all bodies are read")
            self.assertLess(self.used(gateway), 100 * 100_000)
            for client in clients:
                client.close()

    def test_bodies_that_use_up_the_budget_get_503_and_harm_nobody_after_them(self):
        limits = "limits: {byte_budget: 1MiB, body_bytes_max: 512KiB, body_rate_min: 0B}\n"
        with Upstream(echo) as upstream, Gateway(config(upstream, limits)) as gateway:
            clients = [gateway.connect() for _ in range(40)]
            part = "POST /v1/chat/completions HTTP/1.1\r\nhost: t\r\n" \
                "content-type: application/json\r\ncontent-length: 500000\r\n\r\n" + "x" * 60_000
            for client in clients:
                try:
                    client.send(part)
                except OSError:
                    pass  # Refused already.
            open_now = "sluice_connections_open"
            until(lambda: gateway.metrics()[open_now] < 40, "some are refused")
            self.assertLessEqual(self.used(gateway), 1 << 20)
            for client in clients:
                client.close()
            until(lambda: gateway.metrics()[open_now] == 0, "all are gone")
            # What is kept for reuse counts as used, until somebody comes who needs it.
            for _ in range(20):
                with gateway.connect() as honest:
                    honest.post(ask())
                    self.assertEqual(honest.read_answer().status, 200)
            self.assertLess(self.used(gateway), 900_000)


if __name__ == "__main__":
    unittest.main()
