"""Checks that find patterns which cannot be assessed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["problem_of"]

_Array = npt.NDArray[np.float64]

_LEAST_COVERED = 0.5
_PEAK_TO_NOISE = 5.0
# Widths in points over which the signal of a peak is summed.
_PEAK_WIDTHS = (1, 3, 9)
# This many neighbours with the same, largest value show saturation; small counts are equal by chance.
_SATURATED_RUN = 4
_CHANCE_COUNTS = 1000.0


def problem_of(measured: _Array, resampled: _Array, corrected: _Array, covered: npt.NDArray[np.bool_]) -> str:
    """Return why a pattern cannot be assessed; an empty string if it can.

    Args:
        measured: Shape (measured points,), NaN where nothing was measured.
        resampled: Shape (grid,), on the prior's grid, NaN where not covered.
        corrected: Shape (grid,), without background, NaN where not covered.
        covered: Shape (grid,).
    """
    if not covered.any():
        return "nothing was measured within the prior's range"
    share = float(covered.mean())
    if share < _LEAST_COVERED:
        return f"only {100 * share:.0f} % of the prior's range was measured, {100 * _LEAST_COVERED:.0f} % are needed"
    values = resampled[covered]
    if not values.any():
        return "all intensities are zero"
    if np.ptp(values) <= 1e-12 * np.abs(values).max():
        return "all intensities are the same"
    run = _saturated_run(measured)
    if run >= _SATURATED_RUN:
        return f"the detector was saturated: {run} neighbouring points share the largest intensity"
    if not _has_peak(corrected[covered], values):
        return f"no peak is {_PEAK_TO_NOISE:g} times higher than the noise"
    return ""


def _saturated_run(measured: _Array) -> int:
    """Return the length of the longest run of neighbours with the largest value."""
    largest = np.nanmax(measured)
    whole = bool(np.all(measured[np.isfinite(measured)] % 1 == 0))
    if largest <= 0 or (whole and largest < _CHANCE_COUNTS):
        return 0
    edges = np.diff(np.concatenate([[0], (measured == largest).astype(int), [0]]))
    return int((np.nonzero(edges == -1)[0] - np.nonzero(edges == 1)[0]).max())


def _has_peak(corrected: _Array, values: _Array) -> bool:
    # Differences of neighbours contain the noise and little of the peaks; 0.6745 and the square root of two
    # convert their median to a standard deviation.
    noise = float(np.median(np.abs(np.diff(values)))) / (0.6745 * np.sqrt(2.0))
    for width in _PEAK_WIDTHS:
        if corrected.size < width:
            break
        mean = np.convolve(corrected, np.full(width, 1.0 / width), mode="valid")
        if mean.max() > max(_PEAK_TO_NOISE * noise / np.sqrt(width), 0.0):
            return True
    return False
