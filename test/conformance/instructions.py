#!/usr/bin/env python3
"""Counts the instructions of every kernel, and compares them with what was recorded.

    instructions.py [--table] [--record] [--target NAME]

The clock of a shared machine cannot tell a kernel that became 5 % slower; the number of its
instructions can.  Small models, one for each way of storing weights, run under valgrind's callgrind
with one thread and for one target, so that the counts are the same on every machine: a prompt of
64 tokens (prefill), the token behind it (decode), and 4 tokens in one step (verify).

A kernel fails when it takes more instructions than instructions.json says by more than the margin
there, or is not in it.  After a change that is meant to be so, --record writes the file anew; its
difference belongs in the commit.  So does the compiler, which is counted whole on the first model;
it is LLVM for the most part, so its margin is wider.  --table prints every kernel.  --target counts for another target,
"x86-64-v3:row-tile=6", prints what the phases without attention take together, and compares nothing.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from support import ROOT, Report, joined, lathe, processor_has, run_logits

sys.path.insert(0, str(ROOT / "test" / "Tools" / "inputs"))
from tiny_gguf import Shape, tiny_model  # noqa: E402

RECORD = pathlib.Path(__file__).with_suffix(".json")
TARGET = "x86-64-v3"
MARGIN_PERCENT = 3
COMPILE_MARGIN_PERCENT = 10
SIZES = {"hidden": 512, "heads": 8, "kv_heads": 2, "head_dim": 64, "ffn": 1024, "layers": 1}
# The first has the default model's sizes and formats, but one layer and few words.
SMOLLM2_SIZES = {"hidden": 576, "heads": 9, "kv_heads": 3, "head_dim": 64, "ffn": 1536, "layers": 1}
MODELS = {
    "q4_1": Shape(format="q4_1", embedding_format="q8_0", **SMOLLM2_SIZES),
    "q4_0": Shape(format="q4_0", **SIZES),
    "q5_0": Shape(format="q5_0", **SIZES),
    "q4_k": Shape(format="q4_k", embedding_format="q6_k", **SIZES),
    "bf16": Shape(format="bf16", **SIZES),
    "f32": Shape(format="f32", **SIZES),
}
# Tokens, and how many of them pass in a step: a prompt and one more, then a small step.
RUNS = [(65, 64), (4, 4)]
CALL = re.compile(r"calls=(\d+) ")
NAME = re.compile(r"c?fn=\((\d+)\)(?: (.*))?$")


def kernel_calls(text):
    """By kernel: calls, and instructions of all of them with what they call in turn.

    Callgrind's format: "fn=" opens what a function does, "cfn=" and "calls=" a call from it, whose
    inclusive cost stands on the line behind; a name is written out where its number is first used.
    """
    names, found = {}, {}
    caller = callee = ""
    lines = iter(text.splitlines())
    for line in lines:
        if match := NAME.match(line):
            number, name = match.groups()
            if name:
                names[number] = name
            if line.startswith("cfn"):
                callee = names[number]
            else:
                caller = names[number]
        elif (match := CALL.match(line)) and caller.startswith("lathe_entry_"):
            calls, cost = found.get(callee, (0, 0))
            found[callee] = (calls + int(match[1]), cost + int(next(lines).split()[1]))
    return {name: each for name, each in found.items() if "." in name}


def run_callgrind(out, *arguments):
    """The text that callgrind writes to `out` of `lathe ARGUMENTS`."""
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", lathe(), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr[-2000:]}")
    return out.read_text(errors="replace")


def run_calls(model, tokens, chunk, folder, target):
    """Kernel_calls of a run of so many tokens."""
    flags = ["--tokens", joined(range(1, tokens + 1)), "--chunk", str(chunk), "-t", "1",
             "--target", target]  # fmt: skip
    # Compiles, which is not what is counted.
    run_logits(model, flags, folder / "out.npy")
    text = run_callgrind(folder / "callgrind.out", "logits", str(model), *flags, "-o",
                         str(folder / "out.npy"))  # fmt: skip
    return kernel_calls(text)


def count_run(model, tokens, chunk, folder, target):
    """By kernel: instructions of one call."""
    found = run_calls(model, tokens, chunk, folder, target)
    return {name: round(cost / calls) for name, (calls, cost) in sorted(found.items())}


def count_model(shape, target=TARGET):
    """By kernel, of all runs."""
    counts = {}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        os.environ["LATHE_CACHE"] = str(folder / "cache")
        model = folder / "model.gguf"
        model.write_bytes(tiny_model(shape).write())
        for tokens, chunk in RUNS:
            counts |= count_run(model, tokens, chunk, folder, target)
    return counts


def count_compile(shape):
    """Of `lathe compile` to machine code, from its start to its end."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        model = folder / "model.gguf"
        model.write_bytes(tiny_model(shape).write())
        text = run_callgrind(folder / "callgrind.out", "compile", str(model), "--emit", "obj",
                             "--target", TARGET, "-o", str(folder / "model.o"))  # fmt: skip
    return int(re.search(r"^summary: (\d+)$", text, re.MULTILINE)[1])


