"""Maps of a scalar or a class over the sample: positions on a wafer, and compositions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.colors import Colormap, Normalize, to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from numpy.typing import NDArray

from nescio.errors import MeasurementError
from nescio.signals import KNOWN, NOVEL, UNREADABLE
from nescio.view.reading import VERDICTS, class_names, need, quantity_label, text_of, values_of
from nescio.view.style import (
    RASTERISED_ABOVE,
    ClassStyle,
    class_handle,
    class_styles,
    legend_beside,
    new_figure,
    plain,
    say_empty,
    scalar_norm,
    styled,
)

__all__ = ["composition_map", "wafer_map"]

_CATEGORIES = ("label", "verdict", "truth", "group")
_LOGARITHMIC = ("reconstruction_error", "p_value")
_HATCH = "/////"
_VERDICT_STYLES = {
    KNOWN: ClassStyle("#BFD9EC", "o"),
    NOVEL: ClassStyle("#D55E00", "X"),
    UNREADABLE: ClassStyle("#FFFFFF", "s"),
}


@styled
def wafer_map(findings: xr.Dataset, quantity: str = "label") -> Figure:
    """Draw a quantity where it was measured on the sample; novel measurements are hatched.

    Args:
        findings: With ``x_mm`` and ``y_mm``.
        quantity: "label", "verdict", or any number a measurement (error, p-value, novelty).

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
    novel = _is_novel(findings)
    if quantity in _CATEGORIES:
        labels, styles = text_of(findings, quantity), _styles(findings, quantity)
        unknown = ClassStyle("#FFFFFF", "")
        patches.set_facecolor(
            [to_rgba(styles.get(k, unknown).colour, 0.55 if quantity == "label" else 1.0) for k in labels]
        )
        patches.set_edgecolor("#888888")
        patches.set_linewidth(0.3)
        handles += _category_marks(axes, x, y, size, labels, styles, novel)
    else:
        values = values_of(findings, quantity)
        patches.set(array=values, cmap=_colours(quantity), norm=_norm(values, quantity))
        patches.set_edgecolor("#888888")
        patches.set_linewidth(0.2)
        figure.colorbar(patches, ax=axes, label=quantity_label(findings, quantity), shrink=0.85)
    if novel.any() and quantity != "verdict":
        hatched = PatchCollection(
            [squares[i] for i in np.flatnonzero(novel)],
            facecolor="none",
            edgecolor="black" if quantity in _CATEGORIES else "white",
            linewidths=0,
            hatch=_HATCH if quantity in _CATEGORIES else "///",
            rasterized=len(x) > RASTERISED_ABOVE,
        )
        axes.add_collection(hatched)
        if quantity in _CATEGORIES:
            handles.append(Patch(facecolor="white", edgecolor="black", lw=0.5, hatch=_HATCH, label="novel"))
    axes.set_xlabel("x (mm)")
    axes.set_ylabel("y (mm)")
    if quantity in _CATEGORIES:
        legend_beside(axes, handles, quantity_label(findings, quantity))
    else:
        axes.set_title(f"{int(novel.sum()):,} of {len(x):,} measurements novel (hatched)")
    if not len(x):
        say_empty(axes, "no positions to show")
    return figure


