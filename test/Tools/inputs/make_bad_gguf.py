#!/usr/bin/env python3
"""Writes GGUF files that must be refused, each from a tiny valid model with one fault.

    make_bad_gguf.py OUT_DIR [CASE ...]

The files are OUT_DIR/NN-name.gguf; files of one NN are variants of one kind of fault.
OUT_DIR/cases.txt gets one line per file: its name, the exit code that is expected, and the error
number where the reader of the file itself finds the fault ("-" where a later stage does).  Case 37,
a file truncated while it is in use, is a unit test: it is no file.
"""

import argparse
import math
import pathlib
import struct

from tiny_gguf import (ARRAY, BOOL, F32, I32, STRING, U8, U16, U32, U64, Shape, Tensor, string,
                       tiny_model, vocabulary)  # fmt: skip

MALFORMED, UNSUPPORTED = 4, 3
CASES = []


def case(name, error="-", exit=MALFORMED, format="q4_0"):
    """Registers a function that bends a model, or returns the bytes of the file."""

    def register(bend):
        CASES.append((name, exit, error, format, bend))
        return bend

    return register


def entry(key, kind, payload):
    return string(key) + struct.pack("<I", kind) + payload


def add_entry(model, raw):
    model.extra += raw
    model.value_count = (model.value_count or len(model.values)) + 1


def with_field(name, value, case_name, error, exit=MALFORMED):
    """A case that sets one field of the file."""
    case(case_name, error, exit)(lambda model: setattr(model, name, value))


def with_entry(case_name, error, kind, payload, key="x.y", exit=MALFORMED):
    """A case with one more metadata entry."""
    case(case_name, error, exit)(lambda model: add_entry(model, entry(key, kind, payload)))


def with_tensor(case_name, error, dims, kind=0, size=4, name="extra", exit=MALFORMED):
    """A case with one more tensor at the end."""
    tensor = Tensor(name, dims, kind, bytes(size))
    case(case_name, error, exit)(lambda model: model.tensors.append(tensor))


def with_value(case_name, key, kind, value, error="-", exit=MALFORMED):
    """A case that changes one metadata value."""
    case(case_name, error, exit)(lambda model: model.set(key, kind, value))


# ---- 1 to 7: the header ----


@case("01-empty", 204)
def _(model):
    return b""


@case("02-short-magic", 301)
def _(model):
    return b"GG"


@case("02-short-header", 302)
def _(model):
    return model.write()[:20]


with_field("magic", b"PK\x03\x04", "03-magic", 301)


@case("04-big-endian", 303)
def _(model):
    raw = model.write()
    return raw[:4] + struct.pack(">IQQ", 3, 1, 1) + raw[24:]


with_field("version", 0, "05-version-0", 304, UNSUPPORTED)
with_field("version", 1, "05-version-1", 304, UNSUPPORTED)
with_field("version", 1 << 31, "05-version-2pow31", 304, UNSUPPORTED)
with_field("tensor_count", 1 << 63, "06-tensor-count", 305)
with_field("value_count", (1 << 64) - 1, "07-value-count", 305)

# ---- 8 to 15: metadata ----


@case("08-key-length", 306)
def _(model):
    add_entry(model, struct.pack("<Q", 1 << 40) + b"key")


with_entry("08-key-empty", 306, U8, b"\0", key="")
with_entry("08-key-not-ascii", 306, U8, b"\0", key="caf\u00e9")
with_entry("09-duplicate-key", 307, STRING, string("llama"), key="general.architecture")
with_entry("10-value-type", 308, 99, b"\0" * 8)
with_entry("10-element-type", 308, ARRAY, struct.pack("<IQ", 99, 1) + bytes(8))
with_entry("11-nested-arrays", 309, ARRAY, struct.pack("<IQ", ARRAY, 1) * 1_000_000)
with_entry("12-array-overflow", 310, ARRAY, struct.pack("<IQ", U64, (1 << 61) + 1) + bytes(8))
with_entry("12-array-too-long", 310, ARRAY, struct.pack("<IQ", U64, 1 << 29) + bytes(8))
with_entry("13-string-past-end", 310, STRING, struct.pack("<Q", 1 << 30) + b"text")
with_entry("13-string-overflow", 310, STRING, struct.pack("<Q", (1 << 64) - 1) + b"text")
with_entry("14-bool-7", 311, BOOL, b"\7")
with_value("15-alignment-0", "general.alignment", U32, 0, 312)
with_value("15-alignment-3", "general.alignment", U32, 3, 312)
with_value("15-alignment-2pow31", "general.alignment", U32, 1 << 31, 312)
with_value("15-alignment-type", "general.alignment", U64, 32, 312)

