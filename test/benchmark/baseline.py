"""The best figures of a processor so far, in the user's cache: a run counts when it comes near them."""

import json
import os
import pathlib

NEAR = 0.85


def write_aside(path, text):
    aside = f"{path}.{os.getpid()}"
    pathlib.Path(aside).write_text(text)
    os.rename(aside, path)


def compare(path, processor, figures):
    """Why a run with these figures does not count, one reason a line; none when it does.

    What is better than ever before is remembered.
    """
    known = json.loads(path.read_text()) if path.exists() else {}
    best = known.setdefault(processor, {})
    reasons = []
    for name, figure in figures.items():
        if name not in best:
            reasons.append(f"{name}: the first figure of this processor")
        elif figure < NEAR * best[name]:
            reasons.append(f"{name}: {figure / best[name]:.0%} of the best so far")
        best[name] = max(figure, best.get(name, 0))
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_aside(path, json.dumps(known, indent=1, sort_keys=True) + "\n")
    return reasons