@styled
def composition_map(findings: xr.Dataset, quantity: str = "label") -> Figure:
    """Draw a quantity over composition: a line for two elements, a ternary diagram for three.

    Elements that never occur are left out. With more than three, the three that vary most are drawn, as fractions of
    their sum, and the axis title says so. A ternary diagram of a small range shows that range only.

    Args:
        findings: With ``composition`` (measurement, element).
        quantity: "label", "verdict", or any number a measurement.

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
        _binary(axes, findings, composition, elements, quantity)
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
        note = f"fractions of the three elements that vary most; left out: {', '.join(elements[i] for i in left)}"
    return composition[:, kept], [elements[i] for i in kept], note


def _binary(
    axes: Axes,
    findings: xr.Dataset,
    composition: NDArray[np.float64],
    elements: Sequence[str],
    quantity: str,
) -> None:
    x, novel = composition[:, 1], _is_novel(findings)
    if quantity in _CATEGORIES:
        labels, styles = text_of(findings, quantity), _styles(findings, quantity)
        y = np.array([list(styles).index(k) if k in styles else -1 for k in labels], dtype=float)
        for k, style in enumerate(styles.values()):
            axes.scatter(
                x[y == k], y[y == k], marker=style.marker, c=style.colour, edgecolors="black", lw=0.4, s=28
            )
        axes.set_yticks(range(len(styles)), [plain(s, 24) for s in styles])
        axes.set_ylim(len(styles) - 0.5, -0.5)
        axes.grid(axis="y", color="#DDDDDD", lw=0.6)
        axes.set_axisbelow(True)
    else:
        y = values_of(findings, quantity)
        axes.scatter(x, y, c="#0072B2", s=18, edgecolors="black", lw=0.3)
        if quantity in _LOGARITHMIC and np.any(y > 0):
            axes.set_yscale("log")
    axes.scatter(x[novel], y[novel], marker="x", c="black", s=34, lw=1.1, label="novel")
    axes.set_xlabel(f"fraction of {elements[1]} in {elements[0]}–{elements[1]}")
    axes.set_ylabel(quantity_label(findings, quantity))
    legend_beside(
        axes, [Line2D([], [], ls="", marker="x", color="black", label="novel")] if novel.any() else []
    )


def _ternary_frame(
    axes: Axes, composition: NDArray[np.float64], elements: Sequence[str]
) -> NDArray[np.float64]:
    """Draw the triangle, its grid and its names; return where the compositions lie in it, shape (n, 2)."""
    low = np.floor(composition.min(axis=0) * 10 + 1e-9) / 10 if len(composition) else np.zeros(3)
    scale = 1 - low.sum()
    if scale < 0.05:
        low, scale = np.zeros(3), 1.0
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(3) / 2]])
    for t in np.linspace(0, 1, 6)[1:-1]:
        for i in range(3):
            j, k = (i + 1) % 3, (i + 2) % 3
            line = np.array([t * corners[i] + (1 - t) * corners[j], t * corners[i] + (1 - t) * corners[k]])
            axes.plot(*line.T, color="#C4C4C4", lw=0.6, zorder=0)
    axes.plot(*corners[[0, 1, 2, 0]].T, color="black", lw=0.9, zorder=0)
    # Ticks of element i along the edge that leads to its corner from the corner before it, counter-clockwise.
    sides = ("right", "center", "left")
    offsets = np.array([[-0.025, 0.0], [0.0, -0.03], [0.025, 0.0]])
    for t in np.linspace(0, 1, 6)[1:-1]:
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
    axes.set_xlim(-0.15, 1.15)
    axes.set_ylim(-0.27, 1.0)
    axes.set_axis_off()
    return np.asarray(((composition - low) / scale) @ corners)


def _points(
    figure: Figure, axes: Axes, findings: xr.Dataset, points: NDArray[np.float64], quantity: str
) -> None:
    novel = _is_novel(findings)
    raster = len(points) > RASTERISED_ABOVE
    handles: list[Artist] = []
    size = float(np.clip(9000 / max(len(points), 1), 4, 38))
    if quantity in _CATEGORIES:
        labels, styles = text_of(findings, quantity), _styles(findings, quantity)
        for label, style in styles.items():
            axes.scatter(
                points[labels == label, 0],
                points[labels == label, 1],
                c=style.colour,
                marker=style.marker,
                s=size,
                edgecolors="black",
                lw=0.4,
                rasterized=raster,
            )
            handles.append(class_handle(label, style))
    else:
        values = values_of(findings, quantity)
        drawn = axes.scatter(
            points[:, 0],
            points[:, 1],
            c=values,
            cmap=_colours(quantity),
            norm=_norm(values, quantity),
            s=size,
            edgecolors="#444444",
            lw=0.2,
            rasterized=raster,
        )
        figure.colorbar(drawn, ax=axes, label=quantity_label(findings, quantity), shrink=0.8)
    if quantity != "verdict" and novel.any():
        colour = "black" if quantity in _CATEGORIES else "#D55E00"
        axes.scatter(
            points[novel, 0], points[novel, 1], marker="x", c=colour, s=size, lw=0.9, rasterized=raster
        )
        handles.append(Line2D([], [], ls="", marker="x", color=colour, label="novel"))
    if quantity in _CATEGORIES:
        legend_beside(axes, handles, quantity_label(findings, quantity))
    elif handles:
        axes.legend(handles=handles, loc="upper left")


def _category_marks(
    axes: Axes,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    size: tuple[float, float],
    labels: NDArray[np.object_],
    styles: dict[str, ClassStyle],
    novel: NDArray[np.bool_],
) -> list[Artist]:
    """Put each class's marker in its squares, so that the map reads without colours; return legend entries."""
    extent = max(np.ptp(axes.get_xlim()), np.ptp(axes.get_ylim()))
    points_across = 0.42 * 72 * 4.2 * min(size) / extent
    handles: list[Artist] = []
    for label, style in styles.items():
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


def _styles(findings: xr.Dataset, quantity: str) -> dict[str, ClassStyle]:
    if quantity == "verdict":
        present = set(text_of(findings, quantity))
        return {v: _VERDICT_STYLES[v] for v in VERDICTS if v in present}
    if quantity == "group":
        return class_styles(text_of(findings, quantity))
    return class_styles(class_names(findings))


def _is_novel(findings: xr.Dataset) -> NDArray[np.bool_]:
    if "verdict" not in findings:
        return np.zeros(findings.sizes["measurement"], dtype=bool)
    return np.asarray(text_of(findings, "verdict") == NOVEL)


def _colours(quantity: str) -> Colormap:
    """Return a colour map in which darker is stranger: large errors and scores, small p-values."""
    return colormaps["cividis" if quantity in ("p_value", "probability") else "cividis_r"].with_extremes(
        bad="white"
    )


def _norm(values: NDArray[np.float64], quantity: str) -> Normalize:
    return scalar_norm(values, log=quantity in _LOGARITHMIC)


def _limits(values: NDArray[np.float64], size: float) -> tuple[float, float]:
    if not len(values):
        return -1.0, 1.0
    return float(values.min() - 0.8 * size), float(values.max() + 0.8 * size)


def _spacing(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    """Return width and height in mm of the area a measurement stands for: a grid's steps, or the nearest neighbour."""
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
