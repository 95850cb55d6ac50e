#!/usr/bin/env python3
"""Time to the first token: compiled in a run before (cache), artefacts and executables, turn by turn.

    start.py LATHE MODEL [--rounds 15]

Every sample is a whole process, `-n 1` from start to exit; prints median, least and most in
milliseconds, and the ratio of the medians to the one from the cache.
"""

import argparse
import pathlib
import statistics
import subprocess
import tempfile
import time


def milliseconds(command):
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return (time.perf_counter() - start) * 1e3


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lathe")
    parser.add_argument("model")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    lathe, model = options.lathe, options.model
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        made = {
            "artefact": ("a.lathe", []),
            "artefact, weights inside": ("b.lathe", ["--embed-weights"]),
            "executable": ("c", []),
            "executable, weights inside": ("d", ["--embed-weights"]),
        }
        commands = {"cache": [lathe, "run", model]}
        for what, (file, flags) in made.items():
            path = folder / file
            subprocess.run([lathe, "compile", model, "-o", path, *flags], check=True)
            print(f"{what}: {path.stat().st_size} bytes")
            commands[what] = [path] if "exec" in what else [lathe, "run", path]
        text = ["The capital of France is", "--raw", "-n", "1"]
        samples = {what: [] for what in commands}
        for round in range(options.rounds + 1):
            for what, command in commands.items():
                taken = milliseconds(command + text)
                if round:  # The first one warms up.
                    samples[what].append(taken)
    base = statistics.median(samples["cache"])
    for what, taken in samples.items():
        middle = statistics.median(taken)
        print(f"{what:28} median {middle:7.1f} ms ({min(taken):.1f} to {max(taken):.1f}), "
              f"{middle / base:.2f} of the cache")


if __name__ == "__main__":
    main()
