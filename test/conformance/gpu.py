#!/usr/bin/env python3
"""Whole models through the runtime path of GPUs, on the emulator's driver (docs/gpu.md).

Tiny models of quantised formats, of bf16, and of Gemma's features against their references; the
same tokens give the same bits with any number of blocks, in chunks, beside other sequences, with
and without graphs, and after a truncation; greedy runs say what they say on the CPU.  The emulator
checks every access of a kernel and every call of the runtime: what it finds fails the case.

On a machine with a GPU, LATHE_CUDA=libcuda.so.1 runs the same there; what is asked of the emulator
(processors, graphs) then changes nothing.
"""

import importlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy

import tiny_hf
import tiny_llama
from support import ROOT, Report, joined, lathe
from tiny_llama import Shape, tiny_model

BUILD = pathlib.Path(lathe()).resolve().parents[1]
DRIVER = os.environ.get("LATHE_CUDA") or str(BUILD / "lib/libcuemu.so")
DEVICE = ("--device", "cuda:0")
# More than the 32 rows that tensor cores compute under one condition, and no multiple of 8.
TOKENS = numpy.random.default_rng(5).integers(0, 300, 37)
SHAPES = {
    "q4_1": Shape(format="q4_1", layers=2),
    "bf16, 3 heads on 1, own output": Shape(format="bf16", hidden=96, heads=3, untied=True),
}
SUPER = tiny_llama.SUPER_SHAPES["1 layer, tied"]
FORMATS = {
    "q4_0": Shape(format="q4_0", layers=1),
    "q4_k, output of q6_k": Shape(**SUPER, format="q4_k", embedding_format="q6_k", untied=True),
}
# Kernels of compute capability 9.0: contractions long enough for the ring of stages to come round,
# with many rows and with one, and panels that 4 does not divide.
HOPPER = {"LATHE_CUEMU_CAPABILITY": 90}
HOPPER_SHAPES = {
    "bf16": Shape(format="bf16", layers=1, ffn=1120),
    "q4_1": Shape(format="q4_1", layers=1, untied=True),
}
GEMMA = "gemma3 f16 weights"
# Of rows that are rounded to bf16, as encoder.py holds them to.
BF16_TOLERANCE = 3e-2


def environment(**settings):
    """Of a process that meets the driver."""
    return {**os.environ, "LATHE_CUDA": DRIVER, **{k: str(v) for k, v in settings.items()}}


class Gpu:
    """Runs `lathe` on the emulator, in a folder of its own."""

    def __init__(self, report, folder):
        self.report, self.folder = report, pathlib.Path(folder)

    def run(self, *words, **settings):
        command = [lathe(), *map(str, words), *DEVICE]
        return subprocess.run(
            command, capture_output=True, text=True, env=environment(**settings), timeout=600
        )

    def logits(self, model, tokens, *flags, **settings):
        """float32 [rows, vocabulary]; None, and a failed case, when the emulator found something."""
        out = self.folder / "gpu.npy"
        words = tokens if isinstance(tokens, tuple) else ("--tokens", joined(tokens))
        result = self.run("logits", model, *words, *flags, "-o", out, **settings)
        if result.returncode != 0 or "cuemu:" in result.stderr:
            title = " ".join(map(str, (pathlib.Path(model).stem, *flags, settings or "")))
            self.report.case(title, False, result.stderr.strip())
            return None
        return numpy.load(out)


def same(a, b):
    return a is not None and b is not None and a.tobytes() == b.tobytes()


def check_reference(report, gpu, name, path, tokens, expected, precision, tolerance, **settings):
    found = gpu.logits(path, tokens, f"--precision={precision}", **settings)
    if found is not None:
        relative = numpy.abs(found - expected).max() / numpy.abs(expected).max()
        told = f"{relative:.1e} of the largest"
        report.case(f"{name} {precision}, against the reference", relative <= tolerance, told)
    return found


