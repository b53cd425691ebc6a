"""The one tree of exceptions of the project, shared by all its packages.

A message states the rule, the values met and the remedy. Whoever calls the project catches `SegaError`, or the class
of the fault that it can do something about.
"""

from collections.abc import Sequence

MAX_PROBLEM = 1000  # characters


def first_line(error: object) -> str:
    """The first line of what an error of another library says, or its class."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


class SegaError(Exception):
    """Base of every error that the project raises on purpose."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""  # KeyError, a base of one below, would print it in quotes


class InvalidInputError(SegaError, ValueError):
    """A parameter or a record breaks a rule."""


class PipelineError(SegaError):
    """A model or pipeline can't be loaded or driven."""


class IncompatibleError(SegaError):
    """Vectors and a run, or vectors among themselves, don't belong together."""


class VectorFileError(SegaError):
    """A file of a library is damaged, hostile, or of a format that this version doesn't know.

    Attributes:
        file: The file, as it was given.
        problem: What is wrong with it; a long text is cut, since what it quotes comes from a stranger.
    """

    def __init__(self, file: str, problem: str) -> None:
        problem = problem if len(problem) <= MAX_PROBLEM else f"{problem[: MAX_PROBLEM - 1]}…"
        super().__init__(file, problem)
        self.file = file
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.file}: {self.problem}"


class LibraryError(SegaError):
    """A library can't be read or written: its folder, disk, permissions or catalogue."""


class RefError(SegaError, LookupError):
    """A REF doesn't lead to one vector."""


class UnknownRefError(RefError, KeyError):
    """A REF names nothing in the library."""


class AmbiguousRefError(RefError):
    """A REF names several vectors.

    Attributes:
        candidates: Their ids, newest first.
    """

    def __init__(self, message: str, candidates: Sequence[str] = ()) -> None:
        super().__init__(message, tuple(candidates))
        self.candidates = tuple(candidates)
