"""Patterns in NeXus and plain HDF5 files."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from nescio.errors import FileError
from nescio.files import (
    Hdf5,
    Source,
    attribute,
    default_data,
    groups_below,
    member,
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
from nescio.xrd.read.named import KNOWN_NAMES, dataset_from_named

__all__ = ["read_nexus"]

_MAX_OBJECTS = 10_000


def read_nexus(source: Source, *, axis: str | None, wavelength: float | None) -> xr.Dataset:
    """Read the default NXdata of a NeXus file, or datasets of well-known names at the root of an HDF5 file.

    The default is found by the ``default`` attributes, or is the first NXdata with a ``signal``. Its last axis
    must be two-theta or q by name or units; further axes are unrolled into measurements. The wavelength comes
    from an NXmonochromator (``wavelength``, ``energy``) or NXbeam (``incident_wavelength``,
    ``incident_energy``). Links out of the file are never followed.

    Raises:
        FileError: The file is damaged, or holds no pattern.
    """
    with opened_hdf5(source) as file:
        data = default_data(file.root)
        if data is not None:
            return _from_nxdata(file, data, axis, wavelength)
        return _from_plain(file, axis, wavelength)


def _array(file: Hdf5, group: Any, name: str) -> np.ndarray:
    values = file.numbers(group, name, MAX_VALUES)
    if values.dtype != np.float64:
        file.source.spend(8 * values.size, f"{name[:40]!r}")
    with np.errstate(all="ignore"):
        return np.asarray(values, np.float64)


def _from_nxdata(file: Hdf5, data: Any, axis: str | None, wavelength: float | None) -> xr.Dataset:
    path = file.source.path
    signal = str(attribute(data, "signal"))
    values = _array(file, data, signal)
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
    points = _array(file, data, names[-1])
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
        wavelength=resolved_wavelength(path, kind, wavelength, lambda: _wavelength(file)),
        uncertainty=_errors(file, data, signal, values.shape),
    )


def _errors(file: Hdf5, data: Any, signal: str, shape: tuple[int, ...]) -> np.ndarray | None:
    for name in (f"{signal}_errors", "errors"):
        if member(data, name) is not None:
            errors = _array(file, data, name)
            if errors.shape == shape:
                return errors.reshape(-1, shape[-1])
    return None


def _kind_of_units(units: str) -> str | None:
    units = units.strip().lower()
    if units in ("deg", "degree", "degrees", "°", "rad", "radian", "radians"):
        return "two_theta"
    return axis_kind("q", units) if any(sign in units for sign in ("1/", "^-1", "-1", "⁻¹")) else None


def _from_plain(file: Hdf5, axis: str | None, wavelength: float | None) -> xr.Dataset:
    import h5py

    root = file.root

    arrays: dict[str, np.ndarray] = {}
    units: dict[str, str] = {}
    for name in list(root)[:_MAX_OBJECTS]:
        node = member(root, name)
        # What else a file holds is left alone, however large.
        if not isinstance(node, h5py.Dataset) or name not in KNOWN_NAMES:
            continue
        if node.dtype.kind in "iuf":
            arrays[name] = _array(file, root, name)
            if node.dtype.kind in "iu" and name == "scan":
                arrays[name] = arrays[name].astype(np.int64)
        elif h5py.check_string_dtype(node.dtype) and node.size is not None and node.size < _MAX_OBJECTS:
            arrays[name] = np.array(file.texts(node), np.str_)
        units[name] = str(attribute(node, "units") or "")
    return dataset_from_named(
        file.source,
        arrays,
        units,
        axis=axis,
        wavelength=wavelength,
        beam=lambda: _wavelength(file),
        others=list(root)[:_MAX_OBJECTS],
    )


def _wavelength(file: Hdf5) -> float | None:
    """Return the wavelength in angstrom of the beam that fell on the sample."""
    names = {
        # A wavelength without units stays bare: a laboratory line in nanometre is then told.
        "NXmonochromator": (("wavelength", ""), ("energy", "keV")),
        "NXbeam": (("incident_wavelength", ""), ("incident_energy", "keV")),
    }
    for group in groups_below(file.root):
        for name, usual_unit in names.get(str(attribute(group, "NX_class")), ()):
            if member(group, name) is None:
                continue
            values = _array(file, group, name)
            if values.size:
                unit = str(attribute(member(group, name), "units") or usual_unit).lower().removesuffix("s")
                return wavelength_angstrom(
                    f"{float(values.flat[0]):.10g} {unit}", f"{file.source.name}: {group.name}/{name}"
                )
    return None
