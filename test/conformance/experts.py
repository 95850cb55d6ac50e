#!/usr/bin/env python3
"""Tiny mixtures of experts, as Mixtral's files hold them, against numpy and llama.cpp.

The reference is that of tiny_llama.py, with a router and experts in place of the MLP (Jiang et al.,
2024), and so are the tolerances.  Where the two experts at the edge of a row's choice are almost
equal, rounding chooses the other one, and changes that row and a little of those behind it.  In f32
no choice is as close as that.  In int8 the median row is compared, and every row where all have all
experts.  The same tokens must give the same bits, however rows with other experts are beside
them.
"""

import pathlib
import subprocess
import sys
import tempfile

import numpy

import tiny_llama
from rounding import default_cache
from support import ROOT, Report, joined, lathe, logits, run_logits
from tiny_llama import Shape, tiny_model

sys.path.insert(0, str(ROOT / "test"))
from llamacpp import environment  # noqa: E402

SHAPES = {
    "f32 2 of 8": {"format": "f32", "experts": 8, "experts_used": 2},
    "f16 all 3": {"format": "f16", "experts": 3, "experts_used": 3, "heads": 3, "hidden": 96},
    "bf16 1 of 5": {"format": "bf16", "experts": 5, "experts_used": 1, "layers": 3},
    "q4_0 2 of 8": {"format": "q4_0", "experts": 8, "experts_used": 2, "untied": True},
    "q8_0 4 of 40": {"format": "q8_0", "experts": 40, "experts_used": 4, "layers": 1, "ffn": 32},
    "q5_1 3 of 4": {"format": "q5_1", "experts": 4, "experts_used": 3},
    "q4_1 all 4": {"format": "q4_1", "experts": 4, "experts_used": 4},
    "q8_0 all 2": {"format": "q8_0", "experts": 2, "experts_used": 2, "ffn": 160},
    "q4_k 2 of 6": {
        "format": "q4_k", "experts": 6, "experts_used": 2, "hidden": 256, "heads": 4, "head_dim": 64,
        "ffn": 512,
    },
    "q6_k all 3": {
        "format": "q6_k", "experts": 3, "experts_used": 3, "hidden": 256, "heads": 4, "head_dim": 64,
        "ffn": 256, "layers": 1,
    },
}  # fmt: skip
# Past the largest chunk of rows of a tile.
POSITIONS = 290
# Of the router's logits: closer ones may be exchanged by rounding in f32.
CLOSE = 1e-4


class Reference(tiny_llama.Reference):
    """Notes how far each row's choice was from another, in `margins`."""

    def feed_forward(self, x, block):
        router = x @ self.weight(block + "ffn_gate_inp").T
        used = self.key("expert_used_count")
        order = numpy.argsort(-router, axis=-1, kind="stable")
        chosen = order[:, :used]
        ranked = numpy.take_along_axis(router, order, -1)
        if used < ranked.shape[1]:
            gap = ranked[:, used - 1] - ranked[:, used]
            self.margins = numpy.minimum(self.margins, gap)
        share = numpy.exp(ranked[:, :used] - ranked[:, :1])
        share /= share.sum(-1, keepdims=True)
        names = ("ffn_gate_exps", "ffn_up_exps", "ffn_down_exps")
        gate, up, down = (self.weight(block + name) for name in names)
        result = numpy.zeros_like(x)
        for row, experts in enumerate(chosen):
            for expert, part in zip(experts, share[row]):
                g, u = gate[expert] @ x[row], up[expert] @ x[row]
                result[row] += part * (down[expert] @ (g / (1 + numpy.exp(-g)) * u))
        return result

    def logits(self, tokens):
        self.margins = numpy.full(len(tokens), numpy.inf)
        return super().logits(tokens)


def write(folder, sizes):
    path = pathlib.Path(folder, "experts.gguf")
    path.write_bytes(tiny_model(Shape(**sizes)).write())
    return path


