#!/usr/bin/env python3
"""Guessing tokens changes how fast they come and never which: with every draft, greedy and sampled,
tokens, reasons to stop, what the sequence holds and what the model says to more of it are those of
plain decoding, bit by bit."""

import importlib
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

import numpy

from support import ROOT, SMOLLM2, Report, attempt_models, lathe

os.environ["LATHE_LIBRARY"] = str(pathlib.Path(lathe()).resolve().parents[1] / "lib/liblathe.so")
sys.path.insert(0, str(ROOT / "tools" / "python"))
sys.path.insert(0, str(ROOT / "test" / "Tools" / "inputs"))
from tiny_gguf import Shape, tiny_model  # noqa: E402

package = importlib.import_module("lathe")

DRAFTS = ("auto", "ngram:1", "ngram:3", "ngram:7")
SAMPLINGS = {
    "greedy": {},
    "sampled": {"temperature": 0.8, "top_k": 40, "top_p": 0.95, "seed": 7},
    "cool": {"temperature": 0.2, "min_p": 0.01, "seed": 11},
}
SHAPES = {
    "q4_1": {},
    "f32": {"format": "f32"},
    "q8_0": {"format": "q8_0"},
}
MORE = [3, 1, 4, 1, 5]  # What every sequence is continued with in the end.
TEXTS = (
    "The cat sat on the mat. The dog sat on the mat. The cat sat on the mat and the dog",
    "Repeat after me.\nuser: one two three four five six\nassistant: one two three four five six\n"
    "user: red green blue\nassistant:",
)
# Every turn ends in the same way, so that a guess goes past the end of the model's own turn.
TURNS = "<|im_start|>user\nSay yes.<|im_end|>\n<|im_start|>assistant\nYes.<|im_end|>\n"
ENDING = 4 * TURNS + "<|im_start|>user\nSay yes.<|im_end|>\n<|im_start|>assistant\n"


class Trace:
    """What a generation gave and left behind."""

    def __init__(self, model, prompt, how, capacity=512, **options):
        session = model.session(capacity=capacity)
        stream = session.generate(prompt, speculate=how, **options)
        self.tokens, self.lengths = [], []
        for piece in stream:
            self.tokens.append(piece.token)
            self.lengths.append(session.length())
        self.result = stream.result
        room = session.capacity - session.length()
        self.more = session.append(MORE[:room], logits="all").tobytes()

    def difference(self, other):
        """From a plain one; an empty text when there is none."""
        for name in ("tokens", "lengths", "more"):
            if getattr(self, name) != getattr(other, name):
                return f"{name} differ: {self.tokens} and {other.tokens}"
        for name in ("stop", "end_token", "tokens", "prompt_tokens"):
            if getattr(self.result, name) != getattr(other.result, name):
                return f"{name}: {self.result} and {other.result}"
        return ""


class Guesses:
    """Counts them over the cases of a model: a test without right ones and wrong ones tests nothing."""

    def __init__(self):
        self.drafted = self.accepted = 0

    def check(self, report, name):
        told = f"{self.accepted} of {self.drafted}"
        report.case(f"{name}, guesses right and wrong", 0 < self.accepted < self.drafted, told)


def compare(report, title, guesses, model, prompts, drafts=DRAFTS, **options):
    """One case for all drafts and prompts."""
    wrong = []
    for prompt in prompts:
        plain = Trace(model, prompt, "off", **options)
        if plain.result.rounds or plain.result.drafted:
            wrong.append(f"off: {plain.result}")
        for how in drafts:
            found = Trace(model, prompt, how, **options)
            guesses.drafted += found.result.drafted
            guesses.accepted += found.result.accepted
            if difference := found.difference(plain):
                wrong.append(f"{how}: {difference}")
    report.case(title, not wrong, "; ".join(wrong[:2]))


def check_tiny(report, name, path):
    guesses = Guesses()
    random = numpy.random.default_rng(5)
    phrase = random.integers(3, 300, 12)
    prompts = [numpy.tile(phrase, 4), random.integers(3, 300, 60), numpy.full(9, 17)]
    for threads in (1, 2):
        model = package.load(path, threads=threads)
        for sampling, options in SAMPLINGS.items():
            title = f"{name}, {threads} threads, {sampling}"
            options = {"max_tokens": 80, "ignore_end": True, **options}
            compare(report, title, guesses, model, prompts, **options)
    # An end at every place of a draft.
    for tokens in range(1, 10):
        options = {"max_tokens": 20 + tokens, "ignore_end": True}
        title = f"{name}, -n {20 + tokens}"
        compare(report, title, guesses, model, prompts, ["ngram:7"], **options)
    for length in range(228, 237):
        long = numpy.tile(phrase, 20)[:length]
        options = {"capacity": 256, "ignore_end": True}
        title = f"{name}, {length} of 256 positions"
        compare(report, title, guesses, model, [long], ["ngram:7"], **options)
    guesses.check(report, name)


