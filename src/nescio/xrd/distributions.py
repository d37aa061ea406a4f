"""Distributions of one nuisance parameter, as written in a configuration."""

from __future__ import annotations

import math
import reprlib
from typing import Any, Literal

import jax
import jax.numpy as jnp
from pydantic import AfterValidator, model_serializer, model_validator

from nescio.configuration import Settings

__all__ = ["Distribution", "within"]

_KINDS = ("constant", "uniform", "log_uniform", "normal")
_NORMAL_REACH = 3.0


class Distribution(Settings):
    """Distribution of a real number.

    In TOML: a plain number (a constant), ``{uniform = [low, high]}``, ``{log_uniform = [low, high]}`` (the logarithm is
    uniform) or ``{normal = [mean, standard_deviation]}``, truncated at three standard deviations.
    """

    kind: Literal["constant", "uniform", "log_uniform", "normal"]
    first: float
    second: float

    @model_validator(mode="before")
    @classmethod
    def _parse(cls, value: Any) -> Any:
        if isinstance(value, Distribution):
            return {"kind": value.kind, "first": value.first, "second": value.second}
        if isinstance(value, bool):
            raise ValueError("must be a number or a distribution, not true or false")
        if isinstance(value, int | float):
            return {"kind": "constant", "first": _as_float(value), "second": _as_float(value)}
        if isinstance(value, dict) and set(value) == {"kind", "first", "second"}:
            return value
        if not isinstance(value, dict) or len(value) != 1 or next(iter(value)) not in _KINDS[1:]:
            raise ValueError(
                "a distribution is a number, {uniform = [low, high]}, {log_uniform = [low, high]} "
                f"or {{normal = [mean, standard_deviation]}}, not {reprlib.repr(value)}"
            )
        kind, arguments = next(iter(value.items()))
        if (
            not isinstance(arguments, list | tuple)
            or len(arguments) != 2
            or any(isinstance(a, bool) or not isinstance(a, int | float) for a in arguments)
        ):
            raise ValueError(f"{kind} takes two numbers, not {reprlib.repr(arguments)}")
        return {"kind": kind, "first": _as_float(arguments[0]), "second": _as_float(arguments[1])}

    @model_validator(mode="after")
    def _check(self) -> Distribution:
        if not (math.isfinite(self.first) and math.isfinite(self.second)):
            raise ValueError("the numbers of a distribution must be finite")
        if self.kind in ("uniform", "log_uniform") and self.first > self.second:
            raise ValueError(f"the lower limit {self.first:g} is above the upper limit {self.second:g}")
        if self.kind == "log_uniform" and self.first <= 0:
            raise ValueError(f"log_uniform needs positive numbers, not {self.first:g}")
        if self.kind == "normal" and self.second < 0:
            raise ValueError(f"a standard deviation cannot be negative ({self.second:g})")
        return self

    @model_serializer
    def _as_written(self) -> float | dict[str, list[float]]:
        return self.first if self.kind == "constant" else {self.kind: [self.first, self.second]}

    @property
    def low(self) -> float:
        """Smallest possible value."""
        return self.first - _NORMAL_REACH * self.second if self.kind == "normal" else self.first

    @property
    def high(self) -> float:
        """Largest possible value."""
        return self.first + _NORMAL_REACH * self.second if self.kind == "normal" else self.second

    @property
    def is_zero(self) -> bool:
        """Whether the distribution is always zero."""
        return self.low == 0.0 == self.high

    def sample(self, key: jax.Array, shape: tuple[int, ...] = ()) -> jax.Array:
        """Draw an array of `shape`, single precision."""
        if self.low == self.high:
            return jnp.full(shape, self.low, jnp.float32)
        if self.kind == "normal":
            draw = jax.random.truncated_normal(key, -_NORMAL_REACH, _NORMAL_REACH, shape, jnp.float32)
            return self.first + self.second * draw
        if self.kind == "log_uniform":
            low, high = math.log(self.first), math.log(self.second)
            return jnp.exp(jax.random.uniform(key, shape, jnp.float32, low, high))
        return jax.random.uniform(key, shape, jnp.float32, self.first, self.second)


def _as_float(value: float) -> float:
    # A whole number beyond the range of a float is refused with the infinite ones.
    try:
        return float(value)
    except OverflowError:
        return math.inf


def within(low: float, high: float, what: str) -> AfterValidator:
    """Return a validator for distributions that must stay within physical bounds."""

    def check(distribution: Distribution) -> Distribution:
        if distribution.low < low or distribution.high > high:
            raise ValueError(
                f"{what} must lie within {low:g} to {high:g}, "
                f"not {distribution.low:g} to {distribution.high:g}"
            )
        return distribution

    return AfterValidator(check)
