"""Parameters of one deep kernel, where they start, and how likely they are before anything was measured."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

__all__ = ["Parameters", "initial_parameters", "log_prior", "principal_head"]

# Mean and standard deviation of normal priors, for targets of unit spread, an embedding of unit spread and positions
# of unit spread: wide, but enough that tens of noisy points do not overfit.
_SIGNAL = (0.0, 0.7)
_NOISE = (-1.5, 1.0)
_POSITION = (0.0, 1.0)
_REGION = (-1.0, 0.7)
_SHARE = (1.0, 1.5)
_STRETCH = 1.0


class Parameters(NamedTuple):
    """Of one kernel; logarithms are natural, targets, features and positions standardised."""

    head: Array
    """Shape (features, embedding); a linear embedding."""
    log_stretch: Array
    """By how much the principal components are stretched, about which the head's prior is centred."""
    log_signal: Array
    """Standard deviation of the function."""
    log_noise: Array
    """Standard deviation of a measurement about it."""
    log_position: Array
    """Shape (coordinates,); lengthscales of the position beside the embedding."""
    log_region: Array
    """Lengthscale of the part of the function that depends on the position alone."""
    share: Array
    """Logit of the variance's share that depends on the embedding."""


def principal_head(features: NDArray[np.floating], embedding: int) -> NDArray[np.float32]:
    """Return the first principal components of standardised features (n, f), scaled to a total spread of 1.

    Returns:
        Shape (f, embedding); columns beyond the number of features are zero.
    """
    f = features.shape[1]
    head = np.zeros((f, embedding), np.float32)
    if f == 0:
        return head
    # Of the small side's Gram matrix: an SVD of ten thousand candidates would take seconds.
    values = np.asarray(features, np.float64)
    spread, vectors = np.linalg.eigh(values.T @ values / len(values))
    kept = min(embedding, f)
    total = max(float(spread[::-1][:kept].sum()), 1e-12)
    components = vectors[:, ::-1][:, :kept]
    # The sign of an eigenvector is arbitrary; fixed, so that every machine starts from the same head.
    components = components * np.sign(components[np.abs(components).argmax(axis=0), np.arange(kept)])
    head[:, :kept] = components / np.sqrt(total)
    return head


def initial_parameters(head: Array, coordinates: int, members: int) -> Parameters:
    """Return the middle of the prior, with a leading axis of members on every field."""
    one = Parameters(
        head=head,
        log_stretch=jnp.zeros(()),
        log_signal=jnp.asarray(_SIGNAL[0]),
        log_noise=jnp.asarray(_NOISE[0]),
        log_position=jnp.full(coordinates, _POSITION[0]),
        log_region=jnp.asarray(_REGION[0]),
        share=jnp.asarray(_SHARE[0]),
    )

    def repeated(leaf: Array) -> Array:
        # Of a type of its own, not of a Python number's: else a start would be compiled apart from what is trained.
        return jnp.broadcast_to(jnp.asarray(leaf, jnp.float32), (members, *leaf.shape))

    members_of: Parameters = jax.tree.map(repeated, one)
    return members_of


def log_prior(parameters: Parameters, head: Array, freedom: float | Array) -> Array:
    """Return the logarithm of the prior of one member's parameters, up to a constant.

    Args:
        parameters: Of one member.
        head: The principal components, shape (features, embedding).
        freedom: Total spread that the head's deviation from them has, a priori, in each dimension.
    """

    def normal(value: Array, prior: tuple[float, float]) -> Array:
        return -0.5 * jnp.sum(((value - prior[0]) / prior[1]) ** 2)

    deviation = parameters.head - head * jnp.exp(parameters.log_stretch)
    return (
        normal(parameters.log_signal, _SIGNAL)
        + normal(parameters.log_noise, _NOISE)
        + normal(parameters.log_position, _POSITION)
        + normal(parameters.log_region, _REGION)
        + normal(parameters.share, _SHARE)
        + normal(parameters.log_stretch, (0.0, _STRETCH))
        - 0.5 * jnp.sum(deviation**2) * max(head.shape[0], 1) / freedom**2
    )
