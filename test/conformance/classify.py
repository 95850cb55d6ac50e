#!/usr/bin/env python3
"""Classifiers with early exits: `lathe calibrate --task classify` and `lathe classify`.

On a tiny random BERT and texts whose words tell their labels, everything that the calibrator says is
computed again with numpy from the vectors that `lathe embed --depths` gives: heads in closed form,
temperatures, thresholds, what each point gets right and what it takes, and which is chosen.  Classifying
then gives these labels at these depths, with any number of threads, alone and behind other texts, and
through the library; without exits it gives the labels of the last head.
"""

import importlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

import numpy as np
from support import ROOT, Failed, Report, lathe, shown

sys.path.insert(0, str(ROOT / "test" / "Tools" / "inputs"))
import labelled_texts
import tiny_bert
from labelled_texts import LABELS, SIZES

TARGET = 1.0  # points that exits may lose
# Standard errors of a bound that holds together with those of all first exits.
ABOVE = statistics.NormalDist().inv_cdf(1 - 0.05 / tiny_bert.CONFIG["num_hidden_layers"])
# Of the heads' scores, which are float32 sums of 160 products of about 1.
SCORE_BOUND = 1e-4


def run(*words):
    command = [lathe(), *map(str, words)]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        raise Failed(f"'{shown(command)}' ended with {result.returncode}: {result.stderr.strip()}")
    return result.stdout


def calibrate(folder, *flags):
    parts = [word for name in SIZES for word in (f"--{name}", folder / f"{name}.tsv")]
    output = folder / "texts.cal"
    found = run("calibrate", folder / "bert", "--task", "classify", *parts, "-o", output, "--json", *flags)
    return json.loads(found), json.loads(output.read_text())


def vectors(folder, name):
    """[texts, depths, width], in float64."""
    run("embed", folder / "bert", "-f", folder / f"{name}.txt", "--depths", "-o", folder / "v.npy")
    found = np.load(folder / "v.npy").astype(np.float64)
    return found.reshape(len(found), tiny_bert.CONFIG["num_hidden_layers"] + 1, -1)


# ---- the same with numpy ----


def ridge(x, labels):
    """Weights for the features themselves, and a bias."""
    mean, deviation = x.mean(0), x.std(0)
    standard = (x - mean) / deviation
    answers = np.eye(len(LABELS))[labels]
    left = standard.T @ standard + 0.1 * len(x) * np.eye(x.shape[1])
    weights = np.linalg.solve(left, standard.T @ answers) / deviation[:, None]
    return weights, answers.mean(0) - mean @ weights


def softmax(scores):
    shares = np.exp(scores - scores.max(-1, keepdims=True))
    return shares / shares.sum(-1, keepdims=True)


def fit_temperature(scores, labels):
    """The least loss, by golden section over its logarithm."""

    def loss(log):
        return -np.log(softmax(scores / np.exp(log))[np.arange(len(labels)), labels]).sum()

    low, high, ratio = -8.0, 4.0, (5**0.5 - 1) / 2
    for _ in range(80):
        a, b = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, b) if loss(a) < loss(b) else (a, high)
    return float(np.exp((low + high) / 2))


def leave(margins, first, threshold):
    sure = margins >= threshold
    sure[:, :first] = False
    sure[:, -1] = True
    return sure.argmax(1)


def outcome(margins, right, first, threshold):
    depth = leave(margins, first, threshold)
    own = right[np.arange(len(right)), depth]
    lost = right[:, -1].astype(float) - own
    return depth, own, 100 * (lost.mean() + ABOVE * lost.std() / len(lost) ** 0.5)


def choose(margins, right, first):
    """The least threshold that meets the target together with all above it; 2: none does."""
    found = 2.0
    for step in range(200, -1, -1):
        if outcome(margins, right, first, np.float32(step / 200))[2] > TARGET:
            break
        found = step / 200
    return found


def count_tokens(file):
    """A word is a token, and one stands on either side of a text."""
    return np.array([len(text.split()) + 2 for text in file.read_text().splitlines()])


def count_work(tokens, depths):
    """Multiply-adds to each depth, [texts, depths]: layers, pooling, and heads of all depths so far."""
    width, inner = tiny_bert.CONFIG["hidden_size"], tiny_bert.CONFIG["intermediate_size"]
    layer = tokens * (4 * width**2 + 2 * width * inner) + 2 * tokens**2 * width
    heads = [width * len(LABELS) * (depth + 1) for depth in range(depths)]
    each = [heads[depth] + tokens * width + (layer if depth else 0) for depth in range(depths)]
    return np.cumsum(each, 0).T


