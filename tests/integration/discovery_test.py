#!/usr/bin/env python3
"""Servers of an upstream come and go while a gateway serves: by a file, and by HTTP."""

import json
import os
import tempfile
import threading
import time
import unittest

from support import PATIENCE_S, Gateway, Upstream, ask, delta


class Server:
    """Answers with its name; holds streams until it is told to end them."""

    def __init__(self, name):
        self.name = name
        self.may_end = threading.Event()
        self.upstream = Upstream(self.serve)
        self.place = self.upstream.url.removeprefix("http://")

    def serve(self, connection):
        while True:
            _, body = connection.read_request()
            if not json.loads(body).get("stream"):
                connection.answer(json.dumps({"id": self.name, "choices": []}))
                continue
            connection.begin_stream()
            connection.chunk(delta(self.name))
            self.may_end.wait(PATIENCE_S)
            connection.chunk(delta("end"))
            connection.end_stream()


def settings(source):
    return (f"development: true\nupstreams:\n  - name: fleet\n    url: http://fleet.test\n"
            f"    private_addresses: true\n    discover: {{{source}, interval: 100ms}}\n"
            f"models:\n  - {{name: m, strategy: round_robin, routes: [{{upstream: fleet}}]}}\n")


class Discovery(unittest.TestCase):
    def setUp(self):
        self.servers = [Server("a"), Server("b")]
        for server in self.servers:
            self.addCleanup(server.upstream.close)
            self.addCleanup(server.may_end.set)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.list = os.path.join(folder.name, "fleet")

    def write(self, text):
        with open(self.list + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(self.list + ".new", self.list)

    def until_served_by(self, client, names, good=None):
        """Asks until the last answers are of `names` and all of them; `good` is the only status."""
        deadline = time.monotonic() + PATIENCE_S
        last = []
        while set(last[-8:]) != names or len(last) < 8:
            self.assertLess(time.monotonic(), deadline, last[-8:])
            client.post(ask())
            answer = client.read_answer()
            if good is not None:
                self.assertEqual(answer.status, good)
            last.append(json.loads(answer.body)["id"] if answer.status == 200 else answer.status)

    def test_a_file_that_changes_moves_the_traffic_and_cuts_no_stream(self):
        a, b = self.servers
        self.write(json.dumps([a.place]))
        with Gateway(settings(f"file: {self.list}"), shards=2) as gateway:
            with gateway.connect() as client, gateway.connect() as streaming:
                self.until_served_by(client, {"a"})
                streaming.post(ask(stream=True))
                self.assertEqual(streaming.read_head()[0], 200)
                self.assertIn(b'"a"', streaming.read_chunk())
                self.write(json.dumps([a.place, b.place]))
                self.until_served_by(client, {"a", "b"}, good=200)
                self.write(json.dumps([b.place]))
                self.until_served_by(client, {"b"}, good=200)
                # A list that is no list changes nothing, and is told of once.
                self.write("[")
                gateway.wait_for(rb"discovery.*keeps its 1 servers")
                self.until_served_by(client, {"b"}, good=200)
                a.may_end.set()
                rest = b""
                while chunk := streaming.read_chunk():
                    rest += chunk
                self.assertIn(b'"end"', rest)
            values = gateway.metrics()
            self.assertEqual(values['sluice_discovery_members{group="fleet"}'], 1)
            self.assertGreater(values['sluice_discovery_failures_total{group="fleet"}'], 0)

    def test_an_empty_list_is_answered_503_until_servers_come(self):
        self.write("[]")
        with Gateway(settings(f"file: {self.list}")) as gateway, gateway.connect() as client:
            client.post(ask())
            answer = client.read_answer()
            self.assertEqual(answer.status, 503)
            self.write(json.dumps([self.servers[0].place]))
            self.until_served_by(client, {"a"})

    def test_an_http_endpoint_lists_them(self):
        listed = [self.servers[0].place]

        def answer_list(connection):
            connection.read_until(b"\r\n\r\n")
            body = json.dumps(listed)
            connection.send(f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\n"
                            f"connection: close\r\n\r\n{body}")
        with Upstream(answer_list) as source:
            with Gateway(settings(f"http: '{source.url}/fleet?x'"), shards=2) as gateway:
                with gateway.connect() as client:
                    self.until_served_by(client, {"a"})
                    listed[:] = [{"host": "127.0.0.1", "port": int(s.place.split(":")[1])}
                                 for s in self.servers]
                    self.until_served_by(client, {"a", "b"}, good=200)


if __name__ == "__main__":
    unittest.main()
