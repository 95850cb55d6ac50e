"""Runs in ONNX Runtime GenAI's environment: one JSON request a line on stdin, one JSON answer on stdout.

load      model threads vocabulary
measure   prompt generate           -> seconds to the first token, seconds per token after it
"""

import json
import pathlib
import random
import sys
import time

import numpy
import onnxruntime_genai

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from worker_loop import serve  # noqa: E402


class Session:
    def __init__(self, model, threads, vocabulary):
        config = onnxruntime_genai.Config(model)
        options = {"session_options": {"intra_op_num_threads": threads}}
        config.overlay(json.dumps({"model": {"decoder": options}}))
        self.model = onnxruntime_genai.Model(config)
        self.vocabulary = vocabulary

    def measure(self, prompt, generate):
        """`generate` tokens after the first, greedily, whatever they are."""
        length = prompt + generate + 1
        parameters = onnxruntime_genai.GeneratorParams(self.model)
        parameters.set_search_options(do_sample=False, max_length=length, min_length=length)
        generator = onnxruntime_genai.Generator(self.model, parameters)
        ids = [random.randrange(self.vocabulary) for _ in range(prompt)]
        start = time.perf_counter()
        generator.append_tokens(numpy.array(ids, numpy.int32))
        generator.generate_next_token()
        first = time.perf_counter()
        for _ in range(generate):
            generator.generate_next_token()
        each = (time.perf_counter() - first) / generate if generate else 0.0
        if generator.token_count() != length:
            raise RuntimeError(f"{generator.token_count()} tokens, not {length}")
        return {"first": first - start, "each": each}


class Worker:
    session = None

    def answer(self, what, arguments):
        if what == "measure":
            return self.session.measure(**arguments)
        self.session = Session(**arguments)
        return {}


if __name__ == "__main__":
    serve(Worker().answer)
