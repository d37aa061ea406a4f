"""Units of length as files write them, and what converts one into another."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from nescio.microscopy.images import length_unit

__all__ = ["common_unit", "converted", "spelt_unit"]

_POWERS = {"pm": -12, "angstrom": -10, "nm": -9, "um": -6, "mm": -3, "cm": -2, "m": 0}
"""Of ten, in metre."""
_CENTIMETRES = ("cm", "centimeter", "centimetre", "centimeters", "centimetres")
# EMD files of Berkeley write [n_m].
_BRACKETED = re.compile(r"\[\s*(.*?)\s*\]|\(\s*(.*?)\s*\)")


def spelt_unit(text: str) -> str:
    """Return a unit in one spelling: one of ``LENGTH_UNITS`` or "cm" for a length, else the text as it is."""
    bare = text.strip()
    if enclosed := _BRACKETED.fullmatch(bare):
        bare = (enclosed[1] or enclosed[2] or "").replace("_", "")
    if bare.lower() in _CENTIMETRES:
        return "cm"
    return length_unit(bare) or bare


def converted(values: npt.ArrayLike, unit: str, wanted: str) -> npt.NDArray[np.float64] | None:
    """Return lengths in another unit; None where one of the two is no length, or only one is a pixel.

    Args:
        values: Any shape.
        unit: Of the values, as :func:`spelt_unit` spells it, like `wanted`.
        wanted: The other unit.
    """
    along = np.asarray(values, np.float64)
    if unit == wanted:
        return along
    if unit not in _POWERS or wanted not in _POWERS:
        return None
    power = _POWERS[unit] - _POWERS[wanted]
    # A power of ten below one is not exact.
    return along * 10.0**power if power >= 0 else along / 10.0**-power


def common_unit(units: Iterable[str]) -> str | None:
    """Return the unit in which values of several units can stand: the smallest length, or the one that all have.

    Args:
        units: As :func:`spelt_unit` spells them.

    Returns:
        None where there is none.
    """
    different = list(dict.fromkeys(units))
    if len(different) == 1 and different[0] != "cm":
        return different[0]
    if not all(unit in _POWERS for unit in different):
        return None
    return min((*different, "mm") if "cm" in different else different, key=_POWERS.__getitem__)
