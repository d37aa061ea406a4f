"""Between an experiment and its trace: how it begins, and what is read from it again."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nescio import __version__
from nescio.errors import FileError, TraceError
from nescio.explore.acts import build_act
from nescio.explore.candidates import Candidates
from nescio.explore.known import Known, Measured
from nescio.explore.regions import inside_any, outside
from nescio.explore.scalarizers import Scalar, Scalarizer
from nescio.explore.settings import ExploreSettings, Goal
from nescio.explore.steering import Accepted, Steering, steered
from nescio.explore.stopping import Snapshot
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

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "add_scalarizer",
    "begin_trace",
    "read_candidates",
    "read_known",
    "seconds_between",
    "snapshot_of",
]

_FILE = "trace.sqlite"


def begin_trace(path: str | Path, settings: ExploreSettings, survey: xr.Dataset) -> Trace:
    """Make the trace of an experiment: there is either none, or one with all that it takes to go on.

    Args:
        path: Of the trace, or of the folder for it.
        settings: How the experiment goes.
        survey: What the instrument gave for an overview.

    Raises:
        NescioError: The survey does not give candidates as configured, or there is a trace already.
    """
    path = Path(path)
    path = path / _FILE if path.is_dir() else path
    taken = TraceError(f"{path}: exists already; go on with it, or choose another place")
    if path.exists():
        raise taken
    candidates = settings.candidates.candidates(survey, seed=settings.seed)  # type: ignore[attr-defined]
    # What does not fit the candidates is told before anything is measured.
    outside(settings.forbidden, candidates.positions)
    inside_any(settings.favoured, candidates.positions)
    record = Experiment(
        title=settings.title,
        nescio_version=__version__,
        configuration=settings.document(),
        seed=settings.seed,
    )
    # Under its own name only when it is complete: a start that is killed leaves nothing to stumble over.
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    _remove(partial)
    try:
        with Trace.create(partial, record) as trace, trace.step():
            trace.put_dataset("survey", survey)
            trace.put_dataset("candidates", candidates_dataset(candidates))
            add_scalarizer(trace, settings.scalarizer, None)
        try:
            os.link(partial, path)
        except OSError:
            # Another start was faster; or the file system has no links.
            if path.exists():
                raise taken from None
            try:
                partial.rename(path)
            except OSError as error:
                raise FileError(f"{path}: cannot be made ({error.strerror or error})") from None
    finally:
        _remove(partial)
    for left in path.parent.glob(f"{path.name}.*.partial"):
        _remove(left)
    return Trace.open(path)


def _remove(database: Path) -> None:
    for suffix in ("", *ENDINGS):
        # What cannot be removed is told of by whoever wants to write there.
        with suppress(OSError):
            database.with_name(database.name + suffix).unlink(missing_ok=True)


def candidates_dataset(candidates: Candidates) -> xr.Dataset:
    """Return candidates as they are kept."""
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
        TraceError: The record lacks them, or a part of them.
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


def read_known(trace: Trace, settings: ExploreSettings, candidates: Candidates) -> Known:
    """Return what is known of an experiment.

    Raises:
        NescioError: The record is damaged, or an act in it is of a kind that is not installed.
    """
    with trace.snapshot():
        accepted, last_act = _accepted(trace)
        found = trace.last(ScalarizerRecord)
        if found is None:
            raise TraceError(f"{trace.path}: damaged (no scalarizer)")
        known = Known(
            settings, candidates, found[0], steered(settings, accepted), accepted=accepted, last_act=last_act
        )
        known.measured = _measured(trace, known)
        known.decisions = trace.all(Decision)
        if known.decisions:
            known.decided_under = steering_at(known, known.decisions[-1][1])
        for _, event in trace.all(Event):
            known.flow = known.flow.after(event)
        if settings.stop is not None or settings.freeze is not None:
            for row, one in known.decisions:
                if one.maps is not None:
                    signs = Goal.model_validate(one.goal).signs(_outputs(trace, one.scalarizer))
                    known.snapshots[row] = snapshot_of(one, trace.get_dataset(one.maps), signs)
    return known


def _accepted(trace: Trace) -> tuple[list[Accepted], int]:
    outcomes = {outcome.act: outcome for _, outcome in trace.all(ActOutcome)}
    accepted, last_act = [], 0
    for row, act in trace.all(Act):
        if row not in outcomes:
            break
        last_act = row
        if outcomes[row].accepted:
            made = build_act(act.kind, act.parameters)
            accepted.append(Accepted(act.number, made, outcomes[row].step, act.who))
    return accepted, last_act


def _outputs(trace: Trace, scalarizer: int | None) -> int:
    return 1 if scalarizer is None else len(trace.get(ScalarizerRecord, scalarizer).outputs)


def steering_at(known: Known, decision: Decision) -> Steering:
    """Return what held when something was decided."""
    return steered(known.settings, known.accepted[: int(decision.model["acts"])])


def _measured(trace: Trace, known: Known) -> list[Measured]:
    scalars: dict[int, dict[str, Scalar]] = {}
    for _, stored in trace.scalars(known.scalarizer_row):
        value = float("nan") if stored.value is None else stored.value
        uncertainty = float("nan") if stored.uncertainty is None else stored.uncertainty
        scalars.setdefault(stored.measurement, {})[stored.output] = Scalar(value, uncertainty, stored.reason)
    names = [output.name for output in known.scalarizer.outputs]
    found = []
    for row, one in trace.all(Measurement):
        missing = Scalar(float("nan"), reason=one.problem or "not scalarized")
        seconds = seconds_between(one.started, one.finished)
        values = tuple(scalars.get(row, {}).get(name, missing) for name in names)
        found.append(
            Measured(row, one.number, one.candidate, one.origin, one.spectrum, one.problem, seconds, values)
        )
    return found


def snapshot_of(decision: Decision, maps: xr.Dataset, signs: Sequence[float]) -> Snapshot:
    """Return what the criteria of stopping see of a decision: of what the record keeps, and no digit more."""
    model = decision.model
    return Snapshot(
        maps["mean"].values.astype(np.float64) * np.array(signs),
        maps["sd"].values.astype(np.float64),
        float(model["improvement"]),
        float(model["spread"]),
        decision.step,
        float(model["seconds"]),
        float(model["dose"]),
    )


def add_scalarizer(trace: Trace, scalarizer: Scalarizer, act: int | None) -> int:
    """Write down a definition of the numbers cared about, and return its row."""
    outputs = [OutputRecord(**output._asdict()) for output in scalarizer.outputs]
    return trace.add(
        ScalarizerRecord(definition=scalarizer.model_dump(mode="json"), outputs=outputs, act=act)
    )


def seconds_between(started: str, finished: str) -> float:
    """Return the seconds between two times of a record; none where the clock was put back."""
    passed = datetime.fromisoformat(finished) - datetime.fromisoformat(started)
    return max(passed.total_seconds(), 0.0)
