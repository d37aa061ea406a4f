"""A convolutional classifier with the additional class "none of these"."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from nescio.learn.networks.layers import Draws, he_normal
from nescio.learn.networks.settings import ClassifierSettings

__all__ = ["Classifier"]

_SECOND_STRIDE = 4


class Classifier(eqx.Module):
    """Two strided convolutions and two dense layers.

    Windows are twice as wide as the stride. A convolution is then a reshape, a concatenation of neighbours and one
    matrix product, which is several times faster on a CPU than a general convolution.
    """

    first: Array
    first_bias: Array
    second: Array
    second_bias: Array
    dense: Array
    dense_bias: Array
    head: Array
    head_bias: Array
    settings: ClassifierSettings = eqx.field(static=True)

    def __init__(
        self,
        points: int,
        conditions: int,
        classes: int,
        settings: ClassifierSettings,
        rng: Draws,
    ) -> None:
        """Draw initial weights.

        Args:
            points: Length of a signal.
            conditions: Number of conditions, may be 0.
            classes: Number of known classes; one more output is "none of these".
            settings: Sizes of the layers.
            rng: Source of the weights.
        """
        one, two = settings.channels
        length = _windows(_windows(points, settings.patch), _SECOND_STRIDE)
        self.first = he_normal(rng, 2 * settings.patch, one)
        self.first_bias = jnp.zeros(one, jnp.float32)
        self.second = he_normal(rng, 2 * _SECOND_STRIDE * one, two)
        self.second_bias = jnp.zeros(two, jnp.float32)
        self.dense = he_normal(rng, length * two + conditions, settings.dense)
        self.dense_bias = jnp.zeros(settings.dense, jnp.float32)
        self.head = he_normal(rng, settings.dense, classes + 1)
        self.head_bias = jnp.zeros(classes + 1, jnp.float32)
        self.settings = settings

    def __call__(self, signals: Array, conditions: Array) -> Array:
        """Return the logits of every class and, last, of "none of these".

        Args:
            signals: Shape (n, points), 0 to 1.
            conditions: Shape (n, conditions).

        Returns:
            Shape (n, classes + 1).
        """
        # The square root raises weak peaks above the noise, as counting statistics suggest.
        x = jnp.sqrt(jnp.maximum(signals, 0.0))[..., None]
        x = jax.nn.relu(_neighbours(x, self.settings.patch) @ self.first + self.first_bias)
        x = jax.nn.relu(_neighbours(x, _SECOND_STRIDE) @ self.second + self.second_bias)
        x = jnp.concatenate([x.reshape(x.shape[0], -1), conditions], axis=1)
        x = jax.nn.relu(x @ self.dense + self.dense_bias)
        logits: Array = x @ self.head + self.head_bias
        return logits


def _blocks(length: int, stride: int) -> int:
    return max(-(-length // stride), 2)


def _windows(length: int, stride: int) -> int:
    return _blocks(length, stride) - 1


def _neighbours(x: Array, stride: int) -> Array:
    """Cut (n, length, channels) into windows of two strides: (n, windows, 2 * stride * channels)."""
    n, length, channels = x.shape
    blocks = _blocks(length, stride)
    x = jnp.pad(x, ((0, 0), (0, blocks * stride - length), (0, 0))).reshape(n, blocks, stride * channels)
    return jnp.concatenate([x[:, :-1], x[:, 1:]], axis=-1)
