"""Spectra out of HDF5 and NeXus files: every group that holds an energy and what was counted at it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nescio.errors import FileError, MeasurementError
from nescio.files import Hdf5, attribute, groups_below, member, opened_hdf5, read_source
from nescio.xas.read.columns import COLUMNS, absorption_of
from nescio.xas.spectrum import MOST_SPECTRA, Spectrum, checked

__all__ = ["read_hdf5"]

_LARGEST = 1_000_000_000
_MOST = 1_000_000


def read_hdf5(path: str | Path) -> tuple[list[Spectrum], list[str]]:
    """Read the spectra of an HDF5 file.

    A group is a spectrum if it holds one-dimensional datasets that are called as columns of a text file are (energy;
    and i0 with itrans or ifluor, or mu), such as an NXdata or the one that a scan writes.

    Args:
        path: Of the file.

    Returns:
        The spectra, and of each group that cannot be used why.

    Raises:
        FileError: It cannot be read, or no group holds a spectrum.
    """
    file = Path(path)
    found: list[Spectrum] = []
    left_out: list[str] = []
    source = read_source(file, _LARGEST)
    file = source.path
    with opened_hdf5(source) as opened:
        for group in groups_below(opened.root):
            columns = _columns(opened, group)
            if "energy" not in columns or not _enough(columns):
                continue
            name = str(group.name).strip("/").replace("/", " ") or file.stem
            if len(found) + len(left_out) >= MOST_SPECTRA:
                raise FileError(
                    f"{file}: holds more than {MOST_SPECTRA:,} spectra; divide it into several files"
                )
            try:
                found.append(_spectrum(file, group, columns, name))
            except MeasurementError as error:
                left_out.append(str(error))
    if not found and not left_out:
        raise FileError(
            f"{file}: no group holds a spectrum (datasets energy and mu, or energy, i0 and itrans or ifluor)"
        )
    return found, left_out


def _enough(columns: dict[str, Any]) -> bool:
    return "mu" in columns or ("i0" in columns and ("itrans" in columns or "ifluor" in columns))


def _columns(file: Hdf5, group: Any) -> dict[str, NDArray[np.float64]]:
    """Return the one-dimensional datasets of a group whose names are known, by what they are."""
    import h5py

    found: dict[str, NDArray[np.float64]] = {}
    for name in group:
        role = next((role for role, known in COLUMNS.items() if str(name).lower() in known), None)
        dataset = member(group, name)
        if role is None or role in found or not isinstance(dataset, h5py.Dataset) or dataset.ndim != 1:
            continue
        if dataset.dtype.kind in "iuf":
            values = np.asarray(file.numbers(group, name, _MOST), np.float64)
            if role == "energy" and _told(dataset, "units").lower() == "kev":
                with np.errstate(over="ignore"):
                    values = 1000.0 * values
            found[role] = values
    return found


def _told(node: Any, name: str) -> str:
    """Return an attribute that is text; empty where there is none, or something else."""
    value = attribute(node, name)
    return value if isinstance(value, str) else ""


def _spectrum(file: Path, group: Any, columns: dict[str, NDArray[np.float64]], name: str) -> Spectrum:
    lengths = {len(values) for values in columns.values()}
    if len(lengths) > 1:
        raise MeasurementError(
            f"{name}: datasets of {' and '.join(map(str, sorted(lengths)))} numbers; needs as many of each"
        )
    order = list(columns)
    table = np.stack([columns[role] for role in order], axis=1)
    where: dict[str, int | None] = {role: order.index(role) if role in order else None for role in COLUMNS}
    return checked(
        Spectrum(
            name=name,
            energy=columns["energy"],
            mu=absorption_of(file, name, table, where),
            source=str(file),
            element=_told(group, "element").capitalize(),
            edge=_told(group, "edge").upper(),
        )
    )
