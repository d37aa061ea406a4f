"""Shared by all readers: limits, kinds of axes, and the dataset they return (:mod:`nescio.signals`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from nescio.errors import ConfigurationError, FileError
from nescio.files import short_name, suffix_of
from nescio.signals import with_notes
from nescio.xrd.read.axis import KINDS, Title

__all__ = [
    "AXES",
    "MAX_BYTES",
    "MAX_PATTERNS",
    "MAX_POINTS",
    "MAX_VALUES",
    "bin_centres",
    "check_unit",
    "checked_axis_option",
    "measured_dataset",
    "not_an_axis",
    "resolved_wavelength",
    "stem_of",
    "wavelength_angstrom",
]

MAX_BYTES = 512 * 2**20
"""Limit of the size of a file and of its unpacked content, in bytes."""
MAX_POINTS = 1_000_000
"""Limit of points in one pattern."""
MAX_VALUES = 50_000_000
"""Limit of points in all patterns of one file."""
MAX_PATTERNS = 50_000
"""Limit of patterns in one file; each is resampled on the grid of the prior."""

AXES = ("two_theta", "q", "q_nm", "d")
"""Kinds of axis for the user: two-theta in degree, q in 1/angstrom or 1/nm, spacing d in angstrom."""

_LARGEST_INTENSITY = 1e30
_LARGEST_Q = 60.0  # 1/angstrom: beyond what any laboratory or synchrotron beam reaches

# A larger q without a unit is probably in 1/nm.
_LARGEST_UNITLESS_Q = 30.0
_SAY_AXIS = "state it with --axis two_theta, q (1/angstrom), q_nm (1/nm) or d (angstrom)"
_SAME_WAVELENGTH = 1e-3


def checked_axis_option(axis: str | None) -> str | None:
    """Return the requested kind of axis.

    Raises:
        ConfigurationError: The kind is not one of `AXES`.
    """
    if axis is not None and axis not in AXES:
        raise ConfigurationError(f"axis {axis!r} is unknown; give one of {', '.join(AXES)}")
    return axis


def not_an_axis(place: str, title: str) -> FileError:
    """Return the error for a title that is not an axis of patterns."""
    return FileError(
        f"{place}: {title[:40]!r} is neither two-theta nor q nor d; if it is one of them, {_SAY_AXIS}"
    )


def check_unit(place: str, title: Title, points: npt.NDArray[np.float64]) -> None:
    """Check that q without a unit can be in 1/angstrom.

    Raises:
        FileError: q is too large.
    """
    largest = float(np.abs(points[np.isfinite(points)]).max(initial=0.0))
    if title.quantity == "q" and title.unit is None and largest > _LARGEST_UNITLESS_Q:
        raise FileError(f"{place}: q reaches {largest:g}, and no unit is stated; {_SAY_AXIS}")


def bin_centres(edges: npt.NDArray[np.float64], points: int) -> npt.NDArray[np.float64]:
    """Return bin centres if there is one number more than points; otherwise the unchanged numbers."""
    return (edges[:-1] + edges[1:]) / 2.0 if edges.ndim == 1 and edges.size == points + 1 else edges


def resolved_wavelength(
    path: Path, kind: str, option: float | None, stated: Callable[[], float | None]
) -> float | None:
    """Return the wavelength of a pattern: that of the file, or for angles that of the user.

    Args:
        path: The file, for messages.
        kind: Of the axis; q needs no wavelength.
        option: Wavelength from the user, in angstrom.
        stated: Returns the wavelength in the file; its error counts only without `option`.

    Raises:
        FileError: The file states an impossible wavelength, or for angles another one than the user.
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
            " omit the option, or correct the file"
        )
    return option if own is None else own


def wavelength_angstrom(value: Any, place: str) -> float:
    """Return the wavelength in angstrom of the strongest line of a stated radiation.

    Raises:
        FileError: It is not a wavelength; the message starts with `place`.
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
    notes: Sequence[str] = (),
    place: Callable[[int], str] = lambda index: f"point {index + 1}",
) -> xr.Dataset:
    """Check the content of a file and return it in the measured form of :mod:`nescio.signals`.

    Args:
        path: The file, for messages and as ``source``.
        kind: Name of the kind, of :data:`nescio.xrd.read.axis.KINDS`, in which `axis` is given; d becomes q.
        axis: Shape (points,), increasing or decreasing throughout; intensities at repeated points, a result of
            rounding, are averaged, with a note.
        intensity: Shape (n, points) or (points,); NaN where nothing was measured.
        wavelength: In angstrom, or None if unknown.
        names: Of the n measurements; by default the stem of the file, numbered if there are several.
        uncertainty: One standard deviation, of the shape of `intensity`.
        position_mm: Shape (n, 2), x and y on the sample.
        composition: Shape (n, elements), fractions or percent.
        elements: Symbols of the columns of `composition`.
        attributes: Further attributes of the dataset.
        notes: Notes on how it was read.
        place: Returns the place in the file of the point with an index.

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
            f"{path}: more than {MAX_POINTS:,} points in a pattern, {MAX_PATTERNS:,} patterns or {MAX_VALUES:,} "
            "points in all"
        )
    sigma = None if uncertainty is None else np.atleast_2d(np.asarray(uncertainty, np.float64))
    if sigma is not None and sigma.shape != values.shape:
        raise FileError(f"{path}: uncertainty of shape {sigma.shape} does not fit intensity {values.shape}")
    points, order = _checked_axis(path, kind, points, place)
    values = values[:, order]
    sigma = None if sigma is None else sigma[:, order]
    starts = np.flatnonzero(np.append(True, np.diff(points) > 0.0))
    if repeated := points.size - starts.size:
        values, sigma = _averaged(values, sigma, starts)
        points = points[starts]
        notes = [
            *notes,
            f"{path}: points at the same place as the previous one are averaged with it: {repeated}",
        ]
    # Row by row, to save memory.
    for row, one in enumerate(values):
        too_large = ~((np.abs(one) <= _LARGEST_INTENSITY) | np.isnan(one))
        if too_large.any():
            column = int(np.argmax(too_large))
            raise FileError(
                f"{path}: intensity {one[column]:g} of pattern {row + 1} at {points[column]:g} is not below 1e30"
            )
    name = "two_theta" if KINDS[kind].quantity == "two_theta" else "q"
    names = list(map(short_name, names)) if names is not None else _numbered(path, values.shape[0])
    if len(names) != values.shape[0] or len(set(names)) != len(names):
        raise FileError(f"{path}: {values.shape[0]} patterns need as many different names")
    dataset = xr.Dataset(
        {"intensity": (("measurement", name), values, {"long_name": "intensity"})},
        coords={"measurement": np.asarray(names, np.str_), name: (name, points, _axis_attributes(name))},
        attrs={"source": str(path), **(attributes or {})},
    )
    if sigma is not None:
        if not all(np.all((one >= 0) & (one <= _LARGEST_INTENSITY) | np.isnan(one)) for one in sigma):
            raise FileError(f"{path}: an uncertainty is negative or infinite")
        dataset["uncertainty"] = (("measurement", name), sigma)
    if wavelength is not None:
        dataset.attrs["wavelength_angstrom"] = wavelength
    _add_sample(path, dataset, position_mm, composition, elements)
    return with_notes(dataset, notes)


