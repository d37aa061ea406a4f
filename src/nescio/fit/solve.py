"""Levenberg-Marquardt with what is linear eliminated: one compiled program, mapped over data, models and starts."""

from __future__ import annotations

from enum import IntEnum
from functools import partial
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from nescio.fit.evidence import log_evidence
from nescio.fit.linear import masked_cholesky, nonnegative_solution, solve_masked
from nescio.fit.model import Limits, Linear, Model

__all__ = ["Fit", "FitSettings", "Stop", "best_of", "fit", "fit_many"]


class Stop(IntEnum):
    """Why a fit stopped."""

    ITERATIONS = 0
    """The number of iterations was used up."""
    CONVERGED = 1
    """The last step reduced the cost by next to nothing."""
    STUCK = 2
    """No step reduces the cost, however short."""
    NOT_FINITE = 3
    """The model gives no finite numbers at the start."""


class FitSettings(NamedTuple):
    """How to search; a number may be an array, so that a compiled program serves for several."""

    iterations: int | Array = 40
    """Largest number of steps."""
    tolerance: float = 1e-4
    """A step that reduces the cost by less than this share of it, or than `least`, is the last."""
    least: float = 0.01
    """See `tolerance`: a difference of log-likelihood that means nothing."""
    robust: float = float("inf")
    """Residuals beyond this many standard deviations count linearly (pseudo-Huber); infinite for least squares."""


class Fit(eqx.Module):
    """A best fit; with leading dimensions if it was mapped."""

    values: Array
    """Shape (values,)."""
    coefficients: Array
    """Shape (columns,)."""
    covariance: Array
    """Shape (values + columns, values + columns), from the Jacobian; zero for what was not fitted or is at a bound."""
    signal: Array
    """Shape (points,): the fitted signal."""
    cost: Array
    """Half the sum of squared weighted residuals, those of the priors included."""
    misfit: Array
    """The same without the priors."""
    information: Array
    """Shape (values + columns, values + columns): second derivative of the misfit, values in units of their scale."""
    prior_precision: Array
    """Shape (values + columns,): what priors add to its diagonal, in the same units."""
    used: Array
    """Shape (values + columns,): what was fitted and is at no bound."""
    log_evidence: Array
    """See :func:`nescio.fit.log_evidence`."""
    iterations: Array
    """Number of steps tried."""
    stop: Array
    """A :class:`Stop`."""


class _Point(NamedTuple):
    """What is known at some values."""

    values: Array
    coefficients: Array
    free: Array
    signal: Array
    gram: Array
    gradient: Array
    cost: Array
    misfit: Array


class _Search(NamedTuple):
    at: _Point
    damping: Array
    iteration: Array
    stop: Array


_FIRST_DAMPING, _LARGEST_DAMPING, _SMALLEST_DAMPING = 1e-2, 1e8, 1e-7
_LESS, _MORE = 0.2, 5.0
_NOT_YET = -1


