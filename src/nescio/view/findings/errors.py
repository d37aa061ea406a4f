"""Reconstruction errors and novelty scores: by kind of measurement, by mixing ratio, known against measured."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from nescio.view.findings.reading import axis_label, group_names, need, quantity_label, text_of, values_of
from nescio.view.style import (
    MEASURED,
    MODEL,
    class_styles,
    legend_beside,
    log_scale,
    new_figure,
    plain,
    say_empty,
    styled,
)

__all__ = ["by_group", "error_against_fraction", "error_violins", "score_histogram"]

_FILLS = ("#9ECAE1", "#FDD49E", "#C7C7C7", "#C7E9C0", "#DADAEB")
_HATCHES = ("", "//", "..", "\\\\", "xx")


def by_group(findings: xr.Dataset, group: str = "group") -> dict[str, xr.Dataset]:
    """Return the findings of each group: "pure", "mixed" and "unknown" first, others in order of appearance."""
    groups = text_of(findings, group)
    return {g: findings.isel(measurement=np.flatnonzero(groups == g)) for g in group_names(findings, group)}


@styled
def error_violins(groups: Mapping[str, xr.Dataset], quantity: str = "reconstruction_error") -> Figure:
    """Draw the distribution of reconstruction errors of each group, logarithmic, with median, quartiles and number.

    Args:
        groups: Findings by name, as from :func:`by_group`. Errors that are not positive are omitted.
        quantity: The positive quantity to draw.
    """
    figure = new_figure(3.8, width=min(7.0, 2.6 + 1.1 * max(len(groups), 1)))
    axes = figure.subplots()
    positive = {name: _positive(data, quantity) for name, data in groups.items()}
    everything = np.concatenate([*positive.values(), np.empty(0)])
    room = 0.06 * np.ptp(np.log10(everything)) if everything.size else 0
    for at, values in enumerate(positive.values()):
        if not len(values):
            continue
        logs = np.log10(values)
        if np.ptp(logs) > 0:
            body = axes.violinplot([logs], positions=[at], widths=0.8, showextrema=False, points=160)[
                "bodies"
            ]
            for part in body:  # type: ignore[attr-defined]
                part.set(facecolor=_FILLS[at % 5], edgecolor="black", alpha=1, lw=0.7, hatch=_HATCHES[at % 5])
        else:
            axes.plot(np.full(len(logs), at), logs, "o", color=MEASURED, ms=3)
        low, median, high = np.quantile(logs, (0.25, 0.5, 0.75))
        axes.plot([at, at], [low, high], color="black", lw=4, solid_capstyle="butt", zorder=3)
        axes.plot([at], [median], "o", color="white", mec="black", ms=6, zorder=4)
        axes.text(at, logs.max() + room, f"median {10**median:.2g}", ha="center", va="bottom", fontsize=8)
    axes.set_xticks(range(len(groups)), [f"{plain(g, 20)}\nn = {len(v):,}" for g, v in positive.items()])
    axes.set_xlim(-0.6, max(len(groups), 1) - 0.4)
    axes.margins(y=0.12)
    # The kernel density is of logarithms, so the axis is linear in them: a log axis would distort the violins.
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(lambda value, _: f"$10^{{{value:g}}}$")
    axes.set_xlabel("kind of measurement")
    axes.set_ylabel(
        quantity_label(next(iter(groups.values())), quantity) if groups else "reconstruction error"
    )
    if not everything.size:
        say_empty(axes, "nothing readable to show")
    return figure


@styled
def error_against_fraction(
    mixtures: xr.Dataset, quantity: str = "reconstruction_error", bins: int = 21
) -> Figure:
    """Draw reconstruction error against mixing ratio for each pair of classes: median, quartile band, peak (star).

    Args:
        mixtures: Findings with ``fraction`` (measurement; of the pair's first class, 0-1) and ``pair`` (measurement).
        quantity: The positive quantity to draw.
        bins: Number of bins over 0-1, if there are more distinct fractions.
    """
    need(mixtures, "fraction", "pair")
    fraction, error = values_of(mixtures, "fraction"), values_of(mixtures, quantity)
    pairs = text_of(mixtures, "pair")
    figure = new_figure(3.8)
    axes = figure.subplots()
    handles: list[Artist] = []
    for pair, style in class_styles(p for p in pairs if p).items():
        mine = (pairs == pair) & np.isfinite(fraction) & np.isfinite(error) & (error > 0)
        if not mine.any():
            continue
        x, low, median, high = _quartiles(fraction[mine], error[mine], bins)
        axes.fill_between(x, low, high, color=style.colour, alpha=0.22, lw=0)
        (line,) = axes.plot(
            x, median, color=style.colour, marker=style.marker, ms=4, mec="black", mew=0.3, label=plain(pair)
        )
        top = int(np.argmax(median))
        axes.plot(x[top], median[top], marker="*", ms=13, color=style.colour, mec="black", ls="", zorder=5)
        axes.annotate(
            f"{x[top]:.2f}",
            (x[top], median[top]),
            # For peaks at the same ratio, stack the numbers.
            (0, 8 + 10 * len(handles)),
            textcoords="offset points",
            ha="center",
            fontsize=8,
        )
        handles.append(line)
    log_scale(axes)
    axes.margins(y=0.1)
    axes.set_xlim(-0.02, 1.02)
    axes.set_xlabel("fraction of the pair's first class")
    axes.set_ylabel(quantity_label(mixtures, quantity))
    legend_beside(axes, handles, "pair (star: peak)")
    if not handles:
        say_empty(axes, "no mixtures to show")
    return figure


@styled
def score_histogram(
    reference: xr.Dataset, findings: xr.Dataset, quantity: str = "novelty", bins: int = 40
) -> Figure:
    """Draw the distributions of a score for known draws and for measurements.

    Args:
        reference: Held-out known draws.
        findings: Findings of measurements.
        quantity: The score.
        bins: Number of bins over the range of both; logarithmic if the largest score is far above the median.
    """
    sets = {"known draws": values_of(reference, quantity), "measured": values_of(findings, quantity)}
    sets = {name: values[np.isfinite(values)] for name, values in sets.items()}
    figure = new_figure(3.2)
    axes = figure.subplots()
    both = np.concatenate(list(sets.values()))
    edges = np.histogram_bin_edges(both, bins) if both.size else np.linspace(0, 1, 2)
    if both.size and both.min() > 0 and both.max() > 30 * np.median(both):
        edges = np.geomspace(both.min(), both.max(), bins + 1)
        axes.set_xscale("log")
    for (name, values), colour, filled in zip(sets.items(), ("#8FB8D8", MODEL), (True, False), strict=True):
        if values.size:
            axes.hist(
                values,
                edges.tolist(),
                weights=np.full(values.size, 1 / values.size),
                histtype="stepfilled" if filled else "step",
                color=colour,
                lw=1.6,
                label=f"{name} (n = {values.size:,})",
            )
    axes.set_xlabel(quantity_label(findings, quantity) if quantity != "novelty" else _novelty(findings))
    axes.set_ylabel("share in each bin")
    if both.size:
        axes.legend(loc="upper right")
    else:
        say_empty(axes, "nothing readable to show")
    return figure


def _novelty(findings: xr.Dataset) -> str:
    return (
        f"{axis_label(findings, 'novelty')} (larger: more novel)"
        if findings["novelty"].attrs
        else "novelty score (larger: more novel)"
    )


def _positive(data: xr.Dataset, quantity: str) -> NDArray[np.float64]:
    values = values_of(data, quantity)
    return np.asarray(values[np.isfinite(values) & (values > 0)])


def _quartiles(
    x: NDArray[np.float64], y: NDArray[np.float64], bins: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean of x and the quartiles of y in each occupied bin."""
    distinct = np.unique(x)
    where = (
        np.searchsorted(distinct, x)
        if distinct.size <= bins
        else np.clip((x * bins).astype(int), 0, bins - 1)
    )
    used = np.unique(where)
    centres = np.array([x[where == k].mean() for k in used])
    low, median, high = np.array([np.quantile(y[where == k], (0.25, 0.5, 0.75)) for k in used]).T
    return centres, low, median, high
