#!/usr/bin/env python3
"""The AVX-512 kernels give the bits that the AVX2 kernels give, their own instructions executed.

On a processor without AVX-512 they run in an emulated PC that has it (emulator.py), which './dev
test --avx512' fetches.  What is compiled for x86-64-v4 here lies in a cache that goes along; one
program is compiled there, to see that the target is chosen by what the processor says it can do.
LATHE_EMULATOR_SECONDS (3600) is the time that the emulated PC may take.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import sys
import tempfile

import numpy

from emulator import Emulator, call, libraries_of
from hf_f32 import check_last_row, check_positions, prompts
from support import (
    ROOT, SMOLLM2, Failed, Report, joined, lathe, processor_has, run_logits,
)  # fmt: skip
from targets import NEEDED

sys.path.insert(0, str(ROOT / "test" / "Tools" / "inputs"))
from tiny_gguf import FORMATS, Shape, tiny_model  # noqa: E402

TARGET, BASE = "x86-64-v4", "x86-64-v3"
PRECISIONS = ("auto", "f32", "bf16")
# Past the 256 positions after which attention splits its sums.
TINY_POSITIONS = 270
TINY_SHAPE = {"layers": 2, "hidden": 96, "heads": 3, "ffn": 160, "untied": True}
SECONDS = float(os.environ.get("LATHE_EMULATOR_SECONDS", 3600))


class Case:
    """One call of `lathe logits`, with AVX-512 kernels if it is not told otherwise."""

    def __init__(self, name, model, tokens, precision, target=TARGET):
        self.name, self.model, self.precision = name, pathlib.Path(model), precision
        self.tokens = [int(token) for token in tokens]
        self.target = target
        self.file = name.replace(" ", "-") + ".npy"

    def flags(self, target=None):
        words = ["--tokens", joined(self.tokens), f"--precision={self.precision}", "-t", "1"]
        return [*words, "--target", target or self.target]


def tiny_cases(folder):
    for format in FORMATS:
        path = pathlib.Path(folder, f"tiny-{format}.gguf")
        path.write_bytes(tiny_model(Shape(format=format, **TINY_SHAPE)).write())
        tokens = numpy.random.default_rng(7).integers(0, 300, TINY_POSITIONS)
        for precision in PRECISIONS:
            yield Case(f"tiny {format} {precision}", path, tokens, precision)
    # The last one is compiled where it runs, for the processor that is found there.
    yield Case(f"tiny {format} host", path, tokens, "auto", "host")


def real_cases(report):
    """SmolLM2 on the prompt of five tokens that the reference has logits for."""
    model = SMOLLM2.path()
    if model is None:
        report.skip("smollm2", "the default model is not in the cache ('./dev model' fetches it)")
        return
    entries = json.loads((SMOLLM2.reference / "reference.json").read_text())
    tokens = next(entry["ids"] for entry in entries if entry["name"] == "france")
    for precision in PRECISIONS:
        yield Case(f"smollm2 {precision}", model, tokens, precision)


class Native:
    """Runs the cases here."""

    def __init__(self, folder):
        self.folder, self.log = pathlib.Path(folder), ""

    def run(self, cases, report):
        report.skip("emulator", "this processor has AVX-512, which the cases run on")
        return {
            case.name: run_logits(case.model, case.flags(), self.folder / case.file)
            for case in cases
        }


class Emulated:
    """Runs the cases in the emulated PC, with the programs compiled here."""

    def __init__(self, folder):
        self.folder, self.log = pathlib.Path(folder), ""
        for name in ("pc", "cache"):
            (self.folder / name).mkdir(mode=0o700)
        self.pc = Emulator(self.folder / "pc")
        # The cache knows a compiler by its size and time, and the disk keeps whole seconds.
        self.compiler = self.folder / "liblathe-compiler.so"
        built = pathlib.Path(lathe()).parents[1] / "lib" / self.compiler.name
        shutil.copyfile(built, self.compiler)
        os.utime(self.compiler, (0, int(self.compiler.stat().st_mtime)))

    def run(self, cases, report):
        for case in cases:
            if case.target == TARGET:
                self._compile(case)
        files = self._program_files()
        files |= {f"/models/{case.model.name}": case.model for case in cases}
        programs = list((self.folder / "cache").iterdir())
        files |= {f"/cache/{path.name}": path for path in programs}
        try:
            results = self.pc.run(self._script(cases), files, SECONDS)
        finally:
            self.log = self.pc.log()
        self._check_choice(report, results, len(programs))
        return {case.name: self._kept(case, results) for case in cases}

    def _compile(self, case):
        """Fills the cache: `inspect` needs the program, and does not run it."""
        command = [lathe(), "inspect", str(case.model), "--target", TARGET]
        environment = dict(
            os.environ, LATHE_CACHE=str(self.folder / "cache"), LATHE_COMPILER=str(self.compiler)
        )
        call([*command, f"--precision={case.precision}"], env=environment)

    def _program_files(self):
        files = {"/lathe/bin/lathe": lathe(), "/lathe/lib/liblathe-compiler.so": self.compiler}
        libraries = libraries_of(lathe()) | libraries_of(self.compiler)
        for name, path in libraries.items():
            files[f"/lib64/{name}"] = path
        return files

    def _script(self, cases):
        def line(name, words):
            return f"try {name} /lathe/bin/lathe " + " ".join(f"'{word}'" for word in words)

        lines = [
            "export PATH=/bin HOME=/tmp LD_LIBRARY_PATH=/lib64 LATHE_CACHE=/tmp/cache",
            "cd /tmp/results",
            "busybox cp -r /cache /tmp/cache; busybox chmod -R go-rwx /tmp/cache",
            "up() { busybox cut -d' ' -f1 /proc/uptime; }",
            'try() { n=$1; shift; "$@" >$n.out 2>$n.err; echo $? >$n.status',
            '  echo "$(up) $n status $(busybox cat $n.status) $(busybox sha256sum $n 2>&-)"; }',
            "busybox grep -m1 flags /proc/cpuinfo >cpu.out",
        ]
        for case in cases:
            words = ["logits", f"/models/{case.model.name}", *case.flags()]
            lines.append(line(case.file, [*words, "-o", case.file]))
        # Finds the program of the last case.
        lines.append(line("choice", ["inspect", f"/models/{cases[-1].model.name}", "--json"]))
        lines.append("busybox ls /tmp/cache >programs.out")
        return "\n".join(lines) + "\n"

    def _check_choice(self, report, results, sent):
        flags = set(results.get("cpu.out", b"").decode().split())
        report.case("emulated processor", NEEDED <= flags, " ".join(sorted(NEEDED & flags)))
        text = results.get("choice.out", b"").decode()
        chosen = json.loads(text)["target"] if text else self._fault("choice", results)
        report.case("the target chosen there", chosen == TARGET, chosen)
        # A library and its sum each; what was sent must have been found, not compiled again.
        found = len(results.get("programs.out", b"").split())
        report.case("compiled there", found == sent + 2, f"{(found - sent) // 2} of {found // 2}")

    @staticmethod
    def _fault(name, results):
        status = results.get(f"{name}.status", b"nothing").decode().strip()
        return f"ended with {status}: " + results.get(f"{name}.err", b"").decode().strip()

    def _kept(self, case, results):
        out = self.folder / case.file
        if case.file in results:
            out.write_bytes(results[case.file])
        else:
            print(f"{case.name}: {self._fault(case.file, results)}", flush=True)
        return out


def expected(case, folder):
    return run_logits(case.model, case.flags(BASE), pathlib.Path(folder, "base-" + case.file))


def compare(report, case, ours, folder):
    if not ours.is_file():
        raise Failed("no logits came back")
    base, other = numpy.load(expected(case, folder)), numpy.load(ours)
    if base.shape != other.shape or len(base) != len(case.tokens):
        raise Failed(f"found {other.shape}, expected {base.shape} of {len(case.tokens)} positions")
    if not numpy.isfinite(other).all():
        raise Failed(f"{(~numpy.isfinite(other)).sum()} logits are not finite")
    wrong = (base.view(numpy.uint32) != other.view(numpy.uint32)).sum()
    told = f"{len(base)} positions of {base.shape[1]} logits, {wrong} differ from {BASE}"
    report.case(case.name, wrong == 0, told)
    if case.name == "smollm2 f32":
        prompt = next(each for each in prompts(SMOLLM2) if each.file == "france")
        check_last_row(report, prompt, other[-1])
        check_positions(report, prompt, other)


def run(report, only, folder):
    runner = (Native if processor_has(NEEDED) else Emulated)(folder)
    cases = [*real_cases(report), *tiny_cases(folder)]
    cases = [case for case in cases if re.search(only, case.name)]
    try:
        ours = runner.run(cases, report)
    except Failed:
        print(runner.log)
        raise
    for case in cases:
        report.attempt(case.name, compare, report, case, ours[case.name], folder)
    if report.failed:
        print(runner.log)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--only", metavar="RE", default="", help="cases whose name matches")
    only = parser.parse_args().only
    report = Report("avx512_emulated")
    if not processor_has(NEEDED) and not Emulator.present():
        report.skip("all", "the emulator is not in the cache ('./dev test --avx512' fetches it)")
        report.exit()
    with tempfile.TemporaryDirectory() as folder:
        report.attempt("run", run, report, only, folder)
    report.exit()


if __name__ == "__main__":
    main()
