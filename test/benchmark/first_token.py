#!/usr/bin/env python3
"""From the start of a process to its first token, and peak memory: Lathe beside llama.cpp.

A round measures Lathe with a warm cache (programs and packed weights), Lathe with an empty one, and
llama.cpp, and goes the other way round the next time.  Lathe's time runs from the start of the
process to the first byte of text; llama.cpp's from the call that loads the model to the first token
that is chosen, without its interpreter's start.  The model file is in the page cache for both.

Peak memory is that of a process that evaluates a prompt of 504 tokens and then 8 more in a context
of 512; llama.cpp's is counted with what its interpreter holds before it loads a model, and without.

Prints two markdown tables; --json FILE also writes every sample.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test"))
sys.path.insert(0, str(ROOT / "test" / "benchmark"))
from llamacpp import environment  # noqa: E402
from baseline import write_aside  # noqa: E402
from peers import busy_share, processor  # noqa: E402

LATHE = os.environ.get("LATHE") or str(ROOT / "build" / "bin" / "lathe")
PROMPT = "The sky is blue because of"
CONTEXT, LONG_PROMPT, LONG_ANSWER = 512, 504, 8
MIB = 1 << 20


def spawn(arguments, cache):
    """A lathe process whose programs and weights are kept in `cache`."""
    command = [LATHE, *arguments]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(os.environ, LATHE_CACHE=cache),
    )


def finish(process):
    """Waits; its peak memory in bytes."""
    errors = process.stderr.read()
    process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"first_token.py: lathe ended with {process.returncode}: {errors.decode()}")
    return usage.ru_maxrss * 1024


def lathe_first_token(options, cache):
    arguments = ["run", options.model, PROMPT, "--raw", "-n", "2", "--ctx", str(CONTEXT)]
    start = time.perf_counter()
    process = spawn([*arguments, "-t", str(options.threads)], cache)
    process.stdout.read(1)
    seconds = time.perf_counter() - start
    finish(process)
    return seconds


def lathe_memory(options, cache):
    lengths = ["-p", str(LONG_PROMPT), "-n", str(LONG_ANSWER), "-r", "1"]
    return finish(spawn(["bench", options.model, *lengths, "-t", str(options.threads)], cache))


def llama_first_token(options):
    with environment.Worker() as worker:
        return worker.ask(
            "first_token",
            model=options.model,
            threads=options.threads,
            context=CONTEXT,
            text=PROMPT,
        )["seconds"]


def llama_memory(options):
    """Peak bytes, and those before the model is loaded."""
    with environment.Worker() as worker:
        before = worker.ask("peak_memory")["bytes"]
        arguments = {"model": options.model, "threads": options.threads, "context": CONTEXT}
        worker.ask("load", **arguments, cache="default")
        worker.ask("prefill", tokens=[1] * LONG_PROMPT)
        worker.ask("decode", tokens=[1] * LONG_ANSWER)
        return worker.ask("peak_memory")["bytes"], before


def in_empty_cache(measure, options, folder):
    cache = tempfile.mkdtemp(dir=folder)
    try:
        return measure(options, cache)
    finally:
        shutil.rmtree(cache)


def run_rounds(options, folder):
    """Seconds and bytes, by what was measured."""
    warm = os.path.join(folder, "warm")
    # Twice: the first fills the cache.
    lathe_first_token(options, warm)
    lathe_first_token(options, warm)
    measures = {
        "lathe, warm cache": lambda: lathe_first_token(options, warm),
        "lathe, empty cache": lambda: in_empty_cache(lathe_first_token, options, folder),
        "llama.cpp": lambda: llama_first_token(options),
    }
    seconds = {name: [] for name in measures}
    for turn in range(options.rounds):
        for name in measures if turn % 2 == 0 else reversed(measures):
            seconds[name].append(measures[name]())
            print(f"round {turn + 1} {name}: {seconds[name][-1] * 1e3:.0f} ms", file=sys.stderr)
    whole, before = llama_memory(options)
    peaks = {
        "lathe, warm cache": lathe_memory(options, warm),
        "lathe, empty cache": in_empty_cache(lathe_memory, options, folder),
        "llama.cpp": whole,
        "llama.cpp without its interpreter": whole - before,
    }
    return seconds, peaks


def tables(seconds, peaks):
    lines = ["| process start to first token | median, ms | lowest to highest |", "|---|---|---|"]
    for name, times in seconds.items():
        times = [1e3 * each for each in times]
        lines.append(
            f"| {name} | **{statistics.median(times):.0f}** | {min(times):.0f} to {max(times):.0f} |"
        )
    lines += ["", f"| peak memory, context {CONTEXT} | MiB |", "|---|---|"]
    lines += [f"| {name} | {peak / MIB:.0f} |" for name, peak in peaks.items()]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("model", help="a GGUF file")
    parser.add_argument("-t", "--threads", type=int, default=2)
    parser.add_argument(
        "-r", "--rounds", type=int, default=9, metavar="N", help="at least 9 to be quoted"
    )
    parser.add_argument("--json", metavar="FILE", help="write every sample there")
    options = parser.parse_args()
    if min(options.threads, options.rounds) < 1:
        parser.error("threads and rounds start at 1")

    busy = busy_share()
    if busy > 0.1:
        print(f"warning: others use {100 * busy:.0f} % of the processors", file=sys.stderr)
    environment.ensure()
    # Where the caches of a user lie, and not on a disk in memory.
    with tempfile.TemporaryDirectory(dir=environment.cache(), prefix="first-token-") as folder:
        seconds, peaks = run_rounds(options, folder)
    about = {
        "processor": processor(),
        "threads": options.threads,
        "model": pathlib.Path(options.model).name,
        "rounds": options.rounds,
        "busy before": f"{100 * busy:.0f} %",
        "llama.cpp": f"llama-cpp-python {environment.VERSION}, {environment.CMAKE_ARGS}",
    }
    print(tables(seconds, peaks))
    print("\n" + "; ".join(f"{k}: {v}" for k, v in about.items()) + ".")
    if options.json:
        report = {**about, "seconds": seconds, "peak_bytes": peaks}
        write_aside(options.json, json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
