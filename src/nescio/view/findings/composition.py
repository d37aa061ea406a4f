"""Maps of a quantity by composition: a line for two elements, a ternary diagram for three."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from nescio.errors import MeasurementError
from nescio.view.findings.quantities import (
    CATEGORIES,
    LOGARITHMIC,
    category_styles,
    colours,
    is_novel,
    norm_of,
)
from nescio.view.findings.reading import quantity_label, text_of, values_of
from nescio.view.style import (
    OTHER,
    RASTERISED_ABOVE,
    ClassStyle,
    class_handle,
    hollow,
    legend_beside,
    log_scale,
    new_figure,
    novel_handle,
    plain,
    say_empty,
    styled,
)

__all__ = ["composition_map"]


@styled
def composition_map(findings: xr.Dataset, quantity: str = "label") -> Figure:
    """Draw a quantity by composition: a line for two elements, a ternary diagram for three.

    Elements that never occur are omitted. Of more than three, the three that vary most are drawn, as fractions of their
    sum, with a note in the figure. A ternary diagram of a small range shows only that range.

    Args:
        findings: With ``composition`` (measurement, element).
        quantity: "label", "verdict", or any variable with one number for each measurement.

    Raises:
        MeasurementError: Composition is missing or has fewer than two elements.
    """
    composition, elements, note = _varied(findings)
    good = np.isfinite(composition).all(axis=1) & (composition.sum(axis=1) > 0)
    composition, findings = composition[good], findings.isel(measurement=np.flatnonzero(good))
    composition = composition / composition.sum(axis=1, keepdims=True)
    figure = new_figure(4.8 if len(elements) > 2 else 3.4)
    axes = figure.subplots()
    if len(elements) == 2:
        _binary(figure, axes, findings, composition, elements, quantity)
        return figure
    points = _ternary_frame(axes, composition, elements)
    if note:
        axes.text(0.5, -0.2, note, ha="center", va="top", fontsize=8.5)
    _points(figure, axes, findings, points, quantity)
    if not len(points):
        say_empty(axes, "no compositions to show")
    return figure


def _varied(findings: xr.Dataset) -> tuple[NDArray[np.float64], list[str], str]:
    composition = values_of(findings, "composition")
    elements = (
        [str(e) for e in findings["element"].values]
        if "element" in findings.coords
        else [f"element {i + 1}" for i in range(composition.shape[1])]
    )
    if len(elements) < 2:
        raise MeasurementError(
            f"a composition map needs two elements or more, not {', '.join(elements) or 'none'}"
        )
    finite = np.where(np.isfinite(composition), composition, 0.0)
    kept = np.flatnonzero((finite > 0).any(axis=0))
    if len(kept) < 2:
        kept = np.arange(min(3, len(elements)))
    note = ""
    if len(kept) > 3:
        left = [
            i
            for i in kept
            if i not in (three := np.sort(kept[np.argsort(-np.ptp(finite[:, kept], axis=0))[:3]]))
        ]
        kept = three
        note = (
            f"fractions of the three elements that vary most; omitted: {', '.join(elements[i] for i in left)}"
        )
    return composition[:, kept], [elements[i] for i in kept], note


def _binary(
    figure: Figure,
    axes: Axes,
    findings: xr.Dataset,
    composition: NDArray[np.float64],
    elements: Sequence[str],
    quantity: str,
) -> None:
    x, novel = composition[:, 1], is_novel(findings)
    categorical, plain_point = quantity in CATEGORIES, ClassStyle("#0072B2", "o")
    if categorical:
        labels, styles = text_of(findings, quantity), category_styles(findings, quantity)
        y = np.array([list(styles).index(k) if k in styles else -1 for k in labels], dtype=float)
        for k, style in enumerate(styles.values()):
            axes.scatter(
                x[y == k], y[y == k], marker=style.marker, c=style.colour, edgecolors="black", lw=0.4, s=28
            )
        figure.set_figheight(max(3.4, 1 + 0.18 * len(styles)))
        axes.set_yticks(range(len(styles)), [plain(s, 24) for s in styles])
        axes.set_ylim(len(styles) - 0.5, -0.5)
        axes.grid(axis="y", color="#DDDDDD", lw=0.6)
        axes.set_axisbelow(True)
    else:
        y = values_of(findings, quantity)
        axes.scatter(x, y, c=plain_point.colour, marker=plain_point.marker, s=18, edgecolors="black", lw=0.3)
        if quantity in LOGARITHMIC and np.any(y > 0):
            log_scale(axes)
    novel &= np.isfinite(y) & (y >= 0 if categorical else True)
    if quantity != "verdict" and novel.any():
        nearest = (
            [list(styles.values())[int(k)] for k in y[novel]]
            if categorical
            else [plain_point] * int(novel.sum())
        )
        hollow(axes, np.stack([x[novel], y[novel]], axis=1), nearest, 28)
        legend_beside(axes, [novel_handle()])
    axes.set_xlabel(f"fraction of {elements[1]} in {elements[0]}–{elements[1]}")
    axes.set_ylabel(quantity_label(findings, quantity))


def _ternary_frame(
    axes: Axes, composition: NDArray[np.float64], elements: Sequence[str]
) -> NDArray[np.float64]:
    """Draw the triangle with its grid and labels; return the compositions' positions in it, shape (n, 2)."""
    low = np.floor(composition.min(axis=0) * 10 + 1e-9) / 10 if len(composition) else np.zeros(3)
    scale = 1 - low.sum()
    if scale < 0.09:
        low, scale = np.zeros(3), 1.0
    # A round step that divides the side into 4 to 7 equal parts, so that the three sets of grid lines meet.
    steps = (0.2, 0.1, 0.15, 0.05, 0.02)
    step = next(s for s in steps if 3.9 < scale / s < 7.1 and abs(scale / s - round(scale / s)) < 1e-6)
    ticks = np.arange(1, round(scale / step)) * step / scale
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(3) / 2]])
    for t in ticks:
        for i in range(3):
            j, k = (i + 1) % 3, (i + 2) % 3
            line = np.array([t * corners[i] + (1 - t) * corners[j], t * corners[i] + (1 - t) * corners[k]])
            axes.plot(*line.T, color="#C4C4C4", lw=0.6, zorder=0)
    axes.plot(*corners[[0, 1, 2, 0]].T, color="black", lw=0.9, zorder=0)
    # Ticks of element i lie on the edge from the previous corner to its own, counter-clockwise.
    sides = ("right", "center", "left")
    offsets = np.array([[-0.025, 0.0], [0.0, -0.03], [0.025, 0.0]])
    for t in ticks:
        for i in range(3):
            at = t * corners[i] + (1 - t) * corners[i - 1] + offsets[i]
            axes.text(
                at[0],
                at[1],
                f"{low[i] + scale * t:.3g}",
                ha=sides[i],
                va="top" if i == 1 else "center",
                fontsize=8,
                color="#444444",
            )
    names = [
        f"{plain(e)}" + ("" if low[i] + scale > 0.999 else f" {low[i] + scale:.3g}")
        for i, e in enumerate(elements)
    ]
    axes.text(-0.02, -0.05, names[0], ha="right", va="top", weight="bold")
    axes.text(1.02, -0.05, names[1], ha="left", va="top", weight="bold")
    axes.text(0.5, np.sqrt(3) / 2 + 0.03, names[2], ha="center", va="bottom", weight="bold")
    edges = ((0.5, -0.12, 0, elements[1]), (0.9, 0.5, -60, elements[2]), (0.1, 0.5, 60, elements[0]))
    for x, y, angle, element in edges:
        axes.text(
            x, y, f"fraction of {plain(element)}", rotation=angle, ha="center", va="center", fontsize=8.5
        )
    axes.set_aspect("equal")
    axes.set_xlim(-0.15, 1.2)
    axes.set_ylim(-0.25, 0.95)
    axes.set_axis_off()
    return np.asarray(((composition - low) / scale) @ corners)


