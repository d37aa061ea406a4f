"""How probable data are under a model as a whole: the evidence, by Laplace's approximation."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from nescio.fit.linear import masked_cholesky

__all__ = ["log_evidence"]


def log_evidence(cost: Array, information: Array, prior_precision: Array, used: Array) -> Array:
    """Return the logarithm of the evidence, up to a constant that all models of the same data share.

    Args:
        cost: Half the sum of squared residuals, those of the prior included, at the best fit.
        information: Shape (n, n): second derivative of the cost by all parameters.
        prior_precision: Shape (n,): what the prior adds to the diagonal of it; zero for a flat prior, which adds no
            term for freedom and is fit only for parameters that all compared models have.
        used: Shape (n,): whether a parameter is fitted.

    Source: MacKay (1992), Neural Computation 4, 415-447, equation 2.5.
    """
    factor, scale = masked_cholesky(information, used)
    log_determinant = 2.0 * jnp.sum(jnp.log(jnp.diagonal(factor)))
    log_determinant -= 2.0 * jnp.sum(jnp.where(scale > 0.0, jnp.log(jnp.where(scale > 0.0, scale, 1.0)), 0.0))
    has_prior = used & (prior_precision > 0.0)
    prior = jnp.sum(jnp.where(has_prior, jnp.log(jnp.where(has_prior, prior_precision, 1.0)), 0.0))
    return -cost + 0.5 * prior - 0.5 * log_determinant
