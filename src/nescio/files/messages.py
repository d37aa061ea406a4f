"""One-line messages from errors of other libraries."""

from __future__ import annotations

__all__ = ["one_line"]


def one_line(error: BaseException) -> str:
    """Return the first line of an error's message, or the name of the error if it has no message."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
