"""One input: where it is, its bytes, and the memory that reading it may still take."""

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
    """How much memory the content of one input may take in all: 384 MiB, and 8 bytes for each of its own.

    Every reader spends from it before it takes memory: for what is unpacked, and for each number and text made of it.
    """

    def __init__(self, name: str, size: int, *, error: type[NescioError] = FileError) -> None:
        """Set a budget.

        Args:
            name: Of the input, for messages.
            size: Its bytes.
            error: Raised when the budget is spent.
        """
        self.name = name
        self.size = size
        self.limit = min(_BASE + _FACTOR * size, _MOST)
        self.left = self.limit
        self._error = error

    def spend(self, size: int, what: str) -> None:
        """Account for memory.

        Args:
            size: In bytes.
            what: It is for, as the subject of the message.

        Raises:
            NescioError: There is not so much left; of the class that the budget was made with.
        """
        if size > self.left:
            raise self._error(
                f"{self.name}: {what} would take {size / 1e6:,.0f} MB of memory, where {self.left / 1e6:,.0f} are left "
                f"of the {self.limit / 1e6:,.0f} MB that an input of {self.size / 1e6:,.3g} MB may take"
            )
        self.left -= size


class Source:
    """An input that a reader gets."""

    def __init__(self, path: Path, content: bytes, budget: Budget | None = None) -> None:
        """Bundle an input.

        Args:
            path: Where it is.
            content: Its bytes.
            budget: By default, that of an input of this size.
        """
        self.path = Path(display_name(path))
        """As it can be shown and kept, for messages and names; it is not opened again."""
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
        most: Larger files, in bytes, are refused.

    Raises:
        FileError: As of :func:`file_content`.
    """
    path = Path(path)
    return Source(path, file_content(path, most))


def file_content(path: Path, most: int) -> bytes:
    """Return all bytes of a file.

    Args:
        path: The file.
        most: Larger files, in bytes, are refused.

    Raises:
        FileError: It is missing, empty, too large, a folder, device, pipe or socket, or cannot be read.
    """
    with opened_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise FileError(f"{display_name(path)}: {size:,} bytes are more than the {most:,} that are read")
        # Some of the system's files have no size and no end.
        content = file.read(size)
    if not content[:4096].strip(_BLANK) and not content.strip(_BLANK):
        raise FileError(f"{display_name(path)}: is empty")
    return content


@contextmanager
def opened_regular(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading, and nothing else: a pipe that nobody writes to would keep the reader waiting.

    Raises:
        FileError: It is missing, a folder, device, pipe or socket, or cannot be read.
    """
    name = display_name(path)
    try:
        # Before it is opened, since that alone may do something to a device; and again what was opened.
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
    """Refuse what is no regular file.

    Args:
        name: Of the file, for the message.
        status: Of the file.
        error: Raised.

    Raises:
        NescioError: It is a folder, device, pipe or socket.
    """
    kinds = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"))
    if not stat.S_ISREG(status.st_mode):
        what = next((kind for test, kind in kinds if test(status.st_mode)), "a device")
        raise error(f"{name}: is {what}, not a file")
