"""Sessions and generations."""

import ctypes
import weakref
from typing import Any, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy

from . import _library as library
from ._callbacks import Callbacks, Progress

#: Token ids: a list, an array of integers, or anything that speaks DLPack.
Tokens = Union[Sequence[int], "numpy.ndarray", Any]

_TOKENS = ctypes.POINTER(ctypes.c_int32)
_FLOATS = ctypes.POINTER(ctypes.c_float)


def as_tokens(tokens: Tokens) -> "numpy.ndarray":
    """As a contiguous int32 vector; raises what is no such thing."""
    if not isinstance(tokens, numpy.ndarray) and hasattr(tokens, "__dlpack__"):
        tokens = numpy.from_dlpack(tokens)
    found = numpy.asarray(tokens)
    if found.size == 0:
        found = found.astype(numpy.int32)
    if found.ndim != 1 or found.dtype.kind not in "iu":
        raise TypeError(f"found {found.dtype} {found.shape}, expected a vector of token ids")
    ids = found.astype(numpy.int32)
    if not (ids == found).all():
        raise ValueError("found a token id beyond 32 bits")
    return numpy.ascontiguousarray(ids)


def as_pointer(values: "numpy.ndarray", kind: Any) -> Any:
    return values.ctypes.data_as(kind)


def as_text(given: Optional[str]) -> Optional[bytes]:
    return None if given is None else given.encode()


class Piece(NamedTuple):
    """A token with the text that became complete with it; text that was held back until the end has
    the token -1."""

    token: int
    text: str


class GenerationResult(NamedTuple):
    """`stop` is None while it goes on, else "end", "max_tokens", "context" or "callback". Of the
    `steps` after the prompt `rounds` verified guesses: `drafted` tokens, of which `accepted` were
    right. `head_steps` screened the output head for `head_positions` positions (a step that verifies
    guesses has several) and computed `head_rows` rows of it, for `head_whole` positions all. `exit_steps`
    left the layers early, and did not run `exit_layers` of them, whose weights have `exit_bytes` bytes.
    When a model was calibrated, at least the share `expected_agreement` of the tokens were the whole
    model's, and a step took `expected_time` times as long; of what was not measured both are nan."""

    stop: Optional[str]
    end_token: int
    prompt_tokens: int
    tokens: int
    prefill_seconds: float
    decode_seconds: float
    steps: int
    rounds: int
    drafted: int
    accepted: int
    head_steps: int
    head_whole: int
    head_rows: int
    head_positions: int
    exit_steps: int
    exit_layers: int
    exit_bytes: int
    expected_agreement: float
    expected_time: float


class Generation(Iterator[Piece]):
    """Pieces, one by one. Made by `Model.generate` and `Session.generate`, which run the prompt.

    >>> generation = lathe.load(path).generate([1, 2, 3], max_tokens=4, ignore_end=True)
    >>> len([piece.token for piece in generation])
    4
    >>> generation.result.stop
    'max_tokens'
    """

    def __init__(self, handle: int, callbacks: Callbacks) -> None:
        self._handle, self._callbacks = handle, callbacks
        weakref.finalize(self, _destroy, "generation_destroy", handle, callbacks)

    def __next__(self) -> Piece:
        piece = library.PieceStruct()
        self._callbacks.check(library.api().generation_next(self._handle, ctypes.byref(piece)))
        if piece.ended:
            raise StopIteration
        return Piece(piece.token, ctypes.string_at(piece.text, piece.text_size).decode("utf-8"))

    @property
    def result(self) -> GenerationResult:
        """What came so far."""
        raw = library.GenerateResultStruct()
        library.check(library.api().generation_result(self._handle, ctypes.byref(raw)))
        numbers = (getattr(raw, name) for name in GenerationResult._fields[1:])
        return GenerationResult(library.STOPS[raw.stop], *numbers)


    @property
    def exits(self) -> List[int]:
        """Of the steps so far how many left the layers behind each; empty where no step may leave.

        >>> lathe.load(path).generate([1, 2, 3], max_tokens=4).exits
        []
        """
        count = ctypes.c_size_t()
        table = library.api()
        library.check(table.generation_exits(self._handle, None, 0, ctypes.byref(count)))
        steps = (ctypes.c_int64 * count.value)()
        library.check(
            table.generation_exits(self._handle, steps, count.value, ctypes.byref(count))
        )
        return list(steps)


def _destroy(function: str, handle: int, kept: object) -> None:
    """Frees a handle; `kept` lives until then."""
    getattr(library.api(), function)(handle)


