#!/usr/bin/env python3
"""Clients that break HTTP/2's rules, flood, stall and vanish; and what a hundred streams get."""

import json
import re
import socket
import struct
import subprocess
import threading
import unittest

import http2_rules
import http2_support as h2
from http2_support import CALM, MADE_TO_RESET, TOO_MANY, Client
from support import PATIENCE_S, Gateway, Upstream, config, delta, until
from tls_support import Authority, TlsGateway

STREAMS = 100
RESIDENT_MORE_MAX_KB = 40_000


def events(asked):
    """The whole event stream of a request, which differs from others by its user."""
    return [delta(f"{asked['user']} {i} " + "x" * asked.get("size", 10))
            for i in range(asked["n"])] + ["data: [DONE]\n\n"]


class Served(unittest.TestCase):
    more = ""

    @classmethod
    def setUpClass(cls):
        cls.authority = Authority()
        cls.leaf = cls.authority.issue()
        cls.context = cls.authority.trusting()

    def setUp(self):
        self.begun, self.gone = threading.Semaphore(0), threading.Semaphore(0)
        self.hold = threading.Event()
        self.addCleanup(self.hold.set)

        def script(connection):
            while True:
                _, body = connection.read_request()
                asked = json.loads(body)
                if asked.get("user") == "hang":
                    self.begun.release()
                    if connection.is_closed():
                        self.gone.release()
                    return
                if not asked.get("stream"):
                    connection.answer(json.dumps({"size": len(body)}))
                    continue
                connection.begin_stream()
                for number, event in enumerate(events(asked)):
                    if number == 1 and asked.get("waits"):
                        self.begun.release()
                        self.hold.wait(PATIENCE_S)
                    connection.chunk(event)
                connection.end_stream()

        self.upstream = Upstream(script)
        self.addCleanup(self.upstream.close)
        self.gateway = TlsGateway(self.authority, config(self.upstream) + self.more, [self.leaf])
        self.addCleanup(self.gateway.close)

    def client(self, **options):
        made = Client(self.gateway.port, self.context, **options)
        self.addCleanup(made.close)
        return made

    def is_served(self):
        """An honest client gets its answer."""
        with Client(self.gateway.port, self.context) as client:
            self.assertEqual(client.finish(client.ask()).status, 200)
        self.assertIsNone(self.gateway.process.poll())

    def ended_for(self, reason):
        return self.gateway.metrics()[f'sluice_http2_connections_ended_total{{reason="{reason}"}}']

    def all_of(self, semaphore, count):
        for _ in range(count):
            self.assertTrue(semaphore.acquire(timeout=PATIENCE_S))

    def all_are_released(self):
        until(lambda: self.gateway.metrics()["sluice_http2_connections_open"] == 0,
              "connections are released")
        self.assertEqual(self.gateway.metrics()["sluice_requests_in_flight"], 0)


class Rules(Served):
    def test_each_rule_that_is_broken_has_its_answer(self):
        self.is_served()
        before = self.gateway.resident_kb()
        for name in http2_rules.RULES:
            with self.subTest(name):
                became, right = http2_rules.play(self.gateway.port, self.context, name)
                self.assertIn(became, right)
        self.is_served()
        self.assertLess(self.gateway.resident_kb() - before, RESIDENT_MORE_MAX_KB)
        self.all_are_released()

    def test_a_preface_that_is_none_closes_the_connection(self):
        for first in (b"GET / HTTP/1.1\r\n\r\n" + b"x" * 20, b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
                      h2.PREFACE + h2.frame(h2.PING, 0, 0, b"12345678")):
            client = self.client(greets=False)
            client.raw(first)
            while client.read():
                pass
            self.assertTrue(client.goaway is None or client.goaway[1] == "PROTOCOL_ERROR")
        self.is_served()

    def test_streams_above_the_limit_are_refused_while_it_cannot_be_known(self):
        client = self.client()
        streams = [client.ask(user="hang") for _ in range(STREAMS + 1)]
        self.assertEqual(client.outcome(streams[-1]), "RST_STREAM REFUSED_STREAM")
        self.all_of(self.begun, STREAMS)
        client.reset(streams[0])
        self.assertEqual(client.finish(client.get()).status, 200)


