"""What was computed, in files of arrays: written, read within limits; some of them come with the package."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nescio.errors import FileError
from nescio.files import Source, file_content, npz_arrays, write_atomically

__all__ = ["bundled_file", "bundled_names", "load_fields", "packed", "save_fields", "unpacked"]

_LARGEST = 2**28


def packed(value: Any) -> bytes:
    """Return the fields of a dataclass, numbers, texts and arrays, as the content of a file .npz."""
    content = io.BytesIO()
    np.savez_compressed(content, **{one.name: getattr(value, one.name) for one in fields(value)})
    return content.getvalue()


def unpacked(model: type, content: bytes, file: Path, what: str) -> dict[str, NDArray[Any]]:
    """Return the fields of a dataclass out of what :func:`packed` returned.

    Args:
        model: The dataclass.
        content: Of the file.
        file: Its path, for messages.
        what: It should hold, for messages.

    Raises:
        FileError: It cannot be read, or lacks one.
    """
    arrays = npz_arrays(Source(file, content), kinds="iufcUb")
    missing = [one.name for one in fields(model) if one.name not in arrays]
    if missing:
        raise FileError(f"{file}: holds no {what} ({', '.join(missing)} missing)")
    return {one.name: arrays[one.name] for one in fields(model)}


def save_fields(value: Any, path: str | Path) -> None:
    """Write the fields of a dataclass to a file .npz.

    Raises:
        FileError: It cannot be written.
    """
    write_atomically(path, packed(value))


def load_fields(model: type, path: str | Path, what: str) -> dict[str, NDArray[Any]]:
    """Return the fields of a dataclass as :func:`save_fields` wrote them; see :func:`unpacked`."""
    file = Path(path)
    return unpacked(model, file_content(file, _LARGEST), file, what)


def bundled_names() -> list[str]:
    """Return the names of the files that come with the package, without their suffix, sorted."""
    return sorted(one.name.removesuffix(".npz") for one in (files("nescio.xas") / "data").iterdir())


@contextmanager
def bundled_file(name: str) -> Iterator[Path]:
    """Give the path of a file that comes with the package, which is there while the block runs."""
    with as_file(files("nescio.xas") / "data" / f"{name}.npz") as path:
        yield path