def _points(
    figure: Figure, axes: Axes, findings: xr.Dataset, points: NDArray[np.float64], quantity: str
) -> None:
    novel = is_novel(findings)
    raster = len(points) > RASTERISED_ABOVE
    handles: list[Artist] = []
    size = float(np.clip(9000 / max(len(points), 1), 4, 38))
    if quantity in CATEGORIES:
        labels, styles = text_of(findings, quantity), category_styles(findings, quantity)
        crossed = novel & (quantity != "verdict")
        for label, style in styles.items():
            mine = (labels == label) & ~crossed
            axes.scatter(
                points[mine, 0],
                points[mine, 1],
                c=style.colour,
                marker=style.marker,
                s=size,
                edgecolors="black",
                lw=0.4,
                rasterized=raster,
            )
            handles.append(class_handle(label, style))
        if crossed.any():
            hollow(axes, points[crossed], [styles.get(k, OTHER) for k in labels[crossed]], size)
            handles.append(novel_handle())
        if len(handles) > 9:
            legend_beside(axes, handles, quantity_label(findings, quantity))
        else:
            axes.legend(
                handles=handles,
                title=quantity_label(findings, quantity),
                loc="upper left",
                bbox_to_anchor=(0.74, 1.0),
            )
        return
    values = values_of(findings, quantity)
    drawn = axes.scatter(
        points[:, 0],
        points[:, 1],
        c=values,
        cmap=colours(quantity),
        norm=norm_of(values, quantity),
        s=size,
        edgecolors="#444444",
        lw=0.2,
        rasterized=raster,
    )
    figure.colorbar(drawn, ax=axes, label=quantity_label(findings, quantity), shrink=0.8)
    if novel.any():
        axes.scatter(
            points[novel, 0], points[novel, 1], marker="x", c="#D55E00", s=size, lw=0.9, rasterized=raster
        )
        handles = [Line2D([], [], ls="", marker="x", color="#D55E00", label="novel")]
        axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(0.74, 1.0))
