"""Bad points, shifts, repeated scans; and EXAFS out of absorption."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nescio.errors import ConfigurationError, MeasurementError
from nescio.view import figure_png
from nescio.xas import (
    Spectrum,
    aligned,
    deglitched,
    exafs_figure,
    extract_exafs,
    fourier,
    fourier_distances,
    merged,
    normalised,
    one_spectrum,
    window,
)

SQUARED = 3.8099821
ENERGY = np.concatenate(
    [
        np.arange(8780.0, 8960.0, 5.0),
        np.arange(8960.0, 9030.0, 0.4),
        8979.0 + np.arange(3.65, 15.05, 0.05) ** 2 * SQUARED,
    ]
)
SHELLS = ((12, 2.55, 0.0085, -1.0), (6, 3.6, 0.011, -0.6), (24, 4.4, 0.012, -0.3))


def chi(k: np.ndarray) -> np.ndarray:
    """Return wiggles of three shells."""
    amplitude = 1.08 * k**2 / (k**2 + 9.0) / np.maximum(k, 0.5) * np.minimum(k / 2.0, 1.0)
    return sum(
        n / r**2 * amplitude * np.sin(2.0 * k * r + phase) * np.exp(-2.0 * s * k**2)
        for n, r, s, phase in SHELLS
    )


def made(name: str = "made", energy: np.ndarray = ENERGY, noise: float = 0.0, seed: int = 0) -> Spectrum:
    x = energy - 8979.0
    above = x > 0.0
    atomic = (0.5 + np.arctan(x / 1.2) / np.pi) * (
        1 - 3e-4 * x * above + 1e-7 * x * x * above + 0.03 * np.exp(-np.abs(x) / 60) * above
    )
    wiggles = above * chi(np.sqrt(np.maximum(x, 0.0) / SQUARED))
    mu = 0.4 - 3e-4 * x + 1.3 * (atomic + wiggles)
    return Spectrum(
        name, energy, mu + noise * np.random.default_rng(seed).normal(size=len(x)), element="Cu", edge="K"
    )


def test_single_points_that_stick_out_are_left_out() -> None:
    clean = made(noise=1e-4)
    assert len(deglitched(clean)[1]) == 0
    mu = clean.mu.copy()
    spoiled = [20, 60, 200, 300, 310]
    mu[spoiled] += np.array([0.05, -0.2, 0.15, 0.15, 0.06])
    found, glitches = deglitched(replace(clean, mu=mu))
    np.testing.assert_array_equal(np.sort(glitches), ENERGY[spoiled])
    np.testing.assert_allclose(np.interp(ENERGY, found.energy, found.mu), clean.mu, atol=0.02)
    # Small ones among steep wiggles stay, and nothing else is taken for them.
    small = clean.mu.copy()
    small[spoiled] += np.array([0.05, -0.2, 0.03, 0.04, 0.04])
    np.testing.assert_array_equal(np.sort(deglitched(replace(clean, mu=small))[1]), ENERGY[[20, 60]])
    # A white line of a few points is none.
    sharp = clean.mu + 0.8 * np.exp(-0.5 * ((ENERGY - 8985.0) / 0.8) ** 2)
    assert len(deglitched(replace(clean, mu=sharp))[1]) == 0


@pytest.mark.parametrize("step", [0.25, 0.5, 2.0, 3.0, 5.0])
@pytest.mark.parametrize("half_width", [0.3, 0.8, 2.0])
@pytest.mark.parametrize("noise", [0.0, 2e-4, 2e-3])
def test_an_edge_is_no_glitch_however_coarsely_it_is_measured(
    step: float, half_width: float, noise: float
) -> None:
    energy = np.unique(np.concatenate([np.arange(8780.0, 8940.0, 5.0), np.arange(8940.0, 9800.0, step)]))
    x = energy - 8979.1
    mu = 0.5 + np.arctan(x / half_width) / np.pi + 0.3 * np.exp(-0.5 * ((x - 6) / 1.5) ** 2)
    if step <= 0.5:
        # A peak before the edge, as soon as it is more than one point.
        mu = mu + 0.3 * np.exp(-0.5 * ((x + 12) / 0.5) ** 2)
    mu = mu + noise * np.random.default_rng(0).normal(size=len(x))
    assert deglitched(Spectrum("coarse", energy, mu))[1].tolist() == []


def test_noise_is_seldom_taken_for_glitches() -> None:
    found = [len(deglitched(made(noise=noise, seed=seed))[1]) for noise in (1e-3, 0.01) for seed in range(20)]
    # None of 15,000 points would be hit by chance, or nearly so.
    assert sum(found) <= 2


def test_a_spectrum_full_of_glitches_is_refused() -> None:
    clean = made(noise=1e-4)
    mu = clean.mu.copy()
    mu[30:330:8] += 0.5
    with pytest.raises(MeasurementError, match=r"more than 3% of its points deviate"):
        deglitched(replace(clean, mu=mu))


def test_a_spectrum_is_shifted_to_where_its_foil_is() -> None:
    foil = made("foil")
    for shift in (-3.3, 0.17, 8.0):
        other = made("late")
        moved = replace(other, energy=other.energy + shift, mu=2.0 * other.mu + 0.3)
        found = aligned(moved, foil)
        assert found.shift == pytest.approx(-shift, abs=0.02)
        np.testing.assert_allclose(found.energy, ENERGY, atol=0.02)
    noisy = made("noisy", noise=0.003)
    assert aligned(replace(noisy, energy=ENERGY + 1.0), foil).shift == pytest.approx(-1.0, abs=0.05)
    with pytest.raises(MeasurementError, match=r"its edge is \d+\.\d eV from that of foil"):
        aligned(replace(foil, name="far", energy=ENERGY + 60.0), foil)
    near = (ENERGY > 8950.0) & (ENERGY < 9000.0)
    short = replace(foil, name="short", energy=ENERGY[near], mu=foil.mu[near])
    with pytest.raises(MeasurementError, match="alignment needs"):
        aligned(short, foil)


def test_scans_are_averaged_where_all_of_them_reach() -> None:
    scans = [made(f"scan {i}", noise=0.01, seed=i) for i in range(16)]
    short = replace(scans[1], energy=ENERGY[:-40], mu=scans[1].mu[:-40])
    found, error = merged([scans[0], short, *scans[2:]], "mean")
    assert (found.name, len(found.energy)) == ("mean", len(ENERGY) - 40)
    off = found.mu - made().mu[:-40]
    assert off.std() == pytest.approx(0.01 / 4.0, rel=0.15)
    assert np.median(error) == pytest.approx(0.01 / 4.0, rel=0.15)
    alone, unknown = merged(scans[:1])
    np.testing.assert_array_equal(alone.mu, scans[0].mu)
    assert np.isnan(unknown).all()
    for spectra, said in (
        ([], "no spectra to merge"),
        ([scans[0], replace(scans[1], element="Fe")], "spectra of Cu K, Fe K cannot be merged"),
        ([scans[0], replace(scans[1], energy=ENERGY + 5000.0)], "no energies in common"),
    ):
        with pytest.raises(MeasurementError, match=said):
            merged(spectra)


def test_a_saturated_detector_is_told() -> None:
    flat = made()
    with pytest.raises(
        MeasurementError, match=r"its maximum, at \d+ consecutive points from 9\d\d\d\.\d eV on"
    ):
        normalised(replace(flat, mu=np.minimum(flat.mu, 1.3)))


def test_wiggles_come_back_as_they_were_put_in() -> None:
    found = extract_exafs(normalised(made(), e0=8979.0, post=(100.0, 800.0), pre=(-150.0, -30.0), degree=2))
    seen = (found.k > 3.0) & (found.k < 14.0)
    true = chi(found.k)
    assert np.corrcoef(found.chi[seen], true[seen])[0, 1] > 0.9999
    # All but a factor, which is the edge step's: the background's curvature is taken for part of it.
    scale = float(found.chi[seen] @ true[seen] / (true[seen] @ true[seen]))
    assert scale == pytest.approx(1.0, abs=0.05)
    assert np.abs(found.chi - scale * true)[seen].max() < 0.006
    weight = found.k * window(found.k, 0.0, float(found.k[-1]), 0.1, "hanning")
    low = fourier_distances(0.05) < 0.9
    small = np.abs(np.asarray(fourier(found.chi, 0.05, weight)))
    assert small[low].max() < 0.03 * small.max()


def test_wiggles_are_those_of_larch() -> None:
    """Larch 2026.3.1: pre_edge as above, then autobk(rbkg=1, kweight=1, ek0=8979)."""
    larch = [0.466063, 0.082036, -0.16952, -0.106489, -0.070026, 0.091729, 0.039396, -0.007187, -0.015975]
    found = extract_exafs(normalised(made(), e0=8979.0, post=(100.0, 800.0), pre=(-150.0, -30.0), degree=2))
    k = np.arange(3.0, 12.0)
    np.testing.assert_allclose(np.interp(k, found.k, found.chi), larch, atol=0.004)


def test_what_is_no_exafs_is_told() -> None:
    spectrum = normalised(made(), e0=8979.0)
    with pytest.raises(ConfigurationError, match=r"needs 0\.2 to 4"):
        extract_exafs(spectrum, smallest_distance=9.0)
    with pytest.raises(ConfigurationError, match="measured are 0 to 15"):
        extract_exafs(spectrum, k_range=(0.0, 20.0))
    near = ENERGY < 9060.0
    short = normalised(replace(made(), energy=ENERGY[near], mu=made().mu[near]), e0=8979.0)
    with pytest.raises(MeasurementError, match="too few for EXAFS"):
        extract_exafs(short)


def test_it_is_drawn_with_units() -> None:
    figure = exafs_figure(extract_exafs(normalised(made(), e0=8979.0)))
    assert [axes.get_xlabel() for axes in figure.axes[:4]] == [
        "energy from the edge (eV)",
        "wavenumber k (1/Å)",
        "distance R, not corrected for phase (Å)",
        "wavenumber k (1/Å)",
    ]
    assert figure_png(figure).startswith(b"\x89PNG")


def test_the_first_shell_of_a_copper_foil_is_where_it_is(data_folder: Path) -> None:
    """Larch, with the same choices: 3.683 at 2.240 angstrom."""
    found = extract_exafs(
        normalised(one_spectrum(data_folder / "xas" / "foils" / "cu_metal_rt.xdi")), k_weight=2
    )
    weight = found.k**2 * window(found.k, 3.0, 12.0, 1.0, "hanning")
    magnitude = np.abs(np.asarray(fourier(found.chi, 0.05, weight)))
    distance = fourier_distances(0.05)
    assert distance[magnitude.argmax()] == pytest.approx(2.240, abs=0.016)
    assert magnitude.max() == pytest.approx(3.683, rel=0.02)
