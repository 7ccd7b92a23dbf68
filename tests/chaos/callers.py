"""Clients that check every byte of what they get, and say what became of each request.

One Caller is a thread with one key at one gateway, by one protocol. Each request has a token of its
own, which is its request id too; what the answer must be follows from the token (wording.py).
"""

import dataclasses
import json
import random
import socket
import threading
import time

import http2_support as h2
import wording
from support import Client

PATIENCE_S = 25  # Of one wait for bytes; longer than any fault. Reached, it is a stuck request.
GONE = (ConnectionError, EOFError, OSError)


@dataclasses.dataclass
class Outcome:
    """`kind`:

    whole    200, every byte as it must be
    refused  another status, a well-formed error
    broken   a stream that a well-formed error event ended, all before it as it must be
    gone     the connection ended before the answer did, all before that as it must be
    left     the caller left on purpose
    wrong    anything else: what must never be
    """
    token: str
    user: str
    gateway: str
    protocol: str
    began: float
    ended: float = 0.0
    kind: str = "wrong"
    status: int = 0
    code: str = ""
    detail: str = ""


class Wrong(Exception):
    """What an answer must never be."""


def check_error(token, status, body):
    """The code of a well-formed error."""
    try:
        error = json.loads(body)["error"]
        code, message = error["code"], error["message"]
    except (ValueError, KeyError, TypeError) as fault:
        raise Wrong(f"{status} with a body that is no error: {body[:200]!r}") from fault
    if code in ("asked_for", "failed") and message != token:
        raise Wrong(f"another request's error: {message}")
    return str(code)


def check_unary(token, body):
    answer = json.loads(body)
    text = answer["choices"][0]["message"]["content"]
    if answer["id"] != token or text != "".join(wording.pieces(token)):
        raise Wrong(f"another request's answer: {answer['id']}, {text[:60]}")


class Events:
    """Follows the events of one stream."""

    def __init__(self, token):
        self.token = token
        self.pieces = wording.pieces(token)
        self.rest = b""
        self.count = 0
        self.is_done = False
        self.code = ""

    def take(self, data):
        self.rest += data
        while b"\n\n" in self.rest:
            event, self.rest = self.rest.split(b"\n\n", 1)
            if event.startswith(b":"):
                continue
            self._take_event(event)

    def _take_event(self, event):
        if self.is_done or self.code:
            raise Wrong(f"an event behind the end: {event[:100]!r}")
        if not event.startswith(b"data: "):
            raise Wrong(f"no event: {event[:100]!r}")
        text = event[6:]
        if text == b"[DONE]":
            if self.count != len(self.pieces):
                raise Wrong(f"[DONE] after {self.count} of {len(self.pieces)} pieces")
            self.is_done = True
            return
        found = json.loads(text)
        if "error" in found:
            self.code = check_error(self.token, 200, text)
            return
        if found["id"] != self.token:
            raise Wrong(f"another request's event: {text[:100]!r}")
        if not found["choices"]:
            raise Wrong("usage that was not asked for")
        piece = found["choices"][0]["delta"].get("content")
        if piece is None:
            return
        if self.count >= len(self.pieces) or piece != self.pieces[self.count]:
            raise Wrong(f"piece {self.count} is {piece!r}")
        self.count += 1


