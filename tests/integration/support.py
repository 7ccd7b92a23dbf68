"""Real processes for integration tests: the gateway, and upstreams whose every byte a test decides.

Ports are the kernel's choice; everything is ended by its pid or its socket; every wait has a bound.
"""

import json
import os
import re
import select
import signal
import socket
import subprocess
import tempfile
import threading
import time

GATEWAY = os.environ.get("SLUICE_BIN", "build/src/app/sluice")
PATIENCE_S = 20  # The bound of every wait; reached only when a test fails.


def until(condition, what):
    """Waits for something that another process does by itself."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if condition():
            return
        threading.Event().wait(0.01)
    raise AssertionError(f"never: {what}")


class Gateway:
    """One running gateway. `config` is YAML without listen; `{upstream}` texts are the caller's.

    `admin` is more of its section `admin`, in flow style: ", listen: 127.0.0.1:0".
    """

    def __init__(self, config, environment=None, shards=1, admin=""):
        self.directory = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.directory.name, "sluice.yaml")
        self.access_log = os.path.join(self.directory.name, "access.log")
        self.socket_path = os.path.join(self.directory.name, "admin.sock")
        self.config = (f"listen: 127.0.0.1:0\nshards: {shards}\n"
                       f"admin: {{socket: {self.socket_path}{admin}}}\n"
                       "metrics: {listen: 127.0.0.1:0}\n"
                       f"access_log: {{file: {self.access_log}}}\n" + config)
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(self.config)
        self.process = subprocess.Popen(
            [GATEWAY, "run", self.path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            # So that its files in /proc can be read by tests that are not root's.
            env={"SLUICE_DUMPABLE": "1", **os.environ, **(environment or {})})
        self.output = b""
        self.port = int(self.wait_for(rb"listening on https?://127\.0\.0\.1:(\d+)").group(1))

    def wait_for(self, pattern):
        while True:
            match = re.search(pattern, self.output)
            if match:
                return match
            ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE_S)
            chunk = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            if not chunk:
                raise AssertionError(f"gateway said only: {self.output.decode()}")
            self.output += chunk

    def metrics(self):
        """Every sample of one scrape, by its name with labels."""
        port = int(self.wait_for(rb"metrics on http://127\.0\.0\.1:(\d+)").group(1))
        with Client(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)) as client:
            client.send("GET /metrics HTTP/1.1\r\nhost: t\r\n\r\n")
            text = client.read_answer().body.decode()
        samples = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, value in samples}

    def admin(self, method, path):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(PATIENCE_S)
        connection.connect(self.socket_path)
        with Client(connection) as client:
            client.send(f"{method} {path} HTTP/1.1\r\nhost: t\r\ncontent-length: 0\r\n\r\n")
            answer = client.read_answer()
        return answer.status, json.loads(answer.body)

    def rewrite(self, old, new):
        """Changes the configuration file; a reload is the caller's."""
        self.config = self.config.replace(old, new)
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(self.config)

    def connect(self):
        return Client(socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S))

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait(self):
        return self.process.wait(timeout=PATIENCE_S)

    def resident_kb(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1))

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.directory.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Answer:
    def __init__(self, status, headers, body, raw_head):
        self.status = status
        self.headers = headers
        self.body = body
        self.raw_head = raw_head


def shown(data):
    """The end of what was read, short enough for a report of a failed test."""
    return f"{len(data)} bytes, the last of them {bytes(data[-80:])!r}"


