#!/usr/bin/env python3
"""Writes a JSON file with one member changed.

    bend_json.py IN OUT KEY.KEY...=JSON      sets a member; its objects must be there
    bend_json.py IN OUT -KEY.KEY...          removes one
"""

import json
import pathlib
import sys


def main():
    source, out, change = sys.argv[1:]
    root = json.loads(pathlib.Path(source).read_text())
    path, _, value = change.removeprefix("-").partition("=")
    *parents, last = path.split(".")
    place = root
    for key in parents:
        place = place[key]
    if change.startswith("-"):
        del place[last]
    else:
        place[last] = json.loads(value)
    pathlib.Path(out).write_text(json.dumps(root))


if __name__ == "__main__":
    main()
