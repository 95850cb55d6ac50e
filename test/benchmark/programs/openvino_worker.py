"""Runs in OpenVINO GenAI's environment: one JSON request a line on stdin, one JSON answer on stdout.

load      model threads vocabulary
measure   prompt generate           -> seconds to the first token, seconds per token after it
"""

import pathlib
import random
import sys

import numpy
import openvino
import openvino_genai

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from worker_loop import serve  # noqa: E402


class Session:
    def __init__(self, model, threads, vocabulary):
        settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
        self.pipeline = openvino_genai.LLMPipeline(model, "CPU", **settings)
        self.vocabulary = vocabulary

    def measure(self, prompt, generate):
        """`generate` tokens after the first, greedily, whatever they are."""
        # A new prompt each time, or a prefix cache answers.
        ids = numpy.array([[random.randrange(self.vocabulary) for _ in range(prompt)]], numpy.int64)
        inputs = openvino_genai.TokenizedInputs(
            openvino.Tensor(ids), openvino.Tensor(numpy.ones_like(ids))
        )
        settings = openvino_genai.GenerationConfig()
        settings.max_new_tokens = settings.min_new_tokens = generate + 1
        settings.ignore_eos = True
        settings.do_sample = False
        result = self.pipeline.generate(inputs, settings)
        metrics = result.perf_metrics
        if metrics.get_num_generated_tokens() != generate + 1:
            raise RuntimeError(f"{metrics.get_num_generated_tokens()} tokens, not {generate + 1}")
        return {
            "first": metrics.get_ttft().mean / 1000,
            "each": metrics.get_tpot().mean / 1000 if generate else 0.0,
        }


class Worker:
    session = None

    def answer(self, what, arguments):
        if what == "measure":
            return self.session.measure(**arguments)
        self.session = Session(**arguments)
        return {}


if __name__ == "__main__":
    serve(Worker().answer)
