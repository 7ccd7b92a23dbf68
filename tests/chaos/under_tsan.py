"""Runs an integration test against a gateway that is built with ThreadSanitizer.

    SLUICE_BIN=build-tsan/src/app/sluice under_tsan.py NAME [ARGUMENT...]

Gateways run without their sandbox, so that the sanitizer can name functions, by which tsan.supp
leaves out what it cannot know. What it says stands in a gateway's output; each gateway is ended in
order, so that all of it is there. Exit status 1 when a race was found; tests that fail because a
gateway is slow so built are shown and do not count.
"""

import contextlib
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../integration"))

import support  # noqa: E402

MARK = b"WARNING: ThreadSanitizer"
SHOWN_BYTES = 8000
found = []


def read_rest(gateway):
    process = gateway.process
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=support.PATIENCE_S)
    if process.poll() is None:
        process.kill()
        process.wait()
    os.set_blocking(process.stdout.fileno(), False)
    with contextlib.suppress(BlockingIOError):
        while piece := os.read(process.stdout.fileno(), 65536):
            gateway.output += piece


class Watched(support.Gateway):
    def __init__(self, config, *more, **named):
        if "sandbox:" not in config:
            config += "\nsandbox: off\n"
        super().__init__(config, *more, **named)

    def close(self):
        read_rest(self)
        if MARK in self.output:
            begin = self.output.index(MARK)
            found.append(self.output[begin:begin + SHOWN_BYTES].decode("utf-8", "replace"))
        super().close()


def main():
    name = sys.argv.pop(1)
    support.Gateway = Watched
    outcome = unittest.main(f"{name}_test", exit=False, verbosity=0).result
    for text in found[:3]:
        print(text)
    failed = len(outcome.failures) + len(outcome.errors)
    print(f"{name}: {outcome.testsRun} tests, {failed} failed, "
          f"{len(found)} gateways with races")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
