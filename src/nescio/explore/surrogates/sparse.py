"""Conditioning on more measurements than an exact Gaussian process takes: inducing points among the measured ones.

What the inducing points leave open of a measurement counts as further noise of it (the fully independent training
conditional), so that few inducing points make a model less sure and not more.

Source: Snelson and Ghahramani, NIPS 18, 1257 (2006), eqs. 6-8; choice of the inducing points: Burt, Rasmussen and van
der Wilk, J. Mach. Learn. Res. 21, 131 (2020), section 4.2; leaving one out in closed form, as for any linear smoother:
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
"""Measurements whose covariances are in memory at once."""

# Variance added to that of the inducing values, and least conditional variance of a further inducing point, both as
# shares of the prior variance: what single precision can still tell from zero.
_JITTER = 1e-4
_LEAST = 1e-4


@partial(jax.jit, static_argnames=("size",))
def choose_inducing(
    parameters: Parameters, inputs: Inputs, mask: Array, positioned: Array, *, size: int
) -> tuple[Array, Array]:
    """Return measurements that tell most of the others, one after the other where the variance is still largest.

    Args:
        parameters: Of one member.
        inputs: Of all measurements, shape (n, ...).
        mask: Shape (n,), 1 for a measurement.
        positioned: 1 where the kernel sees the position.
        size: How many.

    Returns:
        Indices and mask, shape (size,); the mask is 0 from where no measurement has variance left.
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
    """Give every member all measurements, through their covariance with the inducing points.

    Args:
        parameters: With a leading axis of members.
        inducing: Shape (size, ...).
        inducing_mask: Shape (size,), 1 for an inducing point.
        inputs: Of all measurements, shape (n, ...) with n a multiple of `BLOCK`.
        targets: Shape (n,), standardised.
        mask: Shape (n,), 1 for a measurement.
        positioned: Shape (members,), 1 where the kernel sees the position.
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

    # One member after the other, as in :func:`predict`.
    conditioned: Conditioned = jax.lax.map(one, (parameters, positioned))
    return conditioned
