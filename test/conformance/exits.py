#!/usr/bin/env python3
"""Stacks that are left early, against arithmetic.

Exits are written into the graph of a tiny random model by hand. Which layer a step leaves behind,
and every token, must be what numpy finds with the classifier, the lens and the keys and values that
the graph names; a stack that is never left gives the bits of one without exits.
"""

import importlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import gguf
import numpy

import tiny_llama
from support import ROOT, Report, lathe, logits
from tiny_llama import Shape, tiny_model

os.environ["LATHE_LIBRARY"] = str(pathlib.Path(lathe()).resolve().parents[1] / "lib/liblathe.so")
sys.path.insert(0, str(ROOT / "tools" / "python"))
package = importlib.import_module("lathe")

from tiny_gguf import Tensor  # noqa: E402

LAYERS, EXITS, WIDTH = 5, (1, 2, 3), 64
PROMPT = [int(token) for token in numpy.random.default_rng(5).integers(0, 300, 9)]
COUNT = 23
# So many rows may be owed; the next one runs by all layers, together with them.
MOST_OWED = 7
DEFERRED = COUNT - COUNT // (MOST_OWED + 1)  # Steps that leave, of those that always would.
# Without a past, the first step of a conversation is the last of its prompt, which leaves nothing.
OPTIONS = {"max_tokens": COUNT + 1, "ignore_end": True, "speculate": "off"}


def exit_weights(random, biases, strength):
    """A classifier of each exit, and a lens near the identity."""
    weights = {}
    for layer, bias in zip(EXITS, biases):
        weights[f"exit.{layer}.classifier"] = strength * random.standard_normal(WIDTH)
        weights[f"exit.{layer}.bias"] = numpy.array([bias])
        lens = numpy.eye(WIDTH) + 0.2 * random.standard_normal((WIDTH, WIDTH)) / 8
        weights[f"exit.{layer}.lens"] = lens
    return {name: values.astype(numpy.float32) for name, values in weights.items()}


def write(folder, biases=(0, 0, 0), strength=0.0, silent=(), layers=LAYERS, **sizes):
    """A model whose layers in `silent` add nothing to what they are given, with weights of exits."""
    model = tiny_model(Shape(layers=layers, hidden=WIDTH, **sizes))
    for tensor in model.tensors:
        words = tensor.name.split(".")
        last = words[0] == "blk" and words[2] in ("attn_output", "ffn_down")
        if last and int(words[1]) in silent:
            tensor.data = bytes(len(tensor.data))
    for name, values in exit_weights(numpy.random.default_rng(8), biases, strength).items():
        model.tensors.append(Tensor(name + ".weight", list(values.shape[::-1]), 0, values.tobytes()))
    path = pathlib.Path(folder, "model.gguf")
    path.write_bytes(model.write())
    return path


def weights_text(lens):
    layers = ", ".join(map(str, EXITS))
    names = {"classifier": f"{WIDTH}", "bias": "1"} | ({"lens": f"{WIDTH}x{WIDTH}"} if lens else {})
    return "".join(
        f'  lathe.weights @exit.{name} : [{layers}] x tensor<{size}xf32> from "exit.{{}}.{name}.weight"\n'
        for name, size in names.items()
    )


