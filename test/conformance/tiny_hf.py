#!/usr/bin/env python3
"""Tiny random models of Hugging Face transformers (test/reference/tiny-hf), converted to GGUF.

Each directory holds a model as transformers saved it and the logits it gave in float32.  The test
writes the GGUF file that llama.cpp's converter would write, with the gguf package, and compares.
Lower precisions are held against loose bounds only: random weights of so small a width hardly
average rounding out.  The same tokens must give the same bits with any number of threads, in chunks
of any size, and on targets that multiply alike.
"""

import json
import pathlib
import struct
import tempfile

import gguf
import numpy

from support import REFERENCE, Report, logits

TINY = REFERENCE / "tiny-hf"
LENGTHS = (1, 7, 33)
# Of the largest |logit|: float64 and float32 runs of the original differ by up to 1.3e-6.
F32_TOLERANCE = 1e-4


def safetensors(path):
    """Names and f32 arrays (huggingface/safetensors, README: format)."""
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header, data = json.loads(raw[8 : 8 + length]), raw[8 + length :]
    header.pop("__metadata__", None)
    arrays = {}
    for name, entry in header.items():
        assert entry["dtype"] == "F32", entry["dtype"]
        first, last = entry["data_offsets"]
        arrays[name] = numpy.frombuffer(data[first:last], "<f4").reshape(entry["shape"])
    return arrays


def write_common(writer, config):
    """The keys that all decoders have."""
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(config["head_dim"])
    writer.add_value_length(config["head_dim"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])


def write_tensors(writer, architecture, config, arrays, encode):
    names = gguf.get_tensor_name_map(architecture, config["num_hidden_layers"])
    for name, array in arrays.items():
        target = names.get_name(name, try_suffixes=(".weight", ".bias"))
        assert target, name
        kind = gguf.GGMLQuantizationType.F32 if array.ndim == 1 else encode
        writer.add_tensor(target, gguf.quants.quantize(array, kind), raw_dtype=kind)


def gemma3(writer, config, arrays, pattern):
    """`pattern` is how the file says which layers see a window: "period" or "list"."""
    ropes = config["rope_parameters"]
    writer.add_rope_freq_base(ropes["full_attention"]["rope_theta"])
    writer.add_sliding_window(config["sliding_window"])
    local = [kind == "sliding_attention" for kind in config["layer_types"]]
    key = f"{writer.arch}.attention.sliding_window_pattern"
    if pattern == "list":
        writer.add_array(key, local)
    else:
        writer.add_uint32(key, local.index(False) + 1)
    # Files hold what the norm multiplies with.
    return {n: a + 1 if n.endswith("norm.weight") else a for n, a in arrays.items()}


# Case: directory, architecture, writer of what is special, how matrices are stored, precision,
# tolerance of the largest |logit|.
F32, F16, Q8_0 = (gguf.GGMLQuantizationType[n] for n in ("F32", "F16", "Q8_0"))
CASES = {
    "gemma3 f32, listed layers": ("gemma3_text", "GEMMA3", gemma3, ("list",), F32, "f32", F32_TOLERANCE),
    "gemma3 f32, period": ("gemma3_text", "GEMMA3", gemma3, ("period",), F32, "f32", F32_TOLERANCE),
    "gemma3 f16 weights": ("gemma3_text", "GEMMA3", gemma3, ("period",), F16, "f32", 5e-3),
    "gemma3 f16 weights and cache": ("gemma3_text", "GEMMA3", gemma3, ("period",), F16, "auto", 5e-3),
}  # fmt: skip


def convert(case, path):
    folder, architecture, special, arguments, encode, _, _ = case
    config = json.loads((TINY / folder / "config.json").read_text())
    architecture = gguf.MODEL_ARCH[architecture]
    writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[architecture])
    write_common(writer, config)
    arrays = special(writer, config, safetensors(TINY / folder / "model.safetensors"), *arguments)
    write_tensors(writer, architecture, config, arrays, encode)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def compare(report, name, path, case, length):
    folder, *_, precision, tolerance = case
    ids = numpy.load(TINY / folder / f"ids_{length}.npy").ravel()
    expected = numpy.load(TINY / folder / f"logits_{length}.npy")
    expected = expected.reshape(len(ids), -1)
    ours = logits(path, ids, f"--precision={precision}", "--no-cache")
    relative = numpy.abs(ours - expected).max() / numpy.abs(expected).max()
    report.case(f"{name}, {length} tokens", relative <= tolerance,
                f"max difference {relative:.1e} of the largest")  # fmt: skip


WAYS = (["-t", "3"], ["--chunk", "5"], ["--chunk", "1", "-t", "2"])
# Without the two dot products of AVX-512 there is one order of every sum.
F32_WAYS = (*WAYS, ["--target", "x86-64-v4-emulated"])


def check_bits(report, name, path, case):
    folder, *_, precision, _ = case
    ids = numpy.load(TINY / folder / f"ids_{LENGTHS[-1]}.npy").ravel()

    def run(*flags):
        return logits(path, ids, f"--precision={precision}", "--no-cache", *flags)

    base = run("-t", "1", "--target", "x86-64-v3")
    for flags in F32_WAYS if precision == "f32" else WAYS:
        other = run(*(flags if "--target" in flags else [*flags, "--target", "x86-64-v3"]))
        wrong = (base.view(numpy.uint32) != other.view(numpy.uint32)).any(axis=1)
        report.case(f"{name}, bits with {' '.join(flags)}", not wrong.any(),
                    f"{wrong.sum()} of {len(wrong)} rows differ")  # fmt: skip


def main():
    report = Report("tiny_hf")
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "tiny.gguf")
        for name, case in CASES.items():
            convert(case, path)
            for length in LENGTHS:
                report.attempt(f"{name}, {length}", compare, report, name, path, case, length)
            report.attempt(f"{name}, bits", check_bits, report, name, path, case)
    report.exit()


if __name__ == "__main__":
    main()
