#!/usr/bin/env python3
"""Steps that compute a part of the neurons of each layer's MLP.

What they give must be what numpy computes with that many leading neurons; all neurons give the bits
of a program without a choice; and whatever the threads, the chunks or the neighbours, one width
gives the same bits.
"""

import importlib
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy

import tiny_llama
from rounding import default_cache
from support import ROOT, Report, joined, lathe, logits, run_logits
from tiny_llama import Shape, tiny_model

os.environ["LATHE_LIBRARY"] = str(pathlib.Path(lathe()).resolve().parents[1] / "lib/liblathe.so")
sys.path.insert(0, str(ROOT / "tools" / "python"))
package = importlib.import_module("lathe")

# Widths are multiples of 32 neurons, or of the 256 in a block of the weights.
SHAPES = {
    "f32": {"format": "f32", "layers": 3, "ffn": 160},
    "bf16": {"format": "bf16", "layers": 2, "ffn": 96},
    "q4_1": {"format": "q4_1", "layers": 2, "ffn": 160},
    "q8_0": {"format": "q8_0", "layers": 2, "heads": 3, "hidden": 96, "ffn": 352, "untied": True},
    "q4_k": {"format": "q4_k", "layers": 2, "hidden": 256, "heads": 4, "head_dim": 64, "ffn": 1024},
}
TOKENS = numpy.random.default_rng(5).integers(0, 300, 40)


def step_of(name):
    return 256 if name == "q4_k" else 32


class Narrow(tiny_llama.Reference):
    """The forward pass with the leading `width` neurons of each layer, of the layers in `kept`."""

    def __init__(self, path, cache, width, kept=None):
        super().__init__(path, cache)
        self.width, self.kept = width, kept

    def runs(self, layer):
        return self.kept is None or layer in self.kept

    def feed_forward(self, x, block):
        gate, up = (x @ self.weight(block + n)[: self.width].T for n in ("ffn_gate", "ffn_up"))
        down = self.weight(block + "ffn_down")[:, : self.width]
        return (gate / (1 + numpy.exp(-gate)) * up) @ down.T


def write(folder, **sizes):
    path = pathlib.Path(folder, "model.gguf")
    path.write_bytes(tiny_model(Shape(**sizes)).write())
    return path


def same(a, b):
    return a.tobytes() == b.tobytes()


def run(*words):
    """What the command wrote on standard error."""
    result = subprocess.run([lathe(), *map(str, words)], capture_output=True, text=True)
    return result.stderr if result.returncode == 0 else f"exit {result.returncode}: {result.stderr}"


