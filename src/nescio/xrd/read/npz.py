"""Patterns in NumPy archives."""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from nescio.files import npz_arrays
from nescio.xrd.read.measured import MAX_BYTES
from nescio.xrd.read.named import dataset_from_named

__all__ = ["read_npz"]


def read_npz(path: Path, content: bytes, *, axis: str | None, wavelength: float | None) -> xr.Dataset:
    """Read an archive of arrays named as in :func:`nescio.xrd.read.named.dataset_from_named`.

    Raises:
        FileError: The archive is damaged, holds Python objects, or lacks an axis or intensities.
    """
    arrays = npz_arrays(path, content, max_bytes=MAX_BYTES)
    return dataset_from_named(path, arrays, {}, axis=axis, wavelength=wavelength)
