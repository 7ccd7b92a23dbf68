"""Request bodies from a seed: JSON as clients send it, and all that is nearly JSON."""

from mutation import JSON_WORDS, mutate, pick

USUAL = [b'"model":"m"', b'"messages":[{"role":"user","content":"hi"}]', b'"stream":false',
         b'"max_tokens":16', b'"n":1',
         b'"user":"u-1"', b'"temperature":0.5', b'"stream":true', b'"tools":[]',
         b'"prompt_cache_key":"k"',
         b'"max_completion_tokens":7', b'"stream_options":{"include_usage":true}',
         b'"x":{"y":[1,2,{"z":null}]}']
NAMES = [b"model", b"stream", b"max_tokens", b"max_completion_tokens", b"max_output_tokens", b"n",
         b"user",
         b"prompt_cache_key", b"stream_options", b"x", b"Model", b"mod\\u0065l", b"stre\\u0061m",
         b"\\u006e", b"us\\u0065r",
         b"model ", b"", b"model\\u0000", b"m\xc3\xb6del", b"\\ud83d\\ude00", b"__proto__",
         b"user\\/", b"\\u006D\\u006fdel"]
VALUES = [b'"m"', b"true", b"false", b"null", b"1", b"0", b"[]", b"{}", b'""']
ODD_VALUES = [
    b"-0", b"-1", b"1.0", b"1e2", b"1E+2", b"01", b"+1", b".5", b"5.", b"0x1", b"1_000",
    b"18446744073709551615",
    b"18446744073709551616", b"9007199254740993", b"1e400", b"NaN", b"Infinity", b"-Infinity",
    b"nul", b"True", b"'m'",
    b'"\\u006d"', b'"\\ud83d\\ude00"', b'"\\ud800"', b'"\\udc00"', b'"\\ud800x"', b'"\\uD83D"',
    b'"\\u12"', b'"\\x41"', b'"\\\'"',
    b'"\\/"', b'"a\\nb"', b'"a\nb"', b'"a\tb"', b'"a\0b"', b'"\\u0000"', b'"\x7f"', b'"\xc3\xa4"',
    b'"\xff"', b'"\xc3"', b'"\xed\xa0\x80"',
    b'"\xc0\xaf"', b'"\xf4\x90\x80\x80"', b'"\xe2\x80\xa8"', b'"\xef\xbf\xbf"', b"[1,]",
    b'{"a":1,}', b"[,1]", b'{"a":1 "b":2}', b"[1 2]",
    b'{"include_usage":true}', b'{"include_usage":1}',
    b'{"include_usage":false,"include_usage":true}', b'{"include_usage":null}',
    b'{"include_us\\u0061ge":true}', b"/* c */ 1", b"1 // c", b'{a:1}', b'{"a"}', b'{"a":}',
    b"undefined", b'"' + b"m" * 600 + b'"',
    b"[" * 100 + b"]" * 100, b"[" * 127 + b"]" * 127, b"[" * 200 + b"]" * 200,
    b"[" * 1200 + b"]" * 1200,
    b'{"a":' * 120 + b"1" + b"}" * 120, b"1" * 400, b"1." + b"0" * 400, b'"\\', b'"', b"[", b"{"]
FRAMES = [b"{%s}"]
ODD_FRAMES = [b" \r\n\t{%s}\n", b"\xef\xbb\xbf{%s}", b"{%s}}", b"{%s} x", b"[{%s}]", b"{%s", b"%s}",
              b"{%s,}", b"{,%s}", b"{%s}\0", b"\0{%s}",
              b"{%s}{%s}", b"\x0c{%s}", b"{%s}\x0b", b"{%s}\xc2\xa0", b"\xff\xfe{%s}", b"{%s}//",
              b"{%s}\r\n\r\n", b"'%s'", b"\"%s\"", b"",
              b"1", b"null", b"{}", b"[]", b"{ %s }"]
COMMAS = [b","]
ODD_COMMAS = [b" , ", b",,", b"", b";", b",\n", b"\xc2\xa0,", b",\x0b"]
COLONS = [b":"]
ODD_COLONS = [b" : ", b"::", b"", b"=", b"\n:\t"]


def make_case(random):
    """One body."""
    share = random.choice((0.02, 0.05, 0.15))
    members = [USUAL[0]] + random.sample(USUAL[1:], random.randrange(4))
    for _ in range(random.choice((0, 0, 1, 1, 2))):
        members.append(b'"' + random.choice(NAMES) + b'"' + pick(random, COLONS, ODD_COLONS, share)
                       + pick(random, VALUES, ODD_VALUES, 0.5))
    random.shuffle(members)
    text = members[0]
    for member in members[1:]:
        text += pick(random, COMMAS, ODD_COMMAS, share) + member
    data = pick(random, FRAMES, ODD_FRAMES, share).replace(b"%s", text)
    if random.random() < 0.05:
        data = data.decode("latin-1").encode(random.choice(("utf-16-le", "utf-16", "utf-32-be")))
    return mutate(random, data, JSON_WORDS) if random.random() < 0.3 else data
