"""Patterns of mixtures of two phases."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from nescio.xrd.disturbances import normalise

__all__ = ["mix"]


def mix(first: Array, second: Array, fraction: ArrayLike) -> Array:
    """Return ``x first + (1 - x) second`` scaled to 0-1, for patterns scaled to 0-1.

    Args:
        first: Shape (..., points).
        second: Shape (..., points).
        fraction: Shape (...), the fraction x of the first phase.

    Source: Banko et al. (2021), npj Comput. Mater. 7, 104, Methods.
    """
    x = jnp.asarray(fraction)[..., None]
    return normalise(x * first + (1.0 - x) * second)
