#!/usr/bin/env python3
"""Writes a tiny llama model with random weights as a GGUF file; needs numpy only.

    tiny_gguf.py OUT.gguf [--format q4_1] [--layers 2] ...

The same arguments give the same bytes.  As a module, `tiny_model(...)` gives a GGUF object whose
fields can be changed before `write` (make_bad_gguf.py does).
"""

import argparse
import dataclasses
import pathlib
import struct

import numpy as np

# Metadata types of GGUF (ggml-org/ggml, docs/gguf.md).
U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
SCALARS = {U8: "B", I8: "b", U16: "H", I16: "h", U32: "I", I32: "i", F32: "f", BOOL: "B",
           U64: "Q", I64: "q", F64: "d"}  # fmt: skip

TEMPLATE = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content']"
    " + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def string(text):
    raw = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<Q", len(raw)) + raw


def scalar(kind, value):
    return string(value) if kind == STRING else struct.pack("<" + SCALARS[kind], value)


def array(kind, values):
    """The payload of an array."""
    return struct.pack("<IQ", kind, len(values)) + b"".join(scalar(kind, v) for v in values)


# ---- block formats: float32 rows to bytes ----
#
# Formats with blocks of 32 as gguf-py quantises them, those with super-blocks of 256 without the
# search for better scales that llama.cpp has.


def _halves(column):
    return column.astype("<f2").view(np.uint8)


def _round_away(x):
    """To the nearest integer, halves away from zero."""
    magnitude = np.abs(x)
    whole = np.floor(magnitude)
    return np.sign(x) * (whole + np.floor(2 * (magnitude - whole)))


def _inverse(scale):
    with np.errstate(divide="ignore"):
        return np.where(scale == 0, 0, np.float32(1) / scale)


def _nibbles(quants):
    quants = quants.reshape(-1, 2, 16).astype(np.uint8) & 15
    return quants[:, 0] | quants[:, 1] << 4


def _fifth_bits(quants):
    return np.packbits(quants.astype(np.uint8) >> 4 & 1, axis=1, bitorder="little")


def q8_0(x):
    blocks = x.reshape(-1, 32)
    scale = np.abs(blocks).max(axis=1, keepdims=True) / np.float32(127)
    quants = _round_away(blocks * _inverse(scale)).astype(np.int8)
    return np.concatenate([_halves(scale), quants.view(np.uint8)], axis=1)


def q4_0(x):
    blocks = x.reshape(-1, 32)
    extreme = np.take_along_axis(blocks, np.abs(blocks).argmax(axis=1)[:, None], axis=1)
    scale = extreme / np.float32(-8)
    quants = np.trunc(blocks * _inverse(scale) + np.float32(8.5)).clip(0, 15)
    return np.concatenate([_halves(scale), _nibbles(quants)], axis=1)


def q4_1(x):
    blocks = x.reshape(-1, 32)
    low = blocks.min(axis=1, keepdims=True)
    scale = (blocks.max(axis=1, keepdims=True) - low) / np.float32(15)
    quants = np.trunc((blocks - low) * _inverse(scale) + np.float32(0.5)).clip(0, 15)
    return np.concatenate([_halves(scale), _halves(low), _nibbles(quants)], axis=1)


def q5_0(x):
    blocks = x.reshape(-1, 32)
    extreme = np.take_along_axis(blocks, np.abs(blocks).argmax(axis=1)[:, None], axis=1)
    scale = extreme / np.float32(-16)
    quants = np.trunc(blocks * _inverse(scale) + np.float32(16.5)).clip(0, 31)
    return np.concatenate([_halves(scale), _fifth_bits(quants), _nibbles(quants)], axis=1)


def q5_1(x):
    blocks = x.reshape(-1, 32)
    low = blocks.min(axis=1, keepdims=True)
    scale = (blocks.max(axis=1, keepdims=True) - low) / np.float32(31)
    quants = np.trunc((blocks - low) * _inverse(scale) + np.float32(0.5)).clip(0, 31)
    parts = [_halves(scale), _halves(low), _fifth_bits(quants), _nibbles(quants)]
    return np.concatenate(parts, axis=1)


