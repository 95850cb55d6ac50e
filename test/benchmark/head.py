#!/usr/bin/env python3
"""What screening the output head gives: `lathe run --head full` beside `--head HOW`, turn by turn.

Every round continues each text both ways and begins with the other one the next time.  A text's
speed is the median of its rounds, the whole's that of all tokens at these speeds.  Both ways must
give the same text.  Every run is a process of its own; nothing is guessed.

Prints a markdown table; --json FILE also writes every sample.
"""

import argparse
import pathlib
import statistics
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import turns  # noqa: E402

TEXTS = sorted((HERE.parent / "reference" / "text").glob("*.txt"))
SAMPLINGS = {
    "greedy": [],
    "top-k 40": ["--temp", "0.8", "--top-k", "40", "--seed", "7"],
    "top-k 64": ["--temp", "0.8", "--top-k", "64", "--seed", "7"],
}


def arguments_of(options, text, how):
    """Of `lathe run`, which continues the text."""
    arguments = [options.model, "-p", text.read_text()[:400], "-n", str(options.tokens)]
    arguments += ["-t", str(options.threads), "--ctx", "1024", "--raw", "--speculate", "off"]
    return [*arguments, "--head", how, *SAMPLINGS[options.sampling]]


def row(name, samples, reports, how):
    tokens = sum(report["speed"]["decode_tokens"] for report in reports)
    full, other = (
        sum(statistics.median(each[way]) for each in samples) for way in ("full", how)
    )
    heads = [report["head"] for report in reports]
    steps, whole = (sum(head[key] for head in heads) for key in ("screened_positions", "whole_positions"))
    rows = sum(head["rows_share"] * head["screened_positions"] for head in heads) / max(1, steps)
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
    busy = turns.warn_if_busy()
    texts = {text.stem: text for text in TEXTS}
    samples, reports = turns.measure(
        list(texts),
        ("full", options.how),
        options.rounds,
        lambda name, how: arguments_of(options, texts[name], how),
    )
    about = {
        "threads": options.threads,
        "model": pathlib.Path(options.model).name,
        "head": options.how,
        "sampling": options.sampling,
        "rounds": options.rounds,
    }
    turns.tell(table(options, samples, reports), about, busy, samples, reports, options.json)


if __name__ == "__main__":
    main()
