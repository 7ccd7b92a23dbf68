"""HTTP/2 as curl, h2load and a client of single frames see it."""

import json
import subprocess
import tempfile
import threading
import unittest

import http2_support as h2
from browser_support import CHROMIUM, Chromium, PageServer
from http2_support import DATA, END_STREAM, GOAWAY, HEADERS, PING, Client
from support import PATIENCE_S, Upstream, ask, config, delta, until
from tls_support import Authority, TlsGateway


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

    def connect(self, gateway=None, **more):
        return Client((gateway or self.gateway).port, self.authority.trusting(), **more)

    def answer(self, client, stream):
        """Its body, and how it ended."""
        ended = client.finish(stream)
        return bytes(ended.body), ended.end

    def goodbye(self, client):
        """The name of its code, once the connection has been closed behind it."""
        self.assertTrue(client.read_until(lambda: client.goaway))
        self.assertTrue(client.read_until(lambda: client.is_closed))
        return client.goaway[1]

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
        with self.connect() as client:
            body, end = self.answer(client, client.ask(stream=True, n=50))
        self.assertEqual(end, "end")
        self.assertEqual(body.count(b"word"), 50)
        self.assertTrue(body.endswith(b"data: [DONE]\n\n"), body[-40:])
        self.assertNotIn(b"\r\n", body)  # Chunked framing does not reach the client.

    def test_a_broken_stream_ends_in_an_error_event_and_a_reset(self):
        with self.connect() as client:
            body, end = self.answer(client, client.ask(stream=True, user="cut"))
            self.assertIn(b'"error"', body)
            self.assertEqual(end, "INTERNAL_ERROR")
            self.assertEqual(client.finish(client.ask()).end, "end")

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
        with self.connect(window=100, refills=False) as client:
            slow = client.ask(stream=True, n=2000, seed=20)
            for _ in range(5):
                self.assertEqual(self.answer(client, client.get()), (b'{"status":"live"}', "end"))
            for opened in (0, slow):
                client.open_window(opened, 1 << 24)
            body, end = self.answer(client, slow)
            self.assertEqual(end, "end")
            self.assertTrue(body.endswith(b"[DONE]\n\n"))

    def test_a_client_that_resets_its_stream_ends_the_upstreams_request(self):
        with self.connect() as client:
            stream = client.ask(user="hang")
            self.assertTrue(self.seen.acquire(timeout=PATIENCE_S))
            client.reset(stream)
            self.assertTrue(self.gone.acquire(timeout=PATIENCE_S))
            self.assertEqual(client.finish(client.ask()).end, "end")

    def test_a_client_that_goes_away_ends_all_its_streams(self):
        with self.connect() as client:
            for _ in range(5):
                client.ask(user="hang")
            for _ in range(5):
                self.assertTrue(self.seen.acquire(timeout=PATIENCE_S))
        for _ in range(5):
            self.assertTrue(self.gone.acquire(timeout=PATIENCE_S))

    def test_a_body_that_is_not_wanted_is_answered_all_the_same(self):
        with self.connect() as client:
            body, end = self.answer(client, client.begin(h2.head(path="/nowhere")))
            self.assertEqual(end, "end")
            self.assertIn(b'"error"', body)

    def test_a_client_that_waits_for_100_is_told_to_go_on(self):
        body = ask().encode()
        with self.connect() as client:
            stream = client.begin(h2.head(more=[("expect", "100-continue"),
                                                ("content-length", str(len(body)))]))
            kind, flags, of, fields = client.greet().read()
            self.assertEqual((kind, flags & END_STREAM, of), (HEADERS, 0, stream))
            self.assertEqual(h2.status_of(fields), 100)
            client.send(DATA, END_STREAM, stream, body)
            self.assertEqual(client.finish(stream).end, "end")

    def test_heads_above_the_limits_are_answered_with_431(self):
        fields = sum((["-H", f"x-{i}: a"] for i in range(200)), [])
        code, said, _ = self.curl("-w", "%{http_code}", "-d", ask(), *fields)
        self.assertEqual((code, said[-3:]), (0, "431"))


class Floods(Http2Case):
    more = "http2: {resets_per_second: 20, control_frames_per_second: 50}\n"

    def test_floods_end_in_enhance_your_calm_and_are_counted(self):
        def resets(client):
            client.reset(client.get())
        def pings(client):
            client.send(PING, 0, 0, b"ping-pin")
        for flood, reason in ((resets, "resets"), (pings, "control_frames")):
            with self.connect() as client:
                try:
                    for _ in range(500):
                        flood(client)
                except OSError:
                    pass
                self.assertEqual(self.goodbye(client), "ENHANCE_YOUR_CALM")
            name = f'sluice_http2_connections_ended_total{{reason="{reason}"}}'
            until(lambda name=name: self.gateway.metrics()[name] == 1, name)


class Slow(Http2Case):
    more = "timeouts: {stall: 300ms, head: 300ms}\n"

    def patient_for(self, wait):
        """A gateway of its own: with that timeout shorter, the others' tests would be a race."""
        return TlsGateway(self.authority,
                          config(self.upstream) + f"timeouts: {{{wait}: 300ms}}\n", [self.leaf])

    def test_a_stream_without_a_window_is_reset(self):
        with self.connect(window=0) as client:
            self.assertEqual(self.answer(client, client.ask(stream=True)),
                             (b"", "INTERNAL_ERROR"))

    def test_a_header_block_without_end_ends_the_connection(self):
        with self.connect() as client:
            client.finish(client.ask())  # And acknowledges the settings.
            client.send(HEADERS, END_STREAM, 3, h2.block([(":method", "GET")]))
            self.assertEqual(self.goodbye(client), "ENHANCE_YOUR_CALM")

    def test_an_idle_connection_is_closed_in_peace(self):
        with self.patient_for("keep_alive") as gateway, self.connect(gateway) as client:
            client.finish(client.ask())
            self.assertEqual(self.goodbye(client), "NO_ERROR")

    def test_a_body_that_does_not_come_is_given_up(self):
        with self.patient_for("body") as gateway, self.connect(gateway) as client:
            body, end = self.answer(client, client.begin())
            self.assertEqual(end, "end")
            self.assertIn(b'"error"', body)


class Drain(Http2Case):
    def test_streams_finish_and_the_client_is_told(self):
        with self.connect() as client:
            stream = client.ask(stream=True, user="wait")
            self.assertTrue(self.seen.acquire(timeout=PATIENCE_S))
            self.gateway.signal()
            said = []
            while len(said) < 2:
                if client.read()[0] == GOAWAY:
                    said.append(client.goaway)
            self.assertEqual(said, [(0x7fffffff, "NO_ERROR"), (stream, "NO_ERROR")])
            self.hold.set()
            self.assertEqual(client.finish(stream).end, "end")
            self.assertTrue(client.read_until(lambda: client.is_closed))
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

        def counts():
            after = self.gateway.metrics()
            requests = sum(value - before.get(name, 0) for name, value in after.items()
                           if name.startswith("sluice_requests_total"))
            streams = "sluice_http2_streams_total"
            return after[streams] - before[streams], requests
        # The last one is counted once its end has been sent.
        until(lambda: len(set(counts())) == 1, "each stream is a request")
        self.assertGreaterEqual(counts()[0], 22)  # The first is asked for before.


if __name__ == "__main__":
    unittest.main()
