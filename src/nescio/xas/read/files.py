"""Read measured spectra from files of any known kind, and convert them to datasets and back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nescio.errors import FileError
from nescio.files import FileKind, file_kind, read_source, suffix_of, unpacked_source
from nescio.signals import with_notes
from nescio.xas.read.athena import athena_in, is_athena
from nescio.xas.read.columns import columns_in
from nescio.xas.read.expression import parse_columns
from nescio.xas.read.hdf5 import hdf5_in
from nescio.xas.spectra import Spectrum

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["FILE_PATTERNS", "one_spectrum", "read_spectra", "spectra_dataset", "spectra_of"]

_LARGEST = 1_000_000_000
_MOST_POINTS = 20_000_000
_TEXT = (".xdi", ".xmu", ".dat", ".txt", ".csv", ".nor", ".norm", ".flat")
_HDF5 = (".h5", ".hdf5", ".hdf", ".nxs", ".nx")
FILE_PATTERNS: tuple[str, ...] = tuple(f"*{suffix}" for suffix in (*_TEXT, ".prj", *_HDF5))
"""Glob patterns of the files that can be read."""
_TEXT_KINDS = (FileKind.TEXT, FileKind.JSON)


def read_spectra(path: str | Path, *, columns: str | None = None) -> tuple[list[Spectrum], list[str]]:
    """Read the spectra of a file: text with columns (XDI, SPEC and others), an Athena project, HDF5 or NeXus.

    The content decides the kind of file. Text may be compressed by gzip.

    Args:
        path: The file.
        columns: Columns of a text file to use; see :func:`read_columns`.

    Returns:
        The spectra with notes; and the reasons why other parts of the file cannot be used.

    Raises:
        ConfigurationError: `columns` has a wrong form.
        FileError: The file cannot be read, or its kind is unknown.
        MeasurementError: Its only spectrum cannot be used.
    """
    formulas = None if columns is None else parse_columns(columns)
    source = unpacked_source(read_source(Path(path), _LARGEST))
    kind = file_kind(source.content)
    athena = is_athena(source) or (suffix_of(source.path) == ".prj" and kind in _TEXT_KINDS)
    if formulas is not None and (athena or kind is FileKind.HDF5):
        raise FileError(f"{source.name}: has no columns to choose from; --columns is for text files")
    if athena:
        return athena_in(source)
    if kind is FileKind.HDF5:
        return hdf5_in(source)
    if kind not in (*_TEXT_KINDS, FileKind.BINARY):
        raise FileError(
            f"{source.name}: is a file of kind {kind.value}, which is not read; export the spectra as text"
        )
    return columns_in(source, formulas)


def one_spectrum(path: str | Path, *, columns: str | None = None) -> Spectrum:
    """Read one spectrum: FILE with a single spectrum, or FILE#NAME for one spectrum of several.

    FILE#NUMBER reads a scan of SPEC.

    Args:
        path: The file, with a name if needed.
        columns: See :func:`read_spectra`.

    Raises:
        FileError: The file cannot be read, holds several spectra, or none of that name.
    """
    text, _, name = str(path).partition("#")
    file, name = (Path(path), "") if Path(path).exists() else (Path(text), name)
    found, left_out = read_spectra(file, columns=columns)
    if not found:
        raise FileError(f"{file}: no spectrum can be used; the first: {left_out[0]}")
    names = ", ".join(repr(one.name) for one in found[:20])
    if name:
        named = [one for one in found if one.name == name] or [
            one for one in found if one.name == f"{file.stem}#{name}"
        ]
        if len(named) != 1:
            raise FileError(f"{file}: {len(named)} spectra are called {name!r}; the names are {names}")
        return named[0]
    if len(found) != 1:
        raise FileError(f"{file}: holds {len(found)} spectra ({names}); say which: FILE#NAME")
    return found[0]


def spectra_dataset(spectra: Sequence[Spectrum], source: str = "") -> xr.Dataset:
    """Return spectra as a measured dataset (:mod:`nescio.signals`), each with its own energies.

    ``energy`` and ``intensity`` have the dimensions (measurement, point), NaN where padded; ``element``, ``edge`` and
    ``energy_shift`` (measurement,). The attribute ``notes`` holds the notes of all spectra.
    """
    import xarray as xr

    longest = max((len(one.energy) for one in spectra), default=0)
    if len(spectra) * longest > _MOST_POINTS:
        raise FileError(
            f"{source}: {len(spectra):,} spectra of up to {longest:,} points exceed {_MOST_POINTS:,} points; "
            "divide it into several files"
        )
    table = np.full((2, len(spectra), longest), np.nan)
    for row, one in enumerate(spectra):
        table[0, row, : len(one.energy)] = one.energy
        table[1, row, : len(one.mu)] = one.mu
    names: dict[str, None] = {}
    alike = Counter[str]()
    for one in spectra:
        alike[one.name] += 1
        name = one.name if one.name not in names else f"{one.name}#{alike[one.name]}"
        while name in names:
            name += "'"
        names[name] = None
    both = ("measurement", "point")
    dataset = xr.Dataset(
        {
            "intensity": (both, table[1], {"long_name": "absorption", "units": "1"}),
            "energy": (both, table[0], {"long_name": "energy", "units": "eV"}),
            "element": ("measurement", np.array([one.element for one in spectra], dtype=object).astype(str)),
            "edge": ("measurement", np.array([one.edge for one in spectra], dtype=object).astype(str)),
            "energy_shift": ("measurement", np.array([one.shift for one in spectra]), {"units": "eV"}),
        },
        {"measurement": list(names)},
        {"source": source},
    )
    return with_notes(dataset, (note for one in spectra for note in one.notes))


def spectra_of(measured: xr.Dataset) -> list[Spectrum]:
    """Return the spectra of a dataset of :func:`spectra_dataset`."""
    found = []
    for row, name in enumerate(measured["measurement"].values):
        energy, mu = measured["energy"].values[row], measured["intensity"].values[row]
        there = np.isfinite(energy)
        found.append(
            Spectrum(
                str(name),
                energy[there],
                mu[there],
                str(measured.attrs.get("source", "")),
                str(measured["element"].values[row]),
                str(measured["edge"].values[row]),
                float(measured["energy_shift"].values[row]),
            )
        )
    return found
