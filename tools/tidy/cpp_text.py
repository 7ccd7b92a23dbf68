"""C++ source as text: comments and strings blanked out, functions measured by their braces."""

import re
from dataclasses import dataclass

RAW_STRING = re.compile(r'(?:u8|u|U|L)?R"([^()\\\s]{0,16})\(')


def _blank(text):
    """Same length, same lines, nothing else left."""
    return re.sub(r"[^\n]", " ", text)


def _string_end(text, start, quote):
    """The index after the literal that opens at `start`; the line's end when it never closes."""
    index = start + 1
    while index < len(text):
        char = text[index]
        if char == "\\":
            index += 2
            continue
        if char == quote:
            return index + 1
        if char == "\n":
            return index
        index += 1
    return len(text)


def _is_digit_separator(text, index):
    """Whether the apostrophe at `index` stands inside a number such as 1'000."""
    word = re.search(r"[\w.']*$", text[max(0, index - 64):index]).group()
    return bool(re.match(r"\d", word)) and index + 1 < len(text) and text[index + 1].isalnum()


def _include_spelling(text, index):
    """Whether the quote at `index` opens the name of an #include, which must stay readable."""
    line = text[text.rfind("\n", 0, index) + 1:index]
    return re.match(r"\s*#\s*include\s*$", line) is not None


def blank_comments_and_strings(text):
    """`text` with comments and literals replaced by spaces; offsets and lines stay the same."""
    out = []
    index = 0
    while index < len(text):
        char = text[index]
        end = index + 1
        keep = False
        if text.startswith("//", index):
            end = text.find("\n", index)
            while end > 0 and text[end - 1] == "\\":
                end = text.find("\n", end + 1)
            end = len(text) if end < 0 else end
        elif text.startswith("/*", index):
            end = text.find("*/", index + 2)
            end = len(text) if end < 0 else end + 2
        elif char in 'uULR"' and (raw := RAW_STRING.match(text, index)) and not (
                index > 0 and (text[index - 1].isalnum() or text[index - 1] == "_")):
            closing = f'){raw.group(1)}"'
            end = text.find(closing, raw.end())
            end = len(text) if end < 0 else end + len(closing)
        elif char == '"':
            keep = _include_spelling(text, index)
            end = _string_end(text, index, '"')
        elif char == "'" and not _is_digit_separator(text, index):
            end = _string_end(text, index, "'")
        else:
            keep = True
        out.append(text[index:end] if keep else _blank(text[index:end]))
        index = end
    return "".join(out)


def blank_preprocessor(code):
    """Directives and every branch but the first of a conditional, so that braces stay paired."""
    out = []
    dead_depth = 0  # How deep inside a skipped branch the line stands; 0 is live code.
    continued = False
    for line in code.split("\n"):
        directive = re.match(r"\s*#\s*(\w+)", line)
        is_directive = continued or directive is not None
        if directive and not continued:
            word = directive.group(1)
            if dead_depth > 0:
                if word in ("if", "ifdef", "ifndef"):
                    dead_depth += 1
                elif word == "endif":
                    dead_depth -= 1
            elif word in ("else", "elif", "elifdef", "elifndef"):
                dead_depth = 1
        continued = is_directive and line.endswith("\\")
        out.append(_blank(line) if is_directive or dead_depth > 0 else line)
    return "\n".join(out)


@dataclass(frozen=True)
class Function:
    """One function definition, from the first line of its signature to its closing brace."""
    name: str
    first_line: int
    last_line: int

    @property
    def lines(self):
        return self.last_line - self.first_line + 1


ACCESS_LABEL = re.compile(r"^\s*(?:(?:public|private|protected)\s*:\s*)+")
TEMPLATE_HEAD = re.compile(r"^\s*template\s*<")
TYPE_WORD = re.compile(r"^(?:typedef\s+|inline\s+|constexpr\s+|static\s+|const\s+)*"
                       r"(?:class|struct|union|enum)\b")
ATTRIBUTE = re.compile(r"\[\[.*?\]\]|"
                       r"\b(?:alignas|__attribute__|requires)\s*\((?:[^()]|\([^()]*\))*\)", re.S)
