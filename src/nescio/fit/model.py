"""What is fitted: a model linear in some of its parameters, and what is known of the others beforehand."""

from __future__ import annotations

from abc import abstractmethod

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

__all__ = ["Limits", "Linear", "Model"]


class Model(eqx.Module):
    """A signal that is a sum of columns, each with a coefficient; the columns depend on further values.

    Arrays that the model needs are its fields, so that models of equal shapes can be stacked and mapped over.
    """

    @abstractmethod
    def design(self, values: Array) -> Array:
        """Return the columns.

        Args:
            values: Shape (values,): the parameters in which the signal is not linear.

        Returns:
            Shape (points, columns).
        """

    def jacobian(self, values: Array, coefficients: Array) -> Array:
        """Return the derivative of ``design(values) @ coefficients`` by the values, shape (points, values).

        Override this method where shared work makes it cheaper than one directional derivative for each value.
        """
        slopes: Array = jax.jacfwd(lambda at: self.design(at) @ coefficients)(values)
        return slopes


class Limits(eqx.Module):
    """Bounds and Gaussian prior of the values; every field has the shape (values,)."""

    lower: Array
    upper: Array
    mean: Array
    sigma: Array
    """Standard deviation of the prior; infinite for none, zero for a value that is held at its start."""

    @classmethod
    def of(cls, lower: object, upper: object, mean: object, sigma: object) -> Limits:
        """Build limits from numbers or arrays that broadcast."""
        parts = jnp.broadcast_arrays(
            *(jnp.asarray(part, jnp.float32) for part in (lower, upper, mean, sigma))
        )
        return cls(*parts)

    @property
    def free(self) -> Array:
        """Whether a value is fitted, shape (values,)."""
        return self.sigma > 0.0

    @property
    def precision(self) -> Array:
        """One over the variance of the prior, zero where there is none, shape (values,)."""
        usable = self.free & jnp.isfinite(self.sigma)
        return jnp.where(usable, 1.0 / jnp.where(usable, self.sigma, 1.0) ** 2, 0.0)

    @property
    def scale(self) -> Array:
        """A typical change of each value, shape (values,): its prior's width, at most the distance of its bounds."""
        span = jnp.where(jnp.isfinite(self.upper - self.lower), self.upper - self.lower, jnp.inf)
        scale = jnp.minimum(jnp.where(self.free, self.sigma, 1.0), span)
        return jnp.where(jnp.isfinite(scale) & (scale > 0.0), scale, 1.0)


class Linear(eqx.Module):
    """What is known of the coefficients beforehand."""

    precision: Array
    """Shape (columns,): one over the variance of a Gaussian prior about zero; zero for none."""
    nonnegative: Array
    """Shape (columns,): whether the coefficient may not be negative."""
    present: Array
    """Shape (columns,): whether the column is used; the coefficients of others are zero."""
