"""Create the record of an experiment, and read the state from it."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nescio.errors import FileError, TraceError
from nescio.explore.candidates import Candidates, inside_any, outside
from nescio.explore.experiment.acts import accepted_act, build_act
from nescio.explore.experiment.state import Maps, Measured, State
from nescio.explore.experiment.steering import Accepted, steered
from nescio.explore.scalarizers import Scalar, Scalarizer
from nescio.explore.settings import ExploreSettings
from nescio.trace import (
    ENDINGS,
    Act,
    ActOutcome,
    Decision,
    Event,
    Experiment,
    Measurement,
    OutputRecord,
    ScalarizerRecord,
    Trace,
)
from nescio.version import __version__

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["begin_trace", "read_candidates", "read_state", "scalarizer_record", "seconds_between"]

_FILE = "trace.sqlite"


def begin_trace(path: str | Path, settings: ExploreSettings, survey: xr.Dataset) -> Trace:
    """Create the record of an experiment; a failure leaves no partial record.

    Args:
        path: The record's path, or the path of its folder.
        settings: The configuration.
        survey: The instrument's survey.

    Raises:
        NescioError: The survey does not fit the configured candidates, or a record exists already.
    """
    path = Path(path)
    path = path / _FILE if path.is_dir() else path
    taken = TraceError(f"{path}: exists already; resume it, or choose another path")
    if path.exists():
        raise taken
    candidates = settings.candidates.candidates(survey, seed=settings.seed)  # type: ignore[attr-defined]
    # Reject regions that do not fit the candidates before anything is measured.
    outside(settings.forbidden, candidates.positions)
    inside_any(settings.favoured, candidates.positions)
    record = Experiment(
        title=settings.title,
        nescio_version=__version__,
        configuration=settings.document(),
        seed=settings.seed,
    )
    # The record gets its final name only when complete, so that a killed start does not block the next one.
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    _remove(partial)
    try:
        with Trace.create(partial, record) as trace, trace.step():
            trace.put_dataset("survey", survey)
            trace.put_dataset("candidates", candidates_dataset(candidates))
            trace.add(scalarizer_record(settings.scalarizer))
        try:
            os.link(partial, path)
        except OSError:
            # Another process was faster, or the file system has no links.
            if path.exists():
                raise taken from None
            try:
                partial.rename(path)
            except OSError as error:
                raise FileError(f"{path}: cannot be created ({error.strerror or error})") from None
    finally:
        _remove(partial)
    for left in path.parent.glob(f"{path.name}.*.partial"):
        _remove(left)
    return Trace.open(path)


def _remove(database: Path) -> None:
    for suffix in ("", *ENDINGS):
        # If the file cannot be removed, writing the record reports it.
        with suppress(OSError):
            database.with_name(database.name + suffix).unlink(missing_ok=True)


def candidates_dataset(candidates: Candidates) -> xr.Dataset:
    """Return the candidates as a dataset for the record."""
    import xarray as xr

    dataset = xr.Dataset(
        {
            "position": (("candidate", "coordinate"), candidates.positions, {"units": candidates.unit}),
            "features": (("candidate", "feature"), candidates.features),
        },
        {"coordinate": list(candidates.coordinates)},
        {"encoder": candidates.encoder, "alternatives": list(candidates.alternatives)},
    )
    for number, features in enumerate(candidates.alternatives.values()):
        dataset[f"alternative_{number}"] = (("candidate", f"feature_{number}"), features)
    if candidates.survey_index is not None:
        dataset["survey_index"] = ("candidate", candidates.survey_index)
    return dataset


def read_candidates(trace: Trace) -> Candidates:
    """Return the candidates of an experiment.

    Raises:
        TraceError: The record contains no candidates, or only a part of them.
    """
    dataset = trace.get_dataset("candidates")
    try:
        return Candidates(
            positions=np.asarray(dataset["position"].values, np.float64),
            features=np.asarray(dataset["features"].values, np.float32),
            coordinates=tuple(str(name) for name in dataset["coordinate"].values),
            unit=str(dataset["position"].attrs["units"]),
            alternatives={
                str(name): np.asarray(dataset[f"alternative_{number}"].values, np.float32)
                for number, name in enumerate(dataset.attrs["alternatives"])
            },
            encoder=str(dataset.attrs["encoder"]),
            survey_index=dataset["survey_index"].values if "survey_index" in dataset else None,
        )
    except KeyError as error:
        raise TraceError(f"{trace.path}: the stored candidates lack {error}") from None


def read_state(trace: Trace, settings: ExploreSettings, candidates: Candidates) -> State:
    """Return the state of an experiment.

    Raises:
        NescioError: The record is damaged, or contains an act of a kind that is not installed.
    """
    with trace.snapshot():
        outcomes = {outcome.act: outcome for _, outcome in trace.all(ActOutcome)}
        accepted, last_act = _accepted(trace, outcomes)
        definitions = trace.all(ScalarizerRecord)
        if not definitions:
            raise TraceError(f"{trace.path}: the record is damaged (no scalarizer)")
        measurements = trace.all(Measurement)
        state = State(
            settings,
            candidates,
            _maps_of(trace, settings),
            steered(settings, accepted),
            scalarizers=[
                (0 if one.act is None else outcomes[one.act].step if one.act in outcomes else 0, row)
                for row, one in definitions
            ],
            scalars={row: _scalars(trace, row, one, measurements) for row, one in definitions},
            accepted=accepted,
            decisions=trace.all(Decision),
            last_act=last_act,
        )
        latest = state.scalars[state.scalarizer_row]
        state.measured = [
            _measured(row, one, scalars) for (row, one), scalars in zip(measurements, latest, strict=True)
        ]
        finished = [one.finished for _, one in measurements]
        for _, event in trace.all(Event):
            state.events.append((bisect_right(finished, event.time), event))
            state.flow = state.flow.after(event)
    return state


def _accepted(trace: Trace, outcomes: Mapping[int, ActOutcome]) -> tuple[list[Accepted], int]:
    """Return the accepted acts, and the row of the last act that was accepted or refused."""
    accepted: list[Accepted] = []
    last_act = 0
    for row, act in trace.all(Act):
        if row not in outcomes:
            break
        last_act = row
        if outcomes[row].accepted:
            made = build_act(act.kind, act.parameters)
            accepted.append(accepted_act(made, act.number, outcomes[row].step, act.who, accepted))
    return accepted, last_act


def _scalars(
    trace: Trace,
    definition: int,
    scalarizer: ScalarizerRecord,
    measurements: Sequence[tuple[int, Measurement]],
) -> list[tuple[Scalar, ...]]:
    """Return the scalars of all measurements from one scalarizer; NaN if it was not applied."""
    found: dict[int, dict[str, Scalar]] = {}
    for _, stored in trace.scalars(definition):
        value = float("nan") if stored.value is None else stored.value
        uncertainty = float("nan") if stored.uncertainty is None else stored.uncertainty
        found.setdefault(stored.measurement, {})[stored.output] = Scalar(value, uncertainty, stored.reason)
    names = [output.name for output in scalarizer.outputs]
    return [
        tuple(
            found.get(row, {}).get(name, Scalar(float("nan"), reason=one.problem or "not scalarized"))
            for name in names
        )
        for row, one in measurements
    ]


def _measured(row: int, one: Measurement, scalars: tuple[Scalar, ...]) -> Measured:
    seconds = seconds_between(one.started, one.finished)
    return Measured(row, one.number, one.candidate, one.origin, one.spectrum, one.problem, seconds, scalars)


def scalarizer_record(scalarizer: Scalarizer, act: int | None = None) -> ScalarizerRecord:
    """Return the record of a scalarizer.

    Args:
        scalarizer: The scalarizer.
        act: Row of the act that set it, or None for the configured scalarizer.
    """
    outputs = [OutputRecord(**output._asdict()) for output in scalarizer.outputs]
    return ScalarizerRecord(definition=scalarizer.model_dump(mode="json"), outputs=outputs, act=act)


def _maps_of(trace: Trace, settings: ExploreSettings) -> Callable[[int], Maps]:
    """Return a function that reads the maps of a decision and caches as many as the criteria compare."""
    needs = [one.needs for one in (settings.stop, settings.freeze) if one is not None]

    @lru_cache(maxsize=max(needs, default=0) + 1)
    def read(row: int) -> Maps:
        maps = trace.get_dataset(row)
        return Maps(maps["mean"].values, maps["sd"].values)

    return read


def seconds_between(started: str, finished: str) -> float:
    """Return the seconds between two times of a record; 0 if the clock was set back between them."""
    passed = datetime.fromisoformat(finished) - datetime.fromisoformat(started)
    return max(passed.total_seconds(), 0.0)
