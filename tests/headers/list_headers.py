"""Prints the headers below a folder, one a line."""

import sys
from pathlib import Path

root = Path(sys.argv[1])
print("\n".join(sorted(path.relative_to(root).as_posix() for path in root.rglob("*.h"))))
