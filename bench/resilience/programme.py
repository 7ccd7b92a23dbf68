"""What a command that shows its cases does around them: options, bounds, figures, tables."""

import argparse
import json
import resource
import signal
import sys
import tempfile
import time
from pathlib import Path

from lab import processes, readings, report

from . import verdict


def read_arguments(text, root, cases):
    parser = argparse.ArgumentParser(description=text,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=root / "build", help="folder of a build")
    parser.add_argument("--only", type=lambda text: [int(each) for each in text.split(",")],
                        default=list(cases), metavar="N,...", help="numbers of cases")
    parser.add_argument("--small", action="store_true", help="for tests: counts alone are judged")
    parser.add_argument("--results", type=Path, metavar="DIR", help="folder for what was found")
    options = parser.parse_args()
    if set(options.only) - set(cases):
        parser.error(f"--only: there are {', '.join(map(str, cases))}")
    return options


def progress(number):
    began = time.monotonic()

    def say(text):
        print(f"[{number}] {time.monotonic() - began:5.1f} s  {text}", file=sys.stderr, flush=True)
    return say


def give_up(*_):
    raise TimeoutError("it took too long")


def run_case(number, module, make_stage, options, seconds_max):
    """What one case found; that it did not come to its end is a figure that was missed."""
    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds_max)
    with tempfile.TemporaryDirectory(dir=processes.memory_folder()) as folder, \
            make_stage(options.build.resolve(), folder, progress(number)) as place:
        try:
            case = module.run(place, options.small)
        except (Exception, SystemExit) as error:  # The other cases shall still be seen.
            case = verdict.Case(number, module.__doc__.split(": ", 1)[1], place.last_words())
            case.equal("ended", f"{type(error).__name__}: {error}", "by itself")
        finally:
            signal.alarm(0)
        for status in place.crashes():
            case.equal("a gateway ended with", status, 0)
    return case


def keep(folder, machine, results, texts, is_small):
    folder.mkdir(parents=True, exist_ok=True)
    cases = [case.as_dict(is_small) for case in results]
    (folder / "figures.json").write_text(
        json.dumps({"machine": machine, "cases": cases}, indent=1) + "\n")
    (folder / "tables.txt").write_text("\n".join(texts) + "\n")


def run(text, root, cases, make_stage, seconds_max):
    """Runs the cases that the command line names; the exit status."""
    options = read_arguments(text, root, cases)
    for number in (signal.SIGINT, signal.SIGTERM):  # Whatever starts it in the background.
        signal.signal(number, signal.default_int_handler)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # Clients are many.
    machine = {**readings.machine(), "commit": readings.commit(root),
               "date": time.strftime("%Y-%m-%d")}
    texts = [report.headline(machine)]
    print(texts[0], flush=True)
    results = []
    for number in options.only:
        case = run_case(number, cases[number], make_stage, options, seconds_max)
        texts.append(case.render(options.small).replace("MISSED", "not ok"))
        print(texts[-1], flush=True)
        results.append(case)
    if options.results:
        keep(options.results, machine, results, texts, options.small)
    missed = [case.number for case in results if not case.is_good(options.small)]
    if missed:
        print(f"\nnot ok: {', '.join(map(str, missed))}")
    return 1 if missed else 0


def main(*arguments):
    try:
        sys.exit(run(*arguments))
    except KeyboardInterrupt:
        sys.exit(130)