class Client:
    """A raw HTTP client: sends exactly what it is told, reads exactly one answer."""

    def __init__(self, connection):
        self.socket = connection
        self.buffer = bytearray()  # Grows and shrinks in place: a large answer is copied once.

    def send(self, data):
        self.socket.sendall(data.encode() if isinstance(data, str) else data)

    def post(self, body, path="/v1/chat/completions", headers=""):
        body = body.encode() if isinstance(body, str) else body
        self.send(f"POST {path} HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\n{headers}"
                  f"content-length: {len(body)}\r\n\r\n".encode() + body)

    def more(self):
        """Reads once more; False at the end of the stream."""
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            return False
        self.buffer += data
        return bool(data)

    def take(self, count):
        taken = bytes(memoryview(self.buffer)[:count])
        del self.buffer[:count]
        return taken

    def need_more(self):
        if not self.more():
            raise EOFError(f"the stream ended behind {shown(self.buffer)}")

    def read_until(self, mark):
        while mark not in self.buffer:
            self.need_more()
        return self.take(self.buffer.index(mark) + len(mark))

    def read_exactly(self, count):
        while len(self.buffer) < count:
            self.need_more()
        return self.take(count)

    def read_head(self):
        head = self.read_until(b"\r\n\r\n").decode("latin-1")
        lines = head.split("\r\n")
        headers = {}
        for line in lines[1:-2]:
            name, value = line.split(":", 1)
            headers.setdefault(name.lower(), value.strip())
        return int(lines[0].split(" ")[1]), headers, head

    def read_chunk(self):
        """The payload of the next chunk; empty for the last one, None when the stream was cut."""
        try:
            size = int(self.read_until(b"\r\n")[:-2].split(b";")[0], 16)
            data = self.read_exactly(size)
            self.read_exactly(2)
            return data
        except EOFError:
            return None

    def read_answer(self, is_head=False):
        status, headers, raw = self.read_head()
        body = b""
        if is_head:
            pass
        elif headers.get("transfer-encoding") == "chunked":
            chunks = []
            while chunk := self.read_chunk():
                chunks.append(chunk)
            body = b"".join(chunks)
            if chunk is None:
                raise EOFError(f"the answer was cut behind {shown(body)}")
        elif "content-length" in headers:
            body = self.read_exactly(int(headers["content-length"]))
        else:
            body = self.read_to_end()
        return Answer(status, headers, body, raw)

    def read_to_end(self):
        while self.more():
            pass
        return self.take(len(self.buffer))

    def is_closed(self):
        """Waits for the end of the stream."""
        return not self.more()

    def close(self):
        self.socket.close()

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Upstream:
    """Accepts connections and runs `script(connection)` for each on a thread of its own.

    With an ssl.SSLContext as `tls` it speaks https; `handshake_failures` keeps what those said that
    failed.
    """

    def __init__(self, script, tls=None):
        self.script = script
        self.tls = tls
        self.handshake_failures = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self.connections = 0
        self.open = []
        self.is_closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            if self.is_closed:
                return
            connection.settimeout(PATIENCE_S)
            self.connections += 1
            self.open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        if self.tls:
            try:
                connection = self.tls.wrap_socket(connection, server_side=True)
            except OSError as error:
                self.handshake_failures.append(str(error))
                connection.close()
                return
        try:
            self.script(UpstreamConnection(connection))
        except (OSError, EOFError):
            pass
        finally:
            connection.close()

    def close(self):
        self.is_closed = True
        try:  # Wakes accept().
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            pass
        self.listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class UpstreamConnection(Client):
    """The upstream's side: reads whole requests, writes answers."""

    def read_request(self):
        head = self.read_until(b"\r\n\r\n").decode("latin-1")
        length = re.search(r"content-length: (\d+)", head, re.I)
        return head, self.read_exactly(int(length.group(1))) if length else b""

    def answer(self, body, status=200, headers=""):
        body = body.encode() if isinstance(body, str) else body
        self.send(f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{headers}"
                  f"content-length: {len(body)}\r\n\r\n".encode() + body)

    def begin_stream(self, headers=""):
        self.send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
                  f"{headers}transfer-encoding: chunked\r\n\r\n")

    def chunk(self, text):
        data = text.encode() if isinstance(text, str) else text
        self.send(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def end_stream(self):
        self.send("0\r\n\r\n")


DONE = "data: [DONE]\n\n"
USAGE = 'data: {"id":"c","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":5}}\n\n'


def post_admin(gateway, path, body=None, method="POST"):
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(PATIENCE_S)
    connection.connect(gateway.socket_path)
    text = "" if body is None else json.dumps(body)
    kind = "content-type: application/json\r\n" if text else ""
    with Client(connection) as client:
        client.send(f"{method} {path} HTTP/1.1\r\nhost: t\r\n{kind}"
                    f"content-length: {len(text.encode())}\r\n\r\n{text}")
        answer = client.read_answer()
    return answer.status, json.loads(answer.body)


def config(upstream, extra="", model_extra="", upstream_extra=""):
    return f"""
development: true
upstreams:
  - name: up
    url: {upstream.url}
    private_addresses: true
{upstream_extra}
models:
  - name: m
    routes: [{{upstream: up{model_extra}}}]
{extra}
"""


def delta(text):
    payload = {"id": "c", "choices": [{"index": 0, "delta": {"content": text}}]}
    return "data: " + json.dumps(payload) + "\n\n"


def echo(connection):
    """Answers every request with what arrived."""
    while True:
        head, body = connection.read_request()
        connection.answer(json.dumps({"head": head, "body": body.decode("utf-8", "replace")}))


def streams(*events, usage_when_asked=True):
    """A script that streams events, with the usage event when the request asks for it."""
    def script(connection):
        while True:
            _, body = connection.read_request()
            connection.begin_stream()
            for event in events:
                connection.chunk(event)
            asked = (json.loads(body).get("stream_options") or {}).get("include_usage")
            if asked and usage_when_asked:
                connection.chunk(USAGE)
            connection.chunk(DONE)
            connection.end_stream()
    return script


def ask(model="m", **fields):
    return json.dumps({"model": model, "messages": [], **fields})
