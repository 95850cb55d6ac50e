"""What the conformance scripts share: the product's command line, the model, and the report."""

import os
import pathlib
import subprocess
import sys
import tempfile

import numpy

ROOT = pathlib.Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "test" / "reference"


class Failed(Exception):
    """The product did not do what it was asked; the message says how."""


class Report:
    """Prints a line per case, in the form that test/run.py counts."""

    def __init__(self, suite):
        self.suite = suite
        self.failed = False

    def case(self, name, good, detail=""):
        self.failed |= not good
        self._line("PASS" if good else "FAIL", name, detail)

    def skip(self, name, why):
        self._line("SKIP", name, why)

    def attempt(self, name, action, *arguments):
        """Runs `action`, which reports cases of its own; a product failure fails this case."""
        try:
            action(*arguments)
        except Failed as failure:
            self.case(name, False, str(failure))

    def exit(self):
        sys.exit(1 if self.failed else 0)

    def _line(self, word, name, detail):
        print(f"{word}: {self.suite} {name}{': ' + detail if detail else ''}", flush=True)


def cache_folder():
    """Where ./dev keeps what it fetches."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return pathlib.Path(base, "lathe")


def processor_has(features):
    """Whether /proc/cpuinfo lists all of them, by the kernel's names."""
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    flags = next((line for line in lines if line.startswith("flags")), "")
    return set(features) <= set(flags.split())


def lathe():
    return os.environ.get("LATHE") or str(ROOT / "build" / "bin" / "lathe")


class RealModel:
    """A model that the tests know: its file in the user's cache and what others computed with it."""

    def __init__(self, name, stem, variable=None):
        self.name = name  # as `./dev model NAME` takes it
        self.file = f"{stem}.gguf"
        self.reference = REFERENCE / "real-models" / stem
        self.variable = variable  # of the environment, that names another file

    def path(self):
        """Of the file where it was fetched, or None."""
        given = os.environ.get(self.variable or "")
        path = given or str(cache_folder() / "models" / self.file)
        return path if os.path.isfile(path) else None

    def missing(self):
        return f"{self.file} is not in the cache ('./dev model {self.name}' fetches it)"


SMOLLM2 = RealModel("smollm2", "smollm2-135m-instruct-q4_1", "LATHE_TEST_MODEL")
REAL_MODELS = (SMOLLM2, RealModel("gemma3", "gemma3-270m-q4_k_m"))


def model_or_skip(report):
    """The default model; without it the whole suite is one skipped case."""
    model = SMOLLM2.path()
    if model is None:
        report.skip("all", SMOLLM2.missing())
        report.exit()
    return model


def attempt_models(report, action, *arguments):
    """Calls action(report, model, path, *arguments) for every model that is there."""
    for model in REAL_MODELS:
        path = model.path()
        if path is None:
            report.skip(model.name, model.missing())
        else:
            report.attempt(model.name, action, report, model, path, *arguments)


def joined(tokens):
    return " ".join(str(int(token)) for token in tokens)


def run_logits(model, flags, out):
    """`lathe logits`; the answer is the file it wrote."""
    command = [lathe(), "logits", str(model), *flags, "-o", str(out)]
    try:
        result = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=1800
        )
    except OSError as error:
        raise Failed(f"cannot start {command[0]}: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise Failed(f"'{shown(command)}' was stopped after 30 minutes") from None
    if result.returncode != 0:
        raise Failed(f"'{shown(command)}' ended with {result.returncode}: {result.stderr.strip()}")
    if not pathlib.Path(out).is_file():
        raise Failed(f"'{shown(command)}' wrote no file")
    return pathlib.Path(out)


def shown(command):
    words = [word if len(word) <= 40 else word[:37] + "..." for word in command]
    return " ".join(["lathe", *words[1:]])


def logits(model, tokens, *flags):
    """float32 [len(tokens), vocabulary], checked for form and for being finite."""
    with tempfile.TemporaryDirectory() as folder:
        out = run_logits(model, ["--tokens", joined(tokens), *flags], pathlib.Path(folder, "x.npy"))
        values = numpy.load(out)
    if values.dtype != numpy.float32 or values.ndim != 2 or len(values) != len(tokens):
        raise Failed(
            f"found {values.dtype} {values.shape}, expected float32 [{len(tokens)}, vocabulary]"
        )
    if not numpy.isfinite(values).all():
        raise Failed(f"{(~numpy.isfinite(values)).sum()} logits are not finite")
    return values


def logsumexp(values):
    """Along the last axis, in float64."""
    values = values.astype(numpy.float64)
    top = values.max(axis=-1, keepdims=True)
    return (top + numpy.log(numpy.exp(values - top).sum(axis=-1, keepdims=True)))[..., 0]
