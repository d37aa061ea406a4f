"""Patterns in NeXus and plain HDF5 files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from nescio.errors import FileError
from nescio.files import (
    attribute,
    default_data,
    groups_below,
    member,
    numeric_array,
    opened_hdf5,
    text_of,
)
from nescio.xrd.read.measured import (
    MAX_VALUES,
    axis_kind,
    measured_dataset,
    other_quantity,
    resolved_wavelength,
    wavelength_angstrom,
)
from nescio.xrd.read.named import dataset_from_named

__all__ = ["read_nexus"]

_MAX_OBJECTS = 10_000


def read_nexus(path: Path, content: bytes, *, axis: str | None, wavelength: float | None) -> xr.Dataset:
    """Read the default NXdata of a NeXus file, or datasets of well-known names at the root of an HDF5 file.

    The default is found by the ``default`` attributes, or is the first NXdata with a ``signal``. Its last axis
    must be two-theta or q by name or units; further axes are unrolled into measurements. The wavelength comes
    from an NXmonochromator (``wavelength``, ``energy``) or NXbeam (``incident_wavelength``,
    ``incident_energy``). Links out of the file are never followed.

    Raises:
        FileError: The file is damaged, or holds no pattern.
    """
    with opened_hdf5(path, content, MAX_VALUES) as file:
        data = default_data(file)
        if data is not None:
            return _from_nxdata(path, file, data, axis, wavelength)
        return _from_plain(path, file, axis, wavelength)


def _array(path: Path, group: Any, name: str) -> np.ndarray:
    with np.errstate(all="ignore"):
        return np.asarray(numeric_array(path, group, name, MAX_VALUES), np.float64)


def _from_nxdata(path: Path, file: Any, data: Any, axis: str | None, wavelength: float | None) -> xr.Dataset:
    signal = str(attribute(data, "signal"))
    values = _array(path, data, signal)
    if not values.ndim or not values.size:
        raise FileError(f"{path}: {data.name}/{signal[:40]} has no points")
    axes = attribute(data, "axes")
    names = (
        [axes]
        if isinstance(axes, str)
        else [text_of(name) for name in np.ravel(axes if axes is not None else [])]
    )
    if not names or names[-1] == ".":
        raise FileError(f"{path}: {data.name} does not name its axes (attribute axes)")
    points = _array(path, data, names[-1])
    node = member(data, names[-1])
    units = str(attribute(node, "units") or "")
    title = names[-1] if axis_kind(names[-1]) else str(attribute(node, "long_name") or names[-1])
    kind = axis or axis_kind(title, units) or (None if other_quantity(title) else _kind_of_units(units))
    if kind is None:
        raise FileError(
            f"{path}: {node.name} in {units or 'no units'} is neither two-theta nor q; if it is one of them"
            " all the same, say so with --axis two_theta, q (1/angstrom) or q_nm (1/nm)"
        )
    if kind == "two_theta" and units.lower().startswith("rad"):
        kind = "two_theta_rad"
    return measured_dataset(
        path,
        kind,
        points,
        values.reshape(-1, values.shape[-1]),
        wavelength=resolved_wavelength(path, kind, wavelength, lambda: _wavelength(path, file)),
        uncertainty=_errors(path, data, signal, values.shape),
    )


def _errors(path: Path, data: Any, signal: str, shape: tuple[int, ...]) -> np.ndarray | None:
    for name in (f"{signal}_errors", "errors"):
        if member(data, name) is not None:
            errors = _array(path, data, name)
            if errors.shape == shape:
                return errors.reshape(-1, shape[-1])
    return None


def _kind_of_units(units: str) -> str | None:
    units = units.strip().lower()
    if units in ("deg", "degree", "degrees", "°", "rad", "radian", "radians"):
        return "two_theta"
    return axis_kind("q", units) if any(sign in units for sign in ("1/", "^-1", "-1", "⁻¹")) else None


def _from_plain(path: Path, file: Any, axis: str | None, wavelength: float | None) -> xr.Dataset:
    import h5py

    arrays: dict[str, np.ndarray] = {}
    units: dict[str, str] = {}
    for name in list(file)[:_MAX_OBJECTS]:
        node = member(file, name)
        if not isinstance(node, h5py.Dataset):
            continue
        if node.dtype.kind in "iuf":
            arrays[name] = _array(path, file, name)
            if node.dtype.kind in "iu" and name == "scan":
                arrays[name] = arrays[name].astype(np.int64)
        elif h5py.check_string_dtype(node.dtype) and node.size is not None and node.size < _MAX_OBJECTS:
            arrays[name] = np.array([text_of(entry) for entry in np.ravel(node[()])], np.str_)
        units[name] = str(attribute(node, "units") or "")
    return dataset_from_named(
        path, arrays, units, axis=axis, wavelength=wavelength, beam=lambda: _wavelength(path, file)
    )


def _wavelength(path: Path, file: Any) -> float | None:
    """Return the wavelength in angstrom of the beam that fell on the sample."""
    names = {
        # A wavelength without units stays bare: a laboratory line in nanometre is then told.
        "NXmonochromator": (("wavelength", ""), ("energy", "keV")),
        "NXbeam": (("incident_wavelength", ""), ("incident_energy", "keV")),
    }
    for group in groups_below(file):
        for name, usual_unit in names.get(str(attribute(group, "NX_class")), ()):
            if member(group, name) is None:
                continue
            values = _array(path, group, name)
            if values.size:
                unit = str(attribute(member(group, name), "units") or usual_unit).lower().removesuffix("s")
                return wavelength_angstrom(
                    f"{float(values.flat[0]):.10g} {unit}", f"{path}: {group.name}/{name}"
                )
    return None
