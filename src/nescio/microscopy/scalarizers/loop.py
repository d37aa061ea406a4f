"""Hysteresis loops: the two branches and their quantities."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nescio.errors import ScalarizerError
from nescio.explore import integral_weights, noise_sd, value_weights

__all__ = [
    "Branch",
    "Crossing",
    "Floats",
    "Loop",
    "crossing",
    "departure",
    "loop_from",
]

Floats = NDArray[np.float64]

# Share of the bias range, at each end, in which a loop is regarded as saturated.
_SATURATED = 0.1
_LEAST_POINTS = 3
# Saturation levels that differ by fewer standard deviations are regarded as equal.
_SIGNIFICANT = 3.0


class Branch(NamedTuple):
    """The part of a loop with rising bias, or with falling bias."""

    bias: Floats
    """Shape (points,), increasing."""
    response: Floats
    """Shape (points,), mean of all measurements at each bias."""
    sd: Floats
    """Shape (points,), standard deviation of that mean."""


class Crossing(NamedTuple):
    """Point at which a branch crosses a level."""

    bias: float
    sd: float
    """Standard deviation from the noise of the branch, without that of the level."""
    slope: float
    """Slope of the response at this point."""


class Loop(NamedTuple):
    """Two branches, and the bias range that both cover."""

    rising: Branch
    falling: Branch
    low: float
    """Lower end of the range."""
    high: float
    """Upper end of the range."""

    def work(self) -> tuple[float, float]:
        """Return the integral of the falling minus the rising branch over the bias, and its standard deviation."""
        weights = [
            integral_weights(branch.bias, self.low, self.high) for branch in (self.falling, self.rising)
        ]
        return self._difference(*weights)

    def opening(self, bias: float) -> tuple[float, float]:
        """Return the falling minus the rising branch at a bias, and its standard deviation.

        Raises:
            ScalarizerError: The bias is outside the range.
        """
        if not self.low <= bias <= self.high:
            raise ScalarizerError(
                f"the bias ranges from {self.low:g} to {self.high:g}, which does not include {bias:g}"
            )
        return self._difference(*[value_weights(branch.bias, bias) for branch in (self.falling, self.rising)])

    def _difference(self, falling: Floats, rising: Floats) -> tuple[float, float]:
        value = falling @ self.falling.response - rising @ self.rising.response
        variance = np.sum((falling * self.falling.sd) ** 2) + np.sum((rising * self.rising.sd) ** 2)
        return float(value), float(np.sqrt(variance))

    def saturation(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Return the levels at the lowest and the highest bias, each with its standard deviation.

        Raises:
            ScalarizerError: The levels do not differ significantly: the loop does not switch.
        """
        edge = _SATURATED * (self.high - self.low)
        lowest, highest = self._level(self.low, self.low + edge), self._level(self.high - edge, self.high)
        spread = _SIGNIFICANT * (lowest[1] ** 2 + highest[1] ** 2) ** 0.5
        if lowest[0] == highest[0] or abs(highest[0] - lowest[0]) <= spread:
            raise ScalarizerError(
                f"the loop does not switch: the response is {lowest[0]:.3g} +- {lowest[1]:.2g} at the lowest bias "
                f"and {highest[0]:.3g} +- {highest[1]:.2g} at the highest"
            )
        return lowest, highest

    def _level(self, low: float, high: float) -> tuple[float, float]:
        values, variances = [], []
        for branch in (self.rising, self.falling):
            inside = (branch.bias >= low) & (branch.bias <= high)
            values.append(branch.response[inside])
            variances.append(branch.sd[inside] ** 2)
        level, variance = np.concatenate(values), np.concatenate(variances)
        if level.size == 0:
            raise ScalarizerError(
                f"there are no points from bias {low:g} to {high:g}, where the loop should be saturated"
            )
        return float(level.mean()), float(np.sqrt(variance.sum()) / level.size)


