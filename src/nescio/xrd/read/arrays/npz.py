"""Patterns in NumPy archives."""

from __future__ import annotations

import xarray as xr

from nescio.files import Source, npz_arrays
from nescio.xrd.read.arrays.named import dataset_from_named

__all__ = ["read_npz"]


def read_npz(source: Source, *, axis: str | None, wavelength: float | None) -> xr.Dataset:
    """Read an archive of arrays named as in :func:`nescio.xrd.read.arrays.named.dataset_from_named`.

    Raises:
        FileError: The archive is damaged, holds Python objects, or lacks an axis or intensities.
    """
    return dataset_from_named(source, npz_arrays(source), {}, axis=axis, wavelength=wavelength)
