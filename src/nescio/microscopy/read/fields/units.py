"""Spelling and conversion of units of length."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from nescio.microscopy.images import length_unit

__all__ = ["common_unit", "converted", "spelt_unit"]

_POWERS = {"pm": -12, "angstrom": -10, "nm": -9, "um": -6, "mm": -3, "cm": -2, "m": 0}
"""Exponents of ten, relative to the metre."""
_CENTIMETRES = ("cm", "centimeter", "centimetre", "centimeters", "centimetres")
# EMD files (Berkeley) write [n_m].
_BRACKETED = re.compile(r"\[\s*(.*?)\s*\]|\(\s*(.*?)\s*\)")


def spelt_unit(text: str) -> str:
    """Return the standard spelling of a unit: one of ``LENGTH_UNITS`` or "cm" for lengths, else the text unchanged."""
    bare = text.strip()
    if enclosed := _BRACKETED.fullmatch(bare):
        bare = (enclosed[1] or enclosed[2] or "").replace("_", "")
    if bare.lower() in _CENTIMETRES:
        return "cm"
    return length_unit(bare) or bare


def converted(values: npt.ArrayLike, unit: str, wanted: str) -> npt.NDArray[np.float64] | None:
    """Convert lengths to another unit; return None if the units are not convertible (not a length, or pixels).

    Args:
        values: Any shape.
        unit: Unit of the values, as spelt by :func:`spelt_unit`.
        wanted: Unit to convert to, likewise.
    """
    along = np.asarray(values, np.float64)
    if unit == wanted:
        return along
    if unit not in _POWERS or wanted not in _POWERS:
        return None
    power = _POWERS[unit] - _POWERS[wanted]
    # Divide, since negative powers of ten are not exact.
    return along * 10.0**power if power >= 0 else along / 10.0**-power


def common_unit(units: Iterable[str]) -> str | None:
    """Return a common unit for values in several units: the smallest length, or the unit that all have.

    Args:
        units: Units, as spelt by :func:`spelt_unit`.

    Returns:
        The unit, or None if there is no common one.
    """
    different = list(dict.fromkeys(units))
    if len(different) == 1 and different[0] != "cm":
        return different[0]
    if not all(unit in _POWERS for unit in different):
        return None
    return min((*different, "mm") if "cm" in different else different, key=_POWERS.__getitem__)
