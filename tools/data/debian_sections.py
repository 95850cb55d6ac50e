#!/usr/bin/env python3
"""Labelled texts from the descriptions of Debian's packages: a text, and the section it is in.

    debian_sections.py PACKAGES TRANSLATION OUT

PACKAGES and TRANSLATION are Debian's lists of packages and of their English descriptions, as
`./dev data debian-sections` fetches them.  OUT/TASK-SEED gets train.tsv, valid.tsv and test.tsv for
each task and seed: a label, a tab and a text on each line.

A text is a package's short and long description, without its name.  Packages that bring nothing of
their own are left out (transitional, dummy, meta and debug packages), and so are texts that were there
before, all but two of a source package and section, and what is beyond a section's share.  All
packages of one source are in the same part, so that no test text has a sister among those learned from.
"""

import collections
import hashlib
import pathlib
import re
import sys

LANGUAGES = "python perl ruby javascript java gnu-r php ocaml lisp haskell".split()
TOPICS = "games sound graphics net science math text mail web admin".split()
APPLICATIONS = [*TOPICS, *"utils x11 editors database electronics video".split()]
SECTIONS = "libs libdevel python doc perl devel utils net javascript java science admin ruby games x11 sound"
TASKS = {
    "topics10": {section: section for section in TOPICS},
    "lib-app": {section: "lib" for section in [*LANGUAGES, "libs", "libdevel"]}
    | {section: "app" for section in APPLICATIONS},
    "sections16": {section: section for section in SECTIONS.split()},
}
SEEDS = range(1, 5)
PARTS = (("train", 0.45), ("valid", 0.70), ("test", 1.0))  # with the share that ends there
OF_A_SOURCE = 2
SHARE = 750
SHARES = dict.fromkeys(("python", "perl", "libs", "libdevel"), 1100) | {"haskell": 250}
EMPTY = re.compile(r"transitional|dummy|meta-?\s?package|debug(ging)? (symbols|files)|\(debug\)", re.I)
EMPTY_NAME = re.compile(r"-(dbg|dbgsym)$")


def paragraphs(path):
    """The paragraphs of a file in Debian's form: {field: lines}."""
    fields, name = {}, None
    with open(path, encoding="utf-8") as file:
        for line in file:
            line = line.rstrip("\n")
            if not line:
                if fields:
                    yield fields
                fields, name = {}, None
            elif line[0] == " " and name:
                fields[name].append(line[1:])
            else:
                name, _, value = line.partition(":")
                fields[name] = [value.strip()]
    if fields:
        yield fields


def read_descriptions(path):
    """By the sum of a description: its short line, and all of it as one line."""
    found = {}
    for fields in paragraphs(path):
        short, *rest = fields["Description-en"]
        words = [short if short.endswith((".", "!", "?")) else short + "."]
        words += ["" if line == "." else line for line in rest]
        found[fields["Description-md5"][0]] = short, " ".join(" ".join(words).split())
    return found


def rank(*words):
    """A number from 0 to 1 that these words alone decide."""
    digest = hashlib.sha256("\n".join(map(str, words)).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def read_packages(path, descriptions):
    """(source, section, text), in an order that says nothing about them."""
    found = []
    for fields in paragraphs(path):
        name, md5 = fields["Package"][0], fields.get("Description-md5", [""])[0]
        if md5 not in descriptions or EMPTY_NAME.search(name):
            continue
        short, text = descriptions[md5]
        if EMPTY.search(short):
            continue
        source = fields.get("Source", [name])[0].split()[0]
        found.append((source, fields.get("Section", [""])[0], text, name))
    found.sort(key=lambda each: rank("order", each[3]))
    return [each[:3] for each in found]


def choose(packages):
    """At most so many of a source, and of a section."""
    texts, of_source, of_section, chosen = set(), collections.Counter(), collections.Counter(), []
    known = set().union(*TASKS.values())
    for source, section, text in packages:
        if section not in known or text in texts:
            continue
        if of_source[source, section] >= OF_A_SOURCE or of_section[section] >= SHARES.get(section, SHARE):
            continue
        texts.add(text)
        of_source[source, section] += 1
        of_section[section] += 1
        chosen.append((source, section, text))
    return chosen


def write_split(folder, packages, labels, seed):
    folder.mkdir(parents=True, exist_ok=True)
    lines = {name: [] for name, _ in PARTS}
    for source, section, text in packages:
        if section in labels:
            place = rank(seed, source)
            part = next(name for name, end in PARTS if place < end)
            lines[part].append(f"{labels[section]}\t{text}\n")
    for part, written in lines.items():
        (folder / f"{part}.tsv").write_text("".join(written), "utf-8")
    return {part: len(written) for part, written in lines.items()}


def main():
    packages, translation, out = map(pathlib.Path, sys.argv[1:])
    chosen = choose(read_packages(packages, read_descriptions(translation)))
    for task, labels in TASKS.items():
        for seed in SEEDS:
            sizes = write_split(out / f"{task}-{seed}", chosen, labels, seed)
            print(f"{task}-{seed}: {sizes}", file=sys.stderr)


if __name__ == "__main__":
    main()
