"""Peak fits recover simulated peaks within their uncertainty, and reject spectra without a peak."""

import numpy as np
import pytest
import xarray as xr
from pydantic import ValidationError
from scipy.special import voigt_profile

from nescio.explore.scalarizers import Peak, PeakRatio, scalarize

X = np.linspace(0.0, 10.0, 121)
ALL = ("position", "height", "width", "area")


def spectrum(values, x=X):
    coords = {"energy": ("energy", x, {"units": "eV"})}
    return xr.DataArray(np.asarray(values), dims="energy", coords=coords, attrs={"units": "counts"})


def gaussian(position, height, width, x=X):
    return height * np.exp(-4 * np.log(2) * ((x - position) / width) ** 2)


def lorentzian(position, height, width, x=X):
    return height / (1 + 4 * ((x - position) / width) ** 2)


def values(scalarizer, measured):
    scalars = scalarizer(measured)
    assert not any(scalar.reason for scalar in scalars), scalars
    return [scalar.value for scalar in scalars]


def noise(sd=0.05, seed=0):
    return sd * np.random.default_rng(seed).standard_normal(X.size)


def test_a_gaussian_on_a_slope():
    found = values(Peak(quantities=ALL), spectrum(gaussian(4.2, 5, 1.3) + 0.4 * X - 2))
    area = 5 * 1.3 * 0.5 * np.sqrt(np.pi / np.log(2))
    np.testing.assert_allclose(found, [4.2, 5, 1.3, area], rtol=1e-4)


@pytest.mark.parametrize("shape", ["lorentzian", "pseudo-voigt", "voigt"])
def test_a_lorentzian_by_every_shape_that_contains_it(shape):
    found = values(Peak(shape=shape, quantities=ALL), spectrum(lorentzian(4.2, 5, 1.3) + 1))
    np.testing.assert_allclose(found, [4.2, 5, 1.3, 5 * 1.3 * np.pi / 2], rtol=5e-3)


def test_a_voigt_has_the_width_at_which_it_falls_to_half():
    sigma, gamma = 0.4, 0.3
    fine = np.linspace(0, 3, 30001)
    profile = voigt_profile(fine, sigma, gamma)
    half = 2 * fine[np.argmin(np.abs(profile - 0.5 * profile[0]))]
    found = values(Peak(shape="voigt", quantities=ALL), spectrum(7 * voigt_profile(X - 5, sigma, gamma)))
    np.testing.assert_allclose(found, [5, 7 * profile[0], half, 7], rtol=2e-3)


def test_a_dip_has_negative_height():
    found = values(Peak(direction="down", quantities=("position", "height")), spectrum(9 - gaussian(6, 2, 1)))
    np.testing.assert_allclose(found, [6, -2], rtol=1e-3)


def test_scale_of_the_data_does_not_matter():
    # A piezoresponse of some 1e-5 against a frequency of some 3e5.
    tiny = spectrum(1e-5 * gaussian(4, 5, 1), 3.2e5 + 1e3 * X)
    found = values(Peak(quantities=("position", "height")), tiny)
    np.testing.assert_allclose(found, [3.24e5, 5e-5], rtol=1e-4)


def test_uncertainty_is_the_scatter_of_repeated_measurements():
    clean = gaussian(4.2, 2, 1.3) + 0.1 * X
    noisy = [spectrum(clean + noise(0.1, seed)) for seed in range(60)]
    found, claimed, reasons = scalarize(Peak(quantities=ALL), noisy, progress=False)
    assert not any(reasons)
    # 60 repeats tell a standard deviation to 9 %.
    np.testing.assert_allclose(found.std(axis=0) / np.sqrt((claimed**2).mean(axis=0)), 1, atol=0.3)
    pulls = (found.mean(axis=0) - [4.2, 2, 1.3, 2.6 * 0.5 * np.sqrt(np.pi / np.log(2))]) / found.std(axis=0)
    assert (np.abs(pulls) < 4 / 60**0.5).all()