def check_bits(report, gpu, name, path, base, precision):
    flag = f"--precision={precision}"
    ways = {
        "chunks of 1": (("--chunk=1",), {}),
        "chunks of 7": (("--chunk=7",), {}),
        "1 processor": ((), {"LATHE_CUEMU_PROCESSORS": 1}),
        "3 processors": (("--chunk=11",), {"LATHE_CUEMU_PROCESSORS": 3}),
        "no graphs": (("--chunk=1",), {"LATHE_CUEMU_GRAPHS": 0}),
        "a driver without graphs": (("--chunk=1",), {"LATHE_CUEMU_VERSION": 11010}),
    }
    for title, (flags, settings) in ways.items():
        found = gpu.logits(path, TOKENS, flag, *flags, **settings)
        report.case(f"{name} {precision}, bits with {title}", same(found, base))
    neighbours = ";".join(joined(each) for each in (TOKENS[3:9], TOKENS, TOKENS[:5]))
    found = gpu.logits(path, ("--sequences", neighbours), flag)
    mine = None if found is None else found[6 : 6 + len(TOKENS)]
    report.case(f"{name} {precision}, bits beside other sequences", same(mine, base))


def check_text(report, gpu, name, path):
    words = ("run", path, "--raw", "w1 w2 w3", "-n", "8", "--precision=f32")
    cpu = subprocess.run([lathe(), *map(str, words)], capture_output=True)
    there = gpu.run(*words)
    good = cpu.returncode == 0 and there.stdout.encode(errors="replace") == cpu.stdout
    report.case(f"{name}, 8 tokens as on the CPU", good, there.stderr if not good else "")


def tolerances(shape):
    """The precision that weights of the format are usually met with is the last."""
    floats = shape.format in tiny_llama.FLOATS
    bounds = tiny_llama.tolerances(shape)
    return {"f32": bounds["f32"], "bf16": BF16_TOLERANCE} if floats else bounds


def check_formats(report, gpu):
    """Products of other formats: of one row, and of many."""
    for name, shape in FORMATS.items():
        path = gpu.folder / f"{shape.format}.gguf"
        path.write_bytes(tiny_model(shape).write())
        expected = tiny_llama.Reference(path).logits(TOKENS)
        bounds = {"int8": tiny_llama.tolerances(shape)["int8"], "bf16": BF16_TOLERANCE}
        for precision, tolerance in bounds.items():
            base = check_reference(report, gpu, name, path, TOKENS, expected, precision, tolerance)
            found = gpu.logits(path, TOKENS, f"--precision={precision}", "--chunk=1")
            report.case(f"{name} {precision}, bits with chunks of 1", same(found, base))


def check_tiny(report, gpu):
    for name, shape in SHAPES.items():
        path = gpu.folder / f"{shape.format}.gguf"
        path.write_bytes(tiny_model(shape).write())
        expected = tiny_llama.Reference(path).logits(TOKENS)
        for precision, tolerance in tolerances(shape).items():
            base = check_reference(report, gpu, name, path, TOKENS, expected, precision, tolerance)
        # Of the last, which is how quantised weights are used.
        check_bits(report, gpu, name, path, base, precision)
        check_text(report, gpu, name, path)


def check_gemma(report, gpu):
    path, case, length = gpu.folder / "gemma.gguf", tiny_hf.CASES[GEMMA], 33
    tiny_hf.convert(case, path)
    folder, *_, precision, tolerance = case
    tokens = numpy.load(tiny_hf.TINY / folder / f"ids_{length}.npy").ravel()
    expected = numpy.load(tiny_hf.TINY / folder / f"logits_{length}.npy").reshape(length, -1)
    # bf16 rows go to tensor cores; layers of both kinds see a window, or everything.
    ways = ((precision, tolerance, {}), ("bf16", BF16_TOLERANCE, {}), ("bf16", BF16_TOLERANCE, HOPPER))
    for precision, tolerance, settings in ways:
        name = GEMMA + (" 9.0" if settings else "")
        base = check_reference(
            report, gpu, name, path, tokens, expected, precision, tolerance, **settings
        )
        found = gpu.logits(path, tokens, f"--precision={precision}", "--chunk=5", **settings)
        report.case(f"{name} {precision}, bits with chunks of 5", same(found, base))


