"""Numbers with honest uncertainty: an ensemble of networks that say what they expect and how far it may be off."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from nescio.configuration import Real, Settings, Whole
from nescio.errors import AgentError, ConfigurationError, InterruptedTrainingError
from nescio.learn.shapes import shapes_of
from nescio.learn.storage import (
    named_arrays,
    read_arrays,
    read_json,
    restore_arrays,
    write_arrays,
    write_json,
)
from nescio.learn.vae import Dense
from nescio.progress import track
from nescio.techniques import NumberSampler

__all__ = ["Expectation", "Regression", "RegressionSettings", "blank_regression", "fit_regression"]

Floats = NDArray[np.float64]
_Width = Annotated[Whole, Field(ge=1, le=4096)]

_CHUNK = 100
_WARM_UP = 100
_SCALING = 4096
# Standard deviations further from the targets' spread than this are no use, and no number either.
_FURTHEST = 8.0
_SMALLEST_SET = 20
# The state is kept every so many chunks.
_KEPT_EVERY = 5
_ARRAYS, _DOCUMENT = "networks.safetensors", "networks.json"


class RegressionSettings(Settings):
    """Architecture and training of the ensemble."""

    kind: Literal["dense", "convolutional"] = "dense"
    hidden: Annotated[tuple[_Width, ...], Field(min_length=1, max_length=8)] = (128, 128)
    """Widths of the dense layers."""
    channels: Annotated[tuple[_Width, ...], Field(min_length=1, max_length=4)] = (16, 32)
    """Of the convolutions before them, each of which halves the number of points."""
    width: Annotated[Whole, Field(ge=2, le=64)] = 7
    """Of a convolution, in points."""
    members: Annotated[Whole, Field(ge=1, le=64)] = 5
    steps: Annotated[Whole, Field(ge=1, le=1_000_000)] = 6000
    batch: Annotated[Whole, Field(ge=2, le=65536)] = 128
    learning_rate: Annotated[Real, Field(gt=0.0, le=1.0)] = 1e-3
    weight_decay: Annotated[Real, Field(ge=0.0, le=1.0)] = 1e-3
    seed: Annotated[Whole, Field(ge=0, le=2**31 - 1)] = 0


class _Network(eqx.Module):
    """Says of a signal the mean and the logarithm of the variance of every number."""

    convolutions: tuple[Dense, ...]
    dense: tuple[Dense, ...]
    width: int = eqx.field(static=True)

    def __init__(
        self, points: int, outputs: int, settings: RegressionSettings, rng: np.random.Generator
    ) -> None:
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
        # Neither certain nor clueless beyond measure, and with a slope everywhere.
        return mean, _FURTHEST * jnp.tanh(spread / _FURTHEST)


def _windows(x: Array, width: int) -> Array:
    """Return every second window of a signal (n, points, channels), shape (n, points / 2, width channels)."""
    count = -(-x.shape[1] // 2)
    before = (width - 1) // 2
    padded = jnp.pad(x, ((0, 0), (before, width), (0, 0)), mode="edge")
    # By slices and not by indices, whose derivative would be summed point by point.
    windows = jnp.stack([padded[:, first : first + 2 * count - 1 : 2] for first in range(width)], axis=2)
    return jnp.reshape(windows, (x.shape[0], count, -1))


class Expectation(NamedTuple):
    """What is expected of n signals; every array of shape (n, outputs), in the units of the numbers."""

    mean: Floats
    aleatoric: Floats
    """Standard deviation that stays however much is learned: of signals that look the same, numbers differ."""
    epistemic: Floats
    """Standard deviation among the members: what the draws did not teach."""
    low: Floats
    high: Floats
    """Ends of the calibrated interval."""


@dataclass(frozen=True, eq=False)
class Regression:
    """A trained ensemble; made by :func:`fit_regression`."""

    settings: RegressionSettings
    networks: _Network
    """All members, their weights along a first axis."""
    signal_scale: tuple[Array, Array]
    """Mean and standard deviation of each point."""
    target_scale: tuple[Array, Array]
    """Mean and standard deviation of each number."""
    factor: Floats
    """By how much the standard deviation is multiplied to give half the calibrated interval, shape (outputs,)."""
    level: float
    """Of the interval; 0 before it was calibrated."""
    history: tuple[tuple[int, float], ...] = ()
    """Step and mean loss, as it went."""

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
        """Return the mean magnitude of each number's derivative with respect to each point, shape (outputs, points)."""
        table = jnp.asarray(signals, jnp.float32)
        found = _slopes(self.networks, self.signal_scale, self.target_scale, table)
        return np.asarray(found, np.float64)

    def expect(self, signals: ArrayLike) -> Expectation:
        """Return what is expected, with calibrated intervals.

        Args:
            signals: Shape (n, points).

        Raises:
            AgentError: The signals are of another length, or nothing was calibrated.
        """
        if not self.level:
            raise AgentError("the regression has no intervals yet; calibrate it first")
        mean, aleatoric, epistemic = self.moments(signals)
        half = self.factor * np.hypot(aleatoric, epistemic)
        return Expectation(mean, aleatoric, epistemic, mean - half, mean + half)

    def calibrated(self, signals: ArrayLike, targets: ArrayLike, *, level: float = 0.9) -> Regression:
        """Return it with intervals that cover a share `level` of further signals such as these.

        Split conformal prediction on residuals in units of the predicted standard deviation, for each number by itself.

        Args:
            signals: Shape (n, points); none that was learned from, or the intervals are too short.
            targets: Their numbers, shape (n, outputs).
            level: Share of numbers that are to lie within.

        Raises:
            ConfigurationError: The level is no share, or there are too few signals for it.

        Source: Lei et al., J. Am. Stat. Assoc. 113, 1094 (2018), algorithm 2 and section 5.2.
        """
        if not 0.0 < level < 1.0:
            raise ConfigurationError(f"level {level:g} of the intervals: needs to lie between 0 and 1")
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
    """Return the shapes of one, to restore a stored one into."""
    zeros, ones = jnp.zeros(points, jnp.float32), jnp.ones(outputs, jnp.float32)
    return Regression(
        settings,
        shapes_of(lambda rng: eqx.combine(*_initial(points, outputs, settings, rng))),
        (zeros, zeros + 1.0),
        (ones - 1.0, ones),
        np.ones(outputs),
        0.0,
    )


