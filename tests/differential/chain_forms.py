"""Requests that two readers may frame differently, each with another one hidden in its body."""

import json

import request_forms as forms
from mutation import HTTP_WORDS, mutate, pick


def ask(identity, extra=b"", head=b"POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\n"):
    """A plain request with an id, which must be answered with it."""
    body = json.dumps({"model": "m", "messages": [], "user": identity}).encode()
    return (head + b"x-request-id: " + identity.encode() + b"\r\ncontent-type: application/json\r\n"
            + extra + b"content-length: %d\r\n\r\n" % len(body) + body)


def _chunk(payload, form=forms.CHUNKS[0]):
    return form % {b"x": b"%x" % len(payload), b"s": payload}


def _fields(random, share, length, coded):
    """Lines that announce one framing, or both; None for one that is not announced."""
    lines = []
    if length is not None:
        value = pick(random, [b"%d"], forms.ODD_LENGTHS, share / 2).replace(b"%d", b"%d" % length)
        lines.append(pick(random, forms.LENGTH_NAMES, forms.ODD_LENGTH_NAMES, share) + value)
    if coded:
        lines.append(pick(random, forms.CODING_NAMES, forms.ODD_CODING_NAMES, share)
                     + pick(random, forms.CODINGS, forms.ODD_CODINGS, share))
    random.shuffle(lines)
    return lines


def _behind_last_chunk(random, share, body, marker):
    """A length over all; the chunks end before the marker."""
    sent = _chunk(body) + pick(random, forms.LASTS, forms.ODD_LASTS, share) + marker
    return _fields(random, share, len(sent), True), sent


def _in_chunk(random, share, _, marker):
    """A length that ends with the first size line; the marker is a chunk's payload."""
    sent = _chunk(marker) + forms.LASTS[0]
    return _fields(random, share, sent.index(b"\r\n") + 2, True), sent


def _odd_chunk(random, share, body, marker):
    """Chunks whose size or end is read in two ways, around the marker."""
    sent = _chunk(body, random.choice(forms.ODD_CHUNKS)) + _chunk(marker,
                                                                  random.choice(forms.ODD_CHUNKS))
    sent += pick(random, forms.LASTS, forms.ODD_LASTS, share) + marker
    return _fields(random, share / 3, None, True), sent


def _two_lengths(random, _, body, marker):
    """Two lengths, in one line or two."""
    join = random.choice((b"\r\ncontent-length: ", b", ", b",", b"\r\nContent-Length:",
                          b"\n content-length: "))
    lengths = [b"%d" % len(body), b"%d" % len(body + marker)]
    random.shuffle(lengths)
    return [b"content-length: " + join.join(lengths)], body + marker


def _length_that_is_lost(random, _, body, marker):
    """A length that a hop may drop: named by Connection, spelled oddly, beside an upgrade."""
    line = random.choice(forms.LENGTH_NAMES + forms.ODD_LENGTH_NAMES) + b"%d" % len(body + marker)
    named = random.choice((b"connection: content-length", b"connection: close, Content-Length",
                           b"x-a: 1",
                           b"connection: transfer-encoding, content-length",
                           b"upgrade: h2c\r\nconnection: upgrade",
                           b"expect: 100-continue", b"connection: keep-alive, host",
                           b"te: chunked"))
    return [named, line], body + marker


def _no_framing(random, share, _, marker):
    """Nothing announced: the marker is a request of its own, or it is not."""
    lines = [pick(random, [b"x-a: 1"], forms.ODD_FIELDS, 0.5) for _ in range(2)]
    return lines + _fields(random, share, 0, False), marker


def _coded_whole(random, share, body, marker):
    """Chunks alone, with one odd thing about how they are announced; the marker in them."""
    sent = _chunk(body) + _chunk(marker) + pick(random, forms.LASTS, forms.ODD_LASTS, share)
    return _fields(random, 0.9, None, True), sent


def _whole_in_chunks(random, share, body, marker):
    """A good body in odd chunks; the marker stands behind it, a request of its own."""
    at = random.randrange(1, len(body))
    sent = (_chunk(body[:at], pick(random, forms.CHUNKS, forms.ODD_CHUNKS, share))
            + _chunk(body[at:], pick(random, forms.CHUNKS, forms.ODD_CHUNKS, share)))
    sent += pick(random, forms.LASTS, forms.ODD_LASTS, share)
    return _fields(random, share / 3, None, True), sent + marker


def _whole_by_length(random, share, body, marker):
    """The same by a length, beside a coding that may not be one."""
    lines = _fields(random, share / 2, len(body), False)
    if random.random() < share:
        lines.append(random.choice(forms.ODD_CODING_NAMES) + random.choice(forms.ODD_CODINGS))
    return lines, body + marker


SHAPES = [_whole_in_chunks, _whole_by_length] * 2 + [
    _behind_last_chunk, _in_chunk, _odd_chunk, _two_lengths, _length_that_is_lost, _no_framing,
    _coded_whole]
STARTS = [b"POST /v1/chat/completions HTTP/1.1"]
ODD_STARTS = [b"GET /v1/chat/completions HTTP/1.1", b"POST /v1/chat/completions HTTP/1.0",
              b"HEAD /v1/models HTTP/1.1",
              b"POST http://h/v1/chat/completions HTTP/1.1",
              b"DELETE /v1/chat/completions HTTP/1.1", b"OPTIONS * HTTP/1.1",
              b"CONNECT h:80 HTTP/1.1", b"GET /v1/models HTTP/1.1",
              b"POST /v1/chat/completions?a HTTP/1.1", b"TRACE / HTTP/1.1"]


def make_trial(random, number):
    """The request with the id T-<number>; hidden in it is one with the id M-<number>."""
    share = random.choice((0.05, 0.2, 0.6))
    body = json.dumps({"model": "m", "messages": [], "user": f"T-{number}"}).encode()
    marker = ask(f"M-{number}")
    lines, sent = random.choice(SHAPES)(random, share, body, marker)
    lines += [b"host: h", b"x-request-id: T-%d" % number, b"content-type: application/json"]
    if random.random() < 0.3:
        lines.append(pick(random, forms.FIELDS, forms.ODD_FIELDS, share))
    random.shuffle(lines)
    start = pick(random, STARTS, ODD_STARTS, share / 3)
    head = b"".join(line + pick(random, forms.ENDS, forms.ODD_ENDS,
                                share / 12) for line in [start] + lines)
    data = head + pick(random, forms.ENDS, forms.ODD_ENDS, share / 12) + sent
    return mutate(random, data, HTTP_WORDS) if random.random() < 0.1 else data