class Expected:
    """Heads, and what they say of all parts."""

    def __init__(self, folder, labels):
        self.tokens = {name: count_tokens(folder / f"{name}.txt") for name in SIZES}
        x = {name: vectors(folder, name) for name in SIZES}
        self.labels = labels
        self.depths = x["train"].shape[1]
        self.heads, self.temperatures, self.scores = [], [], {name: [] for name in SIZES}
        for depth in range(self.depths):
            flat = {name: each[:, : depth + 1].reshape(len(each), -1) for name, each in x.items()}
            weights, bias = ridge(flat["train"], self.labels["train"])
            self.heads.append((weights, bias))
            for name in SIZES:
                self.scores[name].append(flat[name] @ weights + bias)
            self.temperatures.append(fit_temperature(self.scores["valid"][depth], self.labels["valid"]))

    def judge(self, name):
        """Margins, and whether labels are right: [texts, depths]."""
        found, temperatures = np.array(self.scores[name]), np.array(self.temperatures)
        ordered = np.sort(softmax(found / temperatures[:, None, None]), -1)
        right = found.argmax(-1) == self.labels[name]
        return (ordered[..., -1] - ordered[..., -2]).T, right.T


# ---- cases ----


def check_heads(report, expected, classifier):
    first = classifier["heads"][0]["depth"]
    depths = [head["depth"] for head in classifier["heads"]]
    report.case("heads follow one another", depths == list(range(first, expected.depths)))
    worst = far = 0
    for head in classifier["heads"]:
        weights, bias = expected.heads[head["depth"]]
        found = np.array([[float(word) for word in row.split()] for row in head["weights"]]).T
        own = np.array([float(word) for word in head["bias"].split()])
        scale = np.abs(weights).max()
        worst = max(worst, np.abs(found - weights).max() / scale, np.abs(own - bias).max())
        far = max(far, abs(head["temperature"] / expected.temperatures[head["depth"]] - 1))
    report.case("heads in closed form", worst <= SCORE_BOUND, f"{worst:.1e}, at most {SCORE_BOUND:.0e}")
    report.case("temperatures", far <= 1e-3, f"{far:.1e} of them, at most 1e-03")


def check_points(report, expected, measured):
    """Thresholds are multiples of 1/200, and margins nearer to one than rounding are rare."""
    margins, right = {}, {}
    for name in ("valid", "test"):
        margins[name], right[name] = expected.judge(name)
    counts = [int(each) for each in right["test"].sum(0)]
    report.case("right at each depth", [d["right"] for d in measured["depths"]] == counts, f"{counts}")
    gains = []
    for point in measured["points"]:
        first, threshold = point["first_exit"], choose(margins["valid"], right["valid"], point["first_exit"])
        same = abs(point["threshold"] - threshold) < 1e-6
        detail = f"threshold {point['threshold']}, {threshold} expected"
        for name, key in (("valid", "validation"), ("test", "test")):
            depth, own, bound = outcome(margins[name], right[name], first, np.float32(threshold))
            left = np.bincount(depth, minlength=expected.depths).tolist()
            same &= point[key]["right"] == own.sum() and point[key]["left_at"] == left
            same &= abs(point[key]["bound"] - bound) < 1e-9
            work = count_work(expected.tokens[name], expected.depths)
            own, whole = work[np.arange(len(depth)), depth].mean(), work[:, -1].mean()
            same &= abs(point[key]["multiply_adds"] / own - 1) < 1e-6
            same &= abs(point[key]["multiply_adds_without_exits"] / whole - 1) < 1e-6
            if name == "valid":
                gains.append(whole / own)
        timed = point["timed"]
        same &= timed["texts"] == SIZES["test"] and 0 < timed["seconds"] <= timed["seconds_without_exits"]
        report.case(f"exits from depth {first} on", bool(same), detail)
    chosen = [number for number, point in enumerate(measured["points"]) if point["chosen"]]
    report.case("the point of least work is chosen", chosen == [int(np.argmax(gains))], f"{gains}")


def check_classify(report, folder, expected, cal):
    texts = (folder / "test.txt").read_text().splitlines()
    margins, _ = expected.judge("test")
    first, threshold = cal["classifier"]["heads"][0]["depth"], np.float32(cal["classifier"]["threshold"])
    said = np.array(expected.scores["test"]).argmax(-1)
    depths = leave(margins, first, threshold)
    wanted = {"auto": said[depths, np.arange(len(depths))], "never": said[-1]}
    report.case("texts leave at several depths", len(set(depths)) > 2, f"{np.bincount(depths)}")

    given = ["classify", folder / "bert", "--cal", folder / "texts.cal"]
    keys = ("label", "layers", "probability", "margin")  # all but the times

    def classify(texts, *flags):
        found = json.loads(run(*given, *texts, "--json", *flags))
        return [tuple(text[key] for key in keys) for text in found["texts"]], found["stats"]

    file, answers = ["-f", folder / "test.txt"], {}
    for policy in ("auto", "never"):
        found, stats = answers[policy] = classify(file, "--exit", policy)
        same = [label for label, *_ in found] == [LABELS[each] for each in wanted[policy]]
        report.case(f"labels of numpy, {policy}", same)
        runs = [classify(file, "--exit", policy, "-t", str(threads))[0] for threads in (1, 3)]
        runs.append(classify(file, "--exit", policy, "--no-cache")[0])
        report.case(f"the same with 1 and 3 threads, {policy}", all(each == found for each in runs))
    report.case("depths of numpy", [layers for _, layers, *_ in answers["auto"][0]] == depths.tolist())
    report.case("without exits all layers run", answers["never"][1]["left_at"] == [0, 0, 0, len(texts)])
    report.case("statistics", answers["auto"][1]["left_at"] == np.bincount(depths, minlength=4).tolist())
    report.case("alone", classify([texts[7]])[0] == answers["auto"][0][7:8])
    return answers


