"""An input of a reader: path, bytes and memory budget."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from nescio.errors import FileError, NescioError
from nescio.files.names import display_name

__all__ = ["Budget", "Source", "file_content", "opened_regular", "read_source", "refuse_special"]

_BASE = 3 * 2**27
_FACTOR = 8
_MOST = 2**32
_BLANK = b"\x00 \t\r\n\x1a"


class Budget:
    """Memory budget of one input: 384 MiB plus 8 bytes for each byte of the input, 4 GiB at most.

    Readers spend from the budget before they allocate memory for unpacked content, numbers and texts.
    """

    def __init__(self, name: str, size: int, *, error: type[NescioError] = FileError) -> None:
        """Set the budget.

        Args:
            name: Name of the input, for messages.
            size: Size of the input in bytes.
            error: Class of the error raised when the budget is exceeded.
        """
        self.name = name
        self.size = size
        self.limit = min(_BASE + _FACTOR * size, _MOST)
        self.left = self.limit
        self._error = error

    def spend(self, size: int, what: str) -> None:
        """Spend memory from the budget.

        Args:
            size: Memory in bytes.
            what: Purpose of the memory, as the subject of the message.

        Raises:
            NescioError: The budget is exceeded; the class is the one given to the constructor.
        """
        if size > self.left:
            raise self._error(
                f"{self.name}: {what} would take {size / 1e6:,.0f} MB of memory, but only {self.left / 1e6:,.0f} MB "
                f"are left of the {self.limit / 1e6:,.0f} MB allowed for an input of {self.size / 1e6:,.3g} MB"
            )
        self.left -= size


class Source:
    """The input of a reader."""

    def __init__(self, path: Path, content: bytes, budget: Budget | None = None) -> None:
        """Make an input.

        Args:
            path: Path of the file.
            content: All bytes of the file.
            budget: Memory budget; by default the budget for an input of this size.
        """
        self.path = Path(display_name(path))
        """Printable path, for messages and names; the file is not opened again."""
        self.content = content
        self.budget = budget or Budget(str(self.path), len(content))

    @property
    def name(self) -> str:
        """The path as text for messages."""
        return str(self.path)

    def spend(self, size: int, what: str) -> None:
        """See :meth:`Budget.spend`."""
        self.budget.spend(size, what)


def read_source(path: str | Path, most: int = 2**30) -> Source:
    """Read a file.

    Args:
        path: The file.
        most: Largest size of the file in bytes.

    Raises:
        FileError: See :func:`file_content`.
    """
    path = Path(path)
    return Source(path, file_content(path, most))


def file_content(path: Path, most: int) -> bytes:
    """Return all bytes of a file.

    Args:
        path: The file.
        most: Largest size of the file in bytes.

    Raises:
        FileError: The file is missing, empty or too large, is a folder, device, pipe or socket, or cannot be read.
    """
    with opened_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise FileError(f"{display_name(path)}: the file has {size:,} bytes; the limit is {most:,} bytes")
        # Some system files report no size and never end.
        content = file.read(size)
    if not content[:4096].strip(_BLANK) and not content.strip(_BLANK):
        raise FileError(f"{display_name(path)}: is empty")
    return content


@contextmanager
def opened_regular(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file for reading; refuse everything else, since a pipe without a writer would block.

    Raises:
        FileError: The file is missing, is a folder, device, pipe or socket, or cannot be read.
    """
    name = display_name(path)
    try:
        # Check before opening, since opening a device may have effects; check the opened file again.
        refuse_special(name, path.stat())
        flags = os.O_RDONLY | sum(
            getattr(os, flag, 0) for flag in ("O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY")
        )
        descriptor = os.open(path, flags)
        try:
            refuse_special(name, os.fstat(descriptor))
            file = os.fdopen(descriptor, "rb")
        except BaseException:
            os.close(descriptor)
            raise
        with file:
            yield file
    except FileNotFoundError:
        raise FileError(f"{name}: no such file") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise FileError(f"{name}: cannot be read ({reason})") from None


def refuse_special(name: str, status: os.stat_result, error: type[NescioError] = FileError) -> None:
    """Refuse anything but a regular file.

    Args:
        name: Name of the file, for the message.
        status: Status of the file.
        error: Class of the error to raise.

    Raises:
        NescioError: The file is a folder, device, pipe or socket.
    """
    kinds = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"))
    if not stat.S_ISREG(status.st_mode):
        what = next((kind for test, kind in kinds if test(status.st_mode)), "a device")
        raise error(f"{name}: is {what}, not a file")