def write_exits(text, behind, lens):
    """The graph with an exit in the body of the layers in EXITS: a copy of the only body."""
    head, body, tail = re.fullmatch(
        r"(.*lathe\.layers [^{]*)(\{\n.*?\n    \})(\n    %\d+ = lathe\.select_logits.*)", text, re.S
    ).groups()
    row, vector, one = (f"tensor<{size}xf32>" for size in (f"?x{WIDTH}", WIDTH, 1))
    yielded, cache, types = re.search(r"lathe\.yield (%\d+), (%\d+) : (.*)\n", body).groups()
    layer = re.search(r"lathe\.layers (%\w+) =", head)[1]
    added = (
        f"      %ew = lathe.weight @exit.classifier[{layer}] : {vector}\n"
        f"      %eb = lathe.weight @exit.bias[{layer}] : {one}\n"
        f"      %ep = lathe.logistic {yielded}, %ew, %eb : {row}, {vector}, {one}\n"
    )
    leaving = ""
    if lens:
        matrix = f"tensor<{WIDTH}x{WIDTH}xf32>"
        added += (
            f"      %el = lathe.weight @exit.lens[{layer}] : {matrix}\n"
            f"      %ez = lathe.linear {yielded}, %el : {row}, {matrix} -> {row}\n"
        )
        leaving = f" leaving %ez, {cache}"
    plain = f"      lathe.yield {yielded}, {cache} : {types}\n"
    left = body.replace(
        plain, f"{added}      lathe.yield {yielded}, {cache} until %ep{leaving} : {types}\n"
    )
    select = [int(each in EXITS) for each in range(LAYERS)]
    head = re.sub(r" at (%\w+) : ", rf" at \1 select {select} behind {behind} : ", head)
    head = head.replace("  func.func", weights_text(lens) + "  func.func", 1)
    return f"{head}{body}, {left}{tail}"


def run(*words):
    result = subprocess.run([lathe(), *map(str, words)], capture_output=True, text=True)
    if result.returncode:
        raise SystemExit(f"lathe {' '.join(map(str, words))}: {result.stderr}")
    return result.stdout


def compiled(path, behind, lens, precision="f32"):
    """The program with exits, loaded."""
    program = path.with_name(f"{behind}-{lens}.mlir")
    graph = write_exits(run("compile", path, "--emit", "mlir:import", "-o", "-"), behind, lens)
    program.write_text(graph)
    return package.load(program, weights=path, precision=precision, threads=1)


