"""From spectra to coordination numbers, with what is known of the error, and a warning where theory does not hold."""

from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nescio.errors import ConfigurationError, MeasurementError
from nescio.learn import RegressionSettings
from nescio.xas import (
    Mixtures,
    MixtureSettings,
    Normalised,
    Spectrum,
    bundled_library,
    learn_coordination,
)
from nescio.xas.particles import CoordinationModel, foil_shift, half_step
from nescio.xas.reproduction import (
    data_folder,
    held_out_particles,
    measured_copper,
    spectra_per_second,
)

QUICK = RegressionSettings(hidden=(64,), members=3, steps=500, batch=64, learning_rate=3e-3)
LIBRARY = bundled_library("Cu", "K")
E0 = 8979.0


@pytest.fixture(scope="module")
def model() -> CoordinationModel:
    return learn_coordination(LIBRARY, regression=QUICK, familiar_steps=800)


def measured(mu: np.ndarray, name: str = "made", offset: float = 3.0, **changes) -> Normalised:
    """Return a computed spectrum as if it were measured and normalised: on an energy axis that is off."""
    low, high = np.arange(-60.0, -15.0, 2.0), np.arange(121.0, 200.0, 2.0)
    x = np.concatenate([low, LIBRARY.energy, high])
    whole = np.concatenate([np.full(len(low), mu[0]), mu, np.ones(len(high))])
    spectrum = Spectrum(name, x + E0 + offset, whole, element="Cu", edge="K")
    return Normalised(replace(spectrum, **changes), E0, 1.0, (-150.0, -30.0), (100.0, 800.0), 2, whole)


