#!/usr/bin/env python3
"""Writes the seed corpus of fuzz_artefact: small artefacts with and without weights.

    make_artefact_seeds.py OUT_DIR

The hashes stay zero: the fuzz target puts them right itself.
"""

import argparse
import json
import pathlib
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "Tools" / "inputs"))

from tiny_gguf import GGUF, STRING, Tensor

ABOUT, PATH, MANIFEST, CODE, HEADER, WEIGHTS, CALIBRATION, FILES = range(1, 9)


def manifest(target):
    entry = {"name": "decode", "max_rows": 1, "arena_bytes": 64, "scratch_bytes": 64}
    weight = {
        "symbol": "output_norm", "format": "f32", "shape": [16], "layout": "vector", "first": 0,
        "tensors": "output_norm.weight",
    }
    model = {"architecture": "x", "vocabulary": 16, "embedding": 4, "layers": 1, "context": 300}
    return json.dumps({
        "abi": 1, "compiler": "x", "target": target, "features": ["avx2"], "precision": "auto",
        "model": model, "entries": [entry], "weights": [weight], "kv": {"type": "f16", "bytes_per_position": 8},
    }).encode()


def artefact(sections):
    head, start = 64, 64 + 64 * len(sections)
    table, body = b"", b""
    for kind, target, content in sections:
        body += bytes(-(start + len(body)) % 64)
        table += struct.pack("<IIQQ40x", kind, target, start + len(body), len(content))
        body += content
    header = struct.pack("<8sIIQQ32x", b"\x89LATHE\r\n", 1, len(sections), start + len(body), 0)
    assert len(header) == head
    return header + table + body


def model():
    gguf = GGUF()
    gguf.set("general.architecture", STRING, "llama")
    gguf.tensors.append(Tensor("output_norm.weight", [16], 0, bytes(64)))
    return gguf.write()


def listed(files):
    """As runtime/formats/FileList.h has it."""
    sizes = ((name, len(content), content) for name, content in sorted(files.items()))
    return b"".join(struct.pack("<IQ", len(name), size) + name + content for name, size, content in sizes)


def folder_sections(code):
    """Those of an encoder that carries its weights."""
    header = json.dumps({"output_norm.weight": {"dtype": "F32", "shape": [16], "data_offsets": [0, 64]}}).encode()
    header = struct.pack("<Q", len(header)) + header
    model = {"bytes": len(header) + 64, "header_hash": "0" * 32, "content_hash": "1" * 32}
    files = {b"config.json": b'{"model_type": "bert"}', b"vocab.txt": b"[UNK]\na\n"}
    about = json.dumps({"model": model}).encode()
    named = [(kind, target, body.replace(b'"tensors"', b'"file": "model.safetensors", "tensors"'))
             for kind, target, body in code]
    embedded = [(HEADER, 0, header), (WEIGHTS, 0, bytes(64))]
    own = [(CALIBRATION, 0, b"{}"), (FILES, 0, listed(files))]
    return [(ABOUT, 0, about), (PATH, 0, b"bert/model.safetensors")] + named + embedded + own


def calibration():
    """What `lathe calibrate` writes of a model of which no part was measured."""
    measured = {"lathe_calibration": 2, "model": {"header_hash": "0" * 32}, "points": []}
    header = json.dumps({"__metadata__": {"lathe_calibration": json.dumps(measured)}}).encode()
    return struct.pack("<Q", len(header)) + header


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    file = model()
    about = json.dumps({"model": {"bytes": len(file), "header_hash": "0" * 32}}).encode()
    common = [(ABOUT, 0, about), (PATH, 0, b"model.gguf")]
    code = [(MANIFEST, 0, manifest("a")), (CODE, 0, b"\x7fELF")]
    more = [(MANIFEST, 1, manifest("b")), (CODE, 1, b"\x7fELF")]
    embedded = [(HEADER, 0, file[:-64]), (WEIGHTS, 0, bytes(64))]
    seeds = {
        "external": common + code,
        "two": common + code + more,
        "embedded": common + code + embedded,
        "calibrated": common + code + [(CALIBRATION, 0, calibration())],
        "folder": folder_sections(code),
        "incomplete": common + code[:1],
        "empty": [],
    }
    for name, sections in seeds.items():
        (folder / f"{name}.lathe").write_bytes(artefact(sections))
    whole = artefact(seeds["embedded"])
    runner = b"\x7fELF".ljust(4096, b"\0")
    trailer = struct.pack("<8sQQ", b"\x89LATHEX\n", len(runner), len(whole))
    (folder / "executable").write_bytes(runner + whole + trailer)


if __name__ == "__main__":
    main()
