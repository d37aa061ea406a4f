"""The shapes of networks without their numbers, to compare with stored ones before memory is taken for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

__all__ = ["is_array_or_shape", "shapes_of"]

_Tree = TypeVar("_Tree")


class _NoDraws:
    """Stands in for NumPy's generator while shapes are traced: all draws are zeros."""

    def uniform(self, low: float, high: float, size: Sequence[int]) -> Array:  # noqa: ARG002 - as NumPy's
        return jnp.zeros(size)

    def normal(self, loc: float, scale: float, size: Sequence[int]) -> Array:  # noqa: ARG002 - as NumPy's
        return jnp.zeros(size)


def shapes_of(build: Callable[[np.random.Generator], _Tree]) -> _Tree:
    """Return a tree of networks with a ``jax.ShapeDtypeStruct`` in place of each array; no memory is taken for them.

    Args:
        build: Makes the networks with initial weights drawn by a generator.
    """
    tree: _Tree = eqx.filter_eval_shape(build, cast("np.random.Generator", _NoDraws()))
    return tree


def is_array_or_shape(leaf: Any) -> bool:
    """Return whether a leaf of a tree is an array, or stands for one in what :func:`shapes_of` returned."""
    return eqx.is_array(leaf) or isinstance(leaf, jax.ShapeDtypeStruct)
