"""What the generators share: choices with a bias to the usual, and mutations of finished bytes."""

INTERESTING = [b"\r", b"\n", b"\r\n", b"\0", b"\t", b" ", b":", b",", b";", b"\x0b", b"\x0c",
               b"\x7f",
               b"\x80", b"\xff", b"0", b"-", b"+", b"\"", b"\\", b"%", b"#", b"\x01", b"a",
               b"\r\n\r\n"]
HTTP_WORDS = [b"content-length: 3\r\n", b"transfer-encoding: chunked\r\n", b"host: b\r\n",
              b"0\r\n\r\n",
              b"connection: close\r\n", b" x\r\n", b"\r\n ", b"HTTP/1.0", b"chunked", b"x-m: 1\r\n"]
JSON_WORDS = [b"null", b"true", b"{}", b"[", b"]", b"{", b"}", b"\"model\":\"b\",", b"\"n\":2,",
              b"1e3",
              b"\\ud800", b"\\u0000", b"\\/", b"\\x", b"NaN", b"\xef\xbb\xbf", b"//", b"'", b"-0",
              b"1.0"]


def pick(random, usual, odd, odd_share):
    """One of `usual`, or with the probability `odd_share` one of `odd`."""
    return random.choice(odd if random.random() < odd_share else usual)


def _insert(random, data, words):
    at = random.randrange(len(data) + 1)
    return data[:at] + random.choice(words) + data[at:]


def _replace(random, data, words):
    at = random.randrange(len(data) + 1)
    return data[:at] + random.choice(words) + data[at + 1:]


def _delete(random, data, _):
    at = random.randrange(len(data) + 1)
    return data[:at] + data[at + random.choice((1, 1, 1, 2, 4)):]


def _repeat(random, data, _):
    begin = random.randrange(len(data) + 1)
    end = begin + random.randrange(1, 24)
    return data[:end] + data[begin:end] + data[end:]


def _swap_lines(random, data, _):
    lines = data.split(b"\r\n")
    i, j = random.randrange(len(lines)), random.randrange(len(lines))
    lines[i], lines[j] = lines[j], lines[i]
    return b"\r\n".join(lines)


def _flip_case(random, data, _):
    at = random.randrange(len(data) + 1)
    return data[:at] + data[at:at + 1].swapcase() + data[at + 1:]


def _cut(random, data, _):
    return data[:random.randrange(len(data) + 1)]


STEPS = [_insert] * 6 + [_replace] * 4 + [_delete] * 4 + [_repeat] * 2 + [_swap_lines, _flip_case,
                                                                          _cut]


def mutate(random, data, words):
    """`data` after one to three small changes, with pieces out of `words` among them."""
    words = INTERESTING + words
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        data = random.choice(STEPS)(random, data, words)
    return data
