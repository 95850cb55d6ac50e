"""Other programs for tests and benchmarks: Python environments in the user's cache, and workers in them."""

import fcntl
import json
import os
import pathlib
import subprocess
import sys


def cache():
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "lathe")


def _installed(python, packages):
    query = "import importlib.metadata as m, sys; [print(f'{p}=={m.version(p)}') for p in sys.argv[1:]]"
    names = [package.split("==")[0] for package in packages]
    try:
        found = subprocess.run([python, "-c", query, *names], capture_output=True, text=True)
    except OSError:
        return False
    return found.returncode == 0 and found.stdout.split() == packages


def ensure(name, packages, note, **variables):
    """The interpreter that has `packages` ("name==version"), installed where they are missing.

    `note` says what that costs; `variables` are for the environment of their builds.
    """
    folder = cache() / name
    python = folder / "bin" / "python"
    cache().mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(cache() / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _installed(python, packages):
            return python
        print(f"installing {', '.join(packages)} in {folder} ({note})", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--no-cache-dir"]
        environment = dict(os.environ, **variables)
        subprocess.run([*pip, *packages], check=True, stdout=sys.stderr, env=environment)
    return python


class Worker:
    """A process that answers one request a line (worker_loop.py)."""

    def __init__(self, name, python, script):
        self.name = name
        pipe = subprocess.PIPE
        command = [str(python), str(script)]
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)

    def ask(self, what, **arguments):
        self.process.stdin.write(json.dumps({"do": what, **arguments}) + "\n")
        self.process.stdin.flush()
        while line := self.process.stdout.readline():
            if line.startswith("{"):  # Libraries print, too.
                break
        else:
            raise RuntimeError(f"{self.name} ended with {self.process.wait()} at '{what}'")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"{self.name}: {what}: {answer['error']}")
        return answer

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.process.stdin.close()
        self.process.wait()
