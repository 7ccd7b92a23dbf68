"""An upstream that answers each token as `wording` says, and notes what it served in a file.

    provider.py HOST PORT FILE

A line is written before the first byte of an answer, and one before its last, so that the file is
true although this process may be killed at any time:

    A <monotonic ns> <token> <user>          the request arrived
    E <monotonic ns> <token> whole|cut       its answer ended
"""

import asyncio
import json
import os
import sys
import time

import wording

REQUEST_MAX = 1 << 20


class Book:
    def __init__(self, path):
        self.fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def note(self, letter, *words):
        os.write(self.fd, f"{letter} {time.monotonic_ns()} {' '.join(words)}\n".encode())


def unary(token):
    prompt, completion = wording.use(token)
    return json.dumps({
        "id": token, "object": "chat.completion", "model": "m",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {
            "role": "assistant", "content": "".join(wording.pieces(token))}}],
        "usage": {"prompt_tokens": prompt, "completion_tokens": completion,
                  "total_tokens": prompt + completion}})


def event(token, **members):
    return "data: " + json.dumps({"id": token, "object": "chat.completion.chunk", "model": "m",
                                  **members}) + "\n\n"


def chunk(text):
    data = text.encode()
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def whole(status, body):
    data = body.encode()
    return (f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n"
            f"content-length: {len(data)}\r\n\r\n").encode() + data


class Connection:
    def __init__(self, book, reader, writer):
        self.book, self.reader, self.writer = book, reader, writer

    async def run(self):
        try:
            while await self.one():
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            self.writer.close()

    async def one(self):
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        if head.startswith("get "):
            self.writer.write(whole(200, "{}"))
            await self.writer.drain()
            return True
        length = int(head.split("content-length:", 1)[1].split("\r\n", 1)[0])
        if length > REQUEST_MAX:
            return False
        body = json.loads(await self.reader.readexactly(length))
        token = body["messages"][0]["content"]
        self.book.note("A", token, body["user"])
        end = "cut"
        try:
            await self.answer(token, body)
            end = "whole"
        finally:
            if end != "whole":
                self.book.note("E", token, end)
        return True

    async def answer(self, token, body):
        kind = wording.kind_of(token)
        if kind in "ef":
            status, code = (400, "asked_for") if kind == "e" else (500, "failed")
            await self.last(token, whole(status, json.dumps(
                {"error": {"message": token, "type": "any", "param": None, "code": code}})))
        elif not body.get("stream"):
            await asyncio.sleep(0.004)
            await self.last(token, whole(200, unary(token)))
        else:
            await self.stream(token, body)

    async def last(self, token, data):
        """The end is noted first: what follows it frees a place at the gateway."""
        if self.writer.transport.is_closing():
            raise ConnectionResetError
        self.book.note("E", token, "whole")
        self.writer.write(data)
        await self.writer.drain()

    async def stream(self, token, body):
        self.writer.write(b"HTTP/1.1 200 X\r\ncontent-type: text/event-stream\r\n"
                          b"transfer-encoding: chunked\r\n\r\n")
        for piece in wording.pieces(token):
            if self.writer.transport.is_closing():
                raise ConnectionResetError
            self.writer.write(chunk(event(token, choices=[
                {"index": 0, "delta": {"content": piece}, "finish_reason": None}])))
            await self.writer.drain()
            await asyncio.sleep(wording.PIECE_PAUSE_S[wording.kind_of(token)])
        tail = chunk(event(token, choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}]))
        if (body.get("stream_options") or {}).get("include_usage"):
            prompt, completion = wording.use(token)
            tail += chunk(event(token, choices=[], usage={
                "prompt_tokens": prompt, "completion_tokens": completion,
                "total_tokens": prompt + completion}))
        await self.last(token, tail + chunk("data: [DONE]\n\n") + b"0\r\n\r\n")


async def live(host, port, path):
    book = Book(path)
    server = await asyncio.start_server(
        lambda reader, writer: Connection(book, reader, writer).run(), host, port,
        limit=REQUEST_MAX, backlog=512)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(live(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
