"""Which vendor format a file has, by its content."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import xarray as xr

from nescio.errors import FileError
from nescio.files import FileKind, Source, suffix_of
from nescio.xrd.read.vendors.brml import read_brml
from nescio.xrd.read.vendors.bruker_raw import read_bruker_raw
from nescio.xrd.read.vendors.chi import is_chi, read_chi
from nescio.xrd.read.vendors.fullprof import is_grid, read_grid
from nescio.xrd.read.vendors.gsas import is_gsas, read_gsas
from nescio.xrd.read.vendors.rigaku import is_ras, read_ras, read_rasx
from nescio.xrd.read.vendors.uxd import is_uxd, read_uxd

__all__ = ["VENDOR_SUFFIXES", "Reader", "vendor_reader"]

VENDOR_SUFFIXES = (
    ".raw", ".brml", ".ras", ".rasx", ".uxd", ".gsa", ".gsas", ".gss", ".gda", ".fxye", ".esd", ".std", ".xra", ".chi",
)  # fmt: skip
"""Usual suffixes of these formats; FullProf's is ``.dat``."""


class Reader(Protocol):
    """What reads a file of one format."""

    def __call__(self, source: Source, *, axis: str | None, wavelength: float | None) -> xr.Dataset:
        """Read a file; see :func:`nescio.xrd.read_patterns`."""


_ARCHIVES: dict[FileKind, Reader] = {FileKind.RASX: read_rasx, FileKind.BRML: read_brml}
_TEXTS: tuple[tuple[Callable[[bytes], bool], Reader], ...] = (
    (is_ras, read_ras),
    (is_uxd, read_uxd),
    (is_gsas, read_gsas),
    (is_chi, read_chi),
    (is_grid, read_grid),
)
_OTHER_RAW = (
    (b"RAW_", "a RAW file of STOE"),
    (b"FI\x00", "a RAW file of Rigaku"),
    (b"HR-XRDSCAN", "a scan of Philips"),
)
"""Beginnings of binary files that are not read."""


def vendor_reader(source: Source, kind: FileKind) -> Reader | None:
    """Return the reader of a vendor format, or None where a file has none of these formats.

    Args:
        source: The file.
        kind: Its kind.

    Raises:
        FileError: It is a binary file of a vendor that is not read.
    """
    content = source.content
    if kind in _ARCHIVES:
        return _ARCHIVES[kind]
    # A file whose header holds text only looks like a text.
    if content.startswith((b"RAW1.", b"RAW4.", b"RAW2", b"RAW \x00")) or (
        content.startswith(b"RAW ") and kind is FileKind.BINARY
    ):
        return read_bruker_raw
    if kind is FileKind.TEXT:
        return next((reader for test, reader in _TEXTS if test(content)), None)
    if kind is FileKind.BINARY and suffix_of(source.path) == ".raw":
        found = next((what for start, what in _OTHER_RAW if content.startswith(start)), None)
        raise FileError(
            f"{source.name}: is {found or 'no RAW file of Bruker (it begins neither with RAW1.01 nor with RAW4.00)'}, "
            "which this version does not read; export it as xy or csv"
        )
    return None
