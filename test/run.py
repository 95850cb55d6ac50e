#!/usr/bin/env python3
"""Runs every test of a build and ends with one line: "N passed, N failed[, N skipped]".

The suites are lit (text tests and GoogleTest cases), the conformance scripts, and on request the
sanitizer build's unit tests, the AVX-512 kernels in an emulator, and the fuzz targets.
`./dev test` builds first and then calls this.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
from collections import Counter

TEST = pathlib.Path(__file__).resolve().parent
ROOT = TEST.parent
LIT = pathlib.Path("/usr/lib/llvm-22/bin/lit")
LIT_PASSED = {"PASS", "XFAIL", "FLAKYPASS"}
LIT_SKIPPED = {"UNSUPPORTED", "SKIPPED"}
# Filtered-out tests are not results.
LIT_IGNORED = {"EXCLUDED"}

# Script, and whether --quick leaves it out.
CONFORMANCE = [
    ("reference.py", False),
    ("reference_ops.py", False),
    ("house.py", False),
    ("tiny_llama.py", False),
    ("layers.py", False),
    ("widths.py", False),
    ("experts.py", False),
    ("exits.py", False),
    ("exit_heads.py", True),
    ("neuron_order.py", True),
    ("tiny_hf.py", False),
    ("ir_input.py", False),
    ("encoder.py", False),
    ("classify.py", False),
    ("gpu.py", False),
    ("hf_f32.py", False),
    ("python_package.py", False),
    ("install.py", True),
    ("tokenizer_goldens.py", True),
    ("kv_cache.py", True),
    ("targets.py", False),
    ("bits.py", True),
    ("speculation.py", True),
    ("head.py", True),
    ("instructions.py", False),
    ("kl.py", True),
]
# With --static: the build with MLIR and LLVM inside, beside the shared one.
STATIC = [("static.py", False)]
# With --avx512 alone: 80 seconds of CPU time, most of them in an emulator, where the processor has
# no AVX-512.
AVX512 = "avx512_emulated.py"
CASE = re.compile(r"^(PASS|FAIL|SKIP): ", re.MULTILINE)


def run_lit(build, options):
    """Runs lit over one build and counts its results."""
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder, "lit.json")
        command = [sys.executable, str(LIT), "-sv", f"-j{options.jobs}"]
        command += ["--allow-empty-runs", f"--output={report}", str(build / "test")]
        if not sys.stdout.isatty():
            command.append("--no-progress-bar")
        if options.filter:
            command.append(f"--filter={options.filter}")
        status = subprocess.run(command).returncode
        # lit writes no report when its filter leaves nothing.
        if not report.exists() and status == 0 and options.filter:
            return Counter()
        if not report.exists():
            print(f"FAIL: lit ended with {status} and no report for {build.name}")
            return Counter(failed=1)
        codes = Counter(test["code"] for test in json.loads(report.read_text())["tests"])
    counts = Counter()
    for code, number in codes.items():
        if code in LIT_PASSED:
            counts["passed"] += number
        elif code in LIT_SKIPPED:
            counts["skipped"] += number
        elif code not in LIT_IGNORED:
            counts["failed"] += number
    return counts


def run_script(name, options):
    """Runs one conformance script; it prints a line per case."""
    print(f"-- conformance/{name}", flush=True)
    environment = dict(os.environ, LATHE=str(options.build / "bin" / "lathe"))
    process = subprocess.Popen(
        [sys.executable, str(TEST / "conformance" / name)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    counts = Counter()
    for line in process.stdout:
        print(line, end="", flush=True)
        if match := CASE.match(line):
            counts[{"PASS": "passed", "FAIL": "failed", "SKIP": "skipped"}[match[1]]] += 1
    status = process.wait()
    # A script that dies before it could say so, or that tries nothing, has failed.
    if (status != 0) != (counts["failed"] > 0) or not counts:
        print(f"FAIL: {name} ended with {status} after {sum(counts.values())} cases")
        counts["failed"] += 1
    return counts


def fuzz_inputs(target):
    """The corpus folders of a target, the one for new inputs first, and its flags.

    For fuzz_X, beside the stored corpus/fuzz_X there may be a dictionary, X.dict, and a maker of
    seeds, make_X_seeds.py FOLDER.
    """
    here, kind = TEST / "fuzz", target.name.removeprefix("fuzz_")
    fresh = ROOT / "build-fuzz" / "corpus" / target.name
    fresh.mkdir(parents=True, exist_ok=True)
    maker = here / f"make_{kind}_seeds.py"
    if maker.exists():
        subprocess.run([sys.executable, str(maker), str(fresh)], check=True)
    folders = [fresh] + [f for f in [here / "corpus" / target.name] if f.is_dir()]
    dictionary = here / f"{kind}.dict"
    return folders, [f"-dict={dictionary}"] if dictionary.exists() else []


def run_fuzz_target(target, options):
    """Lets libFuzzer try one target for a while."""
    name = target.name
    folders, flags = fuzz_inputs(target)
    crash = folders[0].parent / f"{name}-crash-"
    flags += [f"-max_total_time={options.fuzz_seconds}", "-timeout=5", "-rss_limit_mb=2048"]
    flags += ["-print_final_stats=1", f"-artifact_prefix={crash}"]
    command = [str(target), *flags, *(str(folder) for folder in folders)]
    pipe = subprocess.PIPE
    result = subprocess.run(
        command, stdout=pipe, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    executions = re.search(r"stat::number_of_executed_units:\s*(\d+)", result.stdout)
    if result.returncode == 0 and executions:
        print(f"PASS: fuzz {name}: {executions[1]} inputs", flush=True)
        return Counter(passed=1)
    print("\n".join(result.stdout.splitlines()[-60:]))
    print(f"FAIL: fuzz {name}: the input is kept as {crash}*", flush=True)
    return Counter(failed=1)


def run_fuzz(options):
    targets = sorted((ROOT / "build-fuzz" / "bin" / "fuzz").glob("fuzz_*"))
    targets = [t for t in targets if os.access(t, os.X_OK) and wanted(f"fuzz/{t.name}", options)]
    return sum((run_fuzz_target(t, options) for t in targets), Counter())


def wanted(name, options):
    return not options.filter or re.search(options.filter, name) is not None


def parse_options():
    parser = argparse.ArgumentParser(prog="./dev test", description=__doc__.split("\n\n")[0])
    parser.add_argument("--quick", action="store_true", help="leave out what takes minutes")
    parser.add_argument("--filter", metavar="RE", help="only tests whose name matches")
    parser.add_argument("--static", action="store_true", help="also the static build")
    parser.add_argument("--sanitize", action="store_true", help="also the sanitizer build")
    parser.add_argument("--avx512", action="store_true", help="also AVX-512, in an emulated PC")
    parser.add_argument("--fuzz", action="store_true", help="also the fuzz targets")
    parser.add_argument("--fuzz-seconds", type=int, default=60, help="a target's time (60)")
    parser.add_argument("-j", "--jobs", type=int, default=2, help="lit's workers (2)")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    options = parser.parse_args()
    if options.filter:
        try:
            re.compile(options.filter)
        except re.error as error:
            parser.error(f"--filter: {error}")
    return options


def main():
    options = parse_options()
    counts = run_lit(options.build, options)
    if options.sanitize:
        counts += run_lit(ROOT / "build-sanitize", options)
    for name, slow in CONFORMANCE + (STATIC if options.static else []):
        if not (slow and options.quick) and wanted(f"conformance/{name}", options):
            counts += run_script(name, options)
    if options.avx512 and wanted(f"conformance/{AVX512}", options):
        counts += run_script(AVX512, options)
    if options.fuzz:
        fuzzed = run_fuzz(options)
        if not fuzzed and not options.filter:
            print("FAIL: there is no fuzz target in build-fuzz/bin/fuzz")
            fuzzed["failed"] = 1
        counts += fuzzed
    skipped = f", {counts['skipped']} skipped" if counts["skipped"] else ""
    print(f"{counts['passed']} passed, {counts['failed']} failed{skipped}")
    return 1 if counts["failed"] or not counts["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
