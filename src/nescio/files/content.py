"""The text of a file."""

from __future__ import annotations

from pathlib import Path

from nescio.files.source import read_source
from nescio.files.text import decoded_text

__all__ = ["text_content"]


def text_content(path: Path, most: int) -> str:
    """Return the whole text of a file.

    Args:
        path: The file.
        most: Largest size of the file in bytes.

    Raises:
        FileError: See :func:`nescio.files.read_source` and :func:`nescio.files.decoded_text`.
    """
    return decoded_text(read_source(path, most))
