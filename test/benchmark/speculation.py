#!/usr/bin/env python3
"""What guessing tokens gives: plain decoding beside `lathe run --speculate`, turn by turn.

Prompts of three kinds stand in prompts/: functions to rewrite, texts to summarise, and open chat.
Every round runs each prompt both ways and begins with the other one the next time.  A prompt's speed
is the median of its rounds, a kind's that of all its tokens at these speeds.  Both ways must give
the same text.  Every run is a process of its own and starts without any measurement.

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
KINDS = ("rewrite", "summary", "chat")


def run(options, prompt, how, folder):
    """The text, and the report of --json."""
    report = os.path.join(folder, "report.json")
    command = [LATHE, "run", options.model, "-f", str(prompt), "-n", str(options.tokens)]
    command += ["-t", str(options.threads), "--ctx", str(options.context)]
    command += ["--speculate", how, "--json", report, *options.sampling]
    done = subprocess.run(command, capture_output=True)
    if done.returncode != 0:
        sys.exit(f"speculation.py: lathe ended with {done.returncode}: {done.stderr.decode()}")
    with open(report) as file:
        return done.stdout, json.load(file)


def measure(options, prompts, folder):
    """By prompt: seconds of every round, plain and with guesses, and the last report with them."""
    samples = {prompt.stem: {"off": [], options.how: []} for prompt in prompts}
    reports = {}
    for turn in range(options.rounds):
        for prompt in prompts:
            texts = set()
            for how in (["off", options.how], [options.how, "off"])[turn % 2]:
                text, report = run(options, prompt, how, folder)
                texts.add(text)
                samples[prompt.stem][how].append(report["speed"]["decode_seconds"])
                if how != "off":
                    reports[prompt.stem] = report
            if len(texts) != 1:
                sys.exit(f"speculation.py: {prompt.name}: the texts differ: {texts}")
            off, on = (samples[prompt.stem][how][-1] for how in ("off", options.how))
            print(f"round {turn + 1} {prompt.stem}: {off / on:.2f}", file=sys.stderr)
    return samples, reports


def median_seconds(samples, how):
    return sum(statistics.median(each[how]) for each in samples)


def table(options, samples, reports):
    lines = ["| prompts | tokens | tokens/s plain | with guesses | ratio | prompts from, to |"]
    lines[0] += " acceptance | tokens a step |"
    lines.append("|---|---|---|---|---|---|---|---|")
    for kind in KINDS:
        names = [name for name in samples if name.startswith(kind)]
        if not names:
            continue
        tokens = sum(reports[name]["speed"]["decode_tokens"] for name in names)
        off, on = (median_seconds([samples[n] for n in names], h) for h in ("off", options.how))
        ratios = [
            median_seconds([samples[n]], "off") / median_seconds([samples[n]], options.how)
            for n in names
        ]
        told = [reports[name]["speculation"] for name in names]
        drafted, accepted, steps = (
            sum(each[key] for each in told) for key in ("drafted", "accepted", "steps")
        )
        lines.append(
            f"| {kind}, {len(names)} | {tokens} | {tokens / off:.1f} | {tokens / on:.1f} |"
            f" **{off / on:.2f}** | {min(ratios):.2f}, {max(ratios):.2f} |"
            f" {accepted / max(1, drafted):.0%} | {(steps + accepted) / steps:.2f} |"
        )
    return "\n".join(lines)


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("model", help="a GGUF file")
    parser.add_argument("-t", "--threads", type=int, default=2)
    parser.add_argument("-n", "--tokens", type=int, default=160, help="most tokens of an answer")
    parser.add_argument("-r", "--rounds", type=int, default=5, metavar="N", help="at least 5 to quote")
    parser.add_argument("--context", type=int, default=1024)
    parser.add_argument("--how", default="auto", help="what --speculate gets (auto)")
    parser.add_argument("--only", choices=KINDS, action="append", help="prompts of this kind")
    parser.add_argument("--sampled", action="store_true", help="at temperature 0.8, seed 7")
    parser.add_argument("--json", metavar="FILE", help="write every sample there")
    options = parser.parse_args()
    if min(options.threads, options.rounds, options.tokens) < 1:
        parser.error("threads, rounds and tokens start at 1")
    options.sampling = ["--temp", "0.8", "--seed", "7"] if options.sampled else []
    return options


def main():
    options = parse_options()
    busy = busy_share()
    if busy > 0.1:
        print(f"warning: others use {100 * busy:.0f} % of the processors", file=sys.stderr)
    kinds = options.only or KINDS
    prompts = [p for p in sorted((HERE / "prompts").glob("*.txt")) if p.stem.startswith(tuple(kinds))]
    with tempfile.TemporaryDirectory() as folder:
        samples, reports = measure(options, prompts, folder)
    about = {
        "processor": processor(),
        "threads": options.threads,
        "model": pathlib.Path(options.model).name,
        "speculate": options.how,
        "sampling": "temperature 0.8" if options.sampled else "greedy",
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
