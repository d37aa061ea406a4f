"""What other libraries say of an error, in one line."""

from __future__ import annotations

__all__ = ["one_line"]


def one_line(error: BaseException) -> str:
    """Return the first line of what another library says of an error, or the error's name where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
