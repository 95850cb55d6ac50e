#!/usr/bin/env python3
"""Every type of the KV cache: tiny models against their forward pass in numpy, with keys and values
rounded as the cache stores them (docs/layouts.md), and a context of 8192, whose logits have the
same bits with any number of threads and in chunks of any size.

All arithmetic but the cache's is f32.  A key on the border between two integers may be rounded to
either, so that a rounded cache differs from numpy's by more than f32 does.
"""

import hashlib
import pathlib
import sys
import tempfile

import numpy

from support import ROOT, Report, joined, logits, run_logits
from tiny_llama import Reference

sys.path.insert(0, str(ROOT / "test" / "Tools" / "inputs"))
from tiny_gguf import Shape, tiny_model  # noqa: E402

# How far logits may be from numpy's, of the largest.
TYPES = {"f32": 1e-4, "f16": 1e-3, "bf16": 4e-3, "int8": 5e-3}
SHAPES = {
    "heads of 64, 3 on 1": {"layers": 3, "hidden": 192, "heads": 3, "kv_heads": 1, "head_dim": 64},
    "heads of 24, 2 on 1": {"hidden": 96, "heads": 4, "kv_heads": 2, "head_dim": 24},
    "heads of 10": {"hidden": 50, "heads": 5, "kv_heads": 5, "head_dim": 10, "ffn": 33},
}  # fmt: skip
# Past the 256 positions after which attention splits its sums.
POSITIONS = 290
CONTEXT = 8192
# Threads and chunk.
WAYS = ((1, 512), (2, 512), (3, 100))
LONG_TYPES = ("f16", "int8")


def random_tokens(reference, count):
    vocabulary = len(reference.tensors["token_embd.weight"].data)
    return numpy.random.default_rng(7).integers(0, vocabulary, count)


def difference(found, expected):
    return numpy.abs(found - expected).max() / numpy.abs(expected).max()


def compare(report, name, path, type):
    tolerance, reference = TYPES[type], Reference(path, type)
    tokens = random_tokens(reference, POSITIONS)
    ours = logits(path, tokens, "--precision=f32", f"--kv-type={type}", "--no-cache")
    relative = difference(ours, reference.logits(tokens))
    told = f"max difference {relative:.1e} of the largest"
    report.case(f"{name} {type}", relative <= tolerance, told)


def check_long(report, path, type, folder):
    tolerance, reference = TYPES[type], Reference(path, type)
    tokens = random_tokens(reference, CONTEXT)
    digests = {}
    for threads, chunk in WAYS:
        flags = ["--tokens", joined(tokens), "--precision=f32", f"--kv-type={type}", "-t", str(threads),
                 "--chunk", str(chunk)]  # fmt: skip
        out = run_logits(path, flags, pathlib.Path(folder, "long.npy"))
        digests[threads, chunk] = hashlib.sha256(out.read_bytes()).hexdigest()
        same = digests[threads, chunk] == digests[WAYS[0]]
        report.case(f"{CONTEXT} positions {type} -t {threads} --chunk {chunk}", same)
    relative = difference(numpy.load(out), reference.logits(tokens))
    told = f"max difference {relative:.1e} of the largest"
    report.case(f"{CONTEXT} positions {type}", relative <= tolerance, told)


def main():
    report = Report("kv_cache")
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "tiny.gguf")
        for name, shape in SHAPES.items():
            path.write_bytes(tiny_model(Shape(**shape)).write())
            for type in TYPES:
                report.attempt(f"{name} {type}", compare, report, name, path, type)
        path.write_bytes(tiny_model(Shape(context=CONTEXT)).write())
        for type in LONG_TYPES:
            report.attempt(f"{CONTEXT} {type}", check_long, report, path, type, folder)
    report.exit()


if __name__ == "__main__":
    main()
