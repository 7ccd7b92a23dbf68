"""A client that sends recorded bytes and reads answers, one at a time."""

import contextlib
import http.client
import socket
import ssl

PATIENCE_S = 60


def request_bytes(body, headers):
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return (f"POST /v1/chat/completions HTTP/1.1\r\nhost: bench\r\n{lines}"
            f"content-length: {len(body)}\r\n\r\n{body}").encode()


def trusting_context():
    """TLS 1.3 with anybody, as wrk speaks it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class Client:
    """Speaks TLS when it is given an ssl.SSLContext."""

    def __init__(self, port, context=None):
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context:
            self.socket = context.wrap_socket(self.socket)
        self.buffer = b""

    def close(self):
        self.socket.close()

    def send(self, request):
        self.socket.sendall(request)

    def more(self):
        data = self.socket.recv(65536)
        if not data:
            raise EOFError(f"closed after {self.buffer[:200]!r}")
        self.buffer += data

    def read_until(self, mark):
        while mark not in self.buffer:
            self.more()
        taken, _, self.buffer = self.buffer.partition(mark)
        return taken + mark

    def read_head(self):
        """The status; leaves the body."""
        head = self.read_until(b"\r\n\r\n").decode("latin-1")
        return int(head.split(" ", 2)[1]), head.lower()

    def read_answer(self):
        """A whole answer, of a length or in chunks; anything but 200 is an error."""
        status, head = self.read_head()
        if status != 200:
            raise ValueError(f"status {status}: {self.buffer[:200]!r}")
        if "transfer-encoding: chunked" in head:
            self.read_until(b"\r\n0\r\n\r\n")
            return
        length = int(head.split("content-length:", 1)[1].split("\r\n", 1)[0])
        while len(self.buffer) < length:
            self.more()
        self.buffer = self.buffer[length:]

    def ask(self, request, times=1):
        for _ in range(times):
            self.send(request)
            self.read_answer()


def post_to_socket(path, target):
    """(status, body) of a POST without a body to a Unix socket."""
    with contextlib.closing(http.client.HTTPConnection("sluice")) as connection:
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(PATIENCE_S)
        connection.sock.connect(str(path))
        connection.request("POST", target)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