class Session:
    """The KV caches of some sequences. Made by `Model.session`; one thread at a time.

    >>> session = lathe.load(path).session(capacity=256, sequences=2)
    >>> session.append([1, 2, 3])
    >>> session.append([4], logits="last").shape
    (1, 300)
    >>> session.length()
    4
    """

    def __init__(
        self,
        model: int,
        *,
        capacity: int = 0,
        sequences: int = 1,
        prefill_chunk: int = 0,
        layers: Optional[str] = None,
        skip: Optional[str] = None,
        progress: Optional[Progress] = None,
    ) -> None:
        self._callbacks = Callbacks(progress)
        options = library.SessionOptions(
            capacity=capacity,
            sequences=sequences,
            prefill_chunk=prefill_chunk,
            callbacks=self._callbacks.pointer(),
            layers=as_text(layers),
            skip=as_text(skip),
        )
        handle = ctypes.c_void_p()
        error = library.api().session_create(model, ctypes.byref(options), ctypes.byref(handle))
        self._callbacks.check(error)
        assert handle.value is not None
        self._handle = handle.value
        weakref.finalize(self, _destroy, "session_destroy", self._handle, self._callbacks)
        info = library.SessionInfoStruct()
        library.check(library.api().session_info(self._handle, ctypes.byref(info)))
        #: Positions per sequence.
        self.capacity: int = info.capacity
        self.sequences: int = info.sequences
        self.vocabulary: int = info.vocabulary

    def append(
        self, tokens: Tokens, *, sequence: int = 0, logits: Optional[str] = None
    ) -> Optional["numpy.ndarray"]:
        """Runs tokens as the next of a sequence. `logits`: None, "last" or "all"; then float32
        [1 or tokens, vocabulary] is returned."""
        ids = as_tokens(tokens)
        if logits not in library.LOGITS:
            raise ValueError(f"found logits={logits!r}, expected None, 'last' or 'all'")
        rows = 0 if logits is None else min(len(ids), 1) if logits == "last" else len(ids)
        values = numpy.empty((rows, self.vocabulary), numpy.float32)
        self._callbacks.check(
            library.api().session_append(
                self._handle,
                sequence,
                as_pointer(ids, _TOKENS),
                len(ids),
                library.LOGITS[logits],
                as_pointer(values, _FLOATS),
                values.size,
            )
        )
        return None if logits is None else values

    def step(self, rows: Sequence[Tuple[int, int, int, bool]]) -> "numpy.ndarray":
        """Runs rows (token, position, sequence, wants logits) of any sequences in one batch; float32
        [rows that want logits, vocabulary].

        >>> session = lathe.load(path).session(sequences=2)
        >>> session.step([(1, 0, 0, False), (7, 0, 1, True), (2, 1, 0, True)]).shape
        (2, 300)
        """
        raw = (library.Row * len(rows))(*(tuple(int(each) for each in row) for row in rows))
        wanted = sum(1 for row in raw if row.wants_logits)
        values = numpy.empty((wanted, self.vocabulary), numpy.float32)
        self._callbacks.check(
            library.api().session_step(
                self._handle, raw, len(raw), as_pointer(values, _FLOATS), values.size
            )
        )
        return values

    def length(self, sequence: int = 0) -> int:
        """Positions that a sequence holds."""
        length = ctypes.c_int64()
        library.check(
            library.api().session_length(self._handle, sequence, ctypes.byref(length))
        )
        return length.value

    def truncate(self, length: int, *, sequence: int = 0) -> None:
        """Forgets all positions of a sequence from `length` on."""
        library.check(library.api().session_truncate(self._handle, sequence, length))

    def generate(
        self,
        prompt: Tokens,
        *,
        max_tokens: Optional[int] = None,
        temperature: float = 0.0,
        top_k: int = 0,
        top_p: float = 1.0,
        min_p: float = 0.0,
        seed: int = 0,
        sequence: int = 0,
        ignore_end: bool = False,
        speculate: str = "auto",
        head: str = "auto",
        layers: Optional[str] = None,
        skip: Optional[str] = None,
        exit: Optional[str] = None,
        latency: float = 0.0,
        budget: float = 0.0,
        quality: float = 0.0,
    ) -> Generation:
        """Continues what a sequence holds with the prompt and what the model says to it. At
        temperature 0 that is always the likeliest token. `speculate` says how tokens are guessed, of
        which several are verified in one step; it changes how fast they come and never which. "auto"
        guesses where it pays; "off"; a draft's name, or "ngram:4" to guess always so many. `head` says
        how the output head is computed where few logits are wanted, and changes no token either: "auto"
        leaves most of it out where that is faster; "full"; "screened".
        `layers` and `skip` choose the layers of a sequence that holds nothing yet: lists such as
        "0-20,25" of those to run, and of those to leave out. `exit` says when a step may leave the
        layers early in a program that has exits, which changes what is said: "never"; "always-at:5",
        behind layer 5; "threshold:0.9", behind the first exit that is so sure. Of "threshold:0.9,0.5"
        those are taken that keep a step's mean time near `latency`, in seconds, or the mean part of
        the layers that run near `budget`. Without `exit` a calibrated model runs what was measured to
        agree most with all of it, within `budget`, a share of its time, or keeps a step's mean time
        near `latency` by its exits; what agrees less than `quality` is not taken."""
        if max_tokens is not None and max_tokens < 1:
            raise ValueError(f"found max_tokens={max_tokens}, expected at least 1")
        ids = as_tokens(prompt)
        # Zero is the C struct's default; here it is a fault, and shall be told as one.
        top_p = top_p or -1.0
        sampling = library.SamplerOptions(
            temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p, seed=seed
        )
        options = library.GenerateOptions(
            sampling=ctypes.pointer(sampling),
            max_tokens=max_tokens or 0,
            sequence=sequence,
            flags=library.GENERATE_IGNORE_END if ignore_end else 0,
            speculate=speculate.encode(),
            head=head.encode(),
            layers=as_text(layers),
            skip=as_text(skip),
            exit=as_text(exit),
            latency=latency,
            budget=budget,
            quality=quality,
        )
        handle = ctypes.c_void_p()
        self._callbacks.check(
            library.api().generation_start(
                self._handle,
                as_pointer(ids, _TOKENS),
                len(ids),
                ctypes.byref(options),
                ctypes.byref(handle),
            )
        )
        assert handle.value is not None
        return Generation(handle.value, self._callbacks)
