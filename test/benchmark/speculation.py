#!/usr/bin/env python3
"""What guessing tokens gives: plain decoding beside `lathe run --speculate`, turn by turn.

Prompts of three kinds stand in prompts/: functions to rewrite, texts to summarise, and open chat.
Every round runs each prompt all three ways, and the next one in the opposite order: without guesses,
with guesses, both with the whole output head, and with guesses and the head screened where that is
faster.  A prompt's speed is the median of its rounds, a kind's that of all its tokens at these
speeds.  All ways must give the same text.  Every run is a process of its own and starts without any
measurement.

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
PLAIN, GUESSES, BOTH = "plain", "guesses", "guesses and head"


def arguments_of(options, prompt, how):
    """Of `lathe run`, which answers the prompt."""
    arguments = [options.model, "-f", str(prompt), "-n", str(options.tokens)]
    arguments += ["-t", str(options.threads), "--ctx", str(options.context)]
    arguments += ["--speculate", "off" if how == PLAIN else options.how]
    return [*arguments, "--head", "auto" if how == BOTH else "full", *options.sampling]


def median_seconds(samples, how):
    return sum(statistics.median(each[how]) for each in samples)


def ratio(samples, how):
    """Of a way to plain decoding: of all samples together, then of the least and the greatest."""
    each = [median_seconds([one], PLAIN) / median_seconds([one], how) for one in samples]
    all_of_them = median_seconds(samples, PLAIN) / median_seconds(samples, how)
    return f"**{all_of_them:.2f}** ({min(each):.2f} to {max(each):.2f})"


def table(options, samples, reports):
    lines = ["| prompts | tokens | tokens/s plain | with guesses (least, greatest prompt) |"]
    lines[0] += " and a screened head | guesses right | tokens a step | rows of the head | of these, all |"
    lines.append("|---|---|---|---|---|---|---|---|---|")
    for kind in KINDS:
        names = [name for name in samples if name.startswith(kind)]
        if not names:
            continue
        own = [samples[name] for name in names]
        tokens = sum(reports[name]["speed"]["decode_tokens"] for name in names)

        def total(section, key, weight=lambda told: 1):
            told = [reports[name][section] for name in names]
            return sum(each[key] * weight(each) for each in told)

        drafted, accepted, steps = (
            total("speculation", key) for key in ("drafted", "accepted", "steps")
        )
        positions = max(1, total("head", "screened_positions"))
        rows = total("head", "rows_share", lambda told: told["screened_positions"]) / positions
        lines.append(
            f"| {kind}, {len(names)} | {tokens} | {tokens / median_seconds(own, PLAIN):.1f} |"
            f" {ratio(own, GUESSES)} | {ratio(own, BOTH)} | {accepted / max(1, drafted):.0%} |"
            f" {(steps + accepted) / steps:.2f} | {100 * rows:.2f} % |"
            f" {total('head', 'whole_positions') / positions:.2%} |"
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
    parser.add_argument("--sampled", action="store_true", help="at temperature 0.8, top-k 40, seed 7")
    parser.add_argument("--json", metavar="FILE", help="write every sample there")
    options = parser.parse_args()
    if min(options.threads, options.rounds, options.tokens) < 1:
        parser.error("threads, rounds and tokens start at 1")
    sampling = ["--temp", "0.8", "--top-k", "40", "--seed", "7"]
    options.sampling = sampling if options.sampled else []
    return options


def main():
    options = parse_options()
    busy = turns.warn_if_busy()
    kinds = options.only or KINDS
    prompts = {p.stem: p for p in sorted((HERE / "prompts").glob("*.txt"))}
    samples, reports = turns.measure(
        [name for name in prompts if name.startswith(tuple(kinds))],
        (PLAIN, GUESSES, BOTH),
        options.rounds,
        lambda name, how: arguments_of(options, prompts[name], how),
    )
    about = {
        "threads": options.threads,
        "model": pathlib.Path(options.model).name,
        "speculate": options.how,
        "sampling": "temperature 0.8, top-k 40" if options.sampled else "greedy",
        "rounds": options.rounds,
    }
    turns.tell(table(options, samples, reports), about, busy, samples, reports, options.json)


if __name__ == "__main__":
    main()
