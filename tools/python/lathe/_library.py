"""liblathe.so through ctypes: the structs and the table of lathe.h, in their order.

Functions of a CDLL's kind release the interpreter's lock while they run.
"""

import ctypes
import functools
import os
import pathlib
import shutil
from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    c_char_p,
    c_double,
    c_float,
    c_int32,
    c_int64,
    c_size_t,
    c_uint16,
    c_uint32,
    c_uint64,
    c_void_p,
)
from typing import Any, Iterator, Optional, Sequence, Union

from ._errors import Diagnostic, Error

API_VERSION = 1 << 16 | 2
NAME = "liblathe.so"
SONAME = "liblathe.so.0"

MODEL_NO_CACHE, MODEL_STRICT = 1, 2
COMPILE_EMBED_WEIGHTS = 1
ADD_SPECIAL, PARSE_SPECIAL = 1, 2
SHOW_CONTROL, CONTINUES = 1, 2
LOGITS = {None: 0, "last": 1, "all": 2}
GENERATE_IGNORE_END = 1
POOLS = {None: 0, "mean": 1, "cls": 2}
NORMALIZES = {None: 0, True: 1, False: 2}
EXITS = {"auto": 0, "never": 1}
STOPS = (None, "end", "max_tokens", "context", "callback")


class Sized(Structure):
    """A struct whose first member is its size, which is set on the way."""

    def __init__(self, **values: Any) -> None:
        super().__init__(struct_size=ctypes.sizeof(type(self)), **values)


class DiagnosticStruct(Structure):
    _fields_ = [("struct_size", c_size_t), ("severity", c_int32), ("number", c_int32)]
    _fields_ += [(name, c_char_p) for name in ("place", "message", "hint", "text")]


# The user's pointer is a number here, so that no callback is handed None.
LogFunction = CFUNCTYPE(None, c_size_t, POINTER(DiagnosticStruct))
ProgressFunction = CFUNCTYPE(None, c_size_t, c_int32, c_int64, c_int64)
CancelFunction = CFUNCTYPE(c_int32, c_size_t)


class CallbackStruct(Sized):
    _fields_ = [("struct_size", c_size_t), ("user", c_void_p), ("log", LogFunction)]
    _fields_ += [("progress", ProgressFunction), ("cancel", CancelFunction)]


class ModelOptions(Sized):
    _fields_ = [("struct_size", c_size_t), ("target", c_char_p), ("precision", c_char_p)]
    _fields_ += [("threads", c_int32), ("flags", c_uint32)]
    _fields_ += [(name, c_int64) for name in ("max_prefill_rows", "capacity", "sequences")]
    _fields_ += [("callbacks", POINTER(CallbackStruct)), ("weights", c_char_p)]
    _fields_ += [("device", c_char_p), ("calibration", c_char_p)]


class CompileOptions(Sized):
    _fields_ = [("struct_size", c_size_t), ("targets", c_char_p), ("precision", c_char_p)]
    _fields_ += [("flags", c_uint32), ("reserved", c_uint32)]
    _fields_ += [("callbacks", POINTER(CallbackStruct)), ("layers", c_char_p), ("skip", c_char_p)]
    _fields_ += [("calibration", c_char_p)]


class ModelInfoStruct(Sized):
    _fields_ = [("struct_size", c_size_t)]
    _fields_ += [(name, c_char_p) for name in ("architecture", "target", "precision")]
    _fields_ += [(name, c_int64) for name in ("vocabulary", "embedding", "layers", "context")]
    _fields_ += [("threads", c_int64), ("weight_bytes", c_int64)]
    _fields_ += [("cache_hit", c_int32), ("compiled_ahead", c_int32)]
    _fields_ += [("compile_seconds", c_double), ("pack_seconds", c_double)]


class SessionOptions(Sized):
    _fields_ = [("struct_size", c_size_t)]
    _fields_ += [(name, c_int64) for name in ("capacity", "sequences", "prefill_chunk")]
    # The last is a lathe_allocator, which Python has no use for.
    _fields_ += [("callbacks", POINTER(CallbackStruct)), ("allocator", c_void_p)]
    _fields_ += [("layers", c_char_p), ("skip", c_char_p)]


class SessionInfoStruct(Sized):
    _fields_ = [("struct_size", c_size_t), ("capacity", c_int64), ("sequences", c_int64)]
    _fields_ += [("vocabulary", c_int64), ("kv_bytes", c_int64), ("work_bytes", c_int64)]


