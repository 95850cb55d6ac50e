import json
import os
import pathlib
import subprocess

from . import Program, register

ROOT = pathlib.Path(__file__).resolve().parents[3]


@register
class Lathe(Program):
    label = "lathe"
    reads_forms = True

    def __init__(self, model, threads, context, vocabulary):
        self.model, self.threads = str(model), threads

    @staticmethod
    def command():
        return os.environ.get("LATHE") or str(ROOT / "build" / "bin" / "lathe")

    def measure(self, test):
        words = ["-p", str(test.prompt), "-n", str(test.generate), "-d", str(test.depth)]
        words += ["-t", str(self.threads), "-r", "1", "-o", "json"]
        command = [self.command(), "bench", self.model, *words]
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode != 0:
            message = result.stderr.strip()
            raise RuntimeError(f"lathe bench ended with {result.returncode}: {message}")
        return json.loads(result.stdout)[0]["samples_ts"][0]

    def about(self):
        command = [self.command(), "--version"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