class Plain(unittest.TestCase):
    def test_h2c_is_not_spoken(self):
        with Upstream(lambda connection: connection.answer("{}")) as upstream, \
                Gateway(config(upstream)) as gateway:
            with gateway.connect() as client:
                client.send(h2.PREFACE + h2.frame(h2.SETTINGS))
                said = client.read_to_end()
                self.assertRegex(said, rb"^HTTP/1.1 (400|505) ")
            with gateway.connect() as client:
                client.send("GET /livez HTTP/1.1\r\nhost: t\r\nconnection: upgrade, http2-settings"
                            "\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n\r\n")
                self.assertEqual(client.read_answer().status, 200)


class Floods(Served):
    more = "timeouts: {stall: 500ms}\n"

    def test_every_flood_ends_its_connection_and_no_other(self):
        self.is_served()
        before = self.gateway.resident_kb()
        honest = self.client(window=1 << 20)
        slow = honest.ask(stream=True, user="a", n=3, waits=True)
        for name in h2.FLOODS:
            if name == "unknown frames":  # They are passed over.
                continue
            with self.subTest(name):
                became, count, _ = h2.play_flood(self.gateway.port, self.context, name)
                self.assertIn(became, (CALM, TOO_MANY) if name in MADE_TO_RESET else (CALM,))
                self.assertLess(count, h2.FLOOD_MAX)
        self.hold.set()
        self.assertEqual(honest.finish(slow).end, "end")
        self.assertLess(self.gateway.resident_kb() - before, RESIDENT_MORE_MAX_KB)
        honest.close()
        self.all_are_released()
        self.assertGreater(self.ended_for("resets"), 0)
        self.assertGreater(self.ended_for("control_frames"), 0)
        self.assertGreater(self.ended_for("headers"), 0)

    def test_unknown_frames_are_passed_over(self):
        became, count, _ = h2.play_flood(self.gateway.port, self.context, "unknown frames")
        self.assertEqual((became, count), ("goes on", h2.FLOOD_MAX))

    def test_pings_whose_answers_nobody_takes_are_not_listened_to_for_ever(self):
        client = self.client().greet()
        client.socket.settimeout(PATIENCE_S)
        ping = h2.frame(h2.PING, 0, 0, b"ping-pin") * 100
        with self.assertRaises(OSError):
            for _ in range(100_000):
                client.raw(ping)
        self.is_served()
        client.close()
        self.all_are_released()

    def test_rapid_resets_leave_no_request_behind(self):
        self.assertEqual(h2.play_flood(self.gateway.port, self.context, "rapid reset")[0], CALM)
        self.all_are_released()
        self.is_served()


class Stalls(Served):
    more = "timeouts: {stall: 500ms}\n"

    def test_a_hundred_readers_without_a_window_end_and_hold_up_nobody(self):
        client = self.client(window=0)
        streams = [client.ask(stream=True, user=f"u{i}", n=50, size=5000) for i in range(STREAMS)]
        for stream in streams:
            self.assertEqual(client.outcome(stream), "RST_STREAM INTERNAL_ERROR")
            self.assertEqual(client.streams[stream].body, b"")
        self.assertEqual(client.finish(client.begin(h2.head("HEAD", "/livez"), ends=True)).status,
                         200)
        self.is_served()
        client.close()
        self.all_are_released()

    def test_a_window_of_the_connection_that_stays_shut_ends_its_streams(self):
        client = self.client(window=1 << 20, refills=False)
        streams = [client.ask(stream=True, user=f"u{i}", n=50, size=5000) for i in range(20)]
        for stream in streams:
            client.finish(stream)
        self.assertEqual(sum(len(each.body) for each in client.streams.values()), h2.WINDOW)
        self.assertEqual({client.streams[stream].end for stream in streams}, {"INTERNAL_ERROR"})
        self.is_served()