# ---- 16 to 23: the tensor table and the data ----

with_tensor("16-name-long", 313, [1], name="x" * 4096)
with_tensor("16-name-twice", 314, [64], size=256, name="output_norm.weight")
with_tensor("17-dimensions-5", 315, [1, 1, 1, 1, 1])
with_tensor("17-dimensions-0", 315, [])
with_tensor("18-dimension-0", 316, [0])
with_tensor("18-dimension-negative", 316, [32, -1])
with_tensor("18-product-overflow", 316, [1 << 32, 1 << 32])


@case("19-sum-overflow", 322)
def _(model):
    model.tensors.append(Tensor("extra1", [(1 << 61) - 8], 28, b""))
    model.tensors.append(Tensor("extra2", [(1 << 61) - 8], 28, b""))


with_tensor("20-type-200", 317, [32], kind=200, size=32)
with_tensor("20-type-removed", 318, [32], kind=31, size=32, exit=UNSUPPORTED)
with_tensor("21-row-not-blocks", 319, [33, 32], kind=2, size=32)
with_tensor("21-row-not-super-blocks", 319, [288, 32], kind=12, size=32)


def with_offset(case_name, change):
    def bend(model):
        first, second = model.tensors[:2]
        padded = len(first.data) + -len(first.data) % model.alignment
        second.offset = change(padded)

    case(case_name, 320)(bend)


with_offset("22-offset-misaligned", lambda padded: padded + 1)
with_offset("22-offset-overlapping", lambda padded: padded - 32)
with_offset("22-offset-hole", lambda padded: padded + 32)
with_offset("22-offset-past-end", lambda padded: 1 << 40)
with_offset("22-offset-wrapping", lambda padded: (1 << 64) - 32)


