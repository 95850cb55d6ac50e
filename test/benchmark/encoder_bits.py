#!/usr/bin/env python3
"""What fewer bits in the products of an encoder would cost: distances from float64, computed with numpy.

    encoder_bits.py [MODEL] [--texts N]

MODEL is the folder of a BERT model with float32 weights (`./dev model minilm`).  Rows and weights are rounded
to integers with a scale for a whole row and output, or for some elements of them, and rows also to
integers from the row's least element on; the products themselves are exact.  Prints 1 minus the cosine
of pooled vectors: texts are lines of this repository's documentation, and a few of a word or none, which are
the farthest off.
"""

import argparse
import json
import pathlib
import subprocess
import sys

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "Tools" / "inputs"), str(HERE.parent / "conformance")]
import environment  # noqa: E402
import tiny_bert  # noqa: E402
import tiny_safetensors  # noqa: E402
from support import lathe  # noqa: E402

SHORT = ["", "x", "word", "How are you?", "Where is the station?", "I hate you", "1 2 3 4 5 6 7 8 9 10"]
#: The products of a layer, as docs/encoders.md calls them.
PRODUCTS = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "attention's output": "attention.output.dense",
    "up": "intermediate.dense",
    "down": "output.dense",
}
MIXED = ("query", "key", "attention's output", "down")


def signed(values, bits, block):
    """Integers of so many bits, with the sign, times the scale of the greatest of `block`; 0: of a row."""
    shape = values.shape
    values = values.reshape(*shape[:-1], -1, block or shape[-1])
    scales = np.abs(values).max(-1, keepdims=True) / (2 ** (bits - 1) - 1)
    scales[scales == 0] = 1
    return (np.rint(values / scales) * scales).reshape(shape)


def above_least(values, block):
    """Integers from 0 to 255 on the least of a row, with a scale for each block."""
    shape, low = values.shape, values.min(-1, keepdims=True)
    above = (values - low).reshape(*shape[:-1], -1, block)
    scales = above.max(-1, keepdims=True) / 255
    scales[scales == 0] = 1
    return low + (np.rint(above / scales) * scales).reshape(shape)


def wide(rows, weights):
    return signed(rows, 13, 0), signed(weights, 13, 0)


def narrow(block):
    return lambda rows, weights: (signed(rows, 8, block), signed(weights, 8, block))


def offset(block):
    """As `--precision mixed` has them, with 128."""
    return lambda rows, weights: (above_least(rows, block), signed(weights, 8, block))


def choose(names, inside, outside):
    chosen = {PRODUCTS[name] for name in names}
    return lambda name, rows, weights: (inside if name in chosen else outside)(rows, weights)


def keep(rows, weights):
    return rows, weights


def ways():
    yield "all int16 (`--precision int16`)", choose(PRODUCTS, wide, wide)
    yield "all int8, signed, a scale for each row and output", choose(PRODUCTS, narrow(0), keep)
    yield "all int8 above the least, scales of 128", choose(PRODUCTS, offset(128), keep)
    for name in PRODUCTS:
        yield f"{name} alone: above the least, scales of 128", choose([name], offset(128), keep)
    yield "`--precision mixed`", choose(MIXED, offset(128), wide)
    yield "`--precision mixed`, and up in int8", choose((*MIXED, "up"), offset(128), wide)


def read_texts(count):
    lines = []
    for file in sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")]):
        lines += [line for line in file.read_text("utf-8").splitlines() if len(line.split()) > 8]
    count -= len(SHORT)
    return SHORT + lines[:: max(1, len(lines) // count)][:count]


def tokenize(folder, text):
    command = [lathe(), "tokenize", str(folder), "-f", "-"]
    ids = subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout.split()
    return [int(word) for word in ids]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    default = environment.cache() / "models" / "all-minilm-l6-v2"
    parser.add_argument("model", nargs="?", type=pathlib.Path, default=default)
    parser.add_argument("--texts", type=int, default=32)
    options = parser.parse_args()
    folder = options.model
    config = json.loads((folder / "config.json").read_text())
    tensors = tiny_safetensors.read(folder / "model.safetensors").items()
    weights = {name: tiny_safetensors.decode(*entry) for name, entry in tensors if entry[0] == "F32"}
    texts = [tokenize(folder, text) for text in read_texts(options.texts)]

    def vectors(rounding):
        found = np.array([tiny_bert.forward(config, weights, ids, rounding).mean(0) for ids in texts])
        return found / np.linalg.norm(found, axis=1, keepdims=True)

    expected = vectors(tiny_bert.exact)
    print(f"{len(texts)} texts of {min(map(len, texts))} to {max(map(len, texts))} tokens\n")
    print("| | mean | most |\n|---|---:|---:|")
    for name, rounding in ways():
        far = 1 - (vectors(rounding) * expected).sum(1)
        print(f"| {name} | {far.mean():.1e} | {far.max():.1e} |", flush=True)


if __name__ == "__main__":
    main()
