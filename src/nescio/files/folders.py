"""Check of output folders before long work starts."""

from __future__ import annotations

import tempfile
from pathlib import Path

from nescio.errors import FileError

__all__ = ["usable_folder"]


def usable_folder(folder: Path) -> None:
    """Make a folder and check that files can be written to it.

    Raises:
        FileError: The path is a file, or the folder cannot be made or written to.
    """
    if folder.exists() and not folder.is_dir():
        raise FileError(f"{folder}: is a file, where a folder is needed")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise FileError(f"{folder}: cannot be written to ({error.strerror or error})") from None
