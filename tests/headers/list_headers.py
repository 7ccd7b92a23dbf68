"""list_headers.py INCLUDE [SRC]: prints the headers below INCLUDE, one a line.

Without those that a source below SRC includes before anything else: compiled, it proves the same.
"""

import re
import sys
from pathlib import Path

FIRST = re.compile(r"^#include [<\"](.*)[>\"]", re.MULTILINE)

include = Path(sys.argv[1])
headers = {path.relative_to(include).as_posix() for path in include.rglob("*.h")}
for folder in sys.argv[2:]:
    for source in Path(folder).rglob("*.cc"):
        if first := FIRST.search(source.read_text()):
            headers.discard(first[1])
print("\n".join(sorted(headers)))
