#!/usr/bin/env python3
"""Runs a command on each of many faulty files, as expect.py does.

    expect_cases.py CASES FOLDER -- COMMAND ...

CASES holds lines of a file's name in FOLDER, an error number and an exit code; the file is the
command's last argument.
"""

import argparse
import pathlib
import subprocess
import sys


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    expect = pathlib.Path(__file__).with_name("expect.py")
    failed = False
    for line in options.cases.read_text().splitlines():
        name, error, code = line.split()
        words = [sys.executable, str(expect), "--exit", code, "--error", error, "--"]
        words += [*options.command, str(options.folder / name)]
        result = subprocess.run(words, capture_output=True, text=True)
        if result.returncode != 0:
            failed = True
            print(f"{name}: {result.stdout}{result.stderr}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