class Stepper(tiny_llama.Reference):
    """The forward pass row by row: the keys and values of every layer are kept."""

    def __init__(self, path, behind, lens):
        super().__init__(path)
        self.epsilon = self.key("attention.layer_norm_rms_epsilon")
        self.base = self.key("rope.freq_base")
        self.behind, self.lens = behind, lens
        self.heads = self.key("attention.head_count")
        self.groups = self.key("attention.head_count_kv")
        self.width = self.key("attention.key_length")
        self.past = [[] for _ in range(LAYERS)]
        self.owed = []  # Token, position and the layer behind which it left.

    def turn(self, x, position):
        """As `rotate`, of one row [heads, width]."""
        angle = position * self.base ** (-numpy.arange(0, self.width, 2) / self.width)
        even, odd, cosine, sine = x[:, 0::2], x[:, 1::2], numpy.cos(angle), numpy.sin(angle)
        return numpy.stack([even * cosine - odd * sine, even * sine + odd * cosine], -1).reshape(x.shape)

    def keep(self, layer, x, position):
        """Sets the key and value of a layer; gives the normed row."""
        block = f"blk.{layer}."
        assert len(self.past[layer]) >= position, "a row before has no key and value"
        normed = self.norm(x, block + "attn_norm")
        key = self.turn((self.weight(block + "attn_k") @ normed).reshape(-1, self.width), position)
        value = (self.weight(block + "attn_v") @ normed).reshape(-1, self.width)
        del self.past[layer][position:]
        self.past[layer].append((key, value))
        return normed

    def run_layer(self, layer, x, position):
        block = f"blk.{layer}."
        normed = self.keep(layer, x, position)
        query = self.turn((self.weight(block + "attn_q") @ normed).reshape(-1, self.width), position)
        mixed = []
        for head in range(self.heads):
            group = head // (self.heads // self.groups)
            keys = numpy.stack([key[group] for key, _ in self.past[layer]])
            scores = numpy.exp(keys @ query[head] / numpy.sqrt(self.width))
            values = numpy.stack([value[group] for _, value in self.past[layer]])
            mixed.append(scores / scores.sum() @ values)
        x = x + self.weight(block + "attn_output") @ numpy.concatenate(mixed)
        return x + self.feed_forward(self.norm(x, block + "ffn_norm")[None], block)[0]

    def logits_of(self, x):
        head = "output" if "output.weight" in self.tensors else "token_embd"
        return self.weight(head) @ self.norm(x, "output_norm")

    def whole(self, token, position):
        x = self.weight("token_embd")[token]
        for layer in range(LAYERS):
            x = self.run_layer(layer, x, position)
        return self.logits_of(x)

    def confidence(self, layer, x):
        weight = self.weight(f"exit.{layer}.classifier").reshape(-1)
        return 1 / (1 + numpy.exp(-(weight @ x + self.weight(f"exit.{layer}.bias")[0])))

    def leave(self, layer, x, token, position):
        """Logits of a row that leaves behind a layer.

        Layers behind it make keys and values of the row that they would have been given, had those
        between them changed nothing (CALM, section 3.2): the lens is the output head's alone.
        """
        if self.behind == "defer":
            self.owed.append((token, position, layer))
        else:
            for later in range(layer + 1, LAYERS):
                self.keep(later, x, position)
        return self.logits_of(self.weight(f"exit.{layer}.lens") @ x if self.lens else x)

    def step(self, token, position, wanted):
        """Logits and the layer behind which the stack was left, or -1."""
        if len(self.owed) == MOST_OWED:
            return self.pay(token, position), -1
        # Behind that layer somebody before has no keys and values.
        last = min((layer for _, _, layer in self.owed), default=LAYERS - 1)
        x = self.weight("token_embd")[token]
        for layer in range(last + 1):
            x = self.run_layer(layer, x, position)
            if layer not in EXITS or wanted[layer] == numpy.inf:
                continue
            self.margins.append(abs(self.confidence(layer, x) - wanted[layer]))
            if self.confidence(layer, x) >= wanted[layer]:
                return self.leave(layer, x, token, position), layer
        return (self.pay(token, position) if self.owed else self.logits_of(x)), -1

    def pay(self, token, position):
        """Logits of a row that all layers run, behind those that are owed."""
        for before, place, _ in self.owed:
            self.whole(before, place)
        self.owed = []
        return self.whole(token, position)

    def generate(self, wanted):
        """COUNT + 1 tokens, and where each step left."""
        self.margins = []
        for position, token in enumerate(PROMPT):
            values = self.whole(token, position)
        tokens, left = [int(values.argmax())], []
        for position in range(len(PROMPT), len(PROMPT) + COUNT):
            values, layer = self.step(tokens[-1], position, wanted)
            top = numpy.sort(values)
            self.margins.append(top[-1] - top[-2])
            tokens.append(int(values.argmax()))
            left.append(layer)
        return tokens, left


def generated(session, how, **options):
    stream = session.generate(PROMPT, exit=how, **OPTIONS | options)
    return [piece.token for piece in stream if piece.token >= 0], stream.result


def check_silent(report, folder):
    """Layers behind 2 add nothing: leaving there shows nowhere."""
    for sizes in ({}, {"format": "q8_0"}):
        path = write(folder, silent=(3, 4), **sizes)
        for behind in ("propagate", "defer"):
            for precision in ("f32", "auto"):
                name = f"silent {sizes.get('format', 'f32')} {behind} {precision}"
                model = compiled(path, behind, False, precision)
                whole, told = generated(model.session(), "never")
                report.case(f"{name}: never leaves", told.exit_steps == 0, str(told))
                for layer in (2, 3):
                    early, told = generated(model.session(), f"always-at:{layer}")
                    report.case(f"{name}: the same tokens from layer {layer}", early == whole)
                    steps = DEFERRED if behind == "defer" else COUNT
                    expected = (steps, steps * (LAYERS - 1 - layer))
                    found = (told.exit_steps, told.exit_layers)
                    report.case(f"{name}: always at {layer}", found == expected, str(found))
                early, _ = generated(model.session(), "always-at:1")
                report.case(f"{name}: other tokens from layer 1", early != whole)