class Caller(threading.Thread):
    """`gateway` has name, port and, for https, `authority`."""

    def __init__(self, number, gateway, protocol, user, secret, kinds, pause_s, seed):
        super().__init__(daemon=True)
        self.number, self.gateway, self.protocol = number, gateway, protocol
        self.user, self.secret, self.kinds = user, secret, kinds
        self.pause_s = pause_s
        self.chance = random.Random(f"{seed}/{number}")
        self.run_name = f"{seed}.{number}"
        self.outcomes = []
        self.record = self.outcomes.append
        self.over = threading.Event()
        self.made = 0
        self.client = None
        self.under_way = None  # When the present request began.

    def run(self):
        while not self.over.is_set():
            self.under_way = time.monotonic()
            self.turn()
            self.under_way = None
            self.over.wait(self.pause_s * self.chance.uniform(0.5, 1.5))
        self.drop()

    def drop(self):
        if self.client:
            self.client.close()
            self.client = None

    def begin(self):
        kind = self.chance.choice(self.kinds)
        self.made += 1
        token = f"{self.run_name}.{self.made}-{kind}"
        return Outcome(token, self.user, self.gateway.name, self.protocol, time.monotonic())

    def body(self, token):
        fields = {"stream": True} if wording.is_stream(token) else {}
        return json.dumps({"model": "m", "messages": [{"role": "user", "content": token}],
                           "user": self.user, "max_tokens": 32, **fields})

    def end(self, outcome, kind, detail=""):
        outcome.ended = time.monotonic()
        outcome.kind, outcome.detail = kind, detail
        self.record(outcome)
        if kind not in ("whole", "refused"):
            self.drop()


