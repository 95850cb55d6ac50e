#!/usr/bin/env python3
"""The reference data are the files they were: every one is in SHA256SUMS and has its sum.

`reference.py --record` writes the sums anew, for when a file was added on purpose.
"""

import hashlib
import os
import sys

from support import REFERENCE, Report

SUMS = REFERENCE / "SHA256SUMS"


def measured():
    """The sum of every file, by name."""
    files = sorted(p for p in REFERENCE.rglob("*") if p.is_file() and p != SUMS)
    return {
        str(path.relative_to(REFERENCE)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def record():
    aside = SUMS.with_suffix(f".{os.getpid()}")
    text = "".join(f"{digest}  {name}\n" for name, digest in measured().items())
    aside.write_text(text)
    aside.rename(SUMS)


def main():
    if sys.argv[1:] == ["--record"]:
        record()
        return
    report = Report("reference")
    lines = (line.split(maxsplit=1) for line in SUMS.read_text().splitlines())
    expected = {name: digest for digest, name in lines}
    found = measured()
    changed = sorted(n for n in found.keys() & expected.keys() if found[n] != expected[n])
    missing, unlisted = sorted(expected.keys() - found), sorted(found.keys() - expected)
    report.case("sums", not changed, f"{len(found)} files, changed: {changed or 'none'}")
    report.case("list", not missing and not unlisted, f"missing {missing}, not listed {unlisted}")
    report.exit()


if __name__ == "__main__":
    main()
