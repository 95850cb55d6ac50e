#!/usr/bin/env python3
"""The AVX-512 kernels give the bits that the AVX2 kernels give, their own instructions executed.

Two cases are different.  `vdpbf16ps` adds the product of the odd k first, AVX2 that of the even k: so
logits of weights stored as bf16 have the bits of x86-64-v4-emulated, which adds in the order of the
instruction; targets.py holds that to AVX2.  And over a KV cache of bf16 AVX2 does not round what
meets it.

On a processor without AVX-512 they run in an emulated PC that has it (emulator.py), which './dev
test --avx512' fetches.  What is compiled for x86-64-v4 here lies in a cache that goes along; with
--all one program is compiled there, to see that the target is chosen by what the processor says it
can do.  LATHE_EMULATOR_SECONDS (3600) is the time that the emulated PC may take.
"""

import argparse
import dataclasses
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
from tiny_llama import Reference, tolerances

sys.path.insert(0, str(ROOT / "test" / "Tools" / "inputs"))
from tiny_gguf import FORMATS, Shape, tiny_model  # noqa: E402

TARGET, BASE, WRITTEN_OUT = "x86-64-v4", "x86-64-v3", "x86-64-v4-emulated"
PRECISIONS = ("auto", "f32", "bf16")
SUPER_SIZES = {"hidden": 256, "heads": 4, "kv_heads": 2, "head_dim": 64, "ffn": 256}
TINY_SHAPE = {"layers": 2, "hidden": 96, "heads": 3, "ffn": 160, "untied": True}
# Rows of a step: 13 are two tiles of six rows and one row, and leave one token for the entry that
# decodes; 7 take the entry of a few rows.
TINY_POSITIONS, TINY_STEPS = 14, (13, 7)
# Activations of 8 significant bits; measured are 5.0e-3, on AVX2 as well.
ROUNDED = 2e-2
# Past the 256 positions after which attention splits its sums.
LONG_POSITIONS = 270
SECONDS = float(os.environ.get("LATHE_EMULATOR_SECONDS", 3600))


@dataclasses.dataclass
class Case:
    """One call of `lathe logits`, with AVX-512 kernels if it is not told otherwise."""

    name: str
    model: pathlib.Path
    tokens: list
    precision: str
    target: str = TARGET
    step: int = 512
    cache: str = "f16"  # The type of the KV cache; in f32 all is f32.
    slow: bool = False  # Only with --all, or when it is asked for by name.
    shape: Shape = None  # Of a model that numpy can run as well.

    @property
    def file(self):
        return self.name.replace(" ", "-") + ".npy"

    def __post_init__(self):
        if self.precision == "f32":
            self.cache = "f32"

    @property
    def pairs(self):
        """Whether weights are multiplied as pairs of bf16."""
        return self.shape and self.shape.format == "bf16" and self.precision != "f32"

    @property
    def same_bits_as(self):
        return WRITTEN_OUT if self.pairs or self.cache == "bf16" else BASE

    @property
    def tolerance(self):
        """Of the largest logit, against numpy."""
        path = tolerances(self.shape)["f32" if self.precision == "f32" else "int8"]
        return max(path, ROUNDED) if self.precision == "bf16" or self.pairs else path

    @property
    def arithmetic(self):
        return (f"--precision={self.precision}", f"--kv-type={self.cache}")

    def flags(self, target=None):
        words = ["--tokens", joined(self.tokens), *self.arithmetic, "-t", "1"]
        return [*words, "--chunk", str(self.step), "--target", target or self.target]


def tiny_cases(folder):
    tokens = numpy.random.default_rng(7).integers(0, 300, LONG_POSITIONS).tolist()
    for format in FORMATS:
        # Rows of super-blocks are multiples of 256.
        sizes = SUPER_SIZES if format.endswith("_k") else {}
        shape = Shape(format=format, **{**TINY_SHAPE, **sizes})
        path = pathlib.Path(folder, f"tiny-{format}.gguf")
        path.write_bytes(tiny_model(shape).write())
        for step in TINY_STEPS:
            name = f"tiny {format} auto in steps of {step}"
            yield Case(name, path, tokens[:TINY_POSITIONS], "auto", step=step, shape=shape)
        for precision in PRECISIONS:
            name = f"tiny {format} {precision} long"
            yield Case(name, path, tokens, precision, slow=True, shape=shape)
        for slow, count in ((False, TINY_POSITIONS), (True, LONG_POSITIONS)):
            name = f"tiny {format} over bf16, {count} positions"
            yield Case(name, path, tokens[:count], "auto", cache="bf16", slow=slow, shape=shape)
    # Compiled where it runs, for the processor that is found there.
    name = f"tiny {format} host"
    yield Case(name, path, tokens, "auto", "host", slow=True, shape=shape)


