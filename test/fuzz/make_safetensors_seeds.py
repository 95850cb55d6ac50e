#!/usr/bin/env python3
"""Writes the seed corpus of fuzz_safetensors: small files, valid and faulty ones; needs numpy only.

    make_safetensors_seeds.py OUT_DIR
"""

import argparse
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "Tools" / "inputs"))

from make_bad_safetensors import CASES
from tiny_safetensors import write


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=pathlib.Path)
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    values = np.arange(6, dtype=np.float32)
    for type in ("F32", "F16", "BF16"):
        write(out / f"{type}.safetensors", {"a": (type, values), "b.c": (type, values.reshape(2, 3))})
    write(out / "metadata.safetensors", {"s": ("F32", np.float32(1))}, {"format": "np"})
    for name, _, raw, _ in CASES:
        (out / f"{name}.safetensors").write_bytes(raw)


if __name__ == "__main__":
    main()
