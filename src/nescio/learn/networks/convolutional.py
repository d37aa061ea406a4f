"""A convolutional variational autoencoder of images."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from nescio.learn.networks.layers import Dense, Draws
from nescio.learn.networks.vae import negative_elbo

__all__ = ["ConvolutionalVAE"]

# Pixels of a window.
_WINDOW = 16


class ConvolutionalVAE(eqx.Module):
    """Convolutions that halve the image, dense layers to a Gaussian latent space, and a mirrored decoder.

    Windows are 4 x 4, twice as wide as the stride, so that transposed convolutions make no chequerboard patterns
    (Odena, Dumoulin and Olah, 2016, doi:10.23915/distill.00003).

    Source: Kingma and Welling (2014), arXiv:1312.6114.
    """

    inward: tuple[Dense, ...]
    """Convolutions, stored as dense layers on a window."""
    encoder: tuple[Dense, ...]
    decoder: tuple[Dense, ...]
    outward: tuple[Dense, ...]
    """Transposed convolutions, stored as dense layers to a window."""
    shapes: tuple[tuple[int, int, int], ...] = eqx.field(static=True)
    """Height, width and channels of the image before each convolution and after the last."""
    beta: float = eqx.field(static=True)

    def __init__(
        self,
        shape: tuple[int, int, int],
        channels: Sequence[int],
        hidden: Sequence[int],
        latent: int,
        *,
        beta: float,
        rng: Draws,
    ) -> None:
        """Draw initial weights.

        Args:
            shape: Channels, height and width of an image.
            channels: Channels of the image after each convolution; at least one.
            hidden: Widths of the dense layers after the convolutions; the decoder mirrors all layers.
            latent: Number of latent dimensions.
            beta: Weight of the divergence.
            rng: Source of the weights.
        """
        shapes = [(shape[1], shape[2], shape[0])]
        for wide in channels:
            height, width, _ = shapes[-1]
            shapes.append((-(-height // 2), -(-width // 2), wide))
        self.shapes = tuple(shapes)
        flat = int(np.prod(shapes[-1]))
        self.inward = tuple(Dense(_WINDOW * a[2], b[2], rng) for a, b in pairwise(shapes))
        self.encoder = tuple(Dense(a, b, rng) for a, b in pairwise([flat, *hidden, 2 * latent]))
        self.decoder = tuple(Dense(a, b, rng) for a, b in pairwise([latent, *reversed(hidden), flat]))
        self.outward = tuple(Dense(b[2], _WINDOW * a[2], rng) for a, b in reversed(list(pairwise(shapes))))
        self.beta = beta

    def encode(self, images: Array) -> tuple[Array, Array]:
        """Return mean and logarithm of the variance of the latent position.

        Args:
            images: Shape (n, channels, height, width), 0 to 1.

        Returns:
            Two arrays of shape (n, latent).
        """
        x = jnp.transpose(images, (0, 2, 3, 1))
        for layer in self.inward:
            x = jax.nn.relu(_halved(x, layer))
        x = x.reshape(len(x), -1)
        for layer in self.encoder[:-1]:
            x = jax.nn.relu(layer(x))
        x = self.encoder[-1](x)
        latent = x.shape[1] // 2
        return x[:, :latent], x[:, latent:]

    def decode(self, latent: Array) -> Array:
        """Return the logits of the images (n, channels, height, width) for latent positions (n, latent)."""
        x = latent
        for layer in self.decoder:
            x = jax.nn.relu(layer(x))
        x = x.reshape(-1, *self.shapes[-1])
        for layer, (height, width, _) in zip(self.outward, reversed(self.shapes[:-1]), strict=True):
            x = _doubled(x, layer, height, width)
            x = x if layer is self.outward[-1] else jax.nn.relu(x)
        return jnp.transpose(x, (0, 3, 1, 2))

    def reconstruct(self, images: Array) -> Array:
        """Return the reconstruction of images (n, channels, height, width) through the latent mean, same shape."""
        return jax.nn.sigmoid(self.decode(self.encode(images)[0]))

    def reconstruction_loss(self, images: Array, key: Array | None) -> Array:
        """Return the loss of each image (n, channels, height, width), shape (n,); see :func:`negative_elbo`.

        Args:
            images: Images with pixels from 0 to 1.
            key: Random key of the latent draw; None uses the mean.
        """
        return negative_elbo(images, *self.encode(images), self.decode, self.beta, key)


def _halved(images: Array, layer: Dense) -> Array:
    """Convolve images (n, height, width, channels) with windows of 4 x 4 at every second row and column.

    A window is four blocks of 2 x 2. The convolution is then a reshape, a concatenation of neighbours and one matrix
    product, which is many times faster on a CPU than a general convolution inside a loop.

    Returns:
        Shape (n, ceil(height / 2), ceil(width / 2), outputs).
    """
    n, height, width, channels = images.shape
    rows, columns = -(-height // 2) + 1, -(-width // 2) + 1
    wide = jnp.pad(images, ((0, 0), (1, 2 * rows - height - 1), (1, 2 * columns - width - 1), (0, 0)))
    blocks = wide.reshape(n, rows, 2, columns, 2, channels).transpose(0, 1, 3, 2, 4, 5)
    blocks = blocks.reshape(n, rows, columns, 4 * channels)
    return layer(
        jnp.concatenate(
            [blocks[:, :-1, :-1], blocks[:, :-1, 1:], blocks[:, 1:, :-1], blocks[:, 1:, 1:]], axis=-1
        )
    )


def _doubled(images: Array, layer: Dense, height: int, width: int) -> Array:
    """Transpose of :func:`_halved`: each pixel gives 4 x 4 pixels, and overlapping pixels are added.

    Args:
        images: Shape (n, rows, columns, channels).
        layer: Layer from the channels to 16 times the outputs.
        height: Height of the result, twice the rows or one less.
        width: Width of the result, twice the columns or one less.

    Returns:
        Shape (n, height, width, outputs).
    """
    quarters = jnp.split(layer(images), 4, axis=-1)
    shifted = [
        jnp.pad(quarter, ((0, 0), (down, 1 - down), (right, 1 - right), (0, 0)))
        for quarter, (down, right) in zip(quarters, ((0, 0), (0, 1), (1, 0), (1, 1)), strict=True)
    ]
    blocks = shifted[0] + shifted[1] + shifted[2] + shifted[3]
    n, rows, columns, deep = blocks.shape
    pixels = blocks.reshape(n, rows, columns, 2, 2, deep // 4).transpose(0, 1, 3, 2, 4, 5)
    return pixels.reshape(n, 2 * rows, 2 * columns, deep // 4)[:, 1 : 1 + height, 1 : 1 + width]
