"""Report of an exploration: measured places and values, predictions of the model, acts of people."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from nescio.view.exploration.curve import learning_curve, model_history, time_spent
from nescio.view.exploration.front import best_compromises, front_figure
from nescio.view.exploration.latent import exploration_latent_map
from nescio.view.exploration.maps import predicted_maps
from nescio.view.exploration.path import measured_places, survey_image
from nescio.view.exploration.reading import (
    Floats,
    act_steps,
    best_measurements,
    column,
    coordinate_names,
    decided,
    duration_text,
    measured_candidates,
    measured_of,
    minimised,
    number_text,
    numbers,
    output_label,
    outputs,
    place_text,
    unit_of,
    usable,
    words,
)
from nescio.view.exploration.spectra import best_and_typical_spectra
from nescio.view.exploration.trust import predicted_share, prediction_against_measurement
from nescio.view.report import Block, Cards, Details, Picture, Section, Table, Text, write_report

__all__ = ["write_exploration_report"]

ROWS = 5000
"""Most measurements in the report's table, so that a browser sorts it quickly; of more, the latest are kept."""
_BEST = 10
_Row = list[str | tuple[str, float]]


def write_exploration_report(
    path: str | Path,
    explored: xr.Dataset,
    *,
    extra_sections: Sequence[Section] = (),
    progress: bool | None = None,
) -> Path:
    """Write the report of an exploration as one self-contained HTML file.

    Args:
        path: The HTML file; its folder is created if needed.
        explored: See `nescio.signals`; figures without data are omitted or contain a note.
        extra_sections: Sections inserted before the tables of acts and measurements.
        progress: Show a progress bar; by default where standard error is a terminal.

    Returns:
        The path.

    Raises:
        FileError: The file cannot be written.
        MeasurementError: The exploration has no positions, candidates or values.
    """
    sections = [
        _summary(explored),
        _places(explored),
        _expectations(explored),
        _spectra(explored),
        _learning(explored),
        _trust(explored),
    ]
    if "features" in explored or "embedding" in explored:
        sections.append(_alike(explored))
    sections += [*extra_sections, _acts(explored), _everything(explored), _provenance(explored)]
    return write_report(path, str(explored.attrs.get("title") or "Exploration"), sections, progress=progress)


def _summary(explored: xr.Dataset) -> Section:
    attrs = explored.attrs
    count, offered = explored.sizes["measurement"], explored.sizes["candidate"]
    distinct = len(np.unique(measured_candidates(explored)[measured_candidates(explored) >= 0]))
    cards = {"measurements": f"{count:,}" + (f" of {attrs['budget']}" if attrs.get("budget") else "")}
    cards[f"share of {offered:,} places measured"] = f"{100 * distinct / max(offered, 1):.3g} %"
    for k, name in enumerate(outputs(explored)):
        best = best_measurements(explored, k, 1)
        if best:
            unit = f" ({unit_of(explored, k)})" if unit_of(explored, k) else ""
            which = "lowest" if minimised(explored, k) else "highest"
            cards[f"{which} {name}{unit}"] = f"{column(explored, 'value', k)[best[0]]:.4g}"
    share, among = predicted_share(explored)
    if among:
        cards[f"share of {among:,} inside their predicted 95 % interval"] = f"{100 * share:.0f} %"
    seconds = float(np.nansum(numbers(explored, "seconds"))) if "seconds" in explored else 0.0
    seconds += float(decided(explored, "fit_seconds")[1].sum())
    if seconds > 0:
        cards["time for measuring and deciding"] = duration_text(seconds)
    blocks: list[Block] = [Cards(cards)]
    if attrs.get("goal"):
        blocks.append(Text(str(attrs["goal"]), lead="Goal"))
    blocks.append(
        Text(
            str(attrs.get("stopped") or "still running when this report was written."),
            lead="Reason for stopping",
        )
    )
    missing = [count - int(usable(explored, k).sum()) for k in range(len(outputs(explored)))]
    if any(missing):
        listed = " and ".join(
            f"{n:,} of {name}" for n, name in zip(missing, outputs(explored), strict=True) if n
        )
        why = "missing, or rejected by a person; the table of measurements gives the reasons."
        blocks.append(Text(f"{listed}: {why}", lead="Measurements without a value"))
    blocks += [_top(explored, k) for k in range(len(outputs(explored)))]
    if len(outputs(explored)) > 1:
        blocks += _compromises(explored)
    return Section("Summary", blocks)


