"""Background under the peaks: fluorescence, air scattering, substrate."""

from __future__ import annotations

import warnings
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from nescio.errors import ConfigurationError, MeasurementError

__all__ = ["BackgroundMethod", "subtract_background"]

BackgroundMethod = Literal["arpls", "snip", "polynomial", "none"]

_Array = npt.NDArray[np.float64]

_FEWEST_POINTS = 10
# Stiffness of arPLS for 1000 points. It scales with the fourth power of the number of points, so that the stiffness
# over the range of the pattern does not depend on the sampling.
_STIFFNESS = 1e5

# Peak clipping extrapolates beyond the ends. A line through the last points would follow a peak at the end.
_LEVEL_ENDS = {"mode": "mean", "stat_length": 5}


def subtract_background(
    intensity: npt.ArrayLike, axis: npt.ArrayLike, method: BackgroundMethod = "arpls", **options: Any
) -> tuple[_Array, _Array]:
    """Subtract a smooth background from every pattern.

    ``arpls``
        Asymmetrically reweighted penalised least squares (Baek et al. 2015, Analyst 140, 250); option
        ``stiffness`` (default 1e5, of 1000 points).
    ``snip``
        Statistics-sensitive non-linear iterative peak clipping (Ryan et al. 1988, Nucl. Instrum. Methods B 34,
        396); option ``half_width`` in units of the axis, larger than that of any peak (default a twentieth of
        the range).
    ``polynomial``
        Robust polynomial, refitted without the points that are above it (Zhao et al. 2007, Appl.
        Spectrosc. 61, 1225); option ``degree`` (default 4).
    ``none``
        Nothing is subtracted.

    Args:
        intensity: Shape (n, points); NaN where nothing was measured. The fit interpolates gaps, and uses nothing
            beyond the first and last value.
        axis: Shape (points,), increasing.
        method: One of the above.
        options: Of the method.

    Returns:
        Intensity without background, and background, both (n, points), NaN where `intensity` is. A pattern
        with fewer than ten values, or a constant one, has nothing subtracted.

    Raises:
        ConfigurationError: The method or an option is unknown, or an option's value impossible.
        MeasurementError: Shapes do not fit.
    """
    values = np.asarray(intensity, np.float64)
    points = np.asarray(axis, np.float64)
    if values.ndim != 2 or values.shape[1:] != points.shape:
        raise MeasurementError(
            f"intensity of shape {values.shape} does not fit an axis of shape {points.shape}"
        )
    settings = _settings(method, options)
    background = np.zeros_like(values)
    if method != "none":
        for row, pattern in enumerate(values):
            measured = np.nonzero(np.isfinite(pattern))[0]
            if measured.size < _FEWEST_POINTS or np.ptp(pattern[measured]) == 0:
                continue
            span = slice(measured[0], measured[-1] + 1)
            bridged = np.interp(points[span], points[measured], pattern[measured])
            background[row, span] = _fit(bridged, points[span], method, settings)
    background[~np.isfinite(values)] = np.nan
    return values - background, background


def _settings(method: str, options: dict[str, Any]) -> dict[str, float]:
    if method not in get_args(BackgroundMethod):
        known = ", ".join(get_args(BackgroundMethod))
        raise ConfigurationError(f"background {method!r} is unknown; give one of {known}")
    limits: dict[str, dict[str, tuple[float, float]]] = {
        "arpls": {"stiffness": (1e-2, 1e15)},
        "snip": {"half_width": (1e-6, 1e3)},
        "polynomial": {"degree": (0, 20)},
        "none": {},
    }
    for name, value in options.items():
        if name not in limits[method]:
            known = ", ".join(limits[method]) or "none"
            raise ConfigurationError(f"background {method} has no option {name!r}; known: {known}")
        low, high = limits[method][name]
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not low <= value <= high or (name == "degree" and value != int(value)):
            raise ConfigurationError(
                f"background option {name} = {value!r} is not within {low:g} to {high:g}"
            )
    return {name: float(value) for name, value in options.items()}


def _fit(pattern: _Array, axis: _Array, method: str, settings: dict[str, float]) -> _Array:
    """Fit the background of one pattern without gaps."""
    from pybaselines import Baseline

    lowest, span = pattern.min(), np.ptp(pattern)
    scaled = (pattern - lowest) / span
    baseline = Baseline(axis, check_finite=False)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        # If a method does not converge (pure noise), its last iterate is used.
        warnings.simplefilter("ignore")
        if method == "polynomial":
            fitted, _ = baseline.imodpoly(scaled, poly_order=int(settings.get("degree", 4)))
        elif method == "snip":
            step = (axis[-1] - axis[0]) / (axis.size - 1)
            width = settings.get("half_width", (axis[-1] - axis[0]) / 20)
            half = int(np.clip(round(width / step), 1, (axis.size - 1) // 2))
            fitted, _ = baseline.snip(
                scaled, max_half_window=half, decreasing=True, smooth_half_window=1, pad_kwargs=_LEVEL_ENDS
            )
        else:
            stiffness = settings.get("stiffness", _STIFFNESS) * (axis.size / 1000) ** 4
            fitted, _ = baseline.arpls(scaled, lam=max(stiffness, 1.0))
    if not np.isfinite(fitted).all():
        fitted = np.zeros_like(scaled)
    return np.asarray(fitted * span + lowest, np.float64)
