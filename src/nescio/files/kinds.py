"""The kind of a file, found from its content and not from its name."""

from __future__ import annotations

import io
import re
import zipfile
from enum import StrEnum

from nescio.files.text import text_encoding

__all__ = ["HDF5_SIGNATURE", "FileKind", "file_kind"]

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
"""First bytes of every HDF5 file; a user block may precede them."""


class FileKind(StrEnum):
    """Kind of a file by its content."""

    HDF5 = "HDF5"
    NPY = "NumPy array"
    NPZ = "NumPy archive"
    RASX = "Rigaku RASX"
    BRML = "Bruker BRML"
    XLSX = "Excel workbook"
    ZIP = "ZIP archive"
    GZIP = "gzip"
    BZIP2 = "bzip2"
    XZ = "xz"
    SQLITE = "SQLite database"
    TIFF = "TIFF"
    PNG = "PNG"
    JPEG = "JPEG"
    BMP = "BMP"
    XML = "XML"
    JSON = "JSON"
    TEXT = "text"
    BINARY = "binary"


_SIGNATURES = (
    (HDF5_SIGNATURE, FileKind.HDF5),
    (b"\x93NUMPY", FileKind.NPY),
    (b"\x1f\x8b", FileKind.GZIP),
    (b"BZh", FileKind.BZIP2),
    (b"\xfd7zXZ\x00", FileKind.XZ),
    (b"SQLite format 3\x00", FileKind.SQLITE),
    (b"II*\x00", FileKind.TIFF),
    (b"MM\x00*", FileKind.TIFF),
    (b"II+\x00", FileKind.TIFF),
    (b"MM\x00+", FileKind.TIFF),
    (b"\x89PNG\r\n\x1a\n", FileKind.PNG),
    (b"\xff\xd8\xff", FileKind.JPEG),
)
_BMP_HEADERS = tuple(size.to_bytes(4, "little") for size in (12, 40, 52, 56, 108, 124))
_USER_BLOCKS = (512, 1024, 2048, 4096, 8192)
_MOST_MEMBERS = 10_000
_XML = re.compile(r"\s*<[?!A-Za-z_]")
_JSON = re.compile(r'\s*(\{\s*["}]|\[\s*[\[{"])')


def file_kind(content: bytes) -> FileKind:
    """Return the kind of a file.

    Args:
        content: All bytes of the file.
    """
    for signature, kind in _SIGNATURES:
        if content.startswith(signature):
            return kind
    if content.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _archive_kind(content)
    if content.startswith(b"BM") and content[14:18] in _BMP_HEADERS:
        return FileKind.BMP
    if any(content.startswith(HDF5_SIGNATURE, block) for block in _USER_BLOCKS):
        return FileKind.HDF5
    encoding = text_encoding(content)
    if encoding is None:
        return FileKind.BINARY
    beginning = content[:1000].decode(encoding, "replace").lstrip("\ufeff")
    if _XML.match(beginning):
        return FileKind.XML
    return FileKind.JSON if _JSON.match(beginning) else FileKind.TEXT


def _archive_kind(content: bytes) -> FileKind:
    """Return the kind of a ZIP archive by the names of its members."""
    # A directory of a million entries takes long to read and belongs to none of these kinds.
    if content.count(b"PK\x01\x02") > _MOST_MEMBERS:
        return FileKind.ZIP
    try:
        names = set(zipfile.ZipFile(io.BytesIO(content)).namelist())
    except Exception:  # zipfile fails on damaged bytes in every possible way
        return FileKind.ZIP
    if "xl/workbook.xml" in names:
        return FileKind.XLSX
    if any(name.endswith("RawData0.xml") or name == "Experiment0/DataContainer.xml" for name in names):
        return FileKind.BRML
    if any(re.fullmatch(r"Data\d+/Profile\d+\.txt", name) for name in names):
        return FileKind.RASX
    if names and all(name.endswith(".npy") for name in names):
        return FileKind.NPZ
    return FileKind.ZIP
