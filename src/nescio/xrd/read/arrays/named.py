"""Patterns from named arrays of any container."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import xarray as xr

from nescio.errors import FileError
from nescio.files import Source
from nescio.xrd.read.axis import KINDS, axis_kind
from nescio.xrd.read.measured import (
    bin_centres,
    measured_dataset,
    not_an_axis,
    resolved_wavelength,
    stem_of,
    wavelength_angstrom,
)

__all__ = ["dataset_from_named", "is_known"]

_AXIS_NAMES = ("two_theta", "2theta", "tth", "q", "q_nm")
_INTENSITY_NAMES = ("intensity", "xrd", "patterns", "counts", "raw")
_UNCERTAINTY_NAMES = ("uncertainty", "sigma", "error", "errors")
_WAVELENGTH_NAMES = ("wavelength", "wavelength_angstrom")
_OTHER_NAMES = ("xy_mm", "comp", "composition", "elements", "scan")


def is_known(name: str) -> bool:
    """Return whether an array of this name is used; see :func:`dataset_from_named`."""
    known = (*_INTENSITY_NAMES, *_UNCERTAINTY_NAMES, *_WAVELENGTH_NAMES, *_OTHER_NAMES)
    return name in known or axis_kind(name) is not None


def dataset_from_named(
    source: Source,
    arrays: Mapping[str, np.ndarray],
    units: Mapping[str, str],
    *,
    axis: str | None,
    wavelength: float | None,
    beam: Callable[[], float | None] = lambda: None,
    others: Collection[str] = (),
) -> xr.Dataset:
    """Build a dataset from named arrays.

    ====================================================  =================================================
    ``two_theta`` (degree), ``q`` (1/A), ``q_nm`` (1/nm)    the axis, shape (points,), or (points + 1,) of edges of
    ``d`` (A), and other usual titles                       bins, of which the centres are taken
    ``intensity``, ``xrd``, ``patterns``, ``counts``        shape (n, points) or (points,)
    ``uncertainty``, ``sigma``                              one standard deviation; optional
    ``xy_mm``                                               shape (n, 2), position; optional
    ``comp`` or ``composition``, with ``elements``          shape (n, elements) and symbols; optional
    ``scan``                                                whole numbers to name the patterns by; optional
    ``wavelength``                                          in angstrom; optional
    ====================================================  =================================================

    Args:
        source: The file, for messages.
        arrays: Arrays by name.
        units: Units by name, if the container states them.
        axis: Kind of the axis; overrides the name of the array.
        wavelength: In angstrom, if the file states none; as in :func:`nescio.xrd.read_patterns`.
        beam: Returns the wavelength stated elsewhere in the container, if any.
        others: Names of other contents of the container, for messages.

    Raises:
        FileError: Axis or intensities are missing, or an array does not match its name.
    """
    path = source.path
    axis_name = _axis_name(path, arrays, axis, others)
    points = _numeric(source, arrays, axis_name)
    sizes = (points.size, points.size - 1)
    name = next(
        (n for n in _INTENSITY_NAMES if n in arrays and arrays[n].shape[-1:] in [(n,) for n in sizes]), None
    )
    if name is None:
        raise FileError(
            f"{path}: no array named {', '.join(_INTENSITY_NAMES)} has {points.shape} points as {axis_name} has"
        )
    intensity = np.atleast_2d(_numeric(source, arrays, name))
    points = bin_centres(points, intensity.shape[-1])
    sigma_name = next((n for n in _UNCERTAINTY_NAMES if n in arrays), None)
    composition_name = "comp" if "comp" in arrays else "composition"
    composition, elements = None, []
    if composition_name in arrays and "elements" in arrays:
        composition = np.atleast_2d(_numeric(source, arrays, composition_name))
        elements = [_text(element) for element in arrays["elements"].ravel()]
    kind = axis or axis_kind(axis_name, units.get(axis_name, ""))
    if kind is None:
        raise not_an_axis(str(path), f"{axis_name} ({units[axis_name]})")
    return measured_dataset(
        path,
        kind,
        points,
        intensity,
        wavelength=resolved_wavelength(
            path, kind, wavelength, lambda: beam() or _wavelength(path, arrays, units)
        ),
        names=_names(path, arrays, intensity.shape[0]),
        uncertainty=_numeric(source, arrays, sigma_name) if sigma_name else None,
        position_mm=np.atleast_2d(_numeric(source, arrays, "xy_mm")) if "xy_mm" in arrays else None,
        composition=composition,
        elements=elements,
    )


def _axis_name(
    path: Path, arrays: Mapping[str, np.ndarray], axis: str | None, others: Collection[str]
) -> str:
    """Return the name of the array with the axis, if possible of the requested kind.

    Raises:
        FileError: There is no axis.
    """
    found = {
        name: kind for name in (*_AXIS_NAMES, *sorted(arrays)) if name in arrays and (kind := axis_kind(name))
    }
    wanted = [name for name, kind in found.items() if axis and KINDS[kind].quantity == KINDS[axis].quantity]
    if wanted or found:
        return next(iter([*wanted, *found]))
    if axis is not None:
        # An array with an unknown name and one number for each point.
        lengths = {
            arrays[name].shape[-1] for name in _INTENSITY_NAMES if name in arrays and arrays[name].ndim
        }
        unknown = [
            name
            for name, array in arrays.items()
            if not is_known(name) and array.ndim == 1 and array.dtype.kind in "iuf" and array.size in lengths
        ]
        if len(unknown) == 1:
            return unknown[0]
    raise FileError(
        f"{path}: no axis; one array must be named two_theta, q, q_nm or d, not {_listed({*arrays, *others})};"
        " or, if there is one for every point, say what it is with --axis"
    )


def _names(path: Path, arrays: Mapping[str, np.ndarray], n: int) -> list[str] | None:
    scan = arrays.get("scan")
    if scan is None or n == 1 or scan.dtype.kind not in "iu" or np.unique(scan).size != n or scan.size != n:
        return None
    return [f"{stem_of(path)}#{number}" for number in scan.ravel().tolist()]


def _wavelength(path: Path, arrays: Mapping[str, np.ndarray], units: Mapping[str, str]) -> float | None:
    for name in _WAVELENGTH_NAMES:
        if name in arrays and arrays[name].size == 1:
            value = arrays[name].ravel()[0]
            # A number without a unit is checked: a laboratory line in nanometre is an error that says so.
            text = value.item() if arrays[name].dtype.kind in "iuf" else _text(value)
            unit = units.get(name, "").strip()
            return wavelength_angstrom(f"{text} {unit}" if unit else text, f"{path}: {name}")
    return None


def _numeric(source: Source, arrays: Mapping[str, np.ndarray], name: str) -> npt.NDArray[np.float64]:
    array = arrays[name]
    if array.dtype.kind not in "iuf" or not array.size:
        raise FileError(f"{source.name}: {name} must hold numbers, not {array.dtype} of shape {array.shape}")
    if array.dtype != np.float64:
        source.spend(8 * array.size, name)
    with np.errstate(all="ignore"):
        return array.astype(np.float64, copy=False)


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(names))[:80] or "none at all"