def _compromises(explored: xr.Dataset) -> list[Block]:
    place, names = _place_texts(explored), outputs(explored)[:2]
    value = [column(explored, "value", k) for k in (0, 1)]
    uncertainty = [column(explored, "uncertainty", k) for k in (0, 1)]
    rows: list[_Row] = [
        [
            place[i],
            *(
                (number_text(float(v[i]), float(u[i])), float(v[i]))
                for v, u in zip(value, uncertainty, strict=True)
            ),
            (str(i + 1), float(i + 1)),
        ]
        for i in best_compromises(explored)[::-1]
    ]
    header = ["place", *(output_label(explored, k, long=False) for k in (0, 1)), "measurement"]
    return [
        Picture(
            front_figure(explored),
            f"{names[0]} against {names[1]}, one mark for each measurement. Ringed: the best compromises (Pareto "
            "front); no measurement is better in both values. Values include noise, so the best ones are somewhat too "
            "good.",
            f"Two values of every measurement against each other, with the Pareto front: {' and '.join(names)}.",
        ),
        Table(_plain_header(header), rows, f"Best compromises between {' and '.join(names)}"),
    ]


def _top(explored: xr.Dataset, k: int) -> Table:
    place, origin = _place_texts(explored), words(explored, "origin", "measurement")
    value, uncertainty = column(explored, "value", k), column(explored, "uncertainty", k)
    rows: list[_Row] = [
        [
            (str(rank), float(rank)),
            place[i],
            (number_text(float(value[i]), float(uncertainty[i])), float(value[i])),
            (str(i + 1), float(i + 1)),
            origin[i],
        ]
        for rank, i in enumerate(best_measurements(explored, k, _BEST), 1)
    ]
    header = ["rank", "place", output_label(explored, k, long=False), "measurement", "chosen by"]
    return Table(_plain_header(header), rows, f"Best places: {outputs(explored)[k]}")


def _plain_header(header: Sequence[str]) -> list[str]:
    # Labels are made for figures, where dollar signs are escaped.
    return [name.replace(r"\$", "$") for name in header]


def _each(
    explored: xr.Dataset, draw: Callable[[xr.Dataset, str], Figure], caption: str, description: str
) -> list[Block]:
    """Return a picture for each output."""
    names = outputs(explored)
    return [
        Picture(
            draw(explored, name),
            caption if len(names) == 1 else f"The same for {name}." if i else f"For {name}. {caption}",
            f"{description} Scalar: {name}. {explored.sizes['measurement']} measurements.",
        )
        for i, name in enumerate(names)
    ]


def _places(explored: xr.Dataset) -> Section:
    blocks: list[Block] = []
    if "image" in explored:
        blocks.append(
            Picture(
                survey_image(explored),
                "The survey image, measured first: every channel. Grey levels run from the 0.5 % to the 99.5 % "
                "quantile.",
                "The survey image, one picture for each channel.",
            )
        )
    blocks += _each(
        explored,
        measured_places,
        "Left: measured places by order, joined by the path. Right: measured values; the three best places are ringed. "
        "Squares: first points, measured before the first model fit. Circles: chosen by the policy. Triangles: chosen "
        "by a person.",
        "Two maps of the measured places: by order, and by measured value.",
    )
    return Section("Measured places and values", blocks)


def _expectations(explored: xr.Dataset) -> Section:
    return Section(
        "Predicted values and uncertainty",
        _each(
            explored,
            predicted_maps,
            "First panel: values predicted by the last model, and measured values on the same colour scale. Second: "
            "the model's uncertainty (one standard deviation, without measurement noise). Third: the acquisition, by "
            "which the policy ranks candidates; places that may not be measured are grey. The lowest values share "
            "one colour.",
            "Three maps of the candidates: prediction, uncertainty, acquisition.",
        ),
    )


def _spectra(explored: xr.Dataset) -> Section:
    return Section(
        "Best and typical spectra",
        _each(
            explored,
            best_and_typical_spectra,
            "Top: the spectra with the best values. Bottom: spectra with values nearest to the median of all "
            "measurements, on the same axes. Check here first if a best value seems implausible.",
            "Measured spectra of the best places and of typical places.",
        ),
    )


def _learning(explored: xr.Dataset) -> Section:
    blocks = _each(
        explored,
        learning_curve,
        "Top: all values with one standard deviation, and the best value so far; dotted lines mark acts of people. "
        "Middle: change of the predicted map between decisions. Bottom: largest expected improvement from one more "
        "measurement; when it is far below the noise, further measurements are unlikely to find a better value.",
        "Learning curve: values and best so far against the number of measurements, change of the map, largest "
        "expected improvement.",
    )
    blocks += _each(
        explored,
        model_history,
        "Model diagnostics: noise of one measurement; factor by which the predicted variance was calibrated (above 1: "
        "the model underestimated its errors); and share of left-out measurements inside their predicted 95 % "
        "interval, with the band expected by chance.",
        "Noise, calibration factor and leave-one-out coverage against the number of measurements.",
    )
    blocks.append(
        Picture(
            time_spent(explored),
            "Duration of each measurement, and of each model fit with the following choice.",
            "Seconds for each measurement and each decision.",
        )
    )
    return Section("Learning curve and model diagnostics", blocks)


