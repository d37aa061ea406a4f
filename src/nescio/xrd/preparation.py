"""Preparation of measured patterns: grid and scale of a prior."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from nescio.errors import ConfigurationError, MeasurementError
from nescio.xrd.background import BackgroundMethod, subtract_background
from nescio.xrd.quality import problem_of

__all__ = ["prepare", "q_from_two_theta", "rebin", "same_line", "two_theta_from_q"]

_Array = npt.NDArray[np.float64]

# Wavelengths this close are the same line: K-alpha 1 and the mean of both K-alpha lines differ by 0.0008.
_SAME_LINE = 1e-3
# A step this many times larger than the steps near it (their median) is a gap in the axis.
_HOLE_STEPS, _NEAR = 4.0, 11
_UNITS = {"two_theta": "degree", "q": "1/angstrom"}
# A grid point is covered if more than this share of its bin was measured.
_COVERED_SHARE = 0.5


def same_line(one: float, other: float) -> bool:
    """Return whether two wavelengths in angstrom are those of one line, within 0.1 %."""
    return abs(one / other - 1.0) <= _SAME_LINE


def q_from_two_theta(two_theta: npt.ArrayLike, wavelength: float) -> _Array:
    """Return q = 4 pi sin(theta) / wavelength in 1/angstrom; two-theta in degree, wavelength in angstrom."""
    return np.asarray(4.0 * np.pi / wavelength * np.sin(np.radians(np.asarray(two_theta, np.float64)) / 2.0))


def two_theta_from_q(q: npt.ArrayLike, wavelength: float) -> _Array:
    """Return two-theta in degree; NaN above q = 4 pi / wavelength, the largest possible q."""
    sine = np.asarray(q, np.float64) * wavelength / (4.0 * np.pi)
    return np.asarray(2.0 * np.degrees(np.arcsin(np.where(np.abs(sine) <= 1.0, sine, np.nan))))


def rebin(intensity: npt.ArrayLike, points: npt.ArrayLike, grid: npt.ArrayLike) -> tuple[_Array, _Array]:
    """Resample patterns within the measured range.

    Points finer than the grid are averaged over each bin of the grid, which conserves the area under the pattern.
    Coarser points are interpolated linearly.

    Args:
        intensity: Shape (n, points); NaN where nothing was measured.
        points: Shape (points,), increasing; at least two.
        grid: Shape (grid,), increasing, in the units of `points`; at least two.

    Returns:
        Intensity of shape (n, grid), 0 where not covered, and the share of each bin that was measured, shape
        (n, grid), 0 or 1 where interpolated.
    """
    from scipy.ndimage import median_filter

    values = np.asarray(intensity, np.float64)
    old, new = np.asarray(points, np.float64), np.asarray(grid, np.float64)
    old_edges, new_edges = _edges(old), _edges(new)
    widths, bins = np.diff(old_edges), np.diff(new_edges)
    valid = np.isfinite(values)
    finer = np.interp(new, old, widths) < bins
    left = np.clip(np.searchsorted(old, new, side="right") - 1, 0, old.size - 2)
    # Two points much farther apart than their neighbours enclose an unmeasured gap.
    steps = np.diff(old)
    hole = steps > _HOLE_STEPS * median_filter(steps, size=_NEAR, mode="nearest")
    within = (new >= old[0]) & (new <= old[-1])
    right_part = np.clip((new - old[left]) / (old[left + 1] - old[left]), 0.0, 1.0)
    # A point of the old axis on the grid counts, even at the edge of a gap.
    within &= ~hole[left] | (right_part == 0.0) | (right_part == 1.0)

    filled = np.where(valid, values, 0.0)
    result, share = np.empty((values.shape[0], new.size)), np.empty((values.shape[0], new.size))
    for row in range(values.shape[0]):
        area = np.diff(np.interp(new_edges, old_edges, _cumulative(filled[row] * widths)))
        measured = np.diff(np.interp(new_edges, old_edges, _cumulative(valid[row] * widths)))
        mean = np.divide(area, measured, out=np.zeros_like(area), where=measured > 0)
        linear = (1.0 - right_part) * filled[row, left] + right_part * filled[row, left + 1]
        # A neighbour with zero weight may be unmeasured.
        known = (
            within & (valid[row, left] | (right_part == 1.0)) & (valid[row, left + 1] | (right_part == 0.0))
        )
        share[row] = np.where(finer, np.clip(measured / bins, 0.0, 1.0), known)
        result[row] = np.where(finer, mean, np.where(known, linear, 0.0))
    return result, share


def prepare(
    measured: xr.Dataset,
    *,
    axis: xr.DataArray,
    wavelength: float,
    background: BackgroundMethod = "arpls",
    background_options: Mapping[str, Any] | None = None,
    smooth: int | None = None,
) -> xr.Dataset:
    """Bring measured patterns onto a prior's grid: the prepared form of :mod:`nescio.signals`.

    The axis is converted (angles of another wavelength, q); patterns are rebinned (:func:`rebin`), smoothed if
    requested; the background is subtracted (:func:`nescio.xrd.subtract_background`), negative intensities are set to
    zero, and patterns are divided by their maximum. Exact zeros at either end count as padding, unless the pattern has
    zeros in between. A single hot pixel is not removed and sets the maximum, unless `smooth` reduces it. Converting
    angles to q applies no polarisation or bin-width factor.

    Args:
        measured: Measured patterns (:mod:`nescio.signals`). If each pattern has its own axis, one without overlap with
            the grid gets a ``problem``.
        axis: The prior's grid, ``two_theta`` in degree or ``q`` in 1/angstrom.
        wavelength: Of the prior, in angstrom. Angles measured with the same line (within 0.1 %) are not converted.
        background: Method of :func:`nescio.xrd.subtract_background`.
        background_options: Its options.
        smooth: Odd number of grid points of a Savitzky-Golay filter of degree 2; None for none.

    Returns:
        Dataset on the grid with ``intensity`` 0 to 1, ``covered``, ``background`` (as measured), ``scale``
        (measured intensity above background that became 1), ``problem``, and all other variables of the
        measurements.

    Raises:
        MeasurementError: Angles have no wavelength, or no pattern overlaps the range.
        ConfigurationError: An option is invalid.
    """
    window = _checked_window(smooth, axis.size)
    if "point" in measured["intensity"].dims:
        options = {"background": background, "background_options": background_options, "smooth": smooth}
        return _one_by_one(measured, axis, wavelength, options)
    name = str(axis.name)
    source = str(measured.attrs.get("source", "measurement"))
    own = "two_theta" if "two_theta" in measured["intensity"].dims else "q"
    values = _without_padding(
        measured["intensity"].transpose("measurement", own).to_numpy().astype(np.float64)
    )
    grid = axis.to_numpy().astype(np.float64)
    points = _converted(measured[own].to_numpy(), own, name, measured.attrs, wavelength, source)
    reachable = np.isfinite(points)
    if reachable.sum() < 2 or points[reachable][0] > grid[-1] or points[reachable][-1] < grid[0]:
        given = measured[own].to_numpy()
        raise MeasurementError(
            f"{source}: was measured over {given[0]:.4g} to {given[-1]:.4g} {_UNITS[own]}, which does not overlap"
            f" the prior's {grid[0]:.4g} to {grid[-1]:.4g} {_UNITS[name]} at {wavelength:.5g} angstrom;"
            " check the units of axis and wavelength"
        )
    points, values = points[reachable], values[:, reachable]
    resampled, share = rebin(values, points, grid)
    covered = share > _COVERED_SHARE
    if window:
        resampled = _smoothed(resampled, covered, window)
    known = np.where(covered, resampled, np.nan)
    corrected, under = subtract_background(known, grid, background, **dict(background_options or {}))
    positive = np.where(covered, np.maximum(corrected, 0.0), 0.0)
    scale = positive.max(axis=1)
    scale = np.where(scale > np.finfo(np.float64).tiny * 1e10, scale, 1.0)
    problems = [
        problem_of(values[row], known[row], corrected[row], covered[row]) for row in range(values.shape[0])
    ]

    dimensions = ("measurement", name)
    prepared = measured.drop_dims(own)
    prepared = prepared.assign_coords({name: (name, grid, dict(axis.attrs))})
    prepared["intensity"] = (dimensions, positive / scale[:, None], {"long_name": "scaled intensity"})
    prepared["covered"] = (dimensions, covered)
    prepared["background"] = (dimensions, np.where(covered, under, 0.0), {"long_name": "background"})
    prepared["scale"] = ("measurement", scale)
    prepared["problem"] = ("measurement", np.asarray(problems, np.str_))
    if "uncertainty" in measured:
        sigma = measured["uncertainty"].transpose("measurement", own).to_numpy().astype(np.float64)
        prepared["uncertainty"] = (
            dimensions,
            _uncertainty(sigma[:, reachable], points, grid) / scale[:, None],
        )
    prepared.attrs.update(wavelength_angstrom=wavelength, background_method=background)
    return prepared


def _one_by_one(
    measured: xr.Dataset, axis: xr.DataArray, wavelength: float, options: dict[str, Any]
) -> xr.Dataset:
    """Prepare patterns with their own axes, with the dimensions (measurement, point)."""
    own = "two_theta" if "two_theta" in measured.coords else "q"
    prepared: list[xr.Dataset | MeasurementError] = []
    for row in range(measured.sizes["measurement"]):
        one = measured.isel(measurement=[row])
        points = one[own].to_numpy()[0]
        valid = np.isfinite(points)
        one = one.isel(point=np.flatnonzero(valid)).drop_vars(own).rename(point=own)
        one = one.assign_coords({own: (own, points[valid], measured[own].attrs)})
        try:
            prepared.append(prepare(one, axis=axis, wavelength=wavelength, **options))
        except MeasurementError as error:
            prepared.append(error)
    usable = [one for one in prepared if isinstance(one, xr.Dataset)]
    if not usable:
        raise next(one for one in prepared if isinstance(one, MeasurementError))
    parts = [
        one
        if isinstance(one, xr.Dataset)
        else _unusable(measured.isel(measurement=[row]), usable[0], str(one))
        for row, one in enumerate(prepared)
    ]
    return xr.concat(
        parts, "measurement", join="exact", compat="equals", coords="different", combine_attrs="override"
    )


def _unusable(measured: xr.Dataset, like: xr.Dataset, problem: str) -> xr.Dataset:
    """Return the prepared form of a pattern that cannot be assessed, with the variables of another pattern."""
    blank = xr.zeros_like(like.isel(measurement=[0]))
    own = {
        name: measured[name]
        for name in blank.variables
        if name in measured.variables and name not in like.dims
    }
    # Variables that do not fit the grid are left empty.
    own = {name: values for name, values in own.items() if "point" not in values.dims}
    blank = blank.assign_coords(measurement=measured["measurement"].values).assign(own)
    return blank.assign(problem=("measurement", np.asarray([problem], np.str_)))


def _checked_window(smooth: int | None, points: int) -> int | None:
    if smooth is None:
        return None
    if not 3 <= smooth <= points or smooth % 2 != 1:
        raise ConfigurationError(f"smooth = {smooth!r} must be an odd number of grid points, 3 to {points}")
    return int(smooth)


def _converted(
    points: _Array, own: str, wanted: str, attributes: Mapping[Any, Any], wavelength: float, source: str
) -> _Array:
    """Return measured points on the prior's axis, NaN for points outside of it."""
    measured_wavelength = attributes.get("wavelength_angstrom")
    if own == "q":
        return points if wanted == "q" else two_theta_from_q(points, wavelength)
    if measured_wavelength is None:
        raise MeasurementError(
            f"{source}: two-theta without a wavelength; state the wavelength (--wavelength CuKa, or in angstrom)"
        )
    same = same_line(measured_wavelength, wavelength)
    if wanted == "q":
        return q_from_two_theta(points, wavelength if same else measured_wavelength)
    if same:
        return points
    return two_theta_from_q(q_from_two_theta(points, measured_wavelength), wavelength)


