"""Chains of servers, searched for requests that a later hop sees and the first one did not.

Each trial is a request with another one, the marker, hidden in its body; then a plain request, the
canary, goes through the same chain. A marker that a later hop sees as a request, while the first
hop did not, was smuggled. An answer with an id that its client has not sent went to the wrong one.
"""

import asyncio
import json
import re
from dataclasses import dataclass, field

import chain_forms
from loop_peers import LENGTH, PATIENCE_S, Echo, exchange, read_answers
from readers import expected_answers, methods_of

IDENTITY = re.compile(r"\b[TMC]-\d+\b")
LANES = 12
UNANSWERED_S = 0.1  # After which the careless proxy takes its upstream for broken.
UNAVAILABLE = (502, 503, 504)  # The next hop closed just then; not an answer to somebody else.


@dataclass
class Found:
    """What the trials of one chain came to."""
    trials: int = 0
    forwarded: int = 0  # Trials of which the last hop saw a request.
    smuggled: list = field(default_factory=list)
    misdirected: list = field(default_factory=list)

    def is_clean(self):
        return not self.smuggled and not self.misdirected


@dataclass
class Chain:
    """`first` and `later` return the ids that these hops have seen, and end those that are
    processes to know all; `port` is the first one's.

    `paces` says that the first hop may drop what follows when its client ends its side early.
    """
    name: str
    port: int
    first: object
    later: object
    paces: bool = True


class CarelessFront:
    """A proxy that believes a length before a coding and forwards both; to prove the search."""

    def __init__(self, next_port):
        self.next_port = next_port
        self.seen = []
        self.lock = asyncio.Lock()
        self.upstream = None

    async def serve(self, reader, writer):
        data = b""
        try:
            while piece := await asyncio.wait_for(reader.read(65536), PATIENCE_S):
                data += piece
                while (taken := await self._forward(data, writer)) > 0:
                    data = data[taken:]
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.TimeoutError):
            pass
        writer.close()

    async def _forward(self, data, writer):
        """How many bytes of `data` were a request that has been answered."""
        end = data.find(b"\r\n\r\n")
        if end < 0:
            return 0
        parser = Echo(self.seen, believes="length")
        head = data[:end + 2]
        body = parser.split(head, data[end + 4:])
        if body is None:
            return 0
        taken = end + 4 + body[1]
        parser.keep_id(head)
        async with self.lock:
            if self.upstream is None:
                self.upstream = await asyncio.open_connection("127.0.0.1", self.next_port)
            upstream, self.upstream = self.upstream, None
            upstream[1].write(data[:taken])
            answer = await asyncio.wait_for(self._read_answer(upstream[0]), UNANSWERED_S)
            self.upstream = upstream
        writer.write(answer)
        return taken

    @staticmethod
    async def _read_answer(reader):
        head = await reader.readuntil(b"\r\n\r\n")
        return head + await reader.readexactly(int(LENGTH.search(head).group(1)))


def _ids_of(answers):
    """The ids that the origin's answers speak of, in a field or in the body that it was sent."""
    ids = []
    for status, body, _ in answers:
        if status == 200 and body.startswith(b'{"echo"'):
            said = json.loads(body)
            text = said["id"] + " " + bytes.fromhex(said["body"]).decode("latin-1")
            ids.append(set(IDENTITY.findall(text)))
    return ids


def is_evidence(trials, name):
    """Whether a marker's id stands in one trial alone, and no head of that one has two ids.

    Else a mutation has made one id of another, and hops may log one each of the same request.
    """
    pattern = re.compile(rb"\b%s\b" % name.encode())
    owners = [data for data in trials if pattern.search(data)]
    if len(owners) != 1:
        return False
    parts = re.split(rb"(?:\r*\n\r*){2,}", owners[0].lower())
    return all(part.count(b"x-request-id") <= 1 for part in parts)


async def _try_one(chain, number, data, ours, found):
    awaits = expected_answers(ours) if chain.paces else 0
    try:
        answers = read_answers(await exchange(chain.port, data, awaits=awaits),
                               methods_of(ours))
    except (TimeoutError, asyncio.TimeoutError):
        found.misdirected.append((number, "its connection never ended"))
        return
    # A mutation may have made other ids of its own.
    own = {f"T-{number}", f"M-{number}", *IDENTITY.findall(data.decode("latin-1"))}
    strange = set().union(*_ids_of(answers)) - own
    if strange:
        found.misdirected.append((number, f"answered with {strange.pop()}"))
    canary = read_answers(await exchange(chain.port, chain_forms.ask(f"C-{number}"), awaits=1,
                                         pause_s=PATIENCE_S / 2))
    statuses = [status for status, _, _ in canary]
    is_unavailable = len(statuses) == 1 and statuses[0] in UNAVAILABLE
    if _ids_of(canary) != [{f"C-{number}"}] and not is_unavailable:
        found.misdirected.append((number, f"the canary got {statuses} {_ids_of(canary)}"))


async def search(chain, trials, ours):
    """Runs all trials; `ours`, how our parser reads each, tells how many answers to await."""
    found = Found(len(trials))
    numbers = iter(range(len(trials)))

    async def lane():
        for number in numbers:
            await _try_one(chain, number, trials[number], ours[number], found)

    await asyncio.gather(*(lane() for _ in range(LANES)))
    first, later = set(chain.first()), set(chain.later())
    found.smuggled = sorted(int(name[2:]) for name in later - first
                            if name.startswith("M-") and is_evidence(trials, name))
    found.forwarded = len({name for name in later if name.startswith("T-")})
    return found
