"""Scattering paths from FEFF, one per file feffNNNN.dat."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nescio.display import Summarised
from nescio.errors import FileError
from nescio.files import text_content

__all__ = ["FeffPath", "Leg", "read_feff_path"]

Floats = NDArray[np.float64]

_COLUMNS = 7
_LARGEST = 2**20
_NUMBERS = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[EeDd][-+]?\d+)?")


@dataclass(frozen=True)
class Leg:
    """An atom on a path."""

    element: str
    position: tuple[float, float, float]
    """In angstrom."""
    potential: int


@dataclass(frozen=True, eq=False, repr=False)
class FeffPath(Summarised):
    """Scattering of a photoelectron along one path; arrays have shape (n,)."""

    wavenumber: Floats
    """Wavenumber of the photoelectron above the Fermi level, in 1/angstrom."""
    amplitude: Floats
    """Effective scattering amplitude times the reduction factor of the central atom, in angstrom."""
    phase: Floats
    """Phase of the scattering and of the central atom, in radian."""
    momentum: Floats
    """Real part of the wavenumber in the solid, in 1/angstrom."""
    mean_free_path: Floats
    """In angstrom."""
    half_length: float
    """Half of the path length in angstrom; for single scattering the distance."""
    degeneracy: float
    """Number of equivalent paths; for single scattering the coordination number."""
    legs: tuple[Leg, ...]
    """The absorber first."""
    title: str = ""


def read_feff_path(path: str | Path) -> FeffPath:
    """Read a file feffNNNN.dat of FEFF 6 to 10.

    Raises:
        FileError: The file cannot be read, or is no FEFF path; the message names the line.
    """
    file = Path(path)
    # Some versions begin each line of the header with "#".
    lines = [line.removeprefix("#") for line in text_content(file, _LARGEST).splitlines()]
    geometry = next((n for n, line in enumerate(lines) if "nleg" in line and "reff" in line), None)
    header = next((n for n, line in enumerate(lines) if "real[2*phc]" in line), None)
    if geometry is None or header is None or header < geometry:
        raise FileError(
            f"{file}: no path of FEFF (needs a line with nleg and reff, then one with real[2*phc])"
        )
    count, degeneracy, half = _row(file, lines, geometry, 3)[:3]
    legs = tuple(_leg(file, lines, n) for n in range(geometry + 2, header))
    if len(legs) != int(count):
        raise FileError(f"{file}, line {geometry + 1}: {len(legs)} atoms listed for {int(count)} legs")
    rows = [_row(file, lines, n, _COLUMNS) for n in range(header + 1, len(lines)) if lines[n].strip()]
    if len(rows) < 4:
        raise FileError(f"{file}: {len(rows)} rows of numbers; needs 4 or more")
    table = np.array(rows)
    k, central, magnitude, scattered, reduction, free, momentum = table.T
    if not np.isfinite(table).all() or (np.diff(k) <= 0.0).any() or half <= 0.0 or (free <= 0.0).any():
        raise FileError(
            f"{file}: needs finite numbers, ascending wavenumbers, a positive length and a positive mean free path"
        )
    return FeffPath(
        wavenumber=k,
        amplitude=magnitude * reduction,
        phase=central + scattered,
        momentum=momentum,
        mean_free_path=free,
        half_length=half,
        degeneracy=degeneracy,
        legs=legs,
        title=lines[0].split("Feff")[0].strip(),
    )


def _row(file: Path, lines: list[str], number: int, least: int) -> list[float]:
    found = [float(text.replace("D", "E").replace("d", "e")) for text in _NUMBERS.findall(lines[number])]
    if len(found) < least:
        raise FileError(f"{file}, line {number + 1}: {len(found)} numbers; needs {least}")
    return found[:_COLUMNS]


def _leg(file: Path, lines: list[str], number: int) -> Leg:
    words = lines[number].split()
    try:
        x, y, z = (float(word) for word in words[:3])
        return Leg(element=words[5], position=(x, y, z), potential=int(words[3]))
    except (ValueError, IndexError):
        raise FileError(
            f"{file}, line {number + 1}: {lines[number].strip()!r} is no atom (x, y, z, potential, Z, element)"
        ) from None
