"""Packed content, unpacked within the budget of its input."""

from __future__ import annotations

import gzip
import io
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from nescio.errors import FileError, NescioError
from nescio.files.messages import one_line
from nescio.files.source import Source

__all__ = ["opened_zip", "unpacked_source", "zip_member"]

_PIECE = 2**20
_MOST_MEMBERS = 1000
_ENTRY = b"PK\x01\x02"
"""How the entry of a member in an archive's directory begins."""
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def unpacked_source(source: Source) -> Source:
    """Return what a file packed by gzip holds, on the same budget; the source itself if it is not packed.

    Raises:
        FileError: It is damaged or cut short, or unpacks to more than its budget.
    """
    if not source.content.startswith(b"\x1f\x8b"):
        return source
    pieces = []
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(source.content)) as packed:
            while piece := packed.read(_PIECE):
                # Twice, since the pieces are joined at the end.
                source.spend(2 * len(piece), "its unpacked content")
                pieces.append(piece)
    except (OSError, EOFError, zlib.error) as error:
        raise FileError(f"{source.name}: cannot be unpacked ({one_line(error)})") from None
    return Source(source.path, b"".join(pieces), source.budget)


@contextmanager
def opened_zip(source: Source, what: str = "ZIP archive") -> Iterator[zipfile.ZipFile]:
    """Open a ZIP archive; members are read by :func:`zip_member`.

    Args:
        source: The archive.
        what: It should be, for messages.

    Raises:
        FileError: It is damaged, or has more than 1,000 members; also where reading inside the block fails.
    """
    if source.content.count(_ENTRY) > _MOST_MEMBERS:
        raise FileError(f"{source.name}: holds more than {_MOST_MEMBERS:,} members")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with zipfile.ZipFile(io.BytesIO(source.content)) as archive:
                yield archive
    except NescioError:
        raise
    except Exception as error:  # zipfile and zlib fail on damaged bytes in every possible way
        raise FileError(f"{source.name}: is not a readable {what} ({one_line(error)})") from error


def zip_member(source: Source, archive: zipfile.ZipFile, name: str | zipfile.ZipInfo) -> bytearray:
    """Return the content of a member.

    Raises:
        FileError: There is none of that name, it is packed by another method than deflate, or unpacks to more than the
            budget.
    """
    try:
        member = archive.getinfo(name) if isinstance(name, str) else name
    except KeyError:
        raise FileError(f"{source.name}: holds no {str(name)[:60]!r}") from None
    shown = f"{member.filename[:40]!r}"
    if member.compress_type not in _METHODS or member.flag_bits & 1:
        raise FileError(f"{source.name}: {shown} is encrypted, or packed by another method than deflate")
    source.spend(member.file_size, shown)
    content = bytearray(member.file_size)
    filled = 0
    with archive.open(member) as stream:
        # In pieces, since zipfile would hold the content twice; no more of it than its header states.
        while piece := stream.read(min(_PIECE, member.file_size - filled)):
            content[filled : filled + len(piece)] = piece
            filled += len(piece)
    if filled < member.file_size:
        raise FileError(f"{source.name}: {shown} is cut short")
    return content
