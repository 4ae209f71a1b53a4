"""Errors that a person can act on."""

from __future__ import annotations


class BadInput(ValueError):
    """An error of one line: where it is, what was expected, what was found, what to do.

    Every entry point raises it for input it cannot use; the command line prints it and exits with 2.

    Parameters
    ----------
    expected, found, remedy : str
        Plain phrases without a full stop.
    where : object, optional
        The file, column or argument that is at fault; turned into text.

    Notes
    -----
    Line breaks inside a part are folded to spaces: the message is one line whatever went in.
    """

    def __init__(self, *, expected: str, found: str, remedy: str, where: object = None) -> None:
        self.where = None if where is None else str(where)
        self.expected, self.found, self.remedy = expected, found, remedy
        place = f"{self.where}: " if self.where else ""
        message = f"{place}expected {expected}; found {found}; {remedy}"
        super().__init__(" ".join(message.split()))

    def __reduce__(self):
        """Return what rebuilds the error in another process (keyword-only arguments defeat the default)."""
        parts = {"expected": self.expected, "found": self.found, "remedy": self.remedy, "where": self.where}
        return _rebuild, (type(self), parts)


def _rebuild(kind: type[BadInput], parts: dict) -> BadInput:
    return kind(**parts)


class SampleError(BadInput):
    """One sample cannot be used; the rest of the work goes on and counts it.

    ``kind`` is one of `xai_core.types.PROBLEM_KINDS`.
    """

    def __init__(self, kind: str = "file_unreadable", **parts) -> None:
        self.kind = kind
        super().__init__(**parts)

    def __reduce__(self):
        """Return what rebuilds the error in another process, its kind included."""
        parts = {"expected": self.expected, "found": self.found, "remedy": self.remedy, "where": self.where}
        return _rebuild_sample, (self.kind, parts)


def _rebuild_sample(kind: str, parts: dict) -> SampleError:
    return SampleError(kind, **parts)
