"""One pattern: peaks where Bragg puts them, as strong and as wide as theory says, whichever way they are added."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.signal import find_peaks

from nescio.xrd import (
    Crystal,
    Diffractometer,
    PatternParameters,
    compute_reflections,
    make_structure,
    parse_radiation,
    peak_list,
    powder_pattern,
)

GRID = np.linspace(20.0, 90.0, 2048)
SHARP = PatternParameters(crystallite_size_nm=40.0, mixing=0.0)


def crystal_of(cell, group, sites, *, wavelength=1.5405929, two_theta_max=95.0):
    structure = make_structure("phase", cell, group, sites)
    d_min = wavelength / 2.0 / np.sin(np.radians(two_theta_max / 2.0))
    return Crystal.from_reflections(compute_reflections(structure, wavelength, d_min, anomalous=False))


def nickel(**options):
    return crystal_of(
        (3.524, 3.524, 3.524, 90, 90, 90), "Fm-3m", [{"element": "Ni", "position": (0, 0, 0)}], **options
    )


def many_peaks():
    sites = [
        {"element": "Si", "position": (0.2, 0.1, 0.3)},
        {"element": "O", "position": (0.41, 0.62, 0.07)},
        {"element": "Al", "position": (0.77, 0.35, 0.81)},
    ]
    return crystal_of((8.1, 9.3, 11.2, 90, 103, 90), "P21/c", sites)


def diffractometer(source="CuKa1", grid=GRID, **options):
    return Diffractometer(grid, parse_radiation(source), **options)


def test_peaks_lie_where_bragg_puts_them():
    pattern = np.asarray(powder_pattern(nickel(), SHARP, diffractometer()))
    tops = GRID[find_peaks(pattern, height=0.02 * pattern.max())[0]]
    d = 3.524 / np.sqrt([3, 4, 8])
    np.testing.assert_allclose(tops, 2 * np.degrees(np.arcsin(1.5405929 / 2 / d)), atol=0.02)


# Rutile, Cu K-alpha 1: two-theta (degree) and intensity, largest 100, by pymatgen 2026.10.24's XRDCalculator, which
# has the scattering factors of another table, no displacement and no anomalous scattering.
RUTILE = (
    (27.434, 100.0), (36.076, 45.81), (39.187, 6.78), (41.236, 19.01), (44.04, 6.85), (54.316, 58.34), (56.622, 17.5),
    (62.751, 8.43), (64.042, 8.57), (65.504, 0.64), (68.998, 21.66), (69.794, 10.67), (72.412, 1.2), (74.394, 0.25),
    (76.53, 2.36), (79.822, 1.31), (82.329, 4.76), (84.242, 3.26), (87.472, 1.16), (89.54, 8.01),
)  # fmt: skip


def test_intensities_are_those_of_an_independent_program():
    rutile = crystal_of(
        (4.594, 4.594, 2.959, 90, 90, 90),
        "P4_2/mnm",
        [{"element": "Ti", "position": (0, 0, 0)}, {"element": "O", "position": (0.305, 0.305, 0)}],
        two_theta_max=90.0,
    )
    position, area, _, _ = (np.asarray(part) for part in peak_list(rutile, SHARP, diffractometer()))
    order = np.argsort(position)
    order = order[area[order] > 1e-3 * area.max()]
    angles, intensities = np.array(RUTILE).T
    np.testing.assert_allclose(position[order], angles, atol=2e-3)
    np.testing.assert_allclose(100 * area[order] / area.max(), intensities, rtol=0.03, atol=0.1)


def test_areas_are_multiplicity_f_squared_lorentz_polarisation():
    structure = make_structure(
        "Ni", (3.524,) * 3 + (90,) * 3, "Fm-3m", [{"element": "Ni", "position": (0, 0, 0)}]
    )
    table = compute_reflections(structure, 1.5405929, 1.2, anomalous=False)
    position, area, _, _ = peak_list(Crystal.from_reflections(table), SHARP, diffractometer())
    theta = np.radians(np.asarray(position, float)) / 2
    lorentz = (1 + np.cos(2 * theta) ** 2) / (2 * np.sin(theta) ** 2 * np.cos(theta))
    expected = table.multiplicity * table.f_squared * lorentz
    np.testing.assert_allclose(area / area[0], expected / expected[0], rtol=1e-4)


def test_the_area_under_a_pattern_is_the_sum_of_its_peaks():
    crystal, instrument = nickel(), diffractometer()
    position, area, _, _ = peak_list(crystal, SHARP, instrument)
    inside = np.asarray(position) < 88
    pattern = np.asarray(powder_pattern(crystal, SHARP, instrument), float)
    assert np.trapezoid(pattern[GRID < 88], GRID[GRID < 88]) == pytest.approx(
        float(area[inside].sum()), rel=1e-3
    )


def test_the_doublet_appears_at_high_angle_two_to_one():
    grid = np.linspace(74.0, 80.0, 2048)
    sharp = PatternParameters(crystallite_size_nm=400.0, mixing=0.0)
    pattern = np.asarray(powder_pattern(nickel(), sharp, diffractometer("CuKa", grid, narrowest_fwhm=0.02)))
    tops = find_peaks(pattern, height=0.1 * pattern.max())[0]
    assert len(tops) == 2
    assert pattern[tops[1]] / pattern[tops[0]] == pytest.approx(0.5, abs=0.03)


def test_lattice_strain_moves_peaks_as_d_does_and_keeps_the_crystal_system():
    strained = eqx.tree_at(lambda p: p.length_change, SHARP, (0.01, 0.002, -0.003))
    before, *_ = peak_list(nickel(), SHARP, diffractometer())
    after, *_ = peak_list(nickel(), strained, diffractometer())
    # A cubic cell can only grow as a whole: the first number counts.
    sines = [np.sin(np.radians(np.asarray(x, float)) / 2) for x in (before, after)]
    np.testing.assert_allclose(sines[0] / sines[1], 1.01, rtol=1e-5)


def test_a_displaced_sample_shifts_low_angles_more():
    displaced = dataclasses.replace(SHARP, displacement_mm=0.1)
    shift = (
        peak_list(nickel(), displaced, diffractometer(radius_mm=200.0))[0]
        - peak_list(nickel(), SHARP, diffractometer(radius_mm=200.0))[0]
    )
    theta = np.radians(np.asarray(peak_list(nickel(), SHARP, diffractometer())[0], float)) / 2
    np.testing.assert_allclose(shift, np.degrees(-2 * 0.1 / 200.0 * np.cos(theta)), rtol=2e-3)


def test_zero_shift_moves_everything_alike():
    shifted = dataclasses.replace(SHARP, zero_shift=0.07)
    difference = (
        peak_list(nickel(), shifted, diffractometer())[0] - peak_list(nickel(), SHARP, diffractometer())[0]
    )
    np.testing.assert_allclose(difference, 0.07, atol=1e-4)


def test_small_crystallites_widen_peaks_as_scherrer_says():
    small = dataclasses.replace(SHARP, crystallite_size_nm=8.0)
    position, _, fwhm, _ = peak_list(nickel(), small, diffractometer())
    theta = np.radians(np.asarray(position, float)) / 2
    np.testing.assert_allclose(fwhm, np.degrees(0.9 * 1.5405929 / (80.0 * np.cos(theta))), rtol=1e-4)


def test_thermal_motion_weakens_high_angles():
    hot = dataclasses.replace(SHARP, b_iso=1.5)
    position, hot_area, _, _ = peak_list(nickel(), hot, diffractometer())
    cold_area = peak_list(nickel(), SHARP, diffractometer())[1]
    s = np.sin(np.radians(np.asarray(position, float)) / 2) / 1.5405929
    np.testing.assert_allclose(hot_area / cold_area, np.exp(-2 * 1.5 * s**2), rtol=1e-4)


def test_a_reflection_beyond_the_wavelength_is_not_there():
    crystal = nickel(wavelength=0.7093)
    _, area, _, _ = peak_list(crystal, SHARP, diffractometer("CuKa1"))
    sine = 1.5405929 / 2 * np.sqrt((np.asarray(crystal.equivalents[:, 0]) ** 2).sum(1)) / 3.524
    assert not np.asarray(area)[sine > 1.0].any()
    assert np.isfinite(area).all()


def test_many_and_few_peaks_are_added_to_the_same_pattern(monkeypatch):
    parameters = PatternParameters(crystallite_size_nm=20.0, mixing=0.4, march_coefficient=0.5)
    crystal, instrument = many_peaks(), diffractometer(narrowest_fwhm=0.3)
    comb = powder_pattern(crystal, parameters, instrument)
    monkeypatch.setattr("nescio.xrd.pattern._FEW_PEAKS", 10**6)
    plain = powder_pattern(crystal, parameters, instrument)
    assert crystal.strength.shape[0] > 200
    assert float(jnp.abs(comb - plain).max() / plain.max()) < 1e-3


def test_an_uneven_grid_gives_the_same_pattern_as_an_even_one():
    q = np.linspace(1.5, 5.7, 2048)
    uneven = np.degrees(2 * np.arcsin(q * 1.5405929 / (4 * np.pi)))
    parameters = PatternParameters(crystallite_size_nm=15.0, mixing=0.3)
    crystal = many_peaks()
    on_q = powder_pattern(crystal, parameters, diffractometer(grid=uneven, narrowest_fwhm=0.4))
    monotone = powder_pattern(
        crystal,
        parameters,
        diffractometer(grid=np.linspace(uneven[0], uneven[-1], 16384), narrowest_fwhm=0.4),
    )
    expected = np.interp(uneven, np.linspace(uneven[0], uneven[-1], 16384), monotone)
    assert np.abs(on_q - expected).max() < 2e-3 * expected.max()


def test_padding_changes_nothing():
    structure = make_structure(
        "Ni", (3.524,) * 3 + (90,) * 3, "Fm-3m", [{"element": "Ni", "position": (0, 0, 0)}]
    )
    table = compute_reflections(structure, 1.5405929, 1.1)
    textured = PatternParameters(march_coefficient=0.4, texture_axis=(1.0, 1.0, 1.0))
    instrument = diffractometer()
    plain = powder_pattern(Crystal.from_reflections(table), textured, instrument)
    padded = powder_pattern(Crystal.from_reflections(table, count=20, equivalents=24), textured, instrument)
    np.testing.assert_allclose(padded, plain, rtol=1e-5, atol=1e-6 * float(plain.max()))


def test_compiled_mapped_and_differentiated():
    crystal, instrument = nickel(), diffractometer()

    def intensity(r, size):
        parameters = PatternParameters(
            march_coefficient=r, texture_axis=(1.0, 1.0, 1.0), crystallite_size_nm=size, mixing=0.3
        )
        pattern = powder_pattern(crystal, parameters, instrument)
        return pattern[jnp.argmin(jnp.abs(instrument.two_theta - 44.5))]

    r = jnp.array([0.4, 0.7, 1.0])
    mapped = jax.jit(jax.vmap(intensity, (0, None)))(r, 20.0)
    np.testing.assert_allclose(mapped, [intensity(x, 20.0) for x in r], rtol=1e-5)
    slope = jax.grad(intensity)(0.7, 20.0)
    assert float(slope) == pytest.approx(
        float(intensity(0.705, 20.0) - intensity(0.695, 20.0)) / 0.01, rel=0.02
    )


def test_every_parameter_has_a_finite_gradient():
    crystal, instrument = many_peaks(), diffractometer(narrowest_fwhm=0.3)
    parameters = jax.tree.map(jnp.asarray, PatternParameters(crystallite_size_nm=20.0))
    gradient = jax.jit(jax.grad(lambda p: jnp.log(powder_pattern(crystal, p, instrument) + 1e-3).sum()))(
        parameters
    )
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))
