#!/usr/bin/env python3
"""The Python package gives what the command gives, byte by byte; its faults are exceptions, its long
calls can be interrupted, and the examples in its documentation run."""

import doctest
import gc
import importlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings

import numpy

from support import ROOT, Report, attempt_models, joined, lathe, run_logits

os.environ["LATHE_LIBRARY"] = str(pathlib.Path(lathe()).resolve().parents[1] / "lib/liblathe.so")
sys.path.insert(0, str(ROOT / "tools" / "python"))
package = importlib.import_module("lathe")

TINY = ROOT / "test" / "Tools" / "inputs" / "tiny_gguf.py"
MODULES = ("", "._callbacks", "._classifier", "._errors", "._library", "._model", "._session")
TEXT = "Hello, world! Bücher, 漢字 and 🙂."


def command(*words):
    result = subprocess.run([lathe(), *map(str, words)], capture_output=True)
    assert result.returncode == 0, result.stderr.decode()
    return result.stdout


def check_logits(report, name, path, tokens, folder, precision):
    model = package.load(path, precision=precision)
    ours = model.logits(tokens)
    flags = ["--tokens", joined(tokens), f"--precision={precision}"]
    theirs = numpy.load(run_logits(path, flags, folder / "logits.npy"))
    same = ours.dtype == theirs.dtype and ours.tobytes() == theirs.tobytes()
    report.case(f"{name} logits, {precision}", same, str(ours.shape))


def check_text(report, name, path):
    model = package.load(path)
    ours = " ".join(map(str, model.tokenize(TEXT, parse_special=True)))
    report.case(f"{name} tokenize", ours == command("tokenize", path, TEXT).decode().strip())
    back = model.detokenize(model.tokenize(TEXT, add_special=False))
    report.case(f"{name} detokenize", back == TEXT, repr(back))
    for title, words, options in (
        ("greedy", [], {}),
        ("sampled", ["--temp", 0.8, "--top-k", 40, "--seed", 7],
         {"temperature": 0.8, "top_k": 40, "seed": 7}),
    ):  # fmt: skip
        theirs = command("run", path, TEXT, "--raw", "-n", 12, *words).decode("utf-8")
        stream = model.generate(TEXT, max_tokens=12, **options)
        ours = "".join(piece.text for piece in stream)
        report.case(f"{name} generate, {title}", ours == theirs, repr((ours, theirs)))


def check_arrays(report, path):
    model = package.load(path)
    expected = model.logits([1, 2, 3])
    shared = numpy.from_dlpack(expected)
    report.case("logits leave as DLPack", numpy.shares_memory(shared, expected))
    for title, tokens in (
        ("int64 array", numpy.array([1, 2, 3])),
        ("array with gaps", numpy.array([1, 0, 2, 0, 3], numpy.int32)[::2]),
        ("DLPack", OnlyDLPack(numpy.array([1, 2, 3], numpy.int32))),
        ("tuple", (1, 2, 3)),
    ):
        report.case(f"tokens as {title}", model.logits(tokens).tobytes() == expected.tobytes())
    report.case("no tokens", model.logits([]).shape == (0, 300))
    session = model.session(sequences=2)
    both = session.step([(1, 0, 0, 1), (1, 0, 1, 0), (2, 1, 1, 1), (2, 1, 0, 1), (3, 2, 1, 1)])
    report.case("rows of two sequences", both[[0, 1, 3]].tobytes() == expected.tobytes())


def check_compile(report, path, folder):
    """The artefact is the command's, byte by byte, and needs no compiler."""
    ours, theirs = folder / "ours.lathe", folder / "theirs.lathe"
    stages = []
    told = package.compile(path, ours, progress=lambda done, total: stages.append((done, total)))
    command("compile", path, "-o", theirs)
    report.case("compile, as the command does", ours.read_bytes() == theirs.read_bytes(), told)
    report.case("compile tells its stages", stages == [(0, 2), (1, 2), (2, 2)], str(stages))
    model = package.load(told)
    same = model.logits([1, 2, 3]).tobytes() == package.load(path).logits([1, 2, 3]).tobytes()
    report.case("an artefact's logits", same and model.info.compiled_ahead, str(model.info))
    # Where the model file has gone elsewhere it is named.
    moved, alone = folder / "moved.gguf", folder / "alone"
    alone.mkdir()
    artefact = package.compile(shutil.copy(path, folder / "gone.gguf"), alone / "m.lathe")
    (folder / "gone.gguf").rename(moved)
    found = raised(package.load, artefact)
    report.case("weights that are gone", getattr(found, "code", "") == "E0646", repr(found))
    again = package.load(artefact, weights=moved).logits([1, 2, 3])
    report.case("weights by name", again.tobytes() == model.logits([1, 2, 3]).tobytes())
    whole = package.compile(moved, folder / "whole.lathe", targets=["host"], embed_weights=True)
    moved.unlink()
    report.case("weights inside", package.load(whole).logits([1, 2, 3]).tobytes() == again.tobytes())
    for code, arguments, options in (
        ("E0201", ["missing.gguf", folder / "x.lathe"], {}),
        ("E0109", [path, path], {}),
        ("E0211", [path, folder / "none" / "x.lathe"], {}),
    ):
        error = raised(package.compile, *arguments, **options)
        report.case(f"compile: {code}", getattr(error, "code", "") == code, repr(error))


