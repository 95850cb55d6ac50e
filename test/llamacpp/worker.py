"""Runs in llama.cpp's environment: one JSON request a line on stdin, one JSON answer on stdout.

load      model threads context cache   cache: default, f32 (without flash attention), q8_0 (with it)
tokenize  text                          -> tokens, without BOS
logits    tokens out                    -> float32 [T, vocabulary] in the file `out`
prefill   tokens                        -> seconds of one evaluation from an empty cache
decode    tokens depth                  -> seconds of one evaluation per token, after `depth` others
first_token  model threads context text -> seconds from loading to the likeliest next token
peak_memory                             -> bytes of this process so far
quantize  source target type            rewrites a GGUF with its weights in another type
"""

import ctypes
import pathlib
import resource
import sys
import time

import llama_cpp
import numpy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from worker_loop import serve  # noqa: E402

LOG = llama_cpp.llama_log_callback(lambda level, text, data: None)
# What `cache` names: enum ggml_type, and enum llama_flash_attn_type.
CACHES = {"f32": (0, 0), "q8_0": (8, 1)}
# enum llama_ftype
FILE_TYPES = {"f32": 0, "q4_0": 2, "q8_0": 7, "bf16": 32}


class Session:
    def __init__(self, model, threads, context, cache):
        parameters = llama_cpp.llama_model_default_params()
        self.model = llama_cpp.llama_model_load_from_file(model.encode(), parameters)
        if not self.model:
            raise RuntimeError("cannot load the model")
        settings = llama_cpp.llama_context_default_params()
        settings.n_ctx = settings.n_batch = context
        settings.n_threads = settings.n_threads_batch = threads
        if cache != "default":
            settings.type_k, settings.flash_attn_type = CACHES[cache]
            settings.type_v = settings.type_k
        self.context = llama_cpp.llama_init_from_model(self.model, settings)
        if not self.context:
            raise RuntimeError("cannot make a context")
        self.vocabulary = llama_cpp.llama_model_get_vocab(self.model)
        self.size = llama_cpp.llama_vocab_n_tokens(self.vocabulary)

    def clear(self):
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self.context), True)

    def evaluate(self, batch):
        if status := llama_cpp.llama_decode(self.context, batch):
            raise RuntimeError(f"llama_decode answered {status}")

    def tokenize(self, text):
        data = text.encode()
        out = (llama_cpp.llama_token * (len(data) + 1))()
        count = llama_cpp.llama_tokenize(
            self.vocabulary, data, len(data), out, len(out), False, True
        )
        return {"tokens": list(out[:count])}

    def logits(self, tokens, out):
        self.clear()
        batch = llama_cpp.llama_batch_init(len(tokens), 0, 1)
        batch.n_tokens = len(tokens)
        for i, token in enumerate(tokens):
            batch.token[i], batch.pos[i], batch.logits[i] = token, i, 1
            batch.n_seq_id[i], batch.seq_id[i][0] = 1, 0
        self.evaluate(batch)
        rows = llama_cpp.llama_get_logits(self.context)
        address = ctypes.addressof(rows.contents)
        count = len(tokens) * self.size
        values = numpy.frombuffer((ctypes.c_float * count).from_address(address), numpy.float32)
        numpy.save(out, values.reshape(len(tokens), self.size))
        llama_cpp.llama_batch_free(batch)
        return {}

    def prefill(self, tokens):
        ids = (llama_cpp.llama_token * len(tokens))(*tokens)
        self.clear()
        start = time.perf_counter()
        self.evaluate(llama_cpp.llama_batch_get_one(ids, len(tokens)))
        llama_cpp.llama_synchronize(self.context)
        return {"seconds": time.perf_counter() - start}

    def decode(self, tokens, depth=0):
        singles = [(llama_cpp.llama_token * 1)(token) for token in tokens[depth:]]
        self.clear()
        if depth:
            before = (llama_cpp.llama_token * depth)(*tokens[:depth])
            self.evaluate(llama_cpp.llama_batch_get_one(before, depth))
            llama_cpp.llama_synchronize(self.context)
        start = time.perf_counter()
        for single in singles:
            self.evaluate(llama_cpp.llama_batch_get_one(single, 1))
            llama_cpp.llama_synchronize(self.context)
        return {"seconds": time.perf_counter() - start}


def first_token(model, threads, context, text):
    start = time.perf_counter()
    session = Session(model, threads, context, "default")
    tokens = session.tokenize(text)["tokens"]
    session.prefill(tokens)
    last = llama_cpp.llama_get_logits_ith(session.context, -1)
    numpy.ctypeslib.as_array(last, (session.size,)).argmax()
    return {"seconds": time.perf_counter() - start}


def peak_memory():
    return {"bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}


def quantize(source, target, type):
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype = FILE_TYPES[type]
    parameters.allow_requantize = True
    if llama_cpp.llama_model_quantize(source.encode(), target.encode(), ctypes.byref(parameters)):
        raise RuntimeError("llama_model_quantize failed")
    return {}


FUNCTIONS = {"first_token": first_token, "peak_memory": peak_memory, "quantize": quantize}


class Worker:
    session = None

    def answer(self, what, arguments):
        if what == "load":
            self.session = Session(**arguments)
            return {"vocabulary": self.session.size}
        if what in FUNCTIONS:
            return FUNCTIONS[what](**arguments)
        return getattr(self.session, what)(**arguments)


if __name__ == "__main__":
    llama_cpp.llama_log_set(LOG, ctypes.c_void_p(0))
    serve(Worker().answer)
