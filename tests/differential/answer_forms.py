"""An upstream's answers of every form that RFC 9112 knows or forbids, from a seed."""

from mutation import HTTP_WORDS, mutate, pick
from request_forms import ENDS, FIELDS, ODD_ENDS, ODD_FIELDS, framed

VERSIONS = [b"HTTP/1.1"]
ODD_VERSIONS = [b"HTTP/1.0", b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"http/1.1", b"HTTP/1.10",
                b"HTTP/0.9", b"ICY",
                b"HTTP/1", b" HTTP/1.1", b"\r\nHTTP/1.1", b"HTTP/01.1", b"HTTPS/1.1", b"\nHTTP/1.1",
                b""]
CODES = [b"200", b"200", b"201", b"400", b"429", b"500"]
ODD_CODES = [b"204", b"304", b"101", b"100", b"103", b"099", b"600", b"999", b"20", b"2000",
             b"0200", b"2x0", b"",
             b"-200", b"+200", b"200.", b" 200", b"\t200", b"000"]
REASONS = [b" OK", b" OK", b" Too Many Requests", b" ", b""]
ODD_REASONS = [b" \x80", b" a\0b", b" a\tb", b"\tOK", b"OK", b" \x01", b" caf\xc3\xa9", b" a\rb",
               b" a\nb", b"  OK", b" \x7f"]
BODIES = [b"{\"a\":1}", b"", b"data: x\n\ndata: [DONE]\n\n",
          b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"]
NEXT = [b""]
ODD_NEXT = [b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nz", b"junk", b"\r\n"]
INTERIM = [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n",
           b"HTTP/1.1 100 Continue\r\ncontent-length: 5\r\n\r\n",
           b"HTTP/1.1 102 Processing\r\ntransfer-encoding: chunked\r\n\r\n",
           b"HTTP/1.0 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\nconnection: close\r\n\r\n"]


def make_answer(random, share):
    """One answer with its parts odd by `share` each, and what may stand around it."""
    lines, body = framed(random, random.choice(BODIES), share,
                         ("none", "length", "length", "chunked", "chunked", "both"))
    lines += [pick(random, FIELDS, ODD_FIELDS, share) for _ in range(random.randrange(3))]
    random.shuffle(lines)
    start = (pick(random, VERSIONS, ODD_VERSIONS, share) + b" " + pick(random, CODES, ODD_CODES,
                                                                       share)
             + pick(random, REASONS, ODD_REASONS, share))
    head = b"".join(line + pick(random, ENDS, ODD_ENDS, share / 3) for line in [start] + lines)
    before = random.choice(INTERIM) if random.random() < share else b""
    return (before + head + pick(random, ENDS, ODD_ENDS, share / 3) + body
            + pick(random, NEXT, ODD_NEXT, share))


def make_case(random):
    """Bytes for a parser of answers."""
    data = make_answer(random, random.choice((0.01, 0.03, 0.08)))
    return mutate(random, data, HTTP_WORDS) if random.random() < 0.25 else data
