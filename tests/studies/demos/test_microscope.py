"""The microscope's chapter of the demonstration, on a film too small to learn much from."""

from pathlib import Path

import pytest

from nescio.explore import ExploreSettings
from nescio.explore.settings import Budgets, SeedSettings
from nescio.explore.surrogates import SurrogateSettings
from nescio.microscopy import FerroelectricSettings
from nescio.studies.demos import microscope as demo

SMALL = {
    "instrument": FerroelectricSettings(size=64, grid=12, bias_steps=16),
    "seeds": SeedSettings(points=6),
    "budget": Budgets(points=9),
    "surrogate": SurrogateSettings(members=2, steps=5, warm_steps=1),
}


def small() -> ExploreSettings:
    return demo.demo_settings().model_copy(update=SMALL)


@pytest.fixture(autouse=True)
def _no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nescio.view.report.figure_png", lambda figure: b"png")


def test_it_explores_reports_and_goes_on_where_it_was_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = demo.demonstrate_microscope(tmp_path / "whole", settings=small(), show=False)
    assert (whole.places, whole.measured, whole.by_chance) == (144, 9, pytest.approx(0.45))
    assert 0 <= whole.hits <= 7
    assert 0.0 <= whole.coverage <= 1.0
    assert "Ctrl-C" not in whole.report.read_text(encoding="utf-8")

    def drive_a_little(experiment, instrument, **_):
        for candidate in experiment.ask(4).candidates:
            experiment.tell(candidate, instrument.measure(experiment.candidates.position(candidate)))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(demo, "drive", drive_a_little)
        with pytest.raises(KeyboardInterrupt):
            demo.demonstrate_microscope(tmp_path / "again", settings=small(), show=False)
    again = demo.demonstrate_microscope(tmp_path / "again", settings=small(), show=False)
    assert (again.measured, again.hits, again.coverage) == (9, whole.hits, whole.coverage)
    # A finished one is replaced, and comes out the same.
    assert demo.demonstrate_microscope(tmp_path / "again", settings=small(), show=False).hits == whole.hits
