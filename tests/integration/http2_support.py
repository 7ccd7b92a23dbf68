"""An HTTP/2 client of single frames, which may break every rule, and what servers make of it.

It writes HPACK as literals and reads of it only :status, for which it forbids the server a dynamic
table. Windows are counted: a server that sends more than it may is an AssertionError.
"""

import dataclasses
import json
import select
import socket
import struct
import time

from support import PATIENCE_S

(DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE,
 CONTINUATION) = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITIZED = 1, 1, 4, 8, 32
(HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE,
 MAX_HEADER_LIST_SIZE) = range(1, 7)
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
CODES = ("NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT",
         "STREAM_CLOSED", "FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR",
         "CONNECT_ERROR", "ENHANCE_YOUR_CALM", "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED")
WINDOW = 65_535
FRAME_MAX = 16_384
STATUSES = {8: 200, 9: 204, 10: 206, 11: 304, 12: 400, 13: 404, 14: 500}
ALIVE = b"is alive"  # Of the PING by which a client sees that its connection goes on.


def frame(kind, flags=0, stream=0, payload=b""):
    return (struct.pack(">I", len(payload))[1:] + bytes([kind, flags])
            + struct.pack(">I", stream) + payload)


def integer(value, prefix, first=0):
    """RFC 7541, 5.1."""
    most = (1 << prefix) - 1
    if value < most:
        return bytes([first | value])
    out = bytearray([first | most])
    value -= most
    while value >= 128:
        out.append(value % 128 + 128)
        value //= 128
    return bytes(out + bytes([value]))


def text(value):
    value = value.encode("latin-1") if isinstance(value, str) else value
    return integer(len(value), 7) + value


def literal(name, value, first=0x10):
    """A field that is never indexed; `first` 0x40 puts it into the table."""
    return bytes([first]) + text(name) + text(value)


def block(fields):
    return b"".join(literal(name, value) for name, value in fields)


def head(method="POST", path="/v1/chat/completions", more=()):
    return [(":method", method), (":scheme", "https"), (":path", path), (":authority", "localhost"),
            *more]


def digits(data):
    """Huffman of digits alone (RFC 7541, appendix B)."""
    bits = "".join(f"{byte:08b}" for byte in data)
    out = ""
    while len(bits) >= 5 and not bits.startswith("111"):
        width = 6 if bits[0:3] == "011" else 5
        code = int(bits[:width], 2)
        out += str(code if width == 5 else code - 0b011001 + 3)
        bits = bits[width:]
    return out


def status_of(fields):
    """:status, which comes first, behind updates of the table's size."""
    while fields[0] & 0xe0 == 0x20:
        fields = fields[1:]
    if fields[0] & 0x80:
        return STATUSES[fields[0] & 0x7f]
    size, value = fields[1] & 0x7f, fields[2:]
    return int(digits(value[:size]) if fields[1] & 0x80 else value[:size])


@dataclasses.dataclass
class Stream:
    window: int
    status: int = 0
    body: bytearray = dataclasses.field(default_factory=bytearray)
    end: str = ""  # "end", or the name of the code of its reset.


