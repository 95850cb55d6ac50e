#!/usr/bin/env python3
"""Layers left out of a model, at run time and at compile time.

What is left must be the model that numpy computes without those layers; a layer that adds nothing
can be left out without changing a bit; and however layers are left out, the bits are the same.
"""

import importlib
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy

import tiny_llama
from rounding import default_cache
from support import ROOT, Report, lathe, logits
from tiny_llama import Shape, tiny_model

os.environ["LATHE_LIBRARY"] = str(pathlib.Path(lathe()).resolve().parents[1] / "lib/liblathe.so")
sys.path.insert(0, str(ROOT / "tools" / "python"))
package = importlib.import_module("lathe")

LAYERS = 5
SHAPES = {
    "f32": {"format": "f32"},
    "q4_1": {"format": "q4_1"},
    "q8_0": {"format": "q8_0", "heads": 3, "hidden": 96, "ffn": 160, "untied": True},
}
# The flags, and the layers that are left.
CHOICES = {
    "--skip=1": (0, 2, 3, 4),
    "--skip=0,3-4": (1, 2),
    "--layers=0-2": (0, 1, 2),
    "--layers=4": (4,),
}
TOKENS = numpy.random.default_rng(3).integers(0, 300, 40)


class Shallow(tiny_llama.Reference):
    """The forward pass of the layers in `kept` alone."""

    def __init__(self, path, cache, kept):
        super().__init__(path, cache)
        self.kept = kept

    def runs(self, layer):
        return layer in self.kept


def write(folder, silent=(), **sizes):
    """A model whose layers in `silent` add nothing to what they are given."""
    model = tiny_model(Shape(layers=LAYERS, **sizes))
    for tensor in model.tensors:
        words = tensor.name.split(".")
        last = words[0] == "blk" and words[2] in ("attn_output", "ffn_down")
        if last and int(words[1]) in silent:
            tensor.data = bytes(len(tensor.data))
    path = pathlib.Path(folder, "model.gguf")
    path.write_bytes(model.write())
    return path


def check_reference(report, name, sizes, path):
    for flag, kept in CHOICES.items():
        for precision, tolerance in tiny_llama.tolerances(Shape(**sizes)).items():
            expected = Shallow(path, default_cache(precision), kept).logits(TOKENS)
            found = logits(path, TOKENS, f"--precision={precision}", flag)
            relative = numpy.abs(found - expected).max() / numpy.abs(expected).max()
            title = f"{name} {precision} {flag}, against numpy"
            report.case(title, relative <= tolerance, f"{relative:.1e} of the largest")


def check_bits(report, name, path):
    """Threads, chunks, an artefact and an executable."""
    full = logits(path, TOKENS)
    report.case(f"{name} all layers by number", same(logits(path, TOKENS, "--layers=0-4"), full))
    for flag in CHOICES:
        base = logits(path, TOKENS, flag, "-t1")
        report.case(f"{name} {flag} is another model", not same(base, full))
        for more in ("-t2", "-t3", "--chunk=1", "--chunk=7"):
            report.case(f"{name} {flag} {more}", same(logits(path, TOKENS, flag, more), base))
        compiled = path.with_suffix(".lathe")
        run("compile", path, flag, "-o", compiled)
        report.case(f"{name} {flag} when compiled", same(logits(compiled, TOKENS), base))


def same(a, b):
    return a.tobytes() == b.tobytes()


def run(*words):
    """What the command wrote on standard error."""
    result = subprocess.run([lathe(), *map(str, words)], capture_output=True, text=True)
    return result.stderr if result.returncode == 0 else f"exit {result.returncode}: {result.stderr}"


def check_silent(report, folder):
    """Layers 1 and 3 add nothing, so that leaving them out shows nowhere."""
    for name, sizes in SHAPES.items():
        path = write(folder, silent=(1, 3), **sizes)
        for precision in ("f32", "auto"):
            base = logits(path, TOKENS, f"--precision={precision}")
            for flag in ("--skip=1", "--skip=1,3", "--layers=0,2,4"):
                found = logits(path, TOKENS, f"--precision={precision}", flag)
                report.case(f"{name} {precision} {flag}, silent layers", same(found, base))
            other = logits(path, TOKENS, f"--precision={precision}", "--skip=0")
            report.case(f"{name} {precision} --skip=0, a layer that speaks", not same(other, base))