def particle(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return spectrum and coordination numbers of an unstrained particle at rest."""
    rows = LIBRARY.state == 0
    counts = np.where(rows, LIBRARY.counts[:, LIBRARY.clusters.tolist().index(name)], 0)
    return counts @ LIBRARY.mu / counts.sum(), counts @ LIBRARY.coordination / counts.sum()


def test_libraries_of_two_metals_come_along() -> None:
    for element, edge, radius in (("Cu", "K", 2.556), ("Pt", "L3", 2.775)):
        library = bundled_library(element, edge)
        assert (library.element, library.edge, len(library.clusters)) == (element, edge, 36)
        assert np.nanmedian(library.distance) == pytest.approx(radius, rel=0.002)
        assert (library.state == np.repeat(np.arange(5), 145)).all()
        assert library.coordination[:, 0].max() == 12
        assert np.abs(library.foil[library.energy > 60.0] - 1.0).max() < 0.2
    with pytest.raises(ConfigurationError, match="no library of Au at the L3 edge"):
        bundled_library("Au", "L3")


def test_it_tells_the_neighbours_of_particles(model: CoordinationModel) -> None:
    foil = measured(LIBRARY.foil, "foil")
    assert foil_shift(foil, model.energy, model.foil) == pytest.approx(3.0, abs=0.06)
    names = ["cuboctahedron shells 3", "octahedron length 5", "icosahedron shells 2"]
    spectra, numbers = zip(*(particle(name) for name in names), strict=True)
    told = model.read([measured(mu, name) for mu, name in zip(spectra, names, strict=True)], foil)
    assert told.sizes == {"measurement": 3, "output": 5}
    assert told["output"].values.tolist() == ["C1", "C2", "C3", "C4", "R"]
    np.testing.assert_allclose(told["value"][:, 0], np.array(numbers)[:, 0], atol=0.5)
    # Of an icosahedron, neighbours in a shell are a twentieth further apart than those of two shells.
    np.testing.assert_allclose(told["value"][:2, 4], 2.556, atol=0.03)
    assert float(told["value"][2, 4]) > 2.6
    assert not told["novel"].values.any()
    for part in ("aleatoric", "epistemic", "systematic"):
        assert (told[part].values > 0.0).all()
    assert (told["low"] < told["value"]).all()
    assert (told["high"] > told["value"]).all()
    assert (told["warning"] == "").all()


def test_a_spectrum_that_theory_does_not_know_gets_its_numbers_with_a_warning(
    model: CoordinationModel,
) -> None:
    foil = measured(LIBRARY.foil)
    oxide = LIBRARY.foil + 1.2 * np.exp(-0.5 * ((LIBRARY.energy - 14.0) / 2.5) ** 2).astype(np.float32)
    told = model.read([measured(oxide, "oxide")], foil)
    assert told["novel"].item()
    assert told["warning"].item().startswith("outside of the training spectra (p = ")
    assert np.isfinite(told["value"]).all()


def test_an_energy_axis_of_its_own_is_put_right_by_the_edge(model: CoordinationModel) -> None:
    foil = measured(LIBRARY.foil)
    mu, _ = particle("cuboctahedron shells 4")
    moved = measured(mu, offset=5.0)
    assert half_step(moved) - half_step(measured(mu)) == pytest.approx(2.0, abs=0.06)

    def neighbours(spectrum: Normalised, **options) -> float:
        return float(model.read([spectrum], foil, **options)["value"][0, 0])

    assert neighbours(moved, align="edge") == pytest.approx(neighbours(measured(mu), align="edge"), abs=0.15)
    assert abs(neighbours(moved) - neighbours(measured(mu))) > 0.5


def test_what_cannot_be_told_is_said(model: CoordinationModel) -> None:
    foil = measured(LIBRARY.foil)
    with pytest.raises(MeasurementError, match="spectra of Pt; this model knows Cu"):
        model.read([measured(LIBRARY.foil, element="Pt")], foil)
    with pytest.raises(MeasurementError, match="its edge is at 9100"):
        model.read([replace(foil, e0=9100.0)], foil)
    with pytest.raises(MeasurementError, match="no spectra to read"):
        model.read([], foil)
    short = LIBRARY.energy < 70.0
    spectrum = Spectrum("short", foil.spectrum.energy[:0], foil.spectrum.mu[:0])
    near = foil.spectrum.energy < E0 + 70.0
    cut = replace(foil, spectrum=replace(spectrum, energy=foil.spectrum.energy[near]), mu=foil.mu[near])
    assert short.any()
    with pytest.raises(MeasurementError, match=r"short: measured from .* to 90\d\d"):
        model.read([cut], foil)


@pytest.mark.slow
def test_particles_that_were_held_out_are_told_and_their_intervals_cover() -> None:
    """With a fraction of the training: that the bookkeeping is right, not how good it can be."""
    first = slice(0, 145)
    rows = {
        name: getattr(LIBRARY, name)[first] for name in ("mu", "coordination", "distance", "counts", "state")
    }
    quick = QUICK.model_copy(update={"steps": 200, "members": 2})
    found = held_out_particles(replace(LIBRARY, **rows), MixtureSettings(), quick, folds=3)
    assert len(found["mae"]) == 4
    assert found["mae"][0] < 0.5
    assert 0.75 < found["coverage90"] < 1.0


def test_many_spectra_are_told_in_a_second(model: CoordinationModel) -> None:
    assert spectra_per_second(model, LIBRARY, count=2000) > 0.0
    draws = Mixtures(LIBRARY, model.settings)
    signals, numbers = draws(jax.random.key(5), 1000, jnp.asarray(0))
    told = model.regression.expect(signals)
    inside = (np.asarray(numbers) >= told.low) & (np.asarray(numbers) <= told.high)
    np.testing.assert_allclose(inside.mean(axis=0), 0.9, atol=0.035)


@pytest.mark.skipif(data_folder() is None, reason="measured spectra are not there (see NESCIO_DATA)")
def test_copper_foils_have_twelve_neighbours_at_every_temperature(model: CoordinationModel) -> None:
    folder = data_folder()
    assert isinstance(folder, Path)
    told = measured_copper(model, folder)
    assert set(told) == {"cu_10k", "cu_50k", "cu_150k", "cu_rt01"}
    for one in told.values():
        assert one["c1"] == pytest.approx(12.0, abs=1.0)
