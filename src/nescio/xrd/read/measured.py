"""What all readers share: limits, the kinds of axis, and the dataset they return (:mod:`nescio.signals`)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from nescio.errors import ConfigurationError, FileError

__all__ = [
    "AXES",
    "MAX_BYTES",
    "MAX_PATTERNS",
    "MAX_POINTS",
    "MAX_VALUES",
    "axis_kind",
    "checked_axis_option",
    "measured_dataset",
    "other_quantity",
    "resolved_wavelength",
    "wavelength_angstrom",
]

MAX_BYTES = 512 * 2**20
"""Larger files, and larger unpacked contents of a file, are refused."""
MAX_POINTS = 1_000_000
"""Points of one pattern."""
MAX_VALUES = 50_000_000
"""Points of all patterns of one file together."""
MAX_PATTERNS = 50_000
"""Patterns of one file, each of which is brought onto the grid of the prior."""

AXES = ("two_theta", "q", "q_nm")
"""Kinds of axis: diffraction angle in degree, momentum transfer in 1/angstrom, and in 1/nm."""

_LARGEST_INTENSITY = 1e30
_LARGEST_Q = 60.0  # 1/angstrom: beyond what any laboratory or synchrotron beam reaches

_ANGLE = re.compile(r"(?<![a-z0-9])(2[\s_-]?theta|two[\s_-]?theta|2\s?θ|tth|ttheta|2th)(?![a-z])", re.I)
_RADIAN = re.compile(r"(?<![a-z])rad(ian)?s?(?![a-z])", re.I)
_INVERSE_NANOMETRE = ("1/nm", "nm^-1", "nm-1", "nm^{-1}", "nm⁻¹", "nm**-1", "q_nm", "nanometer^-1")
_OTHER_QUANTITIES = re.compile(
    r"(theta|th|θ|omega|ω|chi|χ|phi|φ|psi|d|dspacing|energy|e|r|time|channel"
    r"|index|no|nr|number|point|row|unnamed)"
)
_UNITS = re.compile(r"(deg(rees?)?|rad(ians?)?|a|å|angstroms?|[npm]m|k?ev|s|sec(onds)?|spacing)")
_SAME_WAVELENGTH = 1e-3


def checked_axis_option(axis: str | None) -> str | None:
    """Return the kind of axis a user asked for.

    Raises:
        ConfigurationError: It is not one of `AXES`.
    """
    if axis is not None and axis not in AXES:
        raise ConfigurationError(f"axis {axis!r} is unknown; give one of {', '.join(AXES)}")
    return axis


def axis_kind(name: str, units: str = "") -> str | None:
    """Return the kind of axis that a name or column title and units tell, or None where they do not.

    Titles such as "2theta", "Q (1/nm)", "q_A^-1" or "two_theta" with units "deg" are understood. Besides `AXES`
    there is "two_theta_rad", which only a title or units can tell.
    """
    title = f"{name} {units}".strip().lower().replace(" ^", "^")
    if _ANGLE.search(title):
        return "two_theta_rad" if _RADIAN.search(title) else "two_theta"
    words = title.replace("(", " ").replace("[", " ").replace("_", " ").replace("/", " ").split()
    if words and words[0] in ("q", "|q|"):
        return "q_nm" if any(unit in title for unit in _INVERSE_NANOMETRE) else "q"
    return None


def other_quantity(title: str, *, alone: bool = False) -> bool:
    """Say whether a title names a quantity that is no axis of a pattern here: theta, omega, d, an energy, an index.

    Args:
        title: Of a column, or a line of comment.
        alone: Only where nothing but its unit follows, as in "d (A)"; "energy = 8.05 keV" is a remark.
    """
    if axis_kind(title):
        return False
    words = [word for word in re.split(r"[\W_]+", title.lower()) if word]
    if not words or not _OTHER_QUANTITIES.fullmatch(words[0]):
        return False
    return not alone or (all(map(_UNITS.fullmatch, words[1:])) and len(words[0] + "".join(words[1:])) > 1)


def resolved_wavelength(
    path: Path, kind: str, option: float | None, stated: Callable[[], float | None]
) -> float | None:
    """Return the wavelength of a pattern: what the file states, else for angles what the user says.

    Args:
        path: The file, for messages.
        kind: Of the axis; q needs no wavelength.
        option: What the user says, in angstrom.
        stated: Returns what the file states; its error counts only where the user says nothing.

    Raises:
        FileError: The file states something impossible, or for angles something else than the user.
    """
    try:
        own = stated()
    except FileError:
        if option is None:
            raise
        own = None
    if option is None or not kind.startswith("two_theta"):
        return own
    if own is not None and abs(option / own - 1.0) > _SAME_WAVELENGTH:
        raise FileError(
            f"{path}: says {own:.6g} angstrom, --wavelength says {option:.6g};"
            " leave the option out, or correct the file"
        )
    return option if own is None else own


def wavelength_angstrom(value: Any, place: str) -> float:
    """Return the wavelength in angstrom of the strongest line of what a user or a file says.

    Raises:
        FileError: It is no wavelength; the message starts with `place`.
    """
    from nescio.xrd.radiation import parse_radiation

    try:
        return parse_radiation(value).wavelength
    except ConfigurationError as error:
        raise FileError(f"{place}: {error}") from error


def measured_dataset(
    path: Path,
    kind: str,
    axis: npt.ArrayLike,
    intensity: npt.ArrayLike,
    *,
    wavelength: float | None,
    names: Sequence[str] | None = None,
    uncertainty: npt.ArrayLike | None = None,
    position_mm: npt.NDArray[np.float64] | None = None,
    composition: npt.NDArray[np.float64] | None = None,
    elements: Sequence[str] = (),
    attributes: dict[str, Any] | None = None,
    place: Callable[[int], str] = lambda index: f"point {index + 1}",
) -> xr.Dataset:
    """Check what a file held and put it into the measured form of :mod:`nescio.signals`.

    Args:
        path: The file, for messages and as ``source``.
        kind: One of `AXES`, or "two_theta_rad", in which `axis` is given.
        axis: Shape (points,), increasing or decreasing throughout.
        intensity: Shape (n, points) or (points,); NaN where nothing was measured.
        wavelength: In angstrom, or None where it is not known.
        names: Of the n measurements; by default the stem of the file, numbered where there are several.
        uncertainty: One standard deviation, of the shape of `intensity`.
        position_mm: Shape (n, 2), x and y on the sample.
        composition: Shape (n, elements), fractions or percent.
        elements: Symbols of the columns of `composition`.
        attributes: Further attributes of the dataset.
        place: Where in the file the point of an index stands.

    Raises:
        FileError: The axis is not finite, not monotonic or not physical, or shapes or values do not fit.
    """
    points = np.asarray(axis, np.float64)
    values = np.atleast_2d(np.asarray(intensity, np.float64))
    if points.ndim != 1 or values.ndim != 2 or values.shape[1] != points.size:
        raise FileError(
            f"{path}: intensity of shape {values.shape} does not fit an axis of shape {points.shape}"
        )
    if points.size < 2 or values.shape[0] < 1:
        raise FileError(f"{path}: a pattern needs at least 2 points, {points.size} found")
    if points.size > MAX_POINTS or values.size > MAX_VALUES or values.shape[0] > MAX_PATTERNS:
        raise FileError(
            f"{path}: more than {MAX_POINTS:,} points a pattern, {MAX_PATTERNS:,} patterns or {MAX_VALUES:,} in all"
        )
    sigma = None if uncertainty is None else np.atleast_2d(np.asarray(uncertainty, np.float64))
    if sigma is not None and sigma.shape != values.shape:
        raise FileError(f"{path}: uncertainty of shape {sigma.shape} does not fit intensity {values.shape}")
    points, order = _checked_axis(path, kind, points, place)
    values = values[:, order]
    # Row by row, since a table of all comparisons would take as much memory again.
    for row, one in enumerate(values):
        too_large = ~((np.abs(one) <= _LARGEST_INTENSITY) | np.isnan(one))
        if too_large.any():
            column = int(np.argmax(too_large))
            raise FileError(
                f"{path}: intensity {one[column]:g} of pattern {row + 1} at {points[column]:g} is not below 1e30"
            )
    name = "two_theta" if kind.startswith("two_theta") else "q"
    names = list(names) if names is not None else _numbered(path, values.shape[0])
    if len(names) != values.shape[0] or len(set(names)) != len(names):
        raise FileError(f"{path}: {values.shape[0]} patterns need as many names, each only once")
    dataset = xr.Dataset(
        {"intensity": (("measurement", name), values, {"long_name": "intensity"})},
        coords={"measurement": np.asarray(names, np.str_), name: (name, points, _axis_attributes(name))},
        attrs={"source": str(path), **(attributes or {})},
    )
    if sigma is not None:
        sigma = sigma[:, order]
        if not all(np.all((one >= 0) & (one <= _LARGEST_INTENSITY) | np.isnan(one)) for one in sigma):
            raise FileError(f"{path}: an uncertainty is negative or infinite")
        dataset["uncertainty"] = (("measurement", name), sigma)
    if wavelength is not None:
        dataset.attrs["wavelength_angstrom"] = wavelength
    _add_sample(path, dataset, position_mm, composition, elements)
    return dataset


def _axis_attributes(name: str) -> dict[str, str]:
    if name == "two_theta":
        return {"units": "degree", "long_name": "two-theta"}
    return {"units": "1/angstrom", "long_name": "momentum transfer q"}


def _numbered(path: Path, n: int) -> list[str]:
    return [path.stem] if n == 1 else [f"{path.stem}#{number}" for number in range(1, n + 1)]


def _checked_axis(
    path: Path, kind: str, points: npt.NDArray[np.float64], place: Callable[[int], str]
) -> tuple[npt.NDArray[np.float64], slice]:
    """Return the axis, increasing and in the units of `nescio.signals`, and how the data are to be ordered."""
    if not np.isfinite(points).all():
        where = int(np.nonzero(~np.isfinite(points))[0][0])
        raise FileError(f"{path}: {place(where)}: the axis is {points[where]}, not a finite number")
    if kind == "q_nm":
        points = points / 10.0
    elif kind == "two_theta_rad":
        points = np.degrees(points)
    largest, unit = (180.0, "degree") if kind.startswith("two_theta") else (_LARGEST_Q, "1/angstrom")
    outside = (points < 0) | (points > largest)
    if outside.any():
        where = int(np.nonzero(outside)[0][0])
        hints = {
            "q": "; is it in 1/nm (axis q_nm), or two_theta?",
            "two_theta_rad": "; is it in degree, not radian (axis two_theta)?",
        }
        other = hints.get(kind, "") if points[where] > 0 else ""
        raise FileError(
            f"{path}: {place(where)}: the axis is {points[where]:g}, not within 0 to {largest:g} {unit}{other}"
        )
    steps = np.diff(points)
    falling = bool((steps < 0).all())
    wrong = steps >= 0 if falling else steps <= 0
    if wrong.any():
        where = int(np.nonzero(wrong)[0][0]) + 1
        what = "repeats" if points[where] == points[where - 1] else "falls below"
        raise FileError(
            f"{path}: {place(where)}: the axis at {points[where]:g} {what} the point before it; it must rise throughout"
        )
    order = slice(None, None, -1) if falling else slice(None)
    return points[order], order


def _unknown_elements(elements: Sequence[str]) -> list[str]:
    import gemmi

    return [e for e in elements if gemmi.Element(e).atomic_number == 0 or gemmi.Element(e).name != e]


def _add_sample(
    path: Path,
    dataset: xr.Dataset,
    position_mm: npt.NDArray[np.float64] | None,
    composition: npt.NDArray[np.float64] | None,
    elements: Sequence[str],
) -> None:
    n = dataset.sizes["measurement"]
    if position_mm is not None:
        if position_mm.shape != (n, 2) or not np.isfinite(position_mm).all():
            raise FileError(f"{path}: positions must be {n} pairs of finite numbers, x and y in mm")
        dataset["x_mm"] = ("measurement", position_mm[:, 0], {"units": "mm"})
        dataset["y_mm"] = ("measurement", position_mm[:, 1], {"units": "mm"})
    if composition is not None:
        if composition.shape != (n, len(elements)) or len(set(elements)) != len(elements) or not elements:
            raise FileError(
                f"{path}: a composition needs a row for each of {n} patterns and a column an element"
            )
        finite = np.isfinite(composition).all() and np.abs(composition).max() < 1e6
        total = composition.sum(axis=1, keepdims=True) if finite else np.zeros(1)
        if not finite or (composition < 0).any() or (total <= 0).any():
            raise FileError(
                f"{path}: fractions of a composition must be finite, not negative, and not all zero"
            )
        if unknown := _unknown_elements(elements):
            raise FileError(f"{path}: {unknown[0][:20]!r} of the composition is no element")
        dataset["composition"] = (("measurement", "element"), composition / total)
        dataset.coords["element"] = ("element", np.asarray(list(elements), np.str_))
