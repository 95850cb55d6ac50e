"""llama.cpp's tokenizer vocabularies with their test strings and ids, out of the source package of
its Python bindings, kept in the user's cache: they are llama.cpp's data, not ours."""

import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile

from .environment import VERSION, cache

MEMBERS = "vendor/llama.cpp/models/ggml-vocab-"


def extract(archive, folder):
    """Only the vocabularies, by their last name: no path of the archive is followed."""
    with tarfile.open(archive) as source:
        for member in source:
            if member.isfile() and MEMBERS in member.name:
                with source.extractfile(member) as content, open(
                    folder / pathlib.PurePosixPath(member.name).name, "wb"
                ) as target:
                    shutil.copyfileobj(content, target)


def ensure():
    """The folder with the vocabularies; None where they cannot be fetched."""
    folder = cache() / f"goldens-{VERSION}"
    if folder.is_dir():
        return folder
    cache().mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache()) as work:
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--no-deps"]
        command += ["--no-binary", ":all:", "-d", work, f"llama-cpp-python=={VERSION}"]
        if subprocess.run(command, stdout=sys.stderr).returncode != 0:
            return None
        archive = next(pathlib.Path(work).glob("*.tar.gz"))
        ready = pathlib.Path(work, "ready")
        ready.mkdir()
        extract(archive, ready)
        os.rename(ready, folder)
    return folder