class Http1Caller(Caller):
    """`leaves`: the share of streams that it leaves in the middle."""

    leaves = 0.0

    def connect(self):
        connection = socket.create_connection(("127.0.0.1", self.gateway.port), PATIENCE_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.protocol == "https":
            try:
                connection = self.gateway.clients["http/1.1"].wrap_socket(connection,
                                                              server_hostname="localhost")
            except BaseException:
                connection.close()
                raise
        return Client(connection)

    def turn(self):
        outcome = self.begin()
        stage = "connect"
        try:
            if self.client is None or self.chance.random() < 0.05:
                self.drop()
                self.client = self.connect()
                outcome.detail = "new"
            stage = "before its head"
            self.client.post(self.body(outcome.token), headers=(
                f"authorization: Bearer {self.secret}\r\nx-request-id: {outcome.token}\r\n"))
            outcome.status, headers, raw = self.client.read_head()
            stage = "within"
            self.finish(outcome, headers, raw)
        except TimeoutError:
            self.end(outcome, "wrong", f"stuck, {stage}")
        except Wrong as fault:
            self.end(outcome, "wrong", str(fault))
        except (ValueError, KeyError, IndexError, TypeError) as fault:
            self.end(outcome, "wrong", f"no such answer: {fault!r}")
        except GONE as fault:
            kept = "" if outcome.detail == "new" else ", kept"
            self.end(outcome, "gone", f"{stage}{kept}: {fault!r}"[:200])

    def finish(self, outcome, headers, raw):
        token = outcome.token
        if headers.get("x-request-id") != token:
            raise Wrong(f"another request's head: {raw[:300]!r}")
        if outcome.status == 200 and wording.is_stream(token):
            self.follow(outcome)
        else:
            body = self.read_body(headers)
            if outcome.status == 200:
                check_unary(token, body)
                self.end(outcome, "whole")
            else:
                outcome.code = check_error(token, outcome.status, body)
                self.end(outcome, "refused")
        if headers.get("connection") == "close" and self.client:
            if self.client.more():
                raise Wrong("bytes behind the answer")
            self.drop()

    def read_body(self, headers):
        if headers.get("transfer-encoding") != "chunked":
            return self.client.read_exactly(int(headers["content-length"]))
        body = b""
        while chunk := self.client.read_chunk():
            body += chunk
        if chunk is None:
            raise EOFError("within")
        return body

    def follow(self, outcome):
        events = Events(outcome.token)
        leave_at = (self.chance.randrange(1, 5) if self.chance.random() < self.leaves
                    else len(events.pieces) + 1)
        while True:
            chunk = self.client.read_chunk()
            if not chunk:
                break
            events.take(chunk)
            if events.count >= leave_at:
                self.client.reset()
                self.client = None
                self.end(outcome, "left")
                return
        outcome.code = events.code
        if events.code:
            if chunk is not None:
                raise Wrong("a broken stream ended as if it were whole")
            self.end(outcome, "broken")
        elif chunk is None:
            raise EOFError(f"cut behind {events.count} pieces")
        elif not events.is_done:
            raise Wrong("a whole stream without [DONE]")
        else:
            self.end(outcome, "whole")


class Http2Caller(Caller):
    """A few streams at a time on one connection; now and then it resets one of them."""

    abreast = 3
    streams_most = 600  # Then a new connection.
    leaves = 0.0

    def turn(self):
        outcomes = [self.begin() for _ in range(self.chance.randrange(1, self.abreast + 1))]
        streams = []
        try:
            if (self.client is None or self.client.goaway or self.client.is_closed
                    or self.client.next_stream > self.streams_most):
                self.drop()
                self.client = h2.Client(self.gateway.port, self.gateway.clients["h2"])
                self.client.socket.settimeout(PATIENCE_S)
            for outcome in outcomes:
                streams.append(self.begin_stream(outcome))
        except GONE as fault:
            if not streams:
                self.end(outcomes[0], "gone", f"connect: {fault!r}"[:200])
                return
        for outcome, stream in zip(outcomes, streams):
            self.finish(outcome, stream)
        if self.client and (self.client.goaway or self.client.is_closed):
            self.drop()

    def begin_stream(self, outcome):
        stream = self.client.begin(h2.head(more=[
            ("authorization", f"Bearer {self.secret}"), ("x-request-id", outcome.token),
            ("content-type", "application/json")]))
        self.client.send(h2.DATA, h2.END_STREAM, stream, self.body(outcome.token).encode())
        return stream

    def finish(self, outcome, stream):
        client = self.client_of(stream)
        if client is None:
            self.end(outcome, "gone", "before its head: the connection ended")
            return
        try:
            if wording.is_stream(outcome.token) and self.chance.random() < self.leaves:
                client.read_until(lambda: client.streams[stream].body)
                client.reset(stream)
                self.end_kept(outcome, "left")
                return
            of = client.finish(stream)
            outcome.status = of.status
            self.judge(outcome, of, client)
        except AssertionError as fault:
            self.end(outcome, "wrong", f"stuck: {fault}")
        except Wrong as fault:
            self.end(outcome, "wrong", str(fault))
        except (ValueError, KeyError, IndexError, TypeError) as fault:
            self.end(outcome, "wrong", f"no such answer: {fault!r}")
        except GONE as fault:
            self.end_kept(outcome, "gone", f"within: {fault!r}"[:200])

    def client_of(self, stream):
        return self.client if self.client and stream in self.client.streams else None

    def end_kept(self, outcome, kind, detail=""):
        """Ends one stream; the others of the connection go on."""
        outcome.ended = time.monotonic()
        outcome.kind, outcome.detail = kind, detail
        self.record(outcome)

    def judge(self, outcome, of, client):
        token, body = outcome.token, bytes(of.body)
        is_over = of.end == "end"
        if of.status == 200 and wording.is_stream(token):
            events = Events(token)
            events.take(body)
            outcome.code = events.code
            if events.is_done and is_over:
                self.end_kept(outcome, "whole")
            elif is_over:
                raise Wrong("a stream that ended as if it were whole")
            elif events.code:
                self.end_kept(outcome, "broken")
            else:
                self.end_kept(outcome, "gone", f"within: {of.end or 'closed'}")
        elif is_over and of.status == 200:
            check_unary(token, body)
            self.end_kept(outcome, "whole")
        elif is_over and of.status:
            outcome.code = check_error(token, of.status, body)
            self.end_kept(outcome, "refused")
        elif of.end == "REFUSED_STREAM" or (client.goaway and client.goaway[0] < 1):
            self.end_kept(outcome, "gone", "before its head: refused stream")
        else:
            where = "within" if of.status else "before its head"
            self.end_kept(outcome, "gone", f"{where}: {of.end or 'closed'}")
