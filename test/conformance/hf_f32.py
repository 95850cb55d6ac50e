#!/usr/bin/env python3
"""The f32 path against Hugging Face transformers on the same (dequantised) weights.

One run per prompt over prompt + reference continuation checks three things: the whole row at the
last prompt position, the 50 best and the logsumexp at every prompt position, and the greedy
continuation step by step (teacher-forced, so that one tie cannot spoil the rest).
"""

import json

import numpy

from support import Report, attempt_models, logits, logsumexp

# Of the largest |logit| of the row.
TOLERANCE = 1e-3


class Prompt:
    """One prompt of a model's reference.json and what transformers computed of it."""

    def __init__(self, model, entry):
        self.folder, self.file = model.reference, entry["name"]
        self.name = f"{model.name} {entry['name']}"
        self.ids, self.greedy = entry["ids"], entry["greedy_hf_f32"]

    def load(self, what):
        return numpy.load(self.folder / f"{self.file}.hf_f32.{what}.npy")


def check_last_row(report, prompt, ours):
    reference = prompt.load("last")
    relative = numpy.abs(ours - reference).max() / numpy.abs(reference).max()
    report.case(
        f"{prompt.name} last row", relative <= TOLERANCE, f"max difference {relative:.1e} of the largest"
    )


def check_positions(report, prompt, ours):
    name = prompt.name
    ids, reference = prompt.load("top50_ids"), prompt.load("top50_logits")
    limit = TOLERANCE * numpy.abs(reference).max(axis=1)
    difference = numpy.abs(numpy.take_along_axis(ours, ids.astype(numpy.int64), 1) - reference).max(
        axis=1
    )
    sums = numpy.abs(logsumexp(ours) - prompt.load("logsumexp"))
    worst = (numpy.maximum(difference, sums) / limit).max() * TOLERANCE
    good = (difference <= limit).all() and (sums <= limit).all()
    report.case(f"{name} top 50", good, f"{len(ids)} positions, worst {worst:.1e} of the largest")
    clear = reference[:, 0] - reference[:, 1] > limit
    same = ours.argmax(axis=1) == ids[:, 0]
    report.case(
        f"{name} top 1",
        same[clear].all(),
        f"{same.sum()} of {len(same)} equal, {(~clear).sum()} too close to tell",
    )


def check_greedy(report, prompt, ours, limit):
    expected = numpy.array(prompt.greedy["ids"])
    clear = numpy.array(prompt.greedy["gap_top1_top2"]) > limit
    same = ours.argmax(axis=1) == expected
    report.case(
        f"{prompt.name} greedy",
        same[clear].all(),
        f"{same.sum()} of {len(same)} tokens, {(~clear).sum()} too close to tell"
        + ("" if same[clear].all() else f", first wrong at {numpy.flatnonzero(~same & clear)[0]}"),
    )


def check_prompt(report, prompt, path):
    ours = logits(path, prompt.ids + prompt.greedy["ids"][:-1], "--precision=f32")
    last = len(prompt.ids) - 1
    check_last_row(report, prompt, ours[last])
    check_positions(report, prompt, ours[: last + 1])
    limit = TOLERANCE * numpy.abs(prompt.load("last")).max()
    check_greedy(report, prompt, ours[last:], limit)


def prompts(model):
    entries = json.loads((model.reference / "reference.json").read_text())
    return [Prompt(model, entry) for entry in entries]


def check_model(report, model, path):
    for prompt in prompts(model):
        report.attempt(prompt.name, check_prompt, report, prompt, path)


def main():
    report = Report("hf_f32")
    attempt_models(report, check_model)
    report.exit()


if __name__ == "__main__":
    main()
