#!/usr/bin/env python3
"""What fewer bits in the products of an encoder would cost: distances from float64, computed with numpy.

    encoder_bits.py [MODEL]

MODEL is the folder of a BERT model with float32 weights (`./dev model minilm`).  Rows and weights are rounded
to integers with one scale for each row and each output, or for each 32 elements of them; the products themselves
are exact.  Prints 1 minus the cosine of texts of random tokens, from 5 to 86 of them.
"""

import argparse
import functools
import json
import pathlib
import sys

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "Tools" / "inputs")]
import environment  # noqa: E402
import tiny_bert  # noqa: E402
import tiny_safetensors  # noqa: E402

LENGTHS = (3, 6, 10, 20, 40, 60, 84)


def rounded(values, bits, block):
    """Integers of so many bits, with the sign, times the scale of the greatest."""
    shape = values.shape
    values = values.reshape(*shape[:-1], -1, block or shape[-1])
    scales = np.abs(values).max(-1, keepdims=True) / (2 ** (bits - 1) - 1)
    scales[scales == 0] = 1
    return (np.rint(values / scales) * scales).reshape(shape)


def both(bits, block, rows, weights):
    return rounded(rows, bits, block), rounded(weights, bits, block)


#: Bits, and elements to a scale; 0: all.
WAYS = {"12 bits (--precision int16)": (12, 0), "8 bits, scales of 32": (8, 32), "8 bits": (8, 0)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    default = environment.cache() / "models" / "all-minilm-l6-v2"
    parser.add_argument("model", nargs="?", type=pathlib.Path, default=default)
    folder = parser.parse_args().model
    config = json.loads((folder / "config.json").read_text())
    tensors = tiny_safetensors.read(folder / "model.safetensors").items()
    weights = {name: tiny_safetensors.decode(*entry) for name, entry in tensors if entry[0] == "F32"}
    random = np.random.default_rng(1)
    texts = [[101, *random.integers(1000, 30000, length), 102] for length in LENGTHS]

    def vectors(rounding):
        found = np.array([tiny_bert.forward(config, weights, ids, rounding).mean(0) for ids in texts])
        return found / np.linalg.norm(found, axis=1, keepdims=True)

    expected = vectors(tiny_bert.exact)
    print("| | least | most |\n|---|---:|---:|")
    for name, (bits, block) in WAYS.items():
        far = 1 - (vectors(functools.partial(both, bits, block)) * expected).sum(1)
        print(f"| {name} | {far.min():.1e} | {far.max():.1e} |", flush=True)


if __name__ == "__main__":
    main()
