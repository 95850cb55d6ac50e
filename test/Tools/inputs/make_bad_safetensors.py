#!/usr/bin/env python3
"""Writes one faulty safetensors file for each fault that the reader must find, and the command lines
that check them.

    make_bad_safetensors.py OUT_DIR

Prints a line for each: file name, error number, and the exit code that `lathe inspect` must give.
"""

import argparse
import json
import pathlib

import numpy as np
from tiny_safetensors import join, layout

HEADER, DATA = layout({"a": ("F32", np.ones(4)), "b": ("F16", np.ones((2, 2)))})


def bend(name="a", **members):
    """The header with other members of one tensor; None leaves one out."""
    header = json.loads(json.dumps(HEADER))
    header[name].update(members)
    header[name] = {key: value for key, value in header[name].items() if value is not None}
    return header


def text(tensors):
    return ("{" + ",".join(tensors) + "}").encode()


A = '"a":' + json.dumps(HEADER["a"])
B = '"b":' + json.dumps(HEADER["b"])

# Name, error, bytes, exit code.
CASES = [
    ("short", 340, b"1234", 4),
    ("header-past-end", 340, join(b"{}", b"", 4096), 4),
    ("header-2-63", 341, join(HEADER, DATA, 1 << 63), 4),
    ("header-too-long", 341, join(HEADER, DATA, (1 << 24) + 1), 4),
    ("no-json", 342, join(b"{'a': 1}", DATA), 4),
    ("an-array", 342, join(b"[1, 2]", DATA), 4),
    ("empty-header", 342, join(b"", b"12345678", 0), 4),
    ("two-documents", 342, join(b"{} {}", b""), 4),
    ("too-deep", 342, join(b'{"a":' * 100000 + b"1" + b"}" * 100000, b""), 4),
    # Time by the square of the number of members would be hours.
    ("million-members", 344, join(text(f'"{i}":1' for i in range(10**6)), b""), 4),
    ("million-in-a-tensor", 344, join(text(['"a":' + text(['"b":0'] * 10**6).decode()]), b""), 4),
    ("1e400", 342, join(b'{"a":{"shape":[1e400]}}', b""), 4),
    ("bad-utf-8", 342, join(b'{"\xff":1}', b""), 4),
    ("name-twice", 343, join(text([A, A.replace("[0, 16]", "[16, 32]")]), bytes(32)), 4),
    ("member-twice", 343, join(text([A.replace('"shape"', '"dtype": "F32", "shape"')]), DATA), 4),
    ("metadata-twice", 343, join(text(['"__metadata__":{}'] * 2), b""), 4),
    ("metadata-member-twice", 343, join(b'{"__metadata__":{"k":"1","k":"2"}}', b""), 4),
    ("metadata-number", 344, join({"__metadata__": {"k": 1}, **HEADER}, DATA), 4),
    ("metadata-array", 344, join({"__metadata__": [], **HEADER}, DATA), 4),
    ("tensor-number", 344, join({"a": 1}, b""), 4),
    ("no-dtype", 344, join(bend(dtype=None), DATA), 4),
    ("no-shape", 344, join(bend(shape=None), DATA), 4),
    ("no-offsets", 344, join(bend(data_offsets=None), DATA), 4),
    ("extra-member", 344, join(bend(stride=[1]), DATA), 4),
    ("three-offsets", 344, join(bend(data_offsets=[0, 8, 16]), DATA), 4),
    ("negative-offset", 344, join(bend(data_offsets=[-16, 0]), DATA), 4),
    ("dtype", 345, join(bend(dtype="F31"), DATA), 4),
    ("negative-dimension", 346, join(bend(shape=[-4]), DATA), 4),
    ("fraction", 346, join(bend(shape=[4.5]), DATA), 4),
    ("shape-overflow", 346, join(bend(shape=[1 << 40, 1 << 40]), DATA), 4),
    ("dimension-2-63", 346, join(bend(shape=[0, 1 << 63]), DATA), 4),
    ("nine-dimensions", 346, join(bend(shape=[1] * 9), DATA), 4),
    ("half-byte", 346, join(bend(dtype="F4", shape=[1]), DATA), 4),
    ("reversed", 347, join(bend(data_offsets=[16, 0]), DATA), 4),
    ("not-shape", 347, join(bend(shape=[3]), DATA), 4),
    ("overlap", 347, join(bend("b", data_offsets=[12, 20]), DATA[:20]), 4),
    ("hole", 347, join(bend("b", data_offsets=[20, 28]), DATA + b"1234"), 4),
    ("not-from-0", 347, join(text([B]), DATA), 4),
    ("past-end", 348, join(HEADER, DATA[:-1]), 4),
    ("behind", 348, join(HEADER, DATA + b"x"), 4),
    ("offset-2-64", 347, join(bend("b", data_offsets=[2**64 - 9, 2**64 - 1]), DATA), 4),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=pathlib.Path)
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    for name, error, raw, code in CASES:
        (out / f"{name}.safetensors").write_bytes(raw)
        print(f"{name}.safetensors E{error:04} {code}")


if __name__ == "__main__":
    main()
