"""Runs the compiler command in its arguments: a test program must be one file, that is a list."""

import subprocess
import sys

sys.exit(subprocess.call(sys.argv[1:]))
