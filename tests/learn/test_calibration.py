import numpy as np
import pytest
from scipy.special import logit

from nescio.learn.calibration import (
    conformal_p_values,
    expected_calibration_error,
    fit_temperature,
    flagged_fraction,
    tempered_probabilities,
)
from nescio.learn.classes import NoveltyScale

RNG = np.random.default_rng(0)


def test_p_values_are_ranks() -> None:
    np.testing.assert_allclose(conformal_p_values([0.5, 2.5, 9.0], [1, 2, 3, 4]), [1.0, 3 / 5, 1 / 5])


def test_ties_and_missing_scores_count_as_strange() -> None:
    assert conformal_p_values([4.0], [1, 2, 3, 4])[0] == pytest.approx(2 / 5)
    assert conformal_p_values([np.nan], [1, 2, 3, 4])[0] == pytest.approx(1 / 5)


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.2])
def test_exchangeable_scores_are_flagged_at_the_nominal_rate(alpha: float) -> None:
    """Averaged over calibration sets, exactly floor(alpha (m + 1)) / (m + 1): Vovk et al. (2005), proposition 2.2."""
    m = 199
    shares = []
    for _ in range(400):
        scores = RNG.gamma(2.0, size=m + 50)
        shares.append(flagged_fraction(conformal_p_values(scores[m:], scores[:m]), alpha))
    expected = np.floor(alpha * (m + 1)) / (m + 1)
    assert abs(np.mean(shares) - expected) < 4 * np.std(shares) / 20


def test_temperature_undoes_overconfidence() -> None:
    truth = RNG.random(20_000)
    labels = (RNG.random(20_000) < truth).astype(int)
    honest = np.stack([np.zeros_like(truth), logit(truth)], axis=1)[None]
    assert fit_temperature(3.0 * honest, labels) == pytest.approx(3.0, rel=0.05)
    tempered = tempered_probabilities(3.0 * honest, fit_temperature(3.0 * honest, labels))
    raw = tempered_probabilities(3.0 * honest, 1.0)
    assert expected_calibration_error(tempered, labels) < 0.01
    assert expected_calibration_error(raw, labels) > 0.05


def test_the_strangest_view_decides() -> None:
    known = np.stack([RNG.normal(size=5000), 10 + 3 * RNG.normal(size=5000)], axis=1)
    scale = NoveltyScale.fit(known)
    quantile = 2.326  # of the standard normal at 99 %
    np.testing.assert_allclose(scale.combine([[0.0, 10.0 + 3 * quantile], [quantile, 10.0]]), 1.0, atol=0.1)
    assert scale.combine([[0.0, 10.0]])[0] == pytest.approx(0.0, abs=0.1)
