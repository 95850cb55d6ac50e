#!/usr/bin/env python3
"""Exits that `lathe calibrate` fits: the two parts of a model, lenses and predicates against
numpy, a model whose upper layers add nothing, and whether a forced exit does what was measured.
"""

import importlib
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy

import tiny_llama
from support import REAL_MODELS, ROOT, Failed, Report, joined, lathe, logits, run_logits
from tiny_llama import Shape, tiny_model

# tiny_llama knows where these are.
import tiny_safetensors  # noqa: E402

os.environ["LATHE_LIBRARY"] = str(pathlib.Path(lathe()).resolve().parents[1] / "lib/liblathe.so")
sys.path.insert(0, str(ROOT / "tools" / "python"))
package = importlib.import_module("lathe")

# One thread: other work on the machine costs such small steps less then.
ALONE = ("-t", "1")
# An eighth of them must be more than the 299 positions that a bound of 99 % needs.
MANY, FEW = ("--exit-tokens", 2560), ("--exit-tokens", 1024)
PIECE, PROMPT, SAID = 256, 32, 64
PENALTY = 0.01
FAINT = 2.0**-3  # Of what faint layers add.
KINDS = ("text", "own")
# Tokens of real models, of which an eighth is scored, step by step: more than 2,000 positions.
REAL_TOKENS = 16384 + 8 * 8


def run(command, *words):
    alone = ALONE if command in ("calibrate", "exec", "run") else ()
    words = [command, *map(str, words), *alone]
    result = subprocess.run([lathe(), *words], capture_output=True, text=True)
    if result.returncode:
        raise Failed(f"lathe {' '.join(words)}: {result.stderr}")
    return result.stdout


def scale_blocks(tensor, factor):
    """The weights of Q8_0 times a power of two: that of the scale that begins each block."""
    blocks = numpy.frombuffer(bytes(tensor.data), numpy.uint8).reshape(-1, 34).copy()
    scales = blocks[:, :2].copy().view(numpy.float16)
    blocks[:, :2] = (scales * numpy.float16(factor)).view(numpy.uint8)
    tensor.data = blocks.tobytes()


def write(folder, name, silent=(), faint=(), **sizes):
    """A tiny model of random weights; layers in `silent` add nothing to what they are given, those in
    `faint` little."""
    model = tiny_model(Shape(**sizes))
    for tensor in model.tensors:
        words = tensor.name.split(".")
        last = words[0] == "blk" and words[2] in ("attn_output", "ffn_down")
        if last and int(words[1]) in silent:
            tensor.data = bytes(len(tensor.data))
        if last and int(words[1]) in faint:
            scale_blocks(tensor, FAINT)
    path = pathlib.Path(folder, name)
    path.write_bytes(model.write())
    return path


def write_text(folder):
    """Words that no two sentences have in the same order."""
    random = numpy.random.default_rng(3)
    words = "the world is in a system of old tin and her letter on seas whose sound ends it".split()
    path = pathlib.Path(folder, "text")
    path.write_text(" ".join(random.choice(words, 6000)))
    return path


def parts(model, folder):
    """The stack and the head of a model, as programs."""
    paths = []
    for part in ("stack", "head"):
        paths.append(pathlib.Path(folder, f"{model.stem}-{part}.mlir"))
        run("compile", model, "--passes", f"lathe-split-head{{part={part}}}",
            "--emit", "mlir:import", "-o", paths[-1])  # fmt: skip
    return paths


def stack_rows(stack, model, sequences, folder, *flags):
    """[rows, width]: all positions of all sequences."""
    out = pathlib.Path(folder, "rows.npy")
    text = ";".join(joined(each) for each in sequences)
    run_logits(stack, ["--weights", str(model), "--sequences", text, *ALONE, *flags], out)
    return numpy.load(out)


def said_by(head, model, rows, folder, *flags):
    path, out = pathlib.Path(folder, "in.npy"), pathlib.Path(folder, "out.npy")
    numpy.save(path, rows.astype(numpy.float32))
    run("exec", head, "--weights", model, "-i", path, "-o", out, *flags)
    return numpy.load(out)


