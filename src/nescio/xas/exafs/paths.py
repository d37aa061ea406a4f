"""The EXAFS equation, for scattering paths and for a distribution of distances."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from scipy.interpolate import CubicSpline

from nescio.errors import ConfigurationError
from nescio.xas.feff import FeffPath
from nescio.xas.spectra import SQUARED_WAVENUMBER_PER_EV

__all__ = ["PathParameters", "PathTable", "chi_of_paths", "distribution_kernel", "path_table", "total_chi"]

# In 1 / angstrom^2; closer to the Fermi level the equation is not valid and divides by zero.
_LEAST_ENERGY = 1e-6
# In 1/angstrom; FEFF's wavenumbers are multiples of it.
_INTERVAL = 0.05
_ROUNDING = 1e-6
_QUANTITIES = ("amplitude", "phase", "momentum", "mean_free_path")


class PathTable(NamedTuple):
    """Scattering paths as piecewise cubic functions of the wavenumber, on equal intervals from zero."""

    coefficients: Array
    """Of amplitude, phase, momentum and mean free path, highest power first, shape (intervals, 4, 4, paths)."""
    interval: Array
    """Length of an interval in 1/angstrom."""
    half_length: Array
    """In angstrom, shape (paths,)."""
    degeneracy: Array
    """Degeneracy from FEFF, shape (paths,)."""


class PathParameters(NamedTuple):
    """Parameters of each path; every field broadcasts to shape (..., paths)."""

    degeneracy: ArrayLike
    """N; for single scattering the coordination number."""
    s02: ArrayLike = 1.0
    """Amplitude reduction factor."""
    e0: ArrayLike = 0.0
    """Shift of the energy origin of the photoelectron, in eV."""
    delta_r: ArrayLike = 0.0
    """Change of the half length, in angstrom."""
    sigma2: ArrayLike = 0.0
    """Second cumulant: mean square displacement of the half length, in angstrom^2."""
    third: ArrayLike = 0.0
    """Third cumulant, in angstrom^3."""
    fourth: ArrayLike = 0.0
    """Fourth cumulant, in angstrom^4."""
    broadening: ArrayLike | None = None
    """Imaginary part added to the photoelectron's energy, in eV; None is faster than zero."""


def path_table(paths: Sequence[FeffPath]) -> PathTable:
    """Combine paths in one table, up to the largest wavenumber that all of them reach.

    Raises:
        ConfigurationError: There are no paths, or one does not begin at zero.
    """
    if not paths:
        raise ConfigurationError("no scattering paths: needs one or more")
    for number, path in enumerate(paths):
        if path.wavenumber[0] > 0.0:
            raise ConfigurationError(f"path {number} begins at {path.wavenumber[0]:g} 1/angstrom; needs 0")
    intervals = int(min(path.wavenumber[-1] for path in paths) / _INTERVAL + _ROUNDING)
    knots = _INTERVAL * np.arange(intervals + 1)
    table = np.empty((intervals, 4, len(_QUANTITIES), len(paths)))
    for number, path in enumerate(paths):
        for place, name in enumerate(_QUANTITIES):
            own = CubicSpline(path.wavenumber, getattr(path, name))
            # FEFF's wavenumbers are among the knots: the function is the same.
            table[:, :, place, number] = np.transpose(CubicSpline(knots, own(knots)).c)
    return PathTable(
        jnp.asarray(table),
        jnp.asarray(_INTERVAL),
        jnp.asarray([path.half_length for path in paths]),
        jnp.asarray([path.degeneracy for path in paths]),
    )


def chi_of_paths(table: PathTable, parameters: PathParameters, wavenumber: ArrayLike) -> Array:
    """Return the complex chi of each path, shape (..., k, paths); its imaginary part is the measured chi.

    With the wavenumber p = p' + i / lambda in the solid, and q above the shifted origin:

    ``N S02 F(q) / (q (R + dR)^2) exp(-2 R p'' - 2 p^2 s2 + 2/3 p^4 c4) exp(i [2 q R + phi(q) + 2 p (dR - 2 s2 / R
    - 2/3 p^2 c3)])``.

    Args:
        table: Table of the paths.
        parameters: Fields that broadcast to shape (..., paths).
        wavenumber: In 1/angstrom, shape (k,). At and below the shifted origin, the scattering at zero is used.

    Source: Sayers, Stern and Lytle, Phys. Rev. Lett. 27, 1204 (1971); Rehr and Albers, Rev. Mod. Phys. 72, 621 (2000);
    cumulants and the term 2 s2 / R: Bunker, Nucl. Instrum. Methods 207, 437 (1983).
    """
    size, angle = _size_and_angle(table, parameters, wavenumber)
    return jnp.swapaxes(size * jnp.exp(1j * angle), -1, -2)


