"""Conversion of datasets of sidpy, the data model of pycroscopy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nescio.errors import MeasurementError
from nescio.microscopy.read.datasets import image_form, is_image, spectra_form
from nescio.microscopy.read.fields import Axis, Field, axis_role

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["from_sidpy"]


def from_sidpy(dataset: Any) -> xr.Dataset:
    """Convert a ``sidpy.Dataset`` to an image or a grid of spectra.

    The dataset is an image (:mod:`nescio.microscopy.images`) if two dimensions are places and a third, if any, is of
    type CHANNEL or unknown; else it is a grid of spectra (:func:`nescio.microscopy.read_spectrum_image`).

    Args:
        dataset: An array with attributes ``title`` and ``units``, and for each dimension i ``dim_i`` with ``values``,
            ``name``, ``units`` and ``dimension_type``.

    Raises:
        MeasurementError: An attribute is missing or does not fit the array.
        FileError: The array is complex, empty, or contains numbers that are not finite.
    """
    title = str(getattr(dataset, "title", "") or "sidpy dataset")
    values = np.asarray(dataset)
    axes = []
    for number, points in enumerate(values.shape):
        dimension = getattr(dataset, f"dim_{number}", None)
        if dimension is None:
            raise MeasurementError(
                f"{title}: dimension {number} of {values.ndim} has no description (dim_{number})"
            )
        kind = getattr(dimension, "dimension_type", "")
        name, unit = (_stated(getattr(dimension, key, "")) for key in ("name", "units"))
        along = np.asarray(getattr(dimension, "values", dimension), np.float64)
        if along.shape != (points,):
            raise MeasurementError(f"{title}: {name or number} has {along.size} values for {points} points")
        axes.append(Axis(name, along, unit, axis_role(name, unit, kind=str(getattr(kind, "name", kind)))))
    field = Field.of(title, values, axes, unit=_stated(getattr(dataset, "units", "")))
    if is_image(field):
        return image_form(Path(title), [field])
    return spectra_form(Path(title), field, [])


def _stated(value: object) -> str:
    """Return a text; sidpy's placeholders for unknown become empty."""
    text = str(value or "")
    return "" if text.lower() in ("generic", "none", "unknown") else text