class Inside(tiny_llama.Reference):
    """The rows ahead of the last norm."""

    def __init__(self, path, layers):
        super().__init__(path)
        self.layers = layers

    def rows(self, tokens):
        self.epsilon = self.key("attention.layer_norm_rms_epsilon")
        self.base = self.key("rope.freq_base")
        x = self.weight("token_embd")[tokens]
        for layer in range(self.layers):
            block = f"blk.{layer}."
            x = x + self.attention(self.norm(x, block + "attn_norm"), block)
            x = x + self.feed_forward(self.norm(x, block + "ffn_norm"), block)
        return x


def check_parts(report, folder):
    """Stack and head are the model, to the last bit, and rows behind a layer are numpy's."""
    tokens = numpy.random.default_rng(7).integers(0, 300, 90)
    for name, sizes in {"q8_0": {"format": "q8_0"}, "own head": {"untied": True}}.items():
        model = write(folder, f"parts-{name[0]}.gguf", layers=4, **sizes)
        stack, head = parts(model, folder)
        for precision in ("auto", "f32"):
            flag = f"--precision={precision}"
            rows = stack_rows(stack, model, [tokens], folder, flag)
            whole = logits(model, tokens, flag)
            found = said_by(head, model, rows, folder, flag)
            report.case(f"{name} {precision}: stack and head", found.tobytes() == whole.tobytes())
        for layers in (1, 3, 4):
            rows = stack_rows(stack, model, [tokens], folder, "--precision=f32", f"--layers=0-{layers - 1}")
            expected = Inside(model, layers).rows(tokens)
            error = numpy.abs(rows - expected).max() / numpy.abs(expected).max()
            report.case(f"{name}: rows behind {layers} layers", error < 1e-4, f"{error:.1e}")
        refused = subprocess.run([lathe(), "run", str(stack), "--weights", str(model), "hi"],
                                 capture_output=True, text=True)  # fmt: skip
        report.case(f"{name}: a stack says nothing", "E0848" in refused.stderr, refused.stderr[-200:])


