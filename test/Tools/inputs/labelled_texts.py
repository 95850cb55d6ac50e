#!/usr/bin/env python3
"""Writes random labelled texts of a tiny BERT's words (tiny_bert.py); needs numpy only.

    labelled_texts.py OUT_DIR [--certainty SHARE]

OUT_DIR gets train.tsv, valid.tsv and test.tsv, and the same texts without labels as train.txt, ...
"""

import argparse
import pathlib

import numpy as np

LABELS = ["animals", "plants", "stones"]
SIZES = {"train": 500, "valid": 600, "test": 400}


def make(random, count, certainty):
    """Labels and texts; a word is one of the label's own with that probability, else any."""
    labels = random.integers(0, len(LABELS), count)
    texts = []
    for label in labels:
        size = random.integers(3, 14)
        own, any_word = label * 20 + random.integers(0, 20, size), random.integers(0, 60, size)
        words = np.where(random.random(size) < certainty, own, any_word)
        texts.append(" ".join(f"w{word}" for word in words))
    return labels, texts


def write(folder, certainty=0.45):
    """Gives the labels and texts of each part."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    random, parts = np.random.default_rng(8), {}
    for name, count in SIZES.items():
        labels, texts = parts[name] = make(random, count, certainty)
        lines = [f"{LABELS[label]}\t{text}\n" for label, text in zip(labels, texts)]
        (folder / f"{name}.tsv").write_text("".join(lines))
        (folder / f"{name}.txt").write_text("".join(text + "\n" for text in texts))
    return parts


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--certainty", type=float, default=0.45)
    options = parser.parse_args()
    write(options.folder, options.certainty)


if __name__ == "__main__":
    main()
