"""A spectrum as plain arrays along one axis, the input of most scalarizers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from nescio.errors import ScalarizerError
from nescio.explore.scalarizers.base import Output, Scalarizer
from nescio.explore.scalarizers.fields import Selection

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "Curve",
    "CurveScalarizer",
    "Floats",
    "noise_sd",
    "selected",
    "stated_unit",
]

Floats = NDArray[np.float64]

# Standard deviation over median absolute value, for normal noise.
_NORMAL = 1.4826
# Fewer points are not enough to estimate noise.
_LEAST_NEIGHBOURS = 5
# Deviations beyond this many standard deviations are features; maximum number of rounds to exclude them.
_STANDS_OUT, _ROUNDS = 3.0, 8
_UNCERTAINTY = "uncertainty"


class Curve(NamedTuple):
    """Finite values along an increasing axis."""

    x: Floats
    """Shape (points,), increasing."""
    y: Floats
    """Shape (points,), averaged over all other dimensions."""
    sd: Floats
    """Shape (points,), standard deviation of each value: the spectrum's, or from :func:`noise_sd`; may be NaN."""
    stated: bool
    """Whether `sd` is given by the spectrum."""
    axis: str
    unit: str
    """Unit of the axis."""

    def within(self, low: float | None, high: float | None, points: int = 1) -> Curve:
        """Return the part from `low` to `high`, inclusive.

        Raises:
            ScalarizerError: The range exceeds the axis, or contains fewer than `points` points.
        """
        self.check(low, high)
        first = 0 if low is None else int(np.searchsorted(self.x, low, side="left"))
        last = self.x.size if high is None else int(np.searchsorted(self.x, high, side="right"))
        if last - first < points:
            raise ScalarizerError(
                f"{max(last - first, 0)} points were measured in {self.range_text(low, high)}; needs at least {points}"
            )
        return self._replace(x=self.x[first:last], y=self.y[first:last], sd=self.sd[first:last])

    def check(self, low: float | None, high: float | None) -> None:
        """Check that a range lies within the axis.

        Raises:
            ScalarizerError: The range exceeds the measured axis.
        """
        slack = 1e-9 * (self.x[-1] - self.x[0])
        if (low is not None and low < self.x[0] - slack) or (high is not None and high > self.x[-1] + slack):
            raise ScalarizerError(
                f"{self.range_text(low, high)} exceeds the measured range, "
                f"{self.x[0]:g} to {self.x[-1]:g} {self.unit}".rstrip()
            )

    def range_text(self, low: float | None, high: float | None) -> str:
        """Return a range of the axis as text."""
        start, stop = (self.x[0] if low is None else low), (self.x[-1] if high is None else high)
        return f"{self.axis} {start:g} to {stop:g} {self.unit}".rstrip()


