"""A variational autoencoder of signals, with or without conditions such as a composition."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from nescio.learn.networks.layers import Dense, Draws
from nescio.learn.networks.settings import VAESettings

__all__ = ["VAE", "negative_elbo"]


def negative_elbo(
    signals: Array,
    mean: Array,
    log_variance: Array,
    decode: Callable[[Array], Array],
    beta: float,
    key: Array | None,
) -> Array:
    """Return the negative evidence lower bound of each signal, shape (n,).

    Binary cross entropy summed over the points, plus `beta` times the KL divergence from the standard normal.

    Args:
        signals: Shape (n, ...), 0 to 1.
        mean: Mean of the latent position, shape (n, latent).
        log_variance: Logarithm of its variance, shape (n, latent).
        decode: Function that returns logits (n, ...) for latent positions.
        beta: Weight of the divergence.
        key: Random key of the latent draw; None uses the mean.
    """
    latent = _drawn(mean, log_variance, key)
    logits = decode(latent)
    cross_entropy = jnp.sum(jax.nn.softplus(logits) - signals * logits, axis=tuple(range(1, signals.ndim)))
    divergence = 0.5 * jnp.sum(mean**2 + jnp.exp(log_variance) - 1.0 - log_variance, axis=1)
    return cross_entropy + beta * divergence


def _drawn(mean: Array, log_variance: Array, key: Array | None) -> Array:
    if key is None:
        return mean
    return mean + jnp.exp(0.5 * log_variance) * jax.random.normal(key, mean.shape, mean.dtype)


class VAE(eqx.Module):
    """Encoder and decoder of dense layers with a Gaussian latent space.

    With conditions it is a conditional VAE: conditions are appended to the signal before the encoder and to the latent
    vector before the decoder.

    Source: Kingma and Welling (2014), arXiv:1312.6114; Sohn, Lee and Yan (2015), NeurIPS 28; architecture and loss
    as in Banko et al. (2021), npj Comput. Mater. 7, 104, Methods.
    """

    encoder: tuple[Dense, ...]
    decoder: tuple[Dense, ...]
    guide: Dense
    """Linear classifier on the latent position; trained only if guidance is above 0."""
    settings: VAESettings = eqx.field(static=True)

    def __init__(self, points: int, conditions: int, classes: int, settings: VAESettings, rng: Draws) -> None:
        """Draw initial weights.

        Args:
            points: Length of a signal.
            conditions: Number of conditions, may be 0.
            classes: Number of classes.
            settings: Widths and weights.
            rng: Source of the weights.
        """
        inward = [points + conditions, *settings.hidden, 2 * settings.latent]
        outward = [settings.latent + conditions, *reversed(settings.hidden), points]
        self.encoder = tuple(Dense(a, b, rng) for a, b in pairwise(inward))
        self.decoder = tuple(Dense(a, b, rng) for a, b in pairwise(outward))
        self.guide = Dense(settings.latent, classes, rng)
        self.settings = settings

    def encode(self, signals: Array, conditions: Array) -> tuple[Array, Array]:
        """Return mean and logarithm of the variance of the latent position.

        Args:
            signals: Shape (n, points), 0 to 1.
            conditions: Shape (n, conditions).

        Returns:
            Two arrays of shape (n, latent).
        """
        x = jnp.concatenate([signals, conditions], axis=1)
        for layer in self.encoder[:-1]:
            x = jax.nn.relu(layer(x))
        x = self.encoder[-1](x)
        return x[:, : self.settings.latent], x[:, self.settings.latent :]

    def decode(self, latent: Array, conditions: Array) -> Array:
        """Return the logits of the reconstruction, shape (n, points), for latent positions (n, latent)."""
        x = jnp.concatenate([latent, conditions], axis=1)
        for layer in self.decoder[:-1]:
            x = jax.nn.relu(layer(x))
        return self.decoder[-1](x)

    def reconstruct(self, signals: Array, conditions: Array) -> Array:
        """Return the reconstruction of signals (n, points) through the latent mean, same shape."""
        return jax.nn.sigmoid(self.decode(self.encode(signals, conditions)[0], conditions))

    def loss(self, signals: Array, labels: Array, conditions: Array, key: Array | None) -> Array:
        """Return the loss of each signal, shape (n,).

        The loss is :func:`negative_elbo` plus `guidance` times the cross entropy of the class.

        Args:
            signals: Shape (n, points), 0 to 1.
            labels: Shape (n,).
            conditions: Shape (n, conditions).
            key: Random key of the latent draw; None uses the mean.
        """
        mean, log_variance = self.encode(signals, conditions)
        total = negative_elbo(
            signals, mean, log_variance, lambda z: self.decode(z, conditions), self.settings.beta, key
        )
        if self.settings.guidance > 0.0:
            log_class = jax.nn.log_softmax(self.guide(_drawn(mean, log_variance, key)))
            chosen = jnp.take_along_axis(log_class, labels[:, None], axis=1)[:, 0]
            total = total - self.settings.guidance * chosen
        return total

    def reconstruction_loss(self, signals: Array, key: Array | None) -> Array:
        """Return the loss of each signal (n, points) without classes and conditions, shape (n,)."""
        n = len(signals)
        return self.loss(signals, jnp.zeros(n, jnp.int32), jnp.zeros((n, 0)), key)