def total_chi(table: PathTable, parameters: PathParameters, wavenumber: ArrayLike) -> Array:
    """Return chi(k) summed over all paths, shape (..., k); see :func:`chi_of_paths`."""
    size, angle = _size_and_angle(table, parameters, wavenumber)
    return jnp.sum(size * jnp.sin(angle), axis=-2)


def _size_and_angle(
    table: PathTable, parameters: PathParameters, wavenumber: ArrayLike
) -> tuple[Array, Array]:
    """Return magnitude and phase of each path's chi, shape (..., paths, k), in real numbers.

    The wavenumber is the last axis, since it is the longest: this vectorises best.
    """
    kind = table.half_length.dtype

    def spread(field: ArrayLike) -> Array:
        # Add an axis for the wavenumbers.
        values = jnp.atleast_1d(jnp.asarray(field, kind))
        return values[..., None]

    n, s02, e0, delta_r, s2, c3, c4 = (spread(field) for field in parameters[:7])
    k = jnp.asarray(wavenumber, kind)
    q = jnp.sqrt(jnp.maximum(k**2 - e0 * SQUARED_WAVENUMBER_PER_EV, _LEAST_ENERGY))
    amplitude, phase, real, free = _looked_up(table, q)
    imaginary = 1.0 / free
    # The square of p, and p itself if there is a broadening.
    a, b = real**2 - imaginary**2, 2.0 * real * imaginary
    if parameters.broadening is not None:
        b = b + spread(parameters.broadening) * SQUARED_WAVENUMBER_PER_EV
        whole = jnp.sqrt(a**2 + b**2)
        real, imaginary = jnp.sqrt((whole + a) / 2.0), jnp.sqrt((whole - a) / 2.0)
    r = table.half_length[:, None]
    shift = delta_r - 2.0 * s2 / r - 2.0 / 3.0 * a * c3
    skew = -2.0 / 3.0 * b * c3
    damping = -2.0 * (a * s2 + imaginary * (r + shift) + real * skew) + 2.0 / 3.0 * (a**2 - b**2) * c4
    angle = 2.0 * (q * r + real * shift - imaginary * skew - b * s2) + phase + 4.0 / 3.0 * a * b * c4
    size = n * s02 * amplitude / (q * (r + delta_r) ** 2) * jnp.exp(damping)
    return size, angle


def _looked_up(table: PathTable, q: Array) -> tuple[Array, ...]:
    """Return amplitude, phase, momentum and mean free path at q, (..., paths, k), or (..., 1, k) for all paths."""
    intervals, _, _, paths = table.coefficients.shape
    place = jnp.clip((q / table.interval).astype(jnp.int32), 0, intervals - 1)
    beyond = jnp.minimum(q - place * table.interval, table.interval)[..., None, :, :]
    if q.shape[-2] == 1:
        # (..., k, power, quantity, paths)
        powers = jnp.moveaxis(table.coefficients[place[..., 0, :]], -4, -1)
    else:
        # (..., paths, k, power, quantity)
        own = table.coefficients[place, :, :, jnp.arange(paths)[:, None]]
        powers = jnp.moveaxis(own, (-2, -1), (-4, -3))
    values = powers[..., 0, :, :, :]
    for power in range(1, 4):
        values = values * beyond + powers[..., power, :, :, :]
    return tuple(jnp.moveaxis(values, -3, 0))


def distribution_kernel(
    path: FeffPath, wavenumber: ArrayLike, distance: ArrayLike, *, s02: float = 1.0
) -> Array:
    """Return the contribution of one neighbour at each distance to chi(k), shape (k, r).

    Multiply it by a distribution of neighbours in 1/angstrom and the step of the distances, and sum over the distances:
    this is chi(k) for any disorder, ``S02 integral g(R) F(k) exp(-2 R / lambda) sin(2 k R + phi(k)) / (k R^2) dR``.

    Args:
        path: Single-scattering path of such a neighbour; its distance affects only F and phi, and these only slightly.
        wavenumber: In 1/angstrom, shape (k,), positive.
        distance: In angstrom, shape (r,), positive.
        s02: Amplitude reduction factor.
    """
    table = path_table([path])
    k, r = jnp.asarray(wavenumber)[:, None], jnp.asarray(distance)
    amplitude, phase, _, free = (quantity.T for quantity in _looked_up(table, k.T))
    return s02 * amplitude / (k * r**2) * jnp.exp(-2.0 * r / free) * jnp.sin(2.0 * k * r + phase)