class CurveScalarizer(Scalarizer):
    """Base class of scalarizers of values along one axis.

    Give the units as `unit` and `axis_unit`; the record and figures need them before the first measurement. A spectrum
    that states another unit is then rejected; one that states no unit is accepted. Without them, :attr:`outputs` has no
    units, and :meth:`outputs_for` uses those of a spectrum.
    """

    name: str = ""
    """Name of the number; default: the quantity. With several numbers, it precedes each name."""
    axis: str | None = None
    """Dimension, or coordinate along a dimension; not needed for one-dimensional spectra."""
    unit: str = ""
    """Unit of the spectrum's values."""
    axis_unit: str = ""
    select: Mapping[str, Selection] = Field(default_factory=dict)
    """Part of each dimension to use; all dimensions except the axis are then averaged."""

    @property
    def outputs(self) -> tuple[Output, ...]:
        """The outputs; without units if `unit` or `axis_unit` is not given."""
        return self._outputs(self.unit, self.axis_unit)

    def outputs_for(self, spectrum: xr.DataArray) -> tuple[Output, ...]:
        """Return the outputs; units missing in the definition are taken from a spectrum."""
        unit = self.unit or str(spectrum.attrs.get("units", ""))
        axis = self.axis if self.axis is not None else str(spectrum.dims[-1])
        axis_unit = self.axis_unit or (
            str(spectrum.coords[axis].attrs.get("units", "")) if axis in spectrum.coords else ""
        )
        return self._outputs(unit, axis_unit)

    def _outputs(self, unit: str, axis_unit: str) -> tuple[Output, ...]:
        raise NotImplementedError

    def _titled(self, quantity: str, several: bool) -> str:
        """Return the name of an output."""
        if not self.name:
            return quantity
        return f"{self.name} {quantity}" if several else self.name

    def curve(self, spectrum: xr.DataArray) -> Curve:
        """Return a spectrum's values along the axis, averaged over all other dimensions.

        Raises:
            ScalarizerError: The axis or a selected dimension does not exist, no value is finite, or a unit differs from
                the given one.
        """
        stated_unit(spectrum.attrs, self.unit, "the spectrum")
        values, coordinates = selected(spectrum, self.select)
        dims = [str(dim) for dim in spectrum.dims]
        name = self._axis_name(dims)
        if name not in spectrum.coords:
            known = ", ".join(str(key) for key in spectrum.coords) or "none"
            raise ScalarizerError(f"the spectrum has no coordinate {name!r} (known: {known})")
        along = coordinates(name)
        coordinate = spectrum.coords[name].variable
        if len(coordinate.dims) != 1:
            raise ScalarizerError(f"axis {name!r} must run along one dimension, not {len(coordinate.dims)}")
        unit = stated_unit(coordinate.attrs, self.axis_unit, f"axis {name!r}")
        x = np.asarray(along, np.float64)
        place = dims.index(str(coordinate.dims[0]))
        rows = np.moveaxis(values, place, -1).reshape(-1, values.shape[place])
        y = _mean(rows)
        sd = None
        if _UNCERTAINTY in spectrum.coords and spectrum.coords[_UNCERTAINTY].dims == spectrum.dims:
            given = np.moveaxis(np.asarray(coordinates(_UNCERTAINTY), np.float64), place, -1)
            sd = np.sqrt((given.reshape(rows.shape) ** 2).sum(axis=0)) / len(rows)
        return _curve(x, y, sd, name, unit)

    def _axis_name(self, dims: list[str]) -> str:
        if self.axis is not None:
            return self.axis
        if len(dims) != 1:
            raise ScalarizerError(
                f"the spectrum has several dimensions; set axis to one of {', '.join(dims)}"
            )
        return dims[0]


def _mean(rows: Floats) -> Floats:
    """Return the mean of the rows (n, points) over finite values; NaN if there are none."""
    if len(rows) == 1:
        return np.asarray(rows[0])
    if np.isfinite(rows).all():
        return np.asarray(rows.mean(axis=0))
    good = np.isfinite(rows)
    count = good.sum(axis=0)
    return np.asarray(np.where(good, rows, 0.0).sum(axis=0) / np.where(count > 0, count, np.nan))


def _curve(x: Floats, y: Floats, sd: Floats | None, name: str, unit: str) -> Curve:
    if not np.isfinite(x).all():
        raise ScalarizerError(f"axis {name!r} has values that are not finite")
    good = np.isfinite(y)
    if not good.any():
        raise ScalarizerError("the spectrum has no finite value")
    if 2 * good.sum() < good.size:
        raise ScalarizerError(f"{good.size - good.sum()} of the spectrum's {good.size} values are not finite")
    if not good.all():
        x, y = x[good], y[good]
        sd = None if sd is None else sd[good]
    steps = np.diff(x)
    if steps.size and steps[0] < 0:
        x, y, steps = x[::-1], y[::-1], -steps
        sd = None if sd is None else sd[::-1]
    if (steps <= 0).any():
        raise ScalarizerError(f"axis {name!r} is not monotonic; it must increase or decrease")
    if sd is not None:
        return Curve(x, y, sd, True, name, unit)
    return Curve(x, y, np.full(x.size, noise_sd(y, x)), False, name, unit)