def check_between(report, path):
    """A caller who stops in the middle of a draft, and one who uses the session meanwhile."""
    model = package.load(path)
    prompt = [7, 8, 9, 10] * 8
    plain = Trace(model, prompt, "off", max_tokens=40, ignore_end=True)
    session = model.session(capacity=512, sequences=2)
    stream = session.generate(prompt, speculate="ngram:7", max_tokens=40, ignore_end=True)
    tokens = []
    for piece in stream:
        tokens.append(piece.token)
        session.append([len(tokens)], sequence=1)
        if len(tokens) == 23:
            break
    report.case("stopped between", tokens == plain.tokens[:23], str(tokens))
    report.case("the length then", session.length() == len(prompt) + 22, str(session.length()))
    beside = model.session(capacity=512)
    beside.append(prompt + tokens[:-1])
    ours, theirs = session.append(MORE, logits="all"), beside.append(MORE, logits="all")
    report.case("what follows then", ours.tobytes() == theirs.tobytes())


def command(path, *words):
    words = [lathe(), "run", str(path), *map(str, words)]
    result = subprocess.run(words, capture_output=True)
    assert result.returncode == 0, result.stderr.decode()
    return result.stdout


def check_command(report, path):
    """Caches and chunks of all kinds; a program that was compiled to an executable."""
    with tempfile.TemporaryDirectory() as folder:
        program = pathlib.Path(folder, "program")
        package.compile(path, program)
        for title, words in (
            ("f32 cache", ["--kv-type", "f32"]),
            ("int8 cache", ["--kv-type", "int8"]),
            ("chunks of one", ["--chunk", 1]),
            ("chunks of three", ["--chunk", 3, "-t", 2]),
        ):
            words = ["-p", TEXTS[0], "--raw", "-n", 60, "--ctx", 512, *words]
            plain = command(path, *words, "--speculate", "off")
            same = all(command(path, *words, "--speculate", how) == plain for how in DRAFTS)
            report.case(f"run, {title}", same and plain, repr(plain))
        words = ["-p", TEXTS[0], "--raw", "-n", 60, "--ctx", 512]
        plain = command(path, *words, "--speculate", "off")
        ours = [command(program, *words, "--speculate", how) for how in DRAFTS]
        report.case("run, an artefact", ours == len(DRAFTS) * [plain], repr(ours))


def check_ending(report, path):
    """The model's end inside a draft."""
    model = package.load(path)
    prompt = model.tokenize(ENDING, parse_special=True)
    plain = Trace(model, prompt, "off", max_tokens=40)
    report.case("the model ends its turn", plain.result.stop == "end", str(plain.result))
    found = Trace(model, prompt, "ngram:7", max_tokens=40)
    difference = found.difference(plain)
    good = not difference and found.result.accepted > 0
    report.case("the end inside a draft", good, difference or str(found.result))


def check_interrupt(report, path):
    """Ctrl-C leaves the beginning of what would have come."""
    words = ["-p", TEXTS[1], "--raw", "-n", 200, "--ctx", 512]
    plain = command(path, *words, "--speculate", "off")
    process = subprocess.Popen(
        [lathe(), "run", path, *map(str, words), "--speculate", "ngram:7"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        # A test runner in the background ignores Ctrl-C, and so would the command.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    begin = process.stdout.read(20)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=120)
    same = plain.startswith((begin + out).rstrip(b"\n"))
    told = repr((process.returncode, begin + out, errors))
    report.case("Ctrl-C", process.returncode == 130 and same, told)


def check_real(report, model, path):
    guesses = Guesses()
    for threads in (1, 2):
        ours = package.load(path, threads=threads)
        prompts = [ours.tokenize(text, parse_special=True) for text in TEXTS]
        for sampling in ("greedy", "sampled"):
            title = f"{model.name}, {threads} threads, {sampling}"
            options = {"max_tokens": 48, "ignore_end": True, **SAMPLINGS[sampling]}
            compare(report, title, guesses, ours, prompts, ["auto", "ngram:7"], **options)
    guesses.check(report, model.name)
    if model is SMOLLM2:
        check_ending(report, path)
        check_interrupt(report, path)


def main():
    report = Report("speculation")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        os.environ["LATHE_CACHE"] = str(folder / "cache")
        for form, shape in SHAPES.items():
            path = folder / f"{form}.gguf"
            path.write_bytes(tiny_model(Shape(**shape)).write())
            report.attempt(form, check_tiny, report, form, path)
        check_between(report, folder / "q4_1.gguf")
        check_command(report, folder / "q4_1.gguf")
        attempt_models(report, check_real)
    report.exit()


if __name__ == "__main__":
    main()
