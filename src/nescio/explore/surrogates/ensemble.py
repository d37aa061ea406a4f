"""Deep kernels trained side by side: a program for each of five sizes, however many measurements there are."""

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
"""Most measurements that an exact Gaussian process is given, and of which the members learn."""

_CAPACITIES = (100, 200, 400, 700, EXACT)


def capacity(n: int) -> int:
    """Return the size of the arrays that hold `n` measurements: one of five up to `EXACT`, then doubled and doubled."""
    for size in _CAPACITIES:
        if n <= size:
            return size
    size = EXACT
    while size < n:
        size *= 2
    return size


class Halves(NamedTuple):
    """What each member learns from; its partner learns from the rest."""

    order: NDArray[np.intp]
    """Shape (members, size), which measurements; 0 where padded."""
    mask: NDArray[np.float32]
    """Shape (members, size), 1 for a measurement."""
    seen: NDArray[np.bool_]
    """Shape (members, n), whether a member learned from a measurement."""


def halves(n: int, members: int, seed: int) -> Halves:
    """Divide `n` measurements between the two members of each pair, at random.

    Of every two that follow one another, one goes to each; and where a measurement went does not change when more are
    added, so that a member never learns from what it must not have seen. Of more than `EXACT` measurements each member
    learns from as many of its own, drawn at random, as it has of `EXACT`; a further measurement replaces one at most.
    """
    size = capacity(min(n, EXACT)) // 2
    seen = np.zeros((members, n), bool)
    for pair in range(members // 2):
        # More draws only follow the earlier ones.
        first = np.random.default_rng([seed, pair]).integers(0, 2, (n + 1) // 2)
        number = np.arange(n)
        seen[2 * pair] = (number % 2) == first[number // 2]
        seen[2 * pair + 1] = ~seen[2 * pair]
    order = np.zeros((members, size), np.intp)
    mask = np.zeros((members, size), np.float32)
    # As above: more draws only follow the earlier ones.
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
    """Return members' parameters after some steps of Adam towards the maximum of their posterior.

    Args:
        start: With a leading axis of members.
        head: Middle of the head's prior, shape (features, embedding).
        inputs: Shape (members, size, ...), what each learns from.
        targets: Shape (members, size), standardised.
        mask: Shape (members, size), 1 for a measurement.
        positioned: Shape (members,), 1 where the kernel sees the position.
        trained_head: 1 where the head is trained as well, 0 where it only follows the stretch, which is then the one
            lengthscale of the embedding.
        freedom: Of the head, see :func:`log_prior`.
        steps: How many; not part of the compiled program.
        learning_rate: At the beginning; it falls to a tenth along a cosine.
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