def noise_sd(y: Floats, x: Floats | None = None) -> float:
    """Estimate white noise from the distance of each point to the straight line between its neighbours.

    Sharp features, which lie far off the line, are excluded. Return NaN without noise or with too few points.

    Args:
        y: Shape (..., points).
        x: Shape (points,), increasing; default: equal steps.

    Source: Gasser, Sroka and Jennen-Steinmetz, Biometrika 73, 625 (1986), with a median instead of their mean.
    """
    if y.shape[-1] < _LEAST_NEIGHBOURS:
        return float("nan")
    left: Any = 0.5 if x is None else (x[2:] - x[1:-1]) / (x[2:] - x[:-2])
    right = 1.0 - left
    largest = float(np.nanmax(np.abs(y)))
    off = left * y[..., :-2] + right * y[..., 2:] - y[..., 1:-1]
    off = np.abs(off / np.sqrt(left**2 + right**2 + 1.0))
    if not np.isfinite(off).all():
        off = off[np.isfinite(off)]
        if off.size < _LEAST_NEIGHBOURS - 2:
            return float("nan")
    off = off.ravel()
    sd = _NORMAL * float(np.median(off))
    # Exclude features until no more points stand out.
    for _ in range(_ROUNDS):
        quiet = off[off <= _STANDS_OUT * sd]
        if quiet.size == off.size:
            break
        off = quiet
        sd = _NORMAL * float(np.median(off))
    # Rounding errors of a straight line are not noise.
    return sd if sd > 1e-12 * largest else float("nan")


def stated_unit(attributes: Mapping[Any, Any], wanted: str, what: str) -> str:
    """Return the unit stated in the attributes, or else the expected unit.

    Raises:
        ScalarizerError: The stated unit differs from the expected one.
    """
    stated = str(attributes.get("units", ""))
    if stated and wanted and stated != wanted:
        raise ScalarizerError(f"{what} is in {stated}, but the scalarizer expects {wanted}")
    return stated or wanted


def selected(spectrum: xr.DataArray, select: Mapping[str, Selection]) -> tuple[Floats, Any]:
    """Return the selected values, and a function that returns a coordinate with the same selection.

    Raises:
        ScalarizerError: A dimension does not exist, a selection is empty, or the values are not real numbers.
    """
    values = spectrum.variable.values
    if values.dtype.kind not in "fiu":
        raise ScalarizerError(f"the spectrum contains {values.dtype.name}; needs real numbers")
    cuts: dict[str, NDArray[np.intp]] = {}
    for dim, selection in select.items():
        if dim not in spectrum.dims:
            known = ", ".join(str(known) for known in spectrum.dims)
            raise ScalarizerError(f"the spectrum has no dimension {dim!r} to select from (known: {known})")
        cuts[dim] = _indices(spectrum, dim, selection)
        values = values.take(cuts[dim], axis=spectrum.dims.index(dim))

    def coordinate(name: str) -> NDArray[Any]:
        variable = spectrum.coords[name].variable
        cut: NDArray[Any] = variable.values
        for place, dim in enumerate(variable.dims):
            if dim in cuts:
                cut = cut.take(cuts[str(dim)], axis=place)
        return cut

    return np.asarray(values, np.float64), coordinate


def _indices(spectrum: xr.DataArray, dim: str, selection: Selection) -> NDArray[np.intp]:
    size = spectrum.sizes[dim]
    if selection.indices is not None:
        wrong = [index for index in selection.indices if not -size <= index < size]
        if wrong:
            raise ScalarizerError(
                f"index {wrong[0]} is out of range: {dim} has {size} entries, counted from 0"
            )
        return np.asarray(selection.indices, np.intp)
    if dim not in spectrum.coords:
        raise ScalarizerError(f"dimension {dim!r} has no coordinate; select by index, such as [0, 1]")
    values = spectrum.coords[dim].variable.values
    if selection.values is not None:
        found = [np.flatnonzero(values == wanted) for wanted in selection.values]
        for wanted, where in zip(selection.values, found, strict=True):
            if where.size == 0:
                raise ScalarizerError(f"{dim} has no value {wanted!r} (known: {_some(values)})")
        return np.concatenate(found)
    low = -np.inf if selection.low is None else selection.low
    high = np.inf if selection.high is None else selection.high
    inside = np.flatnonzero((values >= low) & (values <= high))
    if inside.size == 0:
        raise ScalarizerError(f"{dim} has no value from {low:g} to {high:g} (known: {_some(values)})")
    return inside


def _some(values: NDArray[Any]) -> str:
    shown = [str(value) for value in values[:5]]
    return ", ".join(shown) + (f", ... {values[-1]}" if len(values) > 5 else "")