def check_masked(report, folder):
    """Leaving behind layer l is running without the layers above it, once the prompt is done."""
    path = write(folder, format="q8_0")
    model = compiled(path, "propagate", False, "auto")
    for layer in EXITS:
        tokens, _ = generated(model.session(), f"always-at:{layer}")
        masked = model.session(layers=f"0-{layer}")
        stream = masked.generate(PROMPT + tokens[:1], **OPTIONS | {"max_tokens": COUNT})
        found = [piece.token for piece in stream if piece.token >= 0]
        report.case(f"left at {layer}, or masked above", found == tokens[1:])


def check_constant(report, folder):
    """Classifiers that are sure of their bias alone."""
    chance = [0.2, 0.9, 0.6]
    path = write(folder, biases=numpy.log(chance) - numpy.log1p(-numpy.array(chance)))
    model = compiled(path, "propagate", False)
    for threshold, layer in (("0.1", 1), ("0.5", 2), ("0.89", 2), ("0.91", -1)):
        _, told = generated(model.session(), f"threshold:{threshold}")
        expected = (COUNT, COUNT * (LAYERS - 1 - layer)) if layer >= 0 else (0, 0)
        found = (told.exit_steps, told.exit_layers)
        report.case(f"threshold {threshold} leaves behind {layer}", found == expected, str(found))


def check_numpy(report, folder):
    """Confidence, lens, keys and values, and so every token."""
    path = write(folder, biases=(-0.3, 0.1, 0.4), strength=0.15)
    for behind in ("propagate", "defer"):
        for lens in (False, True):
            model = compiled(path, behind, lens)
            for threshold in (0.4, 0.6, 0.75):
                stepper = Stepper(path, behind, lens)
                wanted = [threshold] * LAYERS
                tokens, left = stepper.generate(wanted)
                found, told = generated(model.session(), f"threshold:{threshold}")
                layers = sum(LAYERS - 1 - layer for layer in left if layer >= 0)
                counts = (sum(layer >= 0 for layer in left), layers)
                name = f"{behind}{', lens' if lens else ''}, threshold {threshold}"
                report.case(f"{name}: tokens of numpy", found == tokens,
                            f"closest decision {min(stepper.margins):.1e}")  # fmt: skip
                report.case(f"{name}: exits of numpy", (told.exit_steps, told.exit_layers) == counts,
                            f"{counts} by layer {[left.count(e) for e in EXITS]}")  # fmt: skip


def check_logits(report, folder):
    """Of every position of a text, each above what those before it left."""
    path = write(folder, biases=(-0.6, 0.0, 0.5), strength=0.2)
    text = [int(token) for token in numpy.random.default_rng(6).integers(0, 300, 40)]
    for behind in ("propagate", "defer"):
        for lens in (False, True):
            compiled(path, behind, lens)
            program = path.with_name(f"{behind}-{lens}.mlir")
            for how in ("always-at:1", "always-at:3", "threshold:0.55", "threshold:0.7"):
                kind, value = how.split(":")
                layer = int(value) if kind == "always-at" else -1
                wanted = [float(value)] * LAYERS
                if layer >= 0:
                    wanted = [-numpy.inf if each == layer else numpy.inf for each in range(LAYERS)]
                stepper = Stepper(path, behind, lens)
                stepper.margins = []
                steps = [stepper.step(token, position, wanted) for position, token in enumerate(text)]
                expected = numpy.stack([values for values, _ in steps])
                found = logits(program, text, f"--weights={path}", "--precision=f32", f"--exit={how}")
                error = numpy.abs(found - expected).max() / numpy.abs(expected).max()
                left = [layer for _, layer in steps]
                report.case(f"{behind}{', lens' if lens else ''}, {how}: logits of numpy", error < 1e-4,
                            f"{error:.1e}; by layer {[left.count(e) for e in EXITS]}, "
                            f"closest decision {min(stepper.margins):.1e}")  # fmt: skip


