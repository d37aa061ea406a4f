"""Known signals are known as often as they should be, and strangers are not."""

import jax
import numpy as np
import pytest

from nescio.errors import AgentError
from nescio.learn.numbers import Familiarity, fit_familiarity

GRID = np.linspace(-1.0, 1.0, 40)


def waves(n: int, seed: int) -> np.ndarray:
    """Return waves of one length, some height and phase, with a little noise; negative ones too."""
    rng = np.random.default_rng(seed)
    height, phase = rng.uniform(0.5, 2.0, (n, 1)), rng.uniform(0.0, 1.0, (n, 1))
    return height * np.sin(4.0 * GRID + phase) + 0.02 * rng.normal(size=(n, len(GRID)))


@pytest.fixture(scope="module")
def known() -> Familiarity:
    return fit_familiarity(waves(3000, 0), waves(1500, 1), hidden=(48,), latent=4, steps=1200)


def test_known_signals_are_flagged_as_rarely_as_is_said(known: Familiarity) -> None:
    p_values = known.p_values(waves(4000, 2))
    for alpha in (0.01, 0.05, 0.2):
        assert np.mean(p_values <= alpha) == pytest.approx(alpha, abs=3.0 * np.sqrt(alpha / 1500) + 0.002)
    assert np.median(known.score(waves(1000, 3))) == pytest.approx(1.0, abs=0.15)


def test_strangers_are_found(known: Familiarity) -> None:
    rng = np.random.default_rng(5)
    other = 1.5 * np.sin(7.0 * GRID + rng.uniform(0.0, 1.0, (100, 1)))
    assert np.mean(known.p_values(other) <= 0.01) > 0.98
    # Of the right shape, but larger than any that was known, and with a step in it.
    assert (known.p_values(4.5 * waves(50, 6)) <= 0.01).all()
    stepped = waves(50, 7) + 0.4 * (GRID > 0.3)
    assert np.mean(known.p_values(stepped) <= 0.01) > 0.9


def test_the_same_seed_gives_the_same() -> None:
    first, second = (
        fit_familiarity(waves(200, 0), waves(50, 1), hidden=(8,), latent=2, steps=50) for _ in range(2)
    )
    np.testing.assert_array_equal(first.scores, second.scores)
    assert isinstance(first.network, type(second.network))
    assert jax.tree.leaves(first.network)


def test_signals_of_another_length_are_told(known: Familiarity) -> None:
    with pytest.raises(AgentError, match=r"needs \(n, 40\)"):
        known.score(np.ones((3, 5)))
    with pytest.raises(AgentError, match="need equal numbers of points"):
        fit_familiarity(waves(10, 0), waves(10, 1)[:, :5])
