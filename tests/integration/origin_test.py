"""Where requests come from: real sockets, a peer that speaks the PROXY protocol, and haproxy."""

import json
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import time
import unittest

from support import PATIENCE_S, Client, Gateway, Upstream, ask, config, echo

HAPROXY = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LIMIT = "rate_limits:\n  - {name: flood, per: ip, requests_per_minute: 3}\n"


def proxy_header(source):
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    addresses = socket.inet_pton(family, source) * 2 + struct.pack("!HH", 4711, 443)
    kind = 0x21 if family == socket.AF_INET6 else 0x11
    return SIGNATURE + struct.pack("!BBH", 0x21, kind, len(addresses)) + addresses


LOCAL = SIGNATURE + b"\x20\0\0\0"

HAPROXY_CONFIG = """
global
  maxconn 100
defaults
  timeout connect {patience}s
  timeout client {patience}s
  timeout server {patience}s
listen front
  mode {mode}
  {option}
  bind fd@{fd}
  server gateway 127.0.0.1:{port} {server}
"""


class Haproxy:
    """In front of `port`; itself at a port that the kernel chose."""

    def __init__(self, port, mode, option="", server=""):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.directory = tempfile.TemporaryDirectory()
        path = os.path.join(self.directory.name, "haproxy.cfg")
        with open(path, "w", encoding="ascii") as file:
            file.write(HAPROXY_CONFIG.format(
                patience=PATIENCE_S, mode=mode, option=option, port=port, server=server,
                fd=self.listener.fileno()))
        self.process = subprocess.Popen([HAPROXY, "-db", "-f", path],
                                        pass_fds=[self.listener.fileno()])

    def close(self):
        self.process.kill()
        self.process.wait()
        self.listener.close()
        self.directory.cleanup()


class Origin(unittest.TestCase):
    def setUp(self):
        self.upstream = Upstream(echo)
        self.addCleanup(self.upstream.close)

    def start(self, extra):
        gateway = Gateway(config(self.upstream, extra=extra))
        self.addCleanup(gateway.close)
        return gateway

    def stand_before(self, gateway, *arguments):
        if not HAPROXY:
            self.skipTest("haproxy is not installed; tools/setup installs it")
        haproxy = Haproxy(gateway.port, *arguments)
        self.addCleanup(haproxy.close)
        return haproxy

    def connect(self, port, source="127.0.0.1", first=b""):
        client = Client(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S,
                                                 source_address=(source, 0)))
        self.addCleanup(client.close)
        client.send(first)
        return client

    def status(self, port, source="127.0.0.1", first=b"", headers=""):
        client = self.connect(port, source, first)
        client.post(ask(), headers=headers)
        return client.read_answer().status

    def clients(self, gateway, count):
        """The `client` of the access log's lines, once there are so many."""
        began = time.monotonic()
        while True:
            lines = []
            if os.path.exists(gateway.access_log):
                with open(gateway.access_log, encoding="utf-8") as file:
                    lines = [line for line in file.read().splitlines(True) if line.endswith("\n")]
            if len(lines) >= count:
                return [json.loads(line).get("client") for line in lines]
            self.assertLess(time.monotonic() - began, PATIENCE_S)

    def test_each_address_has_its_own_limit(self):
        gateway = self.start(LIMIT)
        got = [self.status(gateway.port, "127.0.0.2") for _ in range(4)]
        self.assertEqual(got, [200, 200, 200, 429])
        self.assertEqual(self.status(gateway.port, "127.0.0.3"), 200)
        self.assertEqual(self.clients(gateway, 5), ["127.0.0.2"] * 4 + ["127.0.0.3"])

    def test_d125_only_a_trusted_proxy_is_believed(self):
        gateway = self.start(LIMIT + "trusted_proxies: [127.0.0.9]\n")
        for source, expected in (("127.0.0.2", [200, 200, 200, 429]), ("127.0.0.9", [200] * 4)):
            got = [self.status(gateway.port, source, headers=f"x-forwarded-for: 192.0.2.{i}\r\n")
                   for i in range(4)]
            self.assertEqual(got, expected)
        self.assertEqual(self.clients(gateway, 8),
                         ["127.0.0.2"] * 4 + [f"192.0.2.{i}" for i in range(4)])

    def test_the_proxy_protocol_names_the_client(self):
        gateway = self.start(LIMIT + "proxy_protocol: true\n")
        for source in ("192.0.2.7", "2001:db8::7"):
            got = [self.status(gateway.port, first=proxy_header(source)) for _ in range(4)]
            self.assertEqual(got, [200, 200, 200, 429])
        self.assertEqual(self.status(gateway.port, first=LOCAL), 200)
        self.assertEqual(self.clients(gateway, 9),
                         ["192.0.2.7"] * 4 + ["2001:db8::7"] * 4 + ["127.0.0.1"])

    def test_anything_else_closes_the_connection(self):
        gateway = self.start("proxy_protocol: true\ntrusted_proxies: [127.0.0.9]\n")
        for source, first in (("127.0.0.9", b"PROXY TCP4 192.0.2.7 127.0.0.1 1 2\r\n"),
                              ("127.0.0.9", b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n"),
                              ("127.0.0.2", proxy_header("192.0.2.7"))):
            client = self.connect(gateway.port, source, first)
            try:
                self.assertEqual(client.read_to_end(), b"")
            except ConnectionResetError:
                pass
        self.assertEqual(self.status(gateway.port, "127.0.0.9", proxy_header("192.0.2.7")), 200)
        self.assertEqual(self.clients(gateway, 1), ["192.0.2.7"])

    def test_haproxy_speaks_the_proxy_protocol(self):
        gateway = self.start(LIMIT + "proxy_protocol: true\ntrusted_proxies: [127.0.0.1]\n")
        haproxy = self.stand_before(gateway, "tcp", "", "send-proxy-v2")
        got = [self.status(haproxy.port, "127.0.0.5") for _ in range(4)]
        self.assertEqual(got, [200, 200, 200, 429])
        self.assertEqual(self.status(haproxy.port, "127.0.0.6"), 200)
        self.assertEqual(self.clients(gateway, 5), ["127.0.0.5"] * 4 + ["127.0.0.6"])

    def test_haproxy_writes_x_forwarded_for(self):
        gateway = self.start(LIMIT + "trusted_proxies: [127.0.0.1]\n")
        haproxy = self.stand_before(gateway, "http", "option forwardfor")
        forged = "x-forwarded-for: 192.0.2.1\r\n"
        got = [self.status(haproxy.port, "127.0.0.5", headers=forged) for _ in range(4)]
        self.assertEqual(got, [200, 200, 200, 429])
        self.assertEqual(self.clients(gateway, 4), ["127.0.0.5"] * 4)


if __name__ == "__main__":
    unittest.main()
