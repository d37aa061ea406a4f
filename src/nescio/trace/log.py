"""Whether the write-ahead log of a trace is there, and is its own.

While a trace is written, SQLite keeps the latest steps in a second file, ``trace.sqlite-wal``. Who copies or moves the
main file alone gets a sound file of an earlier time, and with the log of another trace a mixture. So

* a trace that was closed is no longer in the mode of a write-ahead log, which its header tells: one that still is needs
  its log;
* every step ends with a seal (:class:`nescio.trace.records.Seal`) that bears a token of the writer: what the main file
  holds alone must be the beginning of what it holds with its log;
* ``trace.sqlite-count`` says how many measurements were made. It is written after each step and removed when the trace
  is closed; the disk need not have it at once, since it never says too much.
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
"""What the names of the files that belong to a trace end in."""

_MAGIC = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")
# Bytes before the first frame of a log, and before the page in each frame (https://www.sqlite.org/fileformat.html).
_LOG_HEADER, _FRAME_HEADER = 32, 24
_LONGEST_COUNT = 200
_SECONDS = 20.0
_MEMORY = 2**29


class Alone(NamedTuple):
    """What the main file of a trace says without its log."""

    ahead: bool
    """Whether it needs a log."""
    version: int
    """Of the trace; closing one of version 1 left no mark."""
    seals: list[tuple[Any, ...]]
    """Row id, token and number of measurements."""


def beside(path: Path, ending: str) -> Path:
    """Return the file of a trace whose name ends so."""
    return path.with_name(path.name + ending)


def read_alone(path: Path) -> Alone | None:
    """Return what the main file says without its log, None where that cannot be read."""
    request = {
        "path": os.fspath(path.absolute()),
        "query": 'SELECT id, token, measurements FROM "seal" ORDER BY id',
    }
    try:
        answer, _ = answer_apart("nescio.files.sqlite_alone", request, b"", seconds=_SECONDS, memory=_MEMORY)
    except (CrashError, TimeLimitError):
        # So damaged that SQLite does not survive it, or gone.
        return None
    # As they are stored: a damaged one is reported by whoever checks the rows.
    seals = [tuple(seal) for seal in answer["rows"]]
    return Alone(bool(answer["ahead"]), int(answer["version"]), seals)


def log_is_missing(path: Path) -> bool:
    """Say whether there is no write-ahead log beside a file, or something that is none."""
    try:
        with opened_regular(beside(path, _LOG)) as file:
            return file.read(4) not in _MAGIC
    except FileError:
        return True


def log_is_cut(path: Path) -> bool:
    """Say whether the write-ahead log ends in the midst of a page, which a process that is killed does not leave."""
    try:
        with opened_regular(beside(path, _LOG)) as file:
            header = file.read(_LOG_HEADER)
            size = os.fstat(file.fileno()).st_size
    except FileError:
        return False
    page = int.from_bytes(header[8:12], "big")
    return header[:4] in _MAGIC and (size - _LOG_HEADER) % (_FRAME_HEADER + page) not in (0, _FRAME_HEADER)


def write_count(path: Path, token: str, measurements: int) -> None:
    """Write beside a trace how many measurements were made; that it cannot be written spoils nothing."""
    with suppress(OSError):
        beside(path, _COUNT).write_text(f"{token} {measurements}\n", encoding="ascii")


def remove_count(path: Path) -> None:
    """Remove what :func:`write_count` wrote."""
    with suppress(OSError):
        beside(path, _COUNT).unlink(missing_ok=True)


def count_beside(path: Path) -> tuple[str, int] | None:
    """Return token and number of measurements that stand beside a trace, None where nothing readable does."""
    try:
        token, made = file_content(beside(path, _COUNT), _LONGEST_COUNT).decode("ascii").split()
        return token, int(made)
    except (FileError, ValueError):
        return None
