"""Microscopy: find the places with the largest hysteresis loops on a simulated ferroelectric film."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nescio.errors import NescioError
from nescio.explore import Experiment, ExploreSettings, drive, scalarize
from nescio.files import write_atomically
from nescio.microscopy import FerroelectricSettings, FerroelectricTwin, Hysteresis, PatchSettings

__all__ = ["MicroscopeOutcome", "demo_settings", "demonstrate_microscope"]

_TOP = 0.05
_TRACE = "trace.sqlite"


@dataclass(frozen=True)
class MicroscopeOutcome:
    """Results of the exploration, compared with the true values of the simulation."""

    places: int
    """Number of candidates."""
    measured: int
    hits: int
    """Number of measured places among the best 5 % of all."""
    by_chance: float
    """Expected number for randomly chosen places."""
    coverage: float
    """Share of unmeasured places whose true value is inside the model's 95 % interval."""
    report: Path

    def summary(self) -> str:
        """Return the results as a few sentences."""
        return (
            f"{self.measured} of {self.places:,} places measured; {self.hits} of these are among the best "
            f"{100 * _TOP:g} % of all (expected by chance: {self.by_chance:.0f}). For {100 * self.coverage:.0f} % of "
            "the unmeasured places, the true loop area is inside the model's 95 % interval."
        )


def demo_settings() -> ExploreSettings:
    """Return the settings of the experiment: a film smaller than the twin's default, so that it takes a minute."""
    return ExploreSettings(
        title="Largest hysteresis loops on a simulated ferroelectric film",
        instrument=FerroelectricSettings(size=176, grid=40),
        candidates=PatchSettings(size=16),
        scalarizer=Hysteresis(axis="bias", quantities=("area",)),
    )


def demonstrate_microscope(
    folder: Path, *, settings: ExploreSettings | None = None, show: bool = True
) -> MicroscopeOutcome:
    """Explore a simulated film and write a report; an interrupted exploration is resumed.

    Args:
        folder: Output folder for ``trace.sqlite``, ``map.png`` and ``report.html``. A finished exploration is replaced.
        settings: Settings of the experiment; its instrument must be a ferroelectric twin.
        show: Show the live view.

    Raises:
        InterruptedExplorationError: Ctrl-C was pressed; the same command resumes the exploration.
        FileError: The folder cannot be written to.
    """
    from nescio.view import LiveView, figure_png, predicted_maps, write_exploration_report

    settings = settings or demo_settings()
    if not isinstance(settings.instrument, FerroelectricSettings):
        raise NescioError(
            f"the demonstration needs a ferroelectric twin, not {type(settings.instrument).__name__}"
        )
    twin = settings.instrument.build()
    with _begun(folder, settings, twin) as experiment:
        if show:
            with LiveView(settings.title, resume="the same command") as observer:
                drive(experiment, twin, observer=observer, wait=False)
        else:
            drive(experiment, twin, wait=False)
        explored = experiment.to_dataset()
        write_atomically(folder / "map.png", figure_png(predicted_maps(explored)))
        report = write_exploration_report(folder / "report.html", explored)
        return _found(experiment, twin, report)


def _begun(folder: Path, settings: ExploreSettings, twin: FerroelectricTwin) -> Experiment:
    """Return the unfinished experiment of an earlier run if there is one, else a new one."""
    if (folder / _TRACE).exists():
        try:
            left = Experiment.open(folder)
        except NescioError:
            # Written by another version; it cannot be resumed and is replaced.
            left = None
        if left is not None:
            if not left.state.finished and left.settings == settings:
                left.connect(twin)
                return left
            left.close()
        shutil.rmtree(folder)
    return Experiment.create(folder / _TRACE, settings, twin.survey())


def _found(experiment: Experiment, twin: FerroelectricTwin, report: Path) -> MicroscopeOutcome:
    truth = twin.truth()
    true, _, _ = scalarize(experiment.state.steering.scalarizer, list(truth), progress=False)
    values = true[:, 0]
    best = round(_TOP * len(values))
    top = values >= np.sort(values)[-best]
    measured = np.array([one.candidate for one in experiment.state.measured], int)
    rest = np.ones(len(values), bool)
    rest[measured] = False
    fit = experiment.fit
    coverage = float("nan")
    if fit is not None:
        coverage = float((np.abs(values - fit.mean[:, 0]) < 1.96 * fit.sd[:, 0])[rest].mean())
    return MicroscopeOutcome(
        places=len(values),
        measured=len(measured),
        hits=int(top[measured].sum()),
        by_chance=_TOP * len(measured),
        coverage=coverage,
        report=report,
    )