BARRIER = r"call void @llvm\.nvvm\.barrier\.cta\.sync\.aligned\.all\(i32 0\)"
WARP_BARRIER = r"call void @llvm\.nvvm\.bar\.warp\.sync\(i32 -1\)"
# What is left out, or made less, in the function of a phase; and what the emulator says then.
PLANTED = {
    "no barrier of the warp": (
        "prefill$ffn_down", WARP_BARRIER, "", "race|still copied|no thread wrote",
    ),
    "waits for a group too few": (
        "prefill$ffn_down", r"wait\.group\(i32 (\d)\)",
        lambda found: f"wait.group(i32 {int(found[1]) + 1})", "still copied",
    ),
    "no barrier of the block": ("prefill$ffn_down", BARRIER, "", "race|no thread wrote"),
    "no barrier of the block in attention": ("prefill$attention", BARRIER, "", "race|no thread wrote"),
    "no fence at the grid barrier": (
        "lathe_entry_prefill", r'fence syncscope\("device"\) acq_rel', "", "race",
    ),
}  # fmt: skip


# Likewise, in kernels with bulk copies and products of warpgroups.
HOPPER_PLANTED = {
    "no barrier behind mbarriers": (
        "prefill$ffn_down", BARRIER, "", "race|no thread wrote|mbarrier that is not there",
    ),
    "no wait for a stage": (
        "prefill$ffn_down", r"call i1 @llvm\.nvvm\.mbarrier\.try\.wait[^\n]*", "icmp eq i32 0, 0",
        "race|still copied",
    ),
    "too many bytes expected": (
        "prefill$ffn_down", r"(expect\.tx\S*\(ptr addrspace\(3\) %\d+, i32) %\d+", r"\1 1048560",
        "deadlock.* bytes",
    ),
    "a stage released ahead of its products": (
        "prefill$ffn_down", r"wait_group\.sync\.aligned\(i64 1\)", "wait_group.sync.aligned(i64 9)",
        "what a product still reads",
    ),
    "a wait for products too few": (
        "prefill$ffn_down", r"wait_group\.sync\.aligned 0;", "wait_group.sync.aligned 1;",
        "ahead of the wait for their group",
    ),
    "no fence ahead of products": (
        "prefill$ffn_down", r"call void @llvm\.nvvm\.wgmma\.fence[^\n]*", "", "without wgmma.fence",
    ),
    "no fence of proxies at the grid barrier": (
        "lathe_entry_prefill", r"call void asm[^\n]*fence\.proxy[^\n]*", "", "fence of proxies",
    ),
}  # fmt: skip


def check_planted(report, gpu):
    """One fault at a time, in the kernels of a whole model: each is found."""
    path = gpu.folder / "q8_0.gguf"
    path.write_bytes(tiny_model(Shape(format="q8_0", layers=1)).write())
    plant(report, gpu, path, "cuemu", "int8", PLANTED, {})


def plant(report, gpu, path, target, precision, faults, settings):
    text = gpu.folder / "kernels.ll"
    flags = ("--target", target, f"--precision={precision}", "--emit", "llvm", "-o", text)
    subprocess.run([lathe(), "compile", path, *map(str, flags)], check=True)
    original = text.read_text()
    tokens, out = joined(TOKENS[:9]), gpu.folder / "planted.npy"
    words = ("logits", path, "--tokens", tokens, f"--precision={precision}", "-o", out)
    settings = {**settings, "LATHE_CUEMU_TEXT": text}
    good = gpu.run(*words, **settings)
    report.case(f"kernels from a file, {target}", good.returncode == 0, good.stderr.strip())
    for name, (function, pattern, other, expected) in faults.items():
        start = original.index(f'"{function}"' if "$" in function else f"@{function}(")
        end = original.index("\n}\n", start)
        body, count = re.subn(pattern, other, original[start:end])
        text.write_text(original[:start] + body + original[end:])
        told = gpu.run(*words, **settings)
        found = told.returncode != 0 and re.search(expected, told.stderr) is not None
        report.case(f"planted: {name}", count > 0 and found, told.stderr.strip()[:200])


