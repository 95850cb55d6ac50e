"""Lathe from Python: compile a model file and run it.

>>> import lathe
>>> model = lathe.load(path)
>>> model.logits([1, 2, 3]).shape
(3, 300)

The package is a layer over liblathe.so (`lathe.h`), which is looked for when it is first needed: see
`library_path`. Long calls run without the interpreter's lock and end at Ctrl-C.
"""

from ._classifier import Classification, Classifier
from ._errors import Diagnostic, Error, LatheWarning
from ._library import library_path, version
from ._model import Model, ModelInfo, compile, load
from ._session import Generation, GenerationResult, Piece, Session

__all__ = [
    "Classification",
    "Classifier",
    "Diagnostic",
    "Error",
    "Generation",
    "GenerationResult",
    "LatheWarning",
    "Model",
    "ModelInfo",
    "Piece",
    "Session",
    "compile",
    "library_path",
    "load",
    "version",
]