def _trust(explored: xr.Dataset) -> Section:
    return Section(
        "Accuracy of the predictions",
        _each(
            explored,
            prediction_against_measurement,
            "Left: measured value against the value predicted just before. Right: share of measurements inside the "
            "predicted interval of each level; the band is two standard errors. Places are chosen because the model "
            "predicts good values there, so the results are worse than predicted more often than at random places.",
            "Predicted against measured values, and the calibration of the predicted intervals.",
        ),
    )


def _alike(explored: xr.Dataset) -> Section:
    return Section(
        "Similarity of the candidates (feature map)",
        _each(
            explored,
            exploration_latent_map,
            "All candidates in the model's feature space; candidates that lie close together are similar for the "
            "model. Outlined: measured, joined in order.",
            "Map of the feature space with all candidates, coloured by predicted value, and the path of measurements.",
        ),
    )


def _acts(explored: xr.Dataset) -> Section:
    title, count = "Acts of people", explored.sizes.get("act", 0)
    if not count:
        return Section(title, [Text("None.")])
    steps, time = act_steps(explored), words(explored, "act_time", "act")
    who, text = words(explored, "act_who", "act"), words(explored, "act_text", "act")
    rows: list[_Row] = [
        [(str(i + 1), float(i + 1)), _time(time[i]), _number(float(steps[i]), ".0f"), who[i], text[i]]
        for i in range(count)
    ]
    header = ["act", "time", "after measurements", "who", "what"]
    return Section(title, [Table(header, rows, "Acts in order; time is counted from the start.")])


def _time(text: str) -> str:
    try:
        return duration_text(float(text))
    except ValueError:
        return text


def _everything(explored: xr.Dataset) -> Section:
    count, names = explored.sizes["measurement"], outputs(explored)
    shown = range(max(0, count - ROWS), count)
    place, origin = _place_texts(explored), words(explored, "origin", "measurement")
    reasons = words(explored, "reason", "measurement")
    candidates = measured_candidates(explored)
    rejected = (
        np.asarray(explored["rejected"].values, dtype=bool)
        if "rejected" in explored
        else np.zeros(count, bool)
    )
    value, uncertainty = (
        [column(explored, n, k) for k in range(len(names))] for n in ("value", "uncertainty")
    )
    header = [
        "place",
        "chosen by",
        "measurement",
        "candidate",
        *(output_label(explored, k, long=False) for k in range(len(names))),
    ]
    parts: list[tuple[Floats, str]] = []
    if "predicted" in explored:
        header += [f"predicted {name}" if len(names) > 1 else "predicted" for name in names]
        parts += [(column(explored, "predicted", k), ".4g") for k in range(len(names))]
    if "seconds" in explored:
        header.append("seconds")
        parts.append((numbers(explored, "seconds"), ".3g"))
    rows: list[_Row] = []
    for i in shown:
        note = "; ".join(filter(None, ["rejected by a person" if rejected[i] else "", reasons[i]]))
        found = [
            (number_text(float(v[i]), float(u[i])), float(v[i]))
            for v, u in zip(value, uncertainty, strict=True)
        ]
        cells = [_number(float(values[i]), form) for values, form in parts]
        number, candidate = (str(i + 1), float(i + 1)), (str(candidates[i]), float(candidates[i]))
        rows.append([place[i], origin[i], number, candidate, *found, *cells, note])
    caption = "All measurements, in order."
    if count > ROWS:
        caption = f"The latest {ROWS:,} of {count:,} measurements; the experiment's record holds all."
    table = Table([*_plain_header(header), "note"], rows, caption, interactive=True, kinds=1)
    return Section("All measurements", [table])


def _provenance(explored: xr.Dataset) -> Section:
    values: dict[str, str] = {}
    for name in ("model", "configuration"):
        content = explored.attrs.get(name)
        if isinstance(content, Mapping):
            values |= {f"{name}: {key}": _shown(value) for key, value in content.items()}
        elif content:
            values[name] = str(content)
    policies = [text for text in words(explored, "policy", "decision") if text]
    if policies:
        values["policies, in order"] = "\n".join(dict.fromkeys(policies))
    for name, title, unit in (
        ("noise_sd", "noise at the end (one sd)", unit_of(explored, 0)),
        ("scale", "calibration factor of the variance at the end", ""),
        ("loo_coverage", "leave-one-out coverage of the 95 % interval at the end", ""),
    ):
        found = decided(explored, name)[1]
        if len(found):
            values[title] = f"{found[-1]:.3g} {unit}".strip()
    blocks: list[Block] = [Details(values)] if values else [Text("Not recorded.")]
    return Section("Model and configuration", blocks)


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str, indent=2, ensure_ascii=False)


def _place_texts(explored: xr.Dataset) -> list[str]:
    names, unit = coordinate_names(explored), str(explored["position"].attrs.get("units", ""))
    return [place_text(row, names, unit) for row in measured_of(explored, numbers(explored, "position"))]


def _number(value: float, form: str) -> tuple[str, float]:
    return (format(value, form), value) if np.isfinite(value) else ("–", float("nan"))
