"""Models."""

import ctypes
import os
import weakref
from typing import Any, List, NamedTuple, Optional, Sequence, Union

import numpy

from . import _library as library
from ._callbacks import Callbacks, Progress
from ._classifier import Classification, Classifier, Texts
from ._session import Generation, Session, Tokens, as_pointer, as_text, as_tokens
from ._session import _destroy, _FLOATS, _TOKENS


class ModelInfo(NamedTuple):
    """What a model is and what loading it cost."""

    architecture: str
    target: str
    precision: str
    vocabulary: int
    embedding: int
    layers: int
    context: int
    threads: int
    weight_bytes: int
    cache_hit: bool
    compiled_ahead: bool
    compile_seconds: float
    pack_seconds: float


class Model:
    """A compiled model with its weights. Made by `load`; any number of threads may use it."""

    def __init__(self, handle: int, callbacks: Callbacks) -> None:
        self._handle = handle
        self._callbacks = callbacks
        weakref.finalize(self, _destroy, "model_destroy", handle, callbacks)
        raw = library.ModelInfoStruct()
        library.check(library.api().model_info(handle, ctypes.byref(raw)))
        values = (getattr(raw, name) for name in ModelInfo._fields)
        shown = (library.text_of(v) if isinstance(v, bytes) else v for v in values)
        found = ModelInfo(*shown)
        self.info = found._replace(
            cache_hit=bool(found.cache_hit), compiled_ahead=bool(found.compiled_ahead)
        )

    def tokenize(
        self, text: Union[str, bytes], *, add_special: bool = True, parse_special: bool = False
    ) -> "numpy.ndarray":
        """The token ids of a text, as int32. `add_special` puts the start and end tokens around them
        that the file asks for; `parse_special` reads "<|im_end|>" as that token, which is not for
        text from outside.

        >>> model.tokenize("Hello").dtype
        dtype('int32')
        """
        raw = text.encode("utf-8") if isinstance(text, str) else text
        flags = library.ADD_SPECIAL * add_special | library.PARSE_SPECIAL * parse_special
        # No text has more tokens than bytes, but for a start and an end token and a space.
        ids = numpy.empty(len(raw) + 3, numpy.int32)
        count = ctypes.c_size_t()
        library.check(
            library.api().model_tokenize(
                self._handle,
                raw,
                len(raw),
                flags,
                as_pointer(ids, _TOKENS),
                len(ids),
                ctypes.byref(count),
            )
        )
        assert count.value <= len(ids)
        return ids[: count.value].copy()

    def detokenize(
        self, tokens: Tokens, *, show_control: bool = False, continues: bool = False
    ) -> str:
        """The text of tokens; bytes that are no UTF-8 become U+FFFD. `continues`: the tokens go on
        after others and do not begin a text.

        >>> model.detokenize(model.tokenize("Hello, world"))
        'Hello, world'
        """
        ids = as_tokens(tokens)
        flags = library.SHOW_CONTROL * show_control | library.CONTINUES * continues
        size = ctypes.c_size_t(8 * len(ids) + 16)
        room = 0
        buffer = ctypes.create_string_buffer(0)
        while room < size.value:
            room = size.value
            buffer = ctypes.create_string_buffer(room)
            library.check(
                library.api().model_detokenize(
                    self._handle,
                    as_pointer(ids, _TOKENS),
                    len(ids),
                    flags,
                    buffer,
                    room,
                    ctypes.byref(size),
                )
            )
        return buffer.raw[: size.value].decode("utf-8")

    def session(
        self,
        *,
        capacity: int = 0,
        sequences: int = 1,
        prefill_chunk: int = 0,
        layers: Optional[str] = None,
        skip: Optional[str] = None,
        width: Union[float, int, None] = None,
        progress: Optional[Progress] = None,
    ) -> Session:
        """KV caches for `sequences` sequences of `capacity` positions (0: the model's context).
        `layers` and `skip` are lists such as "0-20,25" of the layers to run, and to leave out;
        `width` is the part of each layer's neurons to compute, a share or a number, of a model that was
        loaded with one."""
        return Session(
            self._handle,
            capacity=capacity,
            sequences=sequences,
            prefill_chunk=prefill_chunk,
            layers=layers,
            skip=skip,
            width=width,
            progress=progress,
        )

    def logits(
        self, tokens: Union[str, Tokens], *, progress: Optional[Progress] = None
    ) -> "numpy.ndarray":
        """The logits of every position, float32 [tokens, vocabulary], as `lathe logits` writes them.
        The array speaks DLPack: `torch.from_dlpack(model.logits(...))` copies nothing.

        >>> numpy.from_dlpack(model.logits([1, 2])).shape
        (2, 300)
        """
        ids = self._prompt(tokens)
        session = self.session(capacity=max(len(ids), 1), progress=progress)
        values = session.append(ids, logits="all")
        assert values is not None
        return values

    def embed(
        self,
        texts: Union[str, Sequence[Union[str, bytes]]],
        *,
        pool: Optional[str] = None,
        normalize: Optional[bool] = None,
    ) -> "numpy.ndarray":
        """The vectors of texts, float32 [texts, embedding], of a model that was loaded from a folder
        of an encoder; of one text that stands alone, float32 [embedding]. `pool` is "mean" or "cls",
        and `normalize` makes vectors of length 1; None is what the folder says.

        >>> encoder.embed(["How are you?", "Where is the station?"]).shape
        (2, 40)
        """
        if pool not in library.POOLS:
            raise ValueError(f"pool must be 'mean', 'cls' or None, found {pool!r}")
        alone = isinstance(texts, (str, bytes))
        array = library.texts_of([texts] if alone else texts)
        vectors = numpy.empty((len(array), self.info.embedding), numpy.float32)
        options = library.EmbedOptions(
            pool=library.POOLS[pool], normalize=library.NORMALIZES[normalize]
        )
        self._callbacks.check(
            library.api().model_embed(
                self._handle,
                array,
                len(array),
                ctypes.byref(options),
                as_pointer(vectors, _FLOATS),
                vectors.size,
            )
        )
        return vectors[0] if alone else vectors

    def classifier(self, cal: "Optional[Path]" = None) -> Classifier:
        """A classifier of an encoder, with the file that `lathe calibrate --task classify` wrote;
        None is the one that it was loaded with, or that the artefact carries."""
        return Classifier(self._handle, cal, self._callbacks)

    def classify(
        self, texts: Texts, *, cal: "Optional[Path]" = None, exit: str = "auto"
    ) -> "Union[Classification, List[Classification]]":
        """What texts are: `Classifier.classify` of the classifier of `cal`, which is read at each call."""
        return self.classifier(cal).classify(texts, exit=exit)

    def generate(self, prompt: Union[str, Tokens], **options: Any) -> Generation:
        """Continues a text or tokens in a session of its own; the options are those of
        `Session.generate`. Iterating gives the pieces.

        >>> for piece in model.generate("Hello", max_tokens=3, ignore_end=True):
        ...     assert piece.token < 300
        """
        return self.session().generate(self._prompt(prompt), **options)

    def _prompt(self, given: Union[str, Tokens]) -> "numpy.ndarray":
        return self.tokenize(given) if isinstance(given, (str, bytes)) else as_tokens(given)


