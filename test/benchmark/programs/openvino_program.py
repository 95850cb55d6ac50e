import pathlib

import environment

from . import AsksForTimes, register

VERSION = "2026.4.1"
PACKAGES = [f"openvino-genai=={VERSION}.0", f"openvino=={VERSION}", "numpy==2.4.6"]
WORKER = pathlib.Path(__file__).with_name("openvino_worker.py")


@register
class OpenVINO(AsksForTimes):
    """Reads the GGUF file itself, and chooses its precision."""

    label = "OpenVINO GenAI"
    order = 2

    def __init__(self, model, threads, context, vocabulary):
        python = environment.ensure("peers-openvino", PACKAGES, "about 300 MB")
        self.worker = environment.Worker(self.label, python, WORKER)
        settings = {"threads": threads, "vocabulary": vocabulary}
        self.worker.ask("load", model=str(model), **settings)
        self.worker.ask("measure", prompt=128, generate=4)

    def about(self):
        return f"openvino-genai {VERSION}, the same GGUF file"
