#!/usr/bin/env python3
"""AVX2 and AVX-512 agree.  Where the processor has no AVX-512, its kernels run with the two dot
products written out in plain vector arithmetic (the target x86-64-v4-emulated), so their tiles,
layouts and control flow are tested everywhere; the instructions themselves by the lit tests of the
assembly, and in an emulator by avx512_emulated.py.  On a processor that has them, both the plain
arithmetic and the real thing are compared here."""

import pathlib
import tempfile

import numpy

from support import REFERENCE, Report, joined, model_or_skip, processor_has, run_logits

POSITIONS = 300
PLAIN, WRITTEN_OUT = "x86-64-v3", "x86-64-v4-emulated"
# Precision, type of the KV cache, and what it is compared with: where there is a dot product of bf16,
# attention over a cache of bf16 rounds queries and weights to that, too.
PATHS = (
    ("auto", "f16", PLAIN),
    ("f32", "f32", PLAIN),
    ("bf16", "f16", PLAIN),
    ("auto", "bf16", WRITTEN_OUT),
    ("auto", "int8", PLAIN),
)
# Sums in the same order: only the inner order of a bf16 dot product may differ.
TOLERANCE = 1e-4
NEEDED = {"avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx512_bf16"}


def main():
    report = Report("targets")
    model = model_or_skip(report)
    with numpy.load(REFERENCE / "llamacpp-kl.npz") as stored:
        tokens = joined(stored["tokens"][:POSITIONS].tolist())
    others = [WRITTEN_OUT] + (["x86-64-v4"] if processor_has(NEEDED) else [])
    with tempfile.TemporaryDirectory() as folder:
        for precision, cache, base in PATHS:
            name = f"{precision}, {cache} cache"
            path = f"--precision={precision}", f"--kv-type={cache}"

            def run(target):
                flags = ["--tokens", tokens, *path, "--target", target]
                return numpy.load(run_logits(model, flags, pathlib.Path(folder, target + ".npy")))

            def compare(target):
                expected, other = run(base), run(target)
                worst = float(numpy.abs(expected - other).max() / numpy.abs(expected).max())
                told = f"largest difference {worst:.1e} of the largest logit"
                report.case(f"{name} {target}: {told}", worst <= TOLERANCE, told)

            for target in others:
                if target == base:
                    continue
                report.attempt(f"{name} {target}", compare, target)
    report.exit()


if __name__ == "__main__":
    main()
