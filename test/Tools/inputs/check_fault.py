#!/usr/bin/env python3
"""Provokes a fault of the compiler and replays its reproducer.

    check_fault.py LATHE FOLDER INPUT [FLAGS...]

Prints the exit code with the error and its hint, the reproducer, and the exit code and the first
error of both replays: by the command that the hint names, and by lathe-opt.
"""

import os
import pathlib
import re
import subprocess
import sys

LARGEST = 1 << 20


def run(words):
    done = subprocess.run(words, capture_output=True, text=True, errors="replace")
    lines = [line for line in done.stderr.splitlines() if line.startswith(("error[", "  hint: "))]
    return f"{done.returncode} {lines[0] if lines else 'no error'}", lines


def unquoted(command):
    """The words of a command whose quotes are single ones."""
    return [a or b for a, b in re.findall(r"'([^']*)'|(\S+)", command)]


def main():
    lathe, folder, source, *flags = sys.argv[1:]
    folder = pathlib.Path(folder)
    for old in folder.iterdir():
        old.unlink()
    told, lines = run([lathe, "compile", source, *flags, "--reproducer-dir", str(folder), "-o",
                       str(folder / "x.so")])  # fmt: skip
    print(told)
    print(lines[1].removeprefix("  hint: "))
    (reproducer,) = folder.iterdir()
    assert reproducer.stat().st_mode & 0o777 == 0o600, oct(reproducer.stat().st_mode)
    assert reproducer.stat().st_size < LARGEST
    print(reproducer.read_text())
    command = unquoted(lines[1].split("replay: ")[1])
    output = str(folder / "replay.so")
    words = [lathe, *command[1:-1], output, "--reproducer-dir", str(folder)]
    print("replay:", run(words)[0])
    opt = os.path.join(os.path.dirname(lathe), "lathe-opt")
    words = [opt, "--run-reproducer", str(reproducer), "--reproducer-dir", str(folder)]
    told = run([*words, "-o", output])[0]
    print("lathe-opt:", told)
    assert os.path.exists(output) == told.startswith("0 ")


if __name__ == "__main__":
    main()
