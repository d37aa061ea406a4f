"""Shared layers, ensembles of networks, and shapes of a network without its arrays."""

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
    """Source of initial weights: a `numpy.random.Generator`, or a stand-in that gives only shapes.

    NumPy draws the weights, since compiling a random stream in JAX for one use takes seconds.
    """

    def uniform(self, low: float, high: float, size: tuple[int, ...]) -> Any:
        """Draw an array of shape `size` from a uniform distribution."""

    def normal(self, loc: float, scale: float, size: tuple[int, ...]) -> Any:
        """Draw an array of shape `size` from a normal distribution."""


class Dense(eqx.Module):
    """An affine map of the last axis."""

    weight: Array
    bias: Array

    def __init__(self, inputs: int, outputs: int, rng: Draws) -> None:
        """Draw initial weights; biases are zero."""
        # Glorot and Bengio (2010): uniform; the variance preserves the scale of signals in both directions.
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
    """Return one module with the arrays of all members stacked along a new leading axis."""
    arrays = [eqx.filter(member, eqx.is_array) for member in members]
    together: _Module = eqx.combine(
        jax.tree.map(lambda *leaves: jnp.stack(leaves), *arrays),
        eqx.filter(members[0], eqx.is_array, inverse=True),
    )
    return together


class _ShapesAlone:
    """Stand-in for a random generator when only shapes are needed."""

    def uniform(self, low: float, high: float, size: tuple[int, ...]) -> Array:  # noqa: ARG002 - as NumPy's
        return jnp.zeros(size, jnp.float32)

    def normal(self, loc: float, scale: float, size: tuple[int, ...]) -> Array:  # noqa: ARG002 - as NumPy's
        return jnp.zeros(size, jnp.float32)


def shapes_of(make: Callable[[Draws], _Module]) -> _Module:
    """Return the module that `make` would build, with shapes and types instead of arrays.

    No array is allocated, so stored arrays can be checked against settings of any size first.

    Args:
        make: Function that builds a module from a source of initial weights.
    """
    shapes: _Module = eqx.filter_eval_shape(lambda: make(_ShapesAlone()))
    return shapes
