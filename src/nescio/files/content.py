"""The text of a file, and the folder of measured data."""

from __future__ import annotations

import os
from pathlib import Path

from nescio.files.source import read_source
from nescio.files.text import decoded_text

__all__ = ["measured_data", "text_content"]


def text_content(path: Path, most: int) -> str:
    """Return all text of a file.

    Args:
        path: The file.
        most: Larger files, in bytes, are refused.

    Raises:
        FileError: As of :func:`nescio.files.read_source` and :func:`nescio.files.decoded_text`.
    """
    return decoded_text(read_source(path, most))


def measured_data() -> Path:
    """Return the folder of measured data, `NESCIO_DATA` or else ``../shared/data``, which need not be there."""
    return Path(os.environ.get("NESCIO_DATA") or Path("..") / "shared" / "data")
