"""Access to an exploration (`nescio.signals`) for figures: outputs, best measurements, positions of candidates."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from nescio.errors import MeasurementError
from nescio.view.style import plain

__all__ = [
    "Floats",
    "Plane",
    "act_steps",
    "best_measurements",
    "column",
    "coordinate_label",
    "coordinate_names",
    "decided",
    "duration_text",
    "measured_candidates",
    "measured_of",
    "minimised",
    "number_text",
    "numbers",
    "on_image",
    "output_label",
    "output_number",
    "outputs",
    "place_text",
    "typical_measurements",
    "unit_of",
    "usable",
    "words",
]

Floats = NDArray[np.float64]


def numbers(explored: xr.Dataset, name: str) -> Floats:
    """Return a variable as floats.

    Raises:
        MeasurementError: The variable is missing or not numeric.
    """
    if name not in explored.variables:
        raise MeasurementError(f"the exploration has no variable {name!r}, which this figure needs")
    try:
        return np.asarray(explored[name].values, dtype=np.float64)
    except (TypeError, ValueError):
        raise MeasurementError(f"variable {name!r} of the exploration is not numeric") from None


def words(explored: xr.Dataset, name: str, dimension: str) -> list[str]:
    """Return a variable along a dimension as strings; empty strings if it is missing."""
    if name not in explored.variables:
        return [""] * explored.sizes.get(dimension, 0)
    return [str(v) for v in explored[name].values]


def outputs(explored: xr.Dataset) -> list[str]:
    """Return the names of the scalars."""
    values = numbers(explored, "value")
    count = 1 if values.ndim == 1 else values.shape[1]
    if "output" in explored.coords:
        return [str(v) for v in np.atleast_1d(explored["output"].values)]
    return ["value"] if count == 1 else [f"value {i + 1}" for i in range(count)]


def output_number(explored: xr.Dataset, output: str | None) -> int:
    """Return the index of an output; 0 if `output` is None.

    Raises:
        MeasurementError: The output does not exist.
    """
    names = outputs(explored)
    if output is None:
        return 0
    if output not in names:
        raise MeasurementError(f"there is no output {output!r}; the exploration has {', '.join(names)}")
    return names.index(output)


def unit_of(explored: xr.Dataset, k: int) -> str:
    """Return the unit of an output; empty if it has none."""
    units = words(explored, "output_unit", "output")
    return units[k] if k < len(units) else ""


def output_label(explored: xr.Dataset, k: int, *, long: bool = True) -> str:
    """Return the axis label of an output: name and unit."""
    long_names = words(explored, "output_long_name", "output") if long else []
    name = (long_names[k] if k < len(long_names) else "") or outputs(explored)[k]
    return (
        f"{plain(name, 40)} ({plain(unit_of(explored, k), 16)})" if unit_of(explored, k) else plain(name, 40)
    )


def minimised(explored: xr.Dataset, k: int) -> bool:
    """Return whether smaller is better for an output, according to ``output_direction``."""
    directions = words(explored, "output_direction", "output")
    return k < len(directions) and directions[k] == "minimise"


def column(explored: xr.Dataset, name: str, k: int) -> Floats:
    """Return one output of a variable, shape (first dimension,); all NaN if the variable is missing."""
    if name not in explored.variables:
        return np.full(explored.sizes["measurement"], np.nan)
    values = numbers(explored, name)
    return values if values.ndim == 1 else values[:, k]


def decided(explored: xr.Dataset, name: str, k: int = 0) -> tuple[Floats, Floats]:
    """Return the step (number of measurements) and the value of each decision with a finite value."""
    if name not in explored.variables or "decision" not in explored[name].dims:
        return np.empty(0), np.empty(0)
    values = numbers(explored, name)
    values = values if values.ndim == 1 else values[:, min(k, values.shape[1] - 1)]
    steps = numbers(explored, "step") if "step" in explored else np.arange(len(values), dtype=float)
    good = np.isfinite(values)
    return steps[good], values[good]


def usable(explored: xr.Dataset, k: int) -> NDArray[np.bool_]:
    """Return which measurements have a value of an output and were not rejected by a person."""
    good = np.isfinite(column(explored, "value", k))
    if "rejected" in explored:
        good &= ~np.asarray(explored["rejected"].values, dtype=bool)
    return good


def best_measurements(explored: xr.Dataset, k: int, count: int = 3) -> list[int]:
    """Return the indices of the best measurements of an output, best first, each place once."""
    value, places = column(explored, "value", k), measured_candidates(explored)
    order = np.argsort(value if minimised(explored, k) else -value, kind="stable")
    chosen: list[int] = []
    for i in order[usable(explored, k)[order]]:
        if places[i] < 0 or places[i] not in places[chosen]:
            chosen.append(int(i))
        if len(chosen) == count:
            break
    return chosen


def typical_measurements(explored: xr.Dataset, k: int, count: int = 3) -> list[int]:
    """Return the indices of the measurements nearest to the median, without the best, in descending order of value."""
    value = column(explored, "value", k)
    good = usable(explored, k)
    if not good.any():
        return []
    good[best_measurements(explored, k, count)] = False
    distance = np.where(good, np.abs(value - np.median(value[usable(explored, k)])), np.inf)
    nearest = [int(i) for i in np.argsort(distance, kind="stable")[:count] if good[i]]
    return sorted(nearest, key=lambda i: -float(value[i]))


def measured_candidates(explored: xr.Dataset) -> NDArray[np.intp]:
    """Return the candidate of each measurement, -1 for none."""
    which = numbers(explored, "candidate")
    known = np.isfinite(which) & (which >= 0) & (which < explored.sizes["candidate"])
    return np.where(known, which, -1).astype(np.intp)


def measured_of(explored: xr.Dataset, values: Floats) -> Floats:
    """Return values of candidates, shape (candidate, ...), for each measurement, shape (measurement, ...)."""
    which = measured_candidates(explored)
    found = np.asarray(values[which], dtype=np.float64)
    found[which < 0] = np.nan
    return found


def coordinate_names(explored: xr.Dataset) -> list[str]:
    """Return the names of the coordinates of positions."""
    if "coordinate" in explored.coords:
        return [str(v) for v in explored["coordinate"].values]
    return [f"coordinate {i + 1}" for i in range(explored.sizes["coordinate"])]


def coordinate_label(explored: xr.Dataset, name: str) -> str:
    """Return the axis label of a coordinate, with the unit of positions."""
    unit = str(explored["position"].attrs.get("units", ""))
    return f"{plain(name, 24)} ({plain(unit, 16)})" if unit else plain(name, 24)


def on_image(explored: xr.Dataset) -> bool:
    """Return whether the candidates are places in an image."""
    return "image" in explored and {"y", "x"} <= set(coordinate_names(explored))


def place_text(
    position: NDArray[np.float64], coordinates: list[str] | tuple[str, ...], unit: str = ""
) -> str:
    """Return a position as text, such as "y 12.5, x 3 nm".

    Args:
        position: Shape (coordinates,).
        coordinates: Names of the coordinates.
        unit: Unit of all coordinates.
    """
    if not np.isfinite(position).all():
        return "–"
    text = ", ".join(f"{name} {value:.4g}" for name, value in zip(coordinates, position, strict=True))
    return f"{text} {unit}".strip()


def number_text(value: float, uncertainty: float = float("nan")) -> str:
    """Return a number as text, with its uncertainty to two digits if it is known."""
    if not np.isfinite(value):
        return "–"
    if not (np.isfinite(uncertainty) and uncertainty > 0):
        return f"{value:.4g}"
    digits = 1 - int(np.floor(np.log10(uncertainty)))
    if 0 <= digits <= 6 and abs(value) < 1e7:
        # Avoid "-0" after rounding.
        value = round(value, digits) + 0.0
        return f"{value:.{digits}f} ± {uncertainty:.{digits}f}"
    return f"{value:.4g} ± {uncertainty:.2g}"


def duration_text(seconds: float) -> str:
    """Return a duration as h:mm:ss, or in seconds if it is less than a minute."""
    if not np.isfinite(seconds):
        return "–"
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


class Plane(NamedTuple):
    """The two coordinates by which figures show candidates: those of the image if there is one."""

    x: Floats
    y: Floats
    x_label: str
    y_label: str
    same_scale: bool
    note: str
    """Which coordinates the figure shows; empty if all."""

    @classmethod
    def of(cls, explored: xr.Dataset) -> Plane | None:
        """Return the plane of the candidates, or None if they have only one coordinate."""
        names, positions = coordinate_names(explored), numbers(explored, "position")
        if len(names) < 2:
            return None
        spatial = {"y", "x"} <= set(names)
        first, second = ("x", "y") if spatial else names[:2]
        return cls(
            positions[:, names.index(first)],
            positions[:, names.index(second)],
            coordinate_label(explored, first),
            coordinate_label(explored, second),
            spatial,
            "" if len(names) == 2 else f"two of {len(names)} coordinates",
        )


def act_steps(explored: xr.Dataset) -> Floats:
    """Return the number of measurements before each act, shape (act,); NaN if unknown.

    If it was not recorded, it follows from the time of the act and the durations of measurements and decisions.
    """
    count = explored.sizes.get("act", 0)
    if "act_step" in explored:
        return numbers(explored, "act_step")
    if (
        "act_time" not in explored
        or "seconds" not in explored
        or explored["act_time"].dtype.kind not in "fiu"
    ):
        return np.full(count, np.nan)
    spent = np.nan_to_num(numbers(explored, "seconds"))
    step, fitting = decided(explored, "fit_seconds")
    for at, seconds in zip(step.astype(int), fitting, strict=True):
        if 0 <= at < len(spent):
            spent[at] += seconds
    return np.searchsorted(np.cumsum(spent), numbers(explored, "act_time"), side="right").astype(float)
