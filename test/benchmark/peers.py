#!/usr/bin/env python3
"""Lathe beside other programs: the same model, the same threads, the same lengths, turn by turn.

Each round measures one program after the other and starts with another one each time, so that a
noisy neighbour or a warm processor meets all.  Every measurement starts from an empty cache with
fresh random tokens after a warm-up that is not counted.  What counts is the ratio of the medians.

Ahead of every round of a test loops measure what the processor can do at most, and shares are of the
medians of the same rounds.  The loops and llama.cpp, which does not change, are compared with the best figures of this processor so far, and the run says if it counts.

With --forms the file that was given is run beside its forms, so that it is compared with the best
of them turn by turn, too.

Prints markdown tables; --json FILE also writes every sample.  The other programs are installed into
the user's cache at the first call.
"""

import argparse
import json
import pathlib
import platform
import re
import statistics
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
import baseline  # noqa: E402
import environment  # noqa: E402
import forms  # noqa: E402
import limits  # noqa: E402
import programs  # noqa: E402

TESTS = "pp512,pp128,tg128,tg64@1024"
STEADY = "llama.cpp"  # Pinned, so that its figures tell about the machine.


def processor():
    with open("/proc/cpuinfo") as info:
        names = [line.split(":", 1)[1].strip() for line in info if line.startswith("model name")]
        flags = {"avx512_vnni": "AVX-512 VNNI", "avx512f": "AVX-512", "avx2": "AVX2"}
        info.seek(0)
        text = info.read()
    kind = next((name for flag, name in flags.items() if flag in text), platform.machine())
    return f"{names[0] if names else platform.processor()}, {kind}"


def busy_share(seconds=1.0):
    """The part of all processors' time that others use now; the load average lags behind."""

    def times():
        with open("/proc/stat") as stat:
            ticks = [int(word) for word in stat.readline().split()[1:9]]
        return sum(ticks), ticks[3] + ticks[4]  # All; idle and waiting for a disk.

    (all_before, idle_before), _ = times(), time.sleep(seconds)
    all_after, idle_after = times()
    return 1 - (idle_after - idle_before) / max(1, all_after - all_before)


def parse_tests(text):
    tests = []
    for word in text.split(","):
        match = re.fullmatch(r"pp([1-9]\d*)|tg([1-9]\d*)(?:@(\d+))?", word)
        if not match:
            raise argparse.ArgumentTypeError(f"'{word}' is neither ppN nor tgN nor tgN@DEPTH")
        prompt, generate, depth = (int(part or 0) for part in match.groups())
        tests.append(programs.Test(prompt, generate, depth))
    return tests


def start(classes, model, tests, vocabulary, threads):
    """The programs that can be started; what is wrong with the others is told."""
    context = max(test.count + test.depth for test in tests)
    started = []
    for cls in classes:
        try:
            started.append(cls(model, threads, context, vocabulary))
        except Exception as error:  # Whatever another program does, the rest is measured.
            print(f"peers.py: {cls.label} is left out: {error}", file=sys.stderr)
    return started


def run_rounds(started, tests, rounds, bounds):
    """Samples in tokens per second, by test and program."""
    samples = {test: {program.label: [] for program in started} for test in tests}
    for turn in range(rounds):
        first = turn % len(started)
        for test in tests:
            bounds.sample(test)
            for program in started[first:] + started[:first]:
                speed = program.measure(test)
                samples[test][program.label].append(speed)
                line = f"round {turn + 1} {test.name} {program.label}: {speed:.1f} tokens/s"
                print(line, file=sys.stderr, flush=True)
    return samples


