"""Classifiers: encoders with the heads that `lathe calibrate --task classify` made."""

import ctypes
import os
import weakref
from typing import List, NamedTuple, Optional, Sequence, Union

import numpy

from . import _library as library
from ._callbacks import Callbacks
from ._session import as_pointer
from ._session import _destroy, _FLOATS, _TOKENS

#: A text, or several.
Texts = Union[str, bytes, Sequence[Union[str, bytes]]]


class Classification(NamedTuple):
    """What a text was found to be, how likely that is, and what it took."""

    label: str
    probability: float
    layers: int
    seconds: float


class Classifier:
    """Made by `Model.classifier`; any number of threads may use it."""

    def __init__(
        self, model: int, path: "Optional[Union[str, os.PathLike[str]]]", callbacks: Callbacks
    ) -> None:
        self._callbacks = callbacks
        self._names: "dict[int, str]" = {}
        handle = ctypes.c_void_p()
        callbacks.check(
            library.api().classifier_open(
                model, None if path is None else os.fsencode(path), ctypes.byref(handle)
            )
        )
        assert handle.value is not None
        self._handle = handle.value
        weakref.finalize(self, _destroy, "classifier_destroy", self._handle, callbacks)

    def _name(self, label: int) -> str:
        if label not in self._names:
            name = ctypes.c_char_p()
            library.check(
                library.api().classifier_label(self._handle, label, ctypes.byref(name))
            )
            self._names[label] = library.text_of(name.value)
        return self._names[label]

    def classify(
        self, texts: Texts, *, exit: str = "auto"
    ) -> "Union[Classification, List[Classification]]":
        """What texts are, one after the other; of one text that stands alone, its classification.
        `exit` is "auto", as it was calibrated, or "never", through all layers.

        >>> classifier.classify("w1 w2", exit="never").layers
        3
        """
        if exit not in library.EXITS:
            raise ValueError(f"exit must be 'auto' or 'never', found {exit!r}")
        alone = isinstance(texts, (str, bytes))
        array = library.texts_of([texts] if alone else texts)
        labels, layers = numpy.empty((2, len(array)), numpy.int32)
        probabilities = numpy.empty(len(array), numpy.float32)
        seconds = numpy.empty(len(array), numpy.float64)
        results = library.ClassifyResults(
            labels=as_pointer(labels, _TOKENS),
            probabilities=as_pointer(probabilities, _FLOATS),
            layers=as_pointer(layers, _TOKENS),
            seconds=as_pointer(seconds, ctypes.POINTER(ctypes.c_double)),
        )
        self._callbacks.check(
            library.api().classifier_classify(
                self._handle, array, len(array), library.EXITS[exit], ctypes.byref(results)
            )
        )
        found = [
            Classification(self._name(label), *rest)
            for label, *rest in zip(
                labels.tolist(), probabilities.tolist(), layers.tolist(), seconds.tolist()
            )
        ]
        return found[0] if alone else found
