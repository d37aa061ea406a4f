"""The study of coordination numbers: held-out particles, measured ones, and how fast it is."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests.xas.quick import QUICK

from nescio.errors import FileError
from nescio.learn import NumberAgent
from nescio.studies.xanes import beyond_white_line, held_out_particles, reproduce_xanes, reproduction
from nescio.studies.xanes.multiple_scattering import compared_with_feff
from nescio.studies.xanes.reproduction import measured_copper, spectra_per_second, spread_over_temperatures
from nescio.xas import CoordinationPrior, MixtureSettings, NormalisationSettings, bundled_library

LIBRARY = bundled_library("Cu", "K")


@pytest.mark.slow
def test_numbers_of_held_out_particles_are_right_and_their_intervals_cover() -> None:
    """With a fraction of the training: that the bookkeeping is right, not how good it can be."""
    first = slice(0, 145)
    rows = {
        name: getattr(LIBRARY, name)[first] for name in ("mu", "coordination", "distance", "counts", "state")
    }
    quick = QUICK.model_copy(
        update={"networks": QUICK.networks.model_copy(update={"steps": 200, "members": 2})}
    )
    scores, estimates = held_out_particles(
        replace(LIBRARY, **rows), MixtureSettings(), quick, folds=3, progress=False
    )
    assert len(scores["mae"]) == 4
    assert estimates["value"].shape == estimates["truth"].shape
    assert scores["mae"][0] < 0.5
    assert 0.75 < scores["coverage90"] < 1.0


def test_the_white_line_ends_where_the_foil_is_lowest_after_it() -> None:
    platinum = bundled_library("Pt", "L3")
    end = beyond_white_line(platinum)
    after = (platinum.energy > 2.0) & (platinum.energy < 12.0)
    assert end == platinum.energy[after][np.argmin(platinum.foil[after])]
    assert platinum.foil[platinum.energy == 2.0] > platinum.foil[platinum.energy == end] + 0.1


def test_the_spread_is_that_of_each_sample() -> None:
    estimates = {
        "a b 20K": {"c1": 8.0},
        "a b 300K": {"c1": 7.5},
        "c 20K": {"c1": 3.0},
        "a b 150K": {"c1": 7.0},
    }
    assert spread_over_temperatures(estimates) == {"a b": 1.0, "c": 0.0}


def test_how_many_spectra_are_assessed_in_a_second_is_counted_by_the_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = iter([100.0, 100.5])
    agent: Any = SimpleNamespace(
        prior=CoordinationPrior(LIBRARY), regression=SimpleNamespace(expect=lambda signals: None)
    )
    monkeypatch.setattr(reproduction, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    assert spectra_per_second(agent, count=3000) == pytest.approx(6000.0)


def test_copper_foils_have_twelve_neighbours_at_every_temperature(measured_folder: Path) -> None:
    apart = CoordinationPrior(LIBRARY, normalisation=NormalisationSettings(align="edge"))
    agent = NumberAgent.train(apart, QUICK, progress=False)
    shells = measured_copper(agent, measured_folder)
    assert set(shells) == {"cu_10k", "cu_50k", "cu_150k", "cu_rt01"}
    for one in shells.values():
        assert one["c1"] == pytest.approx(12.0, abs=1.0)


def test_a_measured_file_that_is_missing_or_damaged_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"platinum-foil\.xdi: no such file; reproduce xanes needs it"):
        reproduce_xanes(tmp_path)
    np.savez(tmp_path / "copper-sites.npz", k=np.ones(3))
    with pytest.raises(FileError, match=r"copper-sites\.npz: contains no spectra of sites \('mu' is missing"):
        compared_with_feff(tmp_path, "cu")