class Client:
    """`window`: what each stream may send at first; `refills`: windows are opened as bytes come."""

    def __init__(self, port, context, window=WINDOW, refills=True, settings=(), greets=True):
        context.set_alpn_protocols(["h2"])
        raw = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = context.wrap_socket(raw, server_hostname="localhost")
        if self.socket.selected_alpn_protocol() != "h2":
            raise AssertionError("the server does not speak h2")
        self.buffer = bytearray()
        self.streams = {}
        self.next_stream = 1
        self.first_window, self.window, self.refills = window, WINDOW, refills
        self.acknowledged = self.settings_seen = 0
        self.goaway = None  # (last stream, name of the code).
        self.goaways = 0
        self.is_closed = self.is_alive = False
        if greets:
            self.raw(PREFACE)
            self.set_options((HEADER_TABLE_SIZE, 0), (INITIAL_WINDOW_SIZE, window), *settings)

    # --- writing

    def raw(self, data):
        self.socket.sendall(data)

    def send(self, kind, flags=0, stream=0, payload=b""):
        self.raw(frame(kind, flags, stream, payload))

    def set_options(self, *pairs):
        self.send(SETTINGS, 0, 0, b"".join(struct.pack(">HI", *pair) for pair in pairs))

    def open_window(self, stream, count):
        """Stream 0 is the connection. A server that has gone meanwhile does not mind."""
        self._answer(WINDOW_UPDATE, 0, stream, struct.pack(">I", count))
        if stream:
            self.streams[stream].window += count
        else:
            self.window += count

    def take_stream(self):
        stream = self.next_stream
        self.next_stream += 2
        self.streams[stream] = Stream(self.first_window)
        return stream

    def begin(self, fields=None, ends=False):
        """A stream with a whole head; its body is the caller's."""
        stream = self.take_stream()
        self.send(HEADERS, END_HEADERS | (END_STREAM if ends else 0), stream,
                  block(fields or head()))
        return stream

    def get(self, path="/livez"):
        return self.begin(head("GET", path), ends=True)

    def ask(self, **fields):
        stream = self.begin()
        self.send(DATA, END_STREAM, stream,
                  json.dumps({"model": "m", "messages": [], **fields}).encode())
        return stream

    def reset(self, stream, code=8):
        self.send(RST_STREAM, 0, stream, struct.pack(">I", code))

    # --- reading

    def has_bytes(self):
        """Whether read() would not wait."""
        return (len(self.buffer) >= 9 or self.socket.pending() > 0
                or bool(select.select([self.socket], [], [], 0)[0]))

    def read(self):
        """Reads one frame and notes it; gives (kind, flags, stream, payload), None at the end."""
        try:
            begin = self._exactly(9)
            size, kind, flags = int.from_bytes(begin[:3], "big"), begin[3], begin[4]
            stream = int.from_bytes(begin[5:9], "big") & 0x7fffffff
            payload = self._exactly(size)
        except (EOFError, ConnectionError, OSError) as error:
            if isinstance(error, TimeoutError):
                raise AssertionError("the server says nothing and does not close") from error
            self.is_closed = True
            return None
        self._note(kind, flags, stream, payload)
        return kind, flags, stream, payload

    def _exactly(self, count):
        while len(self.buffer) < count:
            more = self.socket.recv(65536)
            if not more:
                raise EOFError
            self.buffer += more
        taken = bytes(self.buffer[:count])
        del self.buffer[:count]
        return taken

    def _answer(self, *what):
        try:
            self.send(*what)
        except OSError:  # Its goodbye is still to be read.
            pass

    def _note(self, kind, flags, stream, payload):
        of = self.streams.get(stream)
        if kind == SETTINGS:
            if flags & ACK:
                self.acknowledged += 1
            else:
                self.settings_seen += 1
                self._answer(SETTINGS, ACK)
        elif kind == PING:
            if not flags & ACK:
                self._answer(PING, ACK, 0, payload)
            elif payload == ALIVE:
                self.is_alive = True
        elif kind == GOAWAY:
            last, code = struct.unpack(">II", payload[:8])
            self.goaway, self.goaways = (last, CODES[code]), self.goaways + 1
        elif kind == HEADERS and of and not of.status:
            of.status = status_of(payload)
            of.status = 0 if of.status < 200 else of.status
        elif kind == RST_STREAM and of and not of.end:
            of.end = CODES[int.from_bytes(payload, "big")]
        elif kind == DATA and of:
            self._note_data(of, stream, payload)
        if kind in (DATA, HEADERS) and flags & END_STREAM and of and not of.end:
            of.end = "end"

    def _note_data(self, of, stream, payload):
        of.body += payload
        of.window -= len(payload)
        self.window -= len(payload)
        if of.window < 0 or self.window < 0:
            raise AssertionError(f"stream {stream}: more than its window: {of.window}, "
                                 f"{self.window}")
        if self.refills and payload:
            for each in (stream, 0):
                if not of.end:
                    self.open_window(each, len(payload))

    def drain(self):
        """Reads what is there already."""
        while not self.is_closed and self.has_bytes():
            self.read()

    def greet(self):
        """Until both sides have acknowledged the other's settings."""
        if not self.read_until(lambda: self.acknowledged and self.settings_seen):
            raise AssertionError("closed before its settings")
        return self

    def read_until(self, is_true):
        """False when the connection ended before it was."""
        while not is_true():
            if self.read() is None:
                return is_true()
        return True

    def finish(self, stream):
        """The stream when it has ended, or the connection has."""
        self.read_until(lambda: self.streams[stream].end)
        return self.streams[stream]

    def outcome(self, stream=None):
        """What became of it in words: of `stream`, or of the connection once it was asked."""
        if stream is None:
            self._answer(PING, 0, 0, ALIVE)
            self.read_until(lambda: self.is_alive or self.goaway)
        else:
            self.read_until(lambda: self.streams[stream].end or self.goaway)
        if self.goaway:
            return f"GOAWAY {self.goaway[1]}"
        if self.is_closed:
            return "closed"
        if stream is None:
            return "goes on"
        of = self.streams[stream]
        return f"RST_STREAM {of.end}" if of.end != "end" else str(of.status)

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


