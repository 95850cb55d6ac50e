#!/usr/bin/env python3
"""The rules of CONTRIBUTING.md that a script can check: which folder may include which, how long a
file may be, formatting, and that the generated pages are fresh."""

import re
import subprocess

from support import ROOT, Report

MOST_LINES = 600
CODE = {".c", ".cpp", ".h", ".hpp", ".td", ".py", ".cmake", ".def"}
INCLUDE = re.compile(r'^\s*#\s*include\s+["<]([^">]+)[">]', re.MULTILINE)

# What a folder may include of ours; the first folder that matches counts.  Anything of LLVM or
# MLIR is one more room, "llvm".
READERS = ["runtime/formats/", "runtime/support/", "runtime/include/"]
MAY_INCLUDE = {
    "runtime/": ["runtime/"],
    "tools/lathe/": ["tools/lathe/", "runtime/"],
    "tools/": ["tools/", "compiler/", "passes/", "dialects/", "llvm", *READERS],
    "dialects/": ["dialects/", "llvm", *READERS],
    "passes/": ["passes/", "dialects/", "llvm", *READERS],
    # Verification runs what was compiled, so it packs weights and starts workers as the runtime does.
    "compiler/driver/": [
        "compiler/",
        "passes/",
        "dialects/",
        "llvm",
        *READERS,
        "runtime/weights/",
        "runtime/workers/",
        "runtime/session/HostCPU.h",
    ],
    "compiler/": ["compiler/", "passes/", "dialects/", "llvm", *READERS],
}
OURS = ("runtime/", "tools/", "dialects/", "passes/", "compiler/", "test/")
LLVM = ("llvm/", "mlir/", "llvm-c/", "mlir-c/", "clang/", "lld/")


def tracked():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    return [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def room(include):
    if include.startswith(LLVM):
        return "llvm"
    return include if include.startswith(OURS) else None


def wrong_includes(name, text):
    allowed = next((v for k, v in MAY_INCLUDE.items() if name.startswith(k)), None)
    if allowed is None:
        return []
    rooms = [(include, room(include)) for include in INCLUDE.findall(text)]
    return [f"{name} includes {i}" for i, r in rooms if r and not r.startswith(tuple(allowed))]


def told(faults):
    return "; ".join(faults[:8]) + (f"; and {len(faults) - 8} more" if len(faults) > 8 else "")


def check_command(report, name, command):
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    lines = (result.stdout + result.stderr).splitlines()
    report.case(name, result.returncode == 0, "" if result.returncode == 0 else told(lines))


def main():
    report = Report("house")
    long_files, includes = [], []
    for name in tracked():
        path = ROOT / name
        if path.suffix not in CODE or name.startswith("test/reference/"):
            continue
        text = path.read_text(errors="replace")
        lines = text.count("\n")
        if lines > MOST_LINES:
            long_files.append(f"{name} has {lines} lines")
        includes += wrong_includes(name, text)
    report.case("includes go one way", not includes, told(includes))
    report.case(f"no file over {MOST_LINES} lines", not long_files, told(long_files))
    check_command(report, "formatted", ["./dev", "format", "--check"])
    check_command(report, "docs fresh", ["./dev", "docs", "--check"])
    report.exit()


if __name__ == "__main__":
    main()
