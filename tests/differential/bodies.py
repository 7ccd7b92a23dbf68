"""How our envelope reader, python's json and node's JSON.parse read a request body."""

import json
import re

from compare import Difference

TEXTS = ("model", "user", "prompt_cache_key")
COUNTS = ("max_tokens", "max_completion_tokens", "max_output_tokens", "n")
FLAGS = ("stream",)
MODEL_BYTES_MAX = 512
COUNT = re.compile(r"0|[1-9][0-9]*")


class Number(str):
    """A number as it is spelled."""


class Members(list):
    """An object with all its members, repeated ones too."""


def _refuse_constant(text):
    raise ValueError(f"{text} is no JSON")


def _load(text, **options):
    return json.loads(text, parse_int=Number, parse_float=Number, object_pairs_hook=Members,
                      **options)


def read_in_python(data):
    """A reading with `value`, as python's json has it; `extension` when it is not plain JSON."""
    try:
        return {"ok": True, "value": _load(data.decode(), parse_constant=_refuse_constant)}
    except RecursionError:
        return {"ok": False, "why": "RecursionError"}
    except ValueError:
        pass
    try:
        value = _load(data)
    except (ValueError, RecursionError) as error:
        return {"ok": False, "why": type(error).__name__}
    # What it takes beyond RFC 8259: NaN and Infinity, UTF-16 and UTF-32, a byte order mark.
    return {"ok": True, "value": value, "extension": True}


def _is_count(value):
    return isinstance(value, Number) and COUNT.fullmatch(value) and int(value) < 1 << 64


def _usage_faults(options):
    faults, seen = set(), False
    for name, value in options:
        if name != "include_usage":
            continue
        if seen:
            faults.add("stream_options.include_usage: given twice")
        seen = True
        if value is not None and not isinstance(value, bool):
            faults.add("stream_options.include_usage: not a boolean")
    return faults


def contract_faults(value):
    """All for which the contract of envelope_reader.h lets a JSON value be refused."""
    if not isinstance(value, Members):
        return {"the body is not a JSON object"}
    faults, seen = set(), set()
    for name, member in value:
        if name in seen and name in (*TEXTS, *COUNTS, *FLAGS, "stream_options"):
            faults.add(f"{name}: given twice")
        seen.add(name)
        is_text = isinstance(member, str) and not isinstance(member, Number)
        if name in TEXTS and not is_text and (member is not None or name == "model"):
            faults.add(f"{name}: not a string")
        if name == "model" and is_text:
            faults.add("model: too long")  # Judged as it is spelled, which is not known here.
        if name in COUNTS and member is not None and not _is_count(member):
            faults.add(f"{name}: not an unsigned integer")
        if name in FLAGS and not isinstance(member, bool) and member is not None:
            faults.add(f"{name}: not a boolean")
        if name == "stream_options" and isinstance(member, Members):
            faults |= _usage_faults(member)
        elif name == "stream_options" and member is not None:
            faults.add("stream_options: not an object")
    return faults if "model" in seen else faults | {"model: model is missing"}


def _text(reading, name):
    raw = bytes.fromhex(reading[name])
    if name == "model":
        return raw.decode("utf-8", "surrogatepass")
    return json.loads(b'"' + raw + b'"')


def _differing_field(ours, fields):
    """`fields` by name, as the other has them; absent and null are one."""
    for name in TEXTS:
        theirs = fields.get(name)
        if (theirs or "") != _text(ours, name):
            return name
    for name in COUNTS:
        theirs, mine = fields.get(name), ours[name]
        if (theirs is None) != (mine is None):
            return name
        if mine is not None and float(theirs) != float(mine):
            return name
    if bool(fields.get("stream")) != ours["stream"] or bool(fields.get("usage")) != ours["usage"]:
        return "stream"
    return None


def _fields_in_python(value):
    fields = dict(value)
    options = fields.get("stream_options")
    fields["usage"] = isinstance(options, Members) and dict(options).get("include_usage")
    return fields


def compare_bodies(ours, in_python, in_node):
    """All Differences over one body."""
    found = []
    for peer, theirs in (("python", in_python), ("node", in_node)):
        if ours["ok"] and not theirs["ok"]:
            found.append(Difference("body", peer, "accepts", f"refuses: {theirs['why']}"))
        elif not ours["ok"] and theirs["ok"]:
            why = ours["why"]
            value = in_python.get("value")
            if in_python["ok"] and ":" in why and why not in contract_faults(value):
                why = f"without a reason: {why}"
            what = "accepts as an extension" if theirs.get("extension") else "accepts"
            found.append(Difference("body", peer, f"refuses: {why}", what))
        elif ours["ok"]:
            fields = _fields_in_python(theirs["value"]) if peer == "python" else theirs
            name = _differing_field(ours, fields)
            if name:
                found.append(Difference("body", peer, f"differs in {name}", "accepts"))
    faults = contract_faults(in_python["value"]) if in_python["ok"] else set()
    if ours["ok"] and faults - {"model: too long"}:
        found.append(Difference("body", "python", f"accepts against {min(faults)}", "accepts"))
    return found