class Many(Served):
    def begin_all(self, client, **fields):
        return {client.ask(stream=True, user=f"u{i}", **fields): f"u{i}" for i in range(STREAMS)}

    def all_are_exact(self, client, streams, **fields):
        for stream, user in streams.items():
            of = client.finish(stream)
            self.assertEqual((of.status, of.end), (200, "end"))
            self.assertEqual(of.body.decode(), "".join(events({"user": user, **fields})))

    def test_a_hundred_event_streams_at_once_are_exact_to_the_byte(self):
        client = self.client()
        self.all_are_exact(client, self.begin_all(client, n=40, size=300), n=40, size=300)

    def test_windows_are_kept_to_the_byte(self):
        for window in (1, 7, 16_384, 65_535):
            client = self.client(window=window)
            size = 20 if window < 10 else 3000
            stream = client.ask(stream=True, user="a", n=10, size=size)
            of = client.finish(stream)
            self.assertEqual(of.body.decode(), "".join(events({"user": "a", "n": 10,
                                                               "size": size})))

    def test_a_window_may_become_negative(self):
        client = self.client(window=1000, refills=False).greet()
        stream = client.ask(stream=True, user="a", n=10, size=1000)
        of = client.streams[stream]
        client.read_until(lambda: of.window == 0)
        client.set_options((h2.INITIAL_WINDOW_SIZE, 100))
        client.read_until(lambda: client.acknowledged == 2)
        of.window -= 900
        client.open_window(stream, 900)
        self.assertEqual(client.outcome(), "goes on")  # Nothing came: its window is 0.
        self.assertEqual(len(of.body), 1000)
        client.open_window(stream, 1 << 20)
        self.assertEqual(client.finish(stream).end, "end")
        self.assertEqual(of.body.decode(), "".join(events({"user": "a", "n": 10, "size": 1000})))

    def test_a_connection_that_dies_ends_a_hundred_requests_upstream(self):
        for dies in ("closed", "reset"):
            client = self.client()
            for _ in range(STREAMS):
                client.ask(user="hang")
            self.all_of(self.begun, STREAMS)
            if dies == "reset":
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                         struct.pack("ii", 1, 0))
            client.close()
            self.all_of(self.gone, STREAMS)
            self.all_are_released()

    def test_a_hundred_streams_that_are_reset_end_upstream_and_the_connection_lives(self):
        client = self.client()
        streams = [client.ask(user="hang") for _ in range(STREAMS - 1)]
        self.all_of(self.begun, STREAMS - 1)
        for stream in streams:
            client.reset(stream)
        self.all_of(self.gone, STREAMS - 1)
        self.assertEqual(client.finish(client.ask()).status, 200)

    def test_a_client_that_says_goodbye_gets_what_it_has_begun(self):
        client = self.client()
        streams = self.begin_all(client, n=3, waits=True)
        self.all_of(self.begun, STREAMS)
        client.send(h2.GOAWAY, 0, 0, struct.pack(">II", 0, 0))
        self.hold.set()
        self.all_are_exact(client, streams, n=3)
        while client.read():
            pass
        self.assertTrue(client.is_closed)

    def test_a_drain_lets_a_hundred_streams_end(self):
        client = self.client()
        streams = self.begin_all(client, n=5, waits=True)
        self.all_of(self.begun, STREAMS)
        self.gateway.signal()
        client.read_until(lambda: client.goaways >= 1)
        self.hold.set()
        self.all_are_exact(client, streams, n=5)
        while client.read():
            pass
        self.assertEqual(client.goaway, (max(streams), "NO_ERROR"))
        self.assertEqual(self.gateway.wait(), 0)

    def test_a_client_that_uses_all_its_streams_is_never_refused(self):
        with open(self.authority.file("body"), "w", encoding="ascii") as file:
            file.write(json.dumps({"model": "m", "messages": []}))
        done = subprocess.run(
            ["h2load", "-n", "4000", "-c", "4", "-m", str(STREAMS), "-d", file.name, "-H",
             "content-type: application/json",
             f"https://127.0.0.1:{self.gateway.port}/v1/chat/completions"],
            capture_output=True, text=True, timeout=3 * PATIENCE_S, check=True)
        self.assertEqual(re.search(r"(\d+) succeeded", done.stdout).group(1), "4000", done.stdout)


if __name__ == "__main__":
    unittest.main()
