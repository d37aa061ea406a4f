"""An ensemble tells numbers, how far they may be off, and which part of that more learning would not mend."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array
from pydantic import ValidationError

from nescio.errors import AgentError, ConfigurationError, InterruptedTrainingError
from nescio.learn.numbers import RegressionSettings, fit_regression

GRID = np.linspace(-1.0, 1.0, 24)
QUICK = RegressionSettings(hidden=(32,), members=3, steps=600, batch=64, learning_rate=5e-3)


def bumps(key: Array, n: int, member: Array) -> tuple[Array, Array]:
    """Return bumps of some height somewhere; the second number is the height, and noise that grows with it."""
    del member
    place, height, noise = jax.random.split(key, 3)
    centre = jax.random.uniform(place, (n,), minval=-0.5, maxval=0.5)
    tall = jax.random.uniform(height, (n,), minval=1.0, maxval=3.0)
    signals = tall[:, None] * jnp.exp(-(((jnp.asarray(GRID) - centre[:, None]) / 0.3) ** 2))
    uncertain = tall + 0.2 * (tall - 0.9) * jax.random.normal(noise, (n,))
    return signals, jnp.stack([10.0 * centre, uncertain], axis=1)


@pytest.fixture(scope="module")
def trained():
    return fit_regression(bumps, QUICK)


@pytest.fixture(scope="module")
def fresh() -> tuple[np.ndarray, np.ndarray]:
    x, y = bumps(jax.random.key(77), 4000, jnp.asarray(0))
    return np.asarray(x), np.asarray(y)


def test_it_tells_the_numbers_and_the_noise_that_is_in_them(trained, fresh) -> None:
    signals, numbers = fresh
    mean, aleatoric, epistemic = trained.moments(signals)
    assert np.abs(mean[:, 0] - numbers[:, 0]).mean() < 0.3
    tall = signals.max(axis=1)
    assert np.abs(mean[:, 1] - tall).mean() < 0.1
    # The noise of tall ones is ten times that of low ones.
    low, high = tall < 1.3, tall > 2.7
    assert aleatoric[high, 1].mean() == pytest.approx(0.2 * 1.95, rel=0.2)
    assert aleatoric[low, 1].mean() < 0.35 * aleatoric[high, 1].mean()
    # Where nothing was learned from, the members disagree.
    strange = 3.0 * np.random.default_rng(0).normal(size=(50, len(GRID)))
    assert trained.moments(strange)[2].mean() > 5.0 * epistemic.mean()
    assert trained.history[-1]["networks"] < trained.history[0]["networks"]


@pytest.mark.parametrize("level", [0.8, 0.9, 0.95])
def test_intervals_cover_what_they_say(trained, fresh, level: float) -> None:
    signals, numbers = fresh
    told = trained.calibrated(signals[:1500], numbers[:1500], level=level).expect(signals[1500:])
    inside = (numbers[1500:] >= told.low) & (numbers[1500:] <= told.high)
    np.testing.assert_allclose(inside.mean(axis=0), level, atol=0.025)
    np.testing.assert_allclose((told.low + told.high) / 2.0, told.mean, atol=1e-6)


def test_the_same_seed_learns_the_same_and_members_differ(trained, fresh) -> None:
    again = fit_regression(bumps, QUICK)
    np.testing.assert_array_equal(again.moments(fresh[0][:5])[0], trained.moments(fresh[0][:5])[0])
    first = trained.networks.dense[0].weight
    assert np.abs(first[0] - first[1]).max() > 0.01


def test_members_may_draw_from_samples_of_their_own(fresh) -> None:
    def split(key: Array, n: int, member: Array) -> tuple[Array, Array]:
        signals, numbers = bumps(key, n, member)
        return signals, numbers + 5.0 * member

    found = fit_regression(split, QUICK.model_copy(update={"steps": 300}))
    assert found.moments(fresh[0][:200])[2].mean() > 2.0


def test_a_convolutional_one_learns_as_well(fresh) -> None:
    settings = RegressionSettings(
        kind="convolutional", channels=(8,), hidden=(32,), width=5, members=2, steps=400, learning_rate=5e-3
    )
    mean, _, _ = fit_regression(bumps, settings).moments(fresh[0])
    assert np.abs(mean[:, 0] - fresh[1][:, 0]).mean() < 0.4


def test_what_does_not_fit_is_told(trained, fresh) -> None:
    signals, numbers = fresh
    with pytest.raises(AgentError, match=r"signals of shape \(4000, 5\): needs \(n, 24\)"):
        trained.moments(signals[:, :5])
    with pytest.raises(AgentError, match="calibrate it first"):
        trained.expect(signals)
    with pytest.raises(ConfigurationError, match="must lie between"):
        trained.calibrated(signals, numbers, level=90.0)
    with pytest.raises(ConfigurationError, match="10 signals to calibrate"):
        trained.calibrated(signals[:10], numbers[:10])
    with pytest.raises(AgentError, match="no longer a number at step"):
        fit_regression(
            lambda key, n, member: tuple(x * jnp.nan for x in bumps(key, n, member)),
            QUICK.model_copy(update={"steps": 5}),
        )
    with pytest.raises(ValidationError, match="members"):
        RegressionSettings(members=0)


def test_ctrl_c_says_how_far_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stop:
        def __enter__(self):
            return self.tell

        def __exit__(self, *_: object) -> None:
            pass

        def tell(self, amount: float, message: str = "") -> None:
            if amount:
                raise KeyboardInterrupt

    monkeypatch.setattr("nescio.learn.train.track", lambda *_, **__: Stop())
    with pytest.raises(InterruptedTrainingError, match="interrupted at step 100 of 600; nothing was saved"):
        fit_regression(bumps, QUICK)
