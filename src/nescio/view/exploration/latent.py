"""Similarity map of an exploration: candidates in the model's feature space, and the path of the measurements."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from nescio.view.exploration.marks import BEST, OFFERED, colours_of, origin_styles, ring_best
from nescio.view.exploration.reading import (
    Floats,
    best_measurements,
    column,
    measured_of,
    numbers,
    output_label,
    output_number,
    words,
)
from nescio.view.style import RASTERISED_ABOVE, new_figure, plain, say_empty, scalar_norm, styled

__all__ = ["exploration_latent_map"]


@styled
def exploration_latent_map(explored: xr.Dataset, output: str | None = None) -> Figure:
    """Draw all candidates in the model's feature space, coloured by predicted value, and the path of measurements.

    The space is the surrogate's learned embedding if it has one, else the features, each scaled to unit variance. Of
    more than two dimensions, the two principal components are shown.

    Args:
        explored: See `nescio.signals`.
        output: Name of the scalar; by default the first.

    Raises:
        MeasurementError: The output does not exist.
    """
    k = output_number(explored, output)
    figure = new_figure(4.8)
    axes = figure.subplots()
    placed = _placed(explored)
    if placed is None:
        axes.set(xlabel="(no features)", ylabel="(no features)")
        say_empty(
            axes, "candidates have neither features nor an embedding: the model uses only their positions"
        )
        return figure
    points, x_label, y_label = placed
    axes.set(xlabel=x_label, ylabel=y_label)
    mean = column(explored, "mean", k) if "mean" in explored else np.full(len(points), np.nan)
    known = np.isfinite(mean)
    raster = len(points) > RASTERISED_ABOVE
    size = float(np.clip(12000 / max(len(points), 1), 4, 34))
    axes.scatter(points[~known, 0], points[~known, 1], s=size, c=OFFERED, lw=0, rasterized=raster, zorder=1)
    if known.any():
        drawn = axes.scatter(
            points[known, 0],
            points[known, 1],
            s=size,
            c=mean[known],
            cmap=colours_of("viridis"),
            norm=scalar_norm(mean[known], log=False),
            lw=0,
            rasterized=raster,
            zorder=1,
        )
        figure.colorbar(drawn, ax=axes, label=f"predicted {output_label(explored, k, long=False)}")
    path = measured_of(explored, points)
    on_map = path[np.isfinite(path).all(axis=1)]
    if len(on_map) > 1:
        strength = float(np.clip(50 / len(on_map), 0.2, 0.8))
        pieces = list(np.stack([on_map[:-1], on_map[1:]], axis=1))
        axes.add_collection(
            LineCollection(pieces, colors="#444444", linewidths=0.6, alpha=strength, zorder=2)
        )
    origin = np.array(words(explored, "origin", "measurement"), dtype=object)
    handles = []
    for name, style in origin_styles(explored).items():
        mine = path[origin == name]
        axes.scatter(
            mine[:, 0],
            mine[:, 1],
            s=24,
            marker=style.marker,
            facecolors="none",
            edgecolors="black",
            lw=0.9,
            zorder=4,
        )
        handles.append(
            Line2D(
                [],
                [],
                ls="",
                marker=style.marker,
                mfc="none",
                mec="black",
                ms=5,
                label=plain(name or "measured"),
            )
        )
    best = best_measurements(explored, k)
    ring_best(axes, path[:, 0], path[:, 1], best, 24)
    if best:
        handles.append(
            Line2D([], [], ls="", marker="o", mfc="none", mec=BEST, mew=1.4, ms=8, label="best, by rank")
        )
    if handles:
        figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
    return figure


def _placed(explored: xr.Dataset) -> tuple[Floats, str, str] | None:
    """Return the candidates' positions on a plane, shape (n, 2), and its axis labels."""
    for name, what in (("embedding", "learned space"), ("features", "features")):
        if name not in explored or not explored[name].shape[1]:
            continue
        values = numbers(explored, name)
        values = np.where(np.isfinite(values), values, 0.0)
        size = values.shape[1]
        if size == 1:
            return np.column_stack([values, np.zeros(len(values))]), f"{what} (one dimension)", "(nothing)"
        if size == 2 and name == "embedding":
            return values, f"{what}, dimension 1", f"{what}, dimension 2"
        values = values - values.mean(axis=0)
        if name == "features":
            spread = values.std(axis=0)
            values = values / np.where(spread > 0, spread, 1.0)
        # Use the covariance: its size does not grow with the number of candidates.
        variance, directions = np.linalg.eigh(values.T @ values)
        share = 100 * variance[::-1] / max(float(variance.sum()), np.finfo(float).tiny)
        first, second = (
            f"{what}, principal component {i + 1} ({share[i]:.0f} % of variance)" for i in range(2)
        )
        return values @ directions[:, :-3:-1], first, second
    return None
