"""Atoms scatter as many electrons as they have forward, and less at large angles."""

import gemmi
import numpy as np
import pytest

from nescio.errors import StructureError
from nescio.xrd.scattering import anomalous_factors, atomic_scattering_factor


@pytest.mark.parametrize(
    ("element", "electrons"), [("H", 1), ("D", 1), ("O", 8), ("Ni", 28), ("Re", 75), ("U", 92)]
)
def test_forward_scattering_counts_the_electrons(element, electrons):
    assert atomic_scattering_factor(element, 0, 0.0) == pytest.approx(electrons, rel=3e-3)


@pytest.mark.parametrize(
    ("element", "charge", "electrons"), [("Na", 1, 10), ("Cl", -1, 18), ("Ti", 4, 18), ("Mn", 2, 23)]
)
def test_forward_scattering_of_an_ion_counts_its_electrons(element, charge, electrons):
    assert atomic_scattering_factor(element, charge, 0.0) == pytest.approx(electrons, rel=5e-3)


def test_an_ion_that_is_not_tabulated_falls_back_to_the_nearest_of_its_sign_then_to_the_atom():
    s = np.linspace(0.0, 1.0, 5)
    np.testing.assert_array_equal(atomic_scattering_factor("Ti", 5, s), atomic_scattering_factor("Ti", 4, s))
    np.testing.assert_array_equal(atomic_scattering_factor("Ar", 3, s), atomic_scattering_factor("Ar", 0, s))
    assert atomic_scattering_factor("Cl", -3, 0.0) > atomic_scattering_factor("Cl", 0, 0.0)


@pytest.mark.parametrize("element", ["O", "Al", "Ni", "Ag", "Pb"])
def test_f0_agrees_with_electron_scattering_tables_through_the_mott_bethe_relation(element):
    """Peng et al. (1996), Acta Cryst. A52, 257-276: an independent fit, of electron scattering factors."""
    s_squared = np.linspace(0.3, 1.0, 8) ** 2
    atom = gemmi.Element(element)
    electron = np.array([atom.c4322.calculate_sf(x) for x in s_squared])
    bohr_radius = 0.529177
    expected = atom.atomic_number - 8.0 * np.pi**2 * bohr_radius * s_squared * electron
    np.testing.assert_allclose(
        atomic_scattering_factor(element, 0, s_squared), expected, rtol=0.02, atol=0.05
    )


def test_an_element_without_table_is_refused():
    with pytest.raises(StructureError, match="Og"):
        atomic_scattering_factor("Og", 0, 0.0)


@pytest.mark.parametrize(
    ("element", "f_prime", "f_double_prime"), [("Ni", -3.00, 0.51), ("Co", -2.36, 3.61), ("Fe", -1.13, 3.20)]
)
def test_dispersion_at_copper_k_alpha(element, f_prime, f_double_prime):
    """Cromer and Liberman, as tabulated in International Tables C (1992), table 4.2.6.8."""
    assert anomalous_factors(element, 1.5405929) == pytest.approx((f_prime, f_double_prime), abs=0.02)


def test_absorption_jumps_at_the_k_edge_of_iron():
    below, above = anomalous_factors("Fe", 12398.42 / 7000)[1], anomalous_factors("Fe", 12398.42 / 7250)[1]
    assert above > 6 * below


@pytest.mark.parametrize("wavelength", [0.05, 0.2, 1.0, 2.3, 10.0])
def test_dispersion_is_finite_for_all_elements_and_wavelengths(wavelength):
    for element in ("H", "He", "Li", "C", "Si", "Fe", "Ag", "W", "U", "Pu"):
        assert np.isfinite(anomalous_factors(element, wavelength)).all()
