import numpy as np
import pytest

from nescio.errors import ConfigurationError, MeasurementError
from nescio.xrd.background import subtract_background

AXIS = np.linspace(20.0, 90.0, 1000)
X = (AXIS - 55.0) / 35.0
PEAKS = sum(
    height * np.exp(-(((AXIS - centre) / 0.3) ** 2)) for centre, height in [(30, 100), (43.5, 300), (71, 50)]
)


@pytest.mark.parametrize("degree", range(5))
def test_a_polynomial_below_peaks_is_recovered(degree):
    background = 200 + 40 * X**degree
    corrected, found = subtract_background((PEAKS + background)[None], AXIS, "polynomial")
    np.testing.assert_allclose(found[0], background, atol=1.5)
    np.testing.assert_allclose(corrected[0], PEAKS, atol=1.5)


@pytest.mark.parametrize(("method", "error"), [("arpls", 2.0), ("snip", 12.0), ("polynomial", 12.0)])
def test_a_decaying_background_is_removed_and_peaks_keep_their_height(method, error):
    rng = np.random.default_rng(0)
    background = 400 * np.exp(-(AXIS - 20) / 25) + 100
    noisy = PEAKS + background + rng.normal(0, 1, AXIS.size)
    corrected, found = subtract_background(noisy[None], AXIS, method)
    np.testing.assert_allclose(found[0][60:-60], background[60:-60], atol=error)
    assert corrected[0].max() == pytest.approx(300, abs=error + 3)


@pytest.mark.parametrize("method", ["arpls", "polynomial"])
@pytest.mark.parametrize("points", [2000, 4000])
def test_the_sampling_does_not_change_the_background(method, points):
    fine = np.linspace(20.0, 90.0, points)
    pattern = 100 + 50 * np.exp(-((AXIS - 35) ** 2) / 200) + PEAKS
    _, here = subtract_background(pattern[None], AXIS, method)
    _, there = subtract_background(np.interp(fine, AXIS, pattern)[None], fine, method)
    np.testing.assert_allclose(np.interp(AXIS, fine, there[0]), here[0], atol=5)


@pytest.mark.parametrize("method", ["arpls", "snip", "polynomial"])
def test_the_unit_of_intensity_does_not_matter(method):
    pattern = (PEAKS + 100 + 20 * X)[None]
    one, _ = subtract_background(pattern, AXIS, method)
    other, _ = subtract_background(pattern * 1e-6, AXIS, method)
    np.testing.assert_allclose(other * 1e6, one, atol=1e-3)


@pytest.mark.parametrize("method", ["arpls", "snip", "polynomial"])
def test_what_was_not_measured_stays_so_and_pulls_nothing(method):
    pattern = PEAKS + 200 + 40 * X
    pattern[:100] = pattern[600:650] = np.nan
    corrected, found = subtract_background(pattern[None], AXIS, method)
    assert np.array_equal(np.isnan(corrected[0]), np.isnan(pattern))
    assert np.array_equal(np.isnan(found[0]), np.isnan(pattern))
    np.testing.assert_allclose(found[0], np.where(np.isnan(pattern), np.nan, 200 + 40 * X), atol=4)


@pytest.mark.parametrize("method", ["arpls", "snip", "polynomial", "none"])
def test_corrected_and_background_add_up(method):
    rng = np.random.default_rng(1)
    patterns = rng.poisson(50 + PEAKS, (3, AXIS.size)).astype(float)
    corrected, found = subtract_background(patterns, AXIS, method)
    np.testing.assert_allclose(corrected + found, patterns, atol=1e-9)
    if method == "none":
        assert not found.any()


@pytest.mark.parametrize("method", ["arpls", "snip", "polynomial"])
@pytest.mark.parametrize(
    "pattern", [np.zeros(1000), np.full(1000, 7.0), np.full(1000, np.nan), np.eye(1, 1000)[0]]
)
def test_patterns_without_sense_do_no_harm(method, pattern):
    corrected, found = subtract_background(pattern[None], AXIS, method)
    assert np.array_equal(np.isfinite(corrected[0]), np.isfinite(pattern))
    assert np.array_equal(np.isfinite(found[0]), np.isfinite(pattern))


def test_a_higher_degree_follows_more():
    background = 50 * X**6
    _, four = subtract_background((PEAKS + background)[None], AXIS, "polynomial")
    _, six = subtract_background((PEAKS + background)[None], AXIS, "polynomial", degree=6)
    assert np.abs(six[0] - background).max() < 0.5 * np.abs(four[0] - background).max()


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("rolling", {}, "'rolling' is unknown; give one of arpls"),
        ("arpls", {"degree": 4}, "no option 'degree'; known: stiffness"),
        ("polynomial", {"degree": 2.5}, "degree = 2.5"),
        ("polynomial", {"degree": 99}, "degree = 99"),
        ("snip", {"half_width": -1.0}, "half_width"),
        ("arpls", {"stiffness": float("nan")}, "stiffness"),
    ],
)
def test_impossible_methods_and_options_are_told(method, options, message):
    with pytest.raises(ConfigurationError, match=message):
        subtract_background(np.ones((1, 1000)), AXIS, method, **options)


def test_shapes_must_fit():
    with pytest.raises(MeasurementError, match="does not fit"):
        subtract_background(np.ones((1, 5)), AXIS)