LAMBDA = re.compile(r"=\s*\[[^\[\]]*\]\s*(?:<[^{}]*>\s*)?(?:\(|mutable|noexcept|->|$)", re.S)


def _strip_template(header):
    """The header without its `template <...>` prefixes."""
    while TEMPLATE_HEAD.match(header):
        angles = parens = 0
        for index in range(header.index("<"), len(header)):
            char = header[index]
            parens += (char in "([{") - (char in ")]}")
            if parens == 0 and char == "<":
                angles += 1
            elif parens == 0 and char == ">" and header[index - 1] != "-":
                angles -= 1
                if angles == 0:
                    break
        else:
            return header
        header = header[index + 1:]
    return header


def _top_level(header):
    """The header with everything inside (), [] and {} taken out, the brackets kept."""
    out = []
    depth = 0
    for char in header:
        if char in ")]}":
            depth -= 1
        if depth <= 0:
            out.append(char)
        if char in "([{":
            depth += 1
    return "".join(out)


def _is_member_initialiser(flat):
    """Whether a brace after this signature opens `: a_{...}` and not the body."""
    parens = flat.find(")")
    if parens < 0 or re.search(r"(?<!:):(?!:)", flat[parens:]) is None:
        return False
    return flat.rstrip()[-1] not in ")}"


def classify(header):
    """What the brace after `header` opens: 'scope', 'type', 'function' or 'value'."""
    text = ATTRIBUTE.sub(" ", ACCESS_LABEL.sub("", header))
    text = _strip_template(text).strip()
    if re.match(r"(?:inline\s+)?namespace\b", text) or text == "extern":
        return "scope"
    if LAMBDA.search(text):
        return "function"
    flat = _top_level(re.sub(r"\boperator\s*(?:\(\s*\)|[^\s\w(]+)", "operator_", text))
    is_function = "(" in flat and not re.search(r"(?<![=!<>])=(?!=)", flat)
    if TYPE_WORD.match(text):
        # `struct X* make() {` returns one; `class X : Base<int(int)> {` declares one.
        head = re.split(r"(?<!:):(?!:)", flat)[0]
        return "function" if is_function and "(" in head else "type"
    if not is_function:
        return "value"
    return "value" if _is_member_initialiser(flat) else "function"


def _name(header):
    """The function's name as a reader would say it."""
    text = _strip_template(ATTRIBUTE.sub(" ", ACCESS_LABEL.sub("", header)))
    test = re.match(r"\s*(TEST\w*|TYPED_TEST\w*|BENCHMARK\w*)\s*\(([^()]*)\)", text)
    if test:
        return ".".join(part.strip() for part in test.group(2).split(","))
    named = re.search(r"([~\w:]*operator\s*(?:\(\s*\)|[^\s\w(]+|[\w ]+)|[~\w:]+)\s*\(", text)
    if named is None:
        named = re.search(r"(\w+)\s*=\s*\[", text)
    return named.group(1).strip() if named else "a function"


def _skip_braces(code, index):
    """The index after the brace pair that opens at `index`."""
    depth = 0
    for match in re.compile(r"[{}]").finditer(code, index):
        depth += 1 if match.group() == "{" else -1
        if depth == 0:
            return match.end()
    return len(code)


def functions(text):
    """Every function of a source file; what stands inside a function counts as part of it."""
    code = blank_preprocessor(blank_comments_and_strings(text))
    found = []
    start = 0  # Where the present declaration begins.
    parens = 0
    index = 0
    while index < len(code):
        char = code[index]
        if char in "([":
            parens += 1
        elif char in ")]":
            parens -= 1
        elif char == ";" and parens <= 0 or char == "}":
            start, parens = index + 1, 0
        elif char == "{":
            header = code[start:index]
            kind = "value" if parens > 0 else classify(header)
            if kind in ("function", "value"):
                end = _skip_braces(code, index)
                if kind == "function":
                    label = ACCESS_LABEL.match(header)
                    begin = start + (label.end() if label else 0)
                    begin += len(code[begin:index]) - len(code[begin:index].lstrip())
                    found.append(Function(_name(header), code.count("\n", 0, begin) + 1,
                                          code.count("\n", 0, end) + 1))
                    start, parens = end, 0
                index = end
                continue
            start, parens = index + 1, 0
        index += 1
    return found
