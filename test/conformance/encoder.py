#!/usr/bin/env python3
"""Encoders of the BERT family, from folders in the form of Hugging Face.

A tiny model of transformers (test/reference/tiny-hf/bert) against what transformers computed; random
models of odd sizes against float64; the WordPiece tokenizer against huggingface/tokenizers; and, where it
is in the user's cache, all-MiniLM-L6-v2 against float64.  A text gives the same bits alone and beside
others, with any number of threads, from the cache and from the compiler, and through the library.
"""

import importlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy as np
from support import REFERENCE, ROOT, Failed, Report, cache_folder, lathe, shown

sys.path.insert(0, str(ROOT / "test" / "Tools" / "inputs"))
import tiny_bert
import tiny_safetensors

# Of the largest value: what transformers and float64 differ by is 1.3e-6.
F32_BOUND = 1e-4
# With rows and weights of about 12 bits, through three layers.
INT16_BOUND = 3e-3
# Distances from 1 of the cosine, of vectors computed in bf16, int16 and float32.  The same rounding
# done by numpy gives 1.1e-5 for six tokens, and 2e-6 from 14 tokens on.
BF16_COSINE, INT16_COSINE, F32_COSINE = 1e-3, 2e-5, 1e-6
# With some products in int8: what was asked for.  numpy gives at most 6e-4 (benchmark/encoder_bits.py).
MIXED_COSINE = 1e-3
# Random models of a few dozen columns, far from any that was trained.
MIXED_BOUND = 3e-2
MINILM = "all-minilm-l6-v2"
SENTENCES = [
    "How are you?",
    "This framework generates embeddings for each input sentence.",
    "A man is eating a piece of bread, and the girl carries a baby; 1,234.56 $ in Zürich!",
    "the " * 400,
    "x",
]


def embed(folder, texts, *flags):
    """`lathe embed`, with the texts in a file: [texts, width]."""
    with tempfile.TemporaryDirectory() as place:
        lines, out = pathlib.Path(place, "texts.txt"), pathlib.Path(place, "out.npy")
        lines.write_bytes("".join(text + "\n" for text in texts).encode())
        command = [lathe(), "embed", str(folder), "-f", str(lines), "-o", str(out), *flags]
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode != 0:
            raise Failed(f"'{shown(command)}' ended with {result.returncode}: {result.stderr.strip()}")
        return np.load(out)


def spell(ids):
    """A text of those tokens, of a vocabulary of `word_list`."""
    return " ".join(f"w{number}" for number in ids)


def write_bare_words(folder, size):
    """A tokenizer that puts nothing around a text, for ids that were chosen by others."""
    vocab = {f"w{number}": number for number in range(size - 1)} | {"[UNK]": size - 1}
    model = {"type": "WordPiece", "unk_token": "[UNK]", "vocab": vocab}
    parts = {"normalizer": "BertNormalizer", "pre_tokenizer": "BertPreTokenizer"}
    root = {key: {"type": value} for key, value in parts.items()} | {"model": model}
    (folder / "tokenizer.json").write_text(json.dumps(root))


def far(found, expected):
    return np.abs(found - expected).max() / np.abs(expected).max()


def cosine_distance(found, expected):
    a, b = found.astype(np.float64), expected.astype(np.float64)
    lengths = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    return float((1 - (a * b).sum(-1) / lengths).max())


def hold(report, name, found, expected, bound=F32_BOUND):
    distance = far(found, np.asarray(expected))
    report.case(name, distance <= bound, f"{distance:.1e} of the largest, at most {bound:.0e}")


# ---- what transformers computed ----


def check_transformers(report, folder):
    source = REFERENCE / "tiny-hf" / "bert"
    for name in ("config.json", "model.safetensors"):
        shutil.copyfile(source / name, folder / name)
    write_bare_words(folder, json.loads((source / "config.json").read_text())["vocab_size"])
    texts, states = [], []
    for length in (1, 7, 33):
        texts.append(spell(np.load(source / f"ids_{length}.npy").ravel()))
        states.append(np.load(source / f"last_hidden_state_{length}.npy").reshape(length, -1))
    first = embed(folder, texts, "--pool", "cls", "--precision", "f32")
    mean = embed(folder, texts, "--pool", "mean", "--precision", "f32")
    hold(report, "transformers, first row", first, [state[0] for state in states])
    hold(report, "transformers, mean", mean, [state.mean(0) for state in states])
    # Each prefix pools other rows, but of another text: the rows of a text see all of it.
    unit = embed(folder, texts, "--normalize", "--precision", "f32")
    report.case("vectors of length 1", np.allclose(np.linalg.norm(unit, axis=1), 1, atol=1e-6))
    hold(report, "length 1 keeps the direction", unit * np.linalg.norm(mean, axis=1)[:, None], mean)
    bf16 = embed(folder, texts, "--precision", "bf16")
    hold(report, "transformers, bf16", bf16, [state.mean(0) for state in states], 3e-2)
    mixed = embed(folder, texts, "--precision", "mixed")
    hold(report, "transformers, mixed", mixed, [state.mean(0) for state in states], MIXED_BOUND)


