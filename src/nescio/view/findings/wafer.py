"""Maps of a quantity by position on the sample."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from numpy.typing import NDArray

from nescio.signals import KNOWN, NOVEL
from nescio.view.findings.quantities import CATEGORIES, category_styles, colours, is_novel, norm_of
from nescio.view.findings.reading import need, quantity_label, text_of, values_of
from nescio.view.style import (
    RASTERISED_ABOVE,
    ClassStyle,
    class_handle,
    legend_beside,
    new_figure,
    say_empty,
    styled,
)

__all__ = ["wafer_map"]


@styled
def wafer_map(findings: xr.Dataset, quantity: str = "label") -> Figure:
    """Draw a quantity by position on the sample; novel measurements are hatched.

    Args:
        findings: With ``x_mm`` and ``y_mm``.
        quantity: "label", "verdict", or any variable with one number for each measurement (error, p-value, novelty).

    Raises:
        MeasurementError: Positions or the quantity are missing.
    """
    need(findings, "x_mm", "y_mm")
    x, y = values_of(findings, "x_mm"), values_of(findings, "y_mm")
    placed = np.isfinite(x) & np.isfinite(y)
    findings, x, y = findings.isel(measurement=np.flatnonzero(placed)), x[placed], y[placed]
    size = _spacing(x, y)
    figure = new_figure(5.0)
    axes = figure.subplots()
    squares = [
        Rectangle((a - size[0] / 2, b - size[1] / 2), size[0], size[1]) for a, b in zip(x, y, strict=True)
    ]
    patches = PatchCollection(squares, linewidths=0, rasterized=len(x) > RASTERISED_ABOVE)
    axes.add_collection(patches)
    axes.set_xlim(*_limits(x, size[0]))
    axes.set_ylim(*_limits(y, size[1]))
    axes.set_aspect("equal")
    handles: list[Artist] = []
    novel = is_novel(findings)
    if quantity in CATEGORIES:
        labels, styles = text_of(findings, quantity), category_styles(findings, quantity)
        unknown = ClassStyle("#FFFFFF", "")
        patches.set_facecolor(
            [to_rgba(styles.get(k, unknown).colour, 0.55 if quantity == "label" else 1.0) for k in labels]
        )
        patches.set_edgecolor("#888888")
        patches.set_linewidth(0.3)
        handles += _category_marks(axes, x, y, size, labels, styles, novel)
    else:
        values = values_of(findings, quantity)
        patches.set(array=values, cmap=colours(quantity), norm=norm_of(values, quantity))
        patches.set_edgecolor("#888888")
        patches.set_linewidth(0.2)
        figure.colorbar(patches, ax=axes, label=quantity_label(findings, quantity), shrink=0.85)
    if novel.any() and quantity != "verdict":
        hatched = PatchCollection(
            [squares[i] for i in np.flatnonzero(novel)],
            facecolor="none",
            edgecolor="black" if quantity in CATEGORIES else "white",
            linewidths=0,
            hatch="///",
            rasterized=len(x) > RASTERISED_ABOVE,
        )
        axes.add_collection(hatched)
        if quantity in CATEGORIES:
            handles.append(
                Patch(facecolor="white", edgecolor="black", lw=0.5, hatch="////", label="hatched: novel")
            )
    axes.set_xlabel("x (mm)")
    axes.set_ylabel("y (mm)")
    if quantity in CATEGORIES:
        legend_beside(axes, handles, quantity_label(findings, quantity))
    else:
        axes.set_title(f"{int(novel.sum()):,} of {len(x):,} measurements novel (hatched)")
    if not len(x):
        say_empty(axes, "no positions to show")
    return figure


def _category_marks(
    axes: Axes,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    size: tuple[float, float],
    labels: NDArray[np.object_],
    styles: dict[str, ClassStyle],
    novel: NDArray[np.bool_],
) -> list[Artist]:
    """Draw the marker of each class in its squares, so that the map is readable in grey; return legend entries."""
    extent = max(np.ptp(axes.get_xlim()), np.ptp(axes.get_ylim()))
    points_across = 0.42 * 72 * 4.2 * min(size) / extent
    handles: list[Artist] = []
    for label, style in styles.items():
        if label == KNOWN:
            handles.append(Patch(facecolor=style.colour, edgecolor="#888888", lw=0.5, label=KNOWN))
            continue
        mine = (labels == label) & (~novel | (labels == NOVEL))
        axes.scatter(
            x[mine],
            y[mine],
            marker=style.marker,
            s=max(points_across, 1.2) ** 2,
            c=style.colour,
            edgecolors="black",
            linewidths=min(0.4, points_across / 10),
            rasterized=len(x) > RASTERISED_ABOVE,
        )
        handles.append(class_handle(label, style))
    return handles


def _limits(values: NDArray[np.float64], size: float) -> tuple[float, float]:
    if not len(values):
        return -1.0, 1.0
    return float(values.min() - 0.8 * size), float(values.max() + 0.8 * size)


def _spacing(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    """Return the width and height in mm of the squares: the steps of the grid, or the nearest-neighbour distance."""
    if len(x) < 2:
        return 1.0, 1.0
    distinct = [np.unique(np.round(v, 2)) for v in (x, y)]
    if len(distinct[0]) * len(distinct[1]) <= 4 * len(x):
        steps = [float(np.median(np.diff(v))) if len(v) > 1 else 0.0 for v in distinct]
        return steps[0] or steps[1], steps[1] or steps[0]
    from scipy.spatial import cKDTree

    places = np.unique(np.stack([x, y], axis=1), axis=0)
    distances, _ = cKDTree(places).query(places, k=2)
    nearest = float(np.median(np.asarray(distances)[:, 1])) / np.sqrt(2)
    return nearest, nearest
