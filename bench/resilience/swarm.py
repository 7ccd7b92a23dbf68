"""Many clients at once on one thread: each a connection that sends bytes and reads answers, and may
leave or stand still at any point."""

import asyncio
import dataclasses
import json
import socket
import time

PATIENCE_S = 40  # The bound of every wait for bytes.


@dataclasses.dataclass
class Answer:
    status: int = 0         # 0 when no head came.
    retry_after: str = ""
    events: int = 0
    began: float = 0.0      # Of the monotonic clock, like the next two.
    first_event: float = 0.0
    ended: float = 0.0
    is_whole: bool = False  # The answer came to its end; a stream with its [DONE].

    @property
    def is_good(self):
        return self.status == 200 and self.is_whole


class Line(asyncio.Protocol):
    """One connection."""

    def __init__(self):
        self.buffer = bytearray()
        self.is_lost = False
        self.is_last = False  # Its other side closes it behind the answer that was read.
        self.waiter = None
        self.transport = None

    @classmethod
    async def open(cls, port):
        loop = asyncio.get_running_loop()
        _, line = await loop.create_connection(cls, "127.0.0.1", port)
        return line

    def connection_made(self, transport):
        self.transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data):
        self.buffer += data
        self._wake()

    def connection_lost(self, _):
        self.is_lost = True
        self._wake()

    def eof_received(self):
        return False

    def _wake(self):
        if self.waiter and not self.waiter.done():
            self.waiter.set_result(None)

    async def more(self):
        """Waits for bytes; False at the end of the stream, or when none came in time."""
        if self.is_lost:
            return False
        had = len(self.buffer)
        self.waiter = asyncio.get_running_loop().create_future()
        handle = asyncio.get_running_loop().call_later(PATIENCE_S, self._wake)
        try:
            await self.waiter
        finally:
            handle.cancel()
        return len(self.buffer) > had

    def send(self, data):
        if not self.is_lost:
            self.transport.write(data)

    def close(self, with_reset=False):
        if self.is_lost:
            return
        if with_reset:
            self.transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            self.transport.abort()
        else:
            self.transport.close()

    async def read(self, events_max=None):
        """One answer; with `events_max` reading stops once so many events came."""
        answer = Answer(began=time.monotonic())
        try:
            head = await self._read_head()
            if head is None:
                return answer
            answer.status = int(head[9:12])
            lower = head.lower()
            self.is_last = header(lower, b"connection") == "close"
            answer.retry_after = header(lower, b"retry-after")
            if b"transfer-encoding: chunked" in lower:
                await self._read_chunks(answer, events_max)
            else:
                await self._read_length(answer, int(header(lower, b"content-length") or 0))
            return answer
        finally:
            answer.ended = time.monotonic()

    async def _read_head(self):
        while (end := self.buffer.find(b"\r\n\r\n")) < 0:
            if not await self.more():
                return None
        head = bytes(self.buffer[:end + 2])
        del self.buffer[:end + 4]
        return head

    async def _read_length(self, answer, length):
        while len(self.buffer) < length:
            if not await self.more():
                return
        del self.buffer[:length]
        answer.is_whole = True

    async def _read_chunks(self, answer, events_max):
        seen = 0
        while True:
            answer.events += self.buffer.count(b"\ndata: ", seen)
            seen = max(len(self.buffer) - 6, 0)
            if answer.events and not answer.first_event:
                answer.first_event = time.monotonic()
            if events_max is not None and answer.events >= events_max:
                return
            if self.buffer.endswith(b"\r\n0\r\n\r\n"):
                answer.is_whole = b"data: [DONE]" in self.buffer[-64:]
                self.buffer.clear()
                return
            if not await self.more():
                return


def header(head, name):
    """A header's value in a head of lower-case bytes; "" without it."""
    at = head.find(b"\r\n" + name + b":")
    if at < 0:
        return ""
    end = head.index(b"\r\n", at + 2)
    return head[at + len(name) + 3:end].strip().decode("latin-1")


def request(model, headers="", **fields):
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "Say something."}],
                       **fields})
    return (f"POST /v1/chat/completions HTTP/1.1\r\nhost: show\r\n{headers}"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n{body}").encode()


async def ask(port, data, line=None):
    """(answer, the connection, or None when it is of no more use). A fresh one unless given."""
    began = time.monotonic()
    try:
        if line is None or line.is_lost:
            line = await Line.open(port)
    except OSError:
        return Answer(began=began, ended=time.monotonic()), None
    line.send(data)
    answer = await line.read()
    answer.began = began
    if line.is_lost or line.is_last or not answer.is_whole:
        line.close()
        line = None
    return answer, line


async def loop_until(port, data, stop, keep):
    """A client that asks again and again until `stop()`; `keep(answer)` gets each answer."""
    line = None
    while not stop():
        answer, line = await ask(port, data, line)
        keep(answer)
    if line:
        line.close()


async def all_of(coroutines):
    """Runs them together; what one raises is raised."""
    return await asyncio.gather(*coroutines)