def check_hopper(report, gpu):
    """Rows of bf16 on compute capability 9.0: the same bits with one row, with few, and with many."""
    for name, shape in HOPPER_SHAPES.items():
        path = gpu.folder / f"hopper-{name}.gguf"
        path.write_bytes(tiny_model(shape).write())
        expected = tiny_llama.Reference(path).logits(TOKENS)
        title = f"9.0 {name}"
        base = check_reference(
            report, gpu, title, path, TOKENS, expected, "bf16", BF16_TOLERANCE, **HOPPER
        )
        # Each access is looked at above, and with few rows; the other chunks are about bits.
        for chunk, processors, checks in ((1, 2, 0), (7, 3, 1), (20, 1, 0)):
            settings = {
                **HOPPER, "LATHE_CUEMU_PROCESSORS": processors, "LATHE_CUEMU_CHECK": checks
            }  # fmt: skip
            found = gpu.logits(path, TOKENS, "--precision=bf16", f"--chunk={chunk}", **settings)
            report.case(f"{title}, bits with chunks of {chunk}", same(found, base))
        if name == "bf16":
            plant(report, gpu, path, "cuemu_90a", "bf16", HOPPER_PLANTED, HOPPER)


def check_long(report, gpu):
    """Past the 256 positions after which attention splits its sums, and blocks share the parts
    of steps of few rows."""
    path, shape = gpu.folder / "long.gguf", Shape(format="q8_0", layers=1)
    path.write_bytes(tiny_model(shape).write())
    tokens = numpy.random.default_rng(7).integers(0, 300, 270)
    expected = tiny_llama.Reference(path).logits(tokens)
    # Of each access alone this would take minutes.
    for precision, tolerance in tiny_llama.tolerances(shape).items():
        flag = f"--precision={precision}"
        found = gpu.logits(path, tokens, flag, LATHE_CUEMU_CHECK=0)
        if found is None:
            continue
        relative = numpy.abs(found - expected).max() / numpy.abs(expected).max()
        told = f"{relative:.1e} of the largest"
        report.case(f"270 positions {precision}", relative <= tolerance, told)
        ways = {"2 processors": 2, "5 processors": 5}
        for title, processors in ways.items():
            settings = {"LATHE_CUEMU_CHECK": 0, "LATHE_CUEMU_PROCESSORS": processors}
            again = gpu.logits(path, tokens, flag, "--chunk=8", **settings)
            name = f"270 positions {precision}, bits with chunks of 8 on {title}"
            report.case(name, same(again, found))


def check_session(report, path):
    """What a session does beside stepping; runs in a process of its own, below."""
    package = importlib.import_module("lathe")
    model = package.load(path, device="cuda:0", threads=1)
    known = ("cuemu", "sm_80", "sm_89", "sm_90a")
    report.case("python: the target", model.info.target in known, model.info.target)
    session = model.session(capacity=256, sequences=2)
    tokens = [int(token) for token in TOKENS]
    first = session.append(tokens, logits="all")
    session.append(tokens[5:9], sequence=1)
    session.truncate(10)
    again = session.append(tokens[10:], logits="all")
    report.case("python: bits after a truncation", same(again, first[10:]))
    session.truncate(0)
    report.case("python: bits from the start", same(session.append(tokens, logits="all"), first))
    other = session.append(tokens[9:], sequence=1, logits="last")
    fresh = model.session(capacity=256).append(tokens[5:], logits="last")
    report.case("python: a second session", same(other, fresh))
    cpu = package.load(path, threads=1, precision="f32").session()
    gpu = package.load(path, device="cuda:0", threads=1, precision="f32").session()
    ours, theirs = ([p.token for p in s.generate(tokens, max_tokens=6)] for s in (gpu, cpu))
    report.case("python: greedy tokens as on the CPU", ours == theirs, f"{ours}, not {theirs}")
    try:
        package.load(path, device="cuda:99")
        number = None
    except package.Error as error:
        number = error.diagnostics[0].number
    report.case("python: no such device", number == 853, f"found {number}")


def write_windows(folder):
    """The tiny Gemma with a window in every layer and room for many positions."""
    source, long = tiny_hf.TINY / tiny_hf.CASES[GEMMA][0], pathlib.Path(folder, "long")
    long.mkdir()
    config = json.loads((source / "config.json").read_text())
    config["layer_types"] = ["sliding_attention"] * config["num_hidden_layers"]
    config["max_position_embeddings"] = 10240
    (long / "config.json").write_text(json.dumps(config))
    (long / "model.safetensors").symlink_to(source / "model.safetensors")
    _, architecture, special, _, encode, _, _ = tiny_hf.CASES[GEMMA]
    path = pathlib.Path(folder, "long.gguf")
    tiny_hf.convert((str(long), architecture, special, ("list",), encode, None, None), path)
    return path


