"""llama.cpp as a peer: its Python bindings, in an environment of their own in the user's cache."""

import fcntl
import json
import os
import pathlib
import subprocess
import sys

VERSION = "0.3.36"
# Tuned for the machine at hand, as a user who builds it here would have it.
CMAKE_ARGS = "-DGGML_NATIVE=ON"
WORKER = pathlib.Path(__file__).with_name("worker.py")


def cache():
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "lathe")


def installed(python):
    query = "import importlib.metadata as m; print(m.version('llama-cpp-python'))"
    try:
        found = subprocess.run([python, "-c", query], capture_output=True, text=True)
    except OSError:
        return None
    return found.stdout.strip() if found.returncode == 0 else None


def ensure():
    """The interpreter that has llama_cpp; builds it (about ten minutes) where it is missing."""
    folder = cache() / "peers"
    python = folder / "bin" / "python"
    cache().mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(cache() / "peers.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if installed(python) == VERSION:
            return python
        print(
            f"building llama-cpp-python {VERSION} in {folder} (about ten minutes)", file=sys.stderr
        )
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run(
            [
                python,
                "-m",
                "pip",
                "--disable-pip-version-check",
                "install",
                "numpy==2.4.6",
                f"llama-cpp-python=={VERSION}",
            ],
            check=True,
            stdout=sys.stderr,
            env=dict(os.environ, CMAKE_ARGS=CMAKE_ARGS),
        )
    return python


class Worker:
    """A process that has one model loaded and answers one request a line."""

    def __init__(self):
        command = [str(ensure()), str(WORKER)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)

    def ask(self, what, **arguments):
        self.process.stdin.write(json.dumps({"do": what, **arguments}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"llama.cpp ended with {self.process.wait()} at '{what}'")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"llama.cpp: {what}: {answer['error']}")
        return answer

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.process.stdin.close()
        self.process.wait()
