"""The main jobs of Nescio, each as one function for a notebook or a script.

`import nescio` offers them as ``nescio.load_prior``, ``nescio.train``, ... The packages below offer the parts.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nescio.errors import ConfigurationError, FileError, MeasurementError, NescioError, NescioWarning

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]
    import xarray as xr
    from matplotlib.figure import Figure

    from nescio.explore import Experiment
    from nescio.learn import Agent
    from nescio.techniques import Prior

__all__ = [
    "assess",
    "load_prior",
    "plot",
    "read_measurements",
    "report",
    "run",
    "table",
    "train",
]

Paths = str | Path | Iterable[str | Path]
_FINDINGS = "verdict"
"""The variable that all findings have, and no other dataset."""


def load_prior(source: Paths) -> Prior:
    """Load what is known: a prior's TOML file, or files from which a technique makes a prior.

    Args:
        source: A TOML file; or crystal structures (CIF files, a folder or a pattern such as ``"cifs/*.cif"``), each of
            them a phase with the default distributions.

    Raises:
        NescioError: A file is not valid, or no technique makes a prior of such files.
    """
    from nescio.techniques import available_techniques, find_technique, read_prior

    paths = _paths(source)
    if len(paths) == 1 and paths[0].suffix.lower() == ".toml":
        prior, _ = read_prior(paths[0])
        _warn(prior)
        return prior
    from nescio.measurements import expand
    from nescio.techniques import MakesPriors

    accepted: list[str] = []
    for name in available_techniques():
        technique = find_technique(name)
        if isinstance(technique, MakesPriors):
            patterns = technique.prior_patterns()
            accepted += patterns
            files = expand(paths, patterns).files
            if all(any(fnmatch(file.name.lower(), one) for one in patterns) for file in files):
                made = technique.prior_from_files(files)
                _warn(made)
                return made
    raise FileError(
        f"{paths[0]}: no prior can be made of this; give a prior's TOML file, or files such as {', '.join(accepted)}"
    )


def train(
    prior: Prior | str | Path,
    folder: str | Path | None = None,
    *,
    overwrite: bool = False,
    resume: bool = False,
    progress: bool | None = None,
    **settings: Any,
) -> Agent:
    """Train an agent on a prior, and calibrate it.

    Args:
        prior: As :func:`load_prior` returns it; or the path of its TOML file, whose table ``[learn]`` then counts.
        folder: Where to keep the agent; without one it lives in memory only. The state of an interrupted training is
            kept beside it.
        overwrite: Replace an agent that is there.
        resume: Continue an interrupted training.
        progress: Show progress bars; by default on a terminal or in a notebook.
        settings: Tables of the settings, such as ``training={"steps": 2000}``.

    Raises:
        NescioError: A setting is not valid, there is an agent already, or the training was interrupted.
    """
    from nescio.configuration import validated
    from nescio.learn import find_agent, train_into
    from nescio.techniques import read_prior

    table: dict[str, Any] = {}
    if isinstance(prior, str | Path):
        prior, table = read_prior(Path(prior))
        _warn(prior)
    kind = find_agent(prior.kind)
    learning = validated(kind.settings_model, {**table, **settings}, "settings")
    if folder is None:
        return kind.train(prior, learning, progress=progress)
    folder = Path(folder)
    if not overwrite and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigurationError(f"{folder}: exists already; add overwrite=True, or load it with load_agent")
    return train_into(
        folder,
        lambda checkpoint, resumed: kind.train(
            prior, learning, checkpoint=checkpoint, resume=resumed, progress=progress
        ),
        resume=resume,
    )


def read_measurements(files: Paths, agent: Agent, **options: Any) -> xr.Dataset:
    """Read files of measurements and prepare them for an agent (`nescio.signals`: prepared).

    Args:
        files: Files, folders and patterns; one that cannot be used is a warning.
        agent: Whose grid the measurements are brought onto.
        options: Of the agent's technique, as on the command line: ``wavelength="CuKa"``, ``foil="foil.xdi"``, ...

    Raises:
        NescioError: No file can be used, or there is no such option.
    """
    from nescio.measurements import expand, read_and_prepare
    from nescio.options import options_of
    from nescio.techniques import find_technique

    technique = find_technique(agent.prior.technique)
    declared = options_of(technique.name)
    if unknown := [name for name in options if name not in declared.all]:
        known = ", ".join(declared.all) or "none"
        raise ConfigurationError(
            f"{unknown[0]}: technique {technique.name!r} has no such option (its options: {known})"
        )
    expanded = expand(_paths(files), technique.file_patterns())
    prepared, errors = read_and_prepare(
        expanded.files,
        technique,
        agent.prior,
        reading={name: options[name] for name in declared.read if name in options},
        preparing={name: options[name] for name in declared.prepare if name in options},
    )
    _warn(prepared, *expanded.notes, *expanded.errors, *errors)
    return prepared


def assess(
    agent: Agent,
    measurements: xr.Dataset | Paths,
    *,
    alpha: float = 0.01,
    progress: bool | None = None,
    **options: Any,
) -> xr.Dataset:
    """Classify measurements, or estimate their numbers, and flag those unlike anything known.

    Args:
        agent: What was trained.
        measurements: Prepared ones (:func:`read_measurements`), or files of them.
        alpha: Share of known measurements that may be called novel by mistake.
        progress: Show progress bars; by default on a terminal or in a notebook.
        options: As for :func:`read_measurements`, where files are given.

    Returns:
        Findings (`nescio.signals`), for :func:`table`, :func:`plot` and :func:`report`.

    Raises:
        NescioError: No measurement can be used, or alpha is out of range.
    """
    import xarray as xr

    if not isinstance(measurements, xr.Dataset):
        measurements = read_measurements(measurements, agent, **options)
    elif options:
        raise ConfigurationError(f"{next(iter(options))}: options are for files, and these are prepared")
    return agent.assess(measurements, alpha=alpha, progress=progress)


def table(findings: xr.Dataset) -> pd.DataFrame:
    """Return findings as a table with one row for each measurement; see :func:`nescio.view.findings_table`."""
    from nescio.view import findings_table

    return findings_table(findings)


def plot(shown: xr.Dataset | Experiment) -> Figure:
    """Draw the map of findings (by position, composition or likeness), or the predicted maps of an experiment.

    Args:
        shown: Findings (:func:`assess`), an experiment, or its dataset (:meth:`nescio.explore.Experiment.to_dataset`).

    Returns:
        A Matplotlib figure.

    Raises:
        MeasurementError: It is none of these, or the experiment has no prediction yet.
    """
    from nescio.view import findings_figure, predicted_maps

    dataset = _dataset(shown)
    return findings_figure(dataset) if _FINDINGS in dataset.variables else predicted_maps(dataset)


def report(shown: xr.Dataset | Experiment, path: str | Path, *, agent: Agent | None = None) -> Path:
    """Write a self-contained HTML report.

    Args:
        shown: Findings (:func:`assess`), an experiment, or its dataset (:meth:`nescio.explore.Experiment.to_dataset`).
        path: The HTML file.
        agent: The agent that assessed; adds its training and calibration to a report of findings.

    Returns:
        The path.

    Raises:
        FileError: The file cannot be written.
        MeasurementError: It is neither findings nor an experiment.
    """
    from nescio.version import __version__
    from nescio.view import findings_report, write_exploration_report

    shown = _dataset(shown)
    if _FINDINGS not in shown.variables:
        return write_exploration_report(path, shown)
    provenance = {"version": f"nescio {__version__}"}
    parts: dict[str, Any] = {}
    if agent is not None:
        provenance |= {"technique": agent.prior.technique, "known": ", ".join(agent.known)}
        parts = agent.report_parts(shown)
    return findings_report(shown, Path(path), provenance=provenance, **parts)


def run(experiment: Experiment, *, points: int | None = None, wait: bool = False) -> str:
    """Let an experiment measure until it is finished or waits for a person, and show how it stands meanwhile.

    Args:
        experiment: As :func:`open_experiment` returns it.
        points: Measurements in all; by default the budget of the experiment.
        wait: Wait where a person is needed; otherwise return.

    Returns:
        Why it ended.

    Raises:
        InterruptedExplorationError: Ctrl-C was pressed; everything measured is kept.
    """
    from getpass import getuser

    from nescio.explore import build_act, drive
    from nescio.view import LiveView

    if points is not None:
        experiment.act(build_act("budget", {"budget": {"points": points}}), who=getuser())
    with LiveView(experiment.settings.title) as view:
        return drive(experiment, observer=view, wait=wait)


def _dataset(shown: xr.Dataset | Experiment) -> xr.Dataset:
    """Return findings as they are, and the dataset of an experiment.

    Both kinds may have a dimension ``candidate``; only findings have verdicts, and only experiments have positions of
    candidates.
    """
    import xarray as xr

    from nescio.explore import Experiment

    dataset = shown.to_dataset() if isinstance(shown, Experiment) else shown
    if not isinstance(dataset, xr.Dataset):
        raise MeasurementError(f"{type(shown).__name__} cannot be shown; give findings, or an experiment")
    if _FINDINGS not in dataset.variables and "position" not in dataset.variables:
        raise MeasurementError(
            "the dataset holds neither findings (a variable 'verdict') nor an experiment (a variable 'position'); "
            "give what nescio.assess or Experiment.to_dataset returns"
        )
    return dataset


def _paths(given: Paths) -> list[Path]:
    paths = [Path(given)] if isinstance(given, str | Path) else [Path(one) for one in given]
    if not paths:
        raise FileError("no file is given")
    return paths


def _warn(source: object, *more: str | NescioError) -> None:
    """Warn of the notes of something that was read."""
    from nescio.signals import notes_of

    for note in (*notes_of(source), *map(str, more)):
        warnings.warn(note, NescioWarning, stacklevel=3)
