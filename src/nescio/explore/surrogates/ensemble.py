"""Train an ensemble of deep kernels together, with one compiled program for each of five sizes."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from numpy.typing import NDArray

from nescio.explore.surrogates.kernel import Inputs, covariance, noise_variance
from nescio.explore.surrogates.likelihood import negative_log_likelihood, padded
from nescio.explore.surrogates.parameters import Parameters, log_prior

__all__ = ["EXACT", "Halves", "capacity", "halves", "train"]

EXACT = 1000
"""Largest number of measurements for an exact Gaussian process and for training the members."""

_CAPACITIES = (100, 200, 400, 700, EXACT)


def capacity(n: int) -> int:
    """Return the array size for `n` measurements: one of five sizes up to `EXACT`, then doubled as often as needed."""
    for size in _CAPACITIES:
        if n <= size:
            return size
    size = EXACT
    while size < n:
        size *= 2
    return size


class Halves(NamedTuple):
    """The training measurements of each member; its partner is trained on the others."""

    order: NDArray[np.intp]
    """Shape (members, size), indices of measurements; 0 for padding."""
    mask: NDArray[np.float32]
    """Shape (members, size), 1 for a measurement and 0 for padding."""
    seen: NDArray[np.bool_]
    """Shape (members, n), whether a measurement belongs to a member's half."""


def halves(n: int, members: int, seed: int) -> Halves:
    """Divide `n` measurements at random between the two members of each pair.

    Of each two successive measurements, each member gets one. The assignment does not change when measurements are
    added, so a member is never trained on measurements that calibrate it. With more than `EXACT` measurements, each
    member is trained on a random subset of its half, of the same size as for `EXACT`; a new measurement replaces at
    most one of the subset.
    """
    size = capacity(min(n, EXACT)) // 2
    seen = np.zeros((members, n), bool)
    for pair in range(members // 2):
        # With more measurements, the first draws stay the same.
        first = np.random.default_rng([seed, pair]).integers(0, 2, (n + 1) // 2)
        number = np.arange(n)
        seen[2 * pair] = (number % 2) == first[number // 2]
        seen[2 * pair + 1] = ~seen[2 * pair]
    order = np.zeros((members, size), np.intp)
    mask = np.zeros((members, size), np.float32)
    # As above: the first draws stay the same.
    priority = np.random.default_rng([seed, members]).random(n)
    for member in range(members):
        mine = np.flatnonzero(seen[member])
        if mine.size > size:
            mine = np.sort(mine[np.argsort(priority[mine], kind="stable")[:size]])
        order[member, : mine.size] = mine
        mask[member, : mine.size] = 1.0
    return Halves(order, mask, seen)


def _objective(
    parameters: Parameters,
    head: Array,
    inputs: Inputs,
    targets: Array,
    mask: Array,
    positioned: Array,
    freedom: Array,
) -> Array:
    matrix = padded(covariance(parameters, inputs, inputs, positioned), noise_variance(parameters), mask)
    return negative_log_likelihood(matrix, targets * mask) - log_prior(parameters, head, freedom)


@jax.jit
def train(
    start: Parameters,
    head: Array,
    inputs: Inputs,
    targets: Array,
    mask: Array,
    *,
    positioned: Array,
    trained_head: Array,
    freedom: Array,
    steps: Array,
    learning_rate: Array,
) -> Parameters:
    """Train the members: maximise each posterior with Adam and return the parameters.

    Args:
        start: Start parameters with a leading axis of members.
        head: Centre of the head's prior, shape (features, embedding).
        inputs: Training inputs of each member, shape (members, size, ...).
        targets: Shape (members, size), standardised.
        mask: Shape (members, size), 1 for a measurement and 0 for padding.
        positioned: Shape (members,), 1 if the member's kernel uses the position.
        trained_head: 1 to train the head; 0 to scale it only by the stretch, the single lengthscale of the embedding.
        freedom: Freedom of the head, see :func:`log_prior`.
        steps: Number of steps; changing it does not recompile the program.
        learning_rate: Initial learning rate; it falls to a tenth along a cosine.
    """
    optimiser = optax.inject_hyperparams(optax.adam)(learning_rate=learning_rate, b2=0.99)
    gradient = jax.vmap(jax.grad(_objective), in_axes=(0, None, 0, 0, 0, 0, None))

    def step(number: Array, carry: tuple[Parameters, optax.OptState]) -> tuple[Parameters, optax.OptState]:
        parameters, state = carry
        slope = gradient(parameters, head, inputs, targets, mask, positioned, freedom)
        along = slope.log_stretch + jnp.sum(slope.head * parameters.head, (1, 2))
        slope = slope._replace(
            head=slope.head * trained_head, log_stretch=jnp.where(trained_head > 0, slope.log_stretch, along)
        )
        done = number / jnp.maximum(steps, 1)
        state.hyperparams["learning_rate"] = learning_rate * (0.55 + 0.45 * jnp.cos(jnp.pi * done))
        change, state = optimiser.update(slope, state, parameters)
        parameters = optax.apply_updates(parameters, change)
        stretched = start.head * jnp.exp(parameters.log_stretch - start.log_stretch)[:, None, None]
        return parameters._replace(head=jnp.where(trained_head > 0, parameters.head, stretched)), state

    finished: Parameters = jax.lax.fori_loop(0, steps, step, (start, optimiser.init(start)))[0]
    return finished
