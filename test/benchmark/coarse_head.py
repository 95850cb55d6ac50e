#!/usr/bin/env python3
"""What a calibrated coarse copy of the output head would rule out, beside the planes of the head itself.

    coarse_head.py MODEL [--hold-out 2]

The states in front of the head are found from the logits of the reference texts.  With those of all
texts but one the coarse copy is calibrated: the mean row is taken off, rows and states are turned to
the basis in which both are uncorrelated, and the columns get 0, 2 or 4 bits, where they leave the
smallest bound.  On the last text it is counted how many rows a bound of four norms (of a quarter of
the columns each) leaves to be computed, in one stage, and in two, of which the second is the bound
from the head's own upper four bits.  Bounds are without the slack for rounding, which is 1e-4 of them.

A second table counts the same for the planes themselves, with a calibrated certificate: columns have
weights, and in a few directions, those that hold most of the states, the error of a row is known.

Prints a markdown table; "factor" is that of decoding with the whole head, if time were bytes.
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile

import gguf
import numpy

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test" / "conformance"))
from support import lathe  # noqa: E402

TEXTS = sorted((ROOT / "test" / "reference" / "text").glob("*.txt"))
BLOCK, STRIDE, POSITIONS = 32, 16, 48  # Of a block of Q8_0; every so many rows; tested, of a text.
DIRECTIONS = (0, 8, 32)  # In which the error of a row is known.
BITS = (2.5, 3.0, 3.5, 4.0)  # Of a coarse weight, on average.
# Steps of a uniform quantiser relative to the spread of a column, and what is left of it.
STEPS = {2: 0.85, 4: 0.35}
FRONT = (BLOCK / 2 + 2) / (BLOCK + 2)  # Of the head's bytes, the upper four bits and the scales.


class Head:
    """The head of a file: its weights as numbers, and the blocks that they are stored in."""

    def __init__(self, path):
        tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}
        head = tensors.get("output.weight", tensors["token_embd.weight"])
        if head.tensor_type != gguf.GGMLQuantizationType.Q8_0:
            sys.exit("coarse_head.py: the head is not stored as Q8_0")
        raw = numpy.asarray(head.data)
        blocks = raw.reshape(len(raw), -1, BLOCK + 2)
        self.scales = blocks[:, :, :2].copy().view(numpy.float16)[:, :, 0].astype(numpy.float32)
        self.quants = blocks[:, :, 2:].view(numpy.int8)
        self.rows = (self.quants * self.scales[:, :, None]).reshape(len(raw), -1)
        self.share = head.n_bytes / sum(tensor.n_bytes for tensor in tensors.values())


def states_of(model, text, rows):
    """[positions][width], and the logits of the last ones; `rows` are enough of the head's."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder, "logits.npy")
        words = ["-p", text.read_text()[:1200], "-o", str(out), "-t", "2"]
        subprocess.run([lathe(), "logits", model, *words], check=True, stderr=subprocess.DEVNULL)
        logits = numpy.load(out)[8:]
    products = logits[:, ::STRIDE].astype(numpy.float64) @ rows
    states = numpy.linalg.solve(rows.T @ rows, products.T).T
    return states.astype(numpy.float32), logits[-POSITIONS:].copy()


def basis(rows, states):
    """What turns rows and states so that products stay, and neither is correlated."""
    moment = states.T.astype(numpy.float64) @ states / len(states)
    moment += 0.02 * numpy.trace(moment) / len(moment) * numpy.eye(len(moment))
    values, vectors = numpy.linalg.eigh(moment)
    root = vectors * numpy.sqrt(values) @ vectors.T
    spread = rows.T.astype(numpy.float64) @ rows / len(rows)
    turn = numpy.linalg.eigh(root @ spread @ root)[1][:, ::-1]
    forward, back = root @ turn, numpy.linalg.solve(root, turn)
    return forward.astype(numpy.float32), back.astype(numpy.float32)


