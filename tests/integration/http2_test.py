"""HTTP/2 as curl, h2load and a client of single frames see it."""

import json
import socket
import struct
import subprocess
import tempfile
import threading
import unittest

from browser_support import CHROMIUM, Chromium, PageServer
from reload_test import until
from support import PATIENCE_S, Upstream, ask, config, delta
from tls_support import Authority, TlsGateway

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS, ACK = 1, 4, 1
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class Frames:
    """A client that writes and reads frames; `window` is what it lets each stream send."""

    def __init__(self, gateway, window=1 << 20):
        context = gateway.authority.trusting()
        context.set_alpn_protocols(["h2"])
        raw = socket.create_connection(("127.0.0.1", gateway.port), timeout=PATIENCE_S)
        self.socket = context.wrap_socket(raw, server_hostname="localhost")
        self.buffer = b""
        self.next_stream = 1
        self.socket.sendall(PREFACE)
        self.send(SETTINGS, 0, 0, struct.pack(">HI", 4, window))
        self.send(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1 << 24))

    def send(self, kind, flags, stream, payload=b""):
        self.socket.sendall(struct.pack(">I", len(payload))[1:] + bytes([kind, flags])
                            + struct.pack(">I", stream) + payload)

    @staticmethod
    def encode(fields):
        def text(value):
            size = len(value)
            if size < 127:
                return bytes([size]) + value
            return bytes([127, (size - 127) % 128 + 128, (size - 127) // 128]) + value
        return b"".join(b"\x10" + text(name.encode()) + text(value.encode())
                        for name, value in fields)

    def begin(self, method="POST", path="/v1/chat/completions", more=(), ends=False):
        stream = self.next_stream
        self.next_stream += 2
        fields = [(":method", method), (":scheme", "https"), (":path", path),
                  (":authority", "localhost"), *more]
        self.send(HEADERS, END_HEADERS | (END_STREAM if ends else 0), stream, self.encode(fields))
        return stream

    def ask(self, **fields):
        stream = self.begin()
        self.send(DATA, END_STREAM, stream, ask(**fields).encode())
        return stream

    def read(self):
        """The next frame: kind, flags, stream, payload. Settings are acknowledged."""
        while True:
            frame = self._read_one()
            if frame[0] == SETTINGS and not frame[1] & ACK:
                self.send(SETTINGS, ACK, 0)
            elif frame[0] not in (SETTINGS, WINDOW_UPDATE):
                return frame

    def _read_one(self):
        def exactly(count):
            while len(self.buffer) < count:
                more = self.socket.recv(65536)
                if not more:
                    raise EOFError
                self.buffer += more
        exactly(9)
        size = int.from_bytes(self.buffer[:3], "big")
        kind, flags = self.buffer[3], self.buffer[4]
        stream = int.from_bytes(self.buffer[5:9], "big") & 0x7fffffff
        exactly(9 + size)
        payload, self.buffer = self.buffer[9:9 + size], self.buffer[9 + size:]
        return kind, flags, stream, payload

    def read_answer(self, stream):
        """Body and how it ended: "end" or the code of its reset. Other streams are passed over."""
        body = b""
        while True:
            kind, flags, of, payload = self.read()
            if of != stream:
                continue
            if kind == RST_STREAM:
                return body, int.from_bytes(payload, "big")
            if kind == DATA:
                body += payload
            if flags & END_STREAM:
                return body, "end"

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Http2Case(unittest.TestCase):
    more = ""

    @classmethod
    def setUpClass(cls):
        cls.authority = Authority()
        cls.leaf = cls.authority.issue()
        cls.hold = threading.Event()
        cls.seen = threading.Semaphore(0)
        cls.gone = threading.Semaphore(0)
        cls.addClassCleanup(cls.hold.set)

        def script(connection):
            while True:
                head, body = connection.read_request()
                asked = json.loads(body)
                if asked.get("user") == "hang":
                    cls.seen.release()
                    if connection.is_closed():
                        cls.gone.release()
                    return
                if not asked.get("stream"):
                    connection.answer(json.dumps({"head": head, "size": len(body)}))
                    continue
                connection.begin_stream()
                for _ in range(int(asked.get("n", 3))):
                    connection.chunk(delta("word " * int(asked.get("seed", 1))))
                if asked.get("user") == "cut":
                    return
                if asked.get("user") == "wait":
                    cls.seen.release()
                    cls.hold.wait(PATIENCE_S)
                connection.chunk("data: [DONE]\n\n")
                connection.end_stream()

        cls.upstream = Upstream(script)
        cls.addClassCleanup(cls.upstream.close)
        cls.gateway = TlsGateway(cls.authority, config(cls.upstream) + cls.more, [cls.leaf])
        cls.addClassCleanup(cls.gateway.close)

    def curl(self, *arguments, path="/v1/chat/completions"):
        done = subprocess.run(
            ["curl", "-sS", "--http2", "--cacert", self.authority.pem, *arguments,
             f"https://localhost:{self.gateway.port}{path}"],
            capture_output=True, timeout=PATIENCE_S, check=False)
        return done.returncode, done.stdout.decode(), done.stderr.decode()


class Requests(Http2Case):
    def test_curl_gets_answers_with_and_without_a_body(self):
        code, said, _ = self.curl("-w", " %{http_version} %{http_code}", "-d", ask())
        self.assertEqual(code, 0)
        self.assertTrue(said.endswith(" 2 200"), said)
        _, said, _ = self.curl("-I", path="/v1/models")
        self.assertTrue(said.startswith("HTTP/2 405") or said.startswith("HTTP/2 200"), said)
        _, said, _ = self.curl("-w", "%{http_code}", path="/nowhere")
        self.assertTrue(said.endswith("404"), said)

    def test_the_access_log_names_the_protocol(self):
        identities = {}
        for option, protocol in ("--http2", "HTTP/2"), ("--http1.1", "HTTP/1.1"):
            _, said, _ = self.curl(option, "-D-", "-o", "/dev/null", "-d", ask())
            identities[said.lower().split("x-request-id: ")[1].split()[0]] = protocol

        def logged():
            with open(self.gateway.access_log, encoding="utf-8") as file:
                lines = [json.loads(line) for line in file if line.endswith("\n")]
            return {line["request_id"]: line["protocol"] for line in lines
                    if line["request_id"] in identities}
        until(lambda: len(logged()) == 2, "both lines")
        self.assertEqual(logged(), identities)

    def test_a_large_body_goes_up_through_its_windows(self):
        body = ask(messages=[{"role": "user", "content": "x" * 3_000_000}])
        done = subprocess.run(
            ["curl", "-sS", "--http2", "--cacert", self.authority.pem, "-d", "@-",
             f"https://localhost:{self.gateway.port}/v1/chat/completions"],
            input=body.encode(), capture_output=True, timeout=PATIENCE_S, check=True)
        self.assertGreaterEqual(json.loads(done.stdout)["size"], 3_000_000)

    def test_a_stream_arrives_whole_and_its_end_is_told(self):
        with Frames(self.gateway) as client:
            body, end = client.read_answer(client.ask(stream=True, n=50))
        self.assertEqual(end, "end")
        self.assertEqual(body.count(b"word"), 50)
        self.assertTrue(body.endswith(b"data: [DONE]\n\n"), body[-40:])
        self.assertNotIn(b"\r\n", body)  # Chunked framing does not reach the client.

    def test_a_broken_stream_ends_in_an_error_event_and_a_reset(self):
        with Frames(self.gateway) as client:
            body, end = client.read_answer(client.ask(stream=True, user="cut"))
            self.assertIn(b'"error"', body)
            self.assertEqual(end, 2)
            self.assertEqual(client.read_answer(client.ask())[1], "end")

    def test_a_hundred_streams_run_on_one_connection(self):
        with tempfile.NamedTemporaryFile() as body:
            body.write(ask(stream=True).encode())
            body.flush()
            done = subprocess.run(
                ["h2load", "-n", "1000", "-c", "1", "-m", "100", "-d", body.name,
                 "-H", "content-type: application/json",
                 f"https://127.0.0.1:{self.gateway.port}/v1/chat/completions"],
                capture_output=True, timeout=60, check=True)
        self.assertIn(b"1000 succeeded, 0 failed, 0 errored", done.stdout)

    def test_a_stream_that_takes_nothing_holds_up_no_other(self):
        with Frames(self.gateway, window=100) as client:
            slow = client.ask(stream=True, n=2000, seed=20)
            for _ in range(5):
                fast = client.begin("GET", "/livez", ends=True)
                body, end = client.read_answer(fast)
                self.assertEqual((body, end), (b'{"status":"live"}', "end"))
            client.send(WINDOW_UPDATE, 0, slow, struct.pack(">I", 1 << 24))
            body, end = client.read_answer(slow)
            self.assertEqual(end, "end")
            self.assertTrue(body.endswith(b"[DONE]\n\n"))

    def test_a_client_that_resets_its_stream_ends_the_upstreams_request(self):
        with Frames(self.gateway) as client:
            stream = client.ask(user="hang")
            self.assertTrue(self.seen.acquire(timeout=PATIENCE_S))
            client.send(RST_STREAM, 0, stream, struct.pack(">I", 8))
            self.assertTrue(self.gone.acquire(timeout=PATIENCE_S))
            self.assertEqual(client.read_answer(client.ask())[1], "end")

    def test_a_client_that_goes_away_ends_all_its_streams(self):
        with Frames(self.gateway) as client:
            for _ in range(5):
                client.ask(user="hang")
            for _ in range(5):
                self.assertTrue(self.seen.acquire(timeout=PATIENCE_S))
        for _ in range(5):
            self.assertTrue(self.gone.acquire(timeout=PATIENCE_S))

    def test_a_body_that_is_not_wanted_is_answered_all_the_same(self):
        with Frames(self.gateway) as client:
            stream = client.begin(path="/nowhere")
            body, end = client.read_answer(stream)
            self.assertEqual(end, "end")
            self.assertIn(b'"error"', body)

    def test_a_client_that_waits_for_100_is_told_to_go_on(self):
        body = ask().encode()
        with Frames(self.gateway) as client:
            stream = client.begin(more=[("expect", "100-continue"),
                                        ("content-length", str(len(body)))])
            kind, flags, of, _ = client.read()
            self.assertEqual((kind, flags & END_STREAM, of), (HEADERS, 0, stream))
            client.send(DATA, END_STREAM, stream, body)
            self.assertEqual(client.read_answer(stream)[1], "end")

    def test_heads_above_the_limits_are_answered_with_431(self):
        fields = sum((["-H", f"x-{i}: a"] for i in range(200)), [])
        code, said, _ = self.curl("-w", "%{http_code}", "-d", ask(), *fields)
        self.assertEqual((code, said[-3:]), (0, "431"))


class Floods(Http2Case):
    more = "http2: {resets_per_second: 20, control_frames_per_second: 50}\n"

    def test_floods_end_in_enhance_your_calm_and_are_counted(self):
        def resets(client):
            stream = client.begin("GET", "/livez", ends=True)
            client.send(RST_STREAM, 0, stream, struct.pack(">I", 8))
        def pings(client):
            client.send(PING, 0, 0, b"ping-pin")
        for flood, reason in ((resets, "resets"), (pings, "control_frames")):
            with Frames(self.gateway) as client:
                try:
                    for _ in range(500):
                        flood(client)
                except OSError:
                    pass
                frame = client.read()
                while frame[0] != GOAWAY:
                    frame = client.read()
                self.assertEqual(int.from_bytes(frame[3][4:8], "big"), 11)
                with self.assertRaises((EOFError, OSError)):
                    while True:
                        client.read()
            name = f'sluice_http2_connections_ended_total{{reason="{reason}"}}'
            self.wait_until(lambda name=name: self.gateway.metrics()[name] == 1)

    def wait_until(self, is_true):
        for _ in range(1000):
            if is_true():
                return
        self.fail("did not come true")


class Slow(Http2Case):
    more = "timeouts: {stall: 300ms, head: 300ms, keep_alive: 300ms}\n"

    def read_goaway(self, client):
        frame = client.read()
        while frame[0] != GOAWAY:
            frame = client.read()
        return int.from_bytes(frame[3][4:8], "big")

    def test_a_stream_without_a_window_is_reset(self):
        with Frames(self.gateway, window=0) as client:
            self.assertEqual(client.read_answer(client.ask(stream=True)), (b"", 2))

    def test_a_header_block_without_end_ends_the_connection(self):
        with Frames(self.gateway) as client:
            client.read_answer(client.ask())  # And acknowledges the settings.
            client.send(HEADERS, END_STREAM, 3, client.encode([(":method", "GET")]))
            self.assertEqual(self.read_goaway(client), 11)

    def test_an_idle_connection_is_closed_in_peace(self):
        with Frames(self.gateway) as client:
            client.read_answer(client.ask())
            self.assertEqual(self.read_goaway(client), 0)
            with self.assertRaises(EOFError):
                client.read()

    def test_a_body_that_does_not_come_is_given_up(self):
        with TlsGateway(self.authority, config(self.upstream) + "timeouts: {body: 300ms}\n",
                        [self.leaf]) as gateway, Frames(gateway) as client:
            body, end = client.read_answer(client.begin())
            self.assertEqual(end, "end")
            self.assertIn(b'"error"', body)


class Drain(Http2Case):
    def test_streams_finish_and_the_client_is_told(self):
        with Frames(self.gateway) as client:
            stream = client.ask(stream=True, user="wait")
            self.assertTrue(self.seen.acquire(timeout=PATIENCE_S))
            self.gateway.signal()
            said = []
            while len(said) < 2:
                kind, flags, _, payload = client.read()
                if kind == PING and not flags & ACK:
                    client.send(PING, ACK, 0, payload)
                if kind == GOAWAY:
                    said.append(struct.unpack(">II", payload[:8]))
            self.assertEqual(said, [(0x7fffffff, 0), (stream, 0)])
            self.hold.set()
            self.assertEqual(client.read_answer(stream)[1], "end")
            with self.assertRaises(EOFError):
                client.read()
        self.assertEqual(self.gateway.wait(), 0)


# Twenty requests at a time and a stream, whose pieces are counted as they come.
PAGE = """<script>
(async () => {
  const ask = (fields) => fetch('URL/v1/chat/completions', {
    method: 'POST', headers: {'content-type': 'application/json'},
    body: JSON.stringify({model: 'm', messages: [], ...fields})});
  const answers = await Promise.all(Array.from({length: 20}, () => ask({})));
  const statuses = answers.map((answer) => answer.status);
  const stream = await ask({stream: true});
  const reader = stream.body.getReader(), decoder = new TextDecoder();
  let text = '';
  for (;;) {
    const {done, value} = await reader.read();
    if (done) break;
    text += decoder.decode(value, {stream: true});
  }
  await fetch('/report', {method: 'POST', body: JSON.stringify({statuses, text})});
})();
</script>"""


@unittest.skipUnless(CHROMIUM, "chromium is not installed; tools/setup installs it")
class InChromium(Http2Case):
    def test_a_page_asks_over_one_connection_and_reads_a_stream(self):
        url = f"https://127.0.0.1:{self.gateway.port}"
        pages = PageServer(lambda: PAGE.replace("URL", url))
        self.addCleanup(pages.close)
        self.gateway.rewrite("development: true", "development: true\ncors: {enabled: true, "
                             f'data_origins: {{allow: ["{pages.origin}"]}}}}')
        self.assertEqual(self.gateway.admin("POST", "/v1/reload")[0], 200)
        before = self.gateway.metrics()
        with Chromium(pages.origin, "--ignore-certificate-errors"):
            seen = pages.reports.get(timeout=3 * PATIENCE_S)
        self.assertEqual(seen["statuses"], [200] * 20)
        self.assertTrue(seen["text"].endswith("data: [DONE]\n\n"), seen["text"])
        after = self.gateway.metrics()
        streams = after["sluice_http2_streams_total"] - before["sluice_http2_streams_total"]
        requests = sum(value - before.get(name, 0) for name, value in after.items()
                       if name.startswith("sluice_requests_total"))
        self.assertGreaterEqual(requests, 22)  # The first is asked for before.
        self.assertEqual(streams, requests)


if __name__ == "__main__":
    unittest.main()