def check_library(report, folder, answers):
    os.environ["LATHE_LIBRARY"] = str(pathlib.Path(lathe()).resolve().parents[1] / "lib/liblathe.so")
    sys.path.insert(0, str(ROOT / "tools" / "python"))
    package = importlib.import_module("lathe")
    model = package.load(folder / "bert")
    texts = (folder / "test.txt").read_text().splitlines()
    classifier = model.classifier(folder / "texts.cal")
    for policy, (expected, _) in answers.items():
        found = classifier.classify(texts, exit=policy)
        same = [(f.label, f.layers, np.float32(f.probability)) for f in found] == [
            (label, layers, np.float32(probability)) for label, layers, probability, _ in expected
        ]
        report.case(f"library, {policy}", same)
    one = model.classify(texts[0], cal=folder / "texts.cal")
    report.case("library, one text", (one.label, one.layers) == answers["auto"][0][0][:2] and one.seconds > 0)
    for name, action, code in (
        ("no such file", lambda: model.classifier(folder / "none.cal"), "E0201"),
        ("no calibration", lambda: model.classifier(folder / "test.tsv"), "E0843"),
    ):
        try:
            action()
            report.case(f"library, {name}", False, "no error")
        except package.Error as error:
            report.case(f"library, {name}", error.code == code, str(error))


def check_kept(report, folder, cal):
    """With vectors from a file the calibration is the same, and the file stays as it was."""
    kept = folder / "texts.vectors"
    runs = [calibrate(folder, "--lose", TARGET, "--vectors", kept)[1]["classifier"] for _ in range(2)]
    report.case("the same with vectors that are kept", all(run == cal["classifier"] for run in runs))
    before = kept.stat().st_mtime_ns
    size = len(kept.read_bytes())
    calibrate(folder, "--lose", TARGET, "--vectors", kept)
    report.case("nothing new is not written", kept.stat().st_mtime_ns == before)
    parts = [word for name in SIZES for word in (f"--{name}", folder / f"{name}.tsv")]
    command = ["calibrate", folder / "bert", "--task", "classify", *parts, "--vectors", kept]
    for name, code, change, flags in (
        ("of other pooling", "E0844", lambda text: text, ["--pool", "cls"]),
        ("cut short", "E0843", lambda text: text[: size - 5], []),
        ("of another kind", "E0843", lambda text: b"x" + text, []),
    ):
        kept.write_bytes(change(kept.read_bytes()))
        result = subprocess.run([lathe(), *map(str, command), *flags], capture_output=True, text=True)
        refused = result.returncode != 0 and code in result.stderr
        report.case(f"vectors {name}", refused, result.stderr.strip())


def check_refusal(report, folder):
    """Nothing is ten times faster."""
    measured, cal = calibrate(folder, "--gain", 9)
    points = measured["measured"]["points"]
    report.case("exits that do not pay are refused", all(p["refused"] and not p["chosen"] for p in points))
    report.case("the file says why", cal["classifier"]["refused"] == "gain below 900 %")
    given = [folder / "bert", "--cal", folder / "texts.cal", "-f", folder / "test.txt"]
    both = [run("classify", *given, "--exit", policy) for policy in ("auto", "never")]
    report.case("without exits, auto is never", both[0] == both[1])


def check_tiny(report, folder):
    tiny_bert.write(folder / "bert")
    tiny_bert.write_words(folder / "bert")
    labels = labelled_texts.write(folder)
    found, cal = calibrate(folder, "--lose", TARGET)
    report.case("the file has what --json says", cal["measured"] == found["measured"])
    expected = Expected(folder, labels)
    check_heads(report, expected, cal["classifier"])
    check_points(report, expected, found["measured"])
    answers = check_classify(report, folder, expected, cal)
    check_library(report, folder, answers)
    check_kept(report, folder, cal)
    check_refusal(report, folder)


def main():
    report = Report("classify")
    with tempfile.TemporaryDirectory() as name:
        report.attempt("tiny BERT", check_tiny, report, pathlib.Path(name))
    report.exit()


if __name__ == "__main__":
    main()