def check_budget(report, folder):
    """Behind layer 2 each step is sure, so that the mean depth is what the turns of two points make it."""
    chance = [0.2, 0.9, 0.6]
    path = write(folder, biases=numpy.log(chance) - numpy.log1p(-numpy.array(chance)))
    model = compiled(path, "propagate", False)
    count = 256
    for budget in (0.65, 0.8, 0.95):
        stream = model.session().generate(PROMPT, exit="threshold:0.95,0.5", budget=budget,
                                          **OPTIONS | {"max_tokens": count + 1})  # fmt: skip
        list(stream)
        share = 1 - stream.result.exit_layers / count / LAYERS
        report.case(f"budget {budget}", abs(share - budget) <= 0.1 * budget, f"{share:.3f} of the layers")
    stream = model.session().generate(PROMPT, exit="threshold:0.95,0.5", latency=3600.0, **OPTIONS)
    list(stream)
    report.case("a latency that is never reached", stream.result.exit_steps == 0, str(stream.result))
    stream = model.session().generate(PROMPT, exit="threshold:0.95,0.5", latency=1e-9, **OPTIONS)
    list(stream)
    report.case("a latency that nothing reaches", stream.result.exit_steps >= COUNT - 17, str(stream.result))


def check_latency(report, folder):
    """Between what steps take that leave and that do not, the mean of 256 is within a tenth.

    Other work may take the processor away for longer than steps can make good, so that one of a few
    runs must hold it."""
    chance = [0.2, 0.9, 0.6]
    biases = numpy.log(chance) - numpy.log1p(-numpy.array(chance))
    path = write(folder, biases=biases, ffn=8192, format="q8_0")
    session = compiled(path, "propagate", False, "auto").session()

    def seconds(count, **how):
        session.truncate(0)
        stream = session.generate(PROMPT, **how, **OPTIONS | {"max_tokens": count + 1})
        list(stream)
        return stream.result.decode_seconds / count, stream.exits

    tried, held = [], False
    for _ in range(6):
        whole, early = seconds(64)[0], seconds(64, exit="threshold:0.5")[0]
        target = (whole + early) / 2
        found, left = seconds(256, exit="threshold:0.95,0.5", latency=target)
        tried.append(f"{found / target:.3f}")
        # Both points took their turns, each for eight steps at least.
        held = abs(found / target - 1) <= 0.1 and 8 <= left[2] == sum(left) <= 248
        if held:
            break
    report.case("a latency is held", held, f"mean of 256 steps, of the target: {', '.join(tried)}")


def check_bits(report, folder):
    """Threads change nothing; a program that is never left gives the bits of one without exits."""
    path = write(folder, biases=(-0.3, 0.1, 0.4), strength=0.15, format="q4_1")
    model = compiled(path, "propagate", True, "auto")
    plain = logits(path, PROMPT * 4)
    program = path.with_name("propagate-True.mlir")
    same = logits(program, PROMPT * 4, f"--weights={path}").tobytes() == plain.tobytes()
    report.case("prompts never leave", same)
    never = generated(model.session(), "never")[0]
    report.case("never", never == generated(package.load(path).session(), "never")[0])
    tokens = [
        generated(package.load(program, weights=path, threads=threads).session(), "threshold:0.6")
        for threads in (1, 2, 3)
    ]
    report.case("threads", tokens[0][0] == tokens[1][0] == tokens[2][0])
    report.case("leaves", 0 < tokens[0][1].exit_steps < COUNT, str(tokens[0][1]))


def check_conversation(report, folder):
    """What is owed at the end of a turn is paid when the next one begins."""
    path = write(folder, biases=(-0.3, 0.1, 0.4), strength=0.15)
    model = compiled(path, "defer", False)
    session = model.session()
    tokens, told = generated(session, "always-at:1")
    report.case("rows are owed", told.exit_steps == DEFERRED, str(told))
    # The last token was not run.
    after = session.append([7], logits="all")
    whole = model.session().append([*PROMPT, *tokens[:-1], 7], logits="all")
    report.case("and paid", after.tobytes() == whole[-1:].tobytes())
    for cut in (1, 3, COUNT):
        session = model.session()
        generated(session, "always-at:1")
        length = len(PROMPT) + COUNT - cut
        session.truncate(length)
        after = session.append([7], logits="all")
        whole = model.session().append([*PROMPT, *tokens][:length] + [7], logits="all")
        report.case(f"and {cut} forgotten", after.tobytes() == whole[-1:].tobytes())