@case("23-truncated", 321)
def _(model):
    raw = model.write()
    return raw[: len(raw) // 2]


# ---- 24 to 31: what the importer checks ----

with_value("24-layers-million", "llama.block_count", U32, 1_000_000)
with_value("24-layers-0", "llama.block_count", U32, 0)
with_value("25-heads-not-dividing", "llama.attention.head_count_kv", U32, 3)
with_value("25-kv-heads-0", "llama.attention.head_count_kv", U32, 0)


@case("26-missing-key")
def _(model):
    del model.values["llama.embedding_length"]


@case("27-missing-tensors")
def _(model):
    model.tensors = [t for t in model.tensors if not str(t.name).startswith("blk.1.")]


@case("28-extra-tensor", exit=0)
def _(model):
    model.tensors.append(Tensor("blk.0.extra.weight", [32], 0, bytes(128)))


@case("29-wrong-shape")
def _(model):
    tensor = model.tensor("blk.0.attn_k.weight")
    tensor.dims[1] //= 2
    tensor.data = tensor.data[: len(tensor.data) // 2]


@case("29-wrong-type", exit=UNSUPPORTED)
def _(model):
    tensor = model.tensor("blk.0.attn_norm.weight")
    tensor.kind, tensor.data = 26, struct.pack("<64i", *range(64))


with_value("30-architecture", "general.architecture", STRING, "lama", exit=UNSUPPORTED)


@case("31-infinite-scale", exit=0)
def _(model):
    tensor = model.tensor("blk.0.ffn_up.weight")
    tensor.data = struct.pack("<H", 0x7C00) + tensor.data[2:]


@case("31-nan-weight", exit=0, format="f32")
def _(model):
    tensor = model.tensor("blk.1.ffn_down.weight")
    tensor.data = struct.pack("<f", math.nan) + tensor.data[4:]


# ---- 32 to 36: vocabulary, constants, split files ----


@case("32-types-shorter")
def _(model):
    model.set_array("tokenizer.ggml.token_type", I32, vocabulary()[1][:-1])


@case("32-types-are-strings")
def _(model):
    model.set_array("tokenizer.ggml.token_type", STRING, vocabulary()[0])


@case("32-scores-shorter")
def _(model):
    model.set_array("tokenizer.ggml.scores", F32, [0.0])


@case("33-merge-unknown")
def _(model):
    model.set_array("tokenizer.ggml.merges", STRING, vocabulary()[2] + ["zz qq"])


@case("33-merge-no-pair")
def _(model):
    model.set_array("tokenizer.ggml.merges", STRING, vocabulary()[2] + ["nospace"])


@case("33-token-not-utf8")
def _(model):
    tokens = vocabulary()[0]
    tokens[-1] = b"\xff\xfe"
    model.set_array("tokenizer.ggml.tokens", STRING, tokens)


def with_pieces(case_name, change, error="-"):
    """A case whose vocabulary is SentencePiece's: [text, type, score] of each token, to be changed."""

    def bend(model):
        pieces = [["<unk>", 2, 0.0], *([f"<0x{byte:02X}>", 6, 0.0] for byte in range(256))]
        pieces += [[text, 1, -float(rank)] for rank, text in enumerate(["ab", "a", "b", "\u2581"])]
        pieces += [[f"piece{n}", 1, -9.0] for n in range(len(vocabulary()[0]) - len(pieces))]
        change(pieces)
        model.set("tokenizer.ggml.model", STRING, "llama")
        for unused in "merges", "unknown_token_id":
            model.values.pop(f"tokenizer.ggml.{unused}")
        for key, kind, column in ("tokens", STRING, 0), ("token_type", I32, 1), ("scores", F32, 2):
            values = [piece[column] for piece in pieces if piece[column] is not None]
            model.values.pop(f"tokenizer.ggml.{key}", None)
            if values:
                model.set_array(f"tokenizer.ggml.{key}", kind, values)

    case(case_name, error)(bend)


def set_pieces(column, values):
    """A change of one column in some pieces."""

    def change(pieces):
        for number, value in values.items():
            pieces[number][column] = value

    return change


def drop_column(column):
    return lambda pieces: set_pieces(column, dict.fromkeys(range(len(pieces))))(pieces)


def many_faults(pieces):
    set_pieces(0, {3: "<0x-1>", 257: "piece0", 258: b"\xff"})(pieces)
    set_pieces(2, {0: math.nan})(pieces)


with_pieces("32-scores-missing", drop_column(2))
with_pieces("32-scores-one-missing", set_pieces(2, {259: None}))
with_pieces("32-score-nan", set_pieces(2, {259: math.nan}))
with_pieces("32-score-infinite", set_pieces(2, {259: -math.inf}))
with_pieces("32-piece-types-missing", drop_column(1))
with_pieces("33-byte-token", set_pieces(0, {1: "<0x-1>"}))
with_pieces("33-byte-token-missing", set_pieces(1, {65: 1}))
with_pieces("33-byte-token-twice", set_pieces(0, {66: "<0x4a>"}))
with_pieces("33-no-fallback", lambda pieces: set_pieces(1, dict.fromkeys(range(257), 1))(pieces))
with_pieces("33-piece-twice", set_pieces(0, {257: "piece0"}))
with_pieces("33-piece-not-utf8", set_pieces(0, {257: b"\xff\xfe"}))
with_pieces("33-piece-faults", many_faults)

with_value("34-bos-beyond", "tokenizer.ggml.bos_token_id", U32, len(vocabulary()[0]))
with_value("34-eos-beyond", "tokenizer.ggml.eos_token_id", U32, (1 << 32) - 1)
with_value("35-rope-base-0", "llama.rope.freq_base", F32, 0.0)
with_value("35-rope-base-nan", "llama.rope.freq_base", F32, math.nan)
with_value("35-rope-base-negative", "llama.rope.freq_base", F32, -1.0)
with_value("35-epsilon-0", "llama.attention.layer_norm_rms_epsilon", F32, 0.0)


@case("36-split", 323, UNSUPPORTED)
def _(model):
    model.set("split.no", U16, 0)
    model.set("split.count", U16, 3)


def build(format, bend):
    model = tiny_model(Shape(format=format))
    raw = bend(model)
    return model.write() if raw is None else raw


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("cases", nargs="*", help="names without .gguf; all when none is given")
    arguments = parser.parse_args()
    unknown = set(arguments.cases) - {name for name, *_ in CASES}
    if unknown:
        parser.error("no such case: " + ", ".join(sorted(unknown)))
    arguments.out.mkdir(parents=True, exist_ok=True)
    lines = []
    for name, exit, error, format, bend in CASES:
        if arguments.cases and name not in arguments.cases:
            continue
        (arguments.out / f"{name}.gguf").write_bytes(build(format, bend))
        lines.append(f"{name} {exit} {error}\n")
    (arguments.out / "cases.txt").write_text("".join(lines))


if __name__ == "__main__":
    main()
