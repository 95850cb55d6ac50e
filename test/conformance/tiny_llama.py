#!/usr/bin/env python3
"""Tiny llama models of every block format and of odd sizes, against their forward pass in numpy.

The reference reads the GGUF file with the gguf package, whose dequantisers it uses, and computes
in float64.  The f32 path differs from it by rounding alone.  The int8 path rounds what the KV cache
keeps and meets, as the reference does, and for quantised weights each block of 32 activations to 8
bits, which the reference does not and random weights of so small a width hardly average out.
"""

import pathlib
import sys
import tempfile

import gguf
import numpy

import rounding
from rounding import default_cache
from support import ROOT, Report, logits

sys.path.insert(0, str(ROOT / "test" / "Tools" / "inputs"))
from tiny_gguf import FORMATS, Shape, tiny_model  # noqa: E402

FLOATS = ("f32", "f16", "bf16")


def tolerances(shape):
    """For each precision, of the largest |logit| of all positions."""
    return {"f32": 1e-4, "int8": 5e-3 if shape.format in FLOATS else 5e-2}


# Past the 256 positions after which attention splits its sums.
POSITIONS = 290

SHAPES = {
    "1 layer, tied": {"layers": 1},
    "3 layers, 3 heads on 1, own output": {
        "layers": 3, "hidden": 96, "heads": 3, "ffn": 160, "untied": True,
    },
    "heads of 24": {"hidden": 96, "heads": 4, "kv_heads": 2, "head_dim": 24},
}  # fmt: skip
# Rows of super-blocks are multiples of 256.
SUPER_SHAPES = {
    "1 layer, tied": {"layers": 1, "hidden": 256, "heads": 4, "head_dim": 64, "ffn": 256},
    "2 layers, 8 heads on 2, own output": {
        "hidden": 256, "heads": 8, "kv_heads": 2, "head_dim": 32, "ffn": 512, "untied": True,
    },
}  # fmt: skip
FLOAT_SHAPES = {
    "hidden 72, heads of 24, own output": {
        "layers": 3, "hidden": 72, "heads": 3, "head_dim": 24, "ffn": 90, "untied": True,
    },
    "hidden 50, heads of 10": {"hidden": 50, "heads": 5, "kv_heads": 5, "head_dim": 10, "ffn": 33},
}  # fmt: skip