def table(samples, bounds):
    """Medians, their share of the limit, and how many times slower than Lathe a program is."""
    labels = list(next(iter(samples.values())))
    lines = [f"| test | limit | {' | '.join(labels)} |", "|---" * (len(labels) + 2) + "|"]
    for test, by_program in samples.items():
        limit = bounds.of(test)
        ours = statistics.median(by_program["lathe"]) if "lathe" in by_program else None
        cells = []
        for label, speeds in by_program.items():
            middle = statistics.median(speeds)
            ratio = f", lathe **{ours / middle:.2f}×**" if ours and label != "lathe" else ""
            if label.startswith("lathe on "):
                others = {other: statistics.median(by_program[other]) for other in labels if "lathe" not in other}
                ratio = "".join(f", **{middle / speed:.2f}×** {other}" for other, speed in others.items())
            spread = f"{min(speeds):.0f} to {max(speeds):.0f}"
            cells.append(f"{middle:.1f} ({spread}), {middle / limit:.0%}{ratio}")
        lines.append(f"| {test.name} | {limit:.0f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def steady_figures(model, threads, samples, bounds):
    """What a quiet machine gives again and again."""
    figures = {}
    for count, loops in bounds.all_loops.items():
        for name, speed in loops.items():
            footprint = f", {model.name}" if name == "read" else ""
            figures[f"{name}, {count} threads{footprint}"] = speed
    for test, by_program in samples.items():
        if by_program.get(STEADY):
            name = f"{STEADY} {test.name}, {threads} threads, {model.name}"
            figures[name] = statistics.median(by_program[STEADY])
    return figures


def measure_model(model, classes, options):
    """Measures one file and prints its table; what --json writes."""
    lathe = programs.PROGRAMS["lathe"].command()
    bounds = limits.Limits(lathe, model, options.threads)
    started = start(classes, model, options.tests, bounds.vocabulary, options.threads)
    try:
        samples = run_rounds(started, options.tests, options.rounds, bounds)
    finally:
        for program in started:
            program.close()
    loops = "; ".join(
        f"{count} threads: "
        + ", ".join(f"{name} {speed / 1e9:.1f}" for name, speed in speeds.items())
        for count, speeds in sorted(bounds.all_loops.items())
    )
    print(f"\n{model.name}, tokens/s: median (lowest to highest), share of the limit\n")
    print(table(samples, bounds))
    print(f"\nLimits in GB/s and Gop/s: {loops}; prefill by {bounds.peak}.")
    figures = steady_figures(model, options.threads, samples, bounds)
    return {
        "model": model.name,
        "programs": {program.label: program.about() for program in started},
        "loops": bounds.all_loops,
        "limits": {test.name: bounds.of(test) for test in options.tests},
        "tokens_per_second": {test.name: speeds for test, speeds in samples.items()},
    }, figures


def parse_options(classes):
    names = [cls.label for cls in classes]
    parser = argparse.ArgumentParser(prog="./dev bench --peers", description=__doc__.split("\n\n")[0])
    parser.add_argument("model", type=pathlib.Path, help="a GGUF file")
    parser.add_argument("-t", "--threads", type=int, default=2)
    parser.add_argument("--tests", type=parse_tests, default=TESTS, help=f"({TESTS})")
    parser.add_argument("-r", "--rounds", type=int, default=5, help="at least 5 to be quoted")
    parser.add_argument("--programs", default=",".join(names), help=f"({','.join(names)})")
    parser.add_argument(
        "--forms", action="store_true", help="also llama.cpp's best forms: " + ", ".join(forms.TYPES)
    )
    parser.add_argument("--json", metavar="FILE", help="write every sample there")
    options = parser.parse_args()
    if min(options.threads, options.rounds) < 1:
        parser.error("threads and rounds start at 1")
    options.programs = options.programs.split(",")
    if unknown := set(options.programs) - set(names):
        parser.error(f"no such program: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    return options


def main():
    classes = programs.load_all()
    options = parse_options(classes)
    busy = round(busy_share(), 2)
    chosen = [cls for cls in classes if cls.label in options.programs]
    runs = [(options.model, chosen)]
    if options.forms:
        reading = [cls for cls in chosen if cls.reads_forms]
        given = [programs.PROGRAMS["lathe"].on(options.model)] if "lathe" in options.programs else []
        runs += [(form, reading + given) for form in forms.make(options.model)]

    results, figures = [], {}
    for model, able in runs:
        result, steady = measure_model(model, able, options)
        results.append(result)
        figures.update(steady)
    name = processor()
    reasons = baseline.compare(environment.cache() / "baseline.json", name, figures)
    if busy > 0.1:
        reasons.insert(0, f"others used {busy:.0%} of the processors before")
    if options.rounds < 5:
        reasons.insert(0, f"{options.rounds} rounds, expected at least 5")
    about = {"processor": name, "threads": options.threads, "rounds": options.rounds, "busy before": busy}
    print(f"\n{'; '.join(f'{key}: {value}' for key, value in about.items())}.")
    print("; ".join(f"{key}: {value}" for key, value in results[0]["programs"].items()) + ".")
    print("This run does not count:" if reasons else "This run counts.")
    for reason in reasons:
        print(f"- {reason}")
    if options.json:
        text = json.dumps({**about, "does not count": reasons, "models": results}, indent=1)
        baseline.write_aside(options.json, text + "\n")


if __name__ == "__main__":
    main()
