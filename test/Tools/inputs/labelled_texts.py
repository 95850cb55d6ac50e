#!/usr/bin/env python3
"""Writes random labelled texts for a tiny BERT (tiny_bert.py); needs numpy only.

    labelled_texts.py OUT_DIR

OUT_DIR gets train.tsv, valid.tsv and test.tsv, and the same texts without labels as train.txt, ...
A text's label is what a random linear head finds in the vector behind the model's last layer, so
that heads find it the better, the more layers they have seen.
"""

import pathlib
import sys

import numpy as np
import tiny_bert

LABELS = ["animals", "plants", "stones"]
SIZES = {"train": 500, "valid": 600, "test": 400}
SPECIAL = len(tiny_bert.SPECIAL)


def label(random, texts):
    """An index into LABELS for each text."""
    weights = tiny_bert.random_weights(tiny_bert.CONFIG)
    ids = [np.concatenate([[2], words + SPECIAL, [3]]) for words in texts]
    vectors = np.array([tiny_bert.forward(tiny_bert.CONFIG, weights, each).mean(0) for each in ids])
    vectors = (vectors - vectors.mean(0)) / vectors.std(0)
    return (vectors @ random.standard_normal((vectors.shape[1], len(LABELS)))).argmax(1)


def write(folder):
    """Gives the labels of each part."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    random, labels, first = np.random.default_rng(8), {}, 0
    texts = [random.integers(0, 60, random.integers(3, 14)) for _ in range(sum(SIZES.values()))]
    found = label(random, texts)
    for name, count in SIZES.items():
        labels[name] = found[first : first + count]
        words = [" ".join(f"w{word}" for word in text) for text in texts[first : first + count]]
        lines = [f"{LABELS[each]}\t{text}\n" for each, text in zip(labels[name], words)]
        (folder / f"{name}.tsv").write_text("".join(lines))
        (folder / f"{name}.txt").write_text("".join(text + "\n" for text in words))
        first += count
    return labels


if __name__ == "__main__":
    write(sys.argv[1])