class Reference:
    """The forward pass of a llama model (Touvron et al., 2023) as GGUF files lay it out, with keys
    and values as a cache of that type gives them back."""

    def __init__(self, path, cache="f32"):
        self.rounding = rounding.STORED[cache]
        # An instruction for pairs of bf16 wants them on both sides.
        self.products = self.rounding if cache == "bf16" and rounding.multiplies_bf16() else None
        reader = gguf.GGUFReader(path)
        self.fields = {key: field.contents() for key, field in reader.fields.items()}
        self.tensors = {tensor.name: tensor for tensor in reader.tensors}

    def key(self, name):
        return self.fields["llama." + name]

    def weight(self, name):
        tensor = self.tensors[name + ".weight"]
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        return values.reshape(tensor.shape[::-1]).astype(numpy.float64)

    def norm(self, x, name):
        scale = numpy.sqrt((x * x).mean(-1, keepdims=True) + self.epsilon)
        return x / scale * self.weight(name)

    def rotate(self, x):
        """Pairs of neighbours turn together: the converter has reordered the rows for that."""
        position, width = numpy.arange(len(x)), x.shape[-1]
        angle = position[:, None] * self.base ** (-numpy.arange(0, width, 2) / width)
        sine, cosine = numpy.sin(angle)[:, None], numpy.cos(angle)[:, None]
        even, odd = x[..., 0::2], x[..., 1::2]
        turned = numpy.stack([even * cosine - odd * sine, even * sine + odd * cosine], -1)
        return turned.reshape(x.shape)

    def attention(self, x, block):
        heads, groups = self.key("attention.head_count"), self.key("attention.head_count_kv")
        width = self.key("attention.key_length")

        def project(name, count):
            return (x @ self.weight(block + name).T).reshape(-1, count, width)

        q = self.asked(self.rotate(project("attn_q", heads)))
        k = self.rotate(project("attn_k", groups))
        v = project("attn_v", groups)
        k, v = (numpy.repeat(self.stored(each), heads // groups, 1) for each in (k, v))
        mixed = []
        # By slices: the scores of all rows of a long context are too many.
        for first in range(0, len(x), 256):
            part = slice(first, first + 256)
            scores = numpy.einsum("qhd,khd->hqk", q[part], k) / numpy.sqrt(width)
            scores[:, ~numpy.tri(len(x), dtype=bool)[part]] = -numpy.inf
            mixed.append(numpy.einsum("hqk,khd->qhd", rounding.softmax(scores, self.products), v))
        mixed = numpy.concatenate(mixed).reshape(len(x), -1)
        return mixed @ self.weight(block + "attn_output").T

    def asked(self, x):
        """Queries, [position, head, width], as keys meet them."""
        return rounding.through(self.products, x)

    def stored(self, x):
        """Keys or values, [position, head, width], as the cache gives them back."""
        return rounding.through(self.rounding, x)

    def runs(self, layer):
        return True

    def feed_forward(self, x, block):
        gate, up = (x @ self.weight(block + name).T for name in ("ffn_gate", "ffn_up"))
        return (gate / (1 + numpy.exp(-gate)) * up) @ self.weight(block + "ffn_down").T

    def logits(self, tokens):
        self.epsilon = self.key("attention.layer_norm_rms_epsilon")
        self.base = self.key("rope.freq_base")
        x = self.weight("token_embd")[tokens]
        for layer in filter(self.runs, range(self.key("block_count"))):
            block = f"blk.{layer}."
            x = x + self.attention(self.norm(x, block + "attn_norm"), block)
            x = x + self.feed_forward(self.norm(x, block + "ffn_norm"), block)
        head = "output" if "output.weight" in self.tensors else "token_embd"
        return self.norm(x, "output_norm") @ self.weight(head).T


def check(report, name, shape, folder):
    path = pathlib.Path(folder, "tiny.gguf")
    path.write_bytes(tiny_model(shape).write())
    for precision, tolerance in tolerances(shape).items():
        report.attempt(f"{name} {precision}", compare, report, name, path, precision, tolerance)


def compare(report, name, path, precision, tolerance):
    reference = Reference(path, default_cache(precision))
    vocabulary = len(reference.tensors["token_embd.weight"].data)
    tokens = numpy.random.default_rng(7).integers(0, vocabulary, POSITIONS)
    expected = reference.logits(tokens)
    ours = logits(path, tokens, f"--precision={precision}", "--no-cache")
    relative = numpy.abs(ours - expected).max() / numpy.abs(expected).max()
    report.case(f"{name} {precision}", relative <= tolerance,
                f"max difference {relative:.1e} of the largest")  # fmt: skip


def main():
    report = Report("tiny_llama")
    with tempfile.TemporaryDirectory() as folder:
        for format in FORMATS:
            shapes = SUPER_SHAPES if format.endswith("_k") else SHAPES
            shapes = shapes | (FLOAT_SHAPES if format in FLOATS else {})
            for name, sizes in shapes.items():
                check(report, f"{format} {name}", Shape(format=format, **sizes), folder)
        pairs = [("q4_0", "q8_0"), ("q4_1", "f16"), ("q8_0", "q4_0"), ("q5_0", "q8_0")]
        sizes = [{}] * len(pairs)
        pairs += [("q4_k", "q6_k"), ("q6_k", "q8_0"), ("q5_0", "q6_k")]
        sizes += [SUPER_SHAPES["1 layer, tied"]] * (len(pairs) - len(sizes))
        for (format, embedding), each in zip(pairs, sizes):
            shape = Shape(**each | {"format": format, "embedding_format": embedding, "untied": True})
            check(report, f"{format} beside {embedding}", shape, folder)
    report.exit()


if __name__ == "__main__":
    main()