class Row(Structure):
    _fields_ = [(name, c_int32) for name in ("token", "position", "sequence", "wants_logits")]


class SamplerOptions(Sized):
    _fields_ = [("struct_size", c_size_t), ("temperature", c_double), ("top_k", c_int64)]
    _fields_ += [("top_p", c_double), ("min_p", c_double), ("seed", c_uint64)]


class GenerateOptions(Sized):
    _fields_ = [("struct_size", c_size_t), ("sampling", POINTER(SamplerOptions))]
    _fields_ += [("max_tokens", c_int64), ("sequence", c_int32), ("flags", c_uint32)]
    _fields_ += [("speculate", c_char_p), ("head", c_char_p)]
    _fields_ += [("layers", c_char_p), ("skip", c_char_p), ("exit", c_char_p)]
    _fields_ += [(name, c_double) for name in ("latency", "budget", "quality")]


class GenerateResultStruct(Sized):
    _fields_ = [("struct_size", c_size_t), ("stop", c_int32), ("end_token", c_int32)]
    _fields_ += [("prompt_tokens", c_int64), ("tokens", c_int64)]
    _fields_ += [("prefill_seconds", c_double), ("decode_seconds", c_double)]
    _fields_ += [(name, c_int64) for name in ("steps", "rounds", "drafted", "accepted")]
    _fields_ += [(name, c_int64) for name in ("head_steps", "head_whole", "head_rows")]
    _fields_ += [("head_positions", c_int64)]
    _fields_ += [(name, c_int64) for name in ("exit_steps", "exit_layers", "exit_bytes")]
    _fields_ += [("expected_agreement", c_double), ("expected_time", c_double)]


class PieceStruct(Sized):
    _fields_ = [("struct_size", c_size_t), ("token", c_int32), ("ended", c_int32)]
    _fields_ += [("text", c_void_p), ("text_size", c_size_t)]


class EmbedOptions(Sized):
    _fields_ = [("struct_size", c_size_t), ("pool", c_int32), ("normalize", c_int32)]


class ClassifyResults(Sized):
    _fields_ = [("struct_size", c_size_t), ("labels", POINTER(c_int32))]
    _fields_ += [("probabilities", POINTER(c_float)), ("layers", POINTER(c_int32))]
    _fields_ += [("seconds", POINTER(c_double))]


class Text(Structure):
    _fields_ = [("bytes", c_char_p), ("size", c_size_t)]


def texts_of(texts: "Sequence[Union[str, bytes]]") -> Any:
    """An array of texts for the library; it keeps them alive."""
    raw = [each.encode("utf-8") if isinstance(each, str) else each for each in texts]
    return (Text * len(raw))(*((each, len(each)) for each in raw))


def _failing(*arguments: Any) -> Any:
    """A function that gives an error or NULL."""
    return CFUNCTYPE(c_void_p, *arguments)


_DESTROY = CFUNCTYPE(None, c_void_p)
_TOKENS = POINTER(c_int32)
_FLOATS = POINTER(c_float)
_GENERATE = [c_void_p, _TOKENS, c_size_t, POINTER(GenerateOptions)]


