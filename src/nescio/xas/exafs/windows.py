"""Windows for Fourier transforms."""

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

# Share of a step; a limit this little below a grid point is on it.
_ROUNDING = 1e-4


def window(
    grid: NDArray[np.floating], low: float, high: float, taper: float = 1.0, kind: WindowKind = "kaiser"
) -> Floats:
    """Return a window that rises over `taper` around `low` and falls over `taper` around `high`.

    The four limits of rise and fall are rounded down to grid points, as in Athena and larch.

    Args:
        grid: Equally spaced, in any unit, shape (n,).
        low: Middle of the rise.
        high: Middle of the fall.
        taper: Width of rise and fall; also the shape parameter of "kaiser", and the standard deviation of "gaussian".
        kind: Kaiser-Bessel, squared cosine (Hanning), straight line (Parzen), parabola (Welch), half a sine over the
            whole range, or a Gaussian around the middle.

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
    # A rise from 0 to 1 and a fall from 1 to 0; steps if there is no taper.
    rise = np.clip((points - up) / max(top - up, _ROUNDING * step), 0.0, 1.0)
    drop = np.clip((down - points) / max(down - fall, _ROUNDING * step), 0.0, 1.0)
    drop = np.where(points <= fall, 1.0, drop)
    return _SHAPES[kind](rise) * _SHAPES[kind](drop)


_SHAPES: Mapping[str, Callable[[Floats], Floats]] = {
    "hanning": lambda share: np.asarray(np.sin(np.pi / 2 * share) ** 2),
    "parzen": lambda share: share,
    "welch": lambda share: 1.0 - (1.0 - share) ** 2,
}