# ---- random models ----


def check_random(report, folder):
    """Texts of all lengths: up to, at and past what vectors and blocks of rows hold."""
    config = tiny_bert.CONFIG
    random = np.random.default_rng(3)
    lengths = (1, 2, 3, 15, 16, 17, 30, 31, 32, 33, 46)
    words = [random.integers(0, config["vocab_size"] - 5, length) for length in lengths]
    texts = [spell(each) for each in words]
    for kind, type, prefix in (("f32", "F32", ""), ("f16, a task's checkpoint", "F16", "bert.")):
        place = folder / type
        stored = tiny_bert.write(place, type=type, prefix=prefix)
        tiny_bert.write_words(place)
        ids = [np.concatenate([[2], each + 5, [3]]) for each in words]
        expected = [tiny_bert.forward(config, stored, each) for each in ids]
        f32 = embed(place, texts, "--precision", "f32")
        hold(report, f"random {kind}, mean", f32, [e.mean(0) for e in expected])
        first = embed(place, texts, "--pool", "cls", "--precision", "f32")
        hold(report, f"random {kind}, first row", first, [e[0] for e in expected])
        states = [tiny_bert.states(config, stored, each) for each in ids]
        check_depths(report, f"random {kind}", place, texts, states)
        for precision, bound in (("int16", INT16_BOUND), ("mixed", MIXED_BOUND)):
            found = embed(place, texts, "--precision", precision)
            hold(report, f"random {kind}, {precision}", found, [e.mean(0) for e in expected], bound)
            report.case(f"random {kind}, {precision} rounds", far(found, f32) > F32_BOUND)
    for precision in ("f32", "int16", "mixed"):
        check_bits(report, folder / "F32", texts, "--precision", precision)
    check_levels(report, folder / "F32", texts)


def check_levels(report, folder, texts):
    """Sums of integers are exact, and all else is in one order: the levels of x86-64 give the same bits."""
    for precision in ("int16", "mixed"):
        runs = [embed(folder, texts, "--precision", precision, "--target", "x86-64-v3")]
        runs.append(embed(folder, texts, "--precision", precision, "--target", "x86-64-v4-emulated"))
        runs.append(embed(folder, texts, "--precision", precision))
        same = all(run.tobytes() == runs[0].tobytes() for run in runs)
        report.case(f"{precision} has the same bits on all levels", same)


def check_depths(report, name, folder, texts, states):
    """Vectors ahead of the layers and behind each, together and one text at a time."""
    found = embed(folder, texts, "--depths", "--precision", "f32")
    expected = [[state.mean(0) for state in each] for each in states]
    depths = len(expected[0])
    for depth, vectors in enumerate(found.reshape(len(texts), depths, -1).transpose(1, 0, 2)):
        hold(report, f"{name}, depth {depth}", vectors, [each[depth] for each in expected])
    last = found[:, -embed(folder, texts[:1]).shape[1] :]
    whole = embed(folder, texts, "--no-normalize", "--precision", "f32")
    report.case(f"{name}, the last depth is the whole", last.tobytes() == whole.tobytes())
    found = embed(folder, texts, "--depths")
    alone = [embed(folder, [text], "--depths", "-t", "1") for text in texts]
    same = np.concatenate(alone).tobytes() == found.tobytes()
    report.case(f"{name}, depths have the same bits alone", same)


def check_bits(report, folder, texts, *flags):
    runs = [embed(folder, texts, "-t", str(threads), *flags) for threads in (1, 2, 3)]
    runs.append(embed(folder, texts, "--no-cache", *flags))
    alone = np.concatenate([embed(folder, [text], *flags) for text in texts])
    runs += [alone, embed(folder, texts[::-1], *flags)[::-1]]
    runs.append(embed(folder, texts * 20, *flags)[: len(texts)])
    same = all(run.tobytes() == runs[0].tobytes() for run in runs)
    name = "the same bits alone, beside others, in any order, with 1 to 3 threads"
    report.case(" ".join([name, *flags]), same)


def check_outputs(report, folder):
    """The lines, the JSON and the library give what the array has."""
    tiny_bert.write(folder)
    tiny_bert.write_words(folder)
    texts = ["w1 w2", "", "w3 nothing w4"]
    expected = embed(folder, texts)

    def run(*flags):
        command = [lathe(), "embed", str(folder), *texts, *flags]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    lines = [[np.float32(word) for word in line.split()] for line in run().splitlines()]
    report.case("lines", np.array(lines, np.float32).tobytes() == expected.tobytes())
    answer = json.loads(run("--json"))
    read = np.array([each["embedding"] for each in answer["texts"]], np.float32)
    report.case("JSON", read.tobytes() == expected.tobytes() and answer["width"] == 40)
    tokens = [each["tokens"] for each in answer["texts"]]
    report.case("JSON counts tokens", tokens == [4, 2, 5], str(tokens))
    os.environ["LATHE_LIBRARY"] = str(pathlib.Path(lathe()).resolve().parents[1] / "lib/liblathe.so")
    sys.path.insert(0, str(ROOT / "tools" / "python"))
    package = importlib.import_module("lathe")
    model = package.load(folder)
    report.case("library", model.embed(texts).tobytes() == expected.tobytes())
    report.case("library, one text", model.embed(texts[0]).tobytes() == expected[0].tobytes())
    first = embed(folder, texts, "--pool", "cls", "--normalize")
    ours = model.embed(texts, pool="cls", normalize=True)
    report.case("library, options", ours.tobytes() == first.tobytes())
    try:
        model.session()
        report.case("an encoder has no sessions", False)
    except package.Error as error:
        report.case("an encoder has no sessions", error.code == "E0835", str(error))