def fit(
    model: Model,
    start: Array,
    limits: Limits,
    linear: Linear,
    observed: Array,
    weights: Array,
    settings: FitSettings = FitSettings(),  # noqa: B008 - immutable
) -> Fit:
    """Fit a model to data: bounded least squares with Gaussian priors.

    Args:
        model: The model.
        start: Shape (values,), brought within the bounds.
        limits: Bounds and priors of the values.
        linear: Bounds and priors of the coefficients.
        observed: Shape (points,).
        weights: Shape (points,): one over the variance of each point, zero to leave it out.
        settings: How to search. `robust` is a Python number: it decides what is compiled.

    Returns:
        The best fit found, and why the search stopped; a model that is not finite at the start is returned as it is.

    Source: variable projection in Kaufman's form: Kaufman (1975), BIT 15, 49-57; bounds by projection: Kanzow,
    Yamashita and Fukushima (2004), J. Comput. Appl. Math. 172, 375-397.
    """
    values = jnp.where(limits.free, jnp.clip(start, limits.lower, limits.upper), start)
    search = _Search(
        _nowhere(values, linear, observed),
        jnp.asarray(_FIRST_DAMPING, observed.dtype),
        jnp.asarray(-1),
        jnp.asarray(_NOT_YET),
    )

    def going(search: _Search) -> Array:
        return (search.stop == _NOT_YET) & (search.iteration < settings.iterations)

    def step(search: _Search) -> _Search:
        # The start is a step too, so that the model is compiled once.
        first = search.iteration < 0
        at = search.at
        moved = jnp.where(first, values, _stepped(at, limits, linear, search.damping))
        robust = _robust_weights(observed - at.signal, weights, settings.robust)
        robust = jnp.where(first, weights, robust)
        new = _evaluate(model, moved, limits, linear, observed, weights, robust, settings)
        gain = at.cost - new.cost
        better = jnp.isfinite(new.cost) & (gain > 0.0)
        small = gain < jnp.maximum(settings.tolerance * at.cost, settings.least)
        kept = jax.tree.map(lambda one, other: jnp.where(better | first, one, other), new, at)
        damping = jnp.where(better, search.damping * _LESS, search.damping * _MORE)
        still = jnp.all(moved == at.values)
        stop = jnp.where(
            better & small,
            int(Stop.CONVERGED),
            jnp.where(~better & ((damping > _LARGEST_DAMPING) | still), int(Stop.STUCK), _NOT_YET),
        )
        # At a minimum to rounding no step is better; that is convergence too.
        stop = jnp.where(
            ~better & (jnp.abs(gain) < settings.least) & (search.iteration > 0), int(Stop.CONVERGED), stop
        )
        begun = jnp.where(jnp.isfinite(new.cost), _NOT_YET, int(Stop.NOT_FINITE))
        return _Search(
            kept,
            jnp.where(first, search.damping, jnp.maximum(damping, _SMALLEST_DAMPING)),
            search.iteration + 1,
            jnp.where(first, begun, stop),
        )

    done = jax.lax.while_loop(going, step, search)
    return _finished(done, limits, linear)


def _nowhere(values: Array, linear: Linear, observed: Array) -> _Point:
    """Return what is known before the model was evaluated: shapes, and a cost that anything is better than."""
    columns = linear.precision.shape[0]
    both = values.shape[0] + columns
    zeros, infinite = jnp.zeros_like(observed), jnp.asarray(jnp.inf, observed.dtype)
    return _Point(
        values,
        zeros[:1].repeat(columns),
        jnp.zeros(columns, bool),
        zeros,
        jnp.zeros((both, both), observed.dtype),
        jnp.zeros_like(values),
        infinite,
        infinite,
    )


@eqx.filter_jit
def fit_many(
    model: Model,
    start: Array,
    limits: Limits,
    linear: Linear,
    observed: Array,
    weights: Array,
    settings: FitSettings,
    axes: tuple[object, ...],
) -> Fit:
    """Fit many in one compiled program: arguments as of :func:`fit`.

    Args:
        model: The model, or several stacked along leading axes; likewise the further arguments.
        start: See :func:`fit`.
        limits: See :func:`fit`.
        linear: See :func:`fit`.
        observed: See :func:`fit`.
        weights: See :func:`fit`.
        settings: How to search.
        axes: For model, start, limits, linear, observed and weights in turn, the axis to map over or None, as for
            `jax.vmap`.

    Returns:
        The fits, with a leading dimension.
    """
    mapped = jax.vmap(partial(fit, settings=settings), in_axes=axes)
    fits: Fit = mapped(model, start, limits, linear, observed, weights)
    return fits


def best_of(fits: Fit, axis: int = 0) -> Fit:
    """Return the fits of lowest cost along an axis, such as that of the starts."""
    which = jnp.argmin(jnp.where(jnp.isfinite(fits.cost), fits.cost, jnp.inf), axis=axis)

    def taken(leaf: Array) -> Array:
        index = jnp.expand_dims(which, tuple(range(which.ndim, leaf.ndim - 1)))
        return jnp.take_along_axis(leaf, jnp.expand_dims(index, axis), axis=axis).squeeze(axis)

    best: Fit = jax.tree.map(taken, fits)
    return best


def _robust_weights(residual: Array, weights: Array, limit: float) -> Array:
    if limit == float("inf"):
        return weights
    return weights / jnp.sqrt(1.0 + residual**2 * weights / limit**2)


def _loss(residual: Array, weights: Array, limit: float) -> Array:
    square = residual**2 * weights
    if limit == float("inf"):
        return 0.5 * jnp.sum(square)
    return limit**2 * jnp.sum(jnp.sqrt(1.0 + square / limit**2) - 1.0)


