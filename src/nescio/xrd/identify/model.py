"""The model of a measured pattern: phases with profiles of their own on a background, as columns of a linear fit."""

from __future__ import annotations

import math
from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from nescio.fit import Model
from nescio.xrd.pattern import Crystal, PatternParameters, bragg_peaks
from nescio.xrd.profile import gaussian, lorentzian, pseudo_voigt
from nescio.xrd.radiation import Radiation

__all__ = ["PHASE_VALUES", "SHARED_VALUES", "PatternModel", "phase_parameters"]

SHARED_VALUES = ("zero_shift", "displacement_mm", "log_instrument_fwhm", "instrument_lorentzian")
"""Values that all phases share: degree, mm, logarithm of degree, degree."""
PHASE_VALUES = (
    "strain_a", "strain_b", "strain_c", "angle_alpha", "angle_beta", "angle_gamma",
    "log_size", "log_microstrain", "mixing", "log_march", "b_iso",
)  # fmt: skip
"""Values of each phase: relative changes of a, b, c; changes of angles in degree; logarithms of the crystallite size in
nm and of the microstrain; Lorentzian share of the sample's broadening; logarithm of March's r; B in angstrom^2."""
_SHARED, _OWN = len(SHARED_VALUES), len(PHASE_VALUES)
_AT = {name: place for place, name in enumerate(PHASE_VALUES)}
_LN2 = math.log(2.0)
# A derivative takes this part of a window, and this many reflections, which come strongest first: enough to find the
# way downhill, and for errors of values, in a fraction of the time.
_SLOPE_WINDOW, _SLOPE_ROWS = 4, 96
# Power of the ratio of the distance from a peak to half its window: peaks are as they are up to half of that.
_TAPER = 8


def phase_parameters(shared: Array, own: Array, axis: Array) -> PatternParameters:
    """Return the parameters of a phase's pattern.

    Args:
        shared: Shape (4,), see `SHARED_VALUES`.
        own: Shape (11,), see `PHASE_VALUES`.
        axis: Shape (3,), indices of the plane whose normal is the texture axis.
    """
    width = jnp.exp(shared[2])
    return PatternParameters(
        length_change=own[0:3],
        angle_change=own[3:6],
        texture_axis=axis,
        march_coefficient=jnp.exp(own[_AT["log_march"]]),
        crystallite_size_nm=jnp.exp(own[_AT["log_size"]]),
        microstrain=jnp.exp(own[_AT["log_microstrain"]]),
        mixing=own[_AT["mixing"]],
        caglioti=jnp.stack([jnp.zeros_like(width), jnp.zeros_like(width), width**2]),
        lorentzian_xy=jnp.stack([jnp.zeros_like(width), shared[3]]),
        zero_shift=shared[0],
        displacement_mm=shared[1],
        b_iso=own[_AT["b_iso"]],
    )


