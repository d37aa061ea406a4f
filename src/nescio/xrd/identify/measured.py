"""A measured pattern as it is fitted: raw counts on their own axis, padded, with the weight of each point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, median_filter
from scipy.signal import find_peaks, peak_widths

from nescio.errors import MeasurementError
from nescio.fit import poisson_variance
from nescio.xrd.background import subtract_background
from nescio.xrd.identify.settings import IdentifySettings

__all__ = ["MeasuredPattern", "measured_pattern"]

Floats = NDArray[np.float64]

# Numbers of points are padded to a multiple of this, so that compiled programs are shared.
_MULTIPLE = 512
# Points across the full width of the narrowest peak; finer ones are averaged.
_POINTS_PER_FWHM = 4.0
_FEWEST = 64


@dataclass(frozen=True, eq=False)
class MeasuredPattern:
    """One pattern; arrays have the shape (points,), padded at the end with points of no weight."""

    name: str
    two_theta: Floats
    """In degree, increasing."""
    counts: Floats
    weights: Floats
    """One over the variance of each point, errors of the model included."""
    counting: Floats
    """One over the variance by counting alone."""
    background: Floats
    """A first estimate."""
    points: int
    """Number of points that were measured."""
    fwhm: float
    """Width of the narrow peaks in degree, a first estimate."""

    @property
    def highest(self) -> float:
        """Height of the highest peak above the background."""
        return float(np.max((self.counts - self.background)[: self.points], initial=0.0))

    @property
    def measured(self) -> slice:
        """The points that were measured."""
        return slice(0, self.points)


def measured_pattern(
    name: str,
    two_theta: Floats,
    counts: Floats,
    settings: IdentifySettings,
    sigma: Floats | None = None,
) -> MeasuredPattern:
    """Prepare a pattern for fitting.

    Args:
        name: Name of the measurement.
        two_theta: Shape (points,), in degree.
        counts: Shape (points,), raw; NaN where nothing was measured.
        settings: Errors that are expected of the model.
        sigma: Shape (points,): standard deviations, where they were measured; by default those of counting.

    Raises:
        MeasurementError: Fewer than 64 points can be used, or all have the same intensity.
    """
    usable = np.isfinite(two_theta) & np.isfinite(counts)
    x, y = np.asarray(two_theta, np.float64)[usable], np.asarray(counts, np.float64)[usable]
    if x.size < _FEWEST or np.ptp(y) <= 0.0:
        raise MeasurementError(
            f"{name}: {x.size} usable points of different intensity; at least {_FEWEST} are needed"
        )
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    variance = poisson_variance(y, _gain(y))
    if sigma is not None:
        given = np.asarray(sigma, np.float64)[usable][order]
        variance = np.where(np.isfinite(given) & (given > 0.0), given**2, variance)
    fwhm = _narrow_width(x, y)
    step = np.median(np.diff(x))
    # A power of two, so that patterns of an instrument have the same number of points and share compiled programs.
    merged = 2 ** int(max(0.0, np.floor(np.log2(fwhm / _POINTS_PER_FWHM / step))))
    if merged > 1:
        whole = x.size // merged * merged
        x, y, variance = (part[:whole].reshape(-1, merged).mean(axis=1) for part in (x, y, variance))
        variance = variance / merged
    background = subtract_background(y[None], x, "arpls")[1][0]
    peak = np.maximum(y - background, 0.0)
    counting = 1.0 / variance
    weights = 1.0 / (variance + (settings.model_error * peak) ** 2 + (settings.floor_error * peak.max()) ** 2)
    more = -x.size % _MULTIPLE
    ahead = x[-1] + (x[-1] - x[-2]) * np.arange(1, more + 1)
    return MeasuredPattern(
        name,
        np.concatenate([x, ahead]),
        np.pad(y, (0, more)),
        np.pad(weights, (0, more)),
        np.pad(counting, (0, more)),
        np.pad(background, (0, more)),
        x.size,
        fwhm,
    )


def _gain(y: Floats) -> float:
    """Return the variance of a point over its intensity: 1 for counts, otherwise estimated from neighbours.

    Third differences leave noise and remove what is smooth.
    """
    if np.all(y >= 0.0) and np.all(y == np.round(y)):
        return 1.0
    rough = np.diff(y, 3) ** 2 / 20.0
    level = np.maximum(np.abs(y[1:-2]), np.abs(y).max() * 1e-6)
    # A median of chi-squared with one degree of freedom is 0.455.
    return float(max(np.median(rough / level) / 0.455, 1e-12))


def _narrow_width(x: Floats, y: Floats) -> float:
    """Return the full width of the narrower of the strong peaks, in degree."""
    step = float(np.median(np.diff(x)))
    base = median_filter(y, size=min(y.size, 2 * (y.size // 40) + 1), mode="nearest")
    smooth = gaussian_filter1d(y, 1.0) - base
    found, _ = find_peaks(smooth, prominence=0.05 * smooth.max())
    if not found.size:
        return 10.0 * step
    widths = peak_widths(smooth, found, rel_height=0.5)[0] * step
    strongest = np.argsort(-smooth[found])[:15]
    return float(np.clip(np.percentile(widths[strongest], 10), 2.0 * step, 2.0))
