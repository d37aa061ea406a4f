"""Least-squares fits of a few peaks on a background; start values are found automatically."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nescio.errors import ScalarizerError
from nescio.explore.scalarizers.curve import Curve

if TYPE_CHECKING:
    import lmfit

__all__ = ["Fit", "FittedPeak", "Shape", "fit_peaks"]

Floats = NDArray[np.float64]
Shape = Literal["gaussian", "lorentzian", "voigt", "pseudo-voigt"]

_LN2 = float(np.log(2.0))
_FWHM = 2.0 * (2.0 * _LN2) ** 0.5
# Start widths, as multiples of the width estimated from the data.
_STARTS = (1.0, 0.4, 2.5)
# Limit of evaluations; a fit that needs more does not converge.
_EVALUATIONS = 600


def _gaussian(u: Floats) -> Floats:
    return np.asarray(np.exp(-4.0 * _LN2 * u**2))


def _lorentzian(u: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + 4.0 * u**2))


def _voigt_widths(width: float, fraction: float) -> tuple[float, float]:
    """Return the full widths at half maximum of the Gaussian and Lorentzian parts of a Voigt of `width`.

    The Lorentzian width is `fraction` of `width`; the Gaussian width follows.

    Source: Olivero and Longbothum, J. Quant. Spectrosc. Radiat. Transf. 17, 233 (1977), for the width.
    """
    lorentzian = fraction * width
    gaussian = max((width - 0.5346 * lorentzian) ** 2 - 0.2166 * lorentzian**2, 0.0) ** 0.5
    return gaussian, lorentzian


def _voigt(u: Floats, fraction: float) -> Floats:
    """Return a Voigt profile of unit width and height."""
    from scipy.special import voigt_profile

    gaussian, lorentzian = _voigt_widths(1.0, fraction)
    values = voigt_profile(u, gaussian / _FWHM, 0.5 * lorentzian)
    return np.asarray(values / voigt_profile(0.0, gaussian / _FWHM, 0.5 * lorentzian))


def _profile(shape: Shape, u: Floats, fraction: float) -> Floats:
    """Return a profile of unit height and full width at half maximum, at distances `u` from its position."""
    if shape == "gaussian":
        return _gaussian(u)
    if shape == "lorentzian":
        return _lorentzian(u)
    if shape == "voigt":
        return _voigt(u, fraction)
    return fraction * _lorentzian(u) + (1.0 - fraction) * _gaussian(u)


def _unit_area(shape: Shape, fraction: float) -> float:
    """Return the area of a profile of unit height and width."""
    gaussian, lorentzian = 0.5 * (np.pi / _LN2) ** 0.5, 0.5 * np.pi
    if shape == "gaussian":
        return float(gaussian)
    if shape == "lorentzian":
        return float(lorentzian)
    if shape == "voigt":
        from scipy.special import voigt_profile

        one, other = _voigt_widths(1.0, fraction)
        return float(1.0 / voigt_profile(0.0, one / _FWHM, 0.5 * other))
    return float(fraction * lorentzian + (1.0 - fraction) * gaussian)


class FittedPeak(NamedTuple):
    """One peak; `width` is the full width at half maximum."""

    position: float
    height: float
    width: float
    area: float


class Fit(NamedTuple):
    """The result of a fit."""

    peaks: tuple[FittedPeak, ...]
    residual_sd: float
    spread: Callable[[Callable[[tuple[FittedPeak, ...]], float]], float]
    """Returns one standard deviation of a function of the peaks, from the covariance of the fit."""


class _Model:
    """Peaks on a background as a function of one vector: four numbers per peak, then the background."""

    def __init__(self, x: Floats, shape: Shape, peaks: int, linear: bool) -> None:
        self.x, self.shape, self.count, self.linear = x, shape, peaks, linear
        self.middle, self.span = float(x.mean()), float(np.ptp(x))
        self.fraction_varies = shape in ("voigt", "pseudo-voigt")

    def peaks(self, vector: Floats) -> tuple[FittedPeak, ...]:
        found = []
        for position, height, width, fraction in vector[: 4 * self.count].reshape(-1, 4):
            area = height * width * _unit_area(self.shape, float(fraction))
            found.append(FittedPeak(float(position), float(height), float(width), float(area)))
        return tuple(found)

    def __call__(self, vector: Floats) -> Floats:
        offset, slope = vector[4 * self.count], vector[4 * self.count + 1]
        total = offset + slope * (self.x - self.middle) / self.span
        for position, height, width, fraction in vector[: 4 * self.count].reshape(-1, 4):
            total = total + height * _profile(self.shape, (self.x - position) / width, float(fraction))
        return np.asarray(total)


def fit_peaks(
    curve: Curve,
    ranges: Sequence[tuple[float, float]],
    *,
    shape: Shape,
    linear: bool,
    down: bool,
    significance: float,
    guess: float | None = None,
) -> Fit:
    """Fit one peak in each range, jointly, on one background.

    Args:
        curve: The measured curve; points outside all ranges are ignored.
        ranges: The range of each peak's position, in units of the axis.
        shape: Shape of all peaks.
        linear: Fit a linear background instead of a constant one.
        down: Fit dips; their heights and areas are negative.
        significance: Smallest height of a peak, in standard deviations of the residual.
        guess: Start position, if there is one peak.

    Raises:
        ScalarizerError: Too few points, no convergence, or a peak outside its range, wider than it, or not significant.
    """
    inside = np.zeros(curve.x.size, bool)
    for low, high in ranges:
        curve.check(low, high)
        inside |= (curve.x >= low) & (curve.x <= high)
    model = _Model(curve.x[inside], shape, len(ranges), linear)
    sign = -1.0 if down else 1.0
    y, sd = sign * curve.y[inside], curve.sd[inside]
    varied = (4 if model.fraction_varies else 3) * len(ranges) + (2 if linear else 1)
    if y.size <= varied:
        raise ScalarizerError(
            f"{y.size} points were measured in {curve.range_text(*_hull(ranges))}; the fit needs more than {varied}"
        )
    if np.ptp(y) == 0.0:
        raise ScalarizerError(f"no peak: the spectrum is constant in {curve.range_text(*_hull(ranges))}")
    stated = curve.stated and bool((sd > 0).all())
    weight = 1.0 / sd if stated else np.full(y.size, 1.0 / float(np.ptp(y)))
    reason, best = "the fit did not converge", None
    for factor in _STARTS:
        vector, free, converged = _minimised(model, y, weight, ranges, factor, guess)
        misfit = float(np.sum(((y - model(vector)) * weight) ** 2))
        problem = "" if converged else "the fit did not converge"
        problem = problem or _problem(
            model.peaks(vector), y - model(vector), curve, ranges, varied, significance
        )
        if not problem:
            best = (vector, free, misfit)
            break
        reason = problem if factor == 1.0 else reason
    if best is None:
        raise ScalarizerError(reason)
    vector, free, misfit = best
    covariance = _covariance(model, vector, free, weight)
    if not stated:
        covariance = covariance * misfit / (y.size - varied)
    residual_sd = float(np.sqrt(np.sum((y - model(vector)) ** 2) / (y.size - varied)))

    def turned(found: Floats) -> tuple[FittedPeak, ...]:
        return tuple(
            peak._replace(height=sign * peak.height, area=sign * peak.area) for peak in model.peaks(found)
        )

    def spread(function: Callable[[tuple[FittedPeak, ...]], float]) -> float:
        gradient = np.array([
            (function(turned(up)) - function(turned(below))) / (up[i] - below[i])
            for i, up, below in _nudged(vector, free)
        ])  # fmt: skip
        return float(np.sqrt(max(gradient @ covariance @ gradient, 0.0)))

    return Fit(turned(vector), residual_sd, spread)


def _hull(ranges: Sequence[tuple[float, float]]) -> tuple[float, float]:
    return min(low for low, _ in ranges), max(high for _, high in ranges)


def _start(model: _Model, y: Floats, ranges: Sequence[tuple[float, float]], guess: float | None) -> Floats:
    """Estimate positions, heights and widths from the data."""
    ends = max(y.size // 8, 1)
    left, right = float(np.median(y[:ends])), float(np.median(y[-ends:]))
    x = model.x
    slope = (right - left) if model.linear else 0.0
    offset = 0.5 * (left + right) if model.linear else min(left, right)
    above = y - offset - slope * (x - model.middle) / model.span
    smooth = np.convolve(np.pad(above, 1, mode="edge"), [0.25, 0.5, 0.25], mode="valid")
    found = []
    for low, high in ranges:
        own = np.flatnonzero((x >= low) & (x <= high))
        nearest = np.argmax(smooth[own]) if guess is None else np.argmin(np.abs(x[own] - guess))
        top = int(own[nearest])
        height = max(float(smooth[top]), 0.05 * float(np.ptp(y)))
        first, last = top, top
        while first > own[0] and smooth[first] > 0.5 * height:
            first -= 1
        while last < own[-1] and smooth[last] > 0.5 * height:
            last += 1
        found += [float(x[top]), height, max(float(x[last] - x[first]), 1e-3 * (high - low)), 0.5]
    return np.array([*found, offset, slope])


def _minimised(
    model: _Model,
    y: Floats,
    weight: Floats,
    ranges: Sequence[tuple[float, float]],
    factor: float,
    guess: float | None,
) -> tuple[Floats, NDArray[np.intp], bool]:
    """Return the best vector, the indices of free parameters (not at a bound), and whether the fit converged."""
    import lmfit

    start = _start(model, y, ranges, guess)
    parameters = lmfit.Parameters()
    scale = float(np.ptp(y))
    for i, (low, high) in enumerate(ranges):
        span = high - low
        position, height, width, fraction = start[4 * i : 4 * i + 4]
        parameters.add(f"position{i}", position, min=low - 0.5 * span, max=high + 0.5 * span)
        parameters.add(f"height{i}", height, min=0.0, max=100.0 * scale)
        parameters.add(f"width{i}", min(factor * width, span), min=1e-4 * span, max=4.0 * span)
        parameters.add(f"fraction{i}", fraction, min=0.0, max=1.0, vary=model.fraction_varies)
    parameters.add("offset", start[-2])
    parameters.add("slope", start[-1], vary=model.linear)

    def residual(current: lmfit.Parameters) -> Floats:
        vector = np.fromiter((item.value for item in current.values()), np.float64, len(current))
        return (y - model(vector)) * weight

    try:
        result: Any = lmfit.Minimizer(residual, parameters, calc_covar=False, max_nfev=_EVALUATIONS).minimize(
            "leastsq"
        )
    except ValueError:
        return start, np.arange(0), False
    items = list(result.params.values())
    vector = np.array([item.value for item in items], np.float64)
    free = [
        i
        for i, item in enumerate(items)
        if item.vary and item.min + 1e-6 * _width(item) < item.value < item.max - 1e-6 * _width(item)
    ]
    return vector, np.asarray(free, np.intp), bool(result.success) and bool(np.isfinite(vector).all())


def _width(item: Any) -> float:
    width = float(item.max - item.min)
    return width if np.isfinite(width) else 0.0


def _problem(
    peaks: tuple[FittedPeak, ...],
    residual: Floats,
    curve: Curve,
    ranges: Sequence[tuple[float, float]],
    varied: int,
    significance: float,
) -> str:
    """Return why a fit is rejected; empty if it is accepted."""
    noise = float(np.sqrt(np.sum(residual**2) / (residual.size - varied)))
    unit = f" {curve.unit}".rstrip()
    for peak, (low, high) in zip(peaks, ranges, strict=True):
        if abs(peak.height) <= significance * noise:
            return (
                f"no peak in {curve.range_text(low, high)}: its height {abs(peak.height):.3g} is less than "
                f"{significance:g} times the residual's standard deviation {noise:.2g}"
            )
        if not low <= peak.position <= high:
            return f"the peak lies at {peak.position:.4g}{unit}, outside {curve.range_text(low, high)}"
        # The median step: one high point alone is not a peak.
        step = float(np.median(np.diff(curve.x)))
        if peak.width < step:
            where = f"{peak.position:.4g}{unit}"
            return f"the peak at {where} is narrower than the distance between points, {step:.3g}{unit}"
        if peak.width > high - low:
            return f"the peak's width {peak.width:.3g}{unit} exceeds {curve.range_text(low, high)}"
    return ""


def _nudged(vector: Floats, free: NDArray[np.intp]) -> list[tuple[int, Floats, Floats]]:
    """Return, for each free parameter, its index and the vector a little above and below."""
    peaks = vector[:-2].reshape(-1, 4)
    # Steps scale with the width for positions, and with the height for the background.
    scales = np.stack([peaks[:, 2], peaks[:, 1], peaks[:, 2], np.ones(len(peaks))], axis=1).ravel()
    steps = 1e-5 * np.concatenate([scales, np.full(2, peaks[:, 1].max())])
    found = []
    for i in free:
        up, below = vector.copy(), vector.copy()
        up[i] += steps[i]
        below[i] -= steps[i]
        found.append((int(i), up, below))
    return found


def _covariance(model: _Model, vector: Floats, free: NDArray[np.intp], weight: Floats) -> Floats:
    """Return the inverse normal matrix of the free parameters.

    Parameters at a bound (for example a purely Gaussian pseudo-Voigt) are excluded; lmfit gives no uncertainties then.
    """
    columns = [
        (model(up) - model(below)) / (up[i] - below[i]) * weight for i, up, below in _nudged(vector, free)
    ]
    jacobian = np.stack(columns, axis=1)
    # Normalise columns: heights and positions may differ by many orders of magnitude.
    size = np.linalg.norm(jacobian, axis=0)
    size[size == 0.0] = 1.0
    scaled = jacobian / size
    return np.asarray(np.linalg.pinv(scaled.T @ scaled) / np.outer(size, size))
