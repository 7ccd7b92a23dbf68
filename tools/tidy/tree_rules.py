"""Rules on the tree as a whole: targets, modules and their READMEs, docs."""

import os
import re

from tree import Finding

ARCHITECTURE = "docs/ARCHITECTURE.md"
BEGIN, END = "<!-- modules: begin -->", "<!-- modules: end -->"
LINK = re.compile(r"!?\[[^\]\n]*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
CODE_PATH = re.compile(r"`((?:bench|configs|docs|include|src|tests|tools)/[\w./-]*[\w/])`")


def targets(tree):
    """Every source is built: some meson.build at or above it names it."""
    builds = {source.folder: source for source in tree.sources if source.name == "meson.build"}
    for source in tree.cpp:
        if not source.path.endswith(".cc") or not source.path.startswith(
                ("src/", "tests/", "bench/", "tools/")):
            continue
        folder = source.folder
        named = False
        while not named:
            if folder in builds:
                path = os.path.relpath(source.path, folder or ".")
                named = _names_file(builds[folder].text, path)
            if not folder:
                break
            folder = os.path.dirname(folder)
        if not named:
            yield Finding(source.path, 1, "target",
                          f"no target uses it; name it in {source.folder}/meson.build or delete it")


def _names_file(build, path):
    """Whether a build file names `path`, in full or as 'x' beside the suffix '_fuzz.cc'."""
    build = re.sub(r"#.*", "", build)
    if f"'{path}'" in build:
        return True
    stem = re.fullmatch(r"(.+?)(_(?:test|fuzz|bench))?\.cc", path)
    suffix = f"{stem.group(2) or ''}.cc"
    return f"'{stem.group(1)}'" in build and f"'{suffix}'" in build


def module_table(tree):
    """The lines that docs/ARCHITECTURE.md holds between its two markers."""
    built = tree.built_modules()
    out = ["| layer | module | responsibility | may include |", "|---|---|---|---|"]
    for name in built:
        module = tree.modules.get(name)
        if module is None:
            continue
        may = list(module["may_include"])
        without = module.get("may_not_include", [])
        text = ", ".join(may) if may else "nothing"
        text += f", not {', '.join(without)}" if without else ""
        out.append(f"| {module['layer']} | `{name}` | {module['duty']} | {text} |")
    planned = [name for name in tree.modules if name not in built]
    if planned:
        out += ["", "Not built yet: " + ", ".join(f"`{name}`" for name in planned) + "."]
    return out


def _marked(lines):
    """The first and last index between the markers; None when they are missing."""
    if BEGIN not in lines or END not in lines:
        return None
    return lines.index(BEGIN) + 1, lines.index(END)


def modules(tree):
    """layers.toml, the folders of src/ and the table of docs/ARCHITECTURE.md agree."""
    for name in tree.built_modules():
        if name not in tree.modules:
            yield Finding(f"src/{name}", 1, "module-table",
                          "the module is not in tools/tidy/layers.toml; add its layer and duty")
    for source in tree.sources:
        match = re.match(r"include/sluice/(\w+)/", source.path)
        if match and match.group(1) not in tree.modules:
            yield Finding(source.path, 1, "module-table",
                          f"no module {match.group(1)} in tools/tidy/layers.toml")
    page = tree.by_path.get(ARCHITECTURE)
    if page is None:
        yield Finding(ARCHITECTURE, 1, "module-table", "the page is missing")
        return
    span = _marked(page.lines)
    if span is None:
        yield Finding(ARCHITECTURE, 1, "module-table", f"the markers {BEGIN} and {END} are missing")
    elif page.lines[span[0]:span[1]] != module_table(tree):
        yield Finding(ARCHITECTURE, span[0] + 1, "module-table",
                      "the table and the folders of src/ differ; run tools/tidy/tidy.py --write")


def write_module_table(tree):
    """Writes the module table into docs/ARCHITECTURE.md; returns whether the page changed."""
    page = tree.by_path[ARCHITECTURE]
    first, last = _marked(page.lines)
    lines = page.lines[:first] + module_table(tree) + page.lines[last:]
    (tree.root / ARCHITECTURE).write_text("\n".join(lines), encoding="utf-8")
    return lines != page.lines


def readmes(tree):
    """Each module says in a few lines what it is for."""
    shortest, longest = tree.rules["caps"]["readme_lines"]
    for name in tree.built_modules():
        path = f"src/{name}/README.md"
        readme = tree.by_path.get(path)
        if readme is None:
            yield Finding(path, 1, "readme", "missing; say purpose, may use, may be used by, traps")
        elif not shortest <= readme.line_count <= longest:
            yield Finding(path, 1, "readme",
                          f"{readme.line_count} lines; keep it within {shortest} to {longest}")


def _anchors(text):
    """The anchors of a page's headings, as its renderers make them."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    found = set()
    for heading in re.findall(r"^#+\s+(.*?)\s*#*$", text, re.M):
        heading = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading.lower()))
        found.add(heading.strip().replace(" ", "-"))
    return found


def _exists(tree, path):
    return (tree.root / path).exists()


def links(tree):
    """What the docs point at exists: links, their anchors, and paths in backticks."""
    for page in tree.sources:
        if not page.path.endswith(".md"):
            continue
        prose = re.sub(r"^```.*?^```", lambda m: re.sub(r"[^\n]", " ", m.group()), page.text,
                       flags=re.M | re.S)
        for match in LINK.finditer(prose):
            target, _, anchor = match.group(1).partition("#")
            if re.match(r"[a-z][a-z+.-]*:", target):
                continue
            path = os.path.normpath(os.path.join(page.folder, target)) if target else page.path
            line = page.line_of(match.start())
            if path.startswith("..") or not _exists(tree, path):
                yield Finding(page.path, line, "link", f"{match.group(1)} does not exist")
            elif anchor and path in tree.by_path and path.endswith(".md") and (
                    anchor not in _anchors(tree.by_path[path].text)):
                yield Finding(page.path, line, "link", f"{path} has no heading #{anchor}")
        for match in CODE_PATH.finditer(prose):
            if not _exists(tree, match.group(1)):
                yield Finding(page.path, page.line_of(match.start()), "link",
                              f"{match.group(1)} does not exist")


# What looks like a key's text, or an option that would take one, in an example of our programs.
SECRET_ARGUMENT = re.compile(
    r"^\s*(?:\$ )?(?:\S*/)?(?:sluice|sluicectl|sluice-sim)\b[^\n]*?"
    r"(?:\bsk-\w|--?(?:key|secret|password|token)[= ])", re.M)


def secret_arguments(tree):
    """No example puts a secret on a command line, where every user of the machine can read it."""
    for page in tree.sources:
        if not page.path.endswith(".md"):
            continue
        for match in SECRET_ARGUMENT.finditer(page.text):
            yield Finding(page.path, page.line_of(match.end()), "secret-argument",
                          "a secret on a command line; use env:// or file:// in the configuration")