def print_totals(name, target, counts):
    """Of a step of each entry; attention, which has no tiles of weights, is left out."""
    for entry in ("decode", "verify", "prefill"):
        parts = (count for each, count in counts.items() if each.startswith(entry + ".")
                 and not each.endswith(".attention"))  # fmt: skip
        print(f"{name} {target} {entry}: {sum(parts)}", flush=True)


def judge(counts, recorded, margin):
    """A line per kernel that is not as recorded, and whether all are fine."""
    told, good = [], True
    for name in sorted(counts.keys() | recorded.keys()):
        if name not in counts or name not in recorded:
            told.append(f"{name}: {'not recorded' if name in counts else 'is gone'}")
            good = False
            continue
        change = 100 * (counts[name] / recorded[name] - 1)
        if counts[name] == recorded[name]:
            continue
        word = "too many" if change > margin else "record it" if change < -margin else "fine"
        good &= change <= margin
        told.append(f"{name}: {counts[name]} for {recorded[name]}, {change:+.2f} %, {word}")
    return told, good


def check_guard(report, counts):
    """The guard sees what it is for; without it a change of the parser could make it blind."""
    name, count = max(counts.items(), key=lambda each: each[1])
    for word, doctored, good in (
        ("a kernel that grew", {**counts, name: count / 1.04}, False),
        ("a kernel that grew within the margin", {**counts, name: count / 1.02}, True),
        ("a kernel that shrank", {**counts, name: count * 1.5}, True),
        ("a new kernel", {each: counts[each] for each in counts if each != name}, False),
        ("a kernel that is gone", {**counts, "decode.other": 1}, False),
    ):
        report.case(f"guard: {word}", judge(counts, doctored, MARGIN_PERCENT)[1] == good)
    entries = {each.split(".")[0] for each in counts}
    report.case("guard: every entry ran", entries == {"decode", "verify", "prefill"}, str(entries))


def write_record(counts, compile_count):
    record = {"target": TARGET, "margin_percent": MARGIN_PERCENT,
              "compile_margin_percent": COMPILE_MARGIN_PERCENT, "compile": compile_count,
              "instructions": counts}  # fmt: skip
    RECORD.write_text(json.dumps(record, indent=2) + "\n")
    print(f"wrote {RECORD}")


def check_model(report, name, counts, record):
    told, good = judge(counts, record["instructions"].get(name, {}), record["margin_percent"])
    for line in told:
        print(f"  {name}: {line}")
    report.case(name, good, f"{len(counts)} kernels, {len(told)} not as recorded")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", action="store_true", help="print every kernel")
    parser.add_argument("--record", action="store_true", help="write what is counted now")
    parser.add_argument("--target", help="count for this target, compare nothing")
    options = parser.parse_args()
    report = Report("instructions")
    if not processor_has({"avx2", "fma", "f16c"}) or shutil.which("valgrind") is None:
        report.skip("all", "needs a processor with AVX2, and valgrind")
        report.exit()
    counts = {}
    for name, shape in MODELS.items():
        counts[name] = count_model(shape, options.target or TARGET)
        if options.target:
            print_totals(name, options.target, counts[name])
        for kernel, count in counts[name].items() if options.table else ():
            print(f"  {name:5} {kernel:40} {count:12}", flush=True)
    if options.target:
        return None
    compile_count = count_compile(next(iter(MODELS.values())))
    if options.record:
        return write_record(counts, compile_count)
    record = json.loads(RECORD.read_text())
    for name, each in counts.items():
        check_model(report, name, each, record)
    check_guard(report, next(iter(counts.values())))
    told, good = judge({"compiling": compile_count}, {"compiling": record["compile"]},
                       record["compile_margin_percent"])  # fmt: skip
    report.case("compiling", good, "".join(told))
    report.exit()


if __name__ == "__main__":
    main()
