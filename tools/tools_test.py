#!/usr/bin/python3
"""The commands of tools/ against stand-ins: what is installed, and how results are counted."""

import importlib.machinery
import json
import os
import shutil
import subprocess
import sys
import tempfile
import types
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent


def write(path, text, mode=0o644):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)


class CountTests(unittest.TestCase):
    """tools/count_tests.py on logs as Meson and GoogleTest write them."""

    GOOD = "[       OK ] A.b (0 ms)"
    BAD = "[  FAILED  ] A.c, where GetParam() = 1 (12 ms)"
    SKIPPED = "[  SKIPPED ] A.d (0 ms)"

    def count(self, *tests, status=0):
        """`tests` are (result, lines of a GoogleTest program or None)."""
        with tempfile.TemporaryDirectory() as folder:
            lines = []
            for result, cases in tests:
                stdout = "all good\n[       OK ] in prose\n"
                if cases is not None:
                    stdout = "\n".join(["[==========] Running 3 tests from 1 test suite.", *cases,
                                       "[  PASSED  ] 2 tests.", "[  FAILED  ] 1 test, listed:",
                                       "[  FAILED  ] A.c"])
                lines.append(json.dumps({"name": "sluice:unit / base", "result": result,
                                         "stdout": stdout}))
            write(Path(folder) / "meson-logs/testlog.json", "\n".join(lines))
            return self.run_count(folder, status)

    def run_count(self, folder, status):
        return self.lines_of(folder, status)[0]

    def lines_of(self, folder, status):
        out = subprocess.run([sys.executable, HERE / "count_tests.py", folder, str(status)],
                             capture_output=True, text=True, check=True)
        return out.stdout.splitlines()

    def test_what_failed_is_named_with_its_reason_in_a_line_each(self):
        unittest_says = ("a line of progress\n" * 50 +
                         "ERROR: test_reads (__main__.Slow.test_reads)\n"
                         "Traceback (most recent call last):\n  File x, line 1, in test_reads\n"
                         f"EOFError: {'x' * 5_000}\n\nRan 2 tests in 1 s\n\nFAILED (errors=1)\n")
        tests = [{"name": "good", "result": "OK", "stdout": self.BAD},
                 {"name": "left out", "result": "SKIP", "stdout": ""},
                 {"name": "slow", "result": "FAIL", "stderr": unittest_says},
                 {"name": "unit", "result": "FAIL", "stdout": f"{self.GOOD}\n{self.BAD}\n"},
                 {"name": "leaky", "result": "FAIL", "stdout": "==7==ERROR: LeakSanitizer: lost\n"},
                 {"name": "late", "result": "TIMEOUT", "stdout": "begins\ngoes on\n\n"}]
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder) / "meson-logs/testlog.json", "\n".join(map(json.dumps, tests)))
            lines = self.lines_of(folder, 4)[1:]
        self.assertEqual([line.split(":")[0] for line in lines], ["slow", "unit", "leaky", "late"])
        self.assertIn("ERROR: test_reads (__main__.Slow.test_reads); EOFError: xxx", lines[0])
        self.assertLess(len(lines[0]), 300)
        self.assertEqual(lines[1], f"unit: FAIL: {self.BAD}")
        self.assertEqual(lines[2], "leaky: FAIL: ==7==ERROR: LeakSanitizer: lost")
        self.assertEqual(lines[3], "late: TIMEOUT: goes on")

    def test_programs_count_once_and_google_tests_with_their_cases(self):
        self.assertEqual(
            self.count(("OK", None), ("OK", [self.GOOD] * 5), ("EXPECTEDFAIL", None)), "7 0")

    def test_failed_cases_and_programs(self):
        self.assertEqual(self.count(("FAIL", None), ("FAIL", [self.GOOD, self.BAD]), status=2),
                         "1 2")

    def test_crash_without_a_failed_case_is_a_failure(self):
        self.assertEqual(self.count(("ERROR", [self.GOOD]), status=1), "1 1")
        self.assertEqual(self.count(("TIMEOUT", None), status=1), "0 1")
        self.assertEqual(self.count(("TIMEOUT", []), status=1), "0 1")

    def test_node_tests_count_with_their_cases(self):
        def count(result, *lines, status=0):
            with tempfile.TemporaryDirectory() as folder:
                test = {"name": "sdk", "result": result,
                        "stdout": "\n".join(["added 1 package", "TAP version 13", *lines])}
                write(Path(folder) / "meson-logs/testlog.json", json.dumps(test))
                return self.run_count(folder, status)

        figures = ["    ok 1 - a", "# pass 5", "# fail 0", "# cancelled 0", "# skipped 3"]
        self.assertEqual(count("OK", *figures), "5 0")
        self.assertEqual(count("FAIL", "# pass 5", "# fail 2", "# cancelled 1", status=1), "5 3")
        self.assertEqual(count("TIMEOUT", "    ok 1 - a", status=1), "0 1")

    def test_skipped_is_neither(self):
        self.assertEqual(self.count(("OK", [self.GOOD, self.SKIPPED]), ("SKIP", None)), "1 0")

    def test_bad_status_without_a_failure_in_the_log_is_one(self):
        self.assertEqual(self.count(("OK", None), status=1), "1 1")

    def test_no_log_is_a_failure(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(self.run_count(folder, 0), "0 1")


class Fuzz(unittest.TestCase):
    """tools/fuzz on a build folder of stand-ins: a shell script is the target."""

    FOUND = """
for word; do case $word in -artifact_prefix=*) prefix=${word#*=} ;;
  -exact_artifact_path=*) echo small >"${word#*=}"; exit 0 ;; esac; done
echo "#7 NEW cov: 3 ft: 4 corp: 2/9b lim: 4 exec/s: 5 rss: 6Mb" >&2
echo broken >"${prefix}crash-1"
echo "the promise is broken" >&2
echo "==1== ERROR: libFuzzer: deadly signal" >&2
echo "artifact_prefix='x'; Test unit written to ${prefix}crash-1" >&2
echo "stat::number_of_executed_units: 9" >&2
exit 1"""
    GOOD = 'echo "stat::number_of_executed_units: 1234" >&2'

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = Path(scratch.name)
        write(self.root / "bin/ninja", "#!/bin/sh\nexit 0\n", 0o755)
        write(self.root / "tests/fuzz/targets.txt", "good: src/a.cc src/b.cc\nbad: src/c.cc\n")
        for name, script in (("good", self.GOOD), ("bad", self.FOUND)):
            write(self.root / f"tests/fuzz/fuzz_{name}", f"#!/bin/sh\n{script}\n", 0o755)

    def run_fuzz(self, *words):
        env = dict(os.environ, PATH=f"{self.root / 'bin'}:{os.environ['PATH']}")
        return subprocess.run([sys.executable, HERE / "fuzz", "--builddir", self.root,
                               "--no-coverage", "--minutes", "0.01", *words], env=env, text=True,
                              capture_output=True, check=False)

    def table(self):
        return json.loads((self.root / "fuzz/table.json").read_text(encoding="utf-8"))

    def test_totals_go_on_from_run_to_run(self):
        for runs in (1, 2):
            out = self.run_fuzz("good")
            self.assertEqual(out.returncode, 0, out.stderr)
            self.assertEqual(self.table()["good"]["executions"], runs * 1234)
        self.assertIn("2,468", out.stdout)
        self.assertNotIn("bad", self.table())

    def test_a_finding_is_minimised_and_told_with_its_replay(self):
        out = self.run_fuzz()
        self.assertEqual(out.returncode, 1, out.stderr)
        small = self.root.resolve() / "fuzz/found/bad-crash-1-small"
        self.assertIn(f"fuzz_bad {small}", out.stdout)
        self.assertIn("the promise is broken", out.stdout)
        self.assertEqual(self.table()["bad"]["findings"], [str(small)])
        self.assertEqual(self.table()["bad"]["executions"], 9)
        self.assertEqual(self.table()["good"]["findings"], [])

    def test_more_jobs_than_targets_share_one(self):
        self.assertEqual(self.run_fuzz("good", "--jobs", "3").returncode, 0)
        self.assertEqual(self.table()["good"]["executions"], 3 * 1234)

    def test_coverage_is_that_of_the_parsers_alone(self):
        loader = importlib.machinery.SourceFileLoader("fuzz_tool", str(HERE / "fuzz"))
        tool = types.ModuleType(loader.name)
        tool.__file__ = str(HERE / "fuzz")
        exec(loader.get_code(loader.name), tool.__dict__)  # Leaves no compiled file beside it.

        def entry(name, lines, branches):
            pairs = {"lines": lines, "branches": branches}
            return {"filename": name, "summary": {
                kind: {"covered": pair[0], "count": pair[1]} for kind, pair in pairs.items()}}

        export = {"data": [{"files": [entry("/x/src/a.cc", (3, 4), (1, 2)),
                                      entry("src/b.cc", (6, 6), (0, 0)),
                                      entry("/x/other/src/aa.cc", (0, 9), (0, 9))]}]}
        sums = tool.sum_coverage(export, ["src/a.cc", "src/b.cc"])
        self.assertEqual((sums["lines"], sums["branches"]), ([9, 10], [1, 2]))
        self.assertEqual(sums["files"]["src/a.cc"], {"lines": [3, 4], "branches": [1, 2]})
        row = tool.Total({"executions": 7200, "cpu_seconds": 3600, "coverage": sums}).row("a", 5)
        self.assertEqual((row["lines"], row["branches"]), ("90.0% of 10", "50.0% of 2"))
        self.assertEqual((row["cpu_hours"], row["per_second"], row["inputs"]), ("1.000", "2", "5"))
        self.assertIn("90.0% of 10", tool.render([row]))

    def test_what_is_not_there_is_named(self):
        self.assertIn("no target nobody", self.run_fuzz("nobody").stderr)
        (self.root / "tests/fuzz/targets.txt").unlink()
        self.assertIn("meson setup", self.run_fuzz().stderr)


class Setup(unittest.TestCase):
    """tools/setup with a package system of shell scripts: a file per installed package."""

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = Path(scratch.name)
        self.bin = self.root / "bin"
        self.script("dpkg-query", """
case "$*" in
  -L*) cat "$STORE/contents/$2" 2>/dev/null ;;
  *Package*) for f in "$STORE"/installed/*; do echo "installed ${f##*/}"; done ;;
  *) for last; do :; done
     if [ -e "$STORE/installed/$last" ]; then printf installed; else exit 1; fi ;;
esac""")
        self.script("apt-cache", """
if [ -e "$STORE/stale" ]; then echo "Candidate: (none)"; else echo "Candidate: 1"; fi""")
        self.script("apt-get", """
echo "$*" >>"$STORE/calls"
case "$*" in
  *update*) [ ! -e "$STORE/no-network" ] || exit 100; rm -f "$STORE/stale" ;;
  *install*) for word; do case $word in -*|install|*=*) ;; *) : >"$STORE/installed/$word" ;; esac
    done ;;
esac""")
        self.script("deb-systemd-helper", 'echo "systemd $*" >>"$STORE/calls"')
        self.script("update-rc.d", 'echo "rc $*" >>"$STORE/calls"')
        for name in ("node", "npm"):
            self.script(name, "exit 0")
        (self.root / "installed").mkdir()

    def script(self, name, text):
        write(self.bin / name, f"#!/bin/sh\n{text}\n", 0o755)

    def coreutils(self):
        """A folder with what the script needs, and no sudo."""
        folder = self.root / "coreutils"
        folder.mkdir()
        for name in ("bash", "sh", "cat", "mktemp", "rm", "sort"):
            (folder / name).symlink_to(shutil.which(name))
        return folder

    def run_setup(self, name="all", root="true", path=None):
        # The root check is taken out: the stand-ins change nothing outside their folder. So is
        # the guard file, which is outside it.
        text = (HERE / "setup").read_text(encoding="utf-8")
        text = text.replace("((EUID == 0))", root)
        text = text.replace("guard=/usr/sbin/policy-rc.d", f"guard={self.root}/policy-rc.d")
        write(self.root / "setup", text, 0o755)
        env = {"PATH": path or f"{self.bin}:{os.environ['PATH']}", "STORE": str(self.root)}
        return subprocess.run(["bash", self.root / "setup", name], env=env, text=True,
                              capture_output=True, check=False)

    def calls(self):
        file = self.root / "calls"
        return file.read_text(encoding="utf-8") if file.exists() else ""

    def test_installs_only_what_is_missing_and_then_nothing(self):
        (self.root / "installed/meson").touch()
        out = self.run_setup("build")
        self.assertEqual(out.returncode, 0, out.stderr)
        self.assertIn(" clang-19 ", self.calls())
        self.assertNotIn(" meson ", self.calls())
        self.assertIn("clang-19", out.stdout)
        (self.root / "calls").unlink()
        out = self.run_setup("build")
        self.assertEqual((out.returncode, self.calls()), (0, ""))
        self.assertIn("everything is there", out.stdout)

    def test_build_set_leaves_test_packages_alone(self):
        self.run_setup("build")
        self.assertNotIn("nginx", self.calls())
        self.assertNotIn("nodejs", self.calls())

    def test_lists_are_fetched_only_when_a_package_is_unknown(self):
        self.run_setup("build")
        self.assertNotIn("update", self.calls())
        (self.root / "installed/meson").unlink()
        (self.root / "stale").touch()
        self.assertEqual(self.run_setup("build").returncode, 0)
        self.assertIn("update", self.calls())

    def test_failed_update_says_what_to_do(self):
        (self.root / "stale").touch()
        (self.root / "no-network").touch()
        out = self.run_setup("build")
        self.assertEqual(out.returncode, 1)
        self.assertIn("check the network and the package sources", out.stderr)

    def test_services_are_refused_while_installing_and_disabled_after(self):
        unit = "/lib/systemd/system/nginx.service\n"
        write(self.root / "contents/nginx-light", unit)
        self.script("apt-get", f"""
[ -x {self.root}/policy-rc.d ] && {self.root}/policy-rc.d; echo "guard says $?" >>"$STORE/calls"
for word; do case $word in -*|install|*=*) ;; *) : >"$STORE/installed/$word" ;; esac; done""")
        out = self.run_setup("test")
        self.assertEqual(out.returncode, 0, out.stderr)
        self.assertIn("guard says 101", self.calls())
        self.assertIn("systemd disable nginx.service", self.calls())
        self.assertFalse((self.root / "policy-rc.d").exists())

    def test_guard_of_the_machine_stays(self):
        write(self.root / "policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)
        self.run_setup("build")
        self.assertTrue((self.root / "policy-rc.d").exists())

    def test_guard_goes_when_the_installation_fails(self):
        self.script("apt-get", "exit 100")
        out = self.run_setup("build")
        self.assertEqual(out.returncode, 1)
        self.assertIn("setup: ", out.stderr)
        self.assertFalse((self.root / "policy-rc.d").exists())

    def test_without_root_and_sudo_it_says_what_to_run(self):
        out = self.run_setup("build", root="false", path=f"{self.bin}:{self.coreutils()}")
        self.assertEqual((out.returncode, self.calls()), (1, ""))
        self.assertEqual(out.stderr.count("run as root: apt-get install"), 1)

    def test_unknown_set_shows_the_usage(self):
        self.assertEqual(self.run_setup("everything").returncode, 2)


if __name__ == "__main__":
    unittest.main()
