"""Ways of `lathe run` turn by turn, for the benchmarks that hold one against the others."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

from baseline import write_aside
from peers import busy_share, processor

ROOT = pathlib.Path(__file__).resolve().parents[2]
LATHE = os.environ.get("LATHE") or str(ROOT / "build" / "bin" / "lathe")


def run(arguments, folder):
    """What `lathe run` said, and the report of --json."""
    report = os.path.join(folder, "report.json")
    done = subprocess.run([LATHE, "run", *arguments, "--json", report], capture_output=True)
    if done.returncode != 0:
        sys.exit(f"lathe ended with {done.returncode}: {done.stderr.decode()}")
    with open(report) as file:
        return done.stdout, json.load(file)


def measure(names, ways, rounds, arguments_of):
    """By name: decode seconds of every round and way, and the last report of the last way.

    Every round begins at the other end than the one before.  `arguments_of(name, way)` are those
    of `lathe run`; all ways must say the same."""
    samples = {name: {way: [] for way in ways} for name in names}
    reports = {}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(rounds):
            for name in names:
                said = set()
                for way in ways if turn % 2 == 0 else reversed(ways):
                    text, report = run(arguments_of(name, way), folder)
                    said.add(text)
                    samples[name][way].append(report["speed"]["decode_seconds"])
                    if way == ways[-1]:
                        reports[name] = report
                if len(said) != 1:
                    sys.exit(f"{name}: the texts differ: {said}")
                first, *others = (samples[name][way][-1] for way in ways)
                ratios = " ".join(f"{first / other:.2f}" for other in others)
                print(f"round {turn + 1} {name}: {ratios}", file=sys.stderr)
    return samples, reports


def warn_if_busy():
    """The share of the processors that others use; told when it is too much."""
    busy = busy_share()
    if busy > 0.1:
        print(f"warning: others use {100 * busy:.0f} % of the processors", file=sys.stderr)
    return busy


def tell(table, about, busy, samples, reports, path):
    """Prints the table and what it was measured with; everything goes to `path`, if there is one."""
    about = {"processor": processor(), **about, "busy before": f"{100 * busy:.0f} %"}
    print(table)
    print("\n" + "; ".join(f"{k}: {v}" for k, v in about.items()) + ".")
    if path:
        report = {**about, "seconds": samples, "reports": reports}
        write_aside(path, json.dumps(report, indent=1) + "\n")
