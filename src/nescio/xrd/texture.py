"""Preferred orientation."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

__all__ = ["cosine_squared", "march_dollase"]


def cosine_squared(miller: ArrayLike, axis: ArrayLike, reciprocal_metric: ArrayLike) -> Array:
    """Return the squared cosine between lattice-plane normals.

    Args:
        miller: Shape (..., 3), indices of planes.
        axis: Shape (3,), indices of the plane whose normal is the texture axis; need not be whole numbers.
        reciprocal_metric: Shape (3, 3), in 1/angstrom^2.

    Returns:
        Shape (...,), between 0 and 1.
    """
    h = jnp.asarray(miller)
    g = jnp.asarray(reciprocal_metric)
    dual = g @ jnp.asarray(axis)
    length_axis = jnp.dot(jnp.asarray(axis), dual)
    # The quadratic form is written explicitly: as a contraction, h @ g @ h is slower for many small vectors.
    length = (
        g[0, 0] * h[..., 0] ** 2
        + g[1, 1] * h[..., 1] ** 2
        + g[2, 2] * h[..., 2] ** 2
        + 2.0 * (g[0, 1] * h[..., 0] * h[..., 1] + g[0, 2] * h[..., 0] * h[..., 2])
        + 2.0 * g[1, 2] * h[..., 1] * h[..., 2]
    )
    projection = h[..., 0] * dual[0] + h[..., 1] * dual[1] + h[..., 2] * dual[2]
    # Padding has h = 0; its length is set to one so that neither value nor gradient is undefined.
    length = jnp.where(length > 0.0, length, 1.0)
    return jnp.clip(projection**2 / (length * length_axis), 0.0, 1.0)


def march_dollase(cosine_squared: ArrayLike, weights: ArrayLike, r: ArrayLike) -> Array:
    """Return the factor of preferred orientation on each powder intensity.

    Args:
        cosine_squared: Shape (reflections, equivalents), of the angle between each symmetry equivalent's
            normal and the texture axis.
        weights: Shape (reflections, equivalents), one over the number of equivalents, zero for padding.
        r: March coefficient: 1 for a random powder, below 1 if plane normals align with the sample's
            normal (plates in reflection), above 1 if they avoid it (needles).

    Returns:
        Shape (reflections,); its mean over all directions is 1.

    Source: Dollase (1986), J. Appl. Cryst. 19, 267-272, equation 4; the sum over symmetry equivalents makes
    the result independent of the equivalent that labels the reflection.
    """
    c = jnp.asarray(cosine_squared)
    base = r**2 * c + (1.0 - c) / r
    return jnp.sum(jnp.asarray(weights) * base**-1.5, axis=-1)