def _initial(
    points: int, outputs: int, settings: RegressionSettings, rng: np.random.Generator | None = None
) -> tuple[_Network, _Network]:
    """Return the stacked members as drawn, by default from the settings' seed, and what of a network is no array."""
    rng = rng if rng is not None else np.random.default_rng(settings.seed)
    made = [_Network(points, outputs, settings, rng) for _ in range(settings.members)]
    networks = jax.tree.map(
        lambda *leaves: jnp.stack(leaves), *(eqx.filter(one, eqx.is_array) for one in made)
    )
    return networks, eqx.filter(made[0], eqx.is_array, inverse=True)


def fit_regression(
    sampler: NumberSampler,
    settings: RegressionSettings,
    *,
    identity: str = "",
    checkpoint: Path | None = None,
    resume: bool = False,
    progress: bool | None = None,
) -> Regression:
    """Train the members side by side, each on fresh draws of its own in every step.

    The loss is the negative logarithm of a normal likelihood whose variance is predicted as well, each term weighted by
    the square root of that variance, so that what is hard to say is learned all the same. The same arguments give the
    same weights on the same machine.

    Args:
        sampler: Draws signals with their numbers, inside the compiled step.
        settings: Architecture and training.
        identity: What is trained on (a hash); a checkpoint of another identity is refused.
        checkpoint: Folder to keep the state in, now and then and on Ctrl-C.
        resume: Go on from the checkpoint, if there is one; ends in the same weights as an uninterrupted run.
        progress: Show a progress bar; by default where standard error is a terminal.

    Raises:
        AgentError: The training diverged, or the checkpoint does not fit.
        InterruptedTrainingError: Ctrl-C was pressed.

    Source: Lakshminarayanan, Pritzel and Blundell, NeurIPS 30 (2017); Seitzer et al., ICLR (2022), eq. 5.
    """
    root = jax.random.key(settings.seed)
    members = jnp.arange(settings.members)
    signals, targets = jax.jit(lambda key: sampler(key, _SCALING, jnp.asarray(0)))(
        jax.random.fold_in(root, 0)
    )
    signal_scale, target_scale = _scale(signals), _scale(targets)
    networks, static = _initial(signals.shape[1], targets.shape[1], settings)
    schedule = optax.warmup_cosine_decay_schedule(
        0.0, settings.learning_rate, max(min(_WARM_UP, settings.steps // 4), 1), max(settings.steps, 2)
    )
    optimiser = optax.adamw(schedule, weight_decay=settings.weight_decay)

    def loss_of(weights: _Network, key: Array, member: Array) -> Array:
        x, y = sampler(key, settings.batch, member)
        mean, spread = eqx.combine(weights, static)((x - signal_scale[0]) / signal_scale[1])
        off = ((y - target_scale[0]) / target_scale[1] - mean) ** 2
        weight = jax.lax.stop_gradient(jnp.exp(0.5 * spread))
        return jnp.mean(weight * 0.5 * (spread + off * jnp.exp(-spread)))

    def advance(
        number: Array, state: tuple[_Network, optax.OptState, Array]
    ) -> tuple[_Network, optax.OptState, Array]:
        weights, moments, total = state
        keys = jax.vmap(lambda member: jax.random.fold_in(jax.random.fold_in(root, number + 1), member))(
            members
        )
        losses, gradients = jax.vmap(jax.value_and_grad(loss_of))(weights, keys, members)
        updates, moments = optimiser.update(gradients, moments, weights)
        return optax.apply_updates(weights, updates), moments, total + jnp.mean(losses)

    @jax.jit
    def run(
        weights: _Network, moments: optax.OptState, begin: Array, end: Array
    ) -> tuple[_Network, optax.OptState, Array]:
        state: tuple[_Network, optax.OptState, Array] = jax.lax.fori_loop(
            begin, end, advance, (weights, moments, jnp.zeros(()))
        )
        return state

    moments = optimiser.init(networks)
    history: list[tuple[int, float]] = []
    if resume and checkpoint is not None and (checkpoint / _DOCUMENT).exists():
        (networks, moments), history = _load(checkpoint, (networks, moments), identity)
    done = history[-1][0] if history else 0

    def keep() -> str:
        if checkpoint is None:
            return "nothing was kept"
        _save(checkpoint, (networks, moments), history, identity)
        return f"the state is kept in {checkpoint}, run the same command with --resume to go on"

    with track("learning", settings.steps, enabled=progress) as tell:
        try:
            if done:
                tell(done, "")
            while done < settings.steps:
                until = min(done + _CHUNK, settings.steps)
                following = run(networks, moments, jnp.asarray(done), jnp.asarray(until))
                loss = float(following[2]) / (until - done)
                if not np.isfinite(loss):
                    raise AgentError(
                        f"the loss of the regression is no longer a number at step {until}; lower learning_rate, "
                        f"which is {settings.learning_rate:g}"
                    )
                networks, moments, _ = following
                history.append((until, loss))
                before, done = done, until
                tell(done - before, f"loss {loss:.4g}")
                if checkpoint is not None and (done == settings.steps or len(history) % _KEPT_EVERY == 0):
                    keep()
        except KeyboardInterrupt:
            raise InterruptedTrainingError(
                f"interrupted at step {done} of {settings.steps}; {keep()}"
            ) from None
    outputs = targets.shape[1]
    return Regression(
        settings,
        eqx.combine(networks, static),
        signal_scale,
        target_scale,
        np.ones(outputs),
        0.0,
        tuple(history),
    )


def _save(
    folder: Path, state: tuple[_Network, optax.OptState], history: list[tuple[int, float]], identity: str
) -> None:
    write_arrays(folder / _ARRAYS, named_arrays(state, f"step {history[-1][0] if history else 0}"))
    write_json(folder / _DOCUMENT, {"identity": identity, "history": [list(entry) for entry in history]})


def _load(
    folder: Path, like: tuple[_Network, optax.OptState], identity: str
) -> tuple[tuple[_Network, optax.OptState], list[tuple[int, float]]]:
    document = read_json(folder / _DOCUMENT)
    if document.get("identity") != identity:
        raise AgentError(
            f"{folder}: this checkpoint is of another prior or other settings; "
            "remove the folder or run without --resume"
        )
    try:
        history = [(int(step), float(loss)) for step, loss in document["history"]]
    except (KeyError, TypeError, ValueError) as error:
        raise AgentError(f"{folder}: the checkpoint is damaged ({error})") from None
    step = history[-1][0] if history else 0
    # The names of the arrays tell the step as well, so that two files of different steps do not go together.
    state = restore_arrays(like, read_arrays(folder / _ARRAYS), f"step {step}", folder / _ARRAYS)
    return state, history


def _scale(table: Array) -> tuple[Array, Array]:
    spread = jnp.std(table, axis=0)
    return jnp.mean(table, axis=0), jnp.where(spread > 1e-6 * (1.0 + jnp.max(spread)), spread, 1.0)
