"""Scattering factors of atoms and ions."""

from __future__ import annotations

import gemmi
import numpy as np
from numpy.typing import ArrayLike, NDArray

from nescio.errors import StructureError
from nescio.xrd.radiation import HC_EV_ANGSTROM

__all__ = ["anomalous_factors", "atomic_scattering_factor"]

_LARGEST_CHARGE = 8


def atomic_scattering_factor(element: str, charge: int, stol_squared: ArrayLike) -> NDArray[np.float64]:
    """Return f0 in electrons.

    Args:
        element: Symbol.
        charge: Charge of the ion; the nearest tabulated ion of the same sign is used, otherwise the neutral atom.
        stol_squared: (sin theta / wavelength)^2 in 1/angstrom^2, any shape.

    Raises:
        StructureError: The element has no tabulated scattering factor.

    Source: International Tables for Crystallography C (1992), table 6.1.1.4, through gemmi.
    """
    coefficients = _coefficients(element, charge)
    s = np.asarray(stol_squared, np.float64)[..., None]
    terms = np.asarray(coefficients.a) * np.exp(-np.asarray(coefficients.b) * s)
    return np.asarray(terms.sum(axis=-1) + coefficients.c)


def _coefficients(element: str, charge: int) -> gemmi.IT92Coef:
    atom = gemmi.Element("H" if element == "D" else element)
    sign = 1 if charge > 0 else -1
    # Tables end at common ions: Ti5+ is found as Ti4+.
    ignored = gemmi.IT92_get_ignore_charge()
    gemmi.IT92_set_ignore_charge(False)
    try:
        for magnitude in range(min(abs(charge), _LARGEST_CHARGE), 0, -1):
            found = gemmi.IT92_get_exact(atom, sign * magnitude)
            if found is not None:
                return found
    finally:
        gemmi.IT92_set_ignore_charge(ignored)
    neutral = atom.it92
    if neutral is None:
        raise StructureError(f"element {element!r} has no tabulated X-ray scattering factor")
    return neutral


def anomalous_factors(element: str, wavelength: float) -> tuple[float, float]:
    """Return f' and f'' in electrons.

    Args:
        element: Symbol.
        wavelength: In angstrom.

    Source: Cromer and Liberman (1981), Acta Cryst. A37, 267-268, through gemmi.
    """
    number = gemmi.Element(element).atomic_number
    # The tables cover lithium to protactinium; the dispersion of hydrogen and helium is negligible.
    if number < 3 or number > 92:
        return 0.0, 0.0
    f_prime, f_double_prime = gemmi.cromer_liberman(number, HC_EV_ANGSTROM / wavelength)
    return float(f_prime), float(f_double_prime)