# --- floods: each sends until the server has had enough, or `FLOOD_MAX` times ---------------------

FLOOD_MAX = 20_000
LOOK_EACH = 50  # Frames from one look at what the server says to the next.


def flood(client, send):
    """Calls send() over and over; how often."""
    for count in range(FLOOD_MAX):
        try:
            send()
        except OSError:
            return count
        if count % LOOK_EACH == 0:
            client.drain()
            if client.goaway or client.is_closed:
                return count
    return FLOOD_MAX


def rapid_reset(client):
    def once():
        stream = client.take_stream()
        client.raw(frame(HEADERS, END_HEADERS, stream, block(head()))
                   + frame(RST_STREAM, 0, stream, struct.pack(">I", 8)))
    return flood(client, once)


def reset_by_fault(client):
    """MadeYouReset: the server is made to reset streams, by a window that overflows."""
    def once():
        stream = client.take_stream()
        client.raw(frame(HEADERS, END_HEADERS, stream, block(head()))
                   + frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", 0x7fffffff)))
    return flood(client, once)


def continuations(client):
    client.send(HEADERS, 0, client.take_stream(), block(head()))
    return flood(client, lambda: client.send(CONTINUATION, 0, 1, literal("x-a", "b")))


def empty_continuations(client):
    client.send(HEADERS, 0, client.take_stream(), b"")
    return flood(client, lambda: client.send(CONTINUATION, 0, 1))


def settings(client):
    return flood(client, lambda: client.set_options((INITIAL_WINDOW_SIZE, WINDOW)))


def large_settings(client):
    pairs = [(MAX_HEADER_LIST_SIZE, value) for value in range(2000)]
    return flood(client, lambda: client.set_options(*pairs))


def pings(client):
    return flood(client, lambda: client.send(PING, 0, 0, b"ping-pin"))


def priorities(client):
    return flood(client, lambda: client.send(PRIORITY, 0, 1 + 2 * 5000,
                                             struct.pack(">IB", 3, 15)))


def unknown_frames(client):
    return flood(client, lambda: client.send(0x42, 0, 0, b"?"))


def empty_data(client):
    stream = client.begin()
    return flood(client, lambda: client.send(DATA, 0, stream))


def padding_alone(client):
    stream = client.begin()
    return flood(client, lambda: client.send(DATA, PADDED, stream, b"\x02\0\0"))


def window_updates(client):
    stream = client.begin()
    return flood(client, lambda: client.send(WINDOW_UPDATE, 0, stream, struct.pack(">I", 1)))


def refused_heads(client):
    return flood(client, lambda: client.begin(head(more=[("Upper", "x")]), ends=True))


CALM = "GOAWAY ENHANCE_YOUR_CALM"
MADE_TO_RESET = ("resets that the server is made to do", "malformed heads")
TOO_MANY = "GOAWAY PROTOCOL_ERROR"  # Streams begun before the server has reset those before them.
FLOODS = {
    "rapid reset": rapid_reset,
    "resets that the server is made to do": reset_by_fault,
    "CONTINUATION": continuations,
    "empty CONTINUATION": empty_continuations,
    "SETTINGS": settings,
    "large SETTINGS": large_settings,
    "PING": pings,
    "PRIORITY": priorities,
    "unknown frames": unknown_frames,
    "empty DATA": empty_data,
    "DATA of padding alone": padding_alone,
    "WINDOW_UPDATE": window_updates,
    "malformed heads": refused_heads,
}


def play_flood(port, context, name):
    """(outcome, frames it took, seconds) of one flood on a connection of its own."""
    began = time.monotonic()
    with Client(port, context) as client:
        count = FLOODS[name](client.greet())
        return client.outcome(), count, time.monotonic() - began
