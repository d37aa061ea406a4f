"""Maps of latent space: by class, by the position of the maximum, with decision regions, with example signals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from nescio.errors import MeasurementError
from nescio.signals import NOVEL
from nescio.view.findings.reading import (
    LatentPlane,
    axis_label,
    class_names,
    need,
    quantity_label,
    readable,
    signal_axis,
    text_of,
    values_of,
)
from nescio.view.style import (
    MEASURED,
    OTHER,
    RASTERISED_ABOVE,
    ClassStyle,
    class_handle,
    class_styles,
    hollow,
    legend_beside,
    new_figure,
    novel_handle,
    plain,
    say_empty,
    scalar_norm,
    styled,
)

__all__ = [
    "decision_regions",
    "error_over_latent_map",
    "latent_map",
    "latent_map_by_strongest",
    "signals_on_map",
]

_GRID = 220


@styled
def latent_map(findings: xr.Dataset, reference: xr.Dataset | None = None) -> Figure:
    """Draw the latent positions of measurements by class, with known draws as small points behind them.

    Novel measurements are drawn as outlines with a cross.

    Args:
        findings: Findings of measurements.
        reference: Held-out known draws, drawn by their ``truth``.
    """
    need(findings, "latent", "label", "verdict")
    datasets = [d for d in (reference, findings) if d is not None]
    plane, styles = LatentPlane.of(*datasets), class_styles(class_names(*datasets))
    figure = new_figure(4.6)
    axes = figure.subplots()
    if reference is not None:
        _scatter_classes(axes, plane, reference, _own_class(reference), styles, size=9, alpha=0.35)
    size = 1.2 * _point_size(findings.sizes["measurement"])
    novel = (text_of(findings, "verdict") == NOVEL) & readable(findings)
    usual = findings.isel(measurement=np.flatnonzero(~novel))
    _scatter_classes(axes, plane, usual, text_of(usual, "label"), styles, size=size, alpha=1.0, edge=True)
    nearest = [styles.get(label, OTHER) for label in text_of(findings, "label")[novel]]
    hollow(axes, plane.place(values_of(findings, "latent")[novel]), nearest, size)
    handles = [class_handle(label, style) for label, style in styles.items()]
    if novel.any():
        handles.append(novel_handle())
    if reference is not None:
        handles.append(
            Line2D([], [], ls="", marker="o", color="#777777", alpha=0.5, ms=3.5, label="small: known draws")
        )
    _finish(axes, plane, empty=not readable(findings).any() and reference is None)
    legend_beside(axes, handles, "most probable class")
    return figure


@styled
def latent_map_by_strongest(findings: xr.Dataset) -> Figure:
    """Draw the map coloured by the position of each signal's maximum (for diffraction: its strongest peak)."""
    axis = signal_axis(findings)
    plane, good = LatentPlane.of(findings), readable(findings)
    points = plane.place(values_of(findings, "latent")[good])
    intensity = values_of(findings, "intensity")[good]
    if "covered" in findings:
        intensity = np.where(findings["covered"].values[good], intensity, -np.inf)
    grid = values_of(findings, axis)
    strongest = grid[np.argmax(np.nan_to_num(intensity, nan=-np.inf), axis=1)] if len(points) else np.empty(0)
    figure = new_figure(4.6)
    axes = figure.subplots()
    drawn = axes.scatter(
        points[:, 0],
        points[:, 1],
        c=strongest,
        cmap="viridis",
        norm=scalar_norm(strongest, log=False),
        s=_point_size(len(points)),
        linewidths=0,
        rasterized=len(points) > RASTERISED_ABOVE,
    )
    figure.colorbar(drawn, ax=axes, label=f"position of the maximum: {axis_label(findings, axis)}")
    _finish(axes, plane, empty=not len(points))
    return figure


