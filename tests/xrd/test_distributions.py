"""A distribution draws what its name says, never beyond its ends, and is written as it was read."""

import json

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError
from scipy import stats

from nescio.xrd import Distribution

KEY = jax.random.key(7)
NUMBERS = st.floats(-1e3, 1e3)


def read(value):
    return Distribution.model_validate(value)


def draws(value, n=4000):
    return np.asarray(read(value).sample(KEY, (n,)), float)


def test_a_number_is_a_constant():
    assert (draws(0.25) == 0.25).all()
    assert read(0).is_zero
    assert not read(0.25).is_zero


def test_uniform_draws_are_uniform():
    assert stats.kstest(draws({"uniform": [-1.0, 3.0]}), stats.uniform(-1.0, 4.0).cdf).pvalue > 0.01


def test_the_logarithm_of_log_uniform_draws_is_uniform():
    x = np.log10(draws({"log_uniform": [5.0, 50.0]}))
    assert stats.kstest(x, stats.uniform(np.log10(5.0), 1.0).cdf).pvalue > 0.01


def test_normal_draws_are_normal_up_to_three_standard_deviations():
    x = draws({"normal": [2.0, 0.5]})
    assert stats.kstest(x, stats.truncnorm(-3, 3, 2.0, 0.5).cdf).pvalue > 0.01
    assert abs(x - 2.0).max() <= 1.5 + 1e-6


def test_a_width_of_zero_is_a_constant():
    assert (draws({"uniform": [0.5, 0.5]}) == 0.5).all()
    assert (draws({"normal": [0.5, 0.0]}) == 0.5).all()


@given(ends=st.tuples(NUMBERS, NUMBERS).map(sorted))
def test_no_draw_lies_beyond_the_ends(ends):
    low, high = ends
    distribution = read({"uniform": [low, high]})
    assert (distribution.low, distribution.high) == (low, high)
    x = np.asarray(distribution.sample(KEY, (64,)), float)
    slack = 1e-6 * max(abs(low), abs(high)) + 1e-37
    assert low - slack <= x.min()
    assert x.max() <= high + slack


def test_the_same_key_draws_the_same_and_compiles():
    distribution = read({"log_uniform": [1.0, 10.0]})
    compiled = jax.jit(lambda key: distribution.sample(key, (5,)))(KEY)
    np.testing.assert_allclose(compiled, distribution.sample(KEY, (5,)), rtol=1e-6)


@pytest.mark.parametrize(
    "written",
    [1.5, {"uniform": [0.1, 0.3]}, {"log_uniform": [1e-3, 7.0]}, {"normal": [1.0, 0.1]}],
)
def test_it_is_written_as_it_was_read(written):
    class Holder(BaseModel):
        value: Distribution

    stored = json.loads(json.dumps(Holder(value=read(written)).model_dump(mode="json")))
    assert stored["value"] == written
    assert Holder.model_validate(stored).value == read(written)


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ({"uniform": [2.0, 1.0]}, "lower limit 2 is above the upper limit 1"),
        ({"log_uniform": [0.0, 1.0]}, "log_uniform needs positive numbers"),
        ({"normal": [0.0, -1.0]}, "standard deviation cannot be negative"),
        ({"uniform": [1.0]}, "uniform takes two numbers"),
        ({"uniform": [0.0, True]}, "uniform takes two numbers"),
        ({"uniform": ["a", "b"]}, "uniform takes two numbers"),
        ({"triangular": [0.0, 1.0]}, "a distribution is a number"),
        ({"uniform": [0, 1], "normal": [0, 1]}, "a distribution is a number"),
        ("0.5", "a distribution is a number"),
        (True, "not true or false"),
        (float("nan"), "must be finite"),
        ({"uniform": [0.0, float("inf")]}, "must be finite"),
        (10**400, "must be finite"),
    ],
)
def test_what_is_no_distribution_is_refused(written, why):
    with pytest.raises(ValidationError, match=why):
        read(written)
