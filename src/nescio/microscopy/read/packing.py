"""Packed numbers and missing values, as defined by the CF conventions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nescio.errors import FileError

__all__ = ["Packing", "packing_of"]

_NUMERIC = "iufb"


class Packing(NamedTuple):
    """Conversion of stored numbers to their true values."""

    scale: float = 1.0
    offset: float = 0.0
    missing: tuple[float, ...] = ()
    """Stored numbers that mean missing, in addition to NaN."""
    lowest: float | None = None
    highest: float | None = None
    """Stored numbers outside these limits are missing."""
    stored_as: np.dtype[np.generic] | None = None
    """Type of the stored bytes, if it differs from the declared type."""
    single: bool = False
    """Whether scale and offset have single precision; unpacked numbers then have single precision, too."""

    def unpacked(self, stored: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        """Return the unpacked numbers, with NaN for missing ones; unchanged if nothing is packed or missing."""
        values = stored if self.stored_as is None else stored.view(self.stored_as)
        absent = self._absent(values)
        if self.scale == 1.0 and self.offset == 0.0 and absent is None:
            return values
        numbers = values.astype(self._precision(values.dtype))
        if self.scale != 1.0:
            numbers *= self.scale
        if self.offset != 0.0:
            numbers += self.offset
        if absent is not None:
            numbers[absent] = np.nan
        return numbers

    def _absent(self, values: npt.NDArray[Any]) -> npt.NDArray[np.bool_] | None:
        tests: list[Callable[[], npt.NDArray[np.bool_]]] = [
            partial(np.equal, values, values.dtype.type(fill))
            for fill in self.missing
            if _holds(values.dtype, fill)
        ]
        if self.lowest is not None:
            tests.append(partial(np.less, values, self.lowest))
        if self.highest is not None:
            tests.append(partial(np.greater, values, self.highest))
        absent: npt.NDArray[np.bool_] | None = None
        with np.errstate(all="ignore"):
            for test in tests:
                found = test()
                absent = found if absent is None else absent | found
        return absent if absent is not None and absent.any() else None

    def _precision(self, dtype: np.dtype[Any]) -> type[np.floating]:
        """Return the type of the unpacked numbers: float32 if stated or exact, else float64."""
        if self.scale == 1.0 and self.offset == 0.0:
            single = dtype.itemsize <= 2 or dtype.newbyteorder("=") == np.float32
            return np.float32 if single else np.float64
        return np.float32 if self.single else np.float64


def packing_of(where: str, dtype: np.dtype[Any], attribute: Callable[[str], Any]) -> Packing:
    """Return the packing described by attributes.

    These are ``scale_factor``, ``add_offset``, ``_FillValue``, ``missing_value``, ``valid_min``, ``valid_max``,
    ``valid_range`` and ``_Unsigned`` (CF 1.11, sections 2.5.1 and 8.1).

    Args:
        where: The file and the array, for messages.
        dtype: Type of the stored numbers.
        attribute: Function that returns an attribute by name, or None.

    Raises:
        FileError: An attribute is invalid.
    """
    if dtype.kind not in _NUMERIC:
        return Packing()
    scale = _numbers(where, "scale_factor", attribute, 1)
    offset = _numbers(where, "add_offset", attribute, 1)
    if scale and scale[0] == 0.0:
        raise FileError(f"{where}: scale_factor is 0")
    stored_as = None
    unsigned = str(attribute("_Unsigned") or "").lower()
    if (dtype.kind, unsigned) in (("i", "true"), ("u", "false")):
        stored_as = np.dtype(f"{dtype.byteorder}{'u' if unsigned == 'true' else 'i'}{dtype.itemsize}")
    fills = [
        *_numbers(where, "_FillValue", attribute, None),
        *_numbers(where, "missing_value", attribute, None),
    ]
    low, high = _limits(where, attribute)
    packed = bool(scale or offset) and dtype.kind in "iu"
    # Limits of a wider type than the stored one apply to unpacked numbers (NetCDF User's Guide, attribute conventions).
    if packed and any(_is_wide(attribute, name) for name in ("valid_range", "valid_min", "valid_max")):
        factor, shift = (scale or [1.0])[0], (offset or [0.0])[0]
        low, high = (None if limit is None else (limit - shift) / factor for limit in (low, high))
        if factor < 0:
            low, high = high, low
    if stored_as is not None:
        size = 2 ** (8 * dtype.itemsize)

        def as_stored(value: float) -> float:
            value = value % size
            return value - size if unsigned == "false" and value >= size // 2 else value

        fills = [as_stored(fill) for fill in fills]
        low, high = (None if limit is None else as_stored(limit) for limit in (low, high))
    return Packing(
        scale[0] if scale else 1.0,
        offset[0] if offset else 0.0,
        tuple(fills),
        low,
        high,
        stored_as,
        all(
            np.asarray(attribute(name)).dtype == np.float32
            for name, found in (("scale_factor", scale), ("add_offset", offset))
            if found
        ),
    )


def _limits(where: str, attribute: Callable[[str], Any]) -> tuple[float | None, float | None]:
    both = _numbers(where, "valid_range", attribute, 2)
    lowest = _numbers(where, "valid_min", attribute, 1)
    highest = _numbers(where, "valid_max", attribute, 1)
    return (
        both[0] if both else (lowest[0] if lowest else None),
        both[1] if both else (highest[0] if highest else None),
    )


def _is_wide(attribute: Callable[[str], Any], name: str) -> bool:
    value = attribute(name)
    return value is not None and np.asarray(value).dtype.kind == "f"


def _holds(dtype: np.dtype[Any], value: float) -> bool:
    if dtype.kind == "f" or np.isnan(value) or value != int(value):
        return dtype.kind == "f" and not np.isnan(value)
    if dtype.kind == "b":
        return value in (0, 1)
    limits = np.iinfo(dtype)
    return bool(limits.min <= value <= limits.max)


def _numbers(where: str, name: str, attribute: Callable[[str], Any], count: int | None) -> list[float]:
    """Return an attribute as `count` finite numbers (None: any number of values); empty if it is missing."""
    value = attribute(name)
    if value is None:
        return []
    held = np.ravel(np.asarray(value))
    # Python numbers, since large 64-bit integers are not exact as float64.
    numbers: list[float] = held.tolist() if held.dtype.kind in _NUMERIC else []
    if not numbers or (count is not None and (len(numbers) != count or not np.isfinite(numbers).all())):
        needed = "a number" if count in (1, None) else f"{count} numbers"
        raise FileError(f"{where}: attribute {name} is {str(value)[:40]!r}; it must be {needed}")
    return numbers
