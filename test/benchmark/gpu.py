#!/usr/bin/env python3
"""Everything there is to measure of a GPU, and whether it computes right, as JSON.

    gpu.py LATHE MODEL [--driver libcuda.so.1] [--device cuda:0] [-p 512] [-n 128] [-r 5] [-o FILE]

First the tiny models of test/conformance/gpu.py, then MODEL against the CPU: logits of a prompt in
f32, and greedy tokens.  Then `lathe bench`: prefill and decode, of which a step's time is told as
well, beside the least that its weights take at a given bandwidth (--gigabytes-per-second: 4300 is
what a copy reaches on an H200).  `./dev bench --gpu` builds and calls this; with the emulator as
--driver and a tiny MODEL it runs on any machine, and then no time means anything.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOLERANCE = 1e-3  # of the largest logit: f32 sums in another order, as in hf_f32.py


class Machine:
    """Runs `lathe` with the driver."""

    def __init__(self, given):
        self.given = given
        self.environment = {**os.environ, "LATHE_CUDA": given.driver, "LATHE": given.lathe}

    def call(self, *words):
        command = [self.given.lathe, *map(str, words)]
        result = subprocess.run(command, capture_output=True, env=self.environment)
        if result.returncode != 0:
            sys.exit(result.stderr.decode(errors="replace").strip())
        return result.stdout

    def there(self, *words):
        return self.call(*words, "--device", self.given.device)


def tiny_models(machine):
    """How many cases pass, and those that fail."""
    script = ROOT / "test" / "conformance" / "gpu.py"
    result = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, env=machine.environment
    )
    print(result.stdout + result.stderr, end="", file=sys.stderr)
    lines = result.stdout.splitlines()
    failed = [line for line in lines if line.startswith("FAIL")]
    if result.returncode != 0 and not failed:
        failed = [f"ended with {result.returncode}"]
    return {"passed": sum(line.startswith("PASS") for line in lines), "failed": failed}


def against_cpu(machine, model, tokens):
    """The largest difference of logits, and whether greedy tokens are the same."""
    logits = {}
    with tempfile.TemporaryDirectory() as folder:
        for device in ("cpu", machine.given.device):
            out = pathlib.Path(folder, "logits.npy")
            words = ("--tokens", " ".join(map(str, tokens)), "--precision=f32", "-o", out)
            machine.call("logits", model, *words, "--device", device)
            logits[device] = numpy.load(out)
    cpu, gpu = logits["cpu"], logits[machine.given.device]
    worst = float(numpy.abs(cpu - gpu).max() / numpy.abs(cpu).max())
    words = ("run", model, "--raw", "The capital of France is", "-n", 16, "--precision=f32")
    return {
        "worst_logit": worst,
        "logits_agree": worst <= TOLERANCE,
        "tokens_agree": machine.call(*words) == machine.there(*words),
    }


def speeds(machine, model):
    given = machine.given
    flags = ("-p", given.prompt, "-n", given.generate, "-r", given.repetitions, "-o", "json")
    tests = json.loads(machine.there("bench", model, *flags))
    for test in tests:
        if test["n_gen"]:
            test["step_us"] = test["avg_ns"] / test["n_gen"] / 1e3
            test["weights_us"] = test["model_size"] / given.gigabytes_per_second / 1e3
    return tests


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("lathe")
    parser.add_argument("model")
    parser.add_argument("--driver", default="libcuda.so.1")
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--gigabytes-per-second", type=float, default=4300)
    parser.add_argument("-p", "--prompt", type=int, default=512)
    parser.add_argument("-n", "--generate", type=int, default=128)
    parser.add_argument("-r", "--repetitions", type=int, default=5)
    parser.add_argument("-o", "--output", help="also write the JSON there")
    machine = Machine(parser.parse_args())
    model = machine.given.model
    tokens = numpy.random.default_rng(11).integers(0, 256, 16)
    found = {
        "devices": machine.call("devices").decode(),
        "tiny_models": tiny_models(machine),
        "model": against_cpu(machine, model, tokens),
        "bench": speeds(machine, model),
    }
    text = json.dumps(found, indent=2)
    print(text)
    if machine.given.output:
        pathlib.Path(machine.given.output).write_text(text + "\n")
    right = found["model"]["logits_agree"] and found["model"]["tokens_agree"]
    sys.exit(0 if right and not found["tiny_models"]["failed"] else 1)


if __name__ == "__main__":
    main()
