#!/usr/bin/env python3
"""Writes the folder of a tiny random BERT, and computes it in float64; needs numpy only.

    tiny_bert.py OUT_DIR [--type F16] [--prefix bert.] [--drop NAME] [--set KEY=JSON]...

Its words are w0, w1, ..., each of which is a token; [CLS] and [SEP] stand around a text.
"""

import argparse
import functools
import json
import math
import pathlib

import numpy as np
import tiny_safetensors

CONFIG = {
    "architectures": ["BertModel"],
    "model_type": "bert",
    "hidden_act": "gelu",
    "hidden_size": 40,
    "intermediate_size": 56,
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": 48,
    "num_attention_heads": 5,
    "num_hidden_layers": 3,
    "type_vocab_size": 2,
    "vocab_size": 69,
}
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def vocabulary(size):
    return SPECIAL + [f"w{number}" for number in range(size - len(SPECIAL))]


def shapes(config):
    """The tensors of a model, with their shapes."""
    width, ffn = config["hidden_size"], config["intermediate_size"]
    found = {
        "embeddings.word_embeddings.weight": (config["vocab_size"], width),
        "embeddings.position_embeddings.weight": (config["max_position_embeddings"], width),
        "embeddings.token_type_embeddings.weight": (config["type_vocab_size"], width),
        "embeddings.LayerNorm.weight": (width,),
        "embeddings.LayerNorm.bias": (width,),
    }
    linears = {
        "attention.self.query": (width, width),
        "attention.self.key": (width, width),
        "attention.self.value": (width, width),
        "attention.output.dense": (width, width),
        "intermediate.dense": (ffn, width),
        "output.dense": (width, ffn),
    }
    for layer in range(config["num_hidden_layers"]):
        start = f"encoder.layer.{layer}."
        for name, shape in linears.items():
            found[start + name + ".weight"], found[start + name + ".bias"] = shape, shape[:1]
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            found[start + name + ".weight"] = found[start + name + ".bias"] = (width,)
    return found


def random_weights(config, seed=11):
    random, values = np.random.default_rng(seed), {}
    for name, shape in shapes(config).items():
        around = 1.0 if name.endswith("LayerNorm.weight") else 0.0
        scale = 1.5 / math.sqrt(shape[1]) if len(shape) == 2 else 0.2
        values[name] = (around + scale * random.standard_normal(shape)).astype(np.float32)
    return values


def norm(x, weight, bias, eps):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + eps) * weight + bias


@functools.cache
def erf_table():
    """On multiples of 1/512 up to 6, from where on it is 1."""
    places = np.arange(-6 * 512, 6 * 512 + 1) / 512
    return np.array([math.erf(x) for x in places]), 2 / math.sqrt(math.pi) * np.exp(-(places**2)) / 512


def erf(x):
    """Cubic Hermite interpolation, to 1e-12: math.erf of each element takes most of the time else."""
    values, slopes = erf_table()
    at = (np.clip(x, -6, 6) + 6) * 512
    low = np.minimum(at.astype(int), len(values) - 2)
    t = at - low
    rest = (1 - t) * values[low] + t * values[low + 1]
    step = values[low + 1] - values[low]
    return rest + t * (1 - t) * ((1 - t) * (slopes[low] - step) - t * (slopes[low + 1] - step))


def exact(_, rows, weights):
    return rows, weights


def forward(config, weights, ids, rounding=exact):
    """The last hidden state of one text, in float64 (Devlin et al., 2019)."""
    return states(config, weights, ids, rounding)[-1]


def states(config, weights, ids, rounding=exact):
    """The hidden states of one text ahead of the layers and behind each, in float64.  `rounding` gives what the
    product of that name takes in place of its rows and of its weights, [outputs][inputs]."""
    w = {name: values.astype(np.float64) for name, values in weights.items()}
    eps, heads = config["layer_norm_eps"], config["num_attention_heads"]
    e = "embeddings."
    x = w[e + "word_embeddings.weight"][ids] + w[e + "token_type_embeddings.weight"][0]
    x = x + w[e + "position_embeddings.weight"][: len(ids)]
    x = norm(x, w[e + "LayerNorm.weight"], w[e + "LayerNorm.bias"], eps)
    found = [x]
    for layer in range(config["num_hidden_layers"]):
        start = f"encoder.layer.{layer}."

        def linear(name, value):
            rows, own = rounding(name, value, w[start + name + ".weight"])
            return rows @ own.T + w[start + name + ".bias"]

        def after(name, value):
            return norm(value, w[start + name + ".weight"], w[start + name + ".bias"], eps)

        def split(value):
            return value.reshape(len(ids), heads, -1).transpose(1, 0, 2)

        q, k, v = (split(linear(f"attention.self.{n}", x)) for n in ("query", "key", "value"))
        scores = q @ k.transpose(0, 2, 1) / math.sqrt(q.shape[-1])
        weights_of = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = weights_of / weights_of.sum(-1, keepdims=True) @ v
        mixed = mixed.transpose(1, 0, 2).reshape(len(ids), -1)
        x = after("attention.output.LayerNorm", x + linear("attention.output.dense", mixed))
        up = linear("intermediate.dense", x)
        active = 0.5 * up * (1 + erf(up / math.sqrt(2)))
        x = after("output.LayerNorm", x + linear("output.dense", active))
        found.append(x)
    return found


def write(folder, config=CONFIG, weights=None, type="F32", prefix=""):
    """All but a tokenizer; gives the weights as they are stored."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    weights = random_weights(config) if weights is None else weights
    (folder / "config.json").write_text(json.dumps(config))
    tensors = {prefix + name: (type, values) for name, values in weights.items()}
    tiny_safetensors.write(folder / "model.safetensors", tensors)
    return {
        name: tiny_safetensors.decode(type, tiny_safetensors.encode(type, values), values.shape)
        for name, values in weights.items()
    }


def write_words(folder, config=CONFIG):
    words = vocabulary(config["vocab_size"])
    (pathlib.Path(folder) / "vocab.txt").write_text("\n".join(words) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--type", default="F32", help="element type of all tensors")
    parser.add_argument("--prefix", default="", help="of the tensors' names")
    parser.add_argument("--drop", action="append", default=[], help="a tensor to leave out")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=JSON")
    parser.add_argument("--unset", action="append", default=[], metavar="KEY")
    options = parser.parse_args()
    weights = random_weights(CONFIG)
    for name in options.drop:
        del weights[name]
    config = dict(CONFIG)
    for each in options.set:
        key, value = each.split("=", 1)
        config[key] = json.loads(value)
    for key in options.unset:
        del config[key]
    write(options.folder, config, weights, options.type, options.prefix)
    write_words(options.folder)


if __name__ == "__main__":
    main()
