#!/usr/bin/env python3
"""The same tokens give the same bits: with any number of threads, in chunks of any size, alone or
beside other sequences.  Lossless speculation and batching rest on this promise.

600 positions pass both the 256-position split of attention and the largest chunk.
"""

import hashlib
import pathlib
import tempfile

import numpy

from support import REFERENCE, Report, joined, model_or_skip, run_logits

POSITIONS = 600
THREADS = (1, 2, 3, 4)
CHUNKS = (1, 7, 64, 512)
PATHS = {
    "auto": (),
    "f32": ("--precision=f32",),
    "bf16 cache": ("--kv-type=bf16",),
    "int8 cache": ("--kv-type=int8",),
}


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Promise:
    """One path's reference run, and comparisons with it."""

    def __init__(self, report, model, path, tokens, folder):
        self.report, self.model, self.path = report, model, path
        self.tokens, self.folder = tokens, pathlib.Path(folder)
        self.base = self.run("base", "-t", "1")

    def run(self, name, *flags, tokens=None):
        words = ["--tokens", joined(self.tokens)] if tokens is None else tokens
        out = self.folder / f"{self.path}-{name}.npy"
        return run_logits(self.model, [*words, *PATHS[self.path], *flags], out)

    def same_file(self, name, *flags):
        def compare():
            other = self.run("other", *flags)
            self.report.case(title, digest(other) == digest(self.base), self.difference(other))

        title = f"{self.path} {name}"
        self.report.attempt(title, compare)

    def difference(self, other, rows=slice(None)):
        a, b = numpy.load(self.base, mmap_mode="r"), numpy.load(other, mmap_mode="r")[rows]
        if a.shape != b.shape:
            return f"shape {b.shape}, expected {a.shape}"
        wrong = numpy.flatnonzero((a.view(numpy.uint32) != b.view(numpy.uint32)).any(axis=1))
        return (
            ""
            if len(wrong) == 0
            else f"{len(wrong)} of {len(a)} rows differ, the first is {wrong[0]}"
        )

    def same_among_neighbours(self, place, neighbours, *flags):
        """The sequence as number `place` among others; rows come out sequence by sequence."""

        def compare():
            sequences = [*neighbours[:place], self.tokens, *neighbours[place:]]
            text = ";".join(joined(sequence) for sequence in sequences)
            other = self.run("other", *flags, tokens=["--sequences", text])
            start = sum(len(sequence) for sequence in sequences[:place])
            wrong = self.difference(other, slice(start, start + len(self.tokens)))
            self.report.case(title, not wrong, wrong)

        place_name = f"number {place + 1} of {len(neighbours) + 1} sequences"
        title = " ".join([self.path, place_name, *flags])
        self.report.attempt(title, compare)


def check(report, model, path, tokens, folder):
    promise = Promise(report, model, path, tokens, folder)
    for threads in THREADS:
        promise.same_file(f"-t {threads}", "-t", str(threads))
    for chunk in CHUNKS:
        promise.same_file(f"--chunk {chunk}", "--chunk", str(chunk), "-t", "2")
    # Neighbours of other lengths and other contents, one of them a single token.
    neighbours = [tokens[40:91], tokens[7:8], tokens[::-1][:333]]
    for place in (0, 1, len(neighbours)):
        promise.same_among_neighbours(place, neighbours)
    promise.same_among_neighbours(2, neighbours, "--chunk", "64", "-t", "3")


def main():
    report = Report("bits")
    model = model_or_skip(report)
    with numpy.load(REFERENCE / "llamacpp-kl.npz") as stored:
        tokens = stored["tokens"][:POSITIONS].tolist()
    with tempfile.TemporaryDirectory() as folder:
        for path in PATHS:
            report.attempt(path, check, report, model, path, tokens, folder)
    report.exit()


if __name__ == "__main__":
    main()
