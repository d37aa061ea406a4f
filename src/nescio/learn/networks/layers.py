"""Layers that networks share, ensembles of networks, and the shapes of a network without its arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

__all__ = ["Dense", "Draws", "he_normal", "shapes_of", "stacked"]

_Module = TypeVar("_Module", bound=eqx.Module)


class Draws(Protocol):
    """What draws initial weights: a `numpy.random.Generator`, or for shapes alone a stand-in.

    NumPy draws weights because a random stream inside JAX would take seconds to compile for one use.
    """

    def uniform(self, low: float, high: float, size: tuple[int, ...]) -> Any:
        """Draw uniformly, an array of shape `size`."""

    def normal(self, loc: float, scale: float, size: tuple[int, ...]) -> Any:
        """Draw from a normal distribution, an array of shape `size`."""


class Dense(eqx.Module):
    """An affine map of the last axis."""

    weight: Array
    bias: Array

    def __init__(self, inputs: int, outputs: int, rng: Draws) -> None:
        """Draw initial weights; biases are zero."""
        # Glorot and Bengio (2010): uniform, with the variance that keeps signals' scale in both directions.
        limit = (6.0 / (inputs + outputs)) ** 0.5
        self.weight = jnp.asarray(rng.uniform(-limit, limit, (inputs, outputs)), jnp.float32)
        self.bias = jnp.zeros(outputs, jnp.float32)

    def __call__(self, x: Array) -> Array:
        """Return shape (..., outputs) for (..., inputs)."""
        return x @ self.weight + self.bias


def he_normal(rng: Draws, inputs: int, outputs: int) -> Array:
    """Draw weights for rectified layers: He et al. (2015), arXiv:1502.01852."""
    return jnp.asarray(rng.normal(0.0, (2.0 / inputs) ** 0.5, (inputs, outputs)), jnp.float32)


def stacked(members: Sequence[_Module]) -> _Module:
    """Return one module that holds the arrays of all members along a new leading axis."""
    arrays = [eqx.filter(member, eqx.is_array) for member in members]
    together: _Module = eqx.combine(
        jax.tree.map(lambda *leaves: jnp.stack(leaves), *arrays),
        eqx.filter(members[0], eqx.is_array, inverse=True),
    )
    return together


class _ShapesAlone:
    """Stands in for a random generator while only shapes are asked for."""

    def uniform(self, low: float, high: float, size: tuple[int, ...]) -> Array:  # noqa: ARG002 - as NumPy's
        return jnp.zeros(size, jnp.float32)

    def normal(self, loc: float, scale: float, size: tuple[int, ...]) -> Array:  # noqa: ARG002 - as NumPy's
        return jnp.zeros(size, jnp.float32)


def shapes_of(make: Callable[[Draws], _Module]) -> _Module:
    """Return the module that `make` would build, with shapes and types where its arrays would be.

    No array is made, so that stored arrays can be compared with settings of any size before memory is claimed.

    Args:
        make: Builds a module from what draws its initial weights.
    """
    shapes: _Module = eqx.filter_eval_shape(lambda: make(_ShapesAlone()))
    return shapes
