#!/usr/bin/env python3
"""Writes test/reference/blocks/FORMAT.bin: blocks of random bytes and what gguf-py makes of them.

A file holds BLOCKS blocks of the format, as in a GGUF file, and then their weights as little-endian
f32.  The scales are random finite halves, subnormal ones and both zeros among them; every other
byte is random.

    pip install gguf
    make_block_goldens.py OUT_DIR
"""

import argparse
import pathlib

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, dequantize

BLOCKS = 64
# Format, and the bytes of a block that are halves which scale it.
NONE, D, D_AND_M = slice(0), slice(0, 2), slice(0, 4)
FORMATS = {"F32": NONE, "F16": NONE, "BF16": NONE, "Q8_0": D, "Q4_0": D, "Q4_1": D_AND_M,
           "Q5_0": D, "Q5_1": D_AND_M, "Q4_K": D_AND_M, "Q5_K": D_AND_M,
           "Q6_K": slice(208, 210)}  # fmt: skip


def finite_halves(rng, count):
    """Random bits of half floats that are neither infinite nor NaN."""
    bits = rng.integers(0, 1 << 16, count, dtype=np.uint16)
    infinite = (bits & 0x7C00) == 0x7C00
    bits[infinite] &= 0xBFFF
    bits[:4] = (0x0000, 0x8000, 0x0001, 0x83FF)
    return bits


def finite_floats(rng, name):
    """Random bits of unquantised weights that are neither infinite nor NaN."""
    if name == "F16":
        return finite_halves(rng, BLOCKS).view(np.uint8)
    width, exponent = (np.uint32, 0x7F800000) if name == "F32" else (np.uint16, 0x7F80)
    bits = rng.integers(0, np.iinfo(width).max, BLOCKS, dtype=width, endpoint=True)
    bits[(bits & exponent) == exponent] &= width(~exponent & np.iinfo(width).max)
    return bits.view(np.uint8)


def random_blocks(rng, name):
    scales = FORMATS[name]
    if scales == NONE:
        return finite_floats(rng, name)
    _, size = GGML_QUANT_SIZES[GGMLQuantizationType[name]]
    blocks = rng.integers(0, 256, (BLOCKS, size), dtype=np.uint8)
    count = blocks[:, scales].shape[1] // 2
    halves = np.stack([finite_halves(rng, BLOCKS) for _ in range(count)], axis=1)
    blocks[:, scales] = halves.view(np.uint8)
    return blocks.reshape(-1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=pathlib.Path)
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(FORMATS):
        raw = random_blocks(np.random.default_rng(seed), name)
        weights = dequantize(raw, GGMLQuantizationType[name]).astype("<f4")
        (out / f"{name.lower()}.bin").write_bytes(raw.tobytes() + weights.tobytes())


if __name__ == "__main__":
    main()
