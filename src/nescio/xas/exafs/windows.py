"""Windows that a spectrum is multiplied by before it is transformed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.special import i0

from nescio.errors import ConfigurationError

__all__ = ["WindowKind", "window"]

Floats = NDArray[np.float64]
WindowKind = Literal["kaiser", "hanning", "parzen", "welch", "sine", "gaussian"]

# Of a step; what lies so little below a grid point is meant to be on it.
_ROUNDING = 1e-4


def window(
    grid: NDArray[np.floating], low: float, high: float, taper: float = 1.0, kind: WindowKind = "kaiser"
) -> Floats:
    """Return a window that rises over `taper` about `low` and falls over `taper` about `high`.

    Where it begins to rise, is up, begins to fall and is down are grid points, the nearest ones below if need be: the
    convention of Athena and larch.

    Args:
        grid: Equally spaced, in any unit, shape (n,).
        low: Middle of the rise.
        high: Middle of the fall.
        taper: Width of both; of "kaiser" it is also the shape parameter, of "gaussian" the standard deviation.
        kind: Kaiser-Bessel, squared cosine (Hanning), straight line (Parzen), parabola (Welch), half a sine over all,
            or a Gaussian about the middle.

    Returns:
        Shape (n,), 0 to 1.

    Raises:
        ConfigurationError: `low` is not below `high`, `taper` is negative, or the kind is unknown.
    """
    if kind not in get_args(WindowKind):
        raise ConfigurationError(f"window {kind!r} is not known (known: {', '.join(get_args(WindowKind))})")
    if not low < high or taper < 0.0:
        raise ConfigurationError(
            f"window from {low:g} to {high:g}, taper {taper:g}: needs low < high and taper >= 0"
        )
    points = np.asarray(grid, np.float64)
    step = (points[-1] - points[0]) / (len(points) - 1)
    limits = np.array([low - taper / 2, low + taper / 2, high - taper / 2, high + taper / 2])
    places = np.floor((limits - points[0]) / step + _ROUNDING).astype(int).clip(0, len(points) - 1)
    up, top, fall, down = (float(points[place]) for place in places)
    if kind == "gaussian":
        away = (points - (up + down) / 2) / max(taper, _ROUNDING * step)
        return np.asarray(np.exp(-0.5 * away**2))
    if kind == "kaiser":
        inside = np.maximum(1.0 - ((points - (up + down) / 2) / ((down - up) / 2)) ** 2, 0.0)
        raised = i0(taper * np.sqrt(inside)) - 1.0
        return np.asarray(raised / max(i0(taper) - 1.0, 1e-10))
    if kind == "sine":
        share = np.clip((points - up) / (down - up), 0.0, 1.0)
        return np.asarray(np.sin(np.pi * share))
    # 0 before the rise to 1, 1 to 0 in the fall; a step where there is no taper.
    rise = np.clip((points - up) / max(top - up, _ROUNDING * step), 0.0, 1.0)
    drop = np.clip((down - points) / max(down - fall, _ROUNDING * step), 0.0, 1.0)
    drop = np.where(points <= fall, 1.0, drop)
    return _SHAPES[kind](rise) * _SHAPES[kind](drop)


_SHAPES: Mapping[str, Callable[[Floats], Floats]] = {
    "hanning": lambda share: np.asarray(np.sin(np.pi / 2 * share) ** 2),
    "parzen": lambda share: share,
    "welch": lambda share: 1.0 - (1.0 - share) ** 2,
}
