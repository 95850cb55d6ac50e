"""What can go wrong, as exceptions."""

from typing import NamedTuple, Tuple


class Diagnostic(NamedTuple):
    """One error or warning; `lathe explain NUMBER` tells more."""

    number: int
    is_error: bool
    place: str
    message: str
    hint: str


class LatheWarning(UserWarning):
    """A call went well, but something is worth knowing: an unusable cache, odd weights."""


class Error(RuntimeError):
    """A call failed; the text is what the `lathe` command would print.

    >>> try:
    ...     lathe.load("missing.gguf")
    ... except lathe.Error as error:
    ...     print(error.code, error.exit_code, error.diagnostics[0].message)
    E0201 2 no such file or directory
    """

    def __init__(self, text: str, exit_code: int, diagnostics: Tuple[Diagnostic, ...]) -> None:
        super().__init__(text.rstrip("\n"))
        #: What the command would exit with: 2 usage, 3 unsupported, 4 malformed, 5 resources, ...
        self.exit_code = exit_code
        #: All that was told, warnings among them.
        self.diagnostics = diagnostics

    @property
    def _first(self) -> Diagnostic:
        return next(each for each in self.diagnostics if each.is_error)

    @property
    def code(self) -> str:
        """The number of the first error: "E0304"."""
        return f"E{self._first.number:04}"

    @property
    def hint(self) -> str:
        """What to do about it; may be empty."""
        return self._first.hint
