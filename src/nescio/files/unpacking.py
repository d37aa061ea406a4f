"""Unpacking of compressed content within the memory budget of its input."""

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
"""First bytes of a member's entry in the directory of an archive."""
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def unpacked_source(source: Source) -> Source:
    """Unpack a gzip file within the same budget; return other files unchanged.

    Raises:
        FileError: The file is damaged or cut short, or its content exceeds the budget.
    """
    if not source.content.startswith(b"\x1f\x8b"):
        return source
    pieces = []
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(source.content)) as packed:
            while piece := packed.read(_PIECE):
                # Counted twice, since the pieces are joined at the end.
                source.spend(2 * len(piece), "its unpacked content")
                pieces.append(piece)
    except (OSError, EOFError, zlib.error) as error:
        raise FileError(f"{source.name}: cannot be unpacked ({one_line(error)})") from None
    return Source(source.path, b"".join(pieces), source.budget)


@contextmanager
def opened_zip(source: Source, what: str = "ZIP archive") -> Iterator[zipfile.ZipFile]:
    """Open a ZIP archive; :func:`zip_member` reads its members.

    Args:
        source: The archive.
        what: Expected kind of archive, for messages.

    Raises:
        FileError: The archive is damaged or has more than 1,000 members. Also raised if reading inside the block
            fails.
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
    """Return the content of a member of a ZIP archive.

    Raises:
        FileError: The member is missing, is compressed by another method than deflate, or exceeds the budget.
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
        # Read in pieces, since zipfile would keep the content twice; stop at the size that the header states.
        while piece := stream.read(min(_PIECE, member.file_size - filled)):
            content[filled : filled + len(piece)] = piece
            filled += len(piece)
    if filled < member.file_size:
        raise FileError(f"{source.name}: {shown} is cut short")
    return content
