"""Potentials, phase shifts and matrix elements from FEFF 8: phase.pad and xsect.json."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import constants

from nescio.display import Summarised
from nescio.errors import FileError
from nescio.files import json_value, read_source, text_content

__all__ = ["HARTREE_EV", "FeffPhases", "read_feff_phases", "unpacked"]

Floats = NDArray[np.float64]
Complex = NDArray[np.complex128]

HARTREE_EV = constants.physical_constants["Hartree energy in eV"][0]

_LARGEST = 2**26
_WIDTH, _BASE, _OFFSET, _EXPONENT = 8, 90, 37, 45
_TRANSITIONS = 8
_HEADER = 9
_EDGES = ("K", "L1", "L2", "L3", "M1", "M2", "M3", "M4", "M5")


@dataclass(frozen=True, eq=False, repr=False)
class FeffPhases(Summarised):
    """Results of FEFF for an absorber and its surroundings, at n complex energies."""

    edge: str
    elements: tuple[str, ...]
    """Element of each potential, the absorber's first."""
    edge_energy: float
    """In eV."""
    fermi_level: float
    """In eV, on the scale of `energy`."""
    energy: Complex
    """In eV, shape (n,): first `horizontal` energies with half the core hole width as imaginary part, then energies on
    the vertical path above the Fermi level."""
    horizontal: int
    reference: Complex
    """Reference level of the photoelectron's kinetic energy, in eV, shape (n,)."""
    phase_shifts: tuple[Complex, ...]
    """Phase shifts of each potential in radian, shape (l, n)."""
    matrix_elements: Complex
    """Matrix elements of the three dipole transitions: to j = l + 1/2 and l - 1/2 of the higher l, and to the lower l;
    shape (3, n)."""
    atomic: Complex
    """Absorption of the atom embedded in the solid, complex, shape (n,)."""
    scale: Floats
    """Scale of the scattering part of the absorption, shape (n,)."""


def unpacked(text: str) -> Floats:
    """Return the numbers in packed ASCII: eight characters each, exponent, sign with first digit, six digits, base 90.

    Raises:
        ValueError: The text is no packed ASCII.
    """
    codes = np.frombuffer(text.encode("ascii"), np.uint8).astype(np.int64) - _OFFSET
    if codes.size % _WIDTH or (codes < 0).any() or (codes >= _BASE).any():
        raise ValueError("is no packed ASCII")
    digits = codes.reshape(-1, _WIDTH)
    sign = 2.0 * (digits[:, 1] % 2) - 1.0
    fraction = (digits[:, 1] // 2) / _BASE**2
    for place in range(2, _WIDTH):
        fraction = fraction + digits[:, place] / float(_BASE) ** (place + 1)
    numbers: Floats = 2.0 * sign * _BASE * fraction * 10.0 ** (digits[:, 0] - _EXPONENT)
    return numbers


def read_feff_phases(folder: str | Path) -> FeffPhases:
    """Read phase.pad and xsect.json.

    Raises:
        FileError: A file is missing, or was not written by FEFF 8.
    """
    phases, section = Path(folder) / "phase.pad", Path(folder) / "xsect.json"
    lines = iter(text_content(phases, _LARGEST).splitlines())
    try:
        header = [int(word) for word in next(lines).split()[:_HEADER]]
        spins, count, horizontal, _, potentials, hole, _, width, _ = header
        if spins != 1 or width != _WIDTH:
            raise ValueError(f"{spins} spins and numbers of {width} characters; 1 and {_WIDTH} can be read")
        _, fermi, _ = _taken(lines, 3)
        energy, reference = (_taken(lines, 2 * count).view(np.complex128) for _ in range(2))
        elements, shifts = [], []
        for _ in range(potentials + 1):
            label = next(lines).split()
            largest = int(label[0])
            elements.append(label[2])
            table = _taken(lines, 2 * count * (2 * largest + 1)).view(np.complex128)
            # From -l to l; both halves are the same without spin.
            shifts.append(table.reshape(count, 2 * largest + 1).T[largest:])
        elements_of_matrix = _taken(lines, 2 * count * _TRANSITIONS).view(np.complex128)
        elements_of_matrix = elements_of_matrix.reshape(_TRANSITIONS, count)[:3]
        if not 1 <= hole <= len(_EDGES):
            raise ValueError(f"hole {hole} is none of {', '.join(_EDGES)}")
    except StopIteration:
        raise FileError(f"{phases}: ends early; FEFF did not finish") from None
    except (ValueError, IndexError) as error:
        raise FileError(f"{phases}: was not written by FEFF 8, or is damaged ({error})") from None
    try:
        section_values = json_value(read_source(section, _LARGEST))
        atomic = np.array(section_values["dum1"], np.float64) + 1j * np.array(
            section_values["dum2"], np.float64
        )
        scale, edge_energy = np.array(section_values["xsnorm"], np.float64), float(section_values["emu"])
    except (ValueError, KeyError, TypeError) as error:
        raise FileError(
            f"{section}: was not written by FEFF 8, or is damaged ({type(error).__name__}: {error})"
        ) from None
    if atomic.shape != (count,) or scale.shape != (count,):
        raise FileError(
            f"{section}: {len(scale)} energies, {phases.name} has {count}; the files are from different runs"
        )
    return FeffPhases(
        edge=_EDGES[hole - 1],
        elements=tuple(elements),
        edge_energy=edge_energy * HARTREE_EV,
        fermi_level=fermi * HARTREE_EV,
        energy=energy * HARTREE_EV,
        horizontal=horizontal,
        reference=reference * HARTREE_EV,
        phase_shifts=tuple(shifts),
        matrix_elements=elements_of_matrix,
        atomic=atomic,
        scale=scale,
    )


def _taken(lines: Iterator[str], count: int) -> Floats:
    """Return the next `count` numbers; each array begins on a new line."""
    found: list[Floats] = []
    length = 0
    while length < count:
        # The first character is a mark: real numbers, or pairs.
        found.append(unpacked(next(lines)[1:].rstrip()))
        length += len(found[-1])
    numbers = np.concatenate(found)
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise ValueError(f"{len(numbers)} numbers instead of {count}")
    return numbers
