#!/usr/bin/env python3
"""What guessing tokens gives: plain decoding beside `lathe run --speculate`, turn by turn.

Prompts of three kinds stand in prompts/: functions to rewrite, texts to summarise, and open chat.
Every round runs each prompt both ways and begins with the other one the next time.  A prompt's speed
is the median of its rounds, a kind's that of all its tokens at these speeds.  Both ways must give
the same text.  Every run is a process of its own and starts without any measurement.

Prints a markdown table; --json FILE also writes every sample.
"""

import argparse
import pathlib
import statistics
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import turns  # noqa: E402

KINDS = ("rewrite", "summary", "chat")


def arguments_of(options, prompt, how):
    """Of `lathe run`, which answers the prompt."""
    arguments = [options.model, "-f", str(prompt), "-n", str(options.tokens)]
    arguments += ["-t", str(options.threads), "--ctx", str(options.context)]
    return [*arguments, "--speculate", how, *options.sampling]


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
    busy = turns.warn_if_busy()
    kinds = options.only or KINDS
    prompts = {p.stem: p for p in sorted((HERE / "prompts").glob("*.txt"))}
    samples, reports = turns.measure(
        [name for name in prompts if name.startswith(tuple(kinds))],
        ("off", options.how),
        options.rounds,
        lambda name, how: arguments_of(options, prompts[name], how),
    )
    about = {
        "threads": options.threads,
        "model": pathlib.Path(options.model).name,
        "speculate": options.how,
        "sampling": "temperature 0.8" if options.sampled else "greedy",
        "rounds": options.rounds,
    }
    turns.tell(table(options, samples, reports), about, busy, samples, reports, options.json)


if __name__ == "__main__":
    main()