@styled
def decision_regions(
    findings: xr.Dataset, predict: Callable[[NDArray[np.float64]], ArrayLike], labels: Sequence[str]
) -> Figure:
    """Draw the regions of the classes that a classifier predicts on the map, and points over them.

    Args:
        findings: Points to draw, by ``truth`` if they have it, else by ``label``.
        predict: Takes latent positions, shape (n, latent), and returns indices into `labels`, shape (n,). With more
            than two latent dimensions, it is evaluated only on the plane of the map.
        labels: Names of the classes.

    Raises:
        MeasurementError: `predict` returns a number that is not an index into `labels`.
    """
    plane, styles, good = LatentPlane.of(findings), class_styles(labels), readable(findings)
    points = plane.place(values_of(findings, "latent")[good])
    low, high = (
        (points.min(axis=0), points.max(axis=0)) if len(points) else (np.full(2, -3.0), np.full(2, 3.0))
    )
    margin = 0.06 * np.maximum(high - low, 1e-3)
    x, y = (np.linspace(a, b, _GRID) for a, b in zip(low - margin, high + margin, strict=True))
    mesh = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    index = np.asarray(predict(plane.lift(mesh))).astype(int).reshape(_GRID, _GRID)
    if index.min() < 0 or index.max() >= len(labels):
        raise MeasurementError(
            f"the classifier returns classes {index.min()} to {index.max()}, but there are {len(labels)} labels"
        )
    figure = new_figure(4.6)
    axes = figure.subplots()
    axes.pcolormesh(
        x,
        y,
        index,
        cmap=ListedColormap([s.colour for s in styles.values()]),
        vmin=-0.5,
        vmax=len(labels) - 0.5,
        alpha=0.28,
        linewidth=0,
        rasterized=True,
    )
    for k in np.unique(index)[1:]:
        axes.contour(x, y, (index >= k).astype(float), levels=[0.5], colors="black", linewidths=0.7)
    _scatter_classes(axes, plane, findings, _own_class(findings), styles, size=12, alpha=0.9, edge=True)
    _finish(axes, plane, empty=False)
    axes.set_xlim(x[0], x[-1])
    axes.set_ylim(y[0], y[-1])
    legend_beside(
        axes,
        [class_handle(label, style) for label, style in styles.items()],
        "true class" if "truth" in findings else "class",
    )
    return figure


@styled
def signals_on_map(findings: xr.Dataset, measurements: Sequence[int] | None = None, count: int = 5) -> Figure:
    """Draw the map with marked points A, B, C, ..., and beside it their signals.

    Args:
        findings: Findings of measurements or known draws.
        measurements: Indices of the measurements to mark; by default a typical one of each region of the map.
        count: Number to mark if `measurements` is None.
    """
    axis = signal_axis(findings)
    plane, good = LatentPlane.of(findings), np.flatnonzero(readable(findings))
    points = plane.place(values_of(findings, "latent"))
    chosen = _spread_out(points, good, count) if measurements is None else [int(i) for i in measurements]
    figure = new_figure(max(3.4, 0.75 * len(chosen)))
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.15))
    left.scatter(
        points[good, 0],
        points[good, 1],
        s=_point_size(len(good)) / 2,
        c="#999999",
        lw=0,
        rasterized=len(good) > RASTERISED_ABOVE,
    )
    grid, named = values_of(findings, axis), text_of(findings, "measurement")
    indent = grid[0] + 0.025 * (grid[-1] - grid[0])
    for step, i in enumerate(chosen):
        letter = chr(ord("A") + step % 26)
        left.plot(*points[i], marker="+", ms=12, mew=2, color="black", ls="")
        left.annotate(
            letter,
            points[i],
            (6, 5),
            textcoords="offset points",
            weight="bold",
            bbox={"boxstyle": "round,pad=0.12", "fc": "white", "ec": "none", "alpha": 0.8},
        )
        signal = values_of(findings, "intensity")[i]
        if "covered" in findings:
            signal = np.where(findings["covered"].values[i], signal, np.nan)
        base = -1.45 * step
        right.plot(grid, signal + base, color=MEASURED, lw=0.9)
        right.text(indent, base + 1.05, f"{letter}  {plain(named[i], 34)}", va="bottom", fontsize=8)
    right.set_xlabel(axis_label(findings, axis))
    right.set_ylabel("intensity (scaled, shifted)", labelpad=6)
    right.set_yticks([])
    right.set_xlim(grid[0], grid[-1])
    _finish(left, plane, empty=not len(good))
    if not chosen:
        say_empty(right, "no signals")
    return figure


