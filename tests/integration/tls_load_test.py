"""Many TLS connections at once and one after another: reloads of certificates, and leaks."""

import asyncio
import shutil
import signal
import ssl
import threading
import time
import unittest

from support import DONE, PATIENCE_S, Upstream, ask, config, delta, echo
from tls_support import Authority, TlsGateway

STREAMS = 500
CONNECTIONS = 10_000
# Between the middle and the end; what the allocator keeps for itself may move a little.
GROWTH_KB_MAX = 2_048
MANY = "  handshakes_per_second: 100000\n"


class Reload(unittest.TestCase):
    def test_no_stream_is_lost_and_new_connections_get_the_new_certificate(self):
        authority = Authority()
        leaf, fresh = authority.issue(), authority.issue()
        first = "".join(delta(f"before {i}") for i in range(20))
        second = "".join(delta(f"after {i}") for i in range(20)) + DONE
        released = threading.Event()

        def script(connection):
            connection.read_request()
            connection.begin_stream()
            connection.chunk(first)
            released.wait(PATIENCE_S)
            connection.chunk(second)
            connection.end_stream()

        with Upstream(script) as upstream, TlsGateway(
                authority, "usage: off\n" + config(upstream), [leaf], MANY,
                shards=2) as gateway:
            asyncio.run(self.stream_all(gateway, released, leaf, fresh, first, second))

    async def stream_all(self, gateway, released, leaf, fresh, first, second):
        context = gateway.authority.trusting()
        begun, ended = [], []

        async def stream_one():
            reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port, ssl=context,
                                                           server_hostname="localhost")
            body = ask(stream=True)
            writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: t\r\nconnection: close\r\n"
                         b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%s"
                         % (len(body), body.encode()))
            await reader.readuntil(b"\r\n\r\n")
            text = await reader.readuntil(b"before 19\"}}]}\n\n")
            begun.append(True)
            text += await reader.read()
            ended.append(dechunked(text))
            writer.close()

        streams = [asyncio.create_task(stream_one()) for _ in range(STREAMS)]
        await self.until(lambda: len(begun) == STREAMS or any(each.done() for each in streams))
        self.assertEqual(len(begun), STREAMS)
        old = self.serial(gateway, context)
        shutil.copy(fresh.key, leaf.key)
        shutil.copy(fresh.chain, leaf.chain)
        gateway.signal(signal.SIGHUP)
        await self.until(lambda: gateway.metrics()["sluice_config_generation"] == 2)
        # Shards adopt it in their own time, each in its next turn.
        await self.until(lambda: self.serial(gateway, context) != old)
        status, _ = gateway.admin("POST", "/v1/reload")
        self.assertEqual(status, 200)
        self.assertEqual(len(ended), 0)
        released.set()
        await asyncio.wait_for(asyncio.gather(*streams), PATIENCE_S)
        self.assertEqual(len(ended), STREAMS)
        self.assertEqual(set(ended), {(first + second).encode()})

    @staticmethod
    async def until(is_true):
        deadline = time.monotonic() + PATIENCE_S
        while not is_true():
            if time.monotonic() > deadline:
                raise AssertionError("waited in vain")
            await asyncio.sleep(0)

    @staticmethod
    def serial(gateway, context):
        with gateway.connect(context) as client:
            return client.socket.getpeercert()["serialNumber"]


def dechunked(text):
    """The payload of whole chunks."""
    head, _, rest = text.partition(b"\r\n")
    payload = b""
    size = int(head, 16)
    while size > 0:
        payload += rest[:size]
        head, _, rest = rest[size + 2:].partition(b"\r\n")
        size = int(head, 16)
    return payload


class Leaks(unittest.TestCase):
    def test_memory_stays_flat_over_ten_thousand_connections(self):
        authority = Authority()
        with Upstream(echo) as upstream, TlsGateway(
                authority, config(upstream), [authority.issue()], MANY, shards=2) as gateway:
            self.fill_access_log(gateway)
            self.connect_many(gateway, CONNECTIONS // 2)
            middle = gateway.resident_kb()
            self.connect_many(gateway, CONNECTIONS // 2)
            grown = gateway.resident_kb() - middle
            counts = gateway.handshakes()
            print(f"resident memory after {CONNECTIONS // 2} connections: {middle} KiB, "
                  f"{grown} KiB more after {CONNECTIONS}; {counts}")
            self.assertLess(grown, GROWTH_KB_MAX)
            self.assertGreaterEqual(counts["full"], CONNECTIONS * 0.4)
            self.assertGreaterEqual(counts["resumed"], CONNECTIONS * 0.4)
            self.assertEqual(counts["failed"], 0)

    @staticmethod
    def fill_access_log(gateway):
        """Its rings, of 4,096 records for each shard, take memory as they are first filled, which
        is no leak. Connections are spread by chance: there are enough for either shard."""
        request = "GET /healthz HTTP/1.1\r\nhost: t\r\n\r\n"
        for _ in range(24):
            with gateway.connect(gateway.authority.trusting()) as client:
                for _ in range(50):
                    client.send(request * 20)
                    for _ in range(20):
                        client.read_answer()

    def connect_many(self, gateway, count):
        """Full and resumed handshakes of both versions by turns, on two threads."""
        failures = []

        def connect_some():
            try:
                for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                    self.connect_some(gateway, version, count // 4)
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=connect_some) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])

    @staticmethod
    def connect_some(gateway, version, count):
        context = gateway.authority.trusting(version=version)
        session = None
        for i in range(count):
            with gateway.connect(context, session=session if i % 2 else None) as client:
                client.send("GET /healthz HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n")
                client.read_answer()
                session = session or client.socket.session


if __name__ == "__main__":
    unittest.main(verbosity=2)
