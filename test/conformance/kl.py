#!/usr/bin/env python3
"""What lower precision costs, beside what llama.cpp's costs: of the default path, and of the default
path with every other type of the KV cache.

Both are compared with float32 arithmetic on the same weights, over the same ~3,000 positions of
English and code (test/reference/text/): the mean Kullback-Leibler divergence per position and how
often the best token is the same one.  A path passes when its divergence is at most 1.1 times
llama.cpp's and its agreement at most one point below.  An int8 cache is held against llama.cpp
with a q8_0 cache, the others against llama.cpp with an f32 one.

llama.cpp's figures are stored in test/reference/llamacpp-kl*.npz, a file for each model, so that
the ordinary run does without it.  `kl.py --record MODEL` wrote that file: llama.cpp on the model
file as it is, against llama.cpp on the same file with every weight stored as F32.  The latter also
checks our f32 path.  `kl.py --live` measures llama.cpp here and now, against our f32 path.
"""

import pathlib
import sys
import tempfile

import numpy

from support import REAL_MODELS, REFERENCE, ROOT, Report, attempt_models, logits, logsumexp

sys.path.insert(0, str(ROOT / "test"))
from llamacpp import environment  # noqa: E402

STORED = {
    "smollm2": REFERENCE / "llamacpp-kl.npz",
    "gemma3": REFERENCE / "llamacpp-kl-gemma3.npz",
}
TEXTS = ["harbour.txt", "bread.txt", "letter.txt", "inventory.py.txt", "queue.c.txt"]
# The default path, and types of the KV cache that are not its own; each with llama.cpp's cache.
PATHS = {
    "default": ((), "f32"),
    "f32 cache": (("--kv-type=f32",), "f32"),
    "bf16 cache": (("--kv-type=bf16",), "f32"),
    "int8 cache": (("--kv-type=int8",), "q8_0"),
}
PEER_CACHES = ("f32", "q8_0")
KL_FACTOR = 1.1
AGREEMENT_LOSS = 0.01
# Two float32 computations in different orders: far above what rounding does, far below int8.
F32_TOLERANCE = 1e-3


def divergence(exact, other):
    """KL(exact || other) per position, in nats, over the whole vocabulary."""
    result = numpy.empty(len(exact))
    # By slices: the float64 copies of all rows would take a gigabyte.
    for first in range(0, len(exact), 64):
        p = exact[first : first + 64].astype(numpy.float64)
        q = other[first : first + 64].astype(numpy.float64)
        p -= logsumexp(p)[:, None]
        q -= logsumexp(q)[:, None]
        result[first : first + 64] = (numpy.exp(p) * (p - q)).sum(axis=1)
    return result


class Figures:
    """Sums over all texts of one path's distance from f32."""

    def __init__(self):
        self.kl, self.same = [], []

    def add(self, exact, other):
        self.kl.append(divergence(exact, other))
        self.same.append(exact.argmax(axis=1) == other.argmax(axis=1))

    @property
    def mean_kl(self):
        return numpy.concatenate(self.kl).mean()

    @property
    def agreement(self):
        return numpy.concatenate(self.same).mean()

    def __str__(self):
        return f"KL {self.mean_kl:.2e}, best token the same {100 * self.agreement:.2f} %"


class Peer:
    """llama.cpp on one file, with a KV cache in f32 and no flash attention, or in q8_0."""

    def __init__(self, model, folder, cache="f32"):
        self.worker = environment.Worker()
        self.out = str(pathlib.Path(folder, "peer.npy"))
        self.worker.ask("load", model=str(model), threads=2, context=1024, cache=cache)

    def tokens(self, name):
        return self.worker.ask("tokenize", text=(REFERENCE / "text" / name).read_text())["tokens"]

    def logits(self, tokens):
        self.worker.ask("logits", tokens=[int(t) for t in tokens], out=self.out)
        return numpy.load(self.out)


