"""Opens TLS connections, asks once, closes; prints one line of JSON. A program of its own.

    handshake_load.py --port 8443 --seconds 2 --in-flight 8

With --resumed each connection offers the ticket that the
last one got.
"""

import argparse
import json
import selectors
import socket
import ssl
import sys
import time

REQUEST = (b"GET /none HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
GROUPS = {"x25519": None, "p256": "prime256v1"}  # What OpenSSL offers first needs no word.
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
GRACE_S = 5.0  # For those under way at the end.


class Attempt:
    def __init__(self, load, begun):
        self.load, self.begun, self.is_secure = load, begun, False
        raw = socket.socket()
        raw.setblocking(False)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        raw.connect_ex(("127.0.0.1", load.options.port))
        self.socket, self.secured = raw, None
        load.selector.register(raw, selectors.EVENT_WRITE, self)

    def go_on(self):
        """Whether it is over."""
        try:
            if self.secured is None:
                self.load.selector.unregister(self.socket)
                self.secured = self.load.context.wrap_socket(
                    self.socket, do_handshake_on_connect=False, server_hostname="localhost",
                    session=self.load.session if self.load.options.resumed else None)
                self.load.selector.register(self.secured, selectors.EVENT_READ, self)
            if not self.is_secure:
                self.secured.do_handshake()
                self.is_secure = True
                self.load.note(self)
                self.secured.send(REQUEST)
            while self.secured.recv(16384):
                pass
            self.load.session = self.secured.session
            self.close()
            return True
        except ssl.SSLWantReadError:
            return False
        except (OSError, ssl.SSLError) as fault:
            # HTTP needs no close_notify when the length is known.
            if not self.is_secure:
                self.load.failed += 1
                self.load.faults.add(str(fault))
            self.close()
            return True

    def close(self):
        held = self.secured or self.socket
        self.load.selector.unregister(held)
        held.close()


class Load:
    def __init__(self, options):
        self.options, self.session = options, None
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.check_hostname, self.context.verify_mode = False, ssl.CERT_NONE
        self.context.minimum_version = self.context.maximum_version = VERSIONS[options.version]
        if GROUPS[options.group]:
            self.context.set_ecdh_curve(GROUPS[options.group])
        self.selector = selectors.DefaultSelector()
        self.failed, self.resumed, self.faults, self.times = 0, 0, set(), []

    def note(self, attempt):
        self.times.append(time.monotonic() - attempt.begun)
        self.resumed += attempt.secured.session_reused

    def run(self):
        begin = time.monotonic()
        end, in_flight, started = begin + self.options.seconds, 0, 0
        while True:
            now = time.monotonic()
            if now >= end and (in_flight == 0 or now > end + GRACE_S):
                break
            if now < end:
                while in_flight < self.options.in_flight:
                    Attempt(self, time.monotonic())
                    started, in_flight = started + 1, in_flight + 1
            for key, _ in self.selector.select(0.1):
                in_flight -= key.data.go_on()
        self.report(time.monotonic() - begin, started, in_flight)

    def report(self, seconds, started, in_flight):
        times = sorted(self.times) or [0]
        print(json.dumps({
            "seconds": seconds, "started": started, "done": len(self.times),
            "resumed": self.resumed, "failed": self.failed, "unfinished": in_flight,
            "faults": sorted(self.faults)[:5],
            **{f"p{q}_ms": times[min(len(times) - 1, len(times) * q // 100)] * 1000
               for q in (50, 99)}}))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--in-flight", type=int, default=8)
    parser.add_argument("--version", choices=VERSIONS, default="1.3")
    parser.add_argument("--group", choices=GROUPS, default="x25519")
    parser.add_argument("--resumed", action="store_true")
    Load(parser.parse_args()).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
