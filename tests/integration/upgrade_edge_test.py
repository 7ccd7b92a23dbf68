"""Upgrades with TLS and HTTP/2, under a supervisor, and with sockets that were passed."""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import unittest

from http2_support import Client as Http2Client
from service_test import Supervisor
from support import (DONE, PATIENCE_S, Client, Upstream, ask, config, delta, echo, post_admin,
                     until)
from tls_support import Authority, TlsGateway, section
from upgrade_test import BINARY, Upgradable, is_alive, request


class TlsUpgradable(Upgradable):
    def __init__(self, authority, text):
        self.authority = authority
        super().__init__(text + section([authority.issue()]))

    connect = TlsGateway.connect


class TlsUpgradeTest(unittest.TestCase):
    def setUp(self):
        self.go_on = threading.Event()
        self.addCleanup(self.go_on.set)

        def script(connection):
            while True:
                _, body = connection.read_request()
                if not json.loads(body).get("stream"):
                    connection.answer('{"id":"a","choices":[]}')
                    continue
                connection.begin_stream()
                connection.chunk(delta("first"))
                self.go_on.wait(PATIENCE_S)
                connection.chunk(DONE)
                connection.end_stream()

        upstream = Upstream(script)
        self.addCleanup(upstream.close)
        self.gateway = TlsUpgradable(Authority(), config(upstream))
        self.addCleanup(self.gateway.close)

    def test_connections_end_in_order_and_new_ones_are_served(self):
        with (self.gateway.connect() as idle, self.gateway.connect() as fresh,
              self.gateway.connect() as stream):
            self.assertEqual(request(idle).status, 200)
            stream.post(ask(stream=True))
            self.assertEqual(stream.read_head()[0], 200)
            self.gateway.upgrade()
            # Python tells an end without close_notify apart: it raises.
            self.assertTrue(idle.is_closed())
            answer = request(fresh)
            self.assertEqual((answer.status, answer.headers.get("connection")), (200, "close"))
            self.assertTrue(fresh.is_closed())
            with self.gateway.connect() as later:
                self.assertEqual(request(later).status, 200)
            self.go_on.set()
            text = b""
            while chunk := stream.read_chunk():
                text += chunk
            self.assertIn(b"[DONE]", text)
            self.assertTrue(stream.is_closed())
        self.assertEqual(self.gateway.wait(), 0)

    def connect_http2(self):
        return Http2Client(self.gateway.port, self.gateway.authority.trusting())

    def test_http2_is_told_to_go_and_its_streams_end(self):
        with self.connect_http2() as client:
            stream = client.ask(stream=True)
            answer = client.streams[stream]
            self.assertTrue(client.read_until(lambda: b"first" in answer.body))
            self.gateway.upgrade()
            self.assertTrue(client.read_until(lambda: client.goaway))
            self.go_on.set()
            self.assertEqual(client.finish(stream).end, "end")
            self.assertIn(b"[DONE]", answer.body)
        with self.connect_http2() as client:
            self.assertEqual(client.finish(client.ask()).end, "end")
        self.assertEqual(self.gateway.wait(), 0)


class SupervisedUpgradeTest(unittest.TestCase):
    def setUp(self):
        upstream = Upstream(echo)
        self.addCleanup(upstream.close)
        self.config = config(upstream)

    def test_the_supervisor_hears_of_the_successor_and_of_no_end(self):
        supervisor = Supervisor(f"@sluice-upgrade-{os.getpid()}")
        self.addCleanup(supervisor.close)
        gateway = Upgradable(self.config, environment=supervisor.environment)
        self.addCleanup(gateway.close)
        supervisor.hear("READY=1")
        first = gateway.upgrade()
        said = supervisor.hear("MAINPID=")
        self.assertIn(f"MAINPID={first}\nREADY=1", said[-1])
        self.assertEqual(gateway.wait(), 0)
        gateway.wait_for(rb"the process before this one has ended")
        second = gateway.upgrade()
        said += supervisor.hear(f"MAINPID={second}")
        until(lambda: not is_alive(first), "the end of the first successor")
        self.assertNotIn("STOPPING", "".join(said))

    def test_a_passed_socket_goes_over_to_more_shards(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            path, admin = os.path.join(folder, "sluice.yaml"), os.path.join(folder, "admin.sock")

            def write(shards):
                with open(path, "w", encoding="utf-8") as file:
                    file.write(f"listen: 127.0.0.1:{port}\nshards: {shards}\n"
                               f"admin: {{socket: {admin}}}\n" + self.config)

            write(1)
            fd = listener.fileno()
            process = subprocess.Popen(
                ["bash", "-c", f"exec 3<&{fd}\nexport LISTEN_PID=$$ LISTEN_FDS=1\n"
                 "exec \"$0\" run \"$1\"", BINARY, path], stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, pass_fds=[fd])
        self.addCleanup(process.stdout.close)

        def ask_once():
            with Client(socket.create_connection(("127.0.0.1", port), PATIENCE_S)) as client:
                return request(client).status

        class Where:
            socket_path = admin

        self.assertEqual(ask_once(), 200)
        write(3)
        until(lambda: os.path.exists(admin), "the admin socket")
        status, answer = post_admin(Where, "/v1/upgrade")
        self.addCleanup(lambda: os.kill(answer["pid"], signal.SIGKILL))
        self.assertEqual(status, 200, answer)
        self.assertEqual(process.wait(PATIENCE_S), 0)
        for _ in range(20):
            self.assertEqual(ask_once(), 200)


if __name__ == "__main__":
    unittest.main()