@styled
def error_over_latent_map(panels: Mapping[str, xr.Dataset], quantity: str = "reconstruction_error") -> Figure:
    """Draw maps coloured by reconstruction error for several sets side by side, on one logarithmic colour scale.

    Args:
        panels: Findings of each set, by its title ("known", "unknown").
        quantity: The positive quantity to draw.
    """
    plane = LatentPlane.of(*panels.values())
    values = {name: values_of(data, quantity)[readable(data)] for name, data in panels.items()}
    places = {name: plane.place(values_of(d, "latent")[readable(d)]) for name, d in panels.items()}
    norm = scalar_norm(np.concatenate(list(values.values())), log=True)
    figure = new_figure(3.5)
    grid = figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
    drawn = None
    for axes, name in zip(grid, panels, strict=True):
        order = np.argsort(values[name])
        drawn = axes.scatter(
            places[name][order, 0],
            places[name][order, 1],
            c=values[name][order],
            cmap="cividis_r",
            norm=norm,
            s=_point_size(len(order)),
            linewidths=0.2,
            edgecolors="#444444",
            rasterized=len(order) > RASTERISED_ABOVE,
        )
        _finish(axes, plane, empty=not len(order))
        axes.set_title(f"{plain(name)} (n = {len(order):,})")
        axes.label_outer()
    if drawn is not None:
        some = next(iter(panels.values()))
        figure.colorbar(drawn, ax=grid, label=quantity_label(some, quantity), pad=0.02)
    return figure


def _own_class(data: xr.Dataset) -> NDArray[np.object_]:
    return text_of(data, "truth" if "truth" in data else "label")


def _scatter_classes(
    axes: Axes,
    plane: LatentPlane,
    data: xr.Dataset,
    labels: NDArray[np.object_],
    styles: Mapping[str, ClassStyle],
    *,
    size: float,
    alpha: float,
    edge: bool = False,
) -> NDArray[np.float64]:
    """Draw the points of each class; return all positions, shape (readable, 2)."""
    good = readable(data)
    points, labels = plane.place(values_of(data, "latent")[good]), labels[good]
    for label, style in styles.items():
        x, y = points[labels == label].T
        axes.scatter(
            x,
            y,
            s=size,
            c=style.colour,
            marker=style.marker,
            alpha=alpha,
            linewidths=0.4 if edge else 0,
            edgecolors="black" if edge else "none",
            rasterized=len(points) > RASTERISED_ABOVE,
            label=plain(label),
        )
    return points


def _spread_out(points: NDArray[np.float64], good: NDArray[np.intp], count: int) -> list[int]:
    """Return one typical point of each region of the map, from left to right.

    The first centres are chosen one by one, each farthest from the previous ones (Gonzalez 1985, Theor. Comput. Sci.
    38, 293-306). Then, twice, each centre is replaced by the point nearest to the mean of its region.
    """
    if not len(good):
        return []
    places = points[good]
    chosen = [int(np.argmin(places[:, 0]))]
    while len(chosen) < min(count, len(good)):
        gaps = np.linalg.norm(places[:, None] - places[chosen][None], axis=2).min(axis=1)
        chosen.append(int(np.argmax(gaps)))
    for _ in range(2):
        part = np.linalg.norm(places[:, None] - places[chosen][None], axis=2).argmin(axis=1)
        chosen = [
            int(np.argmin(np.linalg.norm(places - places[part == k].mean(axis=0), axis=1)))
            for k in np.unique(part)
        ]
    return sorted({int(good[i]) for i in chosen}, key=lambda i: float(points[i, 0]))


def _point_size(n: int) -> float:
    """Return a marker area in square points for n points on a map."""
    return float(np.clip(9000 / max(n, 1), 3, 30))


def _finish(axes: Axes, plane: LatentPlane, *, empty: bool) -> None:
    axes.set_xlabel(plane.labels[0])
    axes.set_ylabel(plane.labels[1])
    if empty:
        say_empty(axes, "nothing readable to show")