class OnlyDLPack:
    """A tensor of some other library."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


def raised(action, *arguments, **options):
    try:
        action(*arguments, **options)
    except Exception as error:
        return error
    return None


def check_errors(report, path):
    model = package.load(path)
    session = model.session(capacity=256)
    for code, action, arguments in (
        ("E0201", package.load, ["missing.gguf"]),
        ("E0801", model.logits, [[300]]),
        ("E0803", session.length, [1]),
        ("E0813", session.generate, [[]]),
        ("E0814", session.generate, [[1] * 257]),
        ("E0805", lambda: model.session(sequences=-1), []),
        ("E0808", lambda: session.generate([1], temperature=1, top_p=0), []),
    ):
        found = raised(action, *arguments)
        good = isinstance(found, package.Error) and found.code == code and code in str(found)
        report.case(f"{code} is raised", good, repr(found))
    hint = raised(session.generate, [1] * 257).hint
    report.case("a hint comes along", "larger context" in hint, hint)
    for kind, tokens in ((TypeError, [0.5]), (TypeError, [[1]]), (ValueError, [1 << 40])):
        report.case(f"{tokens} is refused", type(raised(model.logits, tokens)) is kind)
    report.case("no max_tokens of 0", type(raised(session.generate, [1], max_tokens=0)) is ValueError)


def check_warnings(report, path, folder):
    """An unusable cache is told and costs nothing else."""
    open_to_all = folder / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    kept = os.environ["LATHE_CACHE"]
    os.environ["LATHE_CACHE"] = str(open_to_all)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        model = package.load(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        error = raised(package.load, path)
    os.environ["LATHE_CACHE"] = kept
    kinds = {each.category for each in told}
    report.case("warnings arrive", model and kinds == {package.LatheWarning}, str(kinds))
    report.case("warnings may be errors", type(error) is package.LatheWarning, repr(error))


def check_interrupts(report, path):
    model = package.load(path)
    told = []

    def progress(done, rows):
        told.append((done, rows))
        if done == 5:
            signal.raise_signal(signal.SIGINT)

    session = model.session(capacity=256, prefill_chunk=1, progress=progress)
    try:
        session.append(list(range(20)))
        report.case("Ctrl-C in a long call", False, "nothing was raised")
    except KeyboardInterrupt:
        report.case("Ctrl-C in a long call", session.length() == 5, str(session.length()))
    session.append([5, 6], logits=None)
    report.case("the session goes on", session.length() == 7 and told[-1] == (1, 2), str(told))


def check_signal_from_outside(report, path):
    """One that comes while the library works is not lost, as it is where a callback begins."""
    session = package.load(path).session(capacity=1 << 16, prefill_chunk=1)
    timer = threading.Timer(0.3, os.kill, [os.getpid(), signal.SIGINT])
    begin = time.monotonic()
    timer.start()
    try:
        session.append([1] * 60000)
        report.case("SIGINT from outside", False, f"done in {time.monotonic() - begin:.1f} s")
    except KeyboardInterrupt:
        report.case("SIGINT from outside", 0 < session.length() < 60000, str(session.length()))
    timer.join()


def check_lock(report, path):
    """Another thread runs while the compiler does."""
    ticks, done = [], threading.Event()

    def tick():
        while not done.wait(0.002):
            ticks.append(time.monotonic())

    other = threading.Thread(target=tick)
    other.start()
    begin = time.monotonic()
    package.load(path, cache=False)
    seconds = time.monotonic() - begin
    done.set()
    other.join()
    longest = max(b - a for a, b in zip([begin, *ticks], [*ticks, begin + seconds]))
    told = f"{len(ticks)} ticks in {seconds:.2f} s, the longest wait {longest:.2f} s"
    report.case("the interpreter's lock is free", len(ticks) > 5 and longest < seconds / 2, told)


def check_order(report, path):
    """What is still needed lives on, in whatever order things are let go."""
    model = package.load(path)
    stream = model.generate([1, 2], max_tokens=4, ignore_end=True)
    del model
    gc.collect()
    report.case("a stream outlives its model", len([p for p in stream if p.token >= 0]) == 4)


def calibrate(bert, folder):
    """A classifier's file."""
    subprocess.run([sys.executable, TINY.with_name("labelled_texts.py"), folder], check=True)
    parts = [word for part in ("train", "valid", "test") for word in (f"--{part}", folder / f"{part}.tsv")]
    command = [lathe(), "calibrate", bert, "--task", "classify", *parts, "-o", folder / "texts.cal"]
    subprocess.run(command, check=True, capture_output=True)
    return folder / "texts.cal"


