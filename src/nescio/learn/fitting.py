"""Variational autoencoders of a fixed set of signals or images, for whoever needs nothing else of an agent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from jax.typing import ArrayLike

from nescio.errors import AgentError, InterruptedTrainingError, MeasurementError
from nescio.learn.convolutional import ConvolutionalVAE
from nescio.learn.sampling import StoredSampler, check_scaled
from nescio.learn.settings import VAESettings
from nescio.learn.vae import VAE
from nescio.progress import track

__all__ = ["fit_convolutional_vae", "fit_vae"]

_CHUNK = 50

_Network = TypeVar("_Network", VAE, ConvolutionalVAE)


class _Plan(NamedTuple):
    steps: int
    batch: int
    rate: float

    def optimiser(self) -> optax.GradientTransformation:
        schedule = optax.warmup_cosine_decay_schedule(
            init_value=0.0,
            peak_value=self.rate,
            warmup_steps=max(min(100, self.steps // 4), 1),
            decay_steps=max(self.steps, 2),
            end_value=0.01 * self.rate,
        )
        return optax.adam(schedule)


def fit_vae(
    signals: ArrayLike,
    settings: VAESettings,
    key: Array,
    *,
    steps: int = 1500,
    batch: int = 128,
    learning_rate: float = 1e-3,
    progress: bool | None = None,
) -> VAE:
    """Train a variational autoencoder without classes or conditions on signals that are all there.

    The same arguments give the same weights on the same machine.

    Args:
        signals: Shape (n, points), 0 to 1.
        settings: Widths and weight of the divergence; guidance and members have no meaning here.
        key: Of initial weights, batches and latent draws.
        steps: Of Adam, its rate rising over the first hundred and falling along a half cosine.
        batch: Signals in each, drawn with replacement.
        learning_rate: The highest.
        progress: Show a progress bar; by default where standard error is a terminal.

    Raises:
        MeasurementError: The signals have another shape, are not finite, or not within 0 to 1.
        AgentError: The training diverged.
        InterruptedTrainingError: Ctrl-C was pressed.
    """
    table = jnp.asarray(signals, jnp.float32)
    table = StoredSampler(table, jnp.zeros(table.shape[:1], jnp.int32)).batch.signals
    vae = VAE(table.shape[1], 0, 1, settings, _generator(key))
    return _trained(vae, _loss_of_signals, table, key, _Plan(steps, batch, learning_rate), progress)


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
    """Train a convolutional variational autoencoder on images that are all there.

    The same arguments give the same weights on the same machine.

    Args:
        images: Shape (n, channels, height, width), 0 to 1.
        key: Of initial weights, batches and latent draws.
        channels: Of the image after each convolution; at least one.
        hidden: Widths of dense layers behind them.
        latent: Latent dimensions.
        beta: Weight of the divergence.
        steps: Of Adam, its rate rising over the first hundred and falling along a half cosine.
        batch: Images in each, drawn with replacement.
        learning_rate: The highest.
        progress: Show a progress bar; by default where standard error is a terminal.

    Raises:
        MeasurementError: The images have another shape, are not finite, or not within 0 to 1.
        AgentError: The training diverged.
        InterruptedTrainingError: Ctrl-C was pressed.
    """
    table = jnp.asarray(images, jnp.float32)
    if table.ndim != 4 or table.size == 0:
        raise MeasurementError(
            f"images of shape {table.shape}: needs (n, channels, height, width), none empty"
        )
    check_scaled(table)
    _, deep, height, width = table.shape
    vae = ConvolutionalVAE((deep, height, width), channels, hidden, latent, beta=beta, rng=_generator(key))
    return _trained(vae, ConvolutionalVAE.loss, table, key, _Plan(steps, batch, learning_rate), progress)


def _generator(key: Array) -> np.random.Generator:
    return np.random.default_rng(np.asarray(jax.random.key_data(key)).ravel())


def _loss_of_signals(vae: VAE, signals: Array, key: Array | None) -> Array:
    n = len(signals)
    return vae.loss(signals, jnp.zeros(n, jnp.int32), jnp.zeros((n, 0)), key)


def _trained(
    vae: _Network,
    loss_of: Callable[[_Network, Array, Array | None], Array],
    table: Array,
    key: Array,
    plan: _Plan,
    progress: bool | None,
) -> _Network:
    state = plan.optimiser().init(eqx.filter(vae, eqx.is_array))
    done = 0
    with track("learning", plan.steps, enabled=progress) as tell:
        try:
            while done < plan.steps:
                stop = min(done + _CHUNK, plan.steps)
                vae, state, loss = _advance(
                    vae, state, table, key, jnp.asarray(done), jnp.asarray(stop), plan, loss_of
                )
                if not bool(jnp.isfinite(loss)):
                    raise AgentError(
                        f"the loss of the autoencoder is no longer a number at step {stop}; "
                        f"lower learning_rate, which is {plan.rate:g}"
                    )
                tell(stop - done, f"loss {float(loss):.4g}")
                done = stop
        except KeyboardInterrupt:
            raise InterruptedTrainingError(
                f"interrupted at step {done} of {plan.steps}; nothing was kept"
            ) from None
    return vae


@eqx.filter_jit
def _advance(
    vae: _Network,
    state: Any,
    signals: Array,
    root: Array,
    start: Array,
    stop: Array,
    plan: _Plan,
    loss_of: Callable[[_Network, Array, Array | None], Array],
) -> tuple[_Network, Any, Array]:
    """Take the steps from `start` to `stop`; the plan and the loss are part of the program."""
    arrays, static = eqx.partition(vae, eqx.is_array)
    n = len(signals)
    optimiser = plan.optimiser()

    def step(number: Array, carried: tuple[Any, Any, Array]) -> tuple[Any, Any, Array]:
        arrays, state, _ = carried
        pick_key, draw_key = jax.random.split(jax.random.fold_in(root, number))
        chosen = signals[jax.random.randint(pick_key, (plan.batch,), 0, n)]

        def total(arrays: Any) -> Array:
            return loss_of(eqx.combine(arrays, static), chosen, draw_key).mean()

        loss, gradient = jax.value_and_grad(total)(arrays)
        updates, state = optimiser.update(gradient, state, arrays)
        return optax.apply_updates(arrays, updates), state, loss

    arrays, state, loss = jax.lax.fori_loop(start, stop, step, (arrays, state, jnp.asarray(0.0)))
    return eqx.combine(arrays, static), state, loss
