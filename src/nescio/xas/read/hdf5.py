"""Read spectra from HDF5 and NeXus files: every group with an energy and a signal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nescio.errors import FileError, MeasurementError
from nescio.files import Hdf5, Source, attribute, groups_below, member, opened_hdf5, read_source
from nescio.xas.read.choice import NoColumnError, choose
from nescio.xas.read.finishing import finished_scans
from nescio.xas.read.names import Column, Role, column_of
from nescio.xas.spectra import MOST_SPECTRA, Spectrum

__all__ = ["hdf5_in", "read_hdf5"]

_LARGEST = 1_000_000_000
_MOST = 1_000_000
_USED = (Role.ENERGY, Role.I0, Role.TRANSMITTED, Role.FLUORESCENCE, Role.MU, Role.SECOND, Role.REFERENCE)


def read_hdf5(path: str | Path) -> tuple[list[Spectrum], list[str]]:
    """Read the spectra of an HDF5 file.

    A group is a spectrum if it holds one-dimensional datasets with the names of text columns: energy, and mu, or i0
    with itrans or ifluor.

    Args:
        path: The file.

    Returns:
        The spectra, and the reasons why other groups cannot be used.

    Raises:
        FileError: The file cannot be read, or no group holds a spectrum.
    """
    return hdf5_in(read_source(Path(path), _LARGEST))


def hdf5_in(source: Source) -> tuple[list[Spectrum], list[str]]:
    """Return the spectra of an HDF5 file; see :func:`read_hdf5`."""
    found: list[Spectrum] = []
    left_out: list[str] = []
    with opened_hdf5(source) as opened:
        for group in groups_below(opened.root):
            columns = _columns(group)
            if not any(one.role is Role.ENERGY for one in columns):
                continue
            name = str(group.name).strip("/").replace("/", " ") or source.path.stem
            if len(found) + len(left_out) >= MOST_SPECTRA:
                raise FileError(
                    f"{source.name}: holds more than {MOST_SPECTRA:,} spectra; divide it into several files"
                )
            try:
                found += _spectra(source, opened, group, columns, name)
            except NoColumnError:
                # Energies without a signal, such as those of a monochromator.
                continue
            except MeasurementError as error:
                left_out.append(str(error))
    if not found and not left_out:
        raise FileError(
            f"{source.name}: no group holds a spectrum (datasets energy and mu, or energy, i0 and itrans or ifluor)"
        )
    return found, left_out


def _columns(group: Any) -> list[Column]:
    """Return the one-dimensional datasets of a group with known names."""
    import h5py

    found: list[Column] = []
    for name in group:
        column = column_of(len(found) + 1, str(name))
        if column.role not in _USED:
            continue
        dataset = member(group, name)
        if not isinstance(dataset, h5py.Dataset) or dataset.ndim != 1 or dataset.dtype.kind not in "iuf":
            continue
        found.append(replace(column, name=str(name), unit=_stated(dataset, "units").lower() or column.unit))
    return found


def _stated(node: Any, name: str) -> str:
    """Return a text attribute; empty if there is none."""
    value = attribute(node, name)
    return value if isinstance(value, str) else ""


def _spectra(source: Source, opened: Hdf5, group: Any, columns: list[Column], name: str) -> list[Spectrum]:
    values: list[NDArray[np.float64]] = [
        np.asarray(opened.numbers(group, column.name, _MOST), np.float64) for column in columns
    ]
    lengths = {len(one) for one in values}
    if len(lengths) > 1:
        raise MeasurementError(
            f"{name}: datasets of {' and '.join(map(str, sorted(lengths)))} numbers; needs equal lengths"
        )
    table = np.stack(values, axis=1)
    try:
        choice = choose(table, columns)
    except NoColumnError:
        raise
    except MeasurementError as error:
        raise MeasurementError(f"{name}: {error}") from None
    notes = tuple(f"{source.name}: {name}: {note}" for note in choice.notes)
    found: list[Spectrum] = []
    for signal in choice.signals:
        spectrum = Spectrum(
            name=f"{name} {signal.name}".strip(),
            energy=table[:, choice.energy.number - 1],
            mu=signal.mu,
            source=source.name,
            element=_stated(group, "element").capitalize(),
            edge=_stated(group, "edge").upper(),
            notes=notes,
        )
        found += finished_scans(spectrum, unit=choice.energy.unit)
        notes = ()
    return found
