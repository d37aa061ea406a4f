"""The dataset of an experiment, the input of figures and reports (`nescio.signals`: explored)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from nescio.errors import NescioError
from nescio.explore.experiment.acts import build_act
from nescio.explore.experiment.state import State
from nescio.explore.scalarizers import Output
from nescio.explore.surrogates import Fit
from nescio.trace import Act, ActOutcome, Decision, Trace

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["explored"]


def explored(trace: Trace, state: State, outputs: Sequence[Output], fit: Fit | None) -> xr.Dataset:
    """Return the survey, candidates, measurements, decisions, maps and acts of an experiment.

    Args:
        trace: The record.
        state: The experiment's state.
        outputs: The scalarizer's outputs, with units.
        fit: The model of the last decision, or None.
    """
    import xarray as xr

    candidates = state.candidates
    survey = trace.get_dataset("survey")
    dataset = xr.Dataset(
        {
            "position": (("candidate", "coordinate"), candidates.positions, {"units": candidates.unit}),
            "features": (("candidate", "feature"), candidates.features),
        },
        {"coordinate": list(candidates.coordinates)},
    )
    if "image" in survey:
        dataset["image"] = survey["image"]
    dataset = dataset.merge(_measurements(trace, state, outputs)).merge(_acts(trace, state))
    dataset.attrs = {
        "title": state.settings.title,
        "goal": _goal(state),
        "stopped": state.finished or state.flow.paused or "not finished",
        "budget": state.points,
        "model": _model(trace, state),
        "configuration": json.dumps(state.settings.document(), indent=2, ensure_ascii=False),
    }
    dataset = dataset.merge(_decisions(trace, state))
    if fit is not None and fit.outputs[0].embedding.shape[1] >= 2:
        dataset["embedding"] = (("candidate", "embedding_dimension"), fit.outputs[0].embedding)
    # Added last: its name is also a dimension, and merging would turn it into that dimension's coordinate.
    dataset["candidate"] = ("measurement", np.array([one.candidate for one in state.measured], int))
    return dataset


def _model(trace: Trace, state: State) -> str:
    record = trace.experiment
    lines = [f"nescio {record.nescio_version}, started {record.created}", state.settings.surrogate.kind]
    last = trace.last(Decision)
    for output, name in zip(
        (last[1].model.get("outputs") or []) if last else [],
        state.steering.scalarizer.outputs,
        strict=False,
    ):
        features = output.get("encoder") or state.candidates.encoder or "features"
        seen = [] if state.settings.surrogate.kind == "coordinates" else [features]
        seen += ["the position"] if output.get("positioned") else []
        lines.append(f"{name.name}: inputs are {' and '.join(seen)}")
    return "\n".join(lines)


def _goal(state: State) -> str:
    outputs = zip(_directions(state), state.steering.scalarizer.outputs, strict=True)
    return "; ".join(f"{direction} {output.long_name or output.name}" for direction, output in outputs)


def _directions(state: State) -> list[str]:
    return ["maximise" if sign > 0 else "minimise" for sign in state.steering.signs]


def _measurements(trace: Trace, state: State, outputs: Sequence[Output]) -> xr.Dataset:
    import xarray as xr

    measured = state.measured
    shape = (len(measured), len(outputs))
    values = np.array([[s.value for s in one.scalars] for one in measured], float).reshape(shape)
    uncertainties = np.array([[s.uncertainty for s in one.scalars] for one in measured], float).reshape(shape)
    rejected = state.steering.rejected
    dataset = xr.Dataset(
        {
            "origin": ("measurement", np.array([one.origin for one in measured], "<U6")),
            "value": (("measurement", "output"), values),
            "uncertainty": (("measurement", "output"), uncertainties),
            "reason": ("measurement", _texts([one.scalars[0].reason or one.problem for one in measured])),
            "rejected": ("measurement", np.array([one.number in rejected for one in measured], bool)),
            "seconds": ("measurement", np.array([one.seconds for one in measured], float)),
        },
        {
            "output": _texts([output.name for output in outputs]),
            "output_unit": ("output", _texts([output.unit for output in outputs])),
            "output_long_name": ("output", _texts([output.long_name for output in outputs])),
            "output_direction": ("output", _texts(_directions(state))),
        },
    )
    spectra = _spectra(trace, state)
    return dataset if spectra is None else dataset.merge({"spectrum": spectra})


def _spectra(trace: Trace, state: State) -> xr.DataArray | None:
    """Return all spectra as one array, NaN for missing ones; None if their shapes differ."""
    import xarray as xr

    stored = [None if one.spectrum is None else trace.get_dataarray(one.spectrum) for one in state.measured]
    there = [one for one in stored if one is not None]
    if not there or any(one.dims != there[0].dims or one.shape != there[0].shape for one in there):
        return None
    first = there[0]
    # Rename dimensions that clash with names of the dataset.
    names = {
        str(d): f"spectrum_{d}" for d in first.dims if d in ("candidate", "measurement", "output", "y", "x")
    }
    table = np.full((len(stored), *first.shape), np.nan)
    for row, one in enumerate(stored):
        if one is not None:
            table[row] = one.values
    coordinates = {name: c.variable for name, c in first.coords.items() if set(c.dims) <= set(first.dims)}
    array = xr.DataArray(table, coordinates | {}, ("measurement", *first.dims), "spectrum", dict(first.attrs))
    return array.rename({k: v for k, v in names.items() if k in array.dims or k in array.coords})


def _decisions(trace: Trace, state: State) -> xr.Dataset:
    import xarray as xr

    decisions = [one for _, one in trace.all(Decision) if one.maps is not None]
    sign = state.steering.signs[0]
    best: list[float] = []
    values = np.array([one.scalars[0].value for one in state.measured], float)
    usable = np.array([one.number not in state.steering.rejected for one in state.measured], bool)
    for one in decisions:
        so_far = values[: one.step][usable[: one.step]]
        so_far = so_far[np.isfinite(so_far)]
        best.append(float(sign * (sign * so_far).max()) if so_far.size else float("nan"))

    shape = (len(decisions), len(state.steering.scalarizer.outputs))

    def of_model(name: str) -> Any:
        table = np.full(shape, np.nan)
        for row, one in zip(table, decisions, strict=True):
            values = [float(output.get(name, np.nan)) for output in one.model.get("outputs") or ()]
            # An earlier scalarizer may have had another number of outputs.
            row[: len(values)] = values[: len(row)]
        return table

    data: dict[str, Any] = {
        "step": ("decision", [one.step for one in decisions]),
        "best_so_far": ("decision", best),
        "largest_improvement": (
            "decision",
            [float(one.model.get("improvement", np.nan)) for one in decisions],
        ),
        "noise_sd": (("decision", "output"), of_model("noise_sd")),
        "scale": (("decision", "output"), of_model("scale")),
        "loo_coverage": (("decision", "output"), of_model("loo_coverage")),
        "fit_seconds": ("decision", [float(one.timing.get("fit", np.nan)) for one in decisions]),
        "policy": ("decision", _texts([_policy_text(one.policy) for one in decisions])),
    }
    dataset = xr.Dataset(data)
    return dataset.merge(_maps(trace, state, decisions)) if decisions else dataset


def _maps(trace: Trace, state: State, decisions: list[Decision]) -> xr.Dataset:
    """Return the change of the maps, their prediction of each measurement, and the last map."""
    import xarray as xr

    predicted = np.full((2, state.step, len(state.steering.scalarizer.outputs)), np.nan)
    changes = np.full((len(decisions), len(state.steering.scalarizer.outputs)), np.nan)
    last: xr.Dataset | None = None
    before: tuple[int | None, Any] = (None, None)
    for position, one in enumerate(decisions):
        if one.maps is None:
            continue
        maps = trace.get_dataset(one.maps)
        mean = maps["mean"].values
        # Maps of different scalarizers cannot be compared, even if the outputs have the same names.
        if before[0] == one.scalarizer:
            spread = mean.std(axis=0)
            moved = np.sqrt(np.mean((mean - before[1]) ** 2, axis=0)) / np.where(spread > 0.0, spread, 1.0)
            changes[position, : len(moved)] = moved[: changes.shape[1]]
        before = (one.scalarizer, mean)
        last = maps if one.scalarizer == state.scalarizer_row else None
        if last is None:
            continue
        until = decisions[position + 1].step if position + 1 < len(decisions) else state.step
        noise = [output["noise_sd"] for output in one.model.get("outputs", [])] or [0.0]
        for measured in state.measured[one.step : until]:
            predicted[0, measured.number] = maps["mean"].values[measured.candidate]
            predicted[1, measured.number] = np.hypot(maps["sd"].values[measured.candidate], noise)
    dataset = xr.Dataset(
        {
            "map_change": (("decision", "output"), changes),
            "predicted": (("measurement", "output"), predicted[0]),
            "predicted_sd": (("measurement", "output"), predicted[1]),
        }
    )
    if last is not None:
        goal = state.steering.goal.model_dump(mode="json")
        ranked = last["acquisition"].values.astype(float)
        # Drop candidates measured since; under another goal, the whole ranking is out of date.
        ranked[state.taken()] = np.nan
        if decisions[-1].goal != goal:
            ranked[:] = np.nan
        dataset["mean"] = (("candidate", "output"), last["mean"].values)
        dataset["sd"] = (("candidate", "output"), last["sd"].values)
        dataset["acquisition"] = ("candidate", ranked)
    return dataset


def _policy_text(policy: dict[str, Any]) -> str:
    extra = ", ".join(f"{k} {v}" for k, v in policy.items() if k != "kind" and isinstance(v, int | float))
    return f"{policy.get('kind', '')} ({extra})" if extra else str(policy.get("kind", ""))


def _described(act: Act) -> str:
    try:
        return build_act(act.kind, act.parameters).describe()
    except NescioError:
        given = ", ".join(f"{k} {v}" for k, v in act.parameters.items() if v is not None)
        return f"{act.kind} {given}".strip()


def _acts(trace: Trace, state: State) -> xr.Dataset:
    import xarray as xr

    outcomes = {outcome.act: outcome for _, outcome in trace.all(ActOutcome)}
    acts = trace.all(Act)
    begun = datetime.fromisoformat(trace.experiment.created)
    texts = []
    for row, act in acts:
        outcome = outcomes.get(row)
        fate = (
            "not applied yet"
            if outcome is None
            else ""
            if outcome.accepted
            else f"refused: {outcome.message}"
        )
        texts.append(f"{_described(act)} {f'({fate})' if fate else ''}".strip())
    return xr.Dataset(
        {
            "act_time": (
                "act",
                [max((datetime.fromisoformat(act.time) - begun).total_seconds(), 0.0) for _, act in acts],
            ),
            "act_who": ("act", _texts([act.who for _, act in acts])),
            "act_text": ("act", _texts(texts)),
            "act_step": (
                "act",
                [outcomes[row].step if row in outcomes else state.step for row, _ in acts],
            ),
        }
    )


def _texts(texts: list[str]) -> Any:
    return np.array(texts, dtype=f"<U{max((len(t) for t in texts), default=1) or 1}")
