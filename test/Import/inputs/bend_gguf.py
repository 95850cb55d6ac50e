#!/usr/bin/env python3
"""Writes the tiny model of tiny_gguf.py with changes, for tests of the importer.

    bend_gguf.py OUT.gguf [--untied] [--format q4_1] [--layers 2] [--experts 8 --experts-used 2]
                 [--set KEY=VALUE] [--unset KEY] [--drop TENSOR] [--tensor NAME=FORMAT:8x64]

The last four flags may stand several times.  Shapes are as the importer tells them, rows
first.  Tensors are put at the end, or where one of that name was.
"""

import argparse
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "Tools" / "inputs"))
from tiny_gguf import F32, FORMATS, STRING, U32, Shape, Tensor, tiny_model  # noqa: E402


def set_value(gguf, text):
    key, value = text.split("=", 1)
    if key in gguf.values:
        kind = gguf.values[key][0]
    else:
        kind = U32 if value.isdigit() else STRING
    gguf.set(key, kind, value if kind == STRING else float(value) if kind == F32 else int(value))


def set_tensor(gguf, text):
    name, layout = text.split("=")
    format, shape = layout.split(":")
    shape = [int(size) for size in shape.split("x")]
    kind, _, encode = FORMATS[format]
    rng = np.random.default_rng(7)
    data = encode(rng.standard_normal(shape).astype(np.float32)).tobytes()
    tensor = Tensor(name, shape[::-1], kind, data)
    names = [t.name for t in gguf.tensors]
    place = names.index(name) if name in names else len(names)
    gguf.tensors[place : place + 1] = [tensor]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--untied", action="store_true")
    parser.add_argument("--format", choices=FORMATS, default="f32")
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--experts", type=int, default=0)
    parser.add_argument("--experts-used", type=int, default=0)
    for flag in ["--set", "--unset", "--drop", "--tensor"]:
        parser.add_argument(flag, action="append", default=[])
    given = parser.parse_args()
    sizes = {name: getattr(given, name) for name in ["format", "untied", "layers"]}
    experts = {"experts": given.experts, "experts_used": given.experts_used}
    gguf = tiny_model(Shape(**sizes, **experts))
    for text in given.set:
        set_value(gguf, text)
    for key in given.unset:
        del gguf.values[key]
    for name in given.drop:
        gguf.tensors.remove(gguf.tensor(name))
    for text in given.tensor:
        set_tensor(gguf, text)
    given.out.write_bytes(gguf.write())


if __name__ == "__main__":
    main()
