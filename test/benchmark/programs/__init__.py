"""The programs that are measured beside each other.  Each is one module that registers its class."""

import dataclasses
import importlib
import pathlib
import random


@dataclasses.dataclass(frozen=True)
class Test:
    """Prefill of `prompt` tokens, or decode of `generate` tokens after `depth` others."""

    prompt: int = 0
    generate: int = 0
    depth: int = 0

    @property
    def name(self):
        if self.prompt:
            return f"pp{self.prompt}"
        return f"tg{self.generate}" + (f"@{self.depth}" if self.depth else "")

    @property
    def count(self):
        return self.prompt or self.generate


class Program:
    """Base of the programs: its name and place in tables, and whether it reads any GGUF file alike."""

    label = ""
    order = 0
    reads_forms = False

    def __init__(self, model, threads, context, vocabulary):
        raise NotImplementedError

    @classmethod
    def on(cls, model):
        """The same program, which is told to run another file than the others."""

        class OnFile(cls):
            label = f"{cls.label} on {model.name}"

            def __init__(self, _, *options):
                super().__init__(model, *options)

        return OnFile

    def measure(self, test):
        """Tokens per second of one run on fresh random tokens, from an empty cache."""
        raise NotImplementedError

    def about(self):
        """Its version and how it was driven."""
        raise NotImplementedError

    def close(self):
        pass


class AsksForTimes(Program):
    """A program whose worker tells the seconds to the first token and of each one after it."""

    worker = None

    def measure(self, test):
        if test.prompt:
            return test.prompt / self.worker.ask("measure", prompt=test.prompt, generate=0)["first"]
        answer = self.worker.ask("measure", prompt=max(1, test.depth), generate=test.generate)
        return 1 / answer["each"]

    def close(self):
        self.worker.__exit__()


PROGRAMS = {}


def register(cls):
    PROGRAMS[cls.label] = cls
    return cls


def load_all():
    """Imports every module here that is no worker; the classes in their order."""
    for module in sorted(pathlib.Path(__file__).parent.glob("*_program.py")):
        importlib.import_module(f"{__name__}.{module.stem}")
    return sorted(PROGRAMS.values(), key=lambda cls: cls.order)


def random_tokens(vocabulary, count):
    return [random.randrange(vocabulary) for _ in range(count)]
