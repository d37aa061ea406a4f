"""Diffraction: train an agent on three phases, then assess a simulated wafer with a fourth, unknown phase."""

from __future__ import annotations

import time
from pathlib import Path

import jax
import numpy as np
import xarray as xr

from nescio.files import write_atomically
from nescio.learn import ClassAgent, LearnSettings, train_into
from nescio.progress import track
from nescio.signals import NOVEL
from nescio.studies.banko2021 import MIXED, PURE, UNKNOWN, banko2021_prior, sigma_prior, trial_measurements
from nescio.studies.demos.wafer import simulated_wafer
from nescio.version import __version__
from nescio.xrd import Prior

__all__ = ["demonstrate_diffraction", "print_outcome"]

ALPHA = 0.01
# Random keys; training and calibration use others.
_WAFER_KEY, _TRIAL_KEY = 201, 202
_REFERENCE = 2000
_KINDS = {PURE: "one known phase", MIXED: "mixture of phases", UNKNOWN: "sigma (not in the training)"}


def demonstrate_diffraction(
    folder: Path, *, settings: LearnSettings | None = None, progress: bool | None = None
) -> Path:
    """Train an agent on three phases, assess a simulated wafer, print the result and write a report.

    Args:
        folder: Output folder for ``agent``, ``findings.nc``, ``findings.csv``, ``map.png`` and ``report.html``. An
            interrupted training is resumed.
        settings: Settings of training; by default the defaults.
        progress: Show progress bars; by default where standard error is a terminal.

    Returns:
        The path of the report.

    Raises:
        InterruptedTrainingError: Ctrl-C was pressed during training.
        FileError: The folder cannot be written to.
    """
    from nescio.view import figure_png, findings_figure, write_findings

    start = time.perf_counter()
    settings = settings or LearnSettings()
    known, unknown = banko2021_prior(), sigma_prior()
    agent = _learned(known, settings, folder, progress)
    seconds = time.perf_counter() - start

    root = jax.random.key(settings.training.seed)
    with track("simulating the wafer", 5, enabled=progress) as tell:
        wafer = simulated_wafer(known, unknown, jax.random.fold_in(root, _WAFER_KEY))
        tell(1)
        findings = agent.assess(wafer, alpha=ALPHA, progress=False)
        write_findings(findings, folder)
        write_atomically(folder / "map.png", figure_png(findings_figure(findings)))
        tell(1)
        trials = trial_measurements(known, unknown, jax.random.fold_in(root, _TRIAL_KEY), per_fraction=40)
        tell(1)
        trials = agent.assess(trials, alpha=ALPHA, progress=False)
        tell(1)
        reference = agent.reference(_REFERENCE)
        tell(1)
    report = _report(folder, agent, findings, reference, trials, seconds, progress)
    print_outcome(findings)
    return report


def print_outcome(findings: xr.Dataset) -> None:
    """Print the numbers of places called novel and classified correctly, for each kind of place on the wafer."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Simulated wafer: true phases and verdicts of the agent", title_justify="left")
    table.add_column("true phases")
    for title in ("places", "called novel", "class correct"):
        table.add_column(title, justify="right")
    novel, right = findings["verdict"].values == NOVEL, _named_right(findings)
    for kind, words in _KINDS.items():
        mine = findings["group"].values == kind
        named = "–" if kind == UNKNOWN else _share(right[mine])
        table.add_row(words, f"{mine.sum():,}", _share(novel[mine]), named)
    console = Console()
    console.print(table)
    console.print(
        f"Novel: p-value at most {float(findings.attrs['alpha']):g}, so about one known place in "
        f"{1 / float(findings.attrs['alpha']):.0f} is called novel by chance.\n"
        "Class correct: the most probable class is present, alone or in a mixture.",
        style="dim",
        highlight=False,
    )


def _named_right(findings: xr.Dataset) -> np.ndarray:
    """Return whether the most probable class is among the phases present, shape (measurement,)."""
    there = findings["phase_fraction"].values > 0.0
    phases = findings["phase"].values
    return np.asarray((there & (phases[None] == findings["label"].values[:, None])).any(axis=1))


def _share(which: np.ndarray) -> str:
    return f"{which.sum():,} ({which.mean():.0%})" if which.size else "–"


def _learned(known: Prior, settings: LearnSettings, folder: Path, progress: bool | None) -> ClassAgent:
    return train_into(
        folder / "agent",
        lambda checkpoint, resume: ClassAgent.train(
            known, settings, checkpoint=checkpoint, resume=resume, progress=progress
        ),
    )


def _report(
    folder: Path,
    agent: ClassAgent,
    findings: xr.Dataset,
    reference: xr.Dataset,
    trials: xr.Dataset,
    seconds: float,
    progress: bool | None,
) -> Path:
    from nescio.view import assessment_report

    provenance = {
        "data": "a simulated wafer (nescio demo), no measurements",
        "agent": f"{agent.identity}, trained in {seconds:.0f} s",
        "known phases": ", ".join(agent.labels),
        "unknown phase on the wafer": "P4_2/mnm (sigma)",
        "prior": "phases and ranges of Banko et al., npj Comput. Mater. 7, 104 (2021)",
        "alpha": f"{ALPHA:g}",
        "version": f"nescio {__version__}",
        "training settings": agent.settings.model_dump_json(indent=1),
    }
    return assessment_report(
        findings,
        reference,
        path=folder / "report.html",
        provenance=provenance,
        title="Known and novel phases on a simulated wafer",
        predict=lambda latent: agent.latent_grid_labels(latent.astype(np.float32)),
        trials=trials,
        history=agent.history,
        progress=progress,
    )
