#!/usr/bin/env python3
"""What leaving early gives: classifying with exits beside without, text by text in turns.

    classify.py [--tasks topics10,lib-app,sections16] [--seeds 1,2,3,4] [-t THREADS] [--texts N] [--cals DIR]

Calibrates all-MiniLM-L6-v2 (`./dev model minilm`) on the labelled texts of `./dev data
debian-sections`, then takes --texts of the test part, evenly, one at a time (batch 1), each with exits,
without, and as `embed` does, which runs all layers in one step and asks no head; who begins changes from
text to text.  What counts is the ratio of the mean times, and the points of accuracy that exits lose
on all texts of the test part.  Labels must be those that the calibration counted.  `embed` is compared on
the texts that lose no token to --max-tokens, as it reads all.  Vectors of texts are kept from split to
split, so that each text is read once for all of them.  --cals keeps the calibrations themselves, which is
what takes long, for a run at a quieter time.

Prints a markdown table; --json FILE also writes the numbers of each split.
"""

import argparse
import importlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent), str(ROOT / "tools" / "python")]
import environment  # noqa: E402
from turns import LATHE, tell, warn_if_busy  # noqa: E402

#: What issue 6 asks for: speed with exits over without, mean of four splits.
GOALS = {"topics10": 1.6, "lib-app": 2.0, "sections16": 1.5}
WARM = 30  # texts whose times do not count


def calibrate(options, data, output, vectors):
    """Makes the file of `lathe calibrate` where it is missing; what it measured."""
    if output.exists():
        return json.loads(output.read_text("utf-8"))["measured"]
    parts = [word for part in ("train", "valid", "test") for word in (f"--{part}", str(data / f"{part}.tsv"))]
    command = [LATHE, "calibrate", str(options.model), "--task", "classify", *parts, "-o", str(output)]
    command += ["--max-tokens", str(options.max_tokens), "-t", str(options.threads), "--json"]
    command += ["--vectors", str(vectors), "--precision", options.precision]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"lathe ended with {done.returncode}: {done.stderr}")
    return json.loads(done.stdout)["measured"]


def take_turns(model, classifier, labelled, most):
    """Seconds of each way, on all texts and on those of at most `most` tokens, and how many labels
    each finds."""
    ways = {
        "exits": lambda text: classifier.classify(text).label,
        "no exits": lambda text: classifier.classify(text, exit="never").label,
        "embed": lambda text: model.embed(text, pool="mean", normalize=False) is None,
    }
    seconds, whole = {way: [] for way in ways}, []
    right = dict.fromkeys(ways, 0)
    for number, (label, text) in enumerate(labelled):
        names = list(ways)
        whole.append(len(model.tokenize(text)) <= most)
        for way in names[number % 3 :] + names[: number % 3]:
            start = time.perf_counter()
            found = ways[way](text)
            seconds[way].append(time.perf_counter() - start)
            right[way] += found == label
    seconds = {way: values[WARM:] for way, values in seconds.items()}
    short = {way: [s for s, fits in zip(values, whole[WARM:]) if fits] for way, values in seconds.items()}
    return seconds, short, right


