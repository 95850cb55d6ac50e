"""What the processor could do at most with a model, from loops that are measured in the same run."""

import json
import pathlib
import subprocess
from statistics import median

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROOFLINE = ROOT / "build" / "bin" / "roofline"


def measure(footprint, threads):
    """What the loops reach, by threads and name: "read" in bytes, the others in operations a second."""
    command = [str(ROOFLINE), f"--footprint={footprint}", f"--workers={threads}"]
    command += ["--benchmark_format=json", "--benchmark_min_time=0.05"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    speeds = {1: {}, threads: {}}
    for row in json.loads(result.stdout)["benchmarks"]:
        if row["run_type"] == "iteration":
            speed = row.get("bytes_per_second") or row["items_per_second"]
            speeds[row["threads"]][row["name"].split("/")[0]] = speed
    return speeds


def medians(samples):
    return {
        count: {name: median(sample[count][name] for sample in samples) for name in samples[0][count]}
        for count in samples[0]
    }


class Limits:
    """The bytes and operations that a model needs for a token, and what they cost at best."""

    def __init__(self, lathe, model, threads):
        command = [lathe, "inspect", str(model), "--json"]
        facts = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        shape = facts["hyper_parameters"]
        self.vocabulary = shape["vocab_size"]
        self.bytes = sum(kind["bytes"] for kind in facts["types"].values())
        # The output layer is for one token of a prompt, the input layer computes nothing.
        inner = facts["parameters"] - self.vocabulary * shape["embedding_length"]
        self.operations = 2 * inner
        self.attention = 2 * shape["embedding_length"] * shape["block_count"]
        self.threads = threads
        self.samples = {}
        known = measure(self.bytes, threads)[threads]
        quantised = any("q" in name for name in facts["types"])
        self.peak = "int8" if quantised else "bf16" if "bf16" in known else "f32"
        # Queries and keys are no integers; where only f32 is left, as if they were.
        self.attention_peak = "bf16" if "bf16" in known else self.peak

    def sample(self, test):
        """Runs the loops once, to be called ahead of every round of a test: memory is as fast as
        others on the machine leave it, and that changes within minutes."""
        self.samples.setdefault(test.name, []).append(measure(self.bytes, self.threads))

    @property
    def all_loops(self):
        return medians([sample for samples in self.samples.values() for sample in samples])

    def of(self, test):
        """Tokens per second, by the medians of the test's rounds; the KV cache is left out."""
        loops = medians(self.samples[test.name])[self.threads]
        if not test.prompt:
            return loops["read"] / self.bytes
        # A token sees half of the prompt on average, in two products.
        attention = self.attention * test.prompt / loops[self.attention_peak]
        return 1 / (self.operations / loops[self.peak] + attention)
