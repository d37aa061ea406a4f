"""The bytes of a file."""

from __future__ import annotations

from pathlib import Path

from nescio.errors import FileError

__all__ = ["file_content", "one_line", "text_content"]


def file_content(path: Path, max_bytes: int) -> bytes:
    """Return all bytes of a file.

    Args:
        path: The file.
        max_bytes: Larger files are refused.

    Raises:
        FileError: It is missing, no file, too large, empty, or cannot be read.
    """
    try:
        if not path.exists():
            raise FileError(f"{path}: there is no such file")
        if not path.is_file():
            raise FileError(f"{path}: is not a file")
        size = path.stat().st_size
        if size > max_bytes:
            raise FileError(f"{path}: {size} bytes are more than the {max_bytes} that are read")
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        raise FileError(f"{path!s}: cannot be read ({error})") from error
    if not content[:4096].strip(b"\x00 \t\r\n") and not content.strip(b"\x00 \t\r\n"):
        raise FileError(f"{path}: is empty")
    return content


def text_content(path: Path, max_bytes: int) -> str:
    """Return all text of a file; what is no UTF-8 is replaced by a mark.

    Args:
        path: The file.
        max_bytes: Larger files are refused.

    Raises:
        FileError: As of :func:`file_content`.
    """
    return file_content(path, max_bytes).decode("utf-8", errors="replace")


def one_line(error: Exception) -> str:
    """Return the first line of what another library says of an error, or the error's name where it says nothing."""
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
