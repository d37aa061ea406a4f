"""Real spherical harmonics and Gaunt coefficients."""

from __future__ import annotations

from functools import lru_cache
from math import factorial, pi, sqrt

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from numpy.typing import NDArray

__all__ = ["degrees", "gaunt_coefficients", "real_harmonics"]


def degrees(largest: int) -> NDArray[np.intp]:
    """Return l of each harmonic up to l = `largest`, in the order of all arrays: l ascending, m from -l to l."""
    return np.array([ell for ell in range(largest + 1) for _ in range(2 * ell + 1)], np.intp)


def real_harmonics(directions: ArrayLike, largest: int) -> Array:
    """Return the orthonormal real spherical harmonics of unit vectors, shape (..., (largest + 1)^2).

    For m > 0, sqrt(2) times the real part of the complex harmonics without the factor (-1)^m; for m < 0 the imaginary
    part of those of -m. They are polynomials in the components, and so defined at the poles.

    Args:
        directions: Shape (..., 3).
        largest: The largest l.

    Source: Blanco, Florez and Bermejo, J. Mol. Struct. THEOCHEM 419, 19 (1997), eqs. 5 and 6.
    """
    x, y, z = jnp.moveaxis(jnp.asarray(directions), -1, 0)
    # (x + i y)^m.
    cosines, sines = [jnp.ones_like(x)], [jnp.zeros_like(x)]
    for _ in range(largest):
        c, s = cosines[-1], sines[-1]
        cosines.append(c * x - s * y)
        sines.append(c * y + s * x)
    found: dict[tuple[int, int], Array] = {}
    for m in range(largest + 1):
        # Associated Legendre functions without the power of the sine, which is in the powers above.
        legendre = [jnp.full_like(z, float(factorial(2 * m) // (2**m * factorial(m))))]
        for ell in range(m + 1, largest + 1):
            upper = (2 * ell - 1) * z * legendre[-1]
            if ell > m + 1:
                upper = upper - (ell + m - 1) * legendre[-2]
            legendre.append(upper / (ell - m))
        for ell, value in enumerate(legendre, m):
            norm = sqrt((2 * ell + 1) / (4.0 * pi) * factorial(ell - m) / factorial(ell + m))
            if m == 0:
                found[ell, 0] = norm * value
            else:
                found[ell, m] = sqrt(2.0) * norm * value * cosines[m]
                found[ell, -m] = sqrt(2.0) * norm * value * sines[m]
    return jnp.stack([found[ell, m] for ell in range(largest + 1) for m in range(-ell, ell + 1)], axis=-1)


@lru_cache(maxsize=4)
def gaunt_coefficients(largest: int) -> NDArray[np.float64]:
    """Return the integrals of Y_L Y_L' Y_L'' over the sphere, shape (n, n, n'').

    The quadrature is exact for these polynomials.

    Args:
        largest: Largest l and l'; l'' goes up to twice that.
    """
    # The total degree is 4 largest: as many nodes along z, and twice as many angles around it.
    nodes, weights = np.polynomial.legendre.leggauss(2 * largest + 1)
    around = 4 * largest + 1
    angles = 2.0 * pi * np.arange(around) / around
    rim = np.sqrt(1.0 - nodes**2)
    directions = np.stack(
        [np.outer(rim, np.cos(angles)), np.outer(rim, np.sin(angles)), np.outer(nodes, np.ones(around))],
        axis=-1,
    ).reshape(-1, 3)
    weight = np.repeat(weights * 2.0 * pi / around, around)
    values = _harmonics_in_double(directions, 2 * largest)
    few = values[:, : (largest + 1) ** 2]
    integrals = np.einsum("pa,pb,pc,p->abc", few, few, values, weight, optimize=True)
    integrals[np.abs(integrals) < 1e-12] = 0.0
    integrals.setflags(write=False)
    return np.asarray(integrals, np.float64)


def _harmonics_in_double(directions: NDArray[np.float64], largest: int) -> NDArray[np.float64]:
    import jax

    with jax.enable_x64(True), jax.ensure_compile_time_eval():
        return np.asarray(real_harmonics(jnp.asarray(directions, jnp.float64), largest), np.float64)
