"""Regression with calibrated uncertainty: an ensemble of networks that predict means and variances."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike, NDArray

from nescio.errors import AgentError, ConfigurationError
from nescio.learn.networks import Dense, Draws, shapes_of, stacked
from nescio.learn.numbers.settings import RegressionSettings
from nescio.learn.train import Adam, Checkpoint, Plan, fit
from nescio.techniques import NumberSampler

__all__ = ["Expectation", "Regression", "blank_regression", "fit_regression"]

Floats = NDArray[np.float64]

_CHUNK = 100
_LOOK_EVERY = 500
_SCALING = 4096
# Limit of the logarithm of the variance relative to that of the targets; larger values overflow.
_FURTHEST = 8.0
_SMALLEST_SET = 20


class _Network(eqx.Module):
    """Network that predicts mean and log variance of every quantity."""

    convolutions: tuple[Dense, ...]
    dense: tuple[Dense, ...]
    width: int = eqx.field(static=True)

    def __init__(self, points: int, outputs: int, settings: RegressionSettings, rng: Draws) -> None:
        convolutions = []
        channels, length = 1, points
        if settings.kind == "convolutional":
            for wanted in settings.channels:
                convolutions.append(Dense(settings.width * channels, wanted, rng))
                channels, length = wanted, -(-length // 2)
        self.convolutions = tuple(convolutions)
        widths = (channels * length, *settings.hidden, 2 * outputs)
        self.dense = tuple(Dense(a, b, rng) for a, b in pairwise(widths))
        self.width = settings.width

    def __call__(self, signals: Array) -> tuple[Array, Array]:
        """Return mean and log variance, each of shape (n, outputs)."""
        x = signals[..., None]
        for layer in self.convolutions:
            x = jax.nn.silu(layer(_windows(x, self.width)))
        x = jnp.reshape(x, (x.shape[0], -1))
        for layer in self.dense[:-1]:
            x = jax.nn.silu(layer(x))
        mean, spread = jnp.split(self.dense[-1](x), 2, axis=-1)
        # Bounded on both sides, with a nonzero slope everywhere.
        return mean, _FURTHEST * jnp.tanh(spread / _FURTHEST)


def _windows(x: Array, width: int) -> Array:
    """Return every second window of a signal (n, points, channels), shape (n, points / 2, width channels)."""
    count = -(-x.shape[1] // 2)
    before = (width - 1) // 2
    padded = jnp.pad(x, ((0, 0), (before, width), (0, 0)), mode="edge")
    # Slices instead of indices, since the derivative of indexing is summed point by point.
    windows = jnp.stack([padded[:, first : first + 2 * count - 1 : 2] for first in range(width)], axis=2)
    return jnp.reshape(windows, (x.shape[0], count, -1))


class Expectation(NamedTuple):
    """Predictions for n signals; arrays of shape (n, outputs) in the units of the quantities."""

    mean: Floats
    aleatoric: Floats
    """Standard deviation that more training cannot reduce: equal signals have different quantities."""
    epistemic: Floats
    """Standard deviation among the members; more training reduces it."""
    low: Floats
    high: Floats
    """Ends of the calibrated interval."""


@dataclass(frozen=True, eq=False)
class Regression:
    """A trained ensemble; made by :func:`fit_regression`."""

    settings: RegressionSettings
    networks: _Network
    """All members; weights are stacked along the first axis."""
    signal_scale: tuple[Array, Array]
    """Mean and standard deviation of each point."""
    target_scale: tuple[Array, Array]
    """Mean and standard deviation of each quantity."""
    factor: Floats
    """Half width of the calibrated interval in standard deviations, shape (outputs,)."""
    level: float
    """Level of the interval; 0 before calibration."""
    history: tuple[dict[str, float], ...] = ()
    """Step and mean loss since the previous entry, for the training."""

    def moments(self, signals: ArrayLike) -> tuple[Floats, Floats, Floats]:
        """Return mean, aleatoric and epistemic standard deviation, each of shape (n, outputs)."""
        table = jnp.asarray(signals, jnp.float32)
        points = self.signal_scale[0].shape[0]
        if table.ndim != 2 or table.shape[1] != points:
            raise AgentError(f"signals of shape {table.shape}: needs (n, {points})")
        mean, aleatoric, epistemic = _moments(self.networks, self.signal_scale, self.target_scale, table)
        return (
            np.asarray(mean, np.float64),
            np.asarray(aleatoric, np.float64),
            np.asarray(epistemic, np.float64),
        )

    def slopes(self, signals: ArrayLike) -> Floats:
        """Return the mean magnitude of the derivative of each quantity by each point, shape (outputs, points)."""
        table = jnp.asarray(signals, jnp.float32)
        found = _slopes(self.networks, self.signal_scale, self.target_scale, table)
        return np.asarray(found, np.float64)

    def expect(self, signals: ArrayLike) -> Expectation:
        """Return predictions with calibrated intervals.

        Args:
            signals: Shape (n, points).

        Raises:
            AgentError: The signals have another length, or the intervals are not calibrated.
        """
        if not self.level:
            raise AgentError("the regression has no intervals; calibrate it first")
        mean, aleatoric, epistemic = self.moments(signals)
        half = self.factor * np.hypot(aleatoric, epistemic)
        return Expectation(mean, aleatoric, epistemic, mean - half, mean + half)

    def calibrated(self, signals: ArrayLike, targets: ArrayLike, *, level: float = 0.9) -> Regression:
        """Return the regression with intervals that contain a share `level` of the true values of similar signals.

        Uses split conformal prediction on residuals divided by the predicted standard deviation, for each quantity.

        Args:
            signals: Shape (n, points); not used in training, otherwise the intervals are too short.
            targets: True quantities, shape (n, outputs).
            level: Share of true values inside the intervals.

        Raises:
            ConfigurationError: The level is not between 0 and 1, or there are too few signals for it.

        Source: Lei et al., J. Am. Stat. Assoc. 113, 1094 (2018), algorithm 2 and section 5.2.
        """
        if not 0.0 < level < 1.0:
            raise ConfigurationError(f"level {level:g} of the intervals: must lie between 0 and 1")
        truth = np.asarray(targets, np.float64)
        mean, aleatoric, epistemic = self.moments(signals)
        n = len(truth)
        if n < max(_SMALLEST_SET, 1.0 / (1.0 - level)):
            raise ConfigurationError(
                f"{n} signals to calibrate intervals of level {level:g} with: needs more"
            )
        residuals = np.sort(np.abs(truth - mean) / np.hypot(aleatoric, epistemic), axis=0)
        rank = min(int(np.ceil((n + 1) * level)), n) - 1
        return replace(self, factor=np.asarray(residuals[rank], np.float64), level=level)


@eqx.filter_jit
def _moments(
    networks: _Network, signal_scale: tuple[Array, Array], target_scale: tuple[Array, Array], signals: Array
) -> tuple[Array, Array, Array]:
    standard = (signals - signal_scale[0]) / signal_scale[1]
    means, spreads = eqx.filter_vmap(lambda network: network(standard))(networks)
    centre, unit = target_scale
    aleatoric = jnp.sqrt(jnp.mean(jnp.exp(spreads), axis=0))
    return jnp.mean(means, axis=0) * unit + centre, aleatoric * unit, jnp.std(means, axis=0) * unit


@eqx.filter_jit
def _slopes(
    networks: _Network, signal_scale: tuple[Array, Array], target_scale: tuple[Array, Array], signals: Array
) -> Array:
    def mean_of(signal: Array) -> Array:
        return _moments(networks, signal_scale, target_scale, signal[None])[0][0]

    return jnp.mean(jnp.abs(jax.vmap(jax.jacrev(mean_of))(signals)), axis=0)


def blank_regression(points: int, outputs: int, settings: RegressionSettings) -> Regression:
    """Return an untrained regression with shapes instead of arrays, to restore a stored one."""
    zeros, ones = jnp.zeros(points, jnp.float32), jnp.ones(outputs, jnp.float32)
    return Regression(
        settings,
        shapes_of(lambda rng: _ensemble(points, outputs, settings, rng)),
        (zeros, zeros + 1.0),
        (ones - 1.0, ones),
        np.ones(outputs),
        0.0,
    )


def _ensemble(points: int, outputs: int, settings: RegressionSettings, rng: Draws) -> _Network:
    return stacked([_Network(points, outputs, settings, rng) for _ in range(settings.members)])


class _Likelihood(eqx.Module):
    """Mean loss of all members, each on its own new draw."""

    root: Array
    signal_scale: tuple[Array, Array]
    target_scale: tuple[Array, Array]
    sampler: NumberSampler = eqx.field(static=True)
    members: int = eqx.field(static=True)
    batch: int = eqx.field(static=True)

    def __call__(self, module: _Network, step: Array) -> Array:
        members = jnp.arange(self.members)
        keys = jax.vmap(lambda member: jax.random.fold_in(jax.random.fold_in(self.root, step + 1), member))(
            members
        )
        losses = eqx.filter_vmap(self._loss, in_axes=(eqx.if_array(0), 0, 0))(module, keys, members)
        return jnp.mean(losses)

    def _loss(self, network: _Network, key: Array, member: Array) -> Array:
        x, y = self.sampler(key, self.batch, member)
        mean, spread = network((x - self.signal_scale[0]) / self.signal_scale[1])
        off = ((y - self.target_scale[0]) / self.target_scale[1] - mean) ** 2
        weight = jax.lax.stop_gradient(jnp.exp(0.5 * spread))
        return jnp.mean(weight * 0.5 * (spread + off * jnp.exp(-spread)))


def fit_regression(
    sampler: NumberSampler,
    settings: RegressionSettings,
    *,
    identity: str = "",
    checkpoint: Path | None = None,
    resume: bool = False,
    progress: bool | None = None,
) -> Regression:
    """Train all members together, each on its own new draws in every step.

    The loss is the negative log likelihood of a normal distribution with predicted mean and variance. Each term is
    weighted with the square root of the variance, so that quantities that are hard to predict are learned too. The same
    arguments give the same weights on the same machine.

    Args:
        sampler: Source of signals and quantities, inside the compiled step; hashable.
        settings: Architecture and training.
        identity: Hash of prior, settings and data; a checkpoint with another identity is refused.
        checkpoint: Folder for the state.
        resume: Continue from the checkpoint if it exists; gives the same weights as an uninterrupted training.
        progress: Show a progress bar; by default if standard error is a terminal.

    Raises:
        AgentError: The training diverged, or the checkpoint does not match.
        InterruptedTrainingError: Ctrl-C was pressed.

    Source: Lakshminarayanan, Pritzel and Blundell, NeurIPS 30 (2017); Seitzer et al., ICLR (2022), eq. 5.
    """
    root = jax.random.key(settings.seed)
    signals, targets = jax.jit(lambda key: sampler(key, _SCALING, jnp.asarray(0)))(
        jax.random.fold_in(root, 0)
    )
    signal_scale, target_scale = _scale(signals), _scale(targets)
    points, outputs = signals.shape[1], targets.shape[1]
    trained = fit(
        _ensemble(points, outputs, settings, np.random.default_rng(settings.seed)),
        _Likelihood(root, signal_scale, target_scale, sampler, settings.members, settings.batch),
        Adam(settings.learning_rate, settings.steps, last=0.0, weight_decay=settings.weight_decay),
        Plan(
            settings.steps,
            _CHUNK,
            _LOOK_EVERY,
            remedies={"networks": f"lower networks.learning_rate, which is {settings.learning_rate:g}"},
        ),
        checkpoint=None if checkpoint is None else Checkpoint(checkpoint, identity, "networks"),
        resume=resume,
        progress=progress,
    )
    return Regression(
        settings, trained.module, signal_scale, target_scale, np.ones(outputs), 0.0, trained.history
    )


def _scale(table: Array) -> tuple[Array, Array]:
    spread = jnp.std(table, axis=0)
    return jnp.mean(table, axis=0), jnp.where(spread > 1e-6 * (1.0 + jnp.max(spread)), spread, 1.0)
