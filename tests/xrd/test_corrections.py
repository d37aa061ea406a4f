"""Geometry, polarisation and thermal motion against their formulas, and against rays drawn by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nescio.xrd import PriorSettings
from nescio.xrd.corrections import debye_waller, displacement_shift, lorentz_polarisation

THETA = np.radians(np.linspace(5.0, 85.0, 33))


def radiation(**given):
    phases = [{"name": "Ni", "cif": "ni.cif"}]
    return PriorSettings.model_validate({"phases": phases, "radiation": given}).radiation


def test_lorentz_polarisation_of_an_unpolarised_beam():
    expected = (1 + np.cos(2 * THETA) ** 2) / (2 * np.sin(THETA) ** 2 * np.cos(THETA))
    np.testing.assert_allclose(lorentz_polarisation(THETA), expected, rtol=1e-5)


def test_a_monochromator_polarises_the_beam_once_more():
    factor = radiation(source="CuKa", monochromator_two_theta=26.6).polarisation_factor
    once = np.cos(np.radians(26.6)) ** 2
    expected = (1 + once * np.cos(2 * THETA) ** 2) / ((1 + once) * np.sin(THETA) ** 2 * np.cos(THETA))
    np.testing.assert_allclose(lorentz_polarisation(THETA, factor), expected, rtol=1e-5)


def test_no_monochromator_is_a_monochromator_that_does_not_deflect():
    assert (
        radiation().polarisation_factor == radiation(monochromator_two_theta=0.0).polarisation_factor == 1.0
    )


def test_a_vertically_diffracted_synchrotron_beam_loses_nothing_to_polarisation():
    factor = radiation(polarisation=0.0).polarisation_factor
    np.testing.assert_allclose(
        lorentz_polarisation(THETA, factor), 1 / (np.sin(THETA) ** 2 * np.cos(THETA)), rtol=1e-5
    )


def test_an_unpolarised_beam_is_halved_at_ninety_degrees():
    # There only the component across the scattering plane is scattered.
    theta = np.pi / 4
    ratio = lorentz_polarisation(theta, 1.0) / lorentz_polarisation(theta, 0.0)
    assert float(ratio) == pytest.approx(0.5, rel=1e-5)


@given(displacement=st.floats(-2.0, 2.0))
def test_a_displaced_sample_shifts_by_minus_2_s_cos_theta_over_r(displacement):
    expected = np.degrees(-2 * displacement * np.cos(THETA) / 200.0)
    np.testing.assert_allclose(displacement_shift(displacement, 200.0, THETA), expected, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("theta", np.radians([10.0, 30.0, 60.0]))
def test_the_shift_is_that_of_rays_drawn_by_hand(theta):
    """A ray comes down under theta, meets the surface below the axis, leaves by 2 theta and meets the circle."""
    radius, behind = 200.0, 0.3
    meeting = np.array([behind / np.tan(theta), -behind])
    leaving = np.array([np.cos(theta), np.sin(theta)])
    along = -meeting @ leaving + np.sqrt((meeting @ leaving) ** 2 - meeting @ meeting + radius**2)
    x, y = meeting + along * leaving
    apparent = np.degrees(np.arctan2(y, x) - theta)
    assert apparent < 0
    assert float(displacement_shift(behind, radius, theta)) == pytest.approx(apparent, rel=1e-4)


def test_thermal_motion_follows_debye_and_waller():
    wavelength, b = 1.5405929, 0.8
    inverse_d = 2 * np.sin(THETA) / wavelength
    expected = np.exp(-2 * b * (np.sin(THETA) / wavelength) ** 2)
    np.testing.assert_allclose(debye_waller(b, inverse_d**2), expected, rtol=1e-5)
    np.testing.assert_array_equal(debye_waller(0.0, inverse_d**2), np.ones_like(THETA))
