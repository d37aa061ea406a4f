"""Which kind of image a file is, by its content."""

from __future__ import annotations

from enum import StrEnum

from nescio.files import FileKind, Source, file_kind

__all__ = ["ImageKind", "image_kind"]


class ImageKind(StrEnum):
    """A kind of file that can hold images of an area detector."""

    TIFF = "TIFF"
    CBF = "CBF"
    EDF = "EDF"
    HDF5 = "HDF5"
    NPY = "NumPy array"


_DIRECT = {FileKind.TIFF: ImageKind.TIFF, FileKind.HDF5: ImageKind.HDF5, FileKind.NPY: ImageKind.NPY}
_EDF_KEYS = (b"HeaderID", b"EDF_", b"Dim_1", b"ByteOrder")


def image_kind(source: Source) -> ImageKind | None:
    """Return the kind of image, or None where a file can be none."""
    content = source.content
    if content.startswith(b"###CBF"):
        return ImageKind.CBF
    if content.lstrip(b"\r\n")[:1] == b"{" and any(key in content[:8192] for key in _EDF_KEYS):
        return ImageKind.EDF
    return _DIRECT.get(file_kind(content))
