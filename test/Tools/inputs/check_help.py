#!/usr/bin/env python3
"""Checks that every help fits on one screen of 80 columns and shows examples.

    check_help.py LATHE
"""

import subprocess
import sys

COLUMNS, LINES = 80, 40


def check(lathe, *words):
    done = subprocess.run([lathe, *words], capture_output=True, text=True)
    lines = done.stdout.splitlines()
    name = " ".join(words)
    assert done.returncode == 0 and not done.stderr, (name, done)
    assert len(lines) <= LINES, f"{name}: {len(lines)} lines"
    assert all(len(line) <= COLUMNS for line in lines), f"{name}: {max(lines, key=len)}"
    assert "examples:" in lines, f"{name}: no examples"
    return lines


def main():
    lathe = sys.argv[1]
    lines = check(lathe, "--help")
    first = lines.index("commands:") + 1
    commands = [line.split()[0] for line in lines[first : lines.index("", first)]]
    for command in commands:
        assert check(lathe, command, "--help") == check(lathe, "help", command)
        assert any(f"lathe {command} " in line for line in lines) or command not in ("run", "bench")
    print(" ".join(commands))


if __name__ == "__main__":
    main()