def _scaled_minima(x, most):
    """Super-blocks of 8 x 32 weights: the bytes of d, dmin and the 6-bit scales, and quants."""
    blocks = x.reshape(-1, 8, 32)
    low = np.minimum(blocks.min(axis=2), 0)
    scale = (blocks.max(axis=2) - low) / np.float32(most)
    d, dmin = (part.max(axis=1, keepdims=True) / np.float32(63) for part in (scale, -low))
    scales, minima = np.rint(scale * _inverse(d)), np.rint(-low * _inverse(dmin))
    shifted = blocks + (dmin * minima)[:, :, None]
    quants = np.rint(shifted * _inverse(d * scales)[:, :, None]).clip(0, most).astype(np.uint8)
    scales, minima = scales.astype(np.uint8), minima.astype(np.uint8)
    packed = [scales[:, :4] | scales[:, 4:] >> 4 << 6, minima[:, :4] | minima[:, 4:] >> 4 << 6,
              scales[:, 4:] & 15 | (minima[:, 4:] & 15) << 4]  # fmt: skip
    return [_halves(d), _halves(dmin), *packed], quants


def _paired_nibbles(quants):
    """Of blocks 2 i and 2 i + 1 side by side."""
    pairs = quants.reshape(-1, 4, 2, 32) & 15
    return (pairs[:, :, 0] | pairs[:, :, 1] << 4).reshape(-1, 128)


def q4_k(x):
    head, quants = _scaled_minima(x, 15)
    return np.concatenate([*head, _paired_nibbles(quants)], axis=1)


def q5_k(x):
    head, quants = _scaled_minima(x, 31)
    fifth = np.packbits(quants >> 4, axis=1, bitorder="little").reshape(-1, 32)
    return np.concatenate([*head, fifth, _paired_nibbles(quants)], axis=1)


def q6_k(x):
    blocks = x.reshape(-1, 16, 16)
    extreme = np.take_along_axis(blocks, np.abs(blocks).argmax(axis=2)[:, :, None], axis=2)
    scale = extreme[:, :, 0] / np.float32(-32)
    d = np.abs(scale).max(axis=1, keepdims=True) / np.float32(127)
    scales = np.rint(scale * _inverse(d)).astype(np.int8)
    quants = blocks * _inverse(d * scales)[:, :, None]
    quants = (np.rint(quants).clip(-32, 31) + 32).astype(np.uint8).reshape(-1, 2, 4, 32)
    low = quants[:, :, :2] & 15 | (quants[:, :, 2:] & 15) << 4
    high = sum(quants[:, :, i] >> 4 << 2 * i for i in range(4))
    parts = [low.reshape(-1, 128), high.reshape(-1, 64), scales.view(np.uint8), _halves(d)]
    return np.concatenate(parts, axis=1)


def bf16(x):
    bits = x.astype("<f4").view("<u4").astype(np.uint64)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype("<u2")


# Name: GGUF type number, general.file_type, encoder.  Rows of the K-quants are multiples of 256.
FORMATS = {
    "f32": (0, 0, lambda x: x.astype("<f4")),
    "f16": (1, 1, lambda x: x.astype("<f2")),
    "bf16": (30, 32, bf16),
    "q8_0": (8, 7, q8_0),
    "q4_0": (2, 2, q4_0),
    "q4_1": (3, 3, q4_1),
    "q5_0": (6, 8, q5_0),
    "q5_1": (7, 9, q5_1),
    "q4_k": (12, 15, q4_k),
    "q5_k": (13, 17, q5_k),
    "q6_k": (14, 18, q6_k),
}


# ---- the file ----


@dataclasses.dataclass
class Tensor:
    name: object  # str, or bytes for what is no text
    dims: list  # as stored: the contiguous dimension first
    kind: int
    data: bytes
    offset: int = None  # None: where it belongs