def check_sharing(report, folder):
    """A program without some layers uses the packed weights of the whole model."""
    path = write(folder, format="q4_1", hidden=128, ffn=256)
    time.sleep(2.5)  # Weights of a file that changed just now are not kept.
    compiled = path.with_suffix(".lathe")
    whole = run("run", path, "--raw", "x", "-n1")
    report.case("the first run packs", "packed in" in whole, " ".join(whole.split()))
    run("compile", path, "--skip=1,2", "-o", compiled)
    part = run("run", compiled, "--raw", "x", "-n1")
    report.case("a part finds them", "weights from the cache" in part, " ".join(part.split()))
    told = run("run", compiled, "--raw", "x", "-n1", "--layers=0-3")
    report.case("a layer that was not compiled", "E0841" in told, told)
    told = run("run", compiled, "--raw", "x", "-n1", "--skip=0", "--stats")
    words = " ".join(told.split())
    report.case("what is told of them", "layers run 2 of 5 skipped 0-2" in words, words)
    executable = path.with_suffix("")
    run("compile", path, "--skip=1,2", "--embed-weights", "-o", executable)
    words = [str(executable), "--raw", "x", "-n3", "--stats"]
    result = subprocess.run(words, capture_output=True, text=True)
    found = " ".join(result.stderr.split())
    report.case("an executable", "layers run 3 of 5 skipped 1-2" in found, found)


def refusal(action, *arguments, **options):
    """The error's number, or None."""
    try:
        action(*arguments, **options)
    except package.Error as error:
        return error.code
    return None


def check_sessions(report, folder):
    """Sequences with layers of their own in one session, and guessing on top."""
    path = write(folder, format="q4_1")
    model = package.load(path, threads=2)
    alone = {skip: model.session(skip=skip).append(TOKENS, logits="all") for skip in (None, "1,2")}
    report.case("two models in one", not same(alone[None], alone["1,2"]))
    prompt = [int(token) for token in TOKENS[:12]] * 3
    options = {"max_tokens": 40, "ignore_end": True}
    for skip in ("1", "0,4"):
        session = model.session(capacity=256, sequences=2)
        plain = list(session.generate(prompt, speculate="off", skip=skip, **options))
        guesses = session.generate(prompt, speculate="ngram:5", skip=skip, sequence=1, **options)
        report.case(f"guesses without layers {skip}", plain == list(guesses))
        whole = list(model.session(capacity=256).generate(prompt, speculate="off", **options))
        report.case(f"other tokens without layers {skip}", whole != plain)
        told = refusal(session.generate, [1], **options)
        report.case(f"goes on without layers {skip}", told is None, told)
        told = refusal(session.generate, [1], layers="0-4", **options)
        report.case(f"cannot change from {skip}", told == "E0842", told)
        session.truncate(0)
        again = list(session.generate(prompt, layers="0-4", speculate="off", **options))
        report.case(f"changes from {skip} when empty", again == whole)
    told = refusal(model.session, layers="0-5")
    report.case("a layer too many", told == "E0840", told)
    compiled = package.compile(path, path.with_suffix(".two.lathe"), skip="1,2")
    part = package.load(compiled).session().append(TOKENS, logits="all")
    report.case("compiled from Python", same(part, alone["1,2"]))


def main():
    report = Report("layers")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LATHE_CACHE"] = str(pathlib.Path(folder, "cache"))
        for name, sizes in SHAPES.items():
            path = write(folder, **sizes)
            report.attempt(f"{name} reference", check_reference, report, name, sizes, path)
            report.attempt(f"{name} bits", check_bits, report, name, path)
        report.attempt("silent", check_silent, report, folder)
        report.attempt("sharing", check_sharing, report, folder)
        report.attempt("sessions", check_sessions, report, folder)
    report.exit()


if __name__ == "__main__":
    main()
