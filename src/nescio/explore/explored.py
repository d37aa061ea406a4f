"""An experiment as one dataset, in the form that figures and reports take (`nescio.signals`: explored)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from nescio.errors import NescioError
from nescio.explore.acts import build_act
from nescio.explore.experiment import Experiment
from nescio.explore.record import seconds_between
from nescio.trace import Act, ActOutcome, Decision

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["explored"]


def explored(experiment: Experiment) -> xr.Dataset:
    """Return all of an experiment: what was seen, chosen, measured, expected and done.

    Args:
        experiment: Running, finished, or opened to be looked at.
    """
    import xarray as xr

    candidates = experiment.candidates
    survey = experiment.trace.get_dataset("survey")
    dataset = xr.Dataset(
        {
            "position": (("candidate", "coordinate"), candidates.positions, {"units": candidates.unit}),
            "features": (("candidate", "feature"), candidates.features),
        },
        {"coordinate": list(candidates.coordinates)},
    )
    if "image" in survey:
        dataset["image"] = survey["image"]
    dataset = dataset.merge(_measurements(experiment)).merge(_decisions(experiment)).merge(_acts(experiment))
    # Last: it has the name of a dimension, and merging would take it for that dimension's own coordinate.
    dataset["candidate"] = ("measurement", np.array([one.candidate for one in experiment.measured], int))
    dataset.attrs = {
        "title": experiment.settings.title,
        "goal": _goal(experiment),
        "stopped": experiment.finished or experiment.paused or "not finished",
        "budget": experiment.points,
        "model": _model(experiment),
        "configuration": json.dumps(experiment.settings.document(), indent=2, ensure_ascii=False),
    }
    return dataset


def _model(experiment: Experiment) -> str:
    record = experiment.trace.experiment
    told = [f"nescio {record.nescio_version}, begun {record.created}", experiment.settings.surrogate.kind]
    last = experiment.trace.last(Decision)
    for output, name in zip(
        (last[1].model.get("outputs") or []) if last else [], experiment.scalarizer.outputs, strict=False
    ):
        features = output.get("encoder") or experiment.candidates.encoder or "features"
        seen = [] if experiment.settings.surrogate.kind == "coordinates" else [features]
        seen += ["the position"] if output.get("positioned") else []
        told.append(f"{name.name}: sees {' and '.join(seen)}")
    return "\n".join(told)


def _goal(experiment: Experiment) -> str:
    parts = []
    for output, sign in zip(experiment.scalarizer.outputs, experiment.signs, strict=True):
        parts.append(f"{'maximise' if sign > 0 else 'minimise'} {output.long_name or output.name}")
    return "; ".join(parts)


def _measurements(experiment: Experiment) -> xr.Dataset:
    import xarray as xr

    measured = experiment.measured
    outputs = experiment.outputs()
    shape = (len(measured), len(outputs))
    values = np.array([[s.value for s in one.scalars] for one in measured], float).reshape(shape)
    uncertainties = np.array([[s.uncertainty for s in one.scalars] for one in measured], float).reshape(shape)
    rejected = experiment.steering.rejected
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
        },
    )
    spectra = _spectra(experiment)
    return dataset if spectra is None else dataset.merge({"spectrum": spectra})


def _spectra(experiment: Experiment) -> xr.DataArray | None:
    """Return all spectra under one another, if they have one shape; those that are missing are NaN."""
    import xarray as xr

    stored = [
        None if one.spectrum is None else experiment.trace.get_dataarray(one.spectrum)
        for one in experiment.measured
    ]
    there = [one for one in stored if one is not None]
    if not there or any(one.dims != there[0].dims or one.shape != there[0].shape for one in there):
        return None
    first = there[0]
    # Dimensions of the dataset's own would be taken for these.
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


def _decisions(experiment: Experiment) -> xr.Dataset:
    import xarray as xr

    decisions = [one for _, one in experiment.trace.all(Decision) if one.maps is not None]
    sign = experiment.signs[0]
    best: list[float] = []
    values = np.array([one.scalars[0].value for one in experiment.measured], float)
    usable = np.array([one.number not in experiment.steering.rejected for one in experiment.measured], bool)
    for one in decisions:
        so_far = values[: one.step][usable[: one.step]]
        so_far = so_far[np.isfinite(so_far)]
        best.append(float(sign * (sign * so_far).max()) if so_far.size else float("nan"))

    shape = (len(decisions), len(experiment.scalarizer.outputs))

    def of_model(name: str) -> Any:
        table = np.full(shape, np.nan)
        for row, one in zip(table, decisions, strict=True):
            told = [float(output.get(name, np.nan)) for output in one.model.get("outputs") or ()]
            # Where the scalarizer was another, so may have been how many numbers it gave.
            row[: len(told)] = told[: len(row)]
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
    return dataset.merge(_maps(experiment, decisions)) if decisions else dataset


def _maps(experiment: Experiment, decisions: list[Decision]) -> xr.Dataset:
    """Return how the maps moved, what they foretold, and the last of them."""
    import xarray as xr

    predicted = np.full((2, experiment.step, len(experiment.scalarizer.outputs)), np.nan)
    changes = np.full((len(decisions), len(experiment.scalarizer.outputs)), np.nan)
    last: xr.Dataset | None = None
    before: tuple[int | None, Any] = (None, None)
    for position, one in enumerate(decisions):
        if one.maps is None:
            continue
        maps = experiment.trace.get_dataset(one.maps)
        mean = maps["mean"].values
        # Numbers of another scalarizer are others, even where their names are not.
        if before[0] == one.scalarizer:
            spread = mean.std(axis=0)
            moved = np.sqrt(np.mean((mean - before[1]) ** 2, axis=0)) / np.where(spread > 0.0, spread, 1.0)
            changes[position, : len(moved)] = moved[: changes.shape[1]]
        before = (one.scalarizer, mean)
        last = maps if one.scalarizer == experiment.known.scalarizer_row else None
        if last is None:
            continue
        until = decisions[position + 1].step if position + 1 < len(decisions) else experiment.step
        noise = [output["noise_sd"] for output in one.model.get("outputs", [])] or [0.0]
        for measured in experiment.measured[one.step : until]:
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
        goal = experiment.steering.goal.model_dump(mode="json")
        ranked = last["acquisition"].values.astype(float)
        # What was measured since then is not worth it again, and what was wanted may be another thing now.
        ranked[experiment.known.taken()] = np.nan
        if decisions[-1].goal != goal:
            ranked[:] = np.nan
        dataset["mean"] = (("candidate", "output"), last["mean"].values)
        dataset["sd"] = (("candidate", "output"), last["sd"].values)
        dataset["acquisition"] = ("candidate", ranked)
    fit = experiment.last_fit()
    if fit is not None and fit.outputs[0].embedding.shape[1] >= 2:
        dataset["embedding"] = (("candidate", "embedding_dimension"), fit.outputs[0].embedding)
    return dataset


def _policy_text(policy: dict[str, Any]) -> str:
    extra = ", ".join(f"{k} {v}" for k, v in policy.items() if k != "kind" and isinstance(v, int | float))
    return f"{policy.get('kind', '')} ({extra})" if extra else str(policy.get("kind", ""))


def _told(act: Act) -> str:
    try:
        return build_act(act.kind, act.parameters).told()
    except NescioError:
        given = ", ".join(f"{k} {v}" for k, v in act.parameters.items() if v is not None)
        return f"{act.kind} {given}".strip()


def _acts(experiment: Experiment) -> xr.Dataset:
    import xarray as xr

    outcomes = {outcome.act: outcome for _, outcome in experiment.trace.all(ActOutcome)}
    acts = experiment.trace.all(Act)
    created = experiment.trace.experiment.created
    texts = []
    for row, act in acts:
        outcome = outcomes.get(row)
        state = (
            "not applied yet"
            if outcome is None
            else ""
            if outcome.accepted
            else f"refused: {outcome.message}"
        )
        texts.append(f"{_told(act)} {f'({state})' if state else ''}".strip())
    return xr.Dataset(
        {
            "act_time": ("act", [seconds_between(created, act.time) for _, act in acts]),
            "act_who": ("act", _texts([act.who for _, act in acts])),
            "act_text": ("act", _texts(texts)),
            "act_step": (
                "act",
                [outcomes[row].step if row in outcomes else experiment.step for row, _ in acts],
            ),
        }
    )


def _texts(texts: list[str]) -> Any:
    return np.array(texts, dtype=f"<U{max((len(t) for t in texts), default=1) or 1}")
