"""Parameters of one deep kernel: initial values and priors."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

__all__ = ["Parameters", "initial_parameters", "log_prior", "principal_head"]

# Mean and standard deviation of normal priors, for targets, embedding and positions of unit variance. They are wide,
# but narrow enough to avoid overfitting to tens of noisy points.
_SIGNAL = (0.0, 0.7)
_NOISE = (-1.5, 1.0)
_POSITION = (0.0, 1.0)
_REGION = (-1.0, 0.7)
_SHARE = (1.0, 1.5)
_STRETCH = 1.0


class Parameters(NamedTuple):
    """Parameters of one kernel, for standardised targets, features and positions; logarithms are natural."""

    head: Array
    """Shape (features, embedding); the linear embedding."""
    log_stretch: Array
    """Log factor on the principal components, which are the centre of the head's prior."""
    log_signal: Array
    """Standard deviation of the function."""
    log_noise: Array
    """Standard deviation of the measurement noise."""
    log_position: Array
    """Shape (coordinates,); lengthscales of the position, in the part that also depends on the embedding."""
    log_region: Array
    """Lengthscale of the part of the function that depends only on the position."""
    share: Array
    """Logit of the fraction of the variance that depends on the embedding."""


def principal_head(features: NDArray[np.floating], embedding: int) -> NDArray[np.float32]:
    """Return the first principal components of standardised features (n, f), scaled to a total variance of 1.

    Returns:
        Shape (f, embedding); columns beyond the number of features are zero.
    """
    f = features.shape[1]
    head = np.zeros((f, embedding), np.float32)
    if f == 0:
        return head
    # The Gram matrix of the features is small; an SVD of ten thousand candidates would take seconds.
    values = np.asarray(features, np.float64)
    spread, vectors = np.linalg.eigh(values.T @ values / len(values))
    kept = min(embedding, f)
    total = max(float(spread[::-1][:kept].sum()), 1e-12)
    components = vectors[:, ::-1][:, :kept]
    # Fix the arbitrary sign of the eigenvectors, so that every machine starts from the same head.
    components = components * np.sign(components[np.abs(components).argmax(axis=0), np.arange(kept)])
    head[:, :kept] = components / np.sqrt(total)
    return head


def initial_parameters(head: Array, coordinates: int, members: int) -> Parameters:
    """Return the prior means, with a leading axis of members on every field."""
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
        # A strong type; with a Python number's weak type, the start would need its own compiled program.
        return jnp.broadcast_to(jnp.asarray(leaf, jnp.float32), (members, *leaf.shape))

    members_of: Parameters = jax.tree.map(repeated, one)
    return members_of


def log_prior(parameters: Parameters, head: Array, freedom: float | Array) -> Array:
    """Return the log prior of one member's parameters, up to a constant.

    Args:
        parameters: Parameters of one member.
        head: The principal components, shape (features, embedding).
        freedom: Prior standard deviation of the head from them, in total over the features, per dimension.
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
