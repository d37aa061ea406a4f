"""Patterns of two phases side by side."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from nescio.xrd.disturbances import normalise

__all__ = ["mix"]


def mix(first: Array, second: Array, fraction: ArrayLike) -> Array:
    """Return ``x first + (1 - x) second`` scaled to 0-1, where both came scaled to 0-1.

    Args:
        first: Shape (..., points).
        second: Shape (..., points).
        fraction: Shape (...), the share x of the first.

    Source: Banko et al. (2021), npj Comput. Mater. 7, 104, Methods.
    """
    x = jnp.asarray(fraction)[..., None]
    return normalise(x * first + (1.0 - x) * second)
