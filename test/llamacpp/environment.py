"""llama.cpp as a peer: its Python bindings, in an environment of their own in the user's cache."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import environment as environments  # noqa: E402
from environment import cache  # noqa: E402, F401

VERSION = "0.3.36"
# Tuned for the machine at hand, as a user who builds it here would have it.
CMAKE_ARGS = "-DGGML_NATIVE=ON"
PACKAGES = ["numpy==2.4.6", f"llama-cpp-python=={VERSION}"]
WORKER = pathlib.Path(__file__).with_name("worker.py")


def ensure():
    """The interpreter that has llama_cpp; builds it (about ten minutes) where it is missing."""
    return environments.ensure("peers", PACKAGES, "about ten minutes", CMAKE_ARGS=CMAKE_ARGS)


class Worker(environments.Worker):
    """A process that has one model loaded."""

    def __init__(self):
        super().__init__("llama.cpp", ensure(), WORKER)
