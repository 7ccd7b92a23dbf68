"""Where two readings of the same bytes part, as a signature that many cases share.

A reading is `messages`, those that were whole, and `tail`: clean, closed, waits, refused, upgrade.
"""

import re
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Difference:
    """`ours` and `theirs` say what each did with the message at which they part."""
    kind: str    # request, answer, answer to HEAD or body.
    peer: str
    ours: str    # "accepts", "differs in X", "refuses: why" or "waits".
    theirs: str  # "accepts" or "refuses: why".
    oddities: tuple = field(default=(), compare=False)  # What is unusual in the message, by name.


def _lower(fields):
    return [[bytes.fromhex(name).decode("latin-1").lower(), value] for name, value in fields]


def _own_fields(fields):
    """Those of tests alone: proxies change others by right."""
    return sorted([name, value] for name, value in _lower(fields) if name.startswith("x-"))


def _first_difference(ours, theirs, is_proxy):
    """The name of the first thing in which two readings of one message differ, or None."""
    names = ["body", "method", "target", "code"]
    names += [] if is_proxy else ["minor", "keep"]
    for name in names:
        mine, other = ours.get(name), theirs.get(name)
        if is_proxy and name == "target" and other == ours["path"]:
            continue  # What reaches the origin is a path.
        if name in ours and name in theirs and mine != other:
            return name if name != "keep" else "keep-alive, ours " + ("yes" if mine else "no")
    compared = _own_fields if is_proxy else _lower
    if "fields" in theirs and compared(ours["fields"]) != compared(theirs["fields"]):
        return "fields"
    return None


def _refusal(reading):
    if reading["tail"] == "refused":
        return f"refuses: {reading['why']}"
    return {"waits": "waits", "upgrade": "upgrades"}.get(reading["tail"], "ends")


def compare(kind, peer, ours, theirs, data, is_proxy=False):
    """The Difference, or None. `theirs` may stop where `ours` says that the connection closes."""
    for index, mine in enumerate(ours["messages"]):
        if index >= len(theirs["messages"]):
            end = _refusal(theirs)
            if theirs["tail"] == "closed":
                return None  # A proxy may close after any answer.
            return Difference(kind, peer, "accepts", end, oddities_of(data, mine))
        what = _first_difference(mine, theirs["messages"][index], is_proxy)
        if what:
            return Difference(kind, peer, f"differs in {what}", "accepts", oddities_of(data, mine))
    if ours["tail"] == "closed" or len(theirs["messages"]) <= len(ours["messages"]):
        return None
    if ours["tail"] == "clean":
        return Difference(kind, peer, "ends", "accepts")
    return Difference(kind, peer, _refusal(ours), "accepts", oddities_of(data, None))


COMMON_METHODS = {b"GET", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"HEAD", b"TRACE",
                  b"PROPFIND", b"M-SEARCH"}
# By name, what is found in the bytes of one message.
PATTERNS = {
    "tab in a field value": rb"\r\n[^:\r\n]*:[^\r\n]*\t",
    "space behind a field value": rb"[ \t]\r\n",
    "unusual byte in a field name": rb"\r\n[^:\r\n]*[^A-Za-z0-9:\r\n-][^:\r\n]*:",
    "name like a framing field": rb"(?i)\r\n(?:content-length|transfer-encoding)[^:\r\n]+:",
    "framing field as a trailer": rb"(?i)\r\n0+[^\r\n]*\r\n(?:[^\r\n]+\r\n)*"
                                  rb"(?:content-length|transfer-encoding):",
    "chunk extension": rb"\r\n[0-9A-Fa-f]+[ \t]*;",
    "connection": rb"(?i)\r\nconnection:",
    "proxy-connection": rb"(?i)\r\nproxy-connection:",
    "upgrade": rb"(?i)\r\nupgrade:",
    "two dots in a host": rb"(?i)\r\nhost:[^\r\n]*\.\.",
    "long line": rb"[^\r\n]{8000}",
}


def oddities_of(data, message):
    """Names of what is unusual in a message that we accept, or in what is there of one (None)."""
    raw = data[message["begin"]:message["end"]] if message else data
    found = [name for name, pattern in PATTERNS.items() if re.search(pattern, raw)]
    if message is None:
        return tuple(found)
    if "method" not in message:
        return tuple(found + [f"status {message['code']}"])
    target = bytes.fromhex(message["target"])
    method = bytes.fromhex(message["method"])
    signs = {
        "unknown method": method not in COMMON_METHODS,
        "PRI": method == b"PRI",
        "target that is no path": not target.startswith(b"/"),
        "escape or dots in the target": b"%" in target or b"/." in target,
        "HTTP/1.0": message["minor"] == 0,
    }
    return tuple(found + [name for name, holds in signs.items() if holds])
