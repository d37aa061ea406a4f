"""Two phases side by side scatter as the sum of their shares."""

import numpy as np
import pytest

from nescio.xrd import mix

FIRST = np.array([0.0, 1.0, 0.2, 0.0], np.float32)
SECOND = np.array([0.5, 0.0, 0.0, 1.0], np.float32)


def test_the_ends_are_the_pure_phases():
    np.testing.assert_array_equal(mix(FIRST, SECOND, 1.0), FIRST)
    np.testing.assert_array_equal(mix(FIRST, SECOND, 0.0), SECOND)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.7])
def test_peaks_are_in_the_ratio_of_the_shares(share):
    mixed = np.asarray(mix(FIRST, SECOND, share))
    assert mixed[1] / mixed[3] == pytest.approx(share / (1 - share), rel=1e-5)
    assert mixed.max() == 1.0


def test_exchanging_the_phases_exchanges_the_shares():
    np.testing.assert_allclose(mix(FIRST, SECOND, 0.3), mix(SECOND, FIRST, 0.7), rtol=1e-6)


def test_a_phase_mixed_with_itself_stays_as_it_is():
    np.testing.assert_allclose(mix(FIRST, FIRST, 0.4), FIRST, rtol=1e-6)


def test_every_pattern_of_a_batch_has_its_own_share():
    shares = np.array([0.0, 0.25, 1.0])
    batch = mix(np.tile(FIRST, (3, 1)), np.tile(SECOND, (3, 1)), shares)
    np.testing.assert_allclose(batch, [mix(FIRST, SECOND, x) for x in shares], rtol=1e-6)
