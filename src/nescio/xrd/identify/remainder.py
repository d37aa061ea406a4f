"""What a fit leaves over: the lines that no phase of the set explains."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, maximum_filter1d
from scipy.signal import find_peaks

from nescio.xrd.identify.fitting import POINTS_AS_ONE, Fitter, SetFit

__all__ = ["Line", "unexplained_lines"]

Floats = NDArray[np.float64]

# A line stands out from the noise, and from what the model misses beside explained peaks, by this many standard
# deviations.
_SIGNIFICANT = 6.0
# Beside a peak, a misfit of the first share of its height is the model's shape, not another phase's; where a peak
# stands, one of the second share is its intensity: texture, grains, a wrong structure.
_BESIDE, _BELOW = 0.08, 0.35
_FWHM_PER_SIGMA = 2.3548
_MOST_LINES = 30


@dataclass(frozen=True)
class Line:
    """A line that no phase explains."""

    two_theta: float
    """In degree."""
    d: float
    """In angstrom."""
    height: float
    """Above the fit, in the unit of the pattern."""
    share: float
    """Of the height of the highest peak of the pattern."""
    significance: float
    """Height in units of its standard deviation."""


def unexplained_lines(fitter: Fitter, fit: SetFit | None, temper: float) -> tuple[Line, ...]:
    """Return the unexplained lines of a pattern, the highest first.

    Args:
        fitter: For the pattern.
        fit: The best set; None if nothing fits.
        temper: By how much the variance of residuals exceeds the weights', neighbours counted as one.
    """
    pattern = fitter.pattern
    within = pattern.measured
    x, counts = pattern.two_theta[within], pattern.counts[within]
    background = pattern.background[within] if fit is None else fitter.background_of(fit)[within]
    signal = background if fit is None else fit.signal[within]
    step = float(np.median(np.diff(x)))
    sigma = max(pattern.fwhm / _FWHM_PER_SIGMA / step, 0.7)
    smooth = gaussian_filter1d(counts - signal, sigma)
    # A Gaussian window averages so many points.
    averaged = 2.0 * math.sqrt(math.pi) * sigma
    variance = gaussian_filter1d(1.0 / np.maximum(pattern.counting[within], 1e-30), sigma) / averaged
    bragg = np.maximum(signal - background, 0.0)
    width = _FWHM_PER_SIGMA * sigma
    misfit = np.maximum(
        _BESIDE * maximum_filter1d(bragg, int(3.0 * width) | 1),
        _BELOW * maximum_filter1d(bragg, int(1.2 * width) | 1),
    )
    excess = max(temper / POINTS_AS_ONE, 1.0)
    noise = np.sqrt(variance * excess + (misfit / _SIGNIFICANT) ** 2)
    ratio = smooth / np.maximum(noise, 1e-30)
    found, _ = find_peaks(ratio, height=_SIGNIFICANT, distance=max(int(width), 1))
    highest = max(pattern.highest, 1e-30)
    # Averaging lowers a peak of the width of the window by the square root of two.
    heights = math.sqrt(2.0) * smooth
    lines = [
        Line(
            float(x[i]),
            float(fitter.radiation.wavelength / (2.0 * np.sin(np.radians(x[i] / 2.0)))),
            float(heights[i]),
            float(heights[i] / highest),
            float(ratio[i]),
        )
        for i in found
    ]
    return tuple(sorted(lines, key=lambda line: -line.height)[:_MOST_LINES])
