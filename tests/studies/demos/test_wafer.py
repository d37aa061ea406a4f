"""A simulated wafer has gradients without jumps, phases where they belong, and patterns of what is there."""

import jax
import numpy as np
import pytest
import xarray as xr

from nescio.configuration import validated
from nescio.errors import ConfigurationError
from nescio.studies.banko2021 import banko2021_prior, sigma_prior
from nescio.studies.demos.wafer import phase_fractions, simulated_wafer, wafer_composition, wafer_positions
from nescio.xrd import Prior, PriorSettings

PHASES = ["Fm-3m", "Im-3m", "P6_3/mmc", "P4_2/mnm"]


def coarse(prior: Prior) -> Prior:
    document = prior.settings.model_dump(mode="json")
    document["axis"]["points"] = 512
    return Prior.from_settings(validated(PriorSettings, document, "coarse"))


@pytest.fixture(scope="module")
def priors() -> tuple[Prior, Prior]:
    return banko2021_prior(), sigma_prior()


@pytest.fixture(scope="module")
def wafer(priors: tuple[Prior, Prior]) -> xr.Dataset:
    return simulated_wafer(*priors, jax.random.key(1))


def test_positions_are_a_grid_of_4_5_mm_on_a_disc_of_100_mm() -> None:
    positions = wafer_positions()
    assert 300 <= len(positions) <= 350
    assert np.hypot(*positions.T).max() < 50.0
    gaps = np.linalg.norm(positions[:, None] - positions[None], axis=2) + 1e9 * np.eye(len(positions))
    np.testing.assert_allclose(gaps.min(axis=1), 4.5)
    # The disc looks the same from the other side.
    assert {tuple(p) for p in positions} == {tuple(-p) for p in positions}


def test_each_element_is_richest_towards_its_own_source() -> None:
    positions = wafer_positions()
    composition = wafer_composition(positions)
    np.testing.assert_allclose(composition.sum(axis=1), 1.0)
    assert composition.min() > 0.02
    directions = positions[composition.argmax(axis=0)]
    angles = np.degrees(np.arctan2(directions[:, 1], directions[:, 0])) % 360
    np.testing.assert_allclose(angles, [210, 330, 90], atol=10)
    np.testing.assert_allclose(wafer_composition([[0.0, 0.0]]), 1 / 3)


def test_fractions_change_without_jumps_along_any_line_across_the_wafer() -> None:
    along = np.linspace(-46.5, 46.5, 2000)
    for angle in np.radians([0, 37, 90, 141]):
        line = np.stack([along * np.cos(angle), along * np.sin(angle)], axis=1)
        fractions = phase_fractions(wafer_composition(line))
        np.testing.assert_allclose(fractions.sum(axis=1), 1.0)
        assert np.abs(np.diff(fractions, axis=0)).max() < 0.02


def test_halfway_between_two_fields_there_is_as_much_of_both() -> None:
    cobalt, chromium = np.array([0.72, 0.12, 0.16]), np.array([0.45, 0.47, 0.08])
    np.testing.assert_allclose(phase_fractions([(cobalt + chromium) / 2]), [[0, 0, 0.5, 0.5]], atol=1e-12)
    np.testing.assert_allclose(phase_fractions([cobalt]), [[0, 0, 1, 0]])


def test_groups_and_truth_say_what_the_fractions_say(wafer: xr.Dataset) -> None:
    fraction, group, truth = (wafer[name].values for name in ("phase_fraction", "group", "truth"))
    assert wafer["phase"].values.tolist() == PHASES
    counts = {kind: int(np.sum(group == kind)) for kind in ("pure", "mixed", "unknown")}
    assert sum(counts.values()) == wafer.sizes["measurement"]
    assert min(counts.values()) >= 20
    np.testing.assert_array_equal(group == "mixed", fraction.max(axis=1) < 1)
    np.testing.assert_array_equal(group == "unknown", fraction[:, 3] == 1)
    assert set(truth[group != "pure"]) == {""}
    for phase, label in enumerate(PHASES[:3]):
        np.testing.assert_array_equal(truth == label, fraction[:, phase] == 1)
        assert np.sum(truth == label) >= 20


def test_measurements_are_in_the_prepared_form_with_units(wafer: xr.Dataset) -> None:
    intensity = wafer["intensity"].values
    assert intensity.min() == 0
    np.testing.assert_allclose(intensity.max(axis=1), 1.0, rtol=1e-6)
    assert wafer["covered"].values.all()
    assert set(wafer["problem"].values) == {""}
    assert wafer["x_mm"].attrs["units"] == wafer["y_mm"].attrs["units"] == "mm"
    assert wafer["element"].values.tolist() == ["Co", "Cr", "Ni"]
    assert wafer.attrs["wavelength_angstrom"] == pytest.approx(1.5406, abs=1e-3)
    assert wafer.indexes["measurement"].is_unique


def test_patterns_show_the_phase_that_is_there(wafer: xr.Dataset) -> None:
    # Only sigma diffracts between 38 and 41.5 degree; the other phases' first peaks come later (hcp 100 at 41.5).
    axis = wafer["two_theta"].values
    window = (axis > 38.0) & (axis < 40.2)
    share = wafer["intensity"].values[:, window].mean(axis=1) / wafer["intensity"].values.mean(axis=1)
    group = wafer["group"].values
    assert np.median(share[group == "unknown"]) > 3 * np.median(share[group == "pure"])


def test_a_key_gives_the_same_wafer_again_and_another_key_another(
    wafer: xr.Dataset, priors: tuple[Prior, Prior]
) -> None:
    xr.testing.assert_identical(simulated_wafer(*priors, jax.random.key(1)), wafer)
    other = simulated_wafer(*priors, jax.random.key(2))
    assert float(np.abs(other["intensity"] - wafer["intensity"]).max()) > 0.1
    np.testing.assert_array_equal(other["group"], wafer["group"])


def test_priors_that_do_not_fit_are_refused(priors: tuple[Prior, Prior]) -> None:
    known, _ = priors
    with pytest.raises(ConfigurationError, match="same axis"):
        simulated_wafer(known, coarse(sigma_prior()), jax.random.key(0))
    with pytest.raises(ConfigurationError, match="'P4_2/mnm'"):
        simulated_wafer(known, known, jax.random.key(0))
