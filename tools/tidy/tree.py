"""The repository as tidy sees it: its files, their text, and the exceptions they ask for."""

import functools
import os
import re
from dataclasses import dataclass
from pathlib import Path

import cpp_text

SKIPPED_FOLDERS = re.compile(r"^(?:\.(?!ci$).*|build.*|node_modules|__pycache__|corpus)$")
CPP_SUFFIXES = (".h", ".cc")
ALLOW = re.compile(r"(?://|#|<!--)\s*tidy:\s*allow\(([\w-]+)\)\s*(\S.*)?")


@dataclass(frozen=True, order=True)
class Finding:
    """One broken rule: where, which, and what to do."""
    path: str
    line: int
    rule: str
    message: str

    def __str__(self):
        return f"{self.path}:{self.line}: {self.message} [{self.rule}]"


class Source:
    """One text file. `path` is relative to the root, with forward slashes."""

    def __init__(self, root, path):
        self.path = path
        self._file = Path(root) / path

    @functools.cached_property
    def text(self):
        return self._file.read_text(encoding="utf-8", errors="replace")

    @functools.cached_property
    def lines(self):
        return self.text.split("\n")

    @functools.cached_property
    def line_count(self):
        return len(self.lines) - (1 if self.text.endswith("\n") else 0)

    @functools.cached_property
    def code(self):
        """Comments and strings blanked out; the text itself for what is not C++."""
        return cpp_text.blank_comments_and_strings(self.text) if self.is_cpp else self.text

    @property
    def is_cpp(self):
        return self.path.endswith(CPP_SUFFIXES)

    @property
    def folder(self):
        return os.path.dirname(self.path)

    @property
    def name(self):
        return os.path.basename(self.path)

    @functools.cached_property
    def is_script(self):
        """A script of ours: Python or shell, by suffix or by its first line."""
        if self.path.endswith((".py", ".sh")):
            return True
        return "." not in self.name and self.lines[0].startswith("#!")

    def line_of(self, offset):
        return self.text.count("\n", 0, offset) + 1

    @functools.cached_property
    def _allowed(self):
        """(line, rule) pairs that an exception covers: its own line and the one below."""
        pairs = set()
        for number, line in enumerate(self.lines, 1):
            if (match := ALLOW.search(line)) and match.group(2):
                pairs |= {(number, match.group(1)), (number + 1, match.group(1))}
        return pairs

    def allows(self, line, rule):
        return (line, rule) in self._allowed

    def allows_without_reason(self):
        return [number for number, line in enumerate(self.lines, 1)
                if (match := ALLOW.search(line)) and not match.group(2)]


class Tree:
    """All text files under `root`, build folders and dot folders left out."""

    def __init__(self, root, rules):
        self.root = Path(root)
        self.rules = rules  # The parsed layers.toml.
        self.sources = [Source(root, path) for path in sorted(self._walk())]
        self.by_path = {source.path: source for source in self.sources}

    def _walk(self):
        for folder, folders, files in os.walk(self.root):
            folders[:] = [name for name in folders if not SKIPPED_FOLDERS.match(name)]
            for name in files:
                path = Path(folder) / name
                # In a second working tree .git is a file.
                if name == ".git":
                    continue
                if path.is_symlink() or b"\0" in path.read_bytes()[:4096]:
                    continue
                yield path.relative_to(self.root).as_posix()

    @property
    def cpp(self):
        return [source for source in self.sources if source.is_cpp]

    @property
    def modules(self):
        return self.rules.get("modules", {})

    def built_modules(self):
        """The folders of src/ that hold a meson.build, in layer order."""
        folders = {source.path.split("/")[1] for source in self.sources
                   if re.fullmatch(r"src/\w+/(?:meson\.build|.*\.cc)", source.path)}
        known = [name for name in self.modules if name in folders]
        return known + sorted(folders - set(known))

    def module_of(self, path):
        """The module whose contract or mechanism `path` is; None outside src/ and include/."""
        match = re.match(r"(?:src|include/sluice)/(\w+)/", path)
        return match.group(1) if match else None

    def guest_of(self, path):
        """The module whose private headers a unit test or micro bench at `path` may see."""
        match = re.match(r"(?:tests/unit|bench/micro)/(\w+)/", path)
        return match.group(1) if match and match.group(1) in self.modules else None

    def in_any(self, path, places):
        """Whether `path` lies in one of `places`: module names, path prefixes, "data-path"."""
        module = self.module_of(path)
        data_path = self.rules.get("data_path", {}).get("modules", [])
        for place in places:
            if place == "data-path":
                if module in data_path:
                    return True
            elif place in self.modules:
                if module == place:
                    return True
            elif path.startswith(place):
                return True
        return False
