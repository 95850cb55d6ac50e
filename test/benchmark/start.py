#!/usr/bin/env python3
"""What starting costs, side by side: the JIT, and an artefact, an executable and a library of one model.

    start.py LATHE MODEL [--rounds 15]

Prints a table (Markdown): the size of the file, how long it took to make, milliseconds from the start
of the process to the first byte of the first token (median, least and most), the ratio of the median
to that of the JIT with everything in its cache, and the peak of resident memory. The processes take
turns, and the first turn does not count. The cache is a fresh one. The library's host is
examples/c/generate.c with its header, so it asks for the logits of the whole prompt and a copy of them.
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

PROMPT = ["The capital of France is", "--raw", "-n", "1"]
EXAMPLE = pathlib.Path(__file__).resolve().parents[2] / "examples" / "c" / "generate.c"
INSIDE = ["--embed-weights"]


def run_by_lathe(lathe, path):
    return [lathe, "run", path, *PROMPT]


def run_alone(lathe, path):
    return [path, *PROMPT]


def run_by_host(lathe, path):
    """Compiles a C program with the library's header, and links it with the library."""
    host, header = path.with_suffix(".host"), path.with_suffix(".h")
    flags = ["-std=c99", "-O2", f'-DMODEL_HEADER="{header}"', f"-Wl,-rpath,{path.parent}"]
    subprocess.run([os.environ.get("CC", "cc"), *flags, EXAMPLE, path, "-o", host], check=True)
    return [host, "-", PROMPT[0], "1"]


# What, file, flags of 'lathe compile' and how it is run.
MADE = [
    ("`.lathe`", "a.lathe", [], run_by_lathe),
    ("`.lathe`, weights inside", "b.lathe", INSIDE, run_by_lathe),
    ("executable", "c", [], run_alone),
    ("executable, weights inside", "d", INSIDE, run_alone),
    ("`.so` and a C program", "e.so", [], run_by_host),
    ("the same, weights inside", "f.so", INSIDE, run_by_host),
]


def first_token(command):
    """Milliseconds to the first byte of the answer, and peak MiB of the process."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    byte = process.stdout.read(1)
    taken = (time.perf_counter() - start) * 1e3
    process.stdout.read()
    process.stdout.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert byte and process.returncode == 0, command
    return taken, usage.ru_maxrss / 1024


class Subject:
    def __init__(self, name, command, size="", seconds=""):
        self.name, self.command, self.size, self.seconds = name, command, size, seconds
        self.forget()

    def sample(self):
        taken, peak = first_token(self.command)
        self.samples.append(taken)
        self.peak = max(self.peak, peak)

    def forget(self):
        self.samples, self.peak = [], 0

    def row(self, base):
        middle = statistics.median(self.samples)
        spread = f"{middle:.1f} ({min(self.samples):.1f} to {max(self.samples):.1f})"
        return f"| {self.name} | {self.size} | {self.seconds} | {spread} | {middle / base:.2f} | {self.peak:.0f} |"


def make(lathe, model, folder):
    for name, file, flags, run in MADE:
        path = folder / file
        start = time.perf_counter()
        subprocess.run([lathe, "compile", model, "-o", path, *flags], check=True)
        seconds = f"{time.perf_counter() - start:.2f}"
        yield Subject(name, run(lathe, path), f"{path.stat().st_size / 1e6:.2f}", seconds)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lathe")
    parser.add_argument("model")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    jit = run_by_lathe(options.lathe, options.model)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LATHE_CACHE"] = f"{folder}/cache"
        cold = Subject("JIT, without a cache", [*jit, "--no-cache"])
        warm = Subject("JIT, all in the cache", jit)
        subjects = [warm, *make(options.lathe, options.model, pathlib.Path(folder))]
        for turn in range(options.rounds + 1):
            for each in subjects:
                each.sample()
                if turn == 0:
                    each.forget()
            if turn < 3:  # Slow, and not what is compared.
                cold.sample()
    base = statistics.median(warm.samples)
    print("| | file, MB | made in s | first token, ms | ratio | peak, MiB |")
    print("|---|---|---|---|---|---|")
    for each in [cold, *subjects]:
        print(each.row(base))


if __name__ == "__main__":
    main()