def check_reference(report, name, sizes, path):
    tokens = numpy.random.default_rng(7).integers(0, 300, POSITIONS)
    for precision, tolerance in tiny_llama.tolerances(Shape(**sizes)).items():
        reference = Reference(path, default_cache(precision))
        expected = reference.logits(tokens)
        if precision == "f32":
            margin = reference.margins.min()
            told = f"the closest differ by {margin:.1e}"
            report.case(f"{name} has clear choices", margin > CLOSE, told)
        found = logits(path, tokens, f"--precision={precision}", "--no-cache")
        rows = numpy.abs(found - expected).max(axis=1) / numpy.abs(expected).max()
        all_rows = precision == "f32" or sizes["experts"] == sizes["experts_used"]
        wrong = rows.max() if all_rows else numpy.median(rows)
        detail = f"{wrong:.1e} of the largest, {'all rows' if all_rows else 'median'}"
        report.case(f"{name} {precision}, against numpy", wrong <= tolerance, detail)


def check_bits(report, name, path, folder):
    """Threads, chunks, other sequences, an artefact."""
    random = numpy.random.default_rng(11)
    tokens = random.integers(0, 300, 140)
    others = [random.integers(0, 300, 40), random.integers(0, 300, 70)]
    for precision in ("f32", "auto"):
        flag = f"--precision={precision}"
        base = logits(path, tokens, flag, "-t1")
        for more in (["-t2"], ["-t3"], ["--chunk=1"], ["--chunk=7"], ["--chunk=64", "-t2"]):
            same = logits(path, tokens, flag, *more).tobytes() == base.tobytes()
            report.case(f"{name} {precision} {' '.join(more)}", same)
        for place in (0, 1, 2):
            sequences = [*others[:place], tokens, *others[place:]]
            words = ["--sequences", ";".join(joined(each) for each in sequences), flag]
            found = numpy.load(run_logits(path, words, pathlib.Path(folder, "x.npy")))
            start = sum(len(each) for each in sequences[:place])
            same = found[start : start + len(tokens)].tobytes() == base.tobytes()
            report.case(f"{name} {precision} number {place + 1} of 3 sequences", same)
    compiled = path.with_suffix(".lathe")
    subprocess.run([lathe(), "compile", path, "-o", compiled], check=True, capture_output=True)
    same = logits(compiled, tokens).tobytes() == logits(path, tokens).tobytes()
    report.case(f"{name} when compiled", same)


def check_llamacpp(report, folder):
    """llama.cpp's own reading of the file, where it is installed."""
    if not (environment.cache() / "peers" / "bin").is_dir():
        return report.skip("llama.cpp", "is not installed ('./dev bench --peers' does that)")
    tokens = [int(token) for token in numpy.random.default_rng(7).integers(0, 300, 64)]
    with environment.Worker() as peer:
        for name in ("f32 2 of 8", "bf16 1 of 5", "f16 all 3"):
            path = write(folder, SHAPES[name])
            out = path.with_suffix(".npy")
            peer.ask("load", model=str(path), threads=2, context=512, cache="f32")
            peer.ask("logits", tokens=tokens, out=str(out))
            expected = numpy.load(out)
            found = logits(path, tokens, "--precision=f32", "--no-cache")
            relative = numpy.abs(found - expected).max() / numpy.abs(expected).max()
            detail = f"{relative:.1e} of the largest"
            report.case(f"{name}, against llama.cpp", relative <= 1e-2, detail)


def main():
    report = Report("experts")
    with tempfile.TemporaryDirectory() as folder:
        for name, sizes in SHAPES.items():
            path = write(folder, sizes)
            report.attempt(f"{name} reference", check_reference, report, name, sizes, path)
        for name in ("f32 2 of 8", "q4_0 2 of 8", "q8_0 4 of 40", "q4_k 2 of 6"):
            path = write(folder, SHAPES[name])
            report.attempt(f"{name} bits", check_bits, report, name, path, folder)
        report.attempt("llama.cpp", check_llamacpp, report, folder)
    report.exit()


if __name__ == "__main__":
    main()
