import os
import pathlib
import subprocess
import sys
import tempfile

import environment
import forms

from . import AsksForTimes, register

VERSION = "0.18.0"
PACKAGES = [f"onnxruntime-genai=={VERSION}", "onnxruntime==1.32.0", "numpy==2.4.6"]
# Only to make the model, and several gigabytes, as torch brings what GPUs need: not kept.
CONVERTER = ["torch==2.15.0", "transformers==5.23.0", "onnx-ir==1.1.0", "gguf==0.19.0"]
CONVERTER += ["accelerate==1.15.0", "sentencepiece==0.2.3"]
HERE = pathlib.Path(__file__).parent


def convert(model):
    """The folder with `model` as int4 ONNX in the user's cache, made at the first call."""
    folder = forms.folder() / f"{model.stem}-{forms.digest(model)}-onnx-{VERSION}"
    if folder.is_dir():
        return folder
    print(f"converting {model.name} for ONNX Runtime (4 GB for a while)", file=sys.stderr)
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        tools, ready = pathlib.Path(work, "tools"), pathlib.Path(work, "ready")
        subprocess.run([sys.executable, "-m", "venv", tools], check=True)
        python = tools / "bin" / "python"
        pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--no-cache-dir"]
        subprocess.run([*pip, *PACKAGES, *CONVERTER], check=True, stdout=sys.stderr)
        command = [python, HERE / "onnxruntime_convert.py", model.resolve(), ready]
        subprocess.run(command, check=True, stdout=sys.stderr)
        os.rename(ready, folder)
    return folder


@register
class ONNXRuntime(AsksForTimes):
    """Has int4 weights made from the dequantised file, those of the output layer too."""

    label = "ONNX Runtime GenAI"
    order = 3

    def __init__(self, model, threads, context, vocabulary):
        folder = convert(pathlib.Path(model))
        python = environment.ensure("peers-onnxruntime", PACKAGES, "about 200 MB")
        self.worker = environment.Worker(self.label, python, HERE / "onnxruntime_worker.py")
        self.worker.ask("load", model=str(folder), threads=threads, vocabulary=vocabulary)
        self.worker.ask("measure", prompt=128, generate=4)

    def about(self):
        return f"onnxruntime-genai {VERSION}, int4 in blocks of 32, accuracy level 4"
