#!/usr/bin/env python3
"""The build with MLIR and LLVM inside (`./dev build static`) stands alone, and compiles what the
shared build compiles, byte by byte.  `./dev test --static` runs this."""

import pathlib
import re
import subprocess
import sys
import tempfile

from support import ROOT, SMOLLM2, Failed, Report, lathe

SHARED = pathlib.Path(lathe()).parents[1]
STATIC = ROOT / "build-static"
TINY = ROOT / "test" / "Tools" / "inputs" / "tiny_gguf.py"
NM = "/usr/lib/llvm-22/bin/llvm-nm"

LATHE = "bin/lathe"
LIBRARY = "lib/liblathe-compiler.so"
BINARIES = (LATHE, "bin/lathe-opt", "bin/lathe-reference", LIBRARY)
EXPORTED = ["lathe_compiler_api_v1"]
LLVM = re.compile(r"lib(?:LLVM|MLIR)\S*")
FORMATS = ("f32", "bf16", "q4_1", "q8_0")
TARGETS = ("x86-64-v3", "x86-64-v4")


def output(command):
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if result.returncode != 0:
        raise Failed(f"{command[0]} ended with {result.returncode}: {result.stderr.strip()}")
    return result.stdout


def llvm_libraries(file):
    """The shared libraries of LLVM and MLIR that the loader brings with a file."""
    return sorted(set(LLVM.findall(output(["ldd", file]))))


def check_dependencies(report):
    # Without this the test would also pass where the loader's list cannot be read.
    found = llvm_libraries(SHARED / LIBRARY)
    report.case("the shared compiler needs libLLVM and libMLIR", len(found) >= 2, str(found))
    for name in BINARIES:
        found = llvm_libraries(STATIC / name)
        report.case(f"{name} needs neither libLLVM nor libMLIR", not found, " ".join(found))


def check_exports(report, build):
    listed = output([NM, "--dynamic", "--defined-only", "--format=just-symbols", build / LIBRARY])
    names = listed.split()
    told = f"{len(names)} names: {names[:4]}"
    report.case(f"{build.name} exports one function", names == EXPORTED, told)


def compiled(build, model, target, folder):
    out = folder / f"{build.name}.o"
    output([build / LATHE, "compile", model, "--emit=obj", "--target", target, "-o", out])
    return out.read_bytes()


def compare_objects(report, name, model, target, folder):
    shared, static = (compiled(build, model, target, folder) for build in (SHARED, STATIC))
    told = f"{len(shared)} and {len(static)} bytes"
    report.case(f"same object of {name} for {target}", shared == static, told)


def compare_answers(report, model):
    """A prompt's answer, from code that each of the two compiled and loaded itself."""
    command = ["run", model, "Why is the sky blue?", "-n", "20", "--temp", "0", "--no-cache"]
    shared, static = (output([build / LATHE, *command]) for build in (SHARED, STATIC))
    report.case("same answer", bool(shared.strip()) and shared == static, repr(static))


def main():
    report = Report("static")
    report.attempt("dependencies", check_dependencies, report)
    for build in (SHARED, STATIC):
        report.attempt(f"exports of {build.name}", check_exports, report, build)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        models = {}
        for form in FORMATS:
            models[form] = folder / f"{form}.gguf"
            output([sys.executable, TINY, models[form], "--format", form])
        if model := SMOLLM2.path():
            models["the default model"] = model
        else:
            report.skip("default model", "it is not in the cache ('./dev model' fetches it)")
        for kind, file in models.items():
            for target in TARGETS:
                what = f"object of {kind} for {target}"
                report.attempt(what, compare_objects, report, kind, file, target, folder)
    if model:
        report.attempt("answer", compare_answers, report, model)
    report.exit()


if __name__ == "__main__":
    main()