@dataclasses.dataclass
class GGUF:
    """The parts of a file; counts and offsets of None are those that fit."""

    magic: bytes = b"GGUF"
    version: int = 3
    tensor_count: int = None
    value_count: int = None
    alignment: int = 32
    values: dict = dataclasses.field(default_factory=dict)  # key: (type, payload)
    extra: bytes = b""  # raw entries after `values`; give `value_count` yourself
    tensors: list = dataclasses.field(default_factory=list)

    def set(self, key, kind, value):
        self.values[key] = (kind, scalar(kind, value))

    def set_array(self, key, kind, values):
        self.values[key] = (ARRAY, array(kind, values))

    def tensor(self, name):
        return next(t for t in self.tensors if t.name == name)

    def _padded(self, data):
        return data + bytes(-len(data) % self.alignment)

    def header(self):
        """Everything before the tensor data, without the padding."""

        def given(count, default):
            return default if count is None else count

        out = [self.magic, struct.pack("<I", self.version)]
        out.append(struct.pack("<Q", given(self.tensor_count, len(self.tensors))))
        out.append(struct.pack("<Q", given(self.value_count, len(self.values))))
        for key, (kind, payload) in self.values.items():
            out.append(string(key) + struct.pack("<I", kind) + payload)
        out.append(self.extra)
        place = 0
        for t in self.tensors:
            out.append(string(t.name) + struct.pack("<I", len(t.dims)))
            out.append(b"".join(struct.pack("<Q", d % (1 << 64)) for d in t.dims))
            out.append(struct.pack("<IQ", t.kind, given(t.offset, place)))
            place += len(self._padded(t.data))
        return b"".join(out)

    def write(self):
        header = self.header()
        if not self.tensors:
            return header
        return self._padded(header) + b"".join(self._padded(t.data) for t in self.tensors)


# ---- the model ----


@dataclasses.dataclass
class Shape:
    format: str = "f32"
    embedding_format: str = None  # None: as `format`
    layers: int = 2
    hidden: int = 64
    heads: int = 2
    kv_heads: int = 1
    head_dim: int = 32
    ffn: int = 96
    experts: int = 0  # 0: one feed-forward network, and no router
    experts_used: int = 0
    context: int = 512
    untied: bool = False
    alignment: int = 32
    seed: int = 1


