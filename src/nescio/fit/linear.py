"""Linear least squares of which some coefficients may not be negative."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

__all__ = ["masked_cholesky", "nonnegative_solution", "solve_masked"]

# Sweeps of coordinate descent; they need only find which coefficients are zero.
_SWEEPS = 60
# Added to the unit diagonal of a scaled matrix, so that columns that depend on one another can be solved.
_RIDGE, _LARGER_RIDGE = 1e-6, 1e-4


def masked_cholesky(matrix: Array, used: Array) -> tuple[Array, Array]:
    """Return the lower Cholesky factor of a symmetric matrix (n, n) scaled to unit diagonal, and the scale (n,).

    Rows and columns that are not `used` (n,) are those of the identity, and their scale is zero.
    """
    diagonal = jnp.where(used, jnp.diagonal(matrix), 1.0)
    scale = jnp.where(used & (diagonal > 0.0), 1.0 / jnp.sqrt(jnp.where(diagonal > 0.0, diagonal, 1.0)), 0.0)
    scaled = matrix * scale[:, None] * scale[None, :]
    identity = jnp.eye(matrix.shape[0], dtype=matrix.dtype)
    scaled = scaled + jnp.diag(jnp.where(scale > 0.0, 0.0, 1.0))
    factor = jnp.linalg.cholesky(scaled + _RIDGE * identity)
    # A matrix that is not positive definite to rounding has no factor; a little off its diagonal, it has.
    second = jnp.linalg.cholesky(scaled + _LARGER_RIDGE * identity)
    second = jnp.where(jnp.isfinite(second).all(), second, identity)
    return jnp.where(jnp.isfinite(factor).all(), factor, second), scale


def solve_masked(factor: Array, scale: Array, right: Array) -> Array:
    """Return the solution for a right side (n,) or (n, k) by what :func:`masked_cholesky` returned."""
    shape = scale if right.ndim == 1 else scale[:, None]
    return shape * jax.scipy.linalg.cho_solve((factor, True), shape * right)


def nonnegative_solution(
    gram: Array, moment: Array, nonnegative: Array, present: Array
) -> tuple[Array, Array]:
    """Return the coefficients that minimise ``c gram c / 2 - moment c`` under bounds.

    Args:
        gram: Shape (n, n): sum over points of products of columns, plus the precision of a prior.
        moment: Shape (n,): sum over points of each column times the data.
        nonnegative: Shape (n,): whether a coefficient may not be negative.
        present: Shape (n,): whether a column is used.

    Returns:
        Coefficients (n,), and whether each is free, neither zero by its bound nor absent (n,).

    Coordinate descent finds the coefficients at zero; the rest is solved exactly.
    """
    n = gram.shape[0]
    factor, scale = masked_cholesky(gram, present)
    start = solve_masked(factor, scale, moment)
    unit = gram * scale[:, None] * scale[None, :] + _RIDGE * jnp.eye(n, dtype=gram.dtype)
    right = scale * moment
    inverse = jnp.where(scale > 0.0, 1.0 / jnp.where(scale > 0.0, scale, 1.0), 0.0)
    first = jnp.where(nonnegative, jnp.maximum(start * inverse, 0.0), start * inverse)

    def sweep(_: int, current: Array) -> Array:
        def one(i: int, x: Array) -> Array:
            moved = x[i] + (right[i] - unit[i] @ x) / unit[i, i]
            moved = jnp.where(nonnegative[i], jnp.maximum(moved, 0.0), moved)
            changed: Array = x.at[i].set(jnp.where(scale[i] > 0.0, moved, 0.0))
            return changed

        after: Array = jax.lax.fori_loop(0, n, one, current)
        return after

    def descend() -> Array:
        last: Array = jax.lax.fori_loop(0, _SWEEPS, sweep, first)
        return last

    wrong = jnp.any(nonnegative & present & (start < 0.0))
    found = jax.lax.cond(wrong, descend, lambda: first)
    free = present & (~nonnegative | (found > 0.0))
    factor, scale = masked_cholesky(gram, free)
    exact = solve_masked(factor, scale, moment)
    return jnp.where(nonnegative, jnp.maximum(exact, 0.0), exact), free