def crossing(branch: Branch, level: float, what: str) -> Crossing:
    """Return the point at which a branch crosses a level; of several crossings (noise), the middle one.

    Raises:
        ScalarizerError: The branch never crosses the level.
    """
    above = branch.response > level
    places = np.flatnonzero(above[1:] != above[:-1])
    if places.size == 0:
        raise ScalarizerError(f"the {what} branch never crosses {level:.3g}: it does not switch")
    return _crossing(branch, level, int(places[places.size // 2]))


def departure(branch: Branch, level: float, before: float, *, rising: bool, what: str) -> Crossing:
    """Return the last point at which a branch crosses a level before the bias `before`.

    Raises:
        ScalarizerError: The branch is beyond the level from the start.
    """
    above = branch.response > level
    places = np.flatnonzero(above[1:] != above[:-1])
    places = places[branch.bias[places] <= before] if rising else places[branch.bias[places + 1] >= before]
    if places.size == 0:
        raise ScalarizerError(f"the {what} branch is not saturated at its start")
    return _crossing(branch, level, int(places[-1] if rising else places[0]))


def _crossing(branch: Branch, level: float, place: int) -> Crossing:
    bias, response = branch.bias, branch.response
    step = response[place + 1] - response[place]
    part = float((level - response[place]) / step)
    at = float(bias[place] + part * (bias[place + 1] - bias[place]))
    first, last = max(place - 1, 0), min(place + 2, bias.size - 1)
    # The slope is taken over three steps, to reduce noise.
    slope = float((response[last] - response[first]) / (bias[last] - bias[first]))
    noise = float(np.hypot((1.0 - part) * branch.sd[place], part * branch.sd[place + 1]))
    return Crossing(at, noise / abs(slope) if slope else float("nan"), slope)


def loop_from(bias: Floats, response: Floats) -> Loop:
    """Return the two branches of a loop with any starting bias.

    Each point belongs to the branch in which the bias was changing; turning points belong to both. Measurements at the
    same bias are averaged over sweeps.

    Args:
        bias: Shape (sweeps, points), in the order of measurement.
        response: Shape (sweeps, points).

    Raises:
        ScalarizerError: The bias does not rise and fall, or there are too few finite values.
    """
    good = np.isfinite(response) & np.isfinite(bias)
    if not good.any():
        raise ScalarizerError("the spectrum holds no finite value")
    if 2 * good.sum() < good.size:
        raise ScalarizerError(f"{good.size - good.sum()} of the spectrum's {good.size} values are not finite")
    span = float(np.ptp(bias[good]))
    steps = np.diff(bias, axis=1)
    up, down = steps > 1e-6 * span, steps < -1e-6 * span
    noise = noise_sd(np.where(good, response, np.nan))
    branches = []
    for moving, what in ((up, "rises"), (down, "falls")):
        part = np.zeros(bias.shape, bool)
        part[:, 1:] |= moving
        part[:, :-1] |= moving
        part &= good
        branches.append(_branch(bias[part], response[part], noise, span, what))
    rising, falling = branches
    low = float(max(rising.bias[0], falling.bias[0]))
    high = float(min(rising.bias[-1], falling.bias[-1]))
    if not low < high:
        raise ScalarizerError("the ranges of rising and falling bias do not overlap: this is not a loop")
    return Loop(rising, falling, low, high)


def _branch(bias: Floats, response: Floats, noise: float, span: float, what: str) -> Branch:
    order = np.argsort(bias, kind="stable")
    bias, response = bias[order], response[order]
    starts = np.ones(bias.size, bool)
    starts[1:] = np.diff(bias) > 1e-6 * span
    if starts.sum() < _LEAST_POINTS:
        raise ScalarizerError(
            f"the bias {what} over {starts.sum()} points; a branch needs at least {_LEAST_POINTS}"
        )
    first = np.flatnonzero(starts)
    count = np.diff(np.append(first, bias.size))
    return Branch(
        np.add.reduceat(bias, first) / count, np.add.reduceat(response, first) / count, noise / np.sqrt(count)
    )