def byte_characters():
    """GPT-2's table: the character that stands for each byte in a vocabulary."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    return [chr(b) if b in printable else chr(next(others)) for b in range(256)]


CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<pad>"]
MERGED = ["Ġ t", "h e", "i n", "Ġt he", "r e", "o n", "Ġ a", "e r", "Ġ w", "Ġ s", "o u", "l l",
          "in g", "n d", "Ġa nd", "a t", "e n", "Ġ c", "Ġ o", "Ġo f", "i s", "e s", "o r", "i t",
          "e d", "Ġ in", "Ġ h", "he ll", "hell o", "Ġw or", "l d", "Ġwor ld", "u s", "e r", "a s",
          "s y", "sy s", "t e", "te m", "Ġ I", "Ġ is"]  # fmt: skip


def vocabulary():
    """Tokens, their types (1 normal, 3 control) and the merges."""
    merges = list(dict.fromkeys(MERGED))
    tokens = CONTROL + byte_characters() + [m.replace(" ", "") for m in merges]
    kinds = [3] * len(CONTROL) + [1] * (len(tokens) - len(CONTROL))
    return tokens, kinds, merges


def _set_values(gguf, shape):
    tokens, kinds, merges = vocabulary()
    gguf.set("general.architecture", STRING, "llama")
    gguf.set("general.name", STRING, "tiny")
    gguf.set("general.file_type", U32, FORMATS[shape.format][1])
    gguf.set("general.quantization_version", U32, 2)
    if shape.alignment != 32:
        gguf.set("general.alignment", U32, shape.alignment)
    gguf.set("llama.block_count", U32, shape.layers)
    gguf.set("llama.context_length", U32, shape.context)
    gguf.set("llama.embedding_length", U32, shape.hidden)
    gguf.set("llama.feed_forward_length", U32, shape.ffn)
    if shape.experts:
        gguf.set("llama.expert_count", U32, shape.experts)
        gguf.set("llama.expert_used_count", U32, shape.experts_used)
    gguf.set("llama.attention.head_count", U32, shape.heads)
    gguf.set("llama.attention.head_count_kv", U32, shape.kv_heads)
    gguf.set("llama.attention.key_length", U32, shape.head_dim)
    gguf.set("llama.attention.value_length", U32, shape.head_dim)
    gguf.set("llama.attention.layer_norm_rms_epsilon", F32, 1e-5)
    gguf.set("llama.rope.dimension_count", U32, shape.head_dim)
    gguf.set("llama.rope.freq_base", F32, 10000.0)
    gguf.set("llama.vocab_size", U32, len(tokens))
    gguf.set("tokenizer.ggml.model", STRING, "gpt2")
    gguf.set("tokenizer.ggml.pre", STRING, "smollm")
    gguf.set_array("tokenizer.ggml.tokens", STRING, tokens)
    gguf.set_array("tokenizer.ggml.token_type", I32, kinds)
    gguf.set_array("tokenizer.ggml.merges", STRING, merges)
    gguf.set("tokenizer.ggml.bos_token_id", U32, 1)
    gguf.set("tokenizer.ggml.eos_token_id", U32, 2)
    gguf.set("tokenizer.ggml.unknown_token_id", U32, 0)
    gguf.set("tokenizer.ggml.padding_token_id", U32, 3)
    gguf.set("tokenizer.ggml.add_bos_token", BOOL, False)
    gguf.set("tokenizer.ggml.add_space_prefix", BOOL, False)
    gguf.set("tokenizer.chat_template", STRING, TEMPLATE)


def tiny_model(shape=None):
    """A llama model of that shape, as a GGUF object."""
    shape = shape or Shape()
    rng = np.random.default_rng(shape.seed)
    gguf = GGUF(alignment=shape.alignment)
    _set_values(gguf, shape)

    def matrix(name, rows, columns, format=shape.format):
        weights = (rng.standard_normal((rows, columns)) / np.sqrt(columns)).astype(np.float32)
        kind, _, encode = FORMATS[format]
        gguf.tensors.append(Tensor(name, [columns, rows], kind, encode(weights).tobytes()))

    def experts(name, rows, columns):
        matrix(name, shape.experts * rows, columns)
        gguf.tensors[-1].dims = [columns, rows, shape.experts]

    def norm(name):
        weights = (1 + 0.1 * rng.standard_normal(shape.hidden)).astype("<f4")
        gguf.tensors.append(Tensor(name, [shape.hidden], 0, weights.tobytes()))

    vocab = len(vocabulary()[0])
    queries, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    embedding = shape.embedding_format or shape.format
    matrix("token_embd.weight", vocab, shape.hidden, embedding)
    for layer in range(shape.layers):
        block = f"blk.{layer}."
        norm(block + "attn_norm.weight")
        matrix(block + "attn_q.weight", queries, shape.hidden)
        matrix(block + "attn_k.weight", keys, shape.hidden)
        matrix(block + "attn_v.weight", keys, shape.hidden)
        matrix(block + "attn_output.weight", shape.hidden, queries)
        norm(block + "ffn_norm.weight")
        if shape.experts:
            matrix(block + "ffn_gate_inp.weight", shape.experts, shape.hidden, "f32")
            experts(block + "ffn_gate_exps.weight", shape.ffn, shape.hidden)
            experts(block + "ffn_up_exps.weight", shape.ffn, shape.hidden)
            experts(block + "ffn_down_exps.weight", shape.hidden, shape.ffn)
            continue
        matrix(block + "ffn_gate.weight", shape.ffn, shape.hidden)
        matrix(block + "ffn_up.weight", shape.ffn, shape.hidden)
        matrix(block + "ffn_down.weight", shape.hidden, shape.ffn)
    norm("output_norm.weight")
    if shape.untied:
        matrix("output.weight", vocab, shape.hidden, embedding)
    return gguf


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=pathlib.Path)
    for field in dataclasses.fields(Shape):
        flag = "--" + field.name.replace("_", "-")
        if field.name.endswith("format"):
            parser.add_argument(flag, choices=FORMATS, default=field.default)
        elif field.type is bool or field.type == "bool":
            parser.add_argument(flag, action="store_true")
        else:
            parser.add_argument(flag, type=int, default=field.default)
    arguments = vars(parser.parse_args())
    out = arguments.pop("out")
    out.write_bytes(tiny_model(Shape(**arguments)).write())


if __name__ == "__main__":
    main()
