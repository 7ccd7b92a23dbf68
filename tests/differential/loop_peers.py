"""What the event loop serves and asks: an origin that echoes, raw exchanges."""

import asyncio
import itertools
import json
import re

PATIENCE_S = 15  # The bound of every wait; reached only when something is wrong.
PAUSE_S = 0.2  # Until who gives fewer answers than expected learns that no more bytes come.
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.I)
CODED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.I)
CONNECTIONS = itertools.count()
STATUS_LINE = re.compile(rb"HTTP/1\.[01] \d{3}")
REQUEST_ID = re.compile(rb"\r\nx-request-id: *([\w-]+)", re.I)


def split_coded(data):
    """The payload of the chunked body that `data` begins with, and its size as sent; or None."""
    payload, at = b"", 0
    while (end := data.find(b"\r\n", at)) >= 0:
        size = int(data[at:end].split(b";")[0], 16)
        at = end + 2
        if size == 0:
            while (end := data.find(b"\r\n", at)) >= 0:
                at, is_last = end + 2, end == at
                if is_last:
                    return payload, at
            return None
        payload += data[at:at + size]
        at += size + 2
    return None


def split_body(head, rest):
    """The payload behind `head` and its size as sent, or None when it is not whole."""
    if CODED.search(head):
        return split_coded(rest)
    length = LENGTH.search(head)
    size = int(length.group(1)) if length else 0
    return (rest[:size], size) if len(rest) >= size else None


def source_of(index, net=1):
    """One of 7,500,000 loopback addresses of a `net` (1 or 128) to connect from.

    A proxy's log can be understood by them, and the ports of one address would not last.
    """
    return f"127.{net + index // 62500 % 120}.{index // 250 % 250}.{1 + index % 250}"


class Echo(asyncio.Protocol):
    """Answers each request with how it arrived, and keeps the ids of all in `seen`."""

    def __init__(self, seen, believes="coding"):
        self.seen = seen
        self.believes = believes  # Or length: which of two framings it takes, as a careless server.
        self.buffer = b""
        self.transport = None

    def connection_made(self, transport):
        self.transport = transport

    def split(self, head, rest):
        if self.believes == "length" and LENGTH.search(head):
            head = CODED.sub(b"", head)
        return split_body(head, rest)

    def data_received(self, data):
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head, rest = self.buffer[:end + 2], self.buffer[end + 4:]
            try:
                body = self.split(head, rest)
            except ValueError:
                self.transport.close()
                return
            if body is None:
                return
            self.buffer = rest[body[1]:]
            self._answer(head, body[0])

    def keep_id(self, head):
        request_id = REQUEST_ID.search(head)
        self.seen.append(request_id.group(1).decode() if request_id else "")

    def _answer(self, head, body):
        self.keep_id(head)
        first, *lines = head[:-2].split(b"\r\n")
        words = first.split(b" ")
        fields = [line.split(b":", 1) for line in lines if b":" in line]
        said = {"echo": True, "id": self.seen[-1], "method": words[0].hex(),
                "target": b" ".join(words[1:-1]).hex(),
                "fields": [[name.hex(), value.strip(b" \t").hex()] for name, value in fields],
                "body": body.hex()}
        payload = b"" if words[0] == b"HEAD" else json.dumps(said).encode()
        self.transport.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
                             b"content-length: %d\r\n\r\n" % len(payload) + payload)


class Exchange(asyncio.Protocol):
    """Sends bytes, ends its side in time, takes all that comes until the other ends too.

    Ends at once, or with `awaits` when so many answers are there: some close at our end without
    reading what came before it. Who does not answer as often is told so after a pause.
    """

    def __init__(self, data, awaits, pause_s):
        self.data = data
        self.awaits = awaits
        self.answer = b""
        self.done = asyncio.get_running_loop().create_future()
        self.transport = None
        self.pause_s = pause_s
        self.pause = None

    def connection_made(self, transport):
        self.transport = transport
        transport.write(self.data)
        if self.awaits == 0:
            self._end()
        else:
            self.pause = asyncio.get_running_loop().call_later(self.pause_s, self._end)

    def _end(self):
        if self.pause:
            self.pause.cancel()
        try:
            self.transport.write_eof()
        except (OSError, RuntimeError):
            pass  # It has been reset already.

    def data_received(self, data):
        self.answer += data
        if self.awaits and self.answer.count(b"HTTP/1.1 ") >= self.awaits:
            if len(read_answers(self.answer)) >= self.awaits:
                self._end()

    def connection_lost(self, _):
        if self.pause:
            self.pause.cancel()
        if not self.done.done():
            self.done.set_result(None)


async def exchange(port, data, source=None, awaits=0, pause_s=PAUSE_S):
    """All bytes that came back; raises TimeoutError when the other side does not end."""
    loop = asyncio.get_running_loop()
    source = source or source_of(next(CONNECTIONS), net=128)
    transport, protocol = await loop.create_connection(
        lambda: Exchange(data, awaits, pause_s), "127.0.0.1", port, local_addr=(source, 0))
    try:
        await asyncio.wait_for(protocol.done, PATIENCE_S)
    finally:
        transport.abort()
    return protocol.answer


def read_answers(data, methods=(), may_lack_body=False):
    """[(status, body, closes)] of whole answers; `methods` tells which are to a HEAD.

    With `may_lack_body` the last one may be to a HEAD too, of a request that was refused.
    """
    answers = []
    while (end := data.find(b"\r\n\r\n")) >= 0:
        head, data = data[:end + 2], data[end + 4:]
        if not STATUS_LINE.match(head):
            break
        status = int(head[9:12])
        if status < 200:
            continue
        closes = bool(re.search(rb"\r\nconnection: *close", head, re.I))
        is_head = len(answers) < len(methods) and methods[len(answers)] == b"HEAD"
        body = (b"", 0) if is_head or status in (204, 304) else split_body(head, data)
        if not is_head and body is not None and not LENGTH.search(head) and not CODED.search(head):
            body = (data, len(data))
        if body is None and not (may_lack_body and not data):
            break
        body = body or (b"", 0)
        answers.append((status, body[0], closes))
        data = data[body[1]:]
    return answers
