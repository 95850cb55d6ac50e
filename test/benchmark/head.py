#!/usr/bin/env python3
"""What screening the output head gives: `lathe run --head full` beside `--head HOW`, turn by turn.

Every round continues each text both ways and begins with the other one the next time.  A text's
speed is the median of its rounds, the whole's that of all tokens at these speeds.  Both ways must
give the same text.  Every run is a process of its own; nothing is guessed.

Prints a markdown table; --json FILE also writes every sample.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from baseline import write_aside  # noqa: E402
from peers import busy_share, processor  # noqa: E402

LATHE = os.environ.get("LATHE") or str(HERE.parents[1] / "build" / "bin" / "lathe")
TEXTS = sorted((HERE.parent / "reference" / "text").glob("*.txt"))
SAMPLINGS = {
    "greedy": [],
    "top-k 40": ["--temp", "0.8", "--top-k", "40", "--seed", "7"],
    "top-k 64": ["--temp", "0.8", "--top-k", "64", "--seed", "7"],
}


def run(options, text, how, folder):
    """What was said, and the report of --json."""
    report = os.path.join(folder, "report.json")
    command = [LATHE, "run", options.model, "-p", text.read_text()[:400], "-n", str(options.tokens)]
    command += ["-t", str(options.threads), "--ctx", "1024", "--raw", "--speculate", "off"]
    command += ["--head", how, "--json", report, *SAMPLINGS[options.sampling]]
    done = subprocess.run(command, capture_output=True)
    if done.returncode != 0:
        sys.exit(f"head.py: lathe ended with {done.returncode}: {done.stderr.decode()}")
    with open(report) as file:
        return done.stdout, json.load(file)


def measure(options, folder):
    """By text: seconds of every round both ways, and the last report of the other way."""
    samples = {text.stem: {"full": [], options.how: []} for text in TEXTS}
    reports = {}
    for turn in range(options.rounds):
        for text in TEXTS:
            said = set()
            for how in (["full", options.how], [options.how, "full"])[turn % 2]:
                words, report = run(options, text, how, folder)
                said.add(words)
                samples[text.stem][how].append(report["speed"]["decode_seconds"])
                if how != "full":
                    reports[text.stem] = report
            if len(said) != 1:
                sys.exit(f"head.py: {text.name}: the texts differ: {said}")
            full, other = (samples[text.stem][how][-1] for how in ("full", options.how))
            print(f"round {turn + 1} {text.stem}: {full / other:.2f}", file=sys.stderr)
    return samples, reports


def row(name, samples, reports, how):
    tokens = sum(report["speed"]["decode_tokens"] for report in reports)
    full, other = (
        sum(statistics.median(each[way]) for each in samples) for way in ("full", how)
    )
    heads = [report["head"] for report in reports]
    steps, whole = (sum(head[key] for head in heads) for key in ("screened_steps", "whole_steps"))
    rows = sum(head["rows_share"] * head["screened_steps"] for head in heads) / max(1, steps)
    return (
        f"| {name} | {tokens} | {tokens / full:.1f} | {tokens / other:.1f} |"
        f" **{full / other:.3f}** | {steps / max(1, tokens):.0%} | {100 * rows:.2f} % |"
        f" {whole / max(1, steps):.2%} |"
    )


def table(options, samples, reports):
    lines = ["| text | tokens | tokens/s, whole head | screened | ratio | steps screened |"]
    lines[0] += " rows computed | of these, all |"
    lines.append("|---|---|---|---|---|---|---|---|")
    for name in samples:
        lines.append(row(name, [samples[name]], [reports[name]], options.how))
    lines.append(row("all", list(samples.values()), list(reports.values()), options.how))
    return "\n".join(lines)


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("model", help="a GGUF file")
    parser.add_argument("-t", "--threads", type=int, default=2)
    parser.add_argument("-n", "--tokens", type=int, default=128, help="of each text")
    parser.add_argument("-r", "--rounds", type=int, default=5, help="at least 5 to quote")
    parser.add_argument("--how", default="auto", choices=["auto", "screened"], help="beside full")
    parser.add_argument("--sampling", default="greedy", choices=list(SAMPLINGS))
    parser.add_argument("--json", metavar="FILE", help="write every sample there")
    options = parser.parse_args()
    if min(options.threads, options.rounds, options.tokens) < 1:
        parser.error("threads, rounds and tokens start at 1")
    return options


def main():
    options = parse_options()
    busy = busy_share()
    if busy > 0.1:
        print(f"warning: others use {100 * busy:.0f} % of the processors", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        samples, reports = measure(options, folder)
    about = {
        "processor": processor(),
        "threads": options.threads,
        "model": pathlib.Path(options.model).name,
        "head": options.how,
        "sampling": options.sampling,
        "rounds": options.rounds,
        "busy before": f"{100 * busy:.0f} %",
    }
    print(table(options, samples, reports))
    print("\n" + "; ".join(f"{k}: {v}" for k, v in about.items()) + ".")
    if options.json:
        report = {**about, "seconds": samples, "reports": reports}
        write_aside(options.json, json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