def stem_of(path: Path) -> str:
    """Return the name of a file without its suffix and that of a compression."""
    suffix = suffix_of(path)
    end = path.name.lower().rfind(suffix) if suffix else -1
    return path.name[:end] if end > 0 else path.stem


def _axis_attributes(name: str) -> dict[str, str]:
    if name == "two_theta":
        return {"units": "degree", "long_name": "two-theta"}
    return {"units": "1/angstrom", "long_name": "momentum transfer q"}


def _numbered(path: Path, n: int) -> list[str]:
    stem = stem_of(path)
    return [stem] if n == 1 else [f"{stem}#{number}" for number in range(1, n + 1)]


def _checked_axis(
    path: Path, kind: str, points: npt.NDArray[np.float64], place: Callable[[int], str]
) -> tuple[npt.NDArray[np.float64], slice]:
    """Return the axis, increasing and in the units of `nescio.signals`, and the order of the data."""
    if not np.isfinite(points).all():
        where = int(np.nonzero(~np.isfinite(points))[0][0])
        raise FileError(f"{path}: {place(where)}: the axis is {points[where]}, not a finite number")
    quantity, factor = KINDS[kind].quantity, KINDS[kind].factor
    points = points * factor
    if quantity == "d":
        if (points <= 0.0).any():
            where = int(np.nonzero(points <= 0.0)[0][0])
            raise FileError(
                f"{path}: {place(where)}: the spacing d is {points[where] / factor:g}, not above 0"
            )
        points = 2.0 * np.pi / points
    largest, unit = (180.0, "degree") if quantity == "two_theta" else (_LARGEST_Q, "1/angstrom")
    outside = (points < 0) | (points > largest)
    if outside.any():
        where = int(np.nonzero(outside)[0][0])
        hints = {
            "q": "; check whether it is in 1/nm (axis q_nm), or two_theta",
            "two_theta_rad": "; check whether it is in degree, not radian (axis two_theta)",
        }
        other = hints.get(kind, "") if points[where] > 0 else ""
        raise FileError(
            f"{path}: {place(where)}: the axis is {points[where]:g}, not within 0 to {largest:g} {unit}{other}"
        )
    steps = np.diff(points)
    falling = bool((steps <= 0).all() and (steps < 0).any())
    wrong = steps > 0 if falling else steps < 0
    if wrong.any() or not steps.any():
        where = (int(np.nonzero(wrong)[0][0]) if wrong.any() else 0) + 1
        what = "repeats" if points[where] == points[where - 1] else "falls below"
        raise FileError(
            f"{path}: {place(where)}: the axis at {points[where]:g} {what} the previous point;"
            " it must increase throughout"
        )
    order = slice(None, None, -1) if falling else slice(None)
    return points[order], order


def _averaged(
    values: npt.NDArray[np.float64],
    sigma: npt.NDArray[np.float64] | None,
    starts: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64] | None]:
    """Return means over the groups of points that begin at `starts`, without NaN, and their uncertainties."""
    measured = np.isfinite(values)
    counts = np.add.reduceat(measured, starts, axis=1)
    # The mean of an unmeasured group is NaN.
    divisor = np.where(counts > 0, counts, np.nan)
    means = np.add.reduceat(np.where(measured, values, 0.0), starts, axis=1) / divisor
    if sigma is None:
        return means, None
    squares = np.add.reduceat(np.where(measured, sigma, 0.0) ** 2, starts, axis=1)
    return means, np.sqrt(squares) / divisor


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
                f"{path}: a composition needs a row for each of {n} patterns and a column for each element"
            )
        finite = np.isfinite(composition).all() and np.abs(composition).max() < 1e6
        total = composition.sum(axis=1, keepdims=True) if finite else np.zeros(1)
        if not finite or (composition < 0).any() or (total <= 0).any():
            raise FileError(
                f"{path}: fractions of a composition must be finite, not negative, and not all zero"
            )
        if unknown := _unknown_elements(elements):
            raise FileError(f"{path}: {unknown[0][:20]!r} of the composition is not an element")
        dataset["composition"] = (("measurement", "element"), composition / total)
        dataset.coords["element"] = ("element", np.asarray(list(elements), np.str_))
