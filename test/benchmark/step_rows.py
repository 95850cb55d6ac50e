#!/usr/bin/env python3
"""What a step of a few rows costs beside one of a single row, in instructions.

    step_rows.py [MODEL] [--rows 1,2,3,4,5,6,7,8] [--target x86-64-v3]

Runs the default model, or MODEL, on as many tokens in one step under valgrind's callgrind, which
gives the same numbers on a busy machine, and prints what all kernels of the step take.  Where they
take more instructions than the processor can issue while it reads the weights, the step is slower
than one of a single row, however good memory is; `lathe run --stats` measures the times.
"""

import argparse
import pathlib
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test" / "conformance"))
from instructions import TARGET, run_calls  # noqa: E402
from support import SMOLLM2  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", type=pathlib.Path)
    parser.add_argument("--rows", default="1,2,3,4,5,6,7,8")
    parser.add_argument("--target", default=TARGET)
    options = parser.parse_args()
    model = options.model or SMOLLM2.path() or sys.exit(f"step_rows.py: {SMOLLM2.missing()}")
    print("| rows | million instructions | times one row | for each row |\n|---|---|---|---|")
    single = None
    with tempfile.TemporaryDirectory() as folder:
        for rows in map(int, options.rows.split(",")):
            found = run_calls(model, rows, rows, pathlib.Path(folder), options.target)
            total = sum(cost for _, cost in found.values()) / 1e6
            single = single or total / rows
            print(f"| {rows} | {total:.1f} | {total / single:.2f} | {total / rows:.1f} |", flush=True)


if __name__ == "__main__":
    main()