def _evaluate(
    model: Model,
    values: Array,
    limits: Limits,
    linear: Linear,
    observed: Array,
    weights: Array,
    robust: Array,
    settings: FitSettings,
) -> _Point:
    design = jnp.where(linear.present, model.design(values), 0.0)
    root = jnp.sqrt(robust)
    scaled = design * root[:, None]
    moment = scaled.T @ (observed * root)
    linear_gram = scaled.T @ scaled
    coefficients, free = nonnegative_solution(
        linear_gram + jnp.diag(linear.precision), moment, linear.nonnegative, linear.present
    )
    signal = design @ coefficients
    residual = observed - signal
    # Everything is in units of the scale of the values, so that single precision is enough.
    slopes = model.jacobian(values, coefficients) * limits.scale * root[:, None]
    cross = slopes.T @ scaled
    gram = jnp.block([[slopes.T @ slopes, cross], [cross.T, linear_gram]])
    deviation = jnp.where(limits.precision > 0.0, values - limits.mean, 0.0)
    gradient = slopes.T @ (residual * root) - limits.precision * deviation * limits.scale
    misfit = _loss(residual, weights, settings.robust)
    prior = 0.5 * jnp.sum(limits.precision * deviation**2) + 0.5 * jnp.sum(linear.precision * coefficients**2)
    return _Point(values, coefficients, free, signal, gram, gradient, misfit + prior, misfit)


def _information(at: _Point, limits: Limits, linear: Linear) -> Array:
    """Second derivative of the cost by scaled values and coefficients."""
    return at.gram + jnp.diag(jnp.concatenate([limits.precision * limits.scale**2, linear.precision]))


def _movable(at: _Point, limits: Limits) -> Array:
    """Whether a value may move: free, and not pushed against a bound."""
    return (
        limits.free
        & ~((at.values <= limits.lower) & (at.gradient < 0.0))
        & ~((at.values >= limits.upper) & (at.gradient > 0.0))
    )


def _stepped(at: _Point, limits: Limits, linear: Linear, damping: Array) -> Array:
    """Return values one damped step further, with the coefficients eliminated."""
    count = at.values.shape[0]
    information = _information(at, limits, linear)
    movable = _movable(at, limits)
    factor, scale = masked_cholesky(information[count:, count:], at.free)
    cross = information[:count, count:]
    reduced = information[:count, :count] - cross @ solve_masked(factor, scale, cross.T)
    diagonal = jnp.diagonal(information)[:count]
    # What the data say nothing about has no curvature left: it is damped by a trace of the largest.
    reduced = reduced + jnp.diag(damping * (diagonal + 1e-6 * jnp.max(diagonal)))
    factor, scale = masked_cholesky(reduced, movable)
    step = solve_masked(factor, scale, jnp.where(movable, at.gradient, 0.0))
    step = jnp.where(movable & jnp.isfinite(step), step, 0.0) * limits.scale
    moved = jnp.clip(at.values + step, limits.lower, limits.upper)
    return jnp.where(limits.free, moved, at.values)


def _finished(search: _Search, limits: Limits, linear: Linear) -> Fit:
    at = search.at
    information = _information(at, limits, linear)
    inside = limits.free & (at.values > limits.lower) & (at.values < limits.upper)
    used = jnp.concatenate([inside, at.free])
    factor, scale = masked_cholesky(information, used)
    units = jnp.concatenate([limits.scale, jnp.ones_like(at.coefficients)])
    inverse = solve_masked(factor, scale, jnp.diag(used.astype(factor.dtype)))
    covariance = jnp.where(used[:, None] & used[None, :], inverse, 0.0) * units[:, None] * units[None, :]
    prior = jnp.concatenate([limits.precision * limits.scale**2, linear.precision])
    return Fit(
        values=at.values,
        coefficients=at.coefficients,
        covariance=covariance,
        signal=at.signal,
        cost=at.cost,
        misfit=at.misfit,
        information=at.gram,
        prior_precision=prior,
        used=used,
        log_evidence=log_evidence(at.cost, information, prior, used),
        iterations=search.iteration,
        stop=jnp.where(search.stop == _NOT_YET, int(Stop.ITERATIONS), search.stop),
    )
