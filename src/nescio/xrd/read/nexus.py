"""Patterns in NeXus and plain HDF5 files."""

from __future__ import annotations

import io
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from nescio.errors import FileError
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
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_MAX_DEPTH = 12
_PROBE_SECONDS = 60


def read_nexus(path: Path, content: bytes, *, axis: str | None, wavelength: float | None) -> xr.Dataset:
    """Read the default NXdata of a NeXus file, or datasets of well-known names at the root of an HDF5 file.

    The default is found by the ``default`` attributes, or is the first NXdata with a ``signal``. Its last axis
    must be two-theta or q by name or units; further axes are unrolled into measurements. The wavelength comes
    from an NXmonochromator (``wavelength``, ``energy``) or NXbeam (``incident_wavelength``,
    ``incident_energy``). Links out of the file are never followed.

    Raises:
        FileError: The file is damaged, or holds no pattern.
    """
    import h5py

    if not content.startswith(_SIGNATURE):
        raise FileError(f"{path}: is not an HDF5 file (it does not begin with the HDF5 signature)")
    _refuse_deadly(path, content)
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            data = _default_data(file)
            if data is not None:
                return _from_nxdata(path, file, data, axis, wavelength)
            return _from_plain(path, file, axis, wavelength)
    except FileError:
        raise
    except Exception as error:  # the HDF5 library fails on damaged bytes in every possible way
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise FileError(f"{path}: is not a readable HDF5 file ({reason})") from error


def _refuse_deadly(path: Path, content: bytes) -> None:
    """Refuse a file so damaged that the HDF5 library crashes or hangs on it, by trying in another process."""
    program = str(Path(__file__).with_name("probe.py"))
    try:
        outcome = subprocess.run(  # noqa: S603 - our own program, the file's content goes to its input
            [sys.executable, "-I", program, str(MAX_VALUES)],
            input=content,
            capture_output=True,
            timeout=_PROBE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise FileError(f"{path}: is damaged; HDF5 did not end reading it in {_PROBE_SECONDS} s") from None
    if outcome.returncode != 0:
        raise FileError(f"{path}: is damaged; HDF5 crashed on reading it")


def _member(group: Any, name: str) -> Any:
    """Return a member of a group; None where there is none, or it lies in another file."""
    import h5py

    link = group.get(name, getlink=True) if name else None
    if link is None or isinstance(link, h5py.ExternalLink):
        return None
    return group.get(name)


def _groups(group: Any, depth: int = 0) -> Iterator[Any]:
    """Yield a group and all below it."""
    import h5py

    yield group
    if depth < _MAX_DEPTH:
        for name in list(group)[:_MAX_OBJECTS]:
            member = _member(group, name)
            if isinstance(member, h5py.Group):
                yield from _groups(member, depth + 1)


def _attribute(node: Any, name: str) -> Any:
    """Return an attribute, as text where it is text, or None."""
    value = node.attrs.get(name)
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.ravel()[0]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _default_data(file: Any) -> Any:
    import h5py

    group: Any = file
    for _ in range(_MAX_DEPTH):
        name = _attribute(group, "default")
        member = _member(group, name) if isinstance(name, str) else None
        if not isinstance(member, h5py.Group):
            break
        group = member
    if _attribute(group, "signal") is not None:
        return group
    for number, group in enumerate(_groups(file)):
        if _attribute(group, "NX_class") == "NXdata" and _attribute(group, "signal") is not None:
            return group
        if number > _MAX_OBJECTS:
            break
    return None


def _array(path: Path, group: Any, name: str) -> np.ndarray:
    import h5py

    dataset = _member(group, name)
    if not isinstance(dataset, h5py.Dataset):
        raise FileError(f"{path}: {group.name} has no dataset {name[:40]!r}")
    if dataset.is_virtual or dataset.external:
        raise FileError(f"{path}: {dataset.name} lies in another file, which is not followed")
    if dataset.dtype.kind not in "iuf":
        what = "text" if h5py.check_string_dtype(dataset.dtype) else str(dataset.dtype)
        raise FileError(f"{path}: {dataset.name} must hold numbers, not {what}")
    if dataset.shape is None or math.prod(dataset.shape) > MAX_VALUES:
        raise FileError(f"{path}: {dataset.name} must hold at most {MAX_VALUES} numbers")
    with np.errstate(all="ignore"):
        return np.asarray(dataset[()], np.float64)


def _from_nxdata(path: Path, file: Any, data: Any, axis: str | None, wavelength: float | None) -> xr.Dataset:
    signal = str(_attribute(data, "signal"))
    values = _array(path, data, signal)
    if not values.ndim or not values.size:
        raise FileError(f"{path}: {data.name}/{signal[:40]} has no points")
    axes = _attribute(data, "axes")
    names = (
        [axes]
        if isinstance(axes, str)
        else [_as_text(name) for name in np.ravel(axes if axes is not None else [])]
    )
    if not names or names[-1] == ".":
        raise FileError(f"{path}: {data.name} does not name its axes (attribute axes)")
    points = _array(path, data, names[-1])
    node = _member(data, names[-1])
    units = str(_attribute(node, "units") or "")
    title = names[-1] if axis_kind(names[-1]) else str(_attribute(node, "long_name") or names[-1])
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
        if _member(data, name) is not None:
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
        member = _member(file, name)
        if not isinstance(member, h5py.Dataset):
            continue
        if member.dtype.kind in "iuf":
            arrays[name] = _array(path, file, name)
            if member.dtype.kind in "iu" and name == "scan":
                arrays[name] = arrays[name].astype(np.int64)
        elif h5py.check_string_dtype(member.dtype) and member.size is not None and member.size < _MAX_OBJECTS:
            arrays[name] = np.array([_as_text(entry) for entry in np.ravel(member[()])], np.str_)
        units[name] = str(_attribute(member, "units") or "")
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
    for number, group in enumerate(_groups(file)):
        for name, usual_unit in names.get(str(_attribute(group, "NX_class")), ()):
            if _member(group, name) is None:
                continue
            values = _array(path, group, name)
            if values.size:
                unit = str(_attribute(_member(group, name), "units") or usual_unit).lower().removesuffix("s")
                return wavelength_angstrom(
                    f"{float(values.flat[0]):.10g} {unit}", f"{path}: {group.name}/{name}"
                )
        if number > _MAX_OBJECTS:
            break
    return None


def _as_text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
