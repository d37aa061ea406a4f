"""Atomic writing: after a crash or on a full disk, a file has its old content or the complete new one."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from nescio.errors import FileError

__all__ = ["write_atomically", "write_problem"]

_NO_SPACE = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
_LONGEST_STEM = (
    40  # characters of the name that the temporary name repeats; file systems limit names to 255 bytes
)


def write_atomically(path: str | Path, data: bytes | memoryview | str | Callable[[Path], object]) -> Path:
    """Write a temporary file beside the target, flush it to the disk and rename it to the target.

    Args:
        path: The target. Missing parent folders are made; an existing file is replaced.
        data: The content. Text is written in UTF-8; characters that UTF-8 cannot encode are escaped. Alternatively, a
            function that writes a file or folder at the path it gets (hidden, beside `path`, with suffix
            ``.partial``). Such a function must not write HDF5, since the HDF5 library crashes on a full disk; make the
            content in memory and pass the bytes.

    Returns:
        The path.

    Raises:
        FileError: The target is a folder, a device or a pipe, or cannot be written. The message states the free space
            if the disk is full.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name[:_LONGEST_STEM]}.{secrets.token_hex(6)}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _refuse_special(path)
        try:
            _write(partial, data)
            os.replace(partial, path)  # noqa: PTH105 - on every system, also where the file exists
            _flush_folder(path.parent)
        except BaseException:
            _remove(partial)
            raise
    except OSError as error:
        raise FileError(write_problem(path, error)) from None
    return path


def write_problem(path: Path, error: OSError) -> str:
    """Return the message for a failed write: file, cause and, on a full disk, free space."""
    message = f"{path}: cannot be written ({error.strerror or error})"
    if error.errno in _NO_SPACE:
        folder = next((one for one in path.absolute().parents if one.is_dir()), None)
        with suppress(OSError):
            if folder is not None:
                message += f"; {shutil.disk_usage(folder).free / 1e6:.1f} MB are free in {folder}"
    return message


def _refuse_special(path: Path) -> None:
    # Renaming would replace a device such as /dev/null with a file.
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        what = "a folder" if stat.S_ISDIR(mode) else "a device, pipe or socket"
        raise FileError(f"{path}: is {what}; cannot write a file there")


def _write(partial: Path, data: bytes | memoryview | str | Callable[[Path], object]) -> None:
    if callable(data):
        data(partial)
        for made in (partial, *partial.rglob("*")):
            if made.is_file():
                with made.open("r+b") as written:
                    os.fsync(written.fileno())
            else:
                _flush_folder(made)
        return
    content = data.encode("utf-8", "backslashreplace") if isinstance(data, str) else data
    with partial.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    """Flush the entries of a folder to the disk, on systems that can."""
    with suppress(OSError):  # Windows cannot open folders; some network file systems cannot flush them
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _remove(partial: Path) -> None:
    if partial.is_dir():
        shutil.rmtree(partial, ignore_errors=True)
        return
    with suppress(OSError):
        partial.unlink(missing_ok=True)