def check_encoder_artefacts(report, bert, cal, folder):
    """Compiled ahead, an encoder gives the vectors and labels that its folder gives."""
    texts = ["w1 w2 w3", "w41", "w7 w9"]
    model = package.load(bert)
    vectors, said = model.embed(texts), [c[:3] for c in model.classifier(cal).classify(texts)]
    for embed in (False, True):
        name = package.compile(bert, folder / "bert.lathe", cal=cal, embed_weights=embed)
        ahead = package.load(name)
        report.case(f"encoder compiled ahead {embed}", ahead.info.compiled_ahead and not ahead.info.cache_hit)
        report.case(f"encoder artefact {embed}", (ahead.embed(texts) == vectors).all())
        found = [[c[:3] for c in given.classify(texts)] for given in (ahead.classifier(), ahead.classifier(cal))]
        report.case(f"classifier in an artefact {embed}", found == [said, said], str(found))
    found = [c[:3] for c in package.load(bert, cal=cal).classifier().classify(texts)]
    report.case("classifier that an encoder is loaded with", found == said, str(found))
    for name, wanted, use in (
        ("no classifier", "E0108", lambda: model.classifier()),
        ("loaded with no classifier", "E0843", lambda: package.load(bert, cal=__file__)),
        ("a classifier of nothing", "E0843", lambda: package.compile(bert, folder / "x.lathe", cal=__file__)),
        ("an encoder generates nothing", "E0835", lambda: ahead.session()),
    ):
        try:
            use()
            report.case(name, False, "no error")
        except package.Error as error:
            report.case(name, error.code == wanted and not (folder / "x.lathe").exists(), str(error))


def check_documentation(report, path, folder):
    bert = folder / "bert"
    subprocess.run([sys.executable, TINY.with_name("tiny_bert.py"), bert], check=True)
    names = {"lathe": package, "path": path, "numpy": numpy, "model": package.load(path)}
    names["encoder"] = package.load(bert)
    cal = calibrate(bert, folder)
    names["classifier"] = names["encoder"].classifier(cal)
    check_encoder_artefacts(report, bert, cal, folder)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    here = os.getcwd()
    os.chdir(folder)
    for name in MODULES:
        module = importlib.import_module("lathe" + name)
        found = doctest.testmod(module, extraglobs=names, optionflags=flags)
        if found.attempted:
            report.case(f"docstrings of lathe{name}", found.failed == 0, str(found))
    page = str(ROOT / "docs" / "python.md")
    found = doctest.testfile(page, module_relative=False, globs=dict(names), optionflags=flags)
    report.case("docs/python.md", found.failed == 0 and found.attempted > 0, str(found))
    os.chdir(here)


def check_real(report, model, path, folder):
    tokens = package.load(path).tokenize(TEXT)
    for precision in ("auto", "f32"):
        check_logits(report, model.name, path, tokens, folder, precision)
    check_text(report, model.name, path)


def main():
    report = Report("python")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        os.environ["LATHE_CACHE"] = str(folder / "cache")
        for form in ("q4_1", "f32"):
            path = folder / f"{form}.gguf"
            subprocess.run([sys.executable, TINY, path, "--format", form], check=True)
            tokens = list(range(7, 200))
            report.attempt(form, check_logits, report, form, path, tokens, folder, "auto")
        path = str(folder / "q4_1.gguf")
        check_text(report, "tiny", path)
        check_arrays(report, path)
        check_compile(report, path, folder)
        check_errors(report, path)
        check_warnings(report, path, folder)
        check_interrupts(report, path)
        check_signal_from_outside(report, path)
        check_lock(report, path)
        check_order(report, path)
        check_documentation(report, path, folder)
        attempt_models(report, check_real, folder)
    report.exit()


if __name__ == "__main__":
    main()