def divided(ids):
    """The text's tokens by purpose, in the order of ExitTexts."""
    bounds = [each * len(ids) // 8 for each in (0, 4, 6, 7, 8)]
    return [ids[first:last] for first, last in zip(bounds, bounds[1:])]


def texts_of(model, ids):
    """For each purpose the pieces of the text, and prompts with what the model says."""
    session = package.load(model, threads=1).session()
    pieces, own = [], []
    for part in divided(ids):
        pieces.append([part[start : start + PIECE] for start in range(0, len(part), PIECE)])
        said = []
        count = len(part) // SAID
        for index in range(count):
            start = index * (len(part) - PROMPT) // count
            prompt = part[start : start + PROMPT]
            session.truncate(0)
            stream = session.generate(prompt, max_tokens=SAID, ignore_end=True, speculate="off")
            said.append(prompt + [piece.token for piece in stream if piece.token >= 0])
        own.append(said)
    return pieces, own


def counted(rows, sequences, first):
    """The rows of all positions, without those whose next token does not count."""
    kept, start = [], 0
    for each in sequences:
        kept.append(rows[start + first - 1 : start + len(each) - 1])
        start += len(each)
    return numpy.concatenate(kept)


def ridge(hidden, final, rank):
    """The map and the offset, by the formula of FitExit.h, in float64."""
    hidden, final = hidden.astype(numpy.float64), final.astype(numpy.float64)
    weight = 1 / (final * final).mean(1)
    weight /= weight.sum()
    mean, residual = weight @ hidden, weight @ (final - hidden)
    centred = hidden - mean
    own = centred.T @ (centred * weight[:, None])
    cross = centred.T @ ((final - hidden - residual) * weight[:, None])
    scale = 1 / numpy.sqrt(numpy.diag(own))
    normal = scale[:, None] * own * scale + PENALTY * numpy.eye(len(scale))
    matrix = (scale[:, None] * numpy.linalg.solve(normal, scale[:, None] * cross)).T
    if rank:
        vectors = numpy.linalg.eigh(matrix @ own @ matrix.T)[1][:, -rank:]
        matrix = vectors @ vectors.T @ matrix
    return matrix, residual - matrix @ mean


def read_file(path):
    """What a calibration file tells, and its tensors."""
    told = json.loads(tiny_safetensors.read_metadata(path)["lathe_calibration"])
    tensors = {
        name: tiny_safetensors.decode(type, raw, shape).astype(numpy.float64)
        for name, (type, raw, shape) in tiny_safetensors.read(path).items()
    }
    return told, tensors


def check_fit(report, folder):
    """Lenses and predicates are what the formulas make of the model's rows."""
    model = write(folder, "fit.gguf", layers=6, seed=4, format="q8_0")
    text = write_text(folder)
    ids = [int(each) for each in run("tokenize", model, "-f", text).split()][: FEW[1]]
    pieces, own = texts_of(model, ids)
    stack, head = parts(model, folder)
    for rank in (0, 5):
        cal = pathlib.Path(folder, f"fit-{rank}.cal")
        flags = ["--rank", rank] if rank else []
        run("calibrate", model, "-f", text, *FEW, "--most", 1, "--exits", "2,4", *flags, "-o", cal)
        told, tensors = read_file(cal)
        report.case(f"rank {rank}: what it holds", told["exits"]["layers"] == [2, 4]
                    and told["exits"]["rank"] == rank, str(told["exits"]))  # fmt: skip

        def rows(purpose, *layers):
            return numpy.concatenate([
                counted(stack_rows(stack, model, each[purpose], folder, *layers), each[purpose], first)
                for each, first in ((pieces, 1), (own, PROMPT))
            ])  # fmt: skip

        whole = rows(0)
        for layer in (2, 4):
            name = f"rank {rank}, layer {layer}"
            matrix, offset = ridge(rows(0, f"--layers=0-{layer}"), whole, rank)
            found = tensors[f"exit.{layer}.lens"]
            if rank:
                inner = tensors[f"exit.{layer}.lens_in"]
                report.case(f"{name}: shapes", found.shape == (64, 5) and inner.shape == (5, 64))
                found = found @ inner
            error = numpy.abs(found - matrix).max() / numpy.abs(matrix).max()
            # Half a step of bfloat16, relative; of two factors that are summed over the rank.
            report.case(f"{name}: lens", error <= (2.0**-8 if not rank else 2.0**-6), f"{error:.1e}")
            error = numpy.abs(tensors[f"exit.{layer}.offset"] - offset).max() / numpy.abs(offset).max()
            report.case(f"{name}: offset", error <= 1e-4, f"{error:.1e}")
            check_predicate(report, name, head, model, folder, rows(1), rows(1, f"--layers=0-{layer}"),
                            tensors, layer)  # fmt: skip


def check_predicate(report, name, head, model, folder, whole, hidden, tensors, layer):
    """At the weights the slope of the penalised loss is 0, which only its minimum has."""
    lens = tensors[f"exit.{layer}.lens"]
    if f"exit.{layer}.lens_in" in tensors:
        lens = lens @ tensors[f"exit.{layer}.lens_in"]
    left = hidden + hidden @ lens.T + tensors[f"exit.{layer}.offset"]
    agrees = said_by(head, model, left, folder).argmax(1) == said_by(head, model, whole, folder).argmax(1)
    hidden = hidden.astype(numpy.float64)
    positive = agrees.sum()
    target = numpy.where(agrees, (positive + 1) / (positive + 2), 1 / (len(agrees) - positive + 2))
    weight = tensors[f"exit.{layer}.classifier"]
    score = hidden @ weight + tensors[f"exit.{layer}.bias"][0]
    scale = hidden.std(0)
    features = (hidden - hidden.mean(0)) / scale
    wrong = 1 / (1 + numpy.exp(-score)) - target
    slope = features.T @ wrong / len(wrong) + PENALTY * weight * scale
    steepest = max(numpy.abs(slope).max(), abs(wrong.mean()))
    report.case(f"{name}: predicate", steepest < 2e-3 and 0 < positive < len(agrees),
                f"slope {steepest:.1e}, {positive} of {len(agrees)} agree")  # fmt: skip


def forced(model, cal, how, sequences, folder):
    """The likeliest tokens behind all positions when each step leaves as `how` says."""
    found = []
    for each in sequences:
        out = pathlib.Path(folder, "forced.npy")
        run_logits(model, ["--tokens", joined(each), "--cal", str(cal), "--exit", how, *ALONE], out)
        found.append(numpy.load(out).argmax(1)[:-1])
    return numpy.concatenate(found)


def bound(agreeing, positions):
    """The one-sided 95 % bound of Clopper and Pearson: the share at which so many would be rare."""
    low, high = 0.0, agreeing / positions
    while high - low > 1e-9:
        share = (low + high) / 2
        log = [math.lgamma(positions + 1) - math.lgamma(k + 1) - math.lgamma(positions - k + 1)
               + k * math.log(share) + (positions - k) * math.log1p(-share)
               for k in range(agreeing, positions + 1)]  # fmt: skip
        low, high = (share, high) if sum(map(math.exp, log)) < 0.05 else (low, share)
    return low


def check_chosen(report, folder):
    """Upper layers that add little: thresholds keep what they promise where they were chosen, step
    by step."""
    sizes = {"layers": 8, "hidden": 64, "seed": 5, "format": "q8_0"}
    model = write(folder, "faint.gguf", faint=range(3, 8), **sizes)
    text, cal = write_text(folder), pathlib.Path(folder, "faint.cal")
    run("calibrate", model, "-f", text, *MANY, "--most", 1, "--exits", "2,4", "-o", cal)
    told, _ = read_file(cal)
    ids = [int(each) for each in run("tokenize", model, "-f", text).split()][: MANY[1]]
    pieces, _ = texts_of(model, ids)
    chosen = [point for point in told["points"] if point.get("target")]
    found = [point for point in chosen if point["exit"].startswith("threshold")]
    report.case("chosen: there are thresholds", len(chosen) == 3 and found, str(chosen))
    whole = numpy.concatenate([logits(model, each).argmax(1)[:-1] for each in pieces[2]])
    for point in found:
        same = forced(model, cal, point["exit"], pieces[2], folder) == whole
        least = bound(int(same.sum()), len(same))
        report.case(f"chosen: {point['exit']} for {point['target']}", least >= point["target"],
                    f"{same.sum()} of {len(same)} agree, at least {least:.4f}")  # fmt: skip


def check_forced(report, name, model, cal, ids, folder):
    """A forced exit agrees as often as the calibrator said, on the text's last eighth."""
    told, _ = read_file(cal)
    part = divided(ids)[-1]
    sequences = [part[start : start + PIECE] for start in range(0, len(part), PIECE)]
    whole = numpy.concatenate([logits(model, each).argmax(1)[:-1] for each in sequences])
    for point in told["points"]:
        if "exit" not in point or point["exit"] == "never":
            continue
        found = (forced(model, cal, point["exit"], sequences, folder) == whole).mean()
        score = point["text"]
        expected = score["agreeing"] / score["positions"]
        good = len(whole) == score["positions"] and abs(found - expected) <= 0.02
        report.case(f"{name}: {point['exit']}", good,
                    f"{found:.4f} of {len(whole)} positions, expected {expected:.4f}")  # fmt: skip


def check_silent(report, folder):
    """Layers above 2 add nothing: leaving there agrees always, pays, and is offered."""
    sizes = {"layers": 16, "hidden": 256, "heads": 4, "kv_heads": 1, "head_dim": 64, "ffn": 768}
    model = write(folder, "silent.gguf", silent=range(3, 16), format="q8_0", **sizes)
    text, cal = write_text(folder), pathlib.Path(folder, "silent.cal")
    table = run("calibrate", model, "-f", text, *MANY, "--most", 1, "--exits", "2,8", "-o", cal)
    told, tensors = read_file(cal)
    exits = [point for point in told["points"] if "exit" in point]
    points = {point["exit"]: point for point in exits}
    report.case("silent: lenses add nothing", not any(tensors[f"exit.{each}.lens"].any() for each in (2, 8)))
    for how in ("always-at:2", "always-at:8"):
        point = points[how]
        right = all(point[kind]["agreeing"] == point[kind]["positions"] for kind in KINDS)
        report.case(f"silent: {how} agrees and pays", right and point["refused"] == "", str(point))
    first = [point["left"] for point in exits if point.get("target") == 0.99]
    good = len(first) == 1 and first[0][0] == sum(first[0])
    report.case("silent: 99 % leaves at the first exit", good, str(first))
    report.case("silent: table", table.count("offered") >= 5, table)
    plain = run("run", model, "--raw", "in the", "-n", 40, "--speculate", "off")
    for flags in (["--exit", "always-at:2"], ["--budget", "0.8"], ["--latency", "1e-6"]):
        out = pathlib.Path(folder, "told.json")
        said = run("run", model, "--raw", "in the", "-n", 40, "--cal", cal, *flags, "--json", out)
        report.case(f"silent: the same text with {' '.join(flags)}", said == plain)
        told = json.loads(out.read_text())
        report.case(f"silent: leaves with {' '.join(flags)}", told["exits"]["steps"] > 0
                    and told["calibration"]["agreement_expected"] > 0.98, str(told))  # fmt: skip
    said = run("run", model, "--raw", "in the", "-n", 40, "--cal", cal, "--json", out)
    told = json.loads(out.read_text())
    whole = "exits" not in told and told["calibration"]["agreement_expected"] == 1
    report.case("silent: all layers without a budget", said == plain and whole, str(told))
    check_ahead(report, model, cal, plain, folder)


def check_ahead(report, model, cal, plain, folder):
    """What is compiled ahead carries the exits, and what was measured, wherever its weights are."""
    out = pathlib.Path(folder, "told.json")
    for suffix in (".lathe", "", ".so"):
        for embedded in ([], ["--embed-weights"]):
            name = " ".join(["silent: compiled ahead,", suffix or "program", *embedded])
            made = pathlib.Path(folder, "silent" + suffix)
            run("compile", model, "--cal", cal, *embedded, "-o", made)
            for flags in (["--exit", "always-at:2"], ["--budget", "0.8"], []):
                words = ["--raw", "in the", "-n", 40, *flags, "--json", out]
                told = subprocess.run([made, *map(str, words)], capture_output=True, text=True).stdout \
                    if not suffix else run("run", made, *words)  # fmt: skip
                steps = json.loads(out.read_text()).get("exits", {}).get("steps", 0)
                report.case(f"{name} {' '.join(flags)}", told == plain and (steps > 0) == bool(flags),
                            f"{steps} steps left")  # fmt: skip
            session = package.load(made, threads=1).session()
            stream = session.generate([5, 6, 7], max_tokens=40, ignore_end=True, budget=0.8)
            list(stream)
            found = stream.result
            report.case(f"{name}: from Python", found.exit_steps == sum(stream.exits) == 39
                        and found.exit_bytes > 0 and found.expected_agreement > 0.98
                        and found.expected_time <= 0.8, str(found))  # fmt: skip


def check_random(report, folder):
    """A model that uses all its layers: refused, and what is forced is what was measured."""
    model = write(folder, "random.gguf", layers=8, seed=2, format="q4_1")
    text, cal = write_text(folder), pathlib.Path(folder, "random.cal")
    told = json.loads(run("calibrate", model, "-f", text, *FEW, "--most", 1, "-o", cal, "--json"))
    exits = [point for point in told["points"] if "exit" in point]
    report.case("random: exits of the upper half", told["exits"]["layers"] == [3, 4, 5, 6])
    report.case("random: all refused", all(point["refused"] for point in exits), str(exits))
    ids = [int(each) for each in run("tokenize", model, "-f", text).split()][: FEW[1]]
    check_forced(report, "random", model, cal, ids, folder)
    plain = run("run", model, "--raw", "in the", "-n", 20)
    report.case("random: refused points are not chosen",
                run("run", model, "--raw", "in the", "-n", 20, "--cal", cal) == plain)  # fmt: skip


def check_faults(report, folder):
    model = write(folder, "faults.gguf", layers=4)
    other = write(folder, "others.gguf", layers=5)
    text, cal = write_text(folder), pathlib.Path(folder, "faults.cal")
    run("calibrate", model, "-f", text, *FEW, "--most", 1, "--exits", "1", "-o", cal)
    raw = cal.read_bytes()
    bad = pathlib.Path(folder, "bad.cal")

    def refused(name, code, *words):
        result = subprocess.run([lathe(), *map(str, words)], capture_output=True, text=True)
        report.case(f"faults: {name}", code in result.stderr and result.returncode != 0,
                    result.stderr[-300:])  # fmt: skip

    force = ("--exit", "always-at:1")
    contents = (("cut", "E0843", raw[:-1]), ("text", "E0843", b"{}"), ("empty", "E0204", b""))
    for name, code, content in contents:
        bad.write_bytes(content)
        refused(name, code, "run", model, "hi", "--cal", bad, *force)
    tiny_safetensors.write(bad, {})
    refused("no metadata", "E0843", "run", model, "hi", "--cal", bad, *force)
    tiny_safetensors.write(bad, {}, tiny_safetensors.read_metadata(cal))
    refused("no tensors", "E0630", "run", model, "hi", "--cal", bad, *force)
    refused("another model", "E0844", "run", other, "hi", "--cal", cal, *force)
    refused("another model, compiled", "E0844", "compile", other, "--cal", cal, "-o", bad)
    refused("no such exit", "E0847", "run", model, "hi", "--cal", cal, "--exit", "always-at:2")
    refused("the last layer", "E0840", "calibrate", model, "-f", text, "--exits", "3")
    refused("no list", "E0840", "calibrate", model, "-f", text, "--exits", "x")
    refused("too short", "E0846", "calibrate", model, "-f", text, "--exit-tokens", 1 << 20)
    refused("no threshold offered", "E0845", "run", model, "hi", "--cal", cal, "--latency", "5")
    program = pathlib.Path(folder, "faults.mlir")
    run("compile", model, "--cal", cal, "--emit", "mlir:import", "-o", program)
    refused("no --cal", "E0633", "run", program, "--weights", model, "hi")
    run("calibrate", model, "-f", text, "--most", 1, "--exits", "none", "-o", bad)
    refused("no exits", "E0847", "compile", model, "--cal", bad, "--emit", "mlir:import", "-o", program)


def check_real(report, folder, names):
    """Slow: a real model's exits are refused, and what is forced is what was measured."""
    text = pathlib.Path(folder, "docs")
    text.write_text("\n".join(path.read_text() for path in sorted((ROOT / "docs").rglob("*.md"))))
    for model in REAL_MODELS:
        if model.name not in names or not model.path():
            continue
        cal = pathlib.Path(folder, f"{model.name}.cal")
        print(run("calibrate", model.path(), "-f", text, "--exit-tokens", REAL_TOKENS, "-o", cal))
        told, _ = read_file(cal)
        refused = all(point["refused"] for point in told["points"] if "exit" in point)
        report.case(f"{model.name}: all refused", refused)
        ids = run("tokenize", model.path(), "-f", text).split()[:REAL_TOKENS]
        check_forced(report, model.name, model.path(), cal, list(map(int, ids)), folder)


def main():
    report = Report("exit_heads")
    with tempfile.TemporaryDirectory() as folder:
        if sys.argv[1:2] == ["--real"]:  # and names of models: minutes each
            report.attempt("real", check_real, report, folder, sys.argv[2:])
            report.exit()
        os.environ["LATHE_CACHE"] = str(pathlib.Path(folder, "cache"))
        checks = (check_parts, check_fit, check_silent, check_chosen, check_random, check_faults)
        for check in checks:
            report.attempt(check.__name__, check, report, folder)
    report.exit()


if __name__ == "__main__":
    main()
