#!/usr/bin/env python3
"""An encoder beside OpenVINO: the same weights, tokens and threads, turn by turn.

    encoder.py [MODEL] [-t THREADS] [-r ROUNDS] [--length N] [--batches 1,32] [--precision P] [--clock C]
               [--json FILE]

MODEL is the folder of a BERT model with float32 weights (`./dev model minilm`).  Every round measures
one program after the other on fresh random tokens and starts with another one each time; what
counts is the ratio of the medians.  OpenVINO runs the graph with fixed sizes, given the ids, in each
precision of --precisions that it knows, and the best counts; Lathe is called through its Python
package with texts, which it tokenises.  Both must give the same vectors, to a cosine of 0.999.

On a machine that others use, `--clock processor -t 1` counts what a thread computed, and not what it waited.

OpenVINO is installed into the user's cache at the first call.
"""

import argparse
import importlib
import json
import os
import pathlib
import random
import statistics
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent), str(ROOT / "tools" / "python")]
import environment  # noqa: E402
from peers import busy_share, processor  # noqa: E402
from worker_loop import CLOCKS  # noqa: E402

VERSION = "2026.4.1"
PACKAGES = [f"openvino-genai=={VERSION}.0", f"openvino=={VERSION}", "numpy==2.4.6"]
WORKER = HERE / "programs" / "openvino_encoder.py"


class Words:
    """Words of the vocabulary that are a token each, so that texts have the length asked for."""

    def __init__(self, folder):
        tokens = (folder / "vocab.txt").read_text("utf-8").splitlines()
        words = [(number, word) for number, word in enumerate(tokens) if word.isascii()]
        self.known = [(number, word) for number, word in words if word.isalpha() and word.islower()]

    def draw(self, length):
        """A text of `length` tokens, and their ids; [CLS] and [SEP] stand around it."""
        chosen = random.choices(self.known, k=length - 2)
        return " ".join(word for _, word in chosen), [101, *(number for number, _ in chosen), 102]


class Lathe:
    def __init__(self, folder, threads, precision, target, words, clock):
        self.clock = CLOCKS[clock]
        library = os.environ.get("LATHE") or str(ROOT / "build" / "bin" / "lathe")
        path = pathlib.Path(library).resolve().parents[1] / "lib" / "liblathe.so"
        os.environ.setdefault("LATHE_LIBRARY", str(path))
        self.model = importlib.import_module("lathe").load(
            folder, threads=threads, precision=precision, target=target
        )
        self.words = words

    def measure(self, batch, length):
        texts = [self.words.draw(length)[0] for _ in range(batch)]
        start = self.clock()
        self.model.embed(texts, pool="mean", normalize=False)
        return self.clock() - start


class OpenVINO:
    def __init__(self, python, folder, threads, precision, clock):
        self.clock = clock
        self.worker = environment.Worker(f"OpenVINO {precision}", python, WORKER)
        self.worker.ask("load", folder=str(folder), threads=threads, precision=precision)

    def measure(self, batch, length):
        return self.worker.ask("measure", batch=batch, length=length, clock=self.clock)["seconds"]


def check_same(lathe, peer, words):
    import numpy

    text, ids = words.draw(40)
    ours = lathe.model.embed(text, pool="mean", normalize=False).astype(float)
    theirs = numpy.array(peer.worker.ask("embed", batch=1, ids=ids)["vectors"][0])
    cosine = ours @ theirs / numpy.linalg.norm(ours) / numpy.linalg.norm(theirs)
    if not cosine > 0.999:
        sys.exit(f"encoder.py: the programs compute different things: cosine {cosine}")
    return cosine


def measure(programs, batches, length, rounds):
    """Seconds of each program and batch: {(name, batch): [seconds]}."""
    samples = {(name, batch): [] for name in programs for batch in batches}
    for batch in batches:
        for program in programs.values():
            program.measure(batch, length)
        # As long for every batch.
        for number in range(max(5, rounds // batch)):
            names = list(programs)
            for name in names[number % len(names) :] + names[: number % len(names)]:
                samples[name, batch].append(programs[name].measure(batch, length))
    return samples


def spread(values):
    low, _, high = statistics.quantiles(values, n=4)
    return f"{1000 * statistics.median(values):.2f} ({1000 * low:.2f}–{1000 * high:.2f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    default = environment.cache() / "models" / "all-minilm-l6-v2"
    parser.add_argument("model", nargs="?", type=pathlib.Path, default=default)
    parser.add_argument("-t", "--threads", type=int, default=2)
    parser.add_argument("-r", "--rounds", type=int, default=160, help="of one text")
    parser.add_argument("--length", type=int, default=128, help="tokens of a text")
    parser.add_argument("--batches", default="1,32")
    parser.add_argument("--precision", default="auto", help="Lathe's")
    parser.add_argument("--target", default="host", help="Lathe's, and sizes (docs/cost-model.md)")
    parser.add_argument("--precisions", default="f32,bf16", help="OpenVINO's")
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    if not options.model.is_dir():
        sys.exit(f"encoder.py: {options.model} is no folder; './dev model minilm' fetches it")
    batches = [int(word) for word in options.batches.split(",")]
    python = environment.ensure("peers-openvino", PACKAGES, "about 300 MB")
    words = Words(options.model)
    own = Lathe(options.model, options.threads, options.precision, options.target, words, options.clock)
    programs = {"lathe": own}
    for precision in options.precisions.split(","):
        try:
            peer = OpenVINO(python, options.model, options.threads, precision, options.clock)
            cosine = check_same(programs["lathe"], peer, words)
        except RuntimeError as error:
            print(f"OpenVINO {precision} is left out: {error}", file=sys.stderr)
            continue
        programs[f"OpenVINO {precision}"] = peer
        print(f"OpenVINO {precision}: cosine to lathe {cosine:.6f}", file=sys.stderr)
    busy = busy_share()
    samples = measure(programs, batches, options.length, options.rounds)
    print(f"{processor()}, {options.threads} threads, {options.length} tokens, "
          f"{options.clock} clock; {busy:.0%} busy before")
    print("\n| program | batch | ms, median (quartiles) | ms a text | lathe / best OpenVINO |")
    print("|---|---|---|---|---|")
    for batch in batches:
        medians = {name: statistics.median(samples[name, batch]) for name in programs}
        best = min((value for name, value in medians.items() if name != "lathe"), default=None)
        for name in programs:
            ratio = f"{medians['lathe'] / best:.2f}" if name == "lathe" and best else ""
            each = f"{1000 * medians[name] / batch:.2f}"
            print(f"| {name} | {batch} | {spread(samples[name, batch])} | {each} | {ratio} |")
    if options.json:
        rows = [{"program": n, "batch": b, "seconds": v} for (n, b), v in samples.items()]
        options.json.write_text(json.dumps(rows) + "\n")


if __name__ == "__main__":
    main()
