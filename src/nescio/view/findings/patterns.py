"""Measured signals and their reconstructions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from nescio.view.findings.reading import axis_label, names_of, need, signal_axis, text_of, values_of
from nescio.view.style import MEASURED, MODEL, UNCOVERED, new_figure, plain, say_empty, styled

__all__ = [
    "measured_against_reconstructed",
    "most_novel",
    "signal_label",
]


def most_novel(findings: xr.Dataset, count: int = 6) -> list[int]:
    """Return the indices of the most novel readable measurements: smallest p-value first, then largest score."""
    need(findings, "p_value")
    p = values_of(findings, "p_value")
    score = values_of(findings, "novelty") if "novelty" in findings else np.zeros(len(p))
    order = np.lexsort((-np.nan_to_num(score, nan=-np.inf), np.nan_to_num(p, nan=np.inf)))
    return [int(i) for i in order if np.isfinite(p[i])][:count]


@styled
def measured_against_reconstructed(
    findings: xr.Dataset, measurements: Sequence[int] | None = None, count: int = 6
) -> Figure:
    """Draw measured signals, their reconstructions and the difference; ranges that were not measured are shaded.

    Args:
        findings: Findings of measurements.
        measurements: Indices of the measurements; by default the most novel.
        count: Number of measurements if `measurements` is None.
    """
    need(findings, "intensity", "reconstruction")
    chosen = most_novel(findings, count) if measurements is None else [int(i) for i in measurements]
    columns = min(2, max(len(chosen), 1))
    rows = max(1, -(-len(chosen) // columns))
    figure = new_figure(0.6 + 2.15 * rows)
    panels = figure.subplots(rows, columns, sharex=True, squeeze=False).ravel()
    axis = signal_axis(findings)
    for axes, i in zip(panels, chosen, strict=False):
        _panel(axes, findings, i, values_of(findings, axis))
    for position, axes in enumerate(panels):
        if position >= len(chosen) and chosen:
            axes.remove()
            continue
        if position + columns >= len(chosen):
            axes.set_xlabel(axis_label(findings, axis))
            axes.tick_params(labelbottom=True)
        if position % columns == 0:
            axes.set_ylabel(signal_label(findings))
    if not chosen:
        say_empty(panels[0], "no readable measurements")
        return figure
    handles = [
        Line2D([], [], color=MEASURED, lw=1.0, label="measured"),
        Line2D([], [], color=MODEL, lw=1.2, ls="--", label="reconstructed"),
        Line2D([], [], color="#0072B2", lw=0.8, label="difference (shifted)"),
    ]
    if "covered" in findings and not findings["covered"].values[chosen].all():
        handles.append(Patch(color=UNCOVERED, label="not measured"))  # type: ignore[arg-type]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
    return figure


def _panel(axes: Axes, findings: xr.Dataset, i: int, grid: NDArray[np.float64]) -> None:
    covered = (
        np.asarray(findings["covered"].values[i], dtype=bool)
        if "covered" in findings
        else np.ones(len(grid), dtype=bool)
    )
    measured = np.where(covered, values_of(findings, "intensity")[i], np.nan)
    model = values_of(findings, "reconstruction")[i]
    difference = measured - model
    finite = difference[np.isfinite(difference)]
    shift = -0.12 - max(float(finite.max()) if finite.size else 0.0, 0.0)
    axes.axhline(shift, color="#AAAAAA", lw=0.6)
    axes.plot(grid, difference + shift, color="#0072B2", lw=0.8, label="difference")
    axes.plot(grid, measured, color=MEASURED, lw=1.0, label="measured")
    axes.plot(grid, model, color=MODEL, lw=1.2, ls="--", label="reconstructed")
    for start, stop in _gaps(covered):
        axes.axvspan(grid[start], grid[stop], color=UNCOVERED, lw=0, zorder=0)
    axes.margins(x=0)
    if not findings["intensity"].attrs:
        axes.set_yticks([0, 0.5, 1])
    axes.set_title(_title(findings, i), loc="left", fontsize=8.5)


def signal_label(findings: xr.Dataset) -> str:
    """Return the axis label of the signals."""
    described = findings["intensity"].attrs
    return axis_label(findings, "intensity").removesuffix(" (1)") if described else "intensity (scaled)"


def _title(findings: xr.Dataset, i: int) -> str:
    parts = []
    if "verdict" in findings:
        parts.append(str(text_of(findings, "verdict")[i]))
    if "p_value" in findings:
        parts.append(f"p = {values_of(findings, 'p_value')[i]:.2g}")
    if "label" in findings:
        nearest = plain(text_of(findings, "label")[i], 24)
        sure = (
            f" {np.nanmax(values_of(findings, 'probability')[i]):.2f}"
            if "probability" in findings and np.isfinite(values_of(findings, "probability")[i]).any()
            else ""
        )
        parts.append(f"class {nearest}{sure}")
    return f"{plain(names_of(findings)[i], 44)}\n{', '.join(parts)}"


def _gaps(covered: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the first and last grid point of each gap in the measured range, up to the next measured points."""
    edges = np.diff(np.concatenate([[0], (~covered).astype(int), [0]]))
    starts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    last = len(covered) - 1
    return [(max(int(a) - 1, 0), min(int(b), last)) for a, b in zip(starts, stops, strict=True)]