def test_a_stated_uncertainty_is_taken_as_it_is():
    measured = spectrum(gaussian(4, 5, 1)).assign_coords(uncertainty=("energy", np.full(X.size, 0.2)))
    (once,), (half,) = (
        Peak()(measured),
        Peak()(measured.assign_coords(uncertainty=("energy", np.full(X.size, 0.1)))),
    )
    assert once.uncertainty == pytest.approx(2 * half.uncertainty, rel=1e-3)
    assert 0.05 < once.uncertainty < 0.2


def test_ratio_of_two_peaks_that_overlap():
    both = spectrum(gaussian(4, 6, 1.2) + gaussian(5.4, 2, 0.8) + 1 + noise(0.02))
    heights = PeakRatio(numerator={"low": 2, "high": 4.7}, denominator={"low": 4.7, "high": 7})
    areas = heights.model_copy(update={"of": "area"})
    assert values(heights, both) == pytest.approx([3.0], rel=0.03)
    assert values(areas, both) == pytest.approx([3.0 * 1.2 / 0.8], rel=0.05)
    alone = heights(spectrum(gaussian(4, 6, 1.2) + noise(0.02)))[0]
    assert "energy 4.7 to 7 eV" in alone.reason


def test_uncertainty_of_a_ratio():
    clean = gaussian(3, 6, 1.2) + gaussian(5.4, 3, 0.8)
    ratio = PeakRatio(numerator={"low": 1, "high": 4.5}, denominator={"low": 4.5, "high": 8})
    noisy = [spectrum(clean + noise(0.1, seed)) for seed in range(40)]
    found, claimed, reasons = scalarize(ratio, noisy, progress=False)
    assert not any(reasons)
    assert found.std() / np.sqrt((claimed**2).mean()) == pytest.approx(1, abs=0.35)


def test_noise_is_hardly_ever_a_peak():
    noisy = [spectrum(noise(1.0, seed)) for seed in range(20)]
    _, _, reasons = scalarize(Peak(), noisy, progress=False)
    assert sum(1 for reason in reasons if not reason) <= 1


@pytest.mark.parametrize(
    ("scalarizer", "measured", "told"),
    [
        (Peak(low=6, high=9), spectrum(gaussian(3, 5, 1) + noise()), "energy 6 to 9 eV"),
        (
            Peak(low=3.3, high=4.5, background="constant"),
            spectrum(gaussian(3, 5, 1) + noise()),
            "outside energy 3.3",
        ),
        (Peak(low=2, high=2.3), spectrum(gaussian(3, 5, 1)), "5 are needed|more than 5"),
        (Peak(low=5, high=20), spectrum(X), "exceeds the measured range"),
        (Peak(), spectrum(np.ones(121)), "no peak: the spectrum is constant in energy 0 to 10 eV"),
        (Peak(), spectrum(np.full(121, np.nan)), "no finite value"),
        (
            Peak(),
            spectrum(np.where(np.arange(121) == 60, 50.0, 0) + noise()),
            "narrower than the distance between points",
        ),
    ],
)
def test_a_missing_peak_says_why(scalarizer, measured, told):
    import re

    (scalar,) = scalarizer(measured)
    assert np.isnan(scalar.value)
    assert re.search(told, scalar.reason), scalar.reason


def test_a_guess_picks_the_smaller_of_two_peaks():
    both = spectrum(gaussian(2.5, 9, 0.6) + gaussian(7, 3, 0.6) + noise(0.02))
    assert values(Peak(quantities=("position",), low=4), both) == pytest.approx([7], rel=0.01)
    narrow = Peak(quantities=("position",), low=3.5, guess=7.1)
    assert values(narrow, both) == pytest.approx([7], rel=0.01)


def test_units_of_what_is_read_off_a_peak():
    named = Peak(quantities=ALL, name="plasmon").outputs_for(spectrum(X))
    assert [output[:2] for output in named] == [
        ("plasmon position", "eV"),
        ("plasmon height", "counts"),
        ("plasmon width", "eV"),
        ("plasmon area", "counts eV"),
    ]


def test_an_impossible_definition_is_refused():
    with pytest.raises(ValidationError, match="below high"):
        Peak(low=3, high=2)
    with pytest.raises(ValidationError, match="twice"):
        Peak(quantities=("area", "area"))
