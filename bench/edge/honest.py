"""Honest clients: requests at an even rate on kept connections, and newcomers, each with a
connection of its own, from many addresses. Until a line comes on stdin; then one JSON line for
each request.

    honest.py PORT RATE NEWCOMERS_A_SECOND [AUTHORITY.pem]
"""

import asyncio
import collections
import json
import ssl
import sys
import time

KEPT = 32
SOURCES = 200  # Addresses that they come from, in turn: 127.1.0.1 and on.
PATIENCE_S = 20
BODY = json.dumps({"model": "m", "messages": [{"role": "user", "content": "Say something."}]})
REQUEST = ("POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n"
           f"content-type: application/json\r\ncontent-length: {len(BODY)}\r\n\r\n{BODY}").encode()


class Clients:
    def __init__(self, port, tls):
        self.port, self.tls = port, tls
        self.idle = collections.deque()  # Used in turn, so that none is idle for long.
        self.answers = []
        self.connections = 0

    async def connect(self):
        source = f"127.1.0.{self.connections % SOURCES + 1}"
        self.connections += 1
        return await asyncio.open_connection(
            "127.0.0.1", self.port, ssl=self.tls, local_addr=(source, 0),
            server_hostname="localhost" if self.tls else None)

    async def ask(self, connection):
        """What was wrong, or ""."""
        reader, writer = connection
        writer.write(REQUEST)
        head = await reader.readuntil(b"\r\n\r\n")
        lower = head.lower()
        if not head.startswith(b"HTTP/1.1 200"):
            return f"status {head[9:12].decode('latin-1')}"
        length = int(lower.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        await reader.readexactly(length)
        return ""

    async def one(self, kind, due):
        connection, fault = None, ""
        try:
            async with asyncio.timeout(PATIENCE_S):
                if kind == "kept" and self.idle:
                    connection = self.idle.popleft()
                else:
                    connection = await self.connect()
                fault = await self.ask(connection)
        except (OSError, ssl.SSLError, asyncio.IncompleteReadError, TimeoutError) as error:
            fault = type(error).__name__
        self.answers.append((kind, due, time.monotonic() - due, fault))
        if connection is None:
            return
        if kind == "kept" and not fault and len(self.idle) < KEPT:
            self.idle.append(connection)
        else:
            connection[1].close()

    async def flow(self, kind, rate, over):
        """Open loop: a request is timed from when it was due, whatever became of those before."""
        running = set()
        due = time.monotonic()
        while not over.is_set():
            due += 1 / rate
            pause = due - time.monotonic()
            if pause > 0:
                await asyncio.sleep(pause)
            task = asyncio.create_task(self.one(kind, due))
            running.add(task)
            task.add_done_callback(running.discard)
        await asyncio.gather(*running)


async def live(port, rate, newcomers, tls):
    clients = Clients(port, tls)
    for _ in range(KEPT):
        clients.idle.append(await clients.connect())
    over = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), over.set)
    await asyncio.gather(clients.flow("kept", rate, over), clients.flow("new", newcomers, over))
    for _, writer in clients.idle:
        writer.close()
    return clients.answers


def main():
    port, rate, newcomers = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
    tls = ssl.create_default_context(cafile=sys.argv[4]) if len(sys.argv) > 4 else None
    for answer in asyncio.run(live(port, rate, newcomers, tls)):
        print(json.dumps(answer))


if __name__ == "__main__":
    main()