def real_cases(report):
    """SmolLM2 on the prompt of five tokens that the reference has logits for."""
    model = SMOLLM2.path()
    if model is None:
        report.skip("smollm2", "the default model is not in the cache ('./dev model' fetches it)")
        return
    entries = json.loads((SMOLLM2.reference / "reference.json").read_text())
    tokens = next(entry["ids"] for entry in entries if entry["name"] == "france")
    yield Case("smollm2 auto in steps of 1", model, tokens[:2], "auto", step=1)
    for precision in PRECISIONS:
        yield Case(f"smollm2 {precision}", model, tokens, precision, slow=True)


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
        hosts = [case for case in cases if case.target == "host"]
        for model, arithmetic in {(c.model, c.arithmetic) for c in cases if c not in hosts}:
            self._compile(model, arithmetic)
        files = self._program_files()
        files |= {f"/models/{pathlib.Path(case.model).name}": case.model for case in cases}
        programs = list((self.folder / "cache").iterdir())
        files |= {f"/cache/{path.name}": path for path in programs}
        try:
            results = self.pc.run(self._script(cases, hosts), files, SECONDS)
        finally:
            self.log = self.pc.log()
        self._check_programs(report, results, hosts, len(programs))
        return {case.name: self._kept(case, results) for case in cases}

    def _compile(self, model, arithmetic):
        """Fills the cache: `inspect` needs the program, and does not run it."""
        command = [lathe(), "inspect", str(model), "--target", TARGET]
        environment = dict(
            os.environ, LATHE_CACHE=str(self.folder / "cache"), LATHE_COMPILER=str(self.compiler)
        )
        call([*command, *arithmetic], env=environment)

    def _program_files(self):
        files = {"/lathe/bin/lathe": lathe(), "/lathe/lib/liblathe-compiler.so": self.compiler}
        libraries = libraries_of(lathe()) | libraries_of(self.compiler)
        for name, path in libraries.items():
            files[f"/lib64/{name}"] = path
        return files

    def _script(self, cases, hosts):
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
            words = ["logits", f"/models/{pathlib.Path(case.model).name}", *case.flags()]
            lines.append(line(case.file, [*words, "-o", case.file]))
        for case in hosts:  # Finds the program of the case.
            model = f"/models/{pathlib.Path(case.model).name}"
            lines.append(line("choice", ["inspect", model, *case.arithmetic, "--json"]))
        lines.append("busybox ls /tmp/cache | busybox grep so$ >programs.out")
        return "\n".join(lines) + "\n"

    def _check_programs(self, report, results, hosts, sent):
        flags = set(results.get("cpu.out", b"").decode().split())
        report.case("emulated processor", NEEDED <= flags, " ".join(sorted(NEEDED & flags)))
        # What was sent must have been found, not compiled again.
        found, wanted = len(results.get("programs.out", b"").split()), sent + len(hosts)
        told = f"{found - sent} of {found} programs"
        report.case("compiled there", found == wanted, told)
        for _ in hosts:
            text = results.get("choice.out", b"").decode()
            chosen = json.loads(text)["target"] if text else self._fault("choice", results)
            report.case("the target chosen there", chosen == TARGET, chosen)

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


def expected(case, target, folder):
    """What the kernels of another target give here."""
    return run_logits(case.model, case.flags(target), pathlib.Path(folder, target + case.file))


def compare(report, case, ours, folder):
    if not ours.is_file():
        raise Failed("no logits came back")
    other = numpy.load(ours)
    compare_bits(report, case, numpy.load(expected(case, case.same_bits_as, folder)), other)
    if case.shape:
        reference = Reference(case.model, case.cache).logits(case.tokens)
        compare_numbers(report, f"{case.name} and numpy", reference, other, case.tolerance)
    if case.name == "smollm2 f32":
        prompt = next(each for each in prompts(SMOLLM2) if each.file == "france")
        check_last_row(report, prompt, other[-1])
        check_positions(report, prompt, other)


def compare_bits(report, case, base, other):
    if base.shape != other.shape or len(base) != len(case.tokens):
        raise Failed(f"found {other.shape}, expected {base.shape} of {len(case.tokens)} positions")
    if not numpy.isfinite(other).all():
        raise Failed(f"{(~numpy.isfinite(other)).sum()} logits are not finite")
    wrong = (base.view(numpy.uint32) != other.view(numpy.uint32)).sum()
    told = f"{len(base)} positions of {base.shape[1]} logits, {wrong} differ"
    report.case(f"{case.name} and {case.same_bits_as}", wrong == 0, told)


def compare_numbers(report, name, base, other, tolerance):
    worst = float(numpy.abs(base - other).max() / numpy.abs(base).max())
    report.case(name, worst <= tolerance, f"largest difference {worst:.1e} of the largest logit")


def run(report, options, folder):
    runner = (Native if processor_has(NEEDED) else Emulated)(folder)
    cases = [*real_cases(report), *tiny_cases(folder)]
    if options.only:
        cases = [case for case in cases if re.search(options.only, case.name)]
    elif not options.all:
        cases = [case for case in cases if not case.slow]
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
    parser.add_argument("--only", metavar="RE", help="cases whose name matches, slow ones too")
    parser.add_argument("--all", action="store_true", help="also the cases that take long")
    options = parser.parse_args()
    report = Report("avx512_emulated")
    if not processor_has(NEEDED) and not Emulator.present():
        report.skip("all", "the emulator is not in the cache ('./dev test --avx512' fetches it)")
        report.exit()
    with tempfile.TemporaryDirectory() as folder:
        report.attempt("run", run, report, options, folder)
    report.exit()


if __name__ == "__main__":
    main()
