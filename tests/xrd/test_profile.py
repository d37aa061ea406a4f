"""Peak shapes have unit area, the stated width, and combine as Voigt functions do."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import voigt_profile

from nescio.xrd.profile import (
    caglioti_fwhm,
    combine_widths,
    gaussian,
    lorentzian,
    pseudo_voigt,
    scherrer_fwhm,
    split_width,
    strain_fwhm,
)

WIDTHS = st.floats(0.02, 5.0)
X = np.linspace(-400.0, 400.0, 800_001)


@pytest.mark.parametrize(("shape", "missing"), [(gaussian, 0.0), (lorentzian, 2 * 0.7 / (2 * np.pi) / 400.0)])
def test_a_profile_has_unit_area_and_half_its_height_at_half_its_width(shape, missing):
    y = np.asarray(shape(X, 0.7), np.float64)
    assert np.trapezoid(y, X) == pytest.approx(1.0 - missing, abs=2e-5)
    assert float(shape(0.35, 0.7) / shape(0.0, 0.7)) == pytest.approx(0.5, rel=1e-5)


@given(fwhm=WIDTHS, mixing=st.floats(0.0, 1.0))
def test_a_pseudo_voigt_keeps_its_width_for_every_mixing(fwhm, mixing):
    assert float(pseudo_voigt(fwhm / 2, fwhm, mixing) / pseudo_voigt(0.0, fwhm, mixing)) == pytest.approx(
        0.5, rel=1e-5
    )


@given(g=WIDTHS, lorentz=WIDTHS)
def test_combined_widths_are_those_of_the_voigt_function(g, lorentz):
    fwhm, mixing = combine_widths(g, lorentz)
    sigma, gamma = g / (2 * np.sqrt(2 * np.log(2))), lorentz / 2
    exact = voigt_profile(float(fwhm) / 2, sigma, gamma) / voigt_profile(0.0, sigma, gamma)
    assert exact == pytest.approx(0.5, abs=4e-3)
    peak = float(pseudo_voigt(0.0, fwhm, mixing))
    assert peak == pytest.approx(voigt_profile(0.0, sigma, gamma), rel=4e-3)


def test_pure_gaussian_and_pure_lorentzian_are_limits():
    np.testing.assert_allclose(combine_widths(0.3, 0.0), (0.3, 0.0), atol=1e-6)
    np.testing.assert_allclose(combine_widths(0.0, 0.3), (0.3, 1.0), atol=1e-3)


@given(fwhm=WIDTHS, mixing=st.floats(0.0, 1.0))
def test_splitting_a_width_undoes_combining_it(fwhm, mixing):
    again, share = combine_widths(*split_width(fwhm, mixing))
    assert float(again) == pytest.approx(fwhm, rel=0.01)
    assert float(share) == pytest.approx(mixing, abs=0.02)


def test_widths_have_finite_gradients_where_contributions_vanish():
    def total(values):
        fwhm, mixing = combine_widths(caglioti_fwhm(*values[:3], 0.4), values[3])
        return fwhm + mixing

    assert np.isfinite(jax.grad(total)(jnp.zeros(4))).all()


def test_scherrer_and_strain_widths_by_hand():
    # 10 nm at Cu Ka1 and two-theta 40 degree: 0.9 * 1.5406 / (100 * cos 20) rad.
    theta = np.radians(20.0)
    assert float(scherrer_fwhm(10.0, 1.5406, theta)) == pytest.approx(
        np.degrees(0.0138654 / np.cos(theta)), rel=1e-5
    )
    assert float(strain_fwhm(0.002, theta)) == pytest.approx(np.degrees(0.008 * np.tan(theta)), rel=1e-5)
    assert float(caglioti_fwhm(0.04, -0.02, 0.01, np.pi / 4)) == pytest.approx(np.sqrt(0.03), rel=1e-5)
