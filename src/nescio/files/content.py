"""The text of a file, and the folder of measured data."""

from __future__ import annotations

from pathlib import Path

from nescio.files.source import read_source
from nescio.files.text import decoded_text

__all__ = ["text_content"]


def text_content(path: Path, most: int) -> str:
    """Return all text of a file.

    Args:
        path: The file.
        most: Larger files, in bytes, are refused.

    Raises:
        FileError: As of :func:`nescio.files.read_source` and :func:`nescio.files.decoded_text`.
    """
    return decoded_text(read_source(path, most))
