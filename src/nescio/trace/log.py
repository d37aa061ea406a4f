"""Check that the write-ahead log of a trace exists and belongs to the trace.

While a trace is open for writing, SQLite keeps the latest steps in a second file, ``trace.sqlite-wal``. A copy of the
main file without it is a valid file of an earlier state; with the log of another trace it is a mixture. Three measures
detect this:

* Closing a trace switches WAL mode off in the file's header. A file in WAL mode was not closed and needs its log.
* Each step ends with a seal (:class:`nescio.trace.records.Seal`) with the writer's token. The seals in the main file
  alone must be the first of those in the main file with its log.
* ``trace.sqlite-count`` contains the number of measurements. It is written after each step and removed when the trace
  is closed. It may reach the disk late, because it is never too large.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from nescio.errors import FileError
from nescio.files import CrashError, TimeLimitError, answer_apart, file_content, opened_regular

__all__ = [
    "ENDINGS",
    "Alone",
    "beside",
    "count_beside",
    "log_is_cut",
    "log_is_missing",
    "read_alone",
    "remove_count",
    "write_count",
]

_LOG, _COUNT = "-wal", "-count"
ENDINGS = (_LOG, "-shm", "-journal", _COUNT)
"""Endings of the names of files that belong to a trace."""

_MAGIC = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")
# Bytes before the first frame of a log, and before the page in each frame (https://www.sqlite.org/fileformat.html).
_LOG_HEADER, _FRAME_HEADER = 32, 24
_LONGEST_COUNT = 200
_SECONDS = 20.0
_MEMORY = 2**29


class Alone(NamedTuple):
    """Contents of a trace's main file without its log."""

    ahead: bool
    """Whether the file needs a log."""
    version: int
    """Version of the trace; version 1 does not record whether it was closed."""
    seals: list[tuple[Any, ...]]
    """Row id, token and number of measurements of each seal."""


def beside(path: Path, ending: str) -> Path:
    """Return the path of a trace's further file with this ending."""
    return path.with_name(path.name + ending)


def read_alone(path: Path) -> Alone | None:
    """Read the main file without its log; return None if it cannot be read."""
    request = {
        "path": os.fspath(path.absolute()),
        "query": 'SELECT id, token, measurements FROM "seal" ORDER BY id',
    }
    try:
        answer, _ = answer_apart("nescio.files.sqlite_alone", request, b"", seconds=_SECONDS, memory=_MEMORY)
    except (CrashError, TimeLimitError):
        # The file is gone, or so damaged that SQLite crashes.
        return None
    # As they are stored: a damaged one is reported by whoever checks the rows.
    seals = [tuple(seal) for seal in answer["rows"]]
    return Alone(bool(answer["ahead"]), int(answer["version"]), seals)


def log_is_missing(path: Path) -> bool:
    """Return whether a file has no valid write-ahead log."""
    try:
        with opened_regular(beside(path, _LOG)) as file:
            return file.read(4) not in _MAGIC
    except FileError:
        return True


def log_is_cut(path: Path) -> bool:
    """Return whether the write-ahead log ends inside a page; a killed process does not cause this."""
    try:
        with opened_regular(beside(path, _LOG)) as file:
            header = file.read(_LOG_HEADER)
            size = os.fstat(file.fileno()).st_size
    except FileError:
        return False
    page = int.from_bytes(header[8:12], "big")
    return header[:4] in _MAGIC and (size - _LOG_HEADER) % (_FRAME_HEADER + page) not in (0, _FRAME_HEADER)


def write_count(path: Path, token: str, measurements: int) -> None:
    """Write the number of measurements to the count file; failures are ignored."""
    with suppress(OSError):
        beside(path, _COUNT).write_text(f"{token} {measurements}\n", encoding="ascii")


def remove_count(path: Path) -> None:
    """Remove the file from :func:`write_count`."""
    with suppress(OSError):
        beside(path, _COUNT).unlink(missing_ok=True)


def count_beside(path: Path) -> tuple[str, int] | None:
    """Return token and number of measurements from the count file, or None if it cannot be read."""
    try:
        token, made = file_content(beside(path, _COUNT), _LONGEST_COUNT).decode("ascii").split()
        return token, int(made)
    except (FileError, ValueError):
        return None