def check_parts(report):
    """Past 32 splits of 256 positions a part of the attention's sums is more than one split."""
    package, last, count = importlib.import_module("lathe"), 32 * 256 - 5, 14
    tokens = [int(t) for t in numpy.random.default_rng(3).integers(3, 200, last + count)]
    with tempfile.TemporaryDirectory() as folder:
        path = write_windows(folder)
        found = {}
        for device in ("cuda:0", "cpu"):
            model = package.load(path, device=device, threads=1, precision="bf16")
            session = model.session(capacity=last + count)
            session.append(tokens[:last])
            found[device] = session.append(tokens[last:], logits="all")
            if device == "cpu":
                continue
            session.truncate(last)
            few = session.append(tokens[last : last + 7], logits="all")
            ones = [session.append([token], logits="all") for token in tokens[last + 7 :]]
            again = numpy.concatenate([few, *ones])
            report.case("33 splits: bits of 14 rows, of 7 and of 1", same(again, found[device]))
        gap = numpy.abs(found["cuda:0"] - found["cpu"]).max() / numpy.abs(found["cpu"]).max()
        report.case("33 splits: as on the CPU", gap <= BF16_TOLERANCE, f"{gap:.1e} of the largest")


def check_exits(report):
    """Steps that leave the stack: tokens and exits of numpy, and of the CPU."""
    package, exits = importlib.import_module("lathe"), importlib.import_module("exits")
    with tempfile.TemporaryDirectory() as folder:
        path = exits.write(folder, biases=(-0.3, 0.1, 0.4), strength=0.15)
        for behind, lens in (("propagate", True), ("defer", False)):
            cpu = exits.compiled(path, behind, lens)
            program = path.with_name(f"{behind}-{lens}.mlir")
            gpu = package.load(program, weights=path, precision="f32", device="cuda:0")
            expected, left = exits.Stepper(path, behind, lens).generate([0.6] * exits.LAYERS)
            found, told = exits.generated(gpu.session(), "threshold:0.6")
            theirs, theirs_told = exits.generated(cpu.session(), "threshold:0.6")
            name = f"exits, {behind}"
            report.case(f"{name}: tokens of numpy", found == expected, f"left behind {left}")
            steps = sum(layer >= 0 for layer in left)
            report.case(f"{name}: exits of numpy", told.exit_steps == steps, str(told.exit_steps))
            same_as_cpu = found == theirs and told.exit_layers == theirs_told.exit_layers
            report.case(f"{name}: as on the CPU", same_as_cpu, f"{found}, not {theirs}")


def check_python(report, gpu):
    # Of each access alone the second would take minutes.
    for words, checks in (("--session", gpu.folder / "q4_1.gguf"), 1), (("--parts",), 0):
        settings = environment(
            LATHE_LIBRARY=BUILD / "lib/liblathe.so",
            PYTHONPATH=ROOT / "tools/python",
            LATHE_CUEMU_CHECK=checks,
        )
        command = [sys.executable, __file__, *map(str, words)]
        result = subprocess.run(command, capture_output=True, text=True, env=settings)
        print(result.stdout, end="", flush=True)
        good = result.returncode == 0 and "cuemu:" not in result.stderr
        report.case(f"python {words[0]}", good, result.stderr.strip() if not good else "")


def main():
    report = Report("gpu")
    if sys.argv[1:2] == ["--session"]:
        check_session(report, pathlib.Path(sys.argv[2]))
        check_exits(report)
        report.exit()
    if sys.argv[1:2] == ["--parts"]:
        check_parts(report)
        report.exit()
    with tempfile.TemporaryDirectory() as folder:
        gpu = Gpu(report, folder)
        checks = (check_tiny, check_formats, check_planted, check_hopper, check_gemma, check_long)
        for check in (*checks, check_python):
            report.attempt(check.__name__, check, report, gpu)
    report.exit()


if __name__ == "__main__":
    main()
