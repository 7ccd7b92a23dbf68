"""Requests of every form that RFC 9112 knows or forbids, from a seed."""

from mutation import HTTP_WORDS, mutate, pick

METHODS = [b"GET", b"POST", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH"]
ODD_METHODS = [b"get", b"GE T", b" GET", b"GE\tT", b"M-SEARCH", b"FOO", b"P@ST", b"", b"A" * 33,
               b"TRACE",
               b"CONNECT", b"PRI", b"GET\0", b"\xc3GET", b"PO_ST", b"G!", b"PROPFIND", b"HEAD",
               b"\"GET\""]
SPACES = [b" "]
ODD_SPACES = [b"  ", b"\t", b"", b"\x0b", b"\r", b" \t", b"\xa0"]
TARGETS = [b"/", b"/a", b"/a?b=c", b"/v1/chat/completions", b"/a/b//c", b"/%41"]
ODD_TARGETS = [b"*", b"http://h/a", b"http://other/a", b"https://h", b"//h/a", b"h:80", b"/a#f",
               b"/\x80",
               b"/a b", b"/a%", b"/a%zz", b"/%00", b"/a\\b", b"", b"/a\t", b"/../x", b"HTTP://H/a",
               b"http://u@h/a", b"/a?b?c", b"/{}|^", b"/\"<>`", b"/" + b"a" * 9000,
               b"http://[::1]/",
               b"ftp://h/a", b"a", b"/a\0b", b"/./a", b"http://h?x", b"http:///a", b"/a?\xc3\xa4",
               b"?a",
               b"/a\x01", b"/a\x7f", b"http://h:99999/a", b"/a?#", b"/%2e%2e/x"]
VERSIONS = [b"HTTP/1.1"]
ODD_VERSIONS = [b"HTTP/1.0", b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"HTTP/0.9", b"http/1.1",
                b"HTTP/1.10",
                b"HTTP/01.1", b"HTTP/1.1 ", b"", b"HTTP/1,1", b"HTTP/11", b"HTTPS/1.1", b"HTTP/1.",
                b"HTTP/1",
                b"HTTP/3.1", b"HTTP/1.1\t", b"HTTP/1.1 x", b"ICE/1.0", b"HTTP/ 1.1"]
ENDS = [b"\r\n"]
ODD_ENDS = [b"\n", b"\r", b"\r\r\n", b"\n\r", b"\r\n\n", b" \r\n", b"\0\r\n", b"\r\n "]

HOSTS = [b"host: h", b"Host: h", b"host: h:80", b"host: example.com"]
ODD_HOSTS = [b"", b"host: a\r\nHost: b", b"host: h\r\nhost: h", b"host:", b"host: h:99999",
             b"host: a b",
             b"host: h/x", b"host: u@h", b"host : h", b"host: [::1]", b"host: h,h", b"host: h:",
             b"host: [::1",
             b"host: h?x", b"host: h\x80", b"host: h:8x", b"host: .h", b"host: h..", b"host: %41",
             b"host: h#x",
             b"host: h\\x", b"hos\0t: h", b"host: \"h\"", b"host: 1.2.3.4:5", b"host: _h",
             b"host: h;x", b"host: :80"]
FIELDS = [b"x-a: 1", b"x-b:v", b"x-c: some text", b"accept: */*", b"user-agent: t"]
ODD_FIELDS = [
    b"x-d:\t v \t", b"x-e: \x80\xff", b"x-f: a\0b", b"x-g: a\x01b", b"x-h: a\x7fb", b"x-i : v",
    b"x y: v",
    b"x_u: v", b": v", b"noline", b" x: v", b"x-a: a\r\n b", b"x-a: a\r\n\tb", b"x-a:\r\n b",
    b"x(: v",
    b"x\x80: v", b"x-a: \rb", b"x-a: a\nx-b: c", b"x-c:", b"x-c: ", b"expect: 100-continue",
    b"expect: x",
    b"connection: close", b"connection: keep-alive", b"connection: close, x-a",
    b"connection: keep-alive, close",
    b"connection:,close,", b"connection: upgrade\r\nupgrade: websocket", b"upgrade: h2c",
    b"te: trailers",
    b"trailer: x-t", b"proxy-connection: close", b"keep-alive: timeout=1", b"connection: x",
    b"connection: content-length", b"x-a: a:b", b"x-a: \"a\r\n\"", b"x-\"q\": v",
    b"!#$%&'*+-.^_`|~: v", b"x-v: a\x0bb",
    b"x-w: \x0ca", b"connection: Close", b"connection: close\r\nconnection: keep-alive", b"x-a:: v",
    b"x\t: v",
    b"x-a: 1\r\nx-a: 2", b"x\0: v", b"x-l: " + b"l" * 5000, b"\r\n".join([b"x-n: 1"] * 101),
    b"x-l: " + b"l" * 17000,
    b"x-a: a\r\n  ", b"\x0bx-a: v", b"connection: \"close\"", b"x-y: caf\xc3\xa9", b"x/y: v",
    b"{x}: v", b"expect: 100-Continue"]

LENGTH_NAMES = [b"content-length: ", b"Content-Length: "]
ODD_LENGTH_NAMES = [b"content-length:", b"CONTENT-LENGTH:\t", b"content-length : ",
                    b"content_length: ",
                    b"content-length\t:", b" content-length: ", b"content-length\0: ",
                    b"content-length:  "]
ODD_LENGTHS = [b"+%d", b"-%d", b"%d ", b"0%d", b"0x%d", b"%d,%d", b"%d, 6", b"%d;", b"%d.0", b"1e1",
               b"", b"\t%d",
               b"%d %d", b"%d\t", b"%d\x0b", b"99999999999999999999", b"18446744073709551617",
               b"9223372036854775808",
               b"%d\r\ncontent-length: %d", b"%d\r\ncontent-length: 99", b"1\r\ncontent-length: %d",
               b"'%d'",
               b"\"%d\"", b"%d\0", b"_%d", b"%d_", b"00000000000000000000%d", b"%d\r\n ",
               b"\r\n %d", b"\xb2%d", b"%d,",
               b",%d", b"0\r\ncontent-length:%d"]
CODING_NAMES = [b"transfer-encoding: ", b"Transfer-Encoding: "]
ODD_CODING_NAMES = [b"transfer-encoding:", b"TRANSFER-ENCODING:\t", b"transfer-encoding : ",
                    b"transfer_encoding: ",
                    b"transfer-encoding\t:", b" transfer-encoding: ", b"transfer-encoding\0: ",
                    b"te: ",
                    b"x-a: b\ntransfer-encoding: ", b"x-a: b\rtransfer-encoding: ",
                    b"transfer-encoding\x0b: "]
CODINGS = [b"chunked"]
ODD_CODINGS = [b"Chunked", b"CHUNKED", b" chunked ", b"chunked, identity", b"identity",
               b"identity, chunked",
               b"gzip, chunked", b"chunked, gzip", b"chunked,chunked", b"xchunked", b"chunked;q=1",
               b"\"chunked\"",
               b"chunked\x0b", b"\x0bchunked", b"chunked\0", b"", b",chunked", b"chunked,",
               b"chun ked", b"\r\n chunked",
               b"chunked\r\n ", b"chunked\r\ntransfer-encoding: chunked",
               b"chunked\r\ntransfer-encoding: identity",
               b"identity\r\ntransfer-encoding: chunked", b"chunked-x", b"gzip",
               b"chunked\r\ntransfer-encoding: x",
               b"x\r\ntransfer-encoding: chunked", b"chunked\t", b"ch\xc5\xabnked", b"chunked;",
               b"gzip\r\ntransfer-encoding:chunked"]
# Of a chunk with the payload %s of %x bytes.
CHUNKS = [b"%(x)s\r\n%(s)s\r\n"]
ODD_CHUNKS = [
    b"0%(x)s\r\n%(s)s\r\n", b"0x%(x)s\r\n%(s)s\r\n", b"+%(x)s\r\n%(s)s\r\n", b"-%(x)s\r\n%(s)s\r\n",
    b" %(x)s\r\n%(s)s\r\n", b"%(x)s \r\n%(s)s\r\n", b"%(x)s\t\r\n%(s)s\r\n", b"%(x)s;\r\n%(s)s\r\n",
    b"%(x)s;a\r\n%(s)s\r\n", b"%(x)s;a=b\r\n%(s)s\r\n", b"%(x)s;a=\"b;\\\"c\"\r\n%(s)s\r\n",
    b"%(x)s ; a = b\r\n%(s)s\r\n", b"%(x)s;\0\r\n%(s)s\r\n", b"%(x)s;a\rb\r\n%(s)s\r\n",
    b"%(x)s;a\nb\r\n%(s)s\r\n",
    b"%(x)s;a=\"\n\"\r\n%(s)s\r\n", b"ffffffffffffffff%(x)s\r\n%(s)s\r\n",
    b"1000000000000000%(x)s\r\n%(s)s\r\n",
    b"000000000000000000%(x)s\r\n%(s)s\r\n", b"%(x)s;" + b"e" * 300 + b"\r\n%(s)s\r\n",
    b"%(x)s_\r\n%(s)s\r\n",
    b"%(x)sg\r\n%(s)s\r\n", b"%(x)s\n%(s)s\r\n", b"%(x)s\r\n%(s)s\n", b"%(x)s\r%(s)s\r\n",
    b"%(x)s\r\n%(s)s",
    b"%(x)s\r\n%(s)sZ\r\n", b"%(x)s\r\n%(s)sZ\n", b"%(x)s\r\n%(s)s\rZ", b"\r\n%(x)s\r\n%(s)s\r\n",
    b"%(x)s\r\n\n%(s)s\r\n",
    b"%(x)s\r\n%(s)s\r\r\n", b";a\r\n",
    b"%(x)s,1\r\n%(s)s\r\n", b"%(x)s;a=\x80\r\n%(s)s\r\n", b"%(x)s a\r\n%(s)s\r\n",
    b"%(x)s\0\r\n%(s)s\r\n",
    b"%(x)s;\x01\r\n%(s)s\r\n", b"%(x)s\r\r\n%(s)s\r\n", b"0%(x)s\x0b\r\n%(s)s\r\n",
    b"%(x)s;a=\"\r\n%(s)s\r\n",
    b"%(x)s.0\r\n%(s)s\r\n", b"%(x)s;;;\r\n%(s)s\r\n", b"%(x)s=a\r\n%(s)s\r\n",
    b"%(x)s:a\r\n%(s)s\r\n"]
LASTS = [b"0\r\n\r\n"]
ODD_LASTS = [b"00\r\n\r\n", b"0;x\r\n\r\n", b"-0\r\n\r\n", b"0\r\nx-t: 1\r\n\r\n",
             b"0\r\ncontent-length: 5\r\n\r\n",
             b"0\r\ntransfer-encoding: chunked\r\n\r\n", b"0\r\nbad\r\n\r\n", b"0\r\n fold\r\n\r\n",
             b"0\r\nx-t : 1\r\n\r\n",
             b"0\r\nhost: z\r\n\r\n", b"0\r\n", b"0\n\r\n", b"0\n\n", b"0\r\n\n", b"0 \r\n\r\n",
             b"0\r\nx-t: a\nb\r\n\r\n",
             b"0\r\nx-t: \0\r\n\r\n", b"0\r\n: v\r\n\r\n",
             b"0\r\nx-t: " + b"t" * 9000 + b"\r\n\r\n", b"0\r\r\n\r\n",
             b"0\r\nx-t: 1\r\n y\r\n\r\n", b"0x0\r\n\r\n", b"000000000000000000000\r\n\r\n",
             b"0\r\nx\x80: v\r\n\r\n",
             b"0\r\n\r\r\n", b"0\r\nx-t: 1\n\r\n", b"0\r\nGET / HTTP/1.1\r\n\r\n"]
NEXT = [b"GET /next HTTP/1.1\r\nhost: h\r\n\r\n"]
ODD_NEXT = [b"", b"\r\nGET /next HTTP/1.1\r\nhost: h\r\n\r\n",
            b"\r\n\r\nGET /next HTTP/1.1\r\nhost: h\r\n\r\n",
            b"\nGET /next HTTP/1.1\r\nhost: h\r\n\r\n", b" GET /next HTTP/1.1\r\nhost: h\r\n\r\n",
            b"\r\n", b"junk", b"\0"]
INNER = b"GET /inner HTTP/1.1\r\nhost: h\r\n\r\n"
BODIES = [b"hello", b"", b"x" * 40, INNER, b"0\r\n\r\n" + INNER, b"5\r\nhello\r\n0\r\n\r\n",
          b"\r\n", b"a\r\nb\0c"]


def _length_value(random, size, share):
    if random.random() >= share:
        return b"%d" % size
    form = random.choice(ODD_LENGTHS)
    return form.replace(b"%d", b"%d" % size)


def _coded(random, body, share):
    out, at = b"", 0
    while at < len(body):
        piece = body[at:at + random.randrange(1, 20)]
        at += len(piece)
        out += pick(random, CHUNKS, ODD_CHUNKS, share) % {b"x": b"%x" % len(piece), b"s": piece}
    return out + pick(random, LASTS, ODD_LASTS, share)


def framed(random, body, share,
           framings=("none", "length", "length", "chunked", "chunked", "both")):
    """Field lines that frame `body`, and the body so framed; each part odd with `share`."""
    framing = random.choice(framings)
    if framing == "none":
        return [], b"" if random.random() < 0.8 else body
    lines, sent = [], body
    if framing in ("chunked", "both"):
        sent = _coded(random, body, share)
        lines.append(pick(random, CODING_NAMES, ODD_CODING_NAMES, share)
                     + pick(random, CODINGS, ODD_CODINGS, share))
    if framing in ("length", "both"):
        size = len(random.choice((sent, body)))
        lines.append(pick(random, LENGTH_NAMES, ODD_LENGTH_NAMES, share)
                     + _length_value(random, size, share))
    random.shuffle(lines)
    return lines, sent


def make_request(random, share):
    """One request with its parts odd by `share` each, and what may follow it."""
    lines, body = framed(random, random.choice(BODIES), share)
    lines.append(pick(random, HOSTS, ODD_HOSTS, share))
    lines += [pick(random, FIELDS, ODD_FIELDS, share) for _ in range(random.randrange(3))]
    random.shuffle(lines)
    start = (pick(random, METHODS, ODD_METHODS, share) + pick(random, SPACES, ODD_SPACES, share / 3)
             + pick(random, TARGETS, ODD_TARGETS, share) + pick(random, SPACES, ODD_SPACES,
                                                                share / 3)
             + pick(random, VERSIONS, ODD_VERSIONS, share))
    head = b"".join(line + pick(random, ENDS, ODD_ENDS, share / 3)
                    for line in [start] + [line for line in lines if line])
    return (head + pick(random, ENDS, ODD_ENDS, share / 3) + body
            + pick(random, NEXT, ODD_NEXT, share))


def make_case(random):
    """Bytes for a parser of requests."""
    share = random.choice((0.01, 0.03, 0.08))
    data = make_request(random, share)
    return mutate(random, data, HTTP_WORDS) if random.random() < 0.25 else data
