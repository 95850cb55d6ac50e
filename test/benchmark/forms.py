"""A model in the forms that llama.cpp is fastest with, made by llama.cpp's own quantiser.

They are made from a file that is quantised already, so they are for speed alone.
"""

import hashlib
import os
import sys

import environment
from llamacpp.environment import Worker

TYPES = ("q4_0", "q8_0", "bf16")


def digest(path):
    with open(path, "rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()[:16]


def folder():
    """Where models made for benchmarks are kept, in the user's cache."""
    place = environment.cache() / "peers-models"
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    return place


def make(model):
    """The files, made at the first call."""
    stem = f"{model.stem}-{digest(model)}"
    files = {kind: folder() / f"{stem}-as-{kind}.gguf" for kind in TYPES}
    missing = {kind: path for kind, path in files.items() if not path.exists()}
    if missing:
        with Worker() as worker:
            for kind, path in missing.items():
                print(f"writing {path.name}", file=sys.stderr)
                aside = f"{path}.{os.getpid()}"
                worker.ask("quantize", source=str(model), target=aside, type=kind)
                os.rename(aside, path)
    return list(files.values())
