"""Rules on single files: includes, sizes, names."""

import fnmatch
import os
import re

import cpp_text
from tree import Finding

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', re.M)


def expand(names, modules):
    """Module names of a list in which "layers 0-4" stands for all modules of these layers."""
    out = set()
    for name in names:
        span = re.fullmatch(r"layers (\d)-(\d)", name)
        if span:
            first, last = int(span.group(1)), int(span.group(2))
            out |= {key for key, module in modules.items() if first <= module["layer"] <= last}
        else:
            out.add(name)
    return out


def may_include(tree, path):
    """The modules that the file may include; None where no table speaks of its folder."""
    modules, folders = tree.modules, tree.rules.get("folders", {})
    owner = tree.module_of(path)
    guest = tree.guest_of(path)
    if owner or guest:
        name = owner or guest
        if name not in modules:
            return None
        allowed = expand(modules[name]["may_include"], modules)
        allowed -= set(modules[name].get("may_not_include", []))
        if guest:
            allowed |= expand(folders.get("tests/support/", []), modules)
        return allowed | {name}
    fitting = [prefix for prefix in folders if path.startswith(prefix)]
    return expand(folders[max(fitting, key=len)], modules) if fitting else None


def _include_remedy(tree, path, target):
    """What to do instead of an include that the table refuses."""
    source = tree.modules.get(tree.module_of(path) or tree.guest_of(path))
    if source is None:
        return "tools and test support stay on the modules that layers.toml lists for them"
    if target not in tree.modules:
        return "no such module in tools/tidy/layers.toml"
    layers = source["layer"], tree.modules[target]["layer"]
    if layers[1] > layers[0]:
        return f"it stands above (layer {layers[1]} over {layers[0]}); take what it knows by value"
    if layers == (4, 4):
        return "meet in exchange"
    return "the table in tools/tidy/layers.toml does not list it; pass the data through a caller"


def includes(tree):
    """Modules include only what the table lists, and nobody's private headers."""
    private = {}
    for source in tree.cpp:
        if source.path.startswith("src/") and source.path.endswith(".h"):
            private.setdefault("/".join(source.path.split("/")[2:]), []).append(source.path)
    for source in tree.cpp:
        allowed = may_include(tree, source.path)
        who = tree.module_of(source.path) or tree.guest_of(source.path)
        who = who or "/".join(source.path.split("/")[:2])
        for match in INCLUDE.finditer(source.code):
            line, spelling = source.line_of(match.start(1)), match.group(2)
            public = re.match(r"sluice/(\w+)/", spelling)
            if public:
                target = public.group(1)
                if allowed is not None and target not in allowed:
                    yield Finding(source.path, line, "include",
                                  f"{who} may not include {target}; "
                                  f"{_include_remedy(tree, source.path, target)}")
                if match.group(1) == '"':
                    yield Finding(source.path, line, "include",
                                  f"public headers are included with <{spelling}>")
                continue
            hidden = _private_header(tree, source, spelling, private)
            if hidden:
                yield Finding(source.path, line, "private-header",
                              f"{who} may not see {hidden}, a private header; move what is shared "
                              "into include/sluice/, or ask its module")


def _private_header(tree, source, spelling, private):
    """The path of another module's private header that this include reaches, if any."""
    mine = tree.module_of(source.path) or tree.guest_of(source.path)
    beside = os.path.normpath(os.path.join(source.folder, spelling))
    if beside in tree.by_path:
        reached = [beside]
    elif spelling.startswith("src/") or "/src/" in spelling:
        reached = [spelling[spelling.index("src/"):]]
    else:
        reached = private.get(spelling, [])
    owners = {tree.module_of(path) for path in reached if path.startswith("src/")}
    if not owners or mine in owners:
        return None
    return reached[0]


def third_party(tree):
    """A library's headers are seen by the one module that owns it."""
    libraries = tree.rules.get("third_party", [])
    for source in tree.cpp:
        guest = tree.guest_of(source.path)
        for match in INCLUDE.finditer(source.code):
            for library in libraries:
                if not match.group(2).startswith(tuple(library["headers"])):
                    continue
                owners = library["owners"]
                if tree.in_any(source.path, owners) or guest in owners:
                    continue
                yield Finding(source.path, source.line_of(match.start(1)), "third-party",
                              f"{match.group(2)} of {library['library']} belongs to "
                              f"{', '.join(owners)}; use that module's contract")


