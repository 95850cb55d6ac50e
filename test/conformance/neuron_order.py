#!/usr/bin/env python3
"""Neurons in the order of their importance, as `lathe calibrate` measures it.

The order must be the one that numpy finds; a model that stores its neurons so is the same model, but
for the order of its sums; and of a narrow step they are the leading ones.  `--real smollm2` prints
the table of that model.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy

import tiny_llama
from rounding import default_cache
from support import REAL_MODELS, ROOT, Failed, Report, lathe, logits
from tiny_llama import Shape, tiny_model

SHAPES = {
    "f32": {"format": "f32", "layers": 3, "ffn": 160},
    "q8_0": {"format": "q8_0", "layers": 2, "ffn": 352, "untied": True},
    "q4_k": {"format": "q4_k", "layers": 2, "hidden": 256, "heads": 4, "head_dim": 64, "ffn": 1024},
}
BLOCKS = {"f32": 1, "q8_0": 32, "q4_k": 256}
TOKENS = numpy.random.default_rng(5).integers(0, 300, 40)
# Tokens that the order is found on.
CHOSEN = 128
# Differences between two orders of the same sums, of the largest.
REORDERED = {"f32": 1e-5, "auto": 5e-2}


def run(*words, expect=0):
    """What the command wrote: on standard output, or on the other where it is to fail."""
    result = subprocess.run([lathe(), *map(str, words)], capture_output=True, text=True)
    if result.returncode != expect:
        raise Failed(f"lathe {' '.join(map(str, words))}: {result.returncode} {result.stderr}")
    return result.stderr if expect else result.stdout


def write(folder, **sizes):
    path = pathlib.Path(folder, "model.gguf")
    path.write_bytes(tiny_model(Shape(**sizes)).write())
    return path


def write_text(folder):
    random = numpy.random.default_rng(3)
    words = "the world is in a system of old tin and her letter on seas whose sound ends it".split()
    path = pathlib.Path(folder, "text")
    path.write_text(" ".join(random.choice(words, 2000)))
    return path


class Tensors:
    """A file of safetensors, as far as orders need it."""

    def __init__(self, path):
        raw = pathlib.Path(path).read_bytes()
        self.start = 8 + int.from_bytes(raw[:8], "little")
        self.header = json.loads(raw[8 : self.start])
        self.raw = bytearray(raw)

    def order(self, layer):
        """The layer's order, as a view of the bytes."""
        tensor = self.header[f"width.{layer}.order"]
        first, last = tensor["data_offsets"]
        assert tensor["dtype"] == "I32"
        return numpy.frombuffer(self.raw, "<i4", (last - first) // 4, self.start + first)

    def write(self, path):
        pathlib.Path(path).write_bytes(self.raw)
        return path


class Ordered(tiny_llama.Reference):
    """The forward pass with the leading `width` neurons in the order of each layer."""

    def __init__(self, path, cache="f32", orders=None, width=None):
        super().__init__(path, cache)
        self.orders, self.width, self.sizes = orders, width, {}

    def feed_forward(self, x, block):
        layer = int(block.split(".")[1])
        gate, up = (x @ self.weight(block + name).T for name in ("ffn_gate", "ffn_up"))
        neurons, down = gate / (1 + numpy.exp(-gate)) * up, self.weight(block + "ffn_down")
        self.sizes[layer] = numpy.abs(neurons).mean(0) * numpy.linalg.norm(down, axis=0)
        if self.orders is None:
            return neurons @ down.T
        kept = self.orders[layer][: self.width]
        return neurons[:, kept] @ down[:, kept].T


def calibrate(model, folder, *flags):
    out = pathlib.Path(folder, "model.cal")
    words = ("--exits=none", "--most=1", f"--tokens={CHOSEN}", "-t1")
    table = run("calibrate", model, "-f", write_text(folder), *words, *flags, "-o", out)
    return out, table


def check_order(report, name, sizes, folder):
    model = write(folder, **sizes)
    cal, table = calibrate(model, folder, "--precision=f32", "--widths=0.75,0.5")
    report.case(f"{name}: the table", "width" in table and "0.75" in table and "refused" in table)
    orders = [Tensors(cal).order(layer) for layer in range(sizes["layers"])]
    text = run("tokenize", model, "-f", pathlib.Path(folder, "text"))
    tokens = numpy.array(text.split(), int)[:CHOSEN]
    reference = Ordered(model)
    reference.logits(tokens)
    for layer, order in enumerate(orders):
        blocks = order.reshape(-1, BLOCKS[name])
        whole = (blocks % BLOCKS[name] == numpy.arange(BLOCKS[name])).all()
        report.case(f"{name}: blocks of layer {layer} stay", whole and len(set(order)) == len(order))
        worth = reference.sizes[layer][blocks].sum(1)
        falls = (worth[1:] <= worth[:-1] * (1 + 1e-4)).all()
        report.case(f"{name}: importance falls in layer {layer}", falls, f"{worth[:3]}")
        report.case(f"{name}: not the order of the file, layer {layer}",
                    (order != numpy.arange(len(order))).any())  # fmt: skip
    return model, cal, orders


def check_packed(report, name, sizes, folder):
    """The same model, and its leading neurons."""
    model, cal, orders = check_order(report, name, sizes, folder)
    width = max(BLOCKS[name], 32)
    for precision, tolerance in tiny_llama.tolerances(Shape(**sizes)).items():
        expected = Ordered(model, default_cache(precision), orders, width).logits(TOKENS)
        flags = (f"--precision={precision}", "--cal", cal)
        whole = logits(model, TOKENS, f"--precision={precision}")
        found = logits(model, TOKENS, *flags, "--width=1")
        difference = numpy.abs(whole - found).max() / numpy.abs(whole).max()
        limit = REORDERED["f32" if precision == "f32" else "auto"]
        report.case(f"{name} {precision}: all neurons", difference <= limit, f"{difference:.1e}")
        narrow = logits(model, TOKENS, *flags, f"--width={width}", "-t1")
        difference = numpy.abs(narrow - expected).max() / numpy.abs(expected).max()
        report.case(f"{name} {precision}: the leading {width}", difference <= tolerance,
                    f"{difference:.1e}")  # fmt: skip
        for more in ("-t3", "--chunk=7"):
            again = logits(model, TOKENS, *flags, f"--width={width}", more)
            report.case(f"{name} {precision}: {more}", again.tobytes() == narrow.tobytes())
    check_artefacts(report, name, model, cal, width)


def check_artefacts(report, name, model, cal, width):
    base = logits(model, TOKENS, "--cal", cal, f"--width={width}")
    apart, alone = model.with_suffix(".lathe"), model.with_suffix(".alone.lathe")
    run("compile", model, "--cal", cal, "--width=1", "-o", apart)
    found = logits(apart, TOKENS, f"--width={width}")
    report.case(f"{name}: compiled, with the file in it", found.tobytes() == base.tobytes())
    run("compile", model, "--cal", cal, "--width=1", "--embed-weights", "-o", alone)
    found = logits(alone, TOKENS, f"--width={width}")
    report.case(f"{name}: with its weights", found.tobytes() == base.tobytes())


def check_faults(report, folder):
    model = write(folder, **SHAPES["q8_0"])
    cal, _ = calibrate(model, folder)
    points = json.loads(Tensors(cal).header["__metadata__"]["lathe_calibration"])["points"]
    shares = [point["width"] for point in points if "width" in point]
    report.case("widths by default", shares == ["0.875", "0.75", "0.5"], str(shares))
    broken = Tensors(cal)
    order = broken.order(1)
    order[0], order[1] = order[1], order[0]
    bad = broken.write(pathlib.Path(folder, "bad.cal"))
    told = run("run", model, "--raw", "x", "-n1", "--cal", bad, "--width=1", expect=4)
    report.case("a block that is taken apart", "E0634" in told and "width.1.order" in told, told)
    order[:] = 0
    told = run("run", model, "--raw", "x", "-n1", "--cal", broken.write(bad), "--width=1", expect=4)
    report.case("no permutation", "E0634" in told, told)
    other = pathlib.Path(folder, "other.gguf")
    other.write_bytes(tiny_model(Shape(**SHAPES["f32"])).write())
    told = run("run", other, "--raw", "x", "-n1", "--cal", cal, "--width=1", expect=6)
    report.case("of another model", "E0844" in told, told)
    told = run("calibrate", model, "-f", pathlib.Path(folder, "text"), "--widths=0.7,2", "-o", bad,
               "--exits=none", f"--tokens={CHOSEN}", expect=2)  # fmt: skip
    report.case("a width that is none", "E0818" in told, told)


def real(names):
    """The table of a model that people know, on this documentation."""
    with tempfile.TemporaryDirectory() as folder:
        text = pathlib.Path(folder, "text")
        text.write_text("".join(page.read_text() for page in sorted((ROOT / "docs").glob("*.md"))))
        for model in REAL_MODELS:
            if model.name in names:
                out = pathlib.Path(folder, "model.cal")
                print(run("calibrate", model.path(), "-f", text, "--exits=none", "--most=1", "-t1",
                          "-o", out))  # fmt: skip


def main():
    if sys.argv[1:2] == ["--real"]:
        return real(sys.argv[2:])
    report = Report("neuron-order")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LATHE_CACHE"] = str(pathlib.Path(folder, "cache"))
        for name, sizes in SHAPES.items():
            report.attempt(name, check_packed, report, name, sizes, folder)
        report.attempt("faults", check_faults, report, folder)
    report.exit()


if __name__ == "__main__":
    main()