#: A file's name.
Path = Union[str, "os.PathLike[str]"]


def load(
    path: Path,
    *,
    threads: int = 0,
    target: str = "host",
    precision: str = "auto",
    cache: bool = True,
    strict: bool = False,
    weights: Optional[Path] = None,
    device: str = "cpu",
    cal: Optional[Path] = None,
    width: float = 0.0,
    progress: Optional[Progress] = None,
) -> Model:
    """Opens a GGUF file, or the folder of an encoder (`Model.embed`), finds its program in the cache
    or compiles it, and packs its weights; or
    what `compile` or `lathe compile` made, which needs no compiler. `weights` is the model file of an
    artefact that does not carry its weights, where it is not found by its name.

    `threads` 0 is one per core; `precision` is "auto", "f32", "bf16", "mixed", "int16" or "int8"; `strict`
    refuses weights that are not finite. `device` is "cpu", "cuda:0", a GPU by its number, or "auto", a
    GPU where one can be used. `cal` is what `lathe calibrate` wrote of the model, whose exits it gets
    and by which `generate` chooses for a budget, or of an encoder the classifier; an artefact may carry
    it. With `width` above 0 steps can compute a part of each layer's neurons, in the order of `cal`, and do
    that share unless a session asks for another. `progress(done, total)` is told the stages.

    >>> lathe.load(path, threads=1, precision="f32").info.precision
    'f32'
    """
    callbacks = Callbacks(progress)
    flags = library.MODEL_NO_CACHE * (not cache) | library.MODEL_STRICT * strict
    options = library.ModelOptions(
        target=target.encode(),
        precision=precision.encode(),
        threads=threads,
        flags=flags,
        callbacks=callbacks.pointer(),
        weights=None if weights is None else os.fsencode(weights),
        device=device.encode(),
        calibration=None if cal is None else os.fsencode(cal),
        width=width,
    )
    handle = ctypes.c_void_p()
    error = library.api().model_open(
        os.fsencode(path), ctypes.byref(options), ctypes.byref(handle)
    )
    if handle.value is None:
        callbacks.check(error)
    assert handle.value is not None
    model = Model(handle.value, callbacks)
    callbacks.check(None)
    return model


def compile(
    path: Path,
    output: Path,
    *,
    targets: Union[str, Sequence[str]] = "host",
    precision: str = "auto",
    embed_weights: bool = False,
    layers: Optional[str] = None,
    skip: Optional[str] = None,
    cal: Optional[Path] = None,
    width: float = 0.0,
    progress: Optional[Progress] = None,
) -> str:
    """Compiles a GGUF file, or the folder of an encoder, to an artefact, as `lathe compile -o output`
    does, and returns its name.

    `targets` names one or several CPUs ("x86-64-v3"), of which the best is chosen when the artefact is
    loaded; `embed_weights` makes it stand alone. `layers` and `skip` are lists such as "0-20,25" of the
    layers to compile, and to leave out for good. `cal` is a file of `lathe calibrate` for the artefact
    to carry, with its exits, or of an encoder the classifier. `width` is as `load` takes it. Ctrl-C is seen when the compiler is done.

    >>> artefact = lathe.compile(path, "model.lathe", embed_weights=True)
    >>> lathe.load(artefact).info.compiled_ahead
    True
    """
    callbacks = Callbacks(progress)
    names = targets if isinstance(targets, str) else ",".join(targets)
    options = library.CompileOptions(
        targets=names.encode(),
        precision=precision.encode(),
        flags=library.COMPILE_EMBED_WEIGHTS * embed_weights,
        callbacks=callbacks.pointer(),
        layers=as_text(layers),
        skip=as_text(skip),
        calibration=None if cal is None else os.fsencode(cal),
        width=width,
    )
    raw = os.fsencode(output)
    callbacks.check(
        library.api().model_compile(os.fsencode(path), ctypes.byref(options), raw)
    )
    return os.fsdecode(raw)
