#!/usr/bin/env python3
"""Writes safetensors files by the format's own rules, right and wrong; needs numpy only.

    tiny_safetensors.py OUT.safetensors NAME=TYPE:SHAPE...    such as w=F16:64x32

The numbers are those of numpy's default generator with seed 0, in the order of the names.
"""

import argparse
import json
import pathlib
import struct

import numpy as np

# Of integers those that f32 has.
NUMBERS = {"F32": np.float32, "F16": np.float16, "I32": np.int32}


def encode(type, values):
    """The bytes of f32 values in an element type of the format."""
    values = np.asarray(values, np.float32)
    if type == "BF16":
        # What is cut off is rounded to the nearest, ties to even.
        bits = np.ascontiguousarray(values).view(np.uint32).astype(np.uint64)
        return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16).tobytes()
    return values.astype(NUMBERS[type]).tobytes()


def decode(type, raw, shape):
    """The f32 values of what `encode` gave."""
    if type == "BF16":
        bits = np.frombuffer(raw, np.uint16).astype(np.uint32) << 16
        return bits.view(np.float32).reshape(shape)
    return np.frombuffer(raw, NUMBERS[type]).astype(np.float32).reshape(shape)


def layout(tensors):
    """The header's object and the data of {name: (type, values)}."""
    header, data = {}, b""
    for name, (type, values) in tensors.items():
        raw = encode(type, values)
        header[name] = {
            "dtype": type,
            "shape": list(np.shape(values)),
            "data_offsets": [len(data), len(data) + len(raw)],
        }
        data += raw
    return header, data


def join(header, data, length=None):
    """A file of a header, an object or text, and data."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    if length is None:
        text += b" " * (-len(text) % 8)
        length = len(text)
    return struct.pack("<Q", length) + text + data


def write(path, tensors, metadata=None):
    header, data = layout(tensors)
    if metadata:
        header = {"__metadata__": metadata, **header}
    pathlib.Path(path).write_bytes(join(header, data))


def read(path):
    """What `write` wrote, or another program: {name: (type, raw bytes, shape)}."""
    raw = pathlib.Path(path).read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header, data = json.loads(raw[8 : 8 + length]), raw[8 + length :]
    header.pop("__metadata__", None)
    found = {}
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        found[name] = (entry["dtype"], data[first:last], entry["shape"])
    return found


def read_metadata(path):
    """The texts that go with the tensors."""
    raw = pathlib.Path(path).read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    return json.loads(raw[8 : 8 + length]).get("__metadata__", {})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out")
    parser.add_argument("tensors", nargs="*")
    options = parser.parse_args()
    random, tensors = np.random.default_rng(0), {}
    for each in options.tensors:
        name, kind = each.split("=")
        type, shape = kind.split(":")
        values = random.standard_normal([int(size) for size in shape.split("x")])
        tensors[name] = (type, values.astype(np.float32))
    write(options.out, tensors)


if __name__ == "__main__":
    main()
