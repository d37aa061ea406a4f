"""Sparse Gaussian process for many measurements, with inducing points among the measured candidates.

The variance of a measurement that the inducing points do not explain is added to its noise (fully independent training
conditional, FITC). Few inducing points therefore increase the model's uncertainty.

Source: Snelson and Ghahramani, NIPS 18, 1257 (2006), eqs. 6-8. Choice of the inducing points: Burt, Rasmussen and van
der Wilk, J. Mach. Learn. Res. 21, 131 (2020), section 4.2. Leave-one-out in closed form, as for any linear smoother:
Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), section 5.4.2.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array

from nescio.explore.surrogates.conditioned import Conditioned
from nescio.explore.surrogates.kernel import Inputs, covariance, noise_variance, prior_variance
from nescio.explore.surrogates.likelihood import inverse_factor, padded
from nescio.explore.surrogates.parameters import Parameters

__all__ = ["BLOCK", "choose_inducing", "condition_sparse"]

BLOCK = 1000
"""Number of measurements whose covariances are in memory at once."""

# Variance added at the inducing points, and smallest conditional variance of a further inducing point. Both are
# fractions of the prior variance, at the limit of single precision.
_JITTER = 1e-4
_LEAST = 1e-4


@partial(jax.jit, static_argnames=("size",))
def choose_inducing(
    parameters: Parameters, inputs: Inputs, mask: Array, positioned: Array, *, size: int
) -> tuple[Array, Array]:
    """Choose inducing points greedily: each is the measurement with the largest remaining variance.

    Args:
        parameters: Parameters of one member.
        inputs: Inputs of all measurements, shape (n, ...).
        mask: Shape (n,), 1 for a measurement and 0 for padding.
        positioned: 1 if the kernel uses the position, otherwise 0.
        size: Number of inducing points.

    Returns:
        Indices and mask, each of shape (size,). The mask is 0 for entries after no measurement has variance left.
    """
    prior = prior_variance(parameters)

    def step(number: Array, carry: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
        rows, left, chosen, kept = carry
        which = jnp.argmax(left)
        one = jax.tree.map(lambda leaf: leaf[which][None], inputs)
        row = covariance(parameters, one, inputs, positioned)[0] * mask - rows[:, which] @ rows
        pivot = left[which]
        use = pivot > _LEAST * prior
        row = jnp.where(use, row / jnp.sqrt(jnp.maximum(pivot, 1e-12)), 0.0)
        left = jnp.maximum(left - row * row, 0.0).at[which].set(0.0)
        return rows.at[number].set(row), left, chosen.at[number].set(which), kept.at[number].set(use)

    start = (
        jnp.zeros((size, mask.size), jnp.float32),
        prior * mask,
        jnp.zeros(size, jnp.int32),
        jnp.zeros(size, bool),
    )
    _, _, chosen, kept = jax.lax.fori_loop(0, size, step, start)
    return chosen, kept.astype(jnp.float32)


@jax.jit
def condition_sparse(
    parameters: Parameters,
    inducing: Inputs,
    inducing_mask: Array,
    inputs: Inputs,
    targets: Array,
    mask: Array,
    positioned: Array,
) -> Conditioned:
    """Condition every member on all measurements, through their covariance with the inducing points.

    Args:
        parameters: Parameters with a leading axis of members.
        inducing: Inducing points, shape (size, ...).
        inducing_mask: Shape (size,), 1 for an inducing point.
        inputs: Inputs of all measurements, shape (n, ...) with n a multiple of `BLOCK`.
        targets: Shape (n,), standardised.
        mask: Shape (n,), 1 for a measurement.
        positioned: Shape (members,), 1 if the member's kernel uses the position.
    """
    number = mask.size // BLOCK
    blocks = jax.tree.map(lambda leaf: leaf.reshape(number, BLOCK, *leaf.shape[1:]), (inputs, targets, mask))

    def one(member: tuple[Parameters, Array]) -> Conditioned:
        parameters, positioned = member
        prior, noise = prior_variance(parameters), noise_variance(parameters)
        among = covariance(parameters, inducing, inducing, positioned)
        _, inverse = inverse_factor(padded(among, _JITTER * prior, inducing_mask))

        def features(inputs: Inputs, mask: Array) -> Array:
            cross = covariance(parameters, inducing, inputs, positioned)
            return inverse @ (cross * inducing_mask[:, None] * mask[None, :])

        def lost(seen: Array) -> Array:
            return jnp.maximum(prior - jnp.sum(seen * seen, 0), 0.0)

        def add(
            total: tuple[Array, Array], block: tuple[Inputs, Array, Array]
        ) -> tuple[tuple[Array, Array], None]:
            seen = features(block[0], block[2])
            weighted = seen / (noise + lost(seen))
            return (total[0] + weighted @ seen.T, total[1] + weighted @ (block[1] * block[2])), None

        size = inducing_mask.size
        nothing = (jnp.zeros((size, size), jnp.float32), jnp.zeros(size, jnp.float32))
        (gram, projected), _ = jax.lax.scan(add, nothing, blocks)
        _, outer = inverse_factor(jnp.eye(size, dtype=jnp.float32) + gram)
        posterior = outer.T @ (outer @ projected)

        def left_out(block: tuple[Inputs, Array, Array]) -> tuple[Array, Array]:
            seen = features(block[0], block[2])
            variance = jnp.sum((outer @ seen) ** 2, 0)
            remaining = jnp.maximum(1.0 - variance / (noise + lost(seen)), 1e-3)
            residual = (block[1] - seen.T @ posterior) / remaining
            return residual, jnp.maximum(variance / remaining + lost(seen), 1e-8)

        residual, variance = jax.lax.map(left_out, blocks)
        return Conditioned(
            inverse=inverse,
            weights=inverse.T @ posterior,
            residual=residual.ravel(),
            variance=variance.ravel(),
            spread=outer @ inverse,
        )

    # One member at a time to limit memory, as in :func:`predict`.
    conditioned: Conditioned = jax.lax.map(one, (parameters, positioned))
    return conditioned