def sizes(tree):
    """Lines, functions and files stay short enough to be read in one go."""
    caps, exempt = tree.rules["caps"], tree.rules.get("long_files", {})
    for source in tree.sources:
        if not (source.is_cpp or source.is_script):
            continue
        for number, line in enumerate(source.lines, 1):
            if len(line) > caps["line_columns"]:
                yield Finding(source.path, number, "line-length",
                              f"{len(line)} columns; wrap at {caps['line_columns']}")
        cap = caps["header_lines"] if source.path.endswith(".h") else caps["source_lines"]
        if source.line_count > caps["file_lines"]:
            yield Finding(source.path, source.line_count, "file-length",
                          f"{source.line_count} lines; split it, {caps['file_lines']} is the cap")
        elif source.line_count > cap and not exempt.get(source.path):
            yield Finding(source.path, source.line_count, "file-length",
                          f"{source.line_count} lines; split it at {cap}, or give the reason in "
                          "tools/tidy/layers.toml [long_files]")
    for path in exempt:
        if path not in tree.by_path:
            yield Finding("tools/tidy/layers.toml", 1, "file-length",
                          f"[long_files] names {path}, which is gone; remove the line")


def function_length(tree):
    """Branch in the parent, compute in leaves: no function over the cap."""
    cap = tree.rules["caps"]["function_lines"]
    for source in tree.cpp:
        for function in cpp_text.functions(source.text):
            if function.lines > cap:
                yield Finding(source.path, function.first_line, "function-length",
                              f"{function.name} has {function.lines} lines; split it, "
                              f"{cap} is the cap")


def banned_names(tree):
    """Names that only some places may say."""
    for ban in tree.rules.get("banned", []):
        pattern = re.compile(ban["pattern"], re.M)
        for source in tree.sources:
            if not (source.is_cpp or (source.is_script and ban["rule"] == "sleep")):
                continue
            if "within" in ban and not tree.in_any(source.path, ban["within"]):
                continue
            if tree.in_any(source.path, ban.get("except", [])):
                continue
            text = source.text if ban.get("in_comments") else source.code
            for match in pattern.finditer(text):
                word = " ".join(match.group().split())[:60]
                yield Finding(source.path, source.line_of(match.start()), ban["rule"],
                              f"`{word}` may not stand here; {ban['remedy']}")


def banned_text(tree):
    """Words that stay out of every file of a kind, comments and prose included."""
    for ban in tree.rules.get("banned_text", []):
        pattern = re.compile(ban["pattern"])
        for source in tree.sources:
            if not any(fnmatch.fnmatch(source.name, kind) for kind in ban["files"]) and not (
                    source.is_script and "*.sh" in ban["files"]):
                continue
            for match in pattern.finditer(source.text):
                word = " ".join(match.group().split())[:60]
                yield Finding(source.path, source.line_of(match.start()), ban["rule"],
                              f"`{word}` may not stand here; {ban['remedy']}")


def file_names(tree):
    """A file is named after the one thing it holds."""
    banned = tree.rules.get("file_names", {}).get("banned", [])
    for source in tree.cpp:
        stem = source.name.rsplit(".", 1)[0]
        if set(stem.split("_")) & set(banned):
            yield Finding(source.path, 1, "file-name",
                          "says nothing of what it holds; name it after its one class or family")


def guards(tree):
    """A header may be included twice."""
    for source in tree.cpp:
        if source.name.endswith(".h") and "#pragma once" not in source.lines:
            yield Finding(source.path, 1, "guard",
                          "has no `#pragma once`; write it before the first include")


def reasons(tree):
    """An exception without a reason is none."""
    for source in tree.sources:
        if source.path.startswith("tools/tidy/"):
            continue
        for number in source.allows_without_reason():
            yield Finding(source.path, number, "allow", "give the reason after `tidy: allow(...)`")
