"""How kernels round what they keep and multiply, in numpy (docs/layouts.md)."""

import numpy

from support import processor_has

# Positions of a split of attention.
SPLIT = 256


def bf16(x):
    """The nearest bf16 of f32, ties to even."""
    bits = x.view(numpy.uint32).astype(numpy.uint64)
    rounded = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16) << 16
    return rounded.astype(numpy.uint32).view(numpy.float32)


def multiples(x, limit, inverse):
    """Every vector of f32 along the last axis as multiples of its unit, its largest size / limit;
    `inverse` gives what elements are multiplied with, of the largest size and the unit."""
    most = numpy.abs(x).max(-1, keepdims=True)
    # What is all zeros stays so with any other unit.
    most = numpy.where(most == 0, numpy.float32(1), most)
    unit = most / numpy.float32(limit)
    return numpy.rint(x * inverse(most, unit)) * unit


def activation_multiples(x, limit):
    """As activations become integers."""
    return multiples(x, limit, lambda most, unit: numpy.float32(limit) / most)


def int8_blocks(x):
    """As a cache stores int8: every 32 elements along the last axis, and the rest."""
    blocks = [
        multiples(x[..., i : i + 32], 127, lambda most, unit: numpy.float32(1) / unit)
        for i in range(0, x.shape[-1], 32)
    ]
    return numpy.concatenate(blocks, axis=-1)


# How a KV cache rounds f32, by its type.
STORED = {
    "f32": None,
    "f16": lambda x: x.astype(numpy.float16).astype(numpy.float32),
    "bf16": bf16,
    "int8": int8_blocks,
}


def through(rounding, x):
    """Float64 `x`, rounded as f32 is, or not at all."""
    if rounding is None:
        return x
    return rounding(numpy.ascontiguousarray(x, numpy.float32)).astype(numpy.float64)


def multiplies_bf16():
    """Whether kernels for this processor multiply pairs of bf16."""
    return processor_has({"avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx512_bf16"})


def default_cache(precision):
    """The type of the KV cache where none is asked for."""
    if precision == "f32":
        return "f32"
    return "bf16" if multiplies_bf16() else "f16"


def softmax(scores, rounding=None):
    """Weights of positions 0, 1, ... along the last axis; a score of -inf is not seen.

    With a rounding, exponentials are rounded ahead of products with values: those of a split
    relative to the greatest score seen in it.  Their sum is of what was not rounded.
    """
    top = scores.max(-1, keepdims=True)
    if rounding is None:
        powers = numpy.exp(scores - top)
        return powers / powers.sum(-1, keepdims=True)
    weights, total = [], 0
    for first in range(0, scores.shape[-1], SPLIT):
        split = scores[..., first : first + SPLIT]
        own = split.max(-1, keepdims=True)
        own = numpy.where(numpy.isfinite(own), own, top)
        powers, shift = numpy.exp(split - own), numpy.exp(own - top)
        weights.append(through(rounding, powers) * shift)
        total = total + (powers * shift).sum(-1, keepdims=True)
    return numpy.concatenate(weights, axis=-1) / total
