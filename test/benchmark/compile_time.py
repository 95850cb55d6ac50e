#!/usr/bin/env python3
"""Compile time does not grow with the layers: a model with one of its layers, and with sixty.

    compile_time.py [MODEL] [--layers 1,60] [--most 1.2] [--clock]

Makes variants of the default model, or of MODEL, whose layers are those of the file, repeated; the
tensors' data are holes, because the compiler reads none of it.  Compiles each to an object file
and counts the instructions with valgrind, which gives the same number on a busy machine; without
valgrind, or with --clock, the processor time of the median of several compiles is taken.  Prints
one line per variant and the ratio; ends with 1 when the ratio is above --most.
"""

import argparse
import os
import pathlib
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile

import gguf
import numpy

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test" / "conformance"))
from support import default_model, lathe  # noqa: E402

CLOCK_RUNS = 7
LAYERED = re.compile(r"^blk\.(\d+)\.(.+)$")


def copy_values(reader, writer, layers):
    """All metadata, but for the number of layers."""
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture":
            continue
        kind = field.types[0]
        value = layers if name.endswith(".block_count") else field.contents()
        sub_kind = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(name, value, kind, sub_kind)


def tensors_of(reader, layers):
    """(name, tensor of the file that it is like), each layer being one of the file's in turn."""
    by_layer, rest = {}, []
    for tensor in reader.tensors:
        if match := LAYERED.match(tensor.name):
            by_layer.setdefault(int(match[1]), []).append((match[2], tensor))
        else:
            rest.append((tensor.name, tensor))
    for layer in range(layers):
        for name, tensor in by_layer[layer % len(by_layer)]:
            rest.append((f"blk.{layer}.{name}", tensor))
    return rest


def make_variant(model, layers, path):
    reader = gguf.GGUFReader(model)
    writer = gguf.GGUFWriter(path, str(reader.fields["general.architecture"].contents()))
    copy_values(reader, writer, layers)
    data_bytes = 0
    for name, tensor in tensors_of(reader, layers):
        shape = [int(size) for size in reversed(tensor.shape)]
        # The writer wants the shape in bytes where the elements are blocks.
        if tensor.data.dtype == numpy.uint8:
            shape = gguf.quant_shape_to_byte_shape(shape, tensor.tensor_type)
        writer.add_tensor_info(name, shape, tensor.data.dtype, int(tensor.n_bytes),
                               raw_dtype=tensor.tensor_type)  # fmt: skip
        data_bytes += gguf.GGUFWriter.ggml_pad(int(tensor.n_bytes), writer.data_alignment)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    with open(path, "r+b") as file:
        header = file.seek(0, os.SEEK_END)
        file.truncate(gguf.GGUFWriter.ggml_pad(header, writer.data_alignment) + data_bytes)


def compile_once(path, ahead=()):
    command = [*ahead, lathe(), "compile", str(path), "--emit", "obj", "-o", "-"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode != 0:
        sys.exit(f"compile_time.py: {' '.join(command)}: {done.stderr.decode(errors='replace')}")
    return done


def instructions(path):
    flags = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]
    told = compile_once(path, flags).stderr.decode(errors="replace")
    return int(re.search(r"I\s+refs:\s+([\d,]+)", told)[1].replace(",", ""))


def processor_seconds(path):
    samples = []
    for _ in range(CLOCK_RUNS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        compile_once(path)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        samples.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    return statistics.median(samples)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default=default_model())
    parser.add_argument("--layers", default="1,60", help="numbers of layers to compare")
    parser.add_argument("--most", type=float, default=1.2, help="largest ratio that is fine")
    parser.add_argument("--clock", action="store_true", help="take processor time")
    options = parser.parse_args()
    if options.model is None:
        sys.exit("compile_time.py: no default model; './dev model' fetches it")
    counted = not options.clock and shutil.which("valgrind") is not None
    costs = []
    with tempfile.TemporaryDirectory() as folder:
        for layers in map(int, options.layers.split(",")):
            path = pathlib.Path(folder, f"{layers}-layers.gguf")
            make_variant(options.model, layers, path)
            costs.append(instructions(path) if counted else processor_seconds(path))
            size = len(compile_once(path).stdout)
            told = f"{costs[-1] / 1e6:.1f} M instructions" if counted else f"{costs[-1]:.3f} s"
            print(f"{layers} layers: {told}, object of {size} bytes", flush=True)
    ratio = max(costs) / min(costs)
    print(f"ratio {ratio:.3f}, at most {options.most}")
    sys.exit(0 if ratio <= options.most else 1)


if __name__ == "__main__":
    main()
