"""Comparison of exploration methods: results and model quality against the number of measurements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from nescio.view.style import new_figure, plain, say_empty, styled

__all__ = ["comparison_curves"]

Floats = NDArray[np.float64]


class _Line(NamedTuple):
    colour: str
    dashes: str | tuple[int, tuple[int, ...]]
    marker: str


# Colours of Okabe and Ito, and black for the highlighted method; dashes and markers distinguish them without colour.
_LINES = (
    _Line("#0072B2", (0, (5, 2)), "o"),
    _Line("#E69F00", (0, (1, 1)), "s"),
    _Line("#009E73", (0, (6, 1, 1, 1)), "^"),
    _Line("#CC79A7", (0, (3, 1)), "D"),
    _Line("#56B4E9", "-", "v"),
    _Line("#D55E00", (0, (8, 3)), "P"),
    _Line("#777777", (0, (2, 2)), "X"),
    _Line("#999900", (0, (4, 1, 1, 1, 1, 1)), "<"),
)
_FOREMOST = _Line("#000000", "-", "*")
_PANELS = {
    "found": "share of the best 5 %\nthat was measured",
    "top20_ratio": "mean of the 20 best measured\n/ mean of the 20 best",
    "r2": "R² at unmeasured\ncandidates",
    "coverage95": "share of true values in\nthe 95 % interval",
}
_LOWEST_R2 = -0.3


@styled
def comparison_curves(curves: xr.Dataset, foremost: str = "default") -> Figure:
    """Draw medians over random seeds, with bands between the quartiles, against the number of measurements.

    Args:
        curves: ``found``, ``top20_ratio``, ``r2`` and ``coverage95`` (method, seed, point), NaN where a method has no
            model; coordinates ``method`` (names) and ``point`` (number of measurements); attribute ``best``, how many
            candidates are among the best 5 %.
        foremost: The method to highlight.
    """
    names = [str(name) for name in curves["method"].values]
    lines = _lines(names, foremost)
    figure = new_figure(6.0)
    panels = figure.subplots(2, 2, sharex=True).ravel()
    points = curves["point"].values.astype(float)
    for axes, (variable, label) in zip(panels, _PANELS.items(), strict=True):
        axes.set_ylabel(label)
        drawn = 0
        for number, name in enumerate(names):
            values = curves[variable].sel({"method": name}).values.astype(float)
            if not np.isnan(values).any():
                _band(axes, points, values, lines[name], number, len(names), bold=name == foremost)
                drawn += 1
        if not drawn:
            say_empty(axes, "no method uses a model")
    found, _, explained, covered = panels
    most = np.minimum(points, curves.attrs["best"]) / curves.attrs["best"]
    found.plot(points, most, color="#AAAAAA", lw=0.8, zorder=1)
    found.annotate(
        "if every measurement were one of them",
        (points[-1], most[-1]),
        ha="right",
        va="bottom",
        fontsize=8,
        color="#666666",
    )
    found.set_ylim(0, 1.08)
    covered.axhline(0.95, color="#888888", ls="--", lw=0.8, zorder=1)
    covered.set_ylim(top=1.01)
    explained.set_ylim(bottom=max(explained.get_ylim()[0], _LOWEST_R2))
    for axes in panels[2:]:
        axes.set_xlabel("measurements")
    figure.legend(
        handles=_handles(names, lines), loc="outside lower center", ncols=min(len(names), 5), handlelength=3.5
    )
    figure.align_ylabels()
    return figure


def _lines(names: Sequence[str], foremost: str) -> dict[str, _Line]:
    others = [name for name in names if name != foremost]
    lines = {name: _LINES[number % len(_LINES)] for number, name in enumerate(others)}
    return {**lines, foremost: _FOREMOST}


def _band(
    axes: Axes, points: Floats, values: Floats, line: _Line, number: int, of: int, *, bold: bool
) -> None:
    lower, median, upper = np.percentile(values, (25.0, 50.0, 75.0), axis=0)
    axes.fill_between(points, lower, upper, color=line.colour, alpha=0.16 if bold else 0.08, lw=0, zorder=1.5)
    # Markers of different methods are staggered, so that they do not hide each other.
    every = max(1, len(points) // 4)
    axes.plot(
        points,
        median,
        color=line.colour,
        ls=line.dashes,
        marker=line.marker,
        markevery=(number * every // of, every),
        ms=6.5 if bold else 4.5,
        mec="white",
        mew=0.4,
        lw=2.0 if bold else 1.2,
        zorder=4 if bold else 3,
    )


def _handles(names: Sequence[str], lines: dict[str, _Line]) -> list[Artist]:
    return [
        Line2D(
            [],
            [],
            color=lines[name].colour,
            ls=lines[name].dashes,
            marker=lines[name].marker,
            ms=5,
            mec="white",
            mew=0.4,
            lw=1.4,
            label=plain(name),
        )
        for name in names
    ]
