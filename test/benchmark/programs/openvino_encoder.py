"""Runs in OpenVINO's environment: one JSON request a line on stdin, one JSON answer on stdout.

load      folder threads precision  the graph of a BERT encoder, from config.json and model.safetensors
embed     batch ids                 -> vectors of `batch` equal texts, for comparison
measure   batch length clock        -> seconds of a run on fresh random tokens

The graph is what OpenVINO's own converters make of transformers' BertModel with mean pooling: its
plugin fuses attention, norms and activations.
"""

import json
import math
import pathlib
import random
import struct
import sys

import numpy as np
import openvino
from openvino import opset13 as ops

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from worker_loop import CLOCKS, serve  # noqa: E402


def read_weights(path):
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header, data = json.loads(raw[8 : 8 + length]), raw[8 + length :]
    header.pop("__metadata__", None)
    return {
        name: np.frombuffer(data[slice(*entry["data_offsets"])], "<f4").reshape(entry["shape"])
        for name, entry in header.items()
        if entry["dtype"] == "F32"
    }


class Graph:
    def __init__(self, folder):
        self.config = json.loads((folder / "config.json").read_text())
        self.weights = read_weights(folder / "model.safetensors")

    def constant(self, name):
        return ops.constant(self.weights[name])

    def linear(self, name, x):
        product = ops.matmul(x, self.constant(name + ".weight"), False, True)
        return ops.add(product, self.constant(name + ".bias"))

    def norm(self, name, x):
        axes = ops.constant(np.array([-1], np.int64))
        normal = ops.mvn(x, axes, True, self.config["layer_norm_eps"], "inside_sqrt")
        scaled = ops.multiply(normal, self.constant(name + ".weight"))
        return ops.add(scaled, self.constant(name + ".bias"))

    def heads(self, x):
        count = self.config["num_attention_heads"]
        shape = [0, 0, count, self.config["hidden_size"] // count]
        split = ops.reshape(x, ops.constant(np.array(shape, np.int64)), True)
        return ops.transpose(split, ops.constant(np.array([0, 2, 1, 3], np.int64)))

    def layer(self, number, x):
        start = f"encoder.layer.{number}."
        q, k, v = (
            self.heads(self.linear(f"{start}attention.self.{each}", x))
            for each in ("query", "key", "value")
        )
        mixed = ops.scaled_dot_product_attention(q, k, v)
        rows = ops.transpose(mixed, ops.constant(np.array([0, 2, 1, 3], np.int64)))
        shape = ops.constant(np.array([0, 0, self.config["hidden_size"]], np.int64))
        own = self.linear(start + "attention.output.dense", ops.reshape(rows, shape, True))
        x = self.norm(start + "attention.output.LayerNorm", ops.add(x, own))
        up = ops.gelu(self.linear(start + "intermediate.dense", x), "erf")
        own = self.linear(start + "output.dense", up)
        return self.norm(start + "output.LayerNorm", ops.add(x, own))

    def build(self, batch, length):
        ids = ops.parameter([batch, length], np.int64, "ids")
        words = ops.gather(self.constant("embeddings.word_embeddings.weight"), ids, 0)
        positions = self.weights["embeddings.position_embeddings.weight"][:length]
        # What transformers adds too, and a compiler may add beforehand.
        others = positions + self.weights["embeddings.token_type_embeddings.weight"][0]
        x = self.norm("embeddings.LayerNorm", ops.add(words, ops.constant(others)))
        for number in range(self.config["num_hidden_layers"]):
            x = self.layer(number, x)
        mean = ops.reduce_mean(x, ops.constant(np.array([1], np.int64)), False)
        return openvino.Model([mean], [ids], "bert")


class Session:
    def __init__(self, folder, threads, precision):
        self.graph = Graph(pathlib.Path(folder))
        hints = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
        self.settings = {**hints, "INFERENCE_PRECISION_HINT": precision}
        self.core, self.compiled = openvino.Core(), {}

    def model(self, batch, length):
        """Of fixed sizes, which suits OpenVINO best."""
        if (batch, length) not in self.compiled:
            model = self.graph.build(batch, length)
            compiled = self.core.compile_model(model, "CPU", self.settings)
            self.compiled[batch, length] = compiled.create_infer_request()
        return self.compiled[batch, length]

    def embed(self, batch, ids):
        rows = np.array([ids] * batch, np.int64)
        return {"vectors": self.model(batch, len(ids)).infer([rows])[0].tolist()}

    def measure(self, batch, length, clock):
        request = self.model(batch, length)
        least, most = 999, self.graph.config["vocab_size"] - 1
        rows = [[random.randint(least, most) for _ in range(length)] for _ in range(batch)]
        ids = np.array(rows, np.int64)
        now = CLOCKS[clock]
        start = now()
        request.infer([ids])
        return {"seconds": now() - start}


class Worker:
    session = None

    def answer(self, what, arguments):
        if what == "load":
            self.session = Session(**arguments)
            return {}
        return getattr(self.session, what)(**arguments)


if __name__ == "__main__":
    serve(Worker().answer)