def _without_padding(values: _Array) -> _Array:
    """Return patterns with NaN for exact zeros at either end, unless there are also zeros in between."""
    nonzero = values != 0
    first = nonzero.argmax(axis=1)
    last = values.shape[1] - 1 - nonzero[:, ::-1].argmax(axis=1)
    column = np.arange(values.shape[1])
    outside = (column < first[:, None]) | (column > last[:, None])
    inner_zero = (~nonzero & ~outside).any(axis=1)
    padded = outside & ~inner_zero[:, None] & nonzero.any(axis=1)[:, None]
    return np.where(padded, np.nan, values)


def _smoothed(values: _Array, covered: npt.NDArray[np.bool_], window: int) -> _Array:
    from scipy.signal import savgol_filter

    result = values.copy()
    for row in range(values.shape[0]):
        where = np.nonzero(covered[row])[0]
        if where.size and where[-1] - where[0] + 1 >= window:
            span = np.arange(where[0], where[-1] + 1)
            result[row, span] = savgol_filter(np.interp(span, where, values[row, where]), window, 2)
    return result


def _uncertainty(sigma: _Array, points: _Array, grid: _Array) -> _Array:
    """Return the uncertainty on the grid; averaging independent points in one bin reduces it."""
    fewer = np.minimum(np.diff(_edges(points)) / np.interp(points, grid, np.diff(_edges(grid))), 1.0)
    return np.asarray(np.sqrt(rebin(sigma**2 * fewer, points, grid)[0]))


def _edges(points: _Array) -> _Array:
    middle = (points[1:] + points[:-1]) / 2.0
    return np.concatenate([[2 * points[0] - middle[0]], middle, [2 * points[-1] - middle[-1]]])


def _cumulative(areas: _Array) -> _Array:
    return np.concatenate([[0.0], np.cumsum(areas)])
