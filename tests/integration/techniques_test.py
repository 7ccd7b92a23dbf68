"""Each technique of the ring relays the same bytes: what is measured must first be right.

    techniques_test.py PROGRAM
"""

import contextlib
import random
import socket
import subprocess
import sys
import threading
import unittest

PATIENCE_S = 30
BYTES = 3_000_000
NAMES = ["nothing", "direct", "multishot", "ahead", "bundle", "increment", "lifo", "no-poll-first",
         "no-waitall", "hot-32", "wait-50us", "small-queues", "coop-taskrun", "plain-taskrun",
         "multishot,increment", "multishot,bundle", "direct,multishot,no-waitall",
         "ahead,bundle,hot-32"]


def echo(listener):
    """Sends back what comes on each connection, until its end."""
    def serve(connection):
        with connection, contextlib.suppress(OSError):
            while data := connection.recv(65536):
                connection.sendall(data)
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=serve, args=[connection], daemon=True).start()


class Techniques(unittest.TestCase):
    def setUp(self):
        self.upstream = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.upstream.close)
        threading.Thread(target=echo, args=[self.upstream], daemon=True).start()

    @contextlib.contextmanager
    def relay(self, names):
        port = self.upstream.getsockname()[1]
        process = subprocess.Popen([PROGRAM, "--upstream", f"127.0.0.1:{port}", "--try", names],
                                   stdout=subprocess.PIPE)
        try:
            yield int(process.stdout.readline().rsplit(b":", 1)[1])
        finally:
            process.kill()
            process.wait()
            process.stdout.close()

    def client(self, port):
        client = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
        self.addCleanup(client.close)
        return client

    def read(self, client, count):
        data = bytearray()
        while len(data) < count:
            more = client.recv(min(65536, count - len(data)))
            self.assertTrue(more, f"closed after {len(data)} bytes")
            data += more
        return bytes(data)

    def test_bytes_come_back_whole_and_in_order(self):
        sent = random.Random(1).randbytes(BYTES)
        for names in NAMES:
            with self.subTest(names), self.relay(names) as port:
                client = self.client(port)
                # Nothing is read until all is sent or no more is taken: the relay must hold back.
                writer = threading.Thread(target=client.sendall, args=[sent], daemon=True)
                writer.start()
                self.assertEqual(self.read(client, BYTES), sent)
                writer.join(PATIENCE_S)

    def test_many_connections_in_turn_and_at_once(self):
        for names in NAMES:
            with self.subTest(names), self.relay(names) as port:
                for _ in range(2):
                    clients = [self.client(port) for _ in range(100)]
                    for number, client in enumerate(clients):
                        client.sendall(b"%05d" % number)
                    for number, client in enumerate(clients):
                        self.assertEqual(self.read(client, 5), b"%05d" % number)
                    for client in clients:
                        client.close()

    def test_the_upstream_s_end_reaches_the_client(self):
        for names in NAMES:
            with self.subTest(names), self.relay(names) as port:
                client = self.client(port)
                client.sendall(b"x")
                self.read(client, 1)
                client.shutdown(socket.SHUT_WR)
                self.assertEqual(client.recv(1), b"")

    def test_an_unknown_technique_is_refused(self):
        for names in ("faster", "bundle,increment"):
            done = subprocess.run([PROGRAM, "--upstream", "127.0.0.1:1", "--try", names],
                                  capture_output=True, timeout=PATIENCE_S)
            self.assertEqual(done.returncode, 2)


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main()
