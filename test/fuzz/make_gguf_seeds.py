#!/usr/bin/env python3
"""Writes the seed corpus of fuzz_gguf: small GGUF files, valid and faulty ones; needs numpy only.

    make_gguf_seeds.py OUT_DIR
"""

import argparse
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "Tools" / "inputs"))

from make_bad_gguf import CASES
from tiny_gguf import ARRAY, BOOL, F32, FORMATS, GGUF, I32, STRING, U16, U32, Tensor, array


def small(format):
    """A small file with every part that a file can have."""
    kind, _, encode = FORMATS[format]
    gguf = GGUF()
    gguf.set("general.architecture", STRING, "llama")
    gguf.set("general.alignment", U32, 32)
    gguf.set("split.count", U16, 1)
    gguf.set("flag", BOOL, True)
    gguf.set_array("tokens", STRING, ["a", "bc", ""])
    gguf.set_array("types", I32, [1, -1])
    gguf.set_array("scores", F32, [0.5])
    # One array of two numbers inside an array.
    header = array(ARRAY, [])[:4] + (1).to_bytes(8, "little")
    gguf.values["nested"] = (ARRAY, header + array(I32, [1, 2]))
    # Rows that hold whole blocks of every format.
    weights = np.random.default_rng(1).standard_normal((2, 256)).astype(np.float32)
    gguf.tensors.append(Tensor("output_norm.weight", [256, 2], kind, encode(weights).tobytes()))
    gguf.tensors.append(Tensor("b.weight", [3], 0, bytes(12)))
    return gguf


def faulty():
    """The faults of make_bad_gguf that a small file can have too."""
    for name, _, error, _, bend in CASES:
        if error == "-" or name == "11-nested-arrays":
            continue
        gguf = small("q4_0")
        raw = bend(gguf)
        yield name, gguf.write() if raw is None else raw


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=pathlib.Path)
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    for format in FORMATS:
        (out / f"small-{format}.gguf").write_bytes(small(format).write())
    for name, raw in faulty():
        (out / f"{name}.gguf").write_bytes(raw)


if __name__ == "__main__":
    main()