def quantised(columns, spread, bits):
    step, levels = numpy.float32(STEPS[bits]) * spread, 1 << bits
    return (numpy.clip(numpy.floor(columns / step), -levels // 2, levels // 2 - 1) + 0.5) * step


def allot(columns, spread, bits):
    """Bits of each column, so that the sum of what they leave is least."""
    left = {0: spread}
    for count in STEPS:
        left[count] = numpy.sqrt(((columns - quantised(columns, spread, count)) ** 2).mean(axis=0))
    gains = [(g, c) for c, g in enumerate((left[0] - left[2]) / 2)]
    gains += [(g, c) for c, g in enumerate((left[2] - left[4]) / 2)]
    chosen = numpy.zeros(len(spread), int)
    for _, column in sorted(gains, reverse=True)[: int(bits * len(spread) / 2)]:
        chosen[column] += 2
    return chosen


def rotated_bounds(rows, mean, states, turn, bits):
    """[states][rows]: no product is above."""
    forward, back = turn
    columns, turned = (rows - mean) @ forward, states @ back
    norms = numpy.sqrt((columns**2).mean(axis=1, keepdims=True))
    even = columns / norms
    spread = numpy.sqrt((even**2).mean(axis=0))
    chosen = allot(even, spread, bits)
    coarse = numpy.zeros_like(even)
    for count in STEPS:
        own = chosen == count
        coarse[:, own] = quantised(even[:, own], spread[own], count)
    coarse *= norms
    rest = columns - coarse
    weight = numpy.sqrt(numpy.sqrt((rest**2).mean(axis=0)))
    bounds = turned @ coarse.T + (states @ mean)[:, None]
    for part in numpy.array_split(numpy.arange(len(spread)), 4):
        ours = numpy.linalg.norm(turned[:, part] * weight[part], axis=1)
        bounds += numpy.outer(ours, numpy.linalg.norm(rest[:, part] / weight[part], axis=1))
    return bounds


def plane_bounds(head, states, rows):
    """The same, from the upper four bits of the head (docs/head-screening.md)."""
    low = (head.quants[rows].astype(numpy.int16) + 128) % 16 - 7.5
    scales = head.scales[rows]
    rest = (low * scales[:, :, None]).reshape(len(rows), -1).astype(numpy.float32)
    certificates = numpy.linalg.norm(low, axis=2).max(axis=1)
    norms = numpy.linalg.norm(states.reshape(len(states), -1, BLOCK), axis=2)
    return states @ (head.rows[rows] - rest).T + certificates * (norms @ abs(scales).T)


def weighted_bounds(head, known, states, rows, bits, directions):
    """From the upper `bits` bits: weighted columns, and exact errors in so many directions."""
    step = 1 << (8 - bits)
    low = (head.quants[rows].astype(numpy.int16) + 128) % step - (step - 1) / 2
    rest = (low * head.scales[rows][:, :, None]).reshape(len(rows), -1).astype(numpy.float32)
    bounds = states @ (head.rows[rows] - rest).T
    size = numpy.sqrt((rest**2).mean(axis=0))
    rest, states, known = rest / size, states * size, known * size
    turn = numpy.linalg.eigh(known.T @ known)[1][:, ::-1][:, :directions]
    bounds += (states @ turn) @ (rest @ turn).T
    rest, states, known = (each - (each @ turn) @ turn.T for each in (rest, states, known))
    weight = numpy.sqrt((rest**2).mean(axis=0) / ((known**2).mean(axis=0) + 1e-12)) ** 0.5
    ours = numpy.linalg.norm(states * weight, axis=1)
    return bounds + numpy.outer(ours, numpy.linalg.norm(rest / weight, axis=1))


def print_weighted(head, found, sample, hold_out):
    print("\n| rows computed, mean and 95th percentile | 3 bits | 4 bits | 5 bits |\n|---|---|---|---|")
    for directions in DIRECTIONS:
        cells = []
        for bits in (3, 4, 5):
            left = []
            for out in range(hold_out):
                states, best = found[out][0][-POSITIONS:], found[out][1].max(axis=1)[:, None]
                known = numpy.concatenate([each[0] for n, each in enumerate(found) if n != out])
                bounds = weighted_bounds(head, known, states, sample, bits, directions)
                left.append((bounds >= best).mean(axis=1))
            left = 100 * numpy.concatenate(left)
            cells.append(f"{left.mean():.2f}; {numpy.quantile(left, 0.95):.1f} %")
        print(f"| weighted columns, {directions} directions | " + " | ".join(cells) + " |")


def told(name, front, share, first, left):
    """A row of the table; `first` and `left` are shares of rows by position: those that a second
    bound is made for, and those that are computed."""
    two = f"{100 * first.mean():.1f} %" if first.any() else ""
    read = front + first.mean() * FRONT + left.mean() * (1 - FRONT if two else 1)
    factor = 1 / (1 - share * (1 - read))
    return (
        f"| {name} | {front:.2f} | {two} | {100 * left.mean():.1f} % |"
        f" {100 * numpy.quantile(left, 0.95):.1f} % | {read:.2f} | {factor:.2f} |"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("model", help="a GGUF file")
    parser.add_argument("--hold-out", type=int, default=2, metavar="N", help="test on N texts in turn")
    options = parser.parse_args()
    head = Head(options.model)
    sample = numpy.arange(0, len(head.rows), STRIDE)
    rows = head.rows[sample]
    mean = rows.mean(axis=0)
    found = [states_of(options.model, text, rows.astype(numpy.float64)) for text in TEXTS]
    planes, rotated, both = [], {bits: [] for bits in BITS}, {bits: [] for bits in BITS}
    for out in range(options.hold_out):
        states, best = found[out][0][-POSITIONS:], found[out][1].max(axis=1)[:, None]
        known = numpy.concatenate([each[0] for n, each in enumerate(found) if n != out])
        turn = basis(rows - mean, known)
        ours = plane_bounds(head, states, sample) >= best
        planes.append(ours.mean(axis=1))
        for bits in BITS:
            theirs = rotated_bounds(rows, mean, states, turn, bits) >= best
            rotated[bits].append(theirs.mean(axis=1))
            both[bits].append((theirs & ours).mean(axis=1))
    none = numpy.zeros(1)
    print(f"the head is {head.share:.0%} of the file; {sum(len(f[0]) for f in found)} states\n")
    print("| coarse weights | their bytes, of the head's | rows bounded again | rows computed |", end="")
    print(" 95th percentile | bytes in all | factor |")
    print("|---|---|---|---|---|---|---|")
    planes = numpy.concatenate(planes)
    print(told("upper 4 bits", FRONT, head.share, none, planes))
    for bits in BITS:
        # A scale and four norms of a row, in two bytes each.
        front = (bits / 8 + 10 / head.rows.shape[1]) * BLOCK / (BLOCK + 2)
        one, two = numpy.concatenate(rotated[bits]), numpy.concatenate(both[bits])
        print(told(f"calibrated, {bits} bits", front, head.share, none, one))
        print(told(f"calibrated, {bits} bits, then upper 4", front, head.share, one, two))
    print_weighted(head, found, sample, options.hold_out)


if __name__ == "__main__":
    main()
