#!/usr/bin/env python3
"""An installed Lathe stands alone: the commands and programs of docs/c-api.md run against it, a
project of its own finds it with find_package, and pip installs the Python package beside it."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from support import ROOT, Report, lathe

BUILD = pathlib.Path(lathe()).resolve().parents[1]
TINY = ROOT / "test" / "Tools" / "inputs" / "tiny_gguf.py"
BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXPECTED = ("bin/lathe", "lib/lathe-runner", "lib/liblathe-module.so", "lib/liblathe.so",
            "lib/liblathe-compiler.so", "include/lathe/lathe.h",
            "include/lathe/lathe.hpp", "lib/cmake/Lathe/LatheConfig.cmake", "share/man/man1/lathe.1",
            "share/bash-completion/completions/lathe", "share/zsh/site-functions/_lathe",
            "share/fish/vendor_completions.d/lathe.fish")  # fmt: skip


def run(report, name, command, folder, variables, **options):
    """One command of the user; a failure is a failed case with what it said."""
    result = subprocess.run(
        command, cwd=folder, env=variables, capture_output=True, text=True, timeout=1200, **options
    )
    said = (result.stdout + result.stderr).strip()[-600:]
    good = result.returncode == 0
    report.case(name, good, "" if good else f"ended with {result.returncode}: {said}")
    return result.stdout if good else None


def run_page(report, page, folder, variables):
    """Writes the named blocks of a page to files and runs its shell blocks in order."""
    for kind, name, text in BLOCK.findall((ROOT / page).read_text()):
        if name:
            (folder / name).write_text(text)
        elif kind == "sh":
            title = text.strip().splitlines()[-1]
            run(report, f"{page}: {title}", ["bash", "-e", "-c", text], folder, variables)


def check_answers(report, folder, variables):
    """The out-of-tree program says what the installed command says."""
    model, prefix = variables["MODEL"], pathlib.Path(variables["PREFIX"])
    ours = [str(folder / "example" / "complete"), model, "Hello", "8"]
    theirs = [str(prefix / "bin" / "lathe"), "run", model, "Hello", "--raw", "-n", "8"]
    first = run(report, "the example project runs", ours, folder, variables)
    second = run(report, "the installed command runs", theirs, folder, variables)
    report.case("both say the same", bool(second) and first == second + "\n", repr((first, second)))
    for stage in ("mlir:import", "mlir:planned"):
        ours = [str(folder / "example" / "stages"), model, stage]
        theirs = [str(prefix / "bin" / "lathe"), "compile", model, "--emit", stage, "-o", "-"]
        first = run(report, f"Lathe::compiler prints {stage}", ours, folder, variables)
        second = run(report, f"the command prints {stage}", theirs, folder, variables)
        report.case(f"both print the same {stage}", bool(first) and first == second)


def check_python(report, folder, variables):
    shutil.copytree(ROOT / "tools" / "python", folder / "package")
    target = folder / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target)]
    result = subprocess.run(
        [*pip, "./package"], cwd=folder, env=variables, capture_output=True, text=True, timeout=600
    )
    if result.returncode != 0 and "No matching distribution found for setuptools" in result.stderr:
        report.skip("pip install", "pip cannot fetch setuptools")
        return
    report.case("pip install", result.returncode == 0, result.stderr.strip()[-600:])
    report.case("py.typed is installed", (target / "lathe" / "py.typed").is_file())
    program = (
        "import lathe, sys; assert lathe.__file__.startswith(sys.argv[2]), lathe.__file__;"
        "assert lathe.library_path().startswith(sys.argv[3]), lathe.library_path();"
        "print(lathe.load(sys.argv[1]).logits([1, 2]).shape)"
    )
    prefix = variables["PREFIX"]
    beside = dict(variables, PYTHONPATH=str(target), PATH=f"{prefix}/bin:{os.environ['PATH']}")
    command = [sys.executable, "-c", program, variables["MODEL"], str(target), prefix]
    shape = run(report, "the installed package runs", command, folder, beside)
    report.case("it gives logits", shape == "(2, 300)\n", repr(shape))


def build_tools(folder):
    """What a user builds with: ours, on a machine that has no compiler or make of its own."""
    variables = {"PATH": os.environ["PATH"]}
    if not (shutil.which("cc") and shutil.which("c++")):
        (folder / "bin").mkdir()
        for name, program in {"cc": "clang-22", "c++": "clang++-22"}.items():
            (folder / "bin" / name).symlink_to(shutil.which(program))
        variables["PATH"] = f"{folder / 'bin'}:{os.environ['PATH']}"
    if not shutil.which("make"):
        variables["CMAKE_GENERATOR"] = "Ninja"
    return variables


def main():
    report = Report("install")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name).resolve()
        (folder / "build").symlink_to(BUILD)
        (folder / "examples").symlink_to(ROOT / "examples")
        model, prefix = folder / "tiny.gguf", folder / "prefix"
        subprocess.run([sys.executable, TINY, model], check=True)
        kept = {k: v for k, v in os.environ.items() if not k.startswith("LATHE")}
        variables = dict(kept, PREFIX=str(prefix), MODEL=str(model), HOME=str(folder))
        variables |= build_tools(folder)
        run_page(report, "docs/c-api.md", folder, variables)
        missing = [each for each in EXPECTED if not (prefix / each).is_file()]
        report.case("all is installed", not missing, " ".join(missing))
        check_answers(report, folder, variables)
        check_python(report, folder, variables)
    report.exit()


if __name__ == "__main__":
    main()