def check_reference(report, name, sizes, path):
    for width in (step_of(name), sizes["ffn"] // step_of(name) // 2 * step_of(name)):
        for precision, tolerance in tiny_llama.tolerances(Shape(**sizes)).items():
            expected = Narrow(path, default_cache(precision), width).logits(TOKENS)
            found = logits(path, TOKENS, f"--precision={precision}", f"--width={width}")
            relative = numpy.abs(found - expected).max() / numpy.abs(expected).max()
            title = f"{name} {precision} --width {width}, against numpy"
            report.case(title, relative <= tolerance, f"{relative:.1e} of the largest")
    expected = Narrow(path, "f32", step_of(name), kept=(1,)).logits(TOKENS)
    found = logits(path, TOKENS, "--precision=f32", f"--width={step_of(name)}", "--layers=1")
    relative = numpy.abs(found - expected).max() / numpy.abs(expected).max()
    report.case(f"{name} f32, one layer of one width", relative <= 1e-4, f"{relative:.1e}")


def check_bits(report, name, sizes, path):
    """Threads, chunks, neighbours, and how the width is written."""
    precisions = ("auto", "f32", "bf16", "int16") if name == "bf16" else ("auto", "f32")
    for precision in precisions:
        flag = f"--precision={precision}"
        full = logits(path, TOKENS, flag)
        title = f"{name} {precision}"
        report.case(f"{title} all neurons", same(logits(path, TOKENS, flag, "--width=1"), full))
        width = sizes["ffn"] - step_of(name)
        base = logits(path, TOKENS, flag, f"--width={width}", "-t1")
        report.case(f"{title} is another model", not same(base, full))
        for more in ("-t2", "-t3", "--chunk=1", "--chunk=7"):
            found = logits(path, TOKENS, flag, f"--width={width}", more)
            report.case(f"{title} {more}", same(found, base))
        share = (width - 1) / sizes["ffn"]
        found = logits(path, TOKENS, flag, f"--width={share:.6f}")
        report.case(f"{title} a share is rounded up", same(found, base))
        out = path.with_suffix(".npy")
        text = f"{joined(TOKENS[:9])};{joined(TOKENS)}"
        run_logits(path, ["--sequences", text, flag, f"--width={width}"], out)
        report.case(f"{title} beside another", same(numpy.load(out)[9:], base))


def check_programs(report, folder):
    """Programs that were compiled with a choice, with a width of their own, and without."""
    path = write(folder, **SHAPES["q4_1"])
    narrow = logits(path, TOKENS, "--width=96")
    compiled = path.with_suffix(".lathe")
    run("compile", path, "--width=0.6", "-o", compiled)
    report.case("its own width", same(logits(compiled, TOKENS), narrow))
    full = logits(compiled, TOKENS, "--width=1")
    report.case("another one", same(full, logits(path, TOKENS)))
    told = run("run", compiled, "--raw", "x", "-n1", "--stats")
    report.case("what is told", "neurons 192 of neurons 320" in " ".join(told.split()), told)
    run("compile", path, "-o", compiled)
    told = run("run", compiled, "--raw", "x", "-n1", "--width=0.6")
    report.case("no choice", "E0818" in told and "exit 2" in told, told)
    for wrong in ("0", "1.5", "100", "192", "wide"):
        told = run("run", path, "--raw", "x", "-n1", f"--width={wrong}")
        report.case(f"no width of {wrong}", "E0818" in told and "exit 2" in told, told)
    exe = path.with_suffix("")
    run("compile", path, "--width=1", "--embed-weights", "-o", exe)
    words = [str(exe), "--raw", "x", "-n3", "--width=32", "--stats"]
    found = " ".join(subprocess.run(words, capture_output=True, text=True).stderr.split())
    report.case("an executable", "neurons 64 of neurons 320" in found, found)


def refusal(action, *arguments, **options):
    """The error's number, or None."""
    try:
        action(*arguments, **options)
    except package.Error as error:
        return error.code
    return None


def check_sessions(report, folder):
    """Widths of a session, of a generation and of a compiled model from Python."""
    path = write(folder, **SHAPES["q4_1"])
    model = package.load(path, threads=2, width=1.0)
    narrow = logits(path, TOKENS, "--width=96")
    full = logits(path, TOKENS)
    report.case("a session", same(model.session(width=96).append(TOKENS, logits="all"), narrow))
    report.case("a share", same(model.session(width=0.6).append(TOKENS, logits="all"), narrow))
    report.case("no width", same(model.session().append(TOKENS, logits="all"), full))
    other = package.load(path, threads=2, width=0.6).session().append(TOKENS, logits="all")
    report.case("a model's own", same(other, narrow))
    prompt = [int(token) for token in TOKENS[:12]] * 3
    options = {"max_tokens": 40, "ignore_end": True}
    session = model.session(capacity=256, sequences=2)
    plain = list(session.generate(prompt, speculate="off", width=32, **options))
    guesses = list(session.generate(prompt, speculate="ngram:5", width=32, sequence=1, **options))
    report.case("guesses", plain == guesses)
    session.truncate(0)
    whole = list(session.generate(prompt, speculate="off", width=1, **options))
    report.case("the whole after it", whole != plain)
    told = refusal(session.generate, [1], width=64, **options)
    report.case("a width changes where a sequence stands", told is None, told)
    told = refusal(model.session, width=100)
    report.case("no such width", told == "E0818", told)
    told = refusal(package.load, path, width=1.5)
    report.case("no such share", told == "E0818", told)
    told = refusal(package.load(path).session, width=0.5)
    report.case("no choice, from Python", told == "E0818", told)
    compiled = package.compile(path, path.with_suffix(".two.lathe"), width=0.6)
    found = package.load(compiled).session().append(TOKENS, logits="all")
    report.case("compiled from Python", same(found, narrow))


def main():
    report = Report("widths")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LATHE_CACHE"] = str(pathlib.Path(folder, "cache"))
        for name, sizes in SHAPES.items():
            path = write(folder, **sizes)
            report.attempt(f"{name} reference", check_reference, report, name, sizes, path)
            report.attempt(f"{name} bits", check_bits, report, name, sizes, path)
        report.attempt("programs", check_programs, report, folder)
        report.attempt("sessions", check_sessions, report, folder)
    report.exit()


if __name__ == "__main__":
    main()
