"""The chapter of absorption in the demonstration, with networks too small to be any good."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from tests.xas.quick import QUICK

from nescio.errors import InterruptedTrainingError
from nescio.learn import NumberAgent, load_agent
from nescio.studies.demos import absorption as demo
from nescio.xas import bundled_library


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    outcome = demo.demonstrate_absorption(folder, settings=QUICK, progress=False)
    assert outcome.report.is_file()
    assert outcome.particles is None
    assert "a growing copper particle, 28 spectra: the mean error of C1 is" in outcome.summary()
    assert outcome.off < 0.6
    assert outcome.flagged <= 2
    # Novelty rises, and stays.
    assert 0.0 < outcome.first <= 0.4
    return folder


def test_numbers_follow_the_particle_and_the_oxide_is_novel(folder: Path) -> None:
    with xr.open_dataset(folder / "findings.nc", engine="h5netcdf") as found:
        c1 = found["value"].sel(quantity="C1").values
        p, oxide = found["p_value"].values, found["oxide"].values
        assert np.corrcoef(c1[:28], found["truth"].values[:28, 0])[0, 1] > 0.97
        assert np.isnan(found["truth"].values[28:]).all()
        assert (found["verdict"].values[oxide >= 0.5] == "novel").all()
        assert np.median(p[:28]) > 0.1
    assert isinstance(load_agent(folder / "agent"), NumberAgent)
    assert len(list((folder / "spectra").glob("minute-*.xdi"))) == 48
    report = (folder / "report.html").read_text(encoding="utf-8")
    assert "nescio assess" in report
    assert not (folder / "agent.checkpoint").exists()


def test_cuprite_has_the_neighbours_that_it_has() -> None:
    elements, place = demo.cuprite(3.1)
    distance = np.linalg.norm(place, axis=1)
    assert elements == ["Cu", *["O"] * 2, *["Cu"] * 12]
    np.testing.assert_allclose(distance[1:3], np.sqrt(3.0) / 4.0 * 4.2696)
    np.testing.assert_allclose(distance[3:], 4.2696 / np.sqrt(2.0))
    # Two oxygen atoms, on opposite sides.
    np.testing.assert_allclose(place[1], -place[2])


def test_a_series_is_what_it_says() -> None:
    truth = demo.simulated_series(bundled_library("Cu", "K"))
    assert truth["oxide"].values[27] == 0.0
    assert truth["oxide"].values[-1] == 1.0
    assert (np.diff(truth["truth"].values[:28, 2]) > -0.7).all()
    np.testing.assert_allclose(truth["truth"].values[0, :2], [4.0, 1.0])
    # Of atoms in cuprite alone, the edge is as high as that of the metal; its white line is higher.
    oxide = truth["mu"].values[-1]
    assert oxide.max() > truth["foil"].values.max() + 0.2


def test_an_interrupted_demo_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> NumberAgent:
        raise InterruptedTrainingError("interrupted at step 100")

    monkeypatch.setattr(demo.NumberAgent, "train", interrupted)
    with pytest.raises(InterruptedTrainingError, match="run the same command again to continue"):
        demo.demonstrate_absorption(tmp_path, settings=QUICK, progress=False)


@pytest.mark.slow
def test_measured_particles_of_platinum_are_read(measured_folder: Path, tmp_path: Path) -> None:
    outcome = demo.demonstrate_absorption(tmp_path, settings=QUICK, data=measured_folder, progress=False)
    assert outcome.particles is not None
    with xr.open_dataset(tmp_path / "platinum" / "findings.nc", engine="h5netcdf") as found:
        assert found.sizes["measurement"] == 6
        assert ((found["value"].sel(quantity="C1") > 4.0) & (found["value"].sel(quantity="C1") < 12.0)).all()
