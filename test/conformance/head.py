#!/usr/bin/env python3
"""Screening the output head changes how fast tokens come and never which: greedy and sampled, with
guesses and without, in this process and compiled to a program, tokens and what the model says to
more of them are those of the whole head, bit by bit."""

import importlib
import os
import pathlib
import subprocess
import sys
import tempfile

from support import ROOT, SMOLLM2, Report, attempt_models, lathe

os.environ["LATHE_LIBRARY"] = str(pathlib.Path(lathe()).resolve().parents[1] / "lib/liblathe.so")
sys.path.insert(0, str(ROOT / "tools" / "python"))
package = importlib.import_module("lathe")

TEXTS = sorted((ROOT / "test" / "reference" / "text").glob("*.txt"))
GREEDY_TOKENS = 2000  # Of each model, over all texts.
SAMPLINGS = {
    "top-k 1": {"temperature": 0.8, "top_k": 1, "seed": 3},
    "top-k 40": {"temperature": 0.8, "top_k": 40, "top_p": 0.95, "seed": 7},
    "top-k 64, hot": {"temperature": 1.5, "top_k": 64, "min_p": 0.01, "seed": 11},
    "cold": {"temperature": 0.01, "top_k": 40, "seed": 5},
}
MORE = [3, 1, 4, 1, 5]  # What every sequence is continued with in the end.


class Trace:
    """What a generation gave and left behind."""

    def __init__(self, model, prompt, head, speculate="off", **options):
        session = model.session(capacity=1024)
        stream = session.generate(
            prompt, head=head, speculate=speculate, ignore_end=True, **options
        )
        self.tokens = [piece.token for piece in stream]
        self.result = stream.result
        self.more = session.append(MORE, logits="all").tobytes()

    def difference(self, other):
        """From that with the whole head; an empty text when there is none."""
        for name in ("tokens", "more"):
            if getattr(self, name) != getattr(other, name):
                return f"{name} differ: {self.tokens} and {other.tokens}"
        return ""


class Counts:
    """Of the screened steps of a way: a test in which nothing was left out would test nothing."""

    def __init__(self):
        self.steps = self.positions = self.whole = self.accepted = 0

    def add(self, result):
        self.steps += result.head_steps
        self.positions += result.head_positions
        self.whole += result.head_whole
        self.accepted += result.accepted

    def check(self, report, title, least, guessing):
        told = f"{self.steps} steps, {self.positions} positions, {self.whole} of them whole"
        told += f", {self.accepted} guesses right"
        several = self.positions > self.steps and self.accepted > 0
        good = self.positions - self.whole >= least and several == guessing
        report.case(f"{title}: rows are left out", good, told)


def compare(report, title, model, prompts, ways, **options):
    """One case for all prompts and ways; the counts of each way."""
    wrong, tokens, counts = [], 0, {way: Counts() for way in ways}
    for prompt in prompts:
        plain = Trace(model, prompt, "full", **options)
        tokens += len(plain.tokens)
        if plain.result.head_steps:
            wrong.append(f"full: {plain.result}")
        for head, speculate in ways:
            found = Trace(model, prompt, head, speculate, **options)
            counts[head, speculate].add(found.result)
            if difference := found.difference(plain):
                wrong.append(f"{head}, {speculate}: {difference}")
    report.case(f"{title}, {tokens} tokens", not wrong, "; ".join(wrong[:2]))
    return counts


def check_model(report, model, path):
    prompts = {}
    for threads in (1, 2):
        ours = package.load(path, threads=threads)
        prompts = [ours.tokenize(text.read_text()[:400])[:64] for text in TEXTS]
        each = GREEDY_TOKENS // len(prompts) if threads == 2 else 40
        title = f"{model.name}, {threads} threads"
        ways = [("screened", "off"), ("screened", "ngram:7")]
        counts = compare(report, f"{title}, greedy", ours, prompts, ways, max_tokens=each)
        for way, found in counts.items():
            least = 0.8 * each * len(prompts)
            found.check(report, f"{title}, {' '.join(way)}", least, way[1] != "off")
    ways = [("auto", "off"), ("screened", "off"), ("auto", "auto"), ("screened", "ngram:3")]
    compare(report, f"{model.name}, ways", ours, prompts[:2], ways, max_tokens=60)
    for name, options in SAMPLINGS.items():
        title = f"{model.name}, {name}"
        compare(report, title, ours, prompts[:2], ways[1:], max_tokens=40, **options)
    check_whole(report, model, ours, prompts[0])
    if model is SMOLLM2:
        check_program(report, path)


def check_whole(report, model, ours, prompt):
    """A sampler that needs all logits gets them, whatever it is told."""
    for options in ({"top_k": 65}, {"top_p": 0.9}, {}):
        options = {"temperature": 0.8, "seed": 2, "max_tokens": 8, **options}
        found = Trace(ours, prompt, "screened", **options)
        same = not found.difference(Trace(ours, prompt, "full", **options))
        title = f"{model.name}, all are needed, {options}"
        report.case(title, same and found.result.head_steps == 0, str(found.result))


def command(path, *words):
    result = subprocess.run([lathe(), "run", str(path), *words], capture_output=True)
    assert result.returncode == 0, result.stderr.decode()
    return result.stdout


def check_program(report, path):
    """A program that was compiled ahead, and the command's own words."""
    with tempfile.TemporaryDirectory() as folder:
        program = pathlib.Path(folder, "program")
        package.compile(path, program)
        words = ["-p", TEXTS[0].read_text()[:300], "--raw", "-n", "40", "--ctx", "512"]
        plain = command(path, *words, "--head", "full")
        for title, what, head in (
            ("run, screened", path, "screened"),
            ("run, auto", path, "auto"),
            ("a program, screened", program, "screened"),
            ("a program, full", program, "full"),
        ):
            found = command(what, *words, "--head", head)
            report.case(title, found == plain and plain, repr(found))


def main():
    report = Report("head")
    attempt_models(report, check_model)
    report.exit()


if __name__ == "__main__":
    main()