def spread(lines, count):
    """So many of them, evenly; all where there are fewer."""
    return [lines[number * len(lines) // count] for number in range(count)] if count < len(lines) else lines


def share_of_work(outcome):
    return outcome["multiply_adds"] / outcome["multiply_adds_without_exits"]


def measure(options, model, task, seed, folder):
    data = options.data / f"{task}-{seed}"
    lines = (data / "test.tsv").read_text("utf-8").splitlines()
    labelled = [line.split("\t", 1) for line in spread(lines, options.texts)]
    cal = folder / f"{task}-{seed}.cal"
    measured = calibrate(options, data, cal, options.vectors or folder / "vectors")
    seconds, short, right = take_turns(model, model.classifier(cal), labelled, options.max_tokens)
    chosen = next((point for point in measured["points"] if point["chosen"]), None)
    means = {way: statistics.mean(values) for way, values in seconds.items()}
    texts, whole = measured["test_texts"], measured["depths"][-1]["right"]
    counted = {"exits": chosen["test"]["right"] if chosen else whole, "no exits": whole}
    if options.texts >= len(lines) and any(right[way] != count for way, count in counted.items()):
        sys.exit(f"classify.py: {task} {seed}: {right} labels are right, {counted} when calibrated")
    found = {
        "task": task,
        "seed": seed,
        "texts": texts,
        "timed": len(labelled),
        "exits": "none" if chosen is None else f"from {chosen['first_exit']}",
        "threshold": chosen and chosen["threshold"],
        "layers": chosen and chosen["test"]["mean_layers"],
        "ms": {way: 1000 * mean for way, mean in means.items()},
        "ratio": means["no exits"] / means["exits"],
        "ratio to embed": statistics.mean(short["embed"]) / statistics.mean(short["exits"]),
        "lost": 100 * (counted["no exits"] - counted["exits"]) / texts,
        "accuracy": {way: 100 * count / texts for way, count in counted.items()},
        "words": 100 * measured["right_by_words"] / texts,
        "work": share_of_work(chosen["test"]) if chosen else 1,
    }
    print(f"{task} {seed}: {found['ratio']:.2f}x, {found['lost']:.2f} points lost", file=sys.stderr)
    return found


def table(rows):
    head = ["task, split", "texts", "bag of words, %", "no exits, %", "exits, %", "points lost", "exits at"]
    head += ["mean layers", "work", "ms, no exits", "ms, exits", "speed", "to `embed`", "goal"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        cells = [f"{row['task']} {row['seed']}", f"{row['texts']}", f"{row['words']:.1f}"]
        cells += [f"{row['accuracy'][way]:.1f}" for way in ("no exits", "exits")]
        cells += [f"{row['lost']:.2f}", row["exits"]]
        cells += ["" if row["layers"] is None else f"{row['layers']:.2f}", f"{row['work']:.2f}"]
        cells += [f"{row['ms'][way]:.2f}" for way in ("no exits", "exits")]
        cells += [f"{row['ratio']:.2f}", f"{row['ratio to embed']:.2f}", ""]
        lines.append("| " + " | ".join(cells) + " |")
    for task in dict.fromkeys(row["task"] for row in rows):
        own = [row for row in rows if row["task"] == task]

        def mean(key):
            return statistics.mean(row[key] for row in own)

        cells = [f"**{task}**, mean"] + [""] * 4 + [f"{mean('lost'):.2f}"] + [""] * 2
        cells += [f"{mean('work'):.2f}"] + [""] * 2
        cells += [f"**{mean('ratio'):.2f}**", f"{mean('ratio to embed'):.2f}", f"{GOALS.get(task, '')}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    cache = environment.cache()
    parser.add_argument("model", nargs="?", type=pathlib.Path, default=cache / "models" / "all-minilm-l6-v2")
    parser.add_argument("--data", type=pathlib.Path, default=cache / "data" / "debian-sections")
    parser.add_argument("--tasks", default=",".join(GOALS))
    parser.add_argument("--seeds", default="1,2,3,4")
    parser.add_argument("-t", "--threads", type=int, default=2)
    parser.add_argument("--max-tokens", type=int, default=128, help="tokens of a text that are read")
    parser.add_argument("--texts", type=int, default=400, help="that are timed, of a test part")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--vectors", type=pathlib.Path, help="kept for the next run, too")
    parser.add_argument("--cals", type=pathlib.Path, help="a folder of calibrations, kept for the next run")
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    for folder, command in ((options.model, "./dev model minilm"), (options.data, "./dev data")):
        if not folder.is_dir():
            sys.exit(f"classify.py: {folder} is no folder; '{command}' makes it")
    library = pathlib.Path(LATHE).resolve().parents[1] / "lib" / "liblathe.so"
    os.environ.setdefault("LATHE_LIBRARY", str(library))
    package = importlib.import_module("lathe")
    model = package.load(options.model, threads=options.threads, precision=options.precision)
    busy = warn_if_busy()
    tasks, seeds = options.tasks.split(","), options.seeds.split(",")
    with tempfile.TemporaryDirectory() as name:
        folder = options.cals or pathlib.Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        rows = [measure(options, model, task, seed, folder) for task in tasks for seed in seeds]
    about = {"threads": options.threads, "most tokens": options.max_tokens, "batch": 1}
    tell(table(rows), about, busy, rows, [], options.json)


if __name__ == "__main__":
    main()