# ---- tokenizer ----


def check_tokenizer(report, folder):
    source = REFERENCE / "wordpiece"
    goldens = json.loads((source / "goldens.json").read_text())
    root = json.loads((source / "tokenizer.json").read_text())
    for kind, (lowercase, accents, ideographs) in goldens["kinds"].items():
        place = folder / kind
        place.mkdir()
        tiny_bert.write(place)
        switches = {"lowercase": lowercase, "strip_accents": accents}
        root["normalizer"] |= switches | {"handle_chinese_chars": ideographs}
        (place / "tokenizer.json").write_text(json.dumps(root))
        check_ids(report, f"tokenizer.json, {kind}", place, goldens, kind)
    place = folder / "list"
    tiny_bert.write(place)
    shutil.copyfile(source / "vocab.txt", place / "vocab.txt")
    check_ids(report, "vocab.txt", place, goldens, "uncased")
    settings = {"do_lower_case": False, "strip_accents": None}
    (place / "tokenizer_config.json").write_text(json.dumps(settings))
    check_ids(report, "vocab.txt, cased", place, goldens, "cased")


def check_ids(report, name, folder, goldens, kind):
    wrong = []
    for number, (text, expected) in enumerate(zip(goldens["texts"], goldens["ids"][kind])):
        file = folder / "text.txt"
        file.write_bytes(text.encode())
        command = [lathe(), "tokenize", str(folder), "-f", str(file)]
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode != 0 or [int(word) for word in result.stdout.split()] != expected:
            wrong.append(number)
    report.case(f"{name}: {len(goldens['texts'])} texts", not wrong, f"wrong: {wrong}" if wrong else "")


# ---- all-MiniLM-L6-v2 ----


def real_texts():
    """Lines of prose, and a text of no word, whose few rows are the farthest off."""
    lines = [line for line in (ROOT / "README.md").read_text("utf-8").splitlines() if len(line.split()) > 8]
    return ["", "word", *lines[:: len(lines) // 24]]


def check_minilm(report, folder):
    config = json.loads((folder / "config.json").read_text())
    weights = {
        name: tiny_safetensors.decode(type, raw, shape)
        for name, (type, raw, shape) in tiny_safetensors.read(folder / "model.safetensors").items()
        if type == "F32"
    }
    expected, texts = [], SENTENCES + real_texts()
    for text in texts:
        with tempfile.NamedTemporaryFile() as file:
            pathlib.Path(file.name).write_text(text)
            command = [lathe(), "tokenize", str(folder), "-f", file.name]
            ids = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        ids = [int(word) for word in ids]
        ids = ids if len(ids) <= 256 else ids[:255] + ids[-1:]
        state = tiny_bert.forward(config, weights, ids).mean(0)
        expected.append(state / np.linalg.norm(state))
    expected = np.array(expected)
    bounds = {"f32": F32_COSINE, "bf16": BF16_COSINE, "mixed": MIXED_COSINE, "int16": INT16_COSINE}
    found = {precision: embed(folder, texts, "--precision", precision) for precision in bounds}
    for precision, bound in bounds.items():
        count = len(SENTENCES) if precision == "int16" else len(texts)
        distance = cosine_distance(found[precision][:count], expected[:count])
        detail = f"cosine 1 - {distance:.1e} of {count} texts"
        report.case(f"MiniLM, {precision}", distance <= bound, detail)
    for target, same in {"x86-64-v3": "f32", "x86-64-v4-emulated": "mixed"}.items():
        auto = embed(folder, texts[:3], "--target", target)
        named = embed(folder, texts[:3], "--target", target, "--precision", same)
        report.case(f"MiniLM, auto on {target} is {same}", auto.tobytes() == named.tobytes())
    check_bits(report, folder, SENTENCES)


def main():
    report = Report("encoder")
    with tempfile.TemporaryDirectory() as name:
        for check in (check_transformers, check_random, check_outputs, check_tokenizer):
            folder = pathlib.Path(name, check.__name__)
            folder.mkdir()
            report.attempt(check.__name__, check, report, folder)
    minilm = cache_folder() / "models" / MINILM
    if minilm.is_dir():
        report.attempt("MiniLM", check_minilm, report, minilm)
    else:
        report.skip("MiniLM", f"{MINILM} is not in the cache ('./dev model minilm' fetches it)")
    report.exit()


if __name__ == "__main__":
    main()
