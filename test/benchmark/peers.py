#!/usr/bin/env python3
"""Lathe beside llama.cpp: the same file, the same threads, the same lengths, turn by turn.

Each round measures one program after the other and swaps who goes first, so that a noisy
neighbour or a warm processor meets both.  Every measurement starts from an empty cache with fresh
random tokens after a warm-up that is not counted.  What counts is the ratio of the medians.

Prints a markdown table; --json FILE also writes every sample.  llama.cpp comes from its Python
bindings, which are built into the user's cache at the first call (about ten minutes).
"""

import argparse
import json
import os
import pathlib
import platform
import random
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test"))
from llamacpp import environment  # noqa: E402


class Lathe:
    name = "lathe"

    def __init__(self, options):
        self.options = options
        self.command = os.environ.get("LATHE") or str(ROOT / "build" / "bin" / "lathe")

    def measure(self, prompt, generate):
        """Tokens per second of one test; the other of the two lengths is 0."""
        words = ["-p", str(prompt), "-n", str(generate), "-t", str(self.options.threads)]
        command = [self.command, "bench", self.options.model, *words, "-r", "1", "-o", "json"]
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode != 0:
            sys.exit(
                f"peers.py: lathe bench ended with {result.returncode}: {result.stderr.strip()}"
            )
        return json.loads(result.stdout)[0]["samples_ts"][0]


class LlamaCpp:
    name = "llama.cpp"

    def __init__(self, options):
        self.worker = environment.Worker()
        length = max(options.prompt, options.generate)
        answer = self.worker.ask(
            "load", model=options.model, threads=options.threads, context=length, exact=False
        )
        self.vocabulary = answer["vocabulary"]

    def measure(self, prompt, generate):
        test, count = ("prefill", prompt) if prompt else ("decode", generate)
        # The first evaluation warms up, as lathe bench does.
        for _ in range(2):
            tokens = [random.randrange(self.vocabulary) for _ in range(count)]
            seconds = self.worker.ask(test, tokens=tokens)["seconds"]
        return count / seconds


def processor():
    with open("/proc/cpuinfo") as info:
        names = [line.split(":", 1)[1].strip() for line in info if line.startswith("model name")]
    return names[0] if names else platform.processor()


def warn_if_busy(load):
    if load > 0.5:
        print(
            f"peers.py: the machine is busy (load {load:.1f}); quote no figure of this run",
            file=sys.stderr,
        )


def run_rounds(options):
    """Samples in tokens per second, by test and program."""
    programs = [Lathe(options), LlamaCpp(options)]
    tests = {
        f"pp{options.prompt}": (options.prompt, 0),
        f"tg{options.generate}": (0, options.generate),
    }
    samples = {test: {program.name: [] for program in programs} for test in tests}
    for turn in range(options.rounds):
        for test, lengths in tests.items():
            for program in programs if turn % 2 == 0 else reversed(programs):
                speed = program.measure(*lengths)
                samples[test][program.name].append(speed)
                print(
                    f"round {turn + 1} {test} {program.name}: {speed:.1f} tokens/s", file=sys.stderr
                )
    return samples


def table(samples):
    lines = [
        "| test | lathe, tokens/s | llama.cpp, tokens/s | lathe / llama.cpp |",
        "|---|---|---|---|",
    ]
    for test, by_program in samples.items():
        cells = []
        for speeds in by_program.values():
            cells.append(
                f"{statistics.median(speeds):.1f} ({min(speeds):.1f} to {max(speeds):.1f})"
            )
        ours, theirs = (statistics.median(speeds) for speeds in by_program.values())
        lines.append(f"| {test} | {' | '.join(cells)} | **{ours / theirs:.2f}** |")
    return "\n".join(lines)


def write_aside(path, text):
    aside = f"{path}.{os.getpid()}"
    pathlib.Path(aside).write_text(text)
    os.rename(aside, path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("model", help="a GGUF file")
    parser.add_argument("-t", "--threads", type=int, default=2)
    parser.add_argument("-p", "--prompt", type=int, default=512, metavar="N")
    parser.add_argument("-n", "--generate", type=int, default=128, metavar="N")
    parser.add_argument(
        "-r", "--rounds", type=int, default=5, metavar="N", help="at least 5 to be quoted"
    )
    parser.add_argument("--json", metavar="FILE", help="write every sample there")
    options = parser.parse_args()
    if min(options.threads, options.prompt, options.generate, options.rounds) < 1:
        parser.error("threads, lengths and rounds start at 1")

    load = os.getloadavg()[0]
    warn_if_busy(load)
    samples = run_rounds(options)
    about = {
        "processor": processor(),
        "threads": options.threads,
        "model": pathlib.Path(options.model).name,
        "rounds": options.rounds,
        "load before": round(load, 2),
        "llama.cpp": f"llama-cpp-python {environment.VERSION}, {environment.CMAKE_ARGS}",
    }
    print(table(samples))
    print(
        "\nMedians (lowest to highest). " + "; ".join(f"{k}: {v}" for k, v in about.items()) + "."
    )
    if options.json:
        write_aside(
            options.json, json.dumps({**about, "tokens_per_second": samples}, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
