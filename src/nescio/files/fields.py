"""Storage of a dataclass of numbers, texts and arrays in one npz file."""

from __future__ import annotations

import io
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nescio.errors import FileError
from nescio.files.archive import npz_arrays
from nescio.files.source import Source, file_content
from nescio.files.writing import write_atomically

__all__ = ["load_fields", "packed", "save_fields", "unpacked"]

_LARGEST = 2**28


def packed(value: Any) -> bytes:
    """Return the fields of a dataclass (numbers, texts, arrays) as the content of an npz file."""
    content = io.BytesIO()
    np.savez_compressed(content, **{one.name: getattr(value, one.name) for one in fields(value)})
    return content.getvalue()


def unpacked(model: type, content: bytes, file: Path, what: str) -> dict[str, NDArray[Any]]:
    """Return the fields of a dataclass from the content that :func:`packed` made.

    Args:
        model: The dataclass.
        content: Content of the file.
        file: Path of the file, for messages.
        what: Expected content, for messages.

    Raises:
        FileError: The content cannot be read, or a field is missing.
    """
    arrays = npz_arrays(Source(file, content), kinds="iufcUb")
    missing = [one.name for one in fields(model) if one.name not in arrays]
    if missing:
        raise FileError(f"{file}: holds no {what} ({', '.join(missing)} missing)")
    return {one.name: arrays[one.name] for one in fields(model)}


def save_fields(value: Any, path: str | Path) -> None:
    """Write the fields of a dataclass to an npz file.

    Raises:
        FileError: The file cannot be written.
    """
    write_atomically(path, packed(value))


def load_fields(model: type, path: str | Path, what: str) -> dict[str, NDArray[Any]]:
    """Read the fields of a dataclass from a file that :func:`save_fields` wrote; see :func:`unpacked`."""
    file = Path(path)
    return unpacked(model, file_content(file, _LARGEST), file, what)
