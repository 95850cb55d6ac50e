#!/usr/bin/env python3
"""Writes a tiny Gemma 3 model without a vocabulary, for tests of the importer.

    tiny_gemma3.py OUT.gguf [--layers 2] [--window 8] [--pattern 2 | --pattern 0,1,1] ...
"""

import argparse
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "Tools" / "inputs"))
from tiny_gguf import BOOL, F32, GGUF, STRING, U32, Tensor  # noqa: E402

WIDTH, HEADS, HEAD, FFN, VOCABULARY = 64, 2, 16, 96, 32


def set_values(gguf, given):
    gguf.set("general.architecture", STRING, "gemma3")
    for key, value in {
        "block_count": given.layers, "context_length": 128, "embedding_length": WIDTH,
        "feed_forward_length": FFN, "attention.head_count": HEADS, "attention.head_count_kv": 1,
        "attention.key_length": HEAD, "attention.value_length": HEAD,
    }.items():  # fmt: skip
        gguf.set(f"gemma3.{key}", U32, value)
    gguf.set("gemma3.attention.layer_norm_rms_epsilon", F32, 1e-6)
    gguf.set("gemma3.rope.freq_base", F32, 1e6)
    if given.window:
        gguf.set("gemma3.attention.sliding_window", U32, given.window)
    key = "gemma3.attention.sliding_window_pattern"
    if given.pattern and "," in given.pattern:
        gguf.set_array(key, BOOL, [int(word) for word in given.pattern.split(",")])
    elif given.pattern:
        gguf.set(key, U32, int(given.pattern))
    for key, kind, value in (
        ("rope.scaling.type", STRING, given.scaling),
        ("rope.scaling.factor", F32, given.stretch),
        ("rope.freq_base_swa", F32, given.local_base),
        ("attention.scale", F32, given.scale),
        ("final_logit_softcapping", F32, given.softcap),
    ):
        if value is not None:
            gguf.set(f"gemma3.{key}", kind, value)


def add_tensors(gguf, given):
    rng = np.random.default_rng(3)

    def add(name, *shape):
        data = rng.standard_normal(shape).astype("<f4").tobytes()
        gguf.tensors.append(Tensor(f"{name}.weight", list(shape[::-1]), 0, data))

    add("token_embd", VOCABULARY, WIDTH)
    add("output_norm", WIDTH)
    for layer in range(given.layers):
        for name, *shape in (
            ("attn_norm", WIDTH), ("attn_q", HEADS * HEAD, WIDTH), ("attn_k", HEAD, WIDTH),
            ("attn_v", HEAD, WIDTH), ("attn_q_norm", HEAD), ("attn_k_norm", HEAD),
            ("attn_output", WIDTH, HEADS * HEAD), ("post_attention_norm", WIDTH),
            ("ffn_norm", WIDTH), ("ffn_gate", FFN, WIDTH), ("ffn_up", FFN, WIDTH),
            ("ffn_down", WIDTH, FFN), ("post_ffw_norm", WIDTH),
        ):  # fmt: skip
            add(f"blk.{layer}.{name}", *shape)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--window", type=int, default=8, help="0 for none")
    parser.add_argument("--pattern", help="a period, or 0 and 1 for each layer")
    parser.add_argument("--scaling", help="of the angles")
    for flag in ("--stretch", "--local-base", "--scale", "--softcap"):
        parser.add_argument(flag, type=float)
    parser.add_argument("--drop", action="append", default=[], help="a tensor")
    given = parser.parse_args()
    gguf = GGUF()
    set_values(gguf, given)
    add_tensors(gguf, given)
    gguf.tensors = [tensor for tensor in gguf.tensors if tensor.name not in given.drop]
    given.out.write_bytes(gguf.write())


if __name__ == "__main__":
    main()
