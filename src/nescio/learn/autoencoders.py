"""Variational autoencoders for a fixed set of signals or images, independent of agents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from nescio.errors import MeasurementError
from nescio.learn.networks import VAE, ConvolutionalVAE, VAESettings
from nescio.learn.train import Adam, Checkpoint, Plan, fit

__all__ = ["check_scaled", "fit_convolutional_vae", "fit_vae"]

_CHUNK = 50
_Module = TypeVar("_Module", VAE, ConvolutionalVAE)


class _Reconstruction(eqx.Module):
    """Loss of a batch of stored signals or images, drawn with replacement."""

    table: Array
    key: Array
    batch: int = eqx.field(static=True)

    def __call__(self, module: VAE | ConvolutionalVAE, step: Array) -> Array:
        pick_key, draw_key = jax.random.split(jax.random.fold_in(self.key, step))
        chosen = self.table[jax.random.randint(pick_key, (self.batch,), 0, len(self.table))]
        return module.reconstruction_loss(chosen, draw_key).mean()


def fit_vae(
    signals: ArrayLike,
    settings: VAESettings,
    key: Array,
    *,
    steps: int = 1500,
    batch: int = 128,
    learning_rate: float = 1e-3,
    checkpoint: Checkpoint | None = None,
    resume: bool = False,
    progress: bool | None = None,
) -> VAE:
    """Train a variational autoencoder of signals, without classes or conditions.

    The same arguments give the same weights on the same machine.

    Args:
        signals: Shape (n, points), 0 to 1.
        settings: Widths and weight of the divergence; guidance and members are ignored.
        key: Random key for initial weights, batches and latent draws.
        steps: Steps of Adam; the rate rises over the first hundred steps, then falls along a half cosine.
        batch: Signals in each step, drawn with replacement.
        learning_rate: Highest learning rate.
        checkpoint: Folder for the state of the training.
        resume: Continue from the checkpoint if it exists.
        progress: Show a progress bar; by default if standard error is a terminal.

    Raises:
        MeasurementError: The signals have another shape, are not finite, or are not within 0 to 1.
        AgentError: The training diverged, or the checkpoint does not match.
        InterruptedTrainingError: Ctrl-C was pressed.
    """
    table = jnp.asarray(signals, jnp.float32)
    if table.ndim != 2 or table.size == 0:
        raise MeasurementError(f"signals of shape {table.shape}: needs shape (n, points), not empty")
    check_scaled(table)
    vae = VAE(table.shape[1], 0, 1, settings, _generator(key))
    return _trained(vae, table, key, steps, batch, learning_rate, checkpoint, resume, progress)


def fit_convolutional_vae(
    images: ArrayLike,
    key: Array,
    *,
    channels: Sequence[int] = (8, 16),
    hidden: Sequence[int] = (64,),
    latent: int = 8,
    beta: float = 1.0,
    steps: int = 1500,
    batch: int = 128,
    learning_rate: float = 1e-3,
    progress: bool | None = None,
) -> ConvolutionalVAE:
    """Train a convolutional variational autoencoder of images.

    The same arguments give the same weights on the same machine.

    Args:
        images: Shape (n, channels, height, width), 0 to 1.
        key: Random key for initial weights, batches and latent draws.
        channels: Channels of the image after each convolution; at least one.
        hidden: Widths of the dense layers after the convolutions.
        latent: Number of latent dimensions.
        beta: Weight of the divergence.
        steps: Steps of Adam; the rate rises over the first hundred steps, then falls along a half cosine.
        batch: Images in each step, drawn with replacement.
        learning_rate: Highest learning rate.
        progress: Show a progress bar; by default if standard error is a terminal.

    Raises:
        MeasurementError: The images have another shape, are not finite, or are not within 0 to 1.
        AgentError: The training diverged.
        InterruptedTrainingError: Ctrl-C was pressed.
    """
    table = jnp.asarray(images, jnp.float32)
    if table.ndim != 4 or table.size == 0:
        raise MeasurementError(
            f"images of shape {table.shape}: needs shape (n, channels, height, width), not empty"
        )
    check_scaled(table)
    _, deep, height, width = table.shape
    vae = ConvolutionalVAE((deep, height, width), channels, hidden, latent, beta=beta, rng=_generator(key))
    return _trained(vae, table, key, steps, batch, learning_rate, None, False, progress)


def check_scaled(values: Array) -> None:
    """Check that values of any shape, not empty, are finite and within 0 to 1.

    Raises:
        MeasurementError: A value is not finite or outside 0 to 1.
    """
    if not bool(jnp.isfinite(values).all()) or float(values.min()) < 0.0 or float(values.max()) > 1.0:
        raise MeasurementError("the signals of the data set must be finite and scaled to 0-1")


def _generator(key: Array) -> np.random.Generator:
    return np.random.default_rng(np.asarray(jax.random.key_data(key)).ravel())


def _trained(
    module: _Module,
    table: Array,
    key: Array,
    steps: int,
    batch: int,
    rate: float,
    checkpoint: Checkpoint | None,
    resume: bool,
    progress: bool | None,
) -> _Module:
    plan = Plan(
        steps, _CHUNK, 10 * _CHUNK, remedies={"autoencoder": f"lower learning_rate, which is {rate:g}"}
    )
    trained = fit(
        module,
        _Reconstruction(table, key, batch),
        Adam(rate, steps),
        plan,
        part="autoencoder",
        checkpoint=checkpoint,
        resume=resume,
        progress=progress,
    )
    return trained.module