def record(model, stored):
    """Writes `stored`: the tokens, llama.cpp's figures per position, the f32 path's best token."""
    with tempfile.TemporaryDirectory() as folder:
        exact_file = pathlib.Path(folder, "f32.gguf")
        with environment.Worker() as worker:
            worker.ask("quantize", source=model, target=str(exact_file), type="f32")
        exact_peer = Peer(exact_file, folder)
        peers = {cache: Peer(model, folder, cache) for cache in PEER_CACHES}
        figures = {cache: Figures() for cache in PEER_CACHES}
        lengths, columns = [], {name: [] for name in ("tokens", "best", "gap", "logprob")}
        for name in TEXTS:
            tokens = exact_peer.tokens(name)
            exact = exact_peer.logits(tokens)
            for cache, peer in peers.items():
                figures[cache].add(exact, peer.logits(tokens))
            top = numpy.sort(numpy.partition(exact, -2, axis=1)[:, -2:], axis=1)
            lengths.append(len(tokens))
            columns["tokens"].append(numpy.array(tokens, numpy.int32))
            columns["best"].append(exact.argmax(axis=1).astype(numpy.int32))
            columns["gap"].append(top[:, 1] - top[:, 0])
            columns["logprob"].append((top[:, 1] - logsumexp(exact)).astype(numpy.float32))
    for cache, own in figures.items():
        columns[f"kl_{cache}"] = [kl.astype(numpy.float32) for kl in own.kl]
        columns[f"same_{cache}"] = own.same
        print(f"{sum(lengths)} positions, llama.cpp {environment.VERSION}, {cache} cache: {own}")
    merged = {name: numpy.concatenate(parts) for name, parts in columns.items()}
    numpy.savez_compressed(stored, lengths=numpy.array(lengths, numpy.int32), **merged)


def check_f32(report, name, exact, stored, rows):
    """Our f32 path is llama.cpp's on F32 weights: the best token and its log-probability."""
    best = stored["best"][rows]
    clear = stored["gap"][rows] > F32_TOLERANCE * numpy.abs(exact).max(axis=1)
    same = exact.argmax(axis=1) == best
    ours = exact[numpy.arange(len(best)), best] - logsumexp(exact)
    worst = numpy.abs(ours - stored["logprob"][rows]).max() / numpy.abs(exact).max()
    report.case(
        f"f32 {name}",
        bool(same[clear].all()) and worst <= F32_TOLERANCE,
        f"{same.sum()} of {len(same)} best tokens equal, "
        f"log-probability within {worst:.1e} of the largest logit",
    )


def compare(report, model, path, stored, peers):
    """Runs all texts; the figures of our paths and, when live, of llama.cpp."""
    ours, start = {name: Figures() for name in PATHS}, 0
    theirs = {cache: Figures() for cache in PEER_CACHES}
    for name, length in zip(TEXTS, stored["lengths"], strict=True):
        rows = slice(start, start + int(length))
        start = rows.stop
        tokens = stored["tokens"][rows]
        exact = logits(path, tokens, "--precision=f32")
        check_f32(report, f"{model} {name}", exact, stored, rows)
        for own, (flags, _) in PATHS.items():
            ours[own].add(exact, logits(path, tokens, *flags))
        for cache, peer in peers.items():
            theirs[cache].add(exact, peer.logits(tokens))
    if not peers:
        for cache, figures in theirs.items():
            figures.kl, figures.same = [stored[f"kl_{cache}"]], [stored[f"same_{cache}"]]
    for own, figures in ours.items():
        peer = theirs[PATHS[own][1]]
        told = f"{start} positions, ours: {figures}; llama.cpp: {peer}"
        near = figures.mean_kl <= KL_FACTOR * peer.mean_kl
        report.case(f"{model} {own} divergence", near, told)
        agrees = figures.agreement >= peer.agreement - AGREEMENT_LOSS
        report.case(f"{model} {own} best token", agrees, told)


def check_model(report, model, path, live):
    if not STORED[model.name].exists():
        report.skip(model.name, f"no figures of llama.cpp: kl.py --record {model.name}")
        return
    with tempfile.TemporaryDirectory() as folder:
        peers = {cache: Peer(path, folder, cache) for cache in PEER_CACHES} if live else {}
        with numpy.load(STORED[model.name]) as archive:
            stored = {name: archive[name] for name in archive.files}
        compare(report, model.name, path, stored, peers)


def main():
    arguments = sys.argv[1:]
    if arguments[:1] == ["--record"] and arguments[1:] and arguments[1] in STORED:
        model = next(model for model in REAL_MODELS if model.name == arguments[1])
        record(model.path() or sys.exit(f"kl.py: {model.missing()}"), STORED[model.name])
        return
    if arguments not in ([], ["--live"]):
        sys.exit(f"usage: kl.py [--live | --record {'|'.join(STORED)}]")
    report = Report("kl")
    attempt_models(report, check_model, bool(arguments))
    report.exit()


if __name__ == "__main__":
    main()