def check_told(report, folder):
    """What a run tells of its exits."""
    path = write(folder, format="q8_0")
    compiled(path, "propagate", False, "auto")
    out, program = path.with_name("told.json"), path.with_name("propagate-False.mlir")
    run("run", program, "--weights", path, "--raw", "in the", "-n9", "--exit", "always-at:2",
        "--json", out)  # fmt: skip
    told = json.loads(out.read_text())["exits"]
    # Keys and values of the layers behind are computed, and the exit asks its own weights.
    kept = [f"blk.{layer}.{name}." for layer in (3, 4) for name in ("attn_norm", "attn_k", "attn_v")]
    behind = sum(
        -tensor.n_bytes if tensor.name in ("exit.2.classifier.weight", "exit.2.bias.weight")
        else tensor.n_bytes if tensor.name.startswith(("blk.3.", "blk.4."))
        and not tensor.name.startswith(tuple(kept)) else 0
        for tensor in gguf.GGUFReader(path).tensors
    )  # fmt: skip
    expected = {
        "steps": 8, "whole_steps": 0, "layers_left_out": 16, "behind_layer": [2], "steps_by_layer": [8],
        "weight_megabytes_left_out": 8 * behind / 1e6,
    }  # fmt: skip
    same = all(told[name] == value for name, value in expected.items() if "mega" not in name)
    near = abs(told["weight_megabytes_left_out"] - expected["weight_megabytes_left_out"]) < 1e-3
    report.case("what is told", same and near, f"{told}, expected {expected}")


def check_refusals(report, folder):
    path = write(folder)
    model, plain = compiled(path, "propagate", False), package.load(path)
    cases = [
        (plain, "never", {"budget": 0.5}), (model, "never", {"budget": 0.5}),
        (model, "always-at:2", {"latency": 1.0}), (model, "threshold:0.5,0.9", {"budget": 0.5}),
        (model, "threshold:0.9,", {"budget": 0.5}), (model, "threshold:0.5,0.5", {"budget": 0.5}),
        (model, "threshold:0.9,0.5", {}),
        (model, "threshold:9,8,7,6,5,4,3,2", {"budget": 0.5}),
    ]  # fmt: skip
    cases += [(source, how, {}) for source, how in ((plain, "always-at:2"), (plain, "threshold:0.5"), (model, "always-at:0"),
                        (model, "always-at:5"), (model, "always-at:"), (model, "threshold:"),
                        (model, "threshold:much"), (model, "threshold:nan"), (model, "sometimes"),
                        (model, ""))]  # fmt: skip
    for source, how, more in cases:
        try:
            source.session().generate(PROMPT, exit=how, **more)
            found = None
        except package.Error as error:
            found = error.code
        name = f"{'plain' if source is plain else 'exits'} {how!r} {more or ''}"
        report.case(name, found == "E0847", found)
    # What nobody measured cannot be chosen from, and a step has one target.
    for more in ({"budget": 0.5}, {"latency": 1.0}, {"quality": 0.5}, {"quality": 2.0},
                 {"exit": "threshold:0.9", "budget": 0.5, "latency": 1.0}):  # fmt: skip
        try:
            model.session().generate(PROMPT, **more)
            found = None
        except package.Error as error:
            found = error.code
        report.case(f"nothing to choose by: {more}", found == "E0849", found)


def main():
    report = Report("exits")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LATHE_CACHE"] = str(pathlib.Path(folder, "cache"))
        for check in (check_silent, check_masked, check_constant, check_numpy,
                      check_logits, check_budget, check_latency, check_bits, check_conversation, check_told, check_refusals):  # fmt: skip
            report.attempt(check.__name__, check, report, folder)
    report.exit()


if __name__ == "__main__":
    main()
