"""Callbacks from the library into Python: warnings, progress, and the way out of a long call."""

import ctypes
import functools
import struct
import warnings
from typing import Callable, Generator, Optional

from . import _library as library
from ._errors import LatheWarning

#: Told how much of how much is done: stages of loading, or rows of a step.
Progress = Callable[[int, int], None]


class Callbacks:
    """What one handle tells. An exception in `progress`, Ctrl-C among them, ends the call that is
    under way and is raised by `check`."""

    def __init__(self, progress: Optional[Progress]) -> None:
        self._progress = progress
        self._raised: Optional[BaseException] = None
        self._latest = bytearray(struct.calcsize("=Qiqq"))
        # CPython handles signals where a function of Python begins, which is before any `try` in it;
        # the exception would be lost. A generator goes on inside its `try`. So all of Python's work
        # is done in `cancel`, and `progress`, which comes just before it, is no Python.
        poll = self._poll()
        next(poll)
        store = functools.partial(struct.pack_into, "=Qiqq", self._latest, 0)
        self.struct = library.CallbackStruct(
            log=library.LogFunction(self._log),
            progress=library.ProgressFunction(store),
            cancel=library.CancelFunction(poll.send),
        )

    def pointer(self) -> "ctypes._Pointer[library.CallbackStruct]":
        return ctypes.pointer(self.struct)

    def check(self, error: Optional[int]) -> None:
        """Raises what a callback raised, else what the call gave."""
        raised, self._raised = self._raised, None
        if raised is None:
            library.check(error)
            return
        if error:
            library.api().error_destroy(error)
        raise raised

    def _poll(self) -> Generator[int, int, None]:
        while True:
            try:
                yield int(self._raised is not None)
                if self._progress is not None and self._raised is None:
                    _, _, done, total = struct.unpack("=Qiqq", self._latest)
                    self._progress(done, total)
            except GeneratorExit:
                return
            except BaseException as error:
                self._raised = error

    def _log(self, user: int, raw: "ctypes._Pointer[library.DiagnosticStruct]") -> None:
        try:
            warnings.warn(library.text_of(raw.contents.text), LatheWarning, stacklevel=3)
        except BaseException as error:
            self._raised = error
