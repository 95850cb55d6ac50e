#!/usr/bin/env python3
"""`lathe tokenize` gives llama.cpp's ids for llama.cpp's own test strings.

    tokenizer_goldens.py [FOLDER] [--lathe BINARY] [--only NAME]

FOLDER holds ggml-vocab-*.gguf, each with .inp (strings) and .out (a line of ids for each string,
without start and end tokens), as models/ of llama.cpp's source does; without it they are fetched once into
the user's cache.  A vocabulary of a kind that
is not supported yet is skipped: for that the command must end with exit code 3.  Since a folder
that is empty by mistake would pass too, a least number of strings is demanded.

The prompts of the models in test/reference/real-models are checked too, start tokens and all, where
the model itself is in the user's cache.
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

from support import REFERENCE, Failed, Report, lathe

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from llamacpp import environment, goldens  # noqa: E402

SEPARATOR = "\n__ggml_vocab_test__\n"
UNSUPPORTED = 3
LEAST_STRINGS = 661  # Of eleven byte-level vocabularies and three with characters.
WORKERS = 2


class Unsupported(Exception):
    """The vocabulary is of a kind that the product does not know."""


def read_goldens(vocabulary):
    """Pairs of a string and its ids."""
    base = str(vocabulary)
    texts = pathlib.Path(base + ".inp").read_bytes().decode().split(SEPARATOR)
    # Split and not splitlines(): the last string may be empty, and its ids an empty last line.
    lines = pathlib.Path(base + ".out").read_text().split("\n")
    if len(lines) == len(texts) + 1 and not lines[-1]:
        lines.pop()
    if len(lines) != len(texts):
        raise Failed(f"has {len(texts)} strings, but {len(lines)} lines of ids")
    return [(text, [int(word) for word in line.split()]) for text, line in zip(texts, lines)]


def tokenize(binary, vocabulary, text, folder, number, *flags):
    source = pathlib.Path(folder, f"{number}.txt")
    source.write_bytes(text.encode())
    command = [binary, "tokenize", str(vocabulary), "-f", str(source), *flags]
    try:
        result = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=120)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed(f"cannot run {binary}: {error}") from None
    if result.returncode == UNSUPPORTED:
        raise Unsupported(result.stderr.strip())
    if result.returncode != 0:
        raise Failed(f"'lathe tokenize' ended with {result.returncode}: {result.stderr.strip()}")
    return [int(word) for word in re.findall(r"-?\d+", result.stdout)]


def check(binary, vocabulary, goldens, *flags):
    """What is wrong with the ids of some of the `goldens`."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(WORKERS) as pool:
        jobs = [
            pool.submit(tokenize, binary, vocabulary, text, folder, number, *flags)
            for number, (text, _) in enumerate(goldens)
        ]
        found = [job.result() for job in jobs]
    return [
        f"{text!r}: found {ids}, expected {expected}"
        for (text, expected), ids in zip(goldens, found)
        if ids != expected
    ]


def check_models(binary, report):
    """The prompts of the real models."""
    for reference in sorted(REFERENCE.glob("real-models/*/reference.json")):
        name = reference.parent.name
        model = environment.cache() / "models" / f"{name}.gguf"
        if not model.exists():
            report.skip(name, f"{model.name} is not in the user's cache")
            continue
        prompts = [(p["prompt"], p["ids"]) for p in json.loads(reference.read_text())]
        try:
            wrong = check(binary, model, prompts)
        except (Failed, Unsupported) as failure:
            report.case(name, False, str(failure))
        else:
            report.case(name, bool(prompts) and not wrong, "; ".join(wrong[:1]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path, nargs="?")
    parser.add_argument("--lathe", default=lathe(), metavar="BINARY")
    parser.add_argument("--only", metavar="NAME", help="one vocabulary, such as gpt-2; no least number")
    arguments = parser.parse_args()

    report = Report("tokenizer")
    folder = arguments.folder or goldens.ensure()
    if not folder:
        report.skip("goldens", "cannot be fetched here")
        report.exit()
    strings = 0
    for inputs in sorted(folder.glob("ggml-vocab-*.gguf.inp")):
        vocabulary = inputs.with_suffix("")
        name = vocabulary.stem.removeprefix("ggml-vocab-")
        if arguments.only and name != arguments.only:
            continue
        try:
            pairs = read_goldens(vocabulary)
            wrong = check(arguments.lathe, vocabulary, pairs, "--no-bos")
        except Unsupported as reason:
            report.skip(name, str(reason).splitlines()[0])
        except Failed as failure:
            report.case(name, False, str(failure))
        else:
            strings += len(pairs)
            report.case(name, not wrong, f"{len(wrong)} of {len(pairs)}: {wrong[0]}" if wrong else "")
    if not arguments.only:
        enough = strings >= LEAST_STRINGS
        report.case("strings checked", enough, f"found {strings}, expected at least {LEAST_STRINGS}")
        check_models(arguments.lathe, report)
    report.exit()


if __name__ == "__main__":
    main()