class PatternModel(Model):
    """Columns: one pattern for each phase, then the background's.

    Each peak is drawn on a window of points about its position, so that the cost of a pattern grows with its peaks, not
    with its length.
    """

    crystals: Crystal
    """Of equal padded shapes, stacked along a leading axis (phases, ...)."""
    axes: Array
    """Shape (phases, 3): texture axes."""
    background: Array
    """Shape (points, terms)."""
    two_theta: Array
    """Shape (points,), increasing, in degree."""
    radiation: Radiation = eqx.field(static=True)
    polarisation: float = eqx.field(static=True)
    radius_mm: float = eqx.field(static=True)
    window: int = eqx.field(static=True)
    """Number of points of a window."""

    def design(self, values: Array) -> Array:
        """Return the columns, shape (points, phases + terms)."""
        shared, own = self._split(values)
        columns = jax.vmap(lambda crystal, axis, own: self._column(crystal, axis, shared, own))(
            self.crystals, self.axes, own
        )
        return jnp.concatenate([columns.T, self.background], axis=1)

    def jacobian(self, values: Array, coefficients: Array) -> Array:
        """Return the derivative of the signal by the values, shape (points, values)."""
        shared, own = self._split(values)
        slopes = jax.vmap(lambda crystal, axis, own: self._slopes(crystal, axis, shared, own))(
            self.crystals, self.axes, own
        )
        slopes = slopes * coefficients[: own.shape[0], None, None]
        common = jnp.sum(slopes[:, :, :_SHARED], axis=0)
        of_phases = jnp.moveaxis(slopes[:, :, _SHARED:], 0, 1).reshape(common.shape[0], -1)
        return jnp.concatenate([common, of_phases], axis=1)

    def _split(self, values: Array) -> tuple[Array, Array]:
        return values[:_SHARED], values[_SHARED:].reshape(-1, _OWN)

    def _peaks(self, crystal: Crystal, axis: Array, values: Array) -> tuple[Array, Array, Array, Array]:
        parameters = phase_parameters(values[:_SHARED], values[_SHARED:], axis)
        return bragg_peaks(crystal, parameters, self.radiation, self.polarisation, self.radius_mm)

    def _windows(self, position: Array, window: int) -> tuple[Array, Array]:
        """Return indices (peaks, window) of the points about each peak, and their distance from it in degree."""
        grid = self.two_theta
        first = jnp.searchsorted(grid, jax.lax.stop_gradient(position)) - window // 2
        first = jnp.clip(first, 0, grid.shape[0] - window)
        index = first[:, None] + jnp.arange(window)
        return index, grid[index] - position[:, None]

    def _taper(self, offset: Array, window: int) -> tuple[Array, Array]:
        """Return a factor that lets peaks end smoothly at the end of their window, and its derivative."""
        step = (self.two_theta[-1] - self.two_theta[0]) / (self.two_theta.shape[0] - 1)
        reach = (window // 2 - 1) * step
        ratio = jnp.clip(offset / reach, -1.0, 1.0)
        return 1.0 - ratio**_TAPER, -_TAPER * ratio ** (_TAPER - 1) / reach

    def _column(self, crystal: Crystal, axis: Array, shared: Array, own: Array) -> Array:
        position, area, fwhm, mixing = self._peaks(crystal, axis, jnp.concatenate([shared, own]))
        index, offset = self._windows(position, self.window)
        height = area[:, None] * pseudo_voigt(offset, fwhm[:, None], mixing[:, None])
        height = height * self._taper(offset, self.window)[0]
        return jnp.zeros(self.two_theta.shape[0]).at[index].add(height)

    def _slopes(self, crystal: Crystal, axis: Array, shared: Array, own: Array) -> Array:
        """Return the derivative of a phase's column by shared values and its own, shape (points, values).

        Weak reflections and the tails of peaks are left out, see `_SLOPE_WINDOW`.
        """
        values = jnp.concatenate([shared, own])
        window = min(max(self.window // _SLOPE_WINDOW, 32), self.window)
        crystal = replace(
            crystal,
            equivalents=crystal.equivalents[:_SLOPE_ROWS],
            weights=crystal.weights[:_SLOPE_ROWS],
            strength=crystal.strength[:_SLOPE_ROWS],
        )
        position, area, fwhm, mixing = self._peaks(crystal, axis, values)
        by_value = jax.jacfwd(lambda at: jnp.stack(self._peaks(crystal, axis, at), axis=1))(values)
        index, u = self._windows(position, window)
        w, m = fwhm[:, None], mixing[:, None]
        shapes = gaussian(u, w), lorentzian(u, w)
        square = w**2 + 4.0 * u**2
        gaussian_part, lorentzian_part = (1.0 - m) * shapes[0], m * shapes[1]
        by_position = lorentzian_part * 8.0 * u / square + gaussian_part * 8.0 * _LN2 * u / w**2
        by_width = lorentzian_part * (1.0 / w - 2.0 * w / square) + gaussian_part * (
            8.0 * _LN2 * u**2 / w**3 - 1.0 / w
        )
        # Peaks whose area is zero, outside of the range or padded, stay so.
        a = jnp.where(area > 0.0, area, 0.0)[:, None]
        shape = jnp.where(a > 0.0, lorentzian_part + gaussian_part, 0.0)
        taper, falling = self._taper(u, window)
        by_position = taper * by_position - shape * falling
        by_width, by_mixing = taper * by_width, taper * (shapes[1] - shapes[0])
        heights = jnp.stack([a * by_position, taper * shape, a * by_width, a * by_mixing], axis=2)
        slopes = jnp.einsum("pws,psv->pwv", heights, by_value)
        return jnp.zeros((self.two_theta.shape[0], values.shape[0])).at[index].add(slopes)
