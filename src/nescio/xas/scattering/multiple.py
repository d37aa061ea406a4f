"""Full multiple scattering: a photoelectron returns to the absorber after any number of scatterings."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from nescio.xas.scattering.harmonics import degrees
from nescio.xas.scattering.propagator import PairTable, free_propagator, pair_table

__all__ = [
    "ITERATIONS",
    "TOLERANCE",
    "absorber_green_function",
]

ITERATIONS = 80
"""Largest number of iterations; about ten suffice away from the Fermi level."""
_USELESS = 0.1
_State = tuple[Array, Array, Array, Array, Array]

TOLERANCE = 1e-3
"""Relative residual of the solution; the result has an error of its square."""


@partial(jax.jit, static_argnames=("channels", "iterations"))
def absorber_green_function(
    positions: ArrayLike,
    potentials: ArrayLike,
    wavenumber: ArrayLike,
    phase_shifts: ArrayLike,
    *,
    channels: tuple[int, ...],
    sigma2: ArrayLike = 0.0,
    tolerance: float = TOLERANCE,
    iterations: int = ITERATIONS,
) -> Array:
    """Return the trace over m of the scattering part of the absorber's Green function, over 2 l + 1, (channels, n).

    ``G = (1 - G0 t)^-1 G0`` over all atoms and waves, with t = exp(i delta) sin(delta). With S = sqrt(t) and the
    symmetric matrix A = 1 - S G0 S, the absorber's block is b^T A^-1 b with its column b = S G0. There is one linear
    system for each wave of the absorber, solved by conjugate orthogonal gradients. The bilinear form
    ``2 b^T x - x^T A x`` is stationary at the solution: its error is of second order in the error of x, and its
    derivative needs no derivative of x.

    Args:
        positions: In angstrom, shape (atoms, 3), the absorber first. Atoms with a negative potential are ignored.
        potentials: Index into `phase_shifts` for each atom, shape (atoms,).
        wavenumber: Complex, in 1/angstrom, shape (n,).
        phase_shifts: Complex, in radian, shape (potentials, l, n).
        channels: Angular momenta of the absorber to return.
        sigma2: See :func:`nescio.xas.scattering.propagator.free_propagator`.
        tolerance: Relative residual at which the iteration stops.
        iterations: Largest number of iterations. If the relative residual then exceeds 0.1, NaN is returned: atoms are
            too close, or the phase shifts are not those of atoms.

    Source: Ankudinov, Ravel, Rehr and Conradson, Phys. Rev. B 58, 7565 (1998), eqs. 12 to 14; Rehr and Albers, Rev.
    Mod. Phys. 72, 621 (2000), section III; the solver: van der Vorst and Melissen, IEEE Trans. Magn. 26, 706 (1990).
    """
    shifts = jnp.asarray(phase_shifts)
    largest = shifts.shape[1] - 1
    kinds = jnp.asarray(potentials)
    table = pair_table(positions, largest)
    waves = np.concatenate([np.flatnonzero(degrees(largest) == ell) for ell in channels])
    each = 2 * np.array(channels) + 1
    owners = np.repeat(np.arange(len(channels)), each)
    averages = (owners[None] == np.arange(len(channels))[:, None]) / each[:, None]

    def at_energy(k: Array, shift: Array) -> Array:
        t = jnp.exp(1j * shift) * jnp.sin(shift)
        t = jnp.where((kinds >= 0)[:, None], t[jnp.maximum(kinds, 0)], 0.0)
        root = jnp.sqrt(
            jnp.repeat(t, np.arange(1, 2 * largest + 2, 2), axis=1, total_repeat_length=(largest + 1) ** 2)
        )
        forms = _bilinear_forms(table, k, jnp.ravel(root), waves, sigma2, tolerance, iterations)
        return jnp.asarray(averages, forms.real.dtype) @ forms

    one = jax.checkpoint(lambda point: at_energy(*point))
    found: Array = jax.lax.map(one, (jnp.asarray(wavenumber), jnp.moveaxis(shifts, -1, 0)))
    return found.T


def _bilinear_forms(
    table: PairTable,
    k: Array,
    root: Array,
    waves: np.ndarray,
    sigma2: ArrayLike,
    tolerance: float,
    iterations: int,
) -> Array:
    """Return b^T A^-1 b for each wave of the absorber, shape (waves,)."""
    real, imaginary = free_propagator(table, k, sigma2)
    both = jnp.concatenate([real, imaginary])
    size = root.shape[0]

    def through(matrix: Array, x: Array) -> Array:
        """Return S G0 S x for columns x, in real arithmetic, which is several times faster."""
        scaled = root[:, None] * x
        columns = scaled.shape[1]
        product = jnp.matmul(matrix, jnp.concatenate([scaled.real, scaled.imag], axis=1), precision="highest")
        up, down = product[:size], product[size:]
        return root[:, None] * (
            (up[:, :columns] - down[:, columns:]) + 1j * (up[:, columns:] + down[:, :columns])
        )

    b = root[:, None] * (real[:, waves] + 1j * imaginary[:, waves])
    # Constants for the gradient, since the form is stationary in x.
    fixed, right = jax.lax.stop_gradient(both), jax.lax.stop_gradient(b)
    x, left = jax.lax.stop_gradient(_solved(lambda v: v - through(fixed, v), right, tolerance, iterations))
    image = x - through(both, x)
    forms = 2.0 * jnp.sum(b * x, axis=0) - jnp.sum(x * image, axis=0)
    return jnp.where(left <= _USELESS, forms, jnp.nan)


def _solved(
    apply: Callable[[Array], Array], right: Array, tolerance: float, iterations: int
) -> tuple[Array, Array]:
    """Solve A x = b with a complex symmetric A for several columns b, by conjugate orthogonal gradients.

    Returns the columns x and their relative residuals.
    """
    smallest = float(np.finfo(right.real.dtype).tiny)
    whole = jnp.maximum(jnp.sum(jnp.abs(right) ** 2, axis=0), smallest)
    goal = tolerance**2 * whole

    def unfinished(state: _State) -> Array:
        step, _, residual, *_ = state
        return (step < iterations) & jnp.any(jnp.sum(jnp.abs(residual) ** 2, axis=0) > goal)

    def advanced(state: _State) -> _State:
        step, x, residual, direction, rho = state
        image = apply(direction)
        alpha = _ratio(rho, jnp.sum(direction * image, axis=0))
        x = x + alpha * direction
        residual = residual - alpha * image
        after = jnp.sum(residual * residual, axis=0)
        direction = residual + _ratio(after, rho) * direction
        return step + 1, x, residual, direction, after

    start = (jnp.zeros((), jnp.int32), jnp.zeros_like(right), right, right, jnp.sum(right * right, axis=0))
    _, x, residual, *_ = jax.lax.while_loop(unfinished, advanced, start)
    return x, jnp.sqrt(jnp.sum(jnp.abs(residual) ** 2, axis=0) / whole)


def _ratio(above: Array, below: Array) -> Array:
    """Return a quotient, zero if the divisor is zero."""
    nothing = below == 0.0
    return jnp.where(nothing, 0.0, above / jnp.where(nothing, 1.0, below))