class Table(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("major", c_uint16),
        ("minor", c_uint16),
        ("reserved", c_uint32),
        ("version", CFUNCTYPE(c_char_p)),
        ("error_exit_code", CFUNCTYPE(c_int32, c_void_p)),
        ("error_count", CFUNCTYPE(c_size_t, c_void_p)),
        ("error_diagnostic", CFUNCTYPE(POINTER(DiagnosticStruct), c_void_p, c_size_t)),
        ("error_text", CFUNCTYPE(c_char_p, c_void_p)),
        ("error_destroy", _DESTROY),
        ("model_open", _failing(c_char_p, POINTER(ModelOptions), POINTER(c_void_p))),
        ("model_destroy", _DESTROY),
        ("model_info", _failing(c_void_p, POINTER(ModelInfoStruct))),
        ("model_compile", _failing(c_char_p, POINTER(CompileOptions), c_char_p)),
        (
            "model_tokenize",
            _failing(c_void_p, c_char_p, c_size_t, c_uint32, _TOKENS, c_size_t, POINTER(c_size_t)),
        ),
        (
            "model_detokenize",
            _failing(c_void_p, _TOKENS, c_size_t, c_uint32, c_void_p, c_size_t, POINTER(c_size_t)),
        ),
        ("model_special_tokens", _failing(c_void_p, _TOKENS, _TOKENS)),
        ("session_create", _failing(c_void_p, POINTER(SessionOptions), POINTER(c_void_p))),
        ("session_destroy", _DESTROY),
        ("session_info", _failing(c_void_p, POINTER(SessionInfoStruct))),
        ("session_step", _failing(c_void_p, POINTER(Row), c_size_t, _FLOATS, c_size_t)),
        (
            "session_append",
            _failing(c_void_p, c_int32, _TOKENS, c_size_t, c_int32, _FLOATS, c_size_t),
        ),
        ("session_length", _failing(c_void_p, c_int32, POINTER(c_int64))),
        ("session_truncate", _failing(c_void_p, c_int32, c_int64)),
        ("sampler_create", _failing(POINTER(SamplerOptions), POINTER(c_void_p))),
        ("sampler_destroy", _DESTROY),
        ("sampler_sample", _failing(c_void_p, _FLOATS, c_size_t, _TOKENS)),
        ("generate", _failing(*_GENERATE, c_void_p, c_void_p, POINTER(GenerateResultStruct))),
        ("generation_start", _failing(*_GENERATE, POINTER(c_void_p))),
        ("generation_next", _failing(c_void_p, POINTER(PieceStruct))),
        ("generation_result", _failing(c_void_p, POINTER(GenerateResultStruct))),
        ("generation_destroy", _DESTROY),
        (
            "model_embed",
            _failing(
                c_void_p, POINTER(Text), c_size_t, POINTER(EmbedOptions), _FLOATS, c_size_t
            ),
        ),
        ("classifier_open", _failing(c_void_p, c_char_p, POINTER(c_void_p))),
        ("classifier_destroy", _DESTROY),
        ("classifier_label", _failing(c_void_p, c_int32, POINTER(c_char_p))),
        (
            "classifier_classify",
            _failing(c_void_p, POINTER(Text), c_size_t, c_int32, POINTER(ClassifyResults)),
        ),
        ("generation_exits", _failing(c_void_p, POINTER(c_int64), c_size_t, POINTER(c_size_t))),
    ]


def _candidates() -> Iterator[str]:
    """Places of the library, the first that exists counts; a bare name is the loader's to find."""
    here = pathlib.Path(__file__).resolve().parent
    yield str(here / NAME)
    command = shutil.which("lathe")
    if command:
        yield str(pathlib.Path(command).resolve().parents[1] / "lib" / NAME)
    # The package as it lies in the repository, beside the default build.
    if here.parts[-3:] == ("tools", "python", "lathe"):
        yield str(here.parents[2] / "build" / "lib" / NAME)


def library_path() -> str:
    """Where liblathe.so is opened from.

    `$LATHE_LIBRARY` alone if it is set; else beside the package; else in `../lib` of the `lathe`
    command on the path; else in the repository's build folder, for a package that lies in it; else
    wherever the system's loader finds it.

    >>> library_path().rpartition("/")[2].startswith("liblathe.so")
    True
    """
    asked = os.environ.get("LATHE_LIBRARY")
    if asked:
        return asked
    return next((path for path in _candidates() if os.path.isfile(path)), SONAME)


@functools.lru_cache(maxsize=None)
def api() -> Table:
    """The table, opened once."""
    path = library_path()
    try:
        library = ctypes.CDLL(path)
        get = library.lathe_get_api
    except (OSError, AttributeError) as error:
        hint = "install Lathe, or set LATHE_LIBRARY to the path of liblathe.so"
        raise ImportError(f"{path} is no liblathe.so: {error} ({hint})") from None
    get.restype = POINTER(Table)
    get.argtypes = [c_uint32]
    table = get(API_VERSION)
    if not table:
        raise ImportError(f"{path} has another version of the interface than this package")
    return table.contents


def version() -> str:
    """The version of liblathe.so: "0.1.0"."""
    return text_of(api().version())


def text_of(raw: Optional[bytes]) -> str:
    return (raw or b"").decode("utf-8", "replace")


def diagnostic_of(raw: DiagnosticStruct) -> Diagnostic:
    texts = (text_of(each) for each in (raw.place, raw.message, raw.hint))
    return Diagnostic(raw.number, raw.severity == 0, *texts)


def check(error: Optional[int]) -> None:
    """Raises what a function of the table gave."""
    if not error:
        return
    table = api()
    try:
        every = tuple(
            diagnostic_of(table.error_diagnostic(error, index).contents)
            for index in range(table.error_count(error))
        )
        raise Error(text_of(table.error_text(error)), table.error_exit_code(error), every)
    finally:
        table.error_destroy(error)
