"""Novelty of a signal: its reconstruction error by an autoencoder trained on known signals."""

from __future__ import annotations

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike, NDArray

from nescio.errors import AgentError
from nescio.learn.autoencoders import fit_vae
from nescio.learn.calibration import conformal_p_values
from nescio.learn.networks import VAE, VAESettings
from nescio.learn.train import Checkpoint

__all__ = ["Familiarity", "fit_familiarity"]

Floats = NDArray[np.float64]

_MARGIN = 0.1


@dataclass(frozen=True, eq=False)
class Familiarity:
    """A calibrated autoencoder; made by :func:`fit_familiarity`."""

    network: VAE
    low: Array
    """Signal values that correspond to 0 for the network, shape (points,)."""
    span: Array
    """Difference between the values that correspond to 1 and 0, shape (points,)."""
    scale: Array
    """Root mean square error of each point for known signals, in units of the span, shape (points,)."""
    scores: Floats
    """Sorted scores of held-out known signals."""

    def score(self, signals: ArrayLike) -> Floats:
        """Return the novelty score of signals (n, points), shape (n,): about 1 for known ones.

        Raises:
            AgentError: The signals have another length.
        """
        table = jnp.asarray(signals, jnp.float32)
        if table.ndim != 2 or table.shape[1] != self.low.shape[0]:
            raise AgentError(f"signals of shape {table.shape}: needs (n, {self.low.shape[0]})")
        return np.asarray(_scores(self.network, self.low, self.span, self.scale, table), np.float64)

    def reconstructed(self, signals: ArrayLike) -> NDArray[np.float32]:
        """Return the reconstruction of signals (n, points), same shape."""
        table = jnp.asarray(signals, jnp.float32)
        return np.asarray(table - _errors(self.network, self.low, self.span, table) * self.span, np.float32)

    def latent(self, signals: ArrayLike) -> Floats:
        """Return the latent positions of signals (n, points), shape (n, latent)."""
        table = jnp.asarray(signals, jnp.float32)
        return np.asarray(_latent(self.network, self.low, self.span, table), np.float64)

    def p_values(self, signals: ArrayLike) -> Floats:
        """Return p-values: the share of known signals with at least this score, shape (n,)."""
        return conformal_p_values(self.score(signals), self.scores)


@eqx.filter_jit
def _latent(network: VAE, low: Array, span: Array, signals: Array) -> Array:
    scaled = jnp.clip((signals - low) / span, 0.0, 1.0)
    return network.encode(scaled, jnp.zeros((signals.shape[0], 0), signals.dtype))[0]


@eqx.filter_jit
def _errors(network: VAE, low: Array, span: Array, signals: Array) -> Array:
    # The network gets values clipped to the range of known signals; errors use the values as measured.
    scaled = (signals - low) / span
    rebuilt = network.reconstruct(jnp.clip(scaled, 0.0, 1.0), jnp.zeros((signals.shape[0], 0), signals.dtype))
    return scaled - rebuilt


@eqx.filter_jit
def _scores(network: VAE, low: Array, span: Array, scale: Array, signals: Array) -> Array:
    return jnp.sqrt(jnp.mean((_errors(network, low, span, signals) / scale) ** 2, axis=1))


def fit_familiarity(
    signals: ArrayLike,
    held_out: ArrayLike,
    *,
    hidden: tuple[int, ...] = (128, 64),
    latent: int = 8,
    steps: int = 3000,
    seed: int = 0,
    checkpoint: Checkpoint | None = None,
    resume: bool = False,
    progress: bool | None = None,
) -> Familiarity:
    """Train an autoencoder on known signals and calibrate it with others.

    Args:
        signals: Shape (n, points).
        held_out: Other known signals for calibration, shape (m, points).
        hidden: Widths of the encoder's layers.
        latent: Number of latent dimensions.
        steps: Training steps.
        seed: Random seed of initial weights and batches.
        checkpoint: Folder for the state of the training.
        resume: Continue from the checkpoint if it exists.
        progress: Show a progress bar; by default if standard error is a terminal.

    Raises:
        AgentError: The signals differ in length, or the training diverged.
    """
    table, others = (np.asarray(given, np.float32) for given in (signals, held_out))
    if table.ndim != 2 or others.ndim != 2 or table.shape[1] != others.shape[1] or len(others) < 2:
        raise AgentError(
            f"signals of shape {table.shape} and {others.shape}: need equal numbers of points and at least 2 held-out "
            "signals"
        )
    span = np.maximum(np.ptp(table, axis=0), 1e-3 * max(float(np.ptp(table)), 1e-6))
    low = table.min(axis=0) - _MARGIN * span
    span = (1.0 + 2.0 * _MARGIN) * span
    settings = VAESettings(hidden=hidden, latent=latent, beta=0.1)
    network = fit_vae(
        (table - low) / span,
        settings,
        jax.random.key(seed),
        steps=steps,
        checkpoint=checkpoint,
        resume=resume,
        progress=progress,
    )
    low_, span_ = jnp.asarray(low), jnp.asarray(span)
    scale = jnp.sqrt(jnp.mean(_errors(network, low_, span_, jnp.asarray(table)) ** 2, axis=0))
    scores = _scores(network, low_, span_, scale, jnp.asarray(others))
    return Familiarity(network, low_, span_, scale, np.sort(np.asarray(scores, np.float64)))
