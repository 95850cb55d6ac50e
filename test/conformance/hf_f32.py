#!/usr/bin/env python3
"""The f32 path against Hugging Face transformers on the same (dequantised) weights.

One run per prompt over prompt + reference continuation checks three things: the whole row at the
last prompt position, the 50 best and the logsumexp at every prompt position, and the greedy
continuation step by step (teacher-forced, so that one tie cannot spoil the rest).
"""

import json

import numpy

from support import SMOLLM2, Report, logits, logsumexp, model_or_skip

# Of the largest |logit| of the row.
TOLERANCE = 1e-3


def load(prompt, what):
    return numpy.load(SMOLLM2 / f"{prompt}.hf_f32.{what}.npy")


def check_last_row(report, name, ours):
    reference = load(name, "last")
    relative = numpy.abs(ours - reference).max() / numpy.abs(reference).max()
    report.case(
        f"{name} last row", relative <= TOLERANCE, f"max difference {relative:.1e} of the largest"
    )


def check_positions(report, name, ours):
    ids, reference = load(name, "top50_ids"), load(name, "top50_logits")
    limit = TOLERANCE * numpy.abs(reference).max(axis=1)
    difference = numpy.abs(numpy.take_along_axis(ours, ids.astype(numpy.int64), 1) - reference).max(
        axis=1
    )
    sums = numpy.abs(logsumexp(ours) - load(name, "logsumexp"))
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


def check_greedy(report, name, ours, greedy, limit):
    expected = numpy.array(greedy["ids"])
    clear = numpy.array(greedy["gap_top1_top2"]) > limit
    same = ours.argmax(axis=1) == expected
    report.case(
        f"{name} greedy",
        same[clear].all(),
        f"{same.sum()} of {len(same)} tokens, {(~clear).sum()} too close to tell"
        + ("" if same[clear].all() else f", first wrong at {numpy.flatnonzero(~same & clear)[0]}"),
    )


def check_prompt(report, model, entry):
    name, ids, greedy = entry["name"], entry["ids"], entry["greedy_hf_f32"]
    ours = logits(model, ids + greedy["ids"][:-1], "--precision=f32")
    check_last_row(report, name, ours[len(ids) - 1])
    check_positions(report, name, ours[: len(ids)])
    limit = TOLERANCE * numpy.abs(load(name, "last")).max()
    check_greedy(report, name, ours[len(ids) - 1 :], greedy, limit)


def main():
    report = Report("hf_f32")
    model = model_or_skip(report)
    for entry in json.loads((SMOLLM2 / "reference.json").read_text()):
        report.attempt(entry["name"], check_prompt, report, model, entry)
    report.exit()


if __name__ == "__main__":
    main()
