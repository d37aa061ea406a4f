"""Extreme peak widths of a prior, which the comb must resolve."""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from nescio.xrd.pattern import PatternParameters, peak_widths
from nescio.xrd.settings import PriorSettings

__all__ = ["WidthRange", "width_range"]

# No diffractometer gives narrower peaks than this, in degree.
_LEAST = 0.02
_ANGLES = 16
# Beyond the ends of the range, in degree: reflections that still extend into it.
_TAIL_DEGREE = 4.0


class WidthRange(NamedTuple):
    """Extremes over all patterns of a prior."""

    narrowest: float
    """Narrowest peak, full width at half maximum in degree."""
    ratio: float
    """Ratio of the widest to the narrowest peak within one pattern."""


def width_range(settings: PriorSettings, wavelength: float, two_theta: NDArray[np.float64]) -> WidthRange:
    """Return the extremes over the corners of the settings' ranges.

    Args:
        settings: Of the prior.
        wavelength: In angstrom.
        two_theta: Shape (points,), grid in degree.
    """
    b, i = settings.broadening, settings.instrument
    varied = (b.crystallite_size_nm, b.microstrain, b.mixing, i.u, i.v, i.w, i.x, i.y)
    corners = np.array(list(product(*({d.low, d.high} for d in varied))), np.float32)
    ends = np.radians([max(two_theta[0] - _TAIL_DEGREE, 1.0), min(two_theta[-1] + _TAIL_DEGREE, 170.0)]) / 2.0
    theta = jnp.linspace(ends[0], ends[1], _ANGLES)

    def widths(corner: jax.Array) -> jax.Array:
        size, microstrain, mixing, u, v, w, x, y = corner
        parameters = PatternParameters(
            crystallite_size_nm=size,
            microstrain=microstrain,
            mixing=mixing,
            caglioti=jnp.stack([u, v, w]),
            lorentzian_xy=jnp.stack([x, y]),
        )
        return peak_widths(parameters, wavelength, theta)[0]

    fwhm = np.maximum(np.asarray(jax.jit(jax.vmap(widths))(corners)), _LEAST)
    return WidthRange(float(fwhm.min()), float((fwhm.max(axis=1) / fwhm.min(axis=1)).max()))
