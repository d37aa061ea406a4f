"""Parts shared by figures of an exploration: the survey image, maps of candidates, marks of measurements."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from nescio.view.exploration.reading import Floats, Plane, numbers, words
from nescio.view.style import RASTERISED_ABOVE, ClassStyle, plain

__all__ = [
    "BEST",
    "OFFERED",
    "Grid",
    "colours_of",
    "draw_image",
    "draw_map",
    "draw_measured",
    "frame",
    "image_extent",
    "origin_handles",
    "origin_styles",
    "ring_best",
]

OFFERED = "#BBBBBB"
"""Colour of candidates that were not measured."""
NOWHERE = "#E4E4E4"
"""Colour of places without a value."""
BEST = "#D55E00"
ORIGINS = {
    "seed": ClassStyle("#FFFFFF", "s"),
    "policy": ClassStyle("#56B4E9", "o"),
    "person": ClassStyle("#E69F00", "^"),
}
"""Marks by who chose a measurement: square, circle and triangle, readable in grey."""


class Grid(NamedTuple):
    """A rectangular grid of which the candidates fill at least half."""

    x_edges: Floats
    y_edges: Floats
    column: NDArray[np.intp]
    row: NDArray[np.intp]

    @classmethod
    def of(cls, plane: Plane) -> Grid | None:
        """Return the grid of the candidates, or None."""
        (xs, column), (ys, row) = (_distinct(v) for v in (plane.x, plane.y))
        if min(len(xs), len(ys)) < 2 or len(xs) * len(ys) > 2 * len(plane.x):
            return None
        return cls(_edges(xs), _edges(ys), column, row)

    def spread(self, values: Floats) -> Floats:
        """Return values of candidates as an array (rows, columns), NaN where there is no candidate."""
        filled = np.full((len(self.y_edges) - 1, len(self.x_edges) - 1), np.nan)
        filled[self.row, self.column] = values
        return filled


def _distinct(values: Floats) -> tuple[Floats, NDArray[np.intp]]:
    """Return the distinct values (equal within rounding errors), and the index of each value among them."""
    if not len(values):
        return np.empty(0), np.empty(0, dtype=np.intp)
    span = float(np.ptp(values)) or 1.0
    which = np.unique(np.round((values - values.min()) / span, 6), return_inverse=True)[1]
    return np.bincount(which, weights=values) / np.bincount(which), which


def _edges(centres: Floats) -> Floats:
    middle = (centres[1:] + centres[:-1]) / 2
    return np.concatenate([[2 * centres[0] - middle[0]], middle, [2 * centres[-1] - middle[-1]]])


def image_extent(explored: xr.Dataset) -> tuple[float, float, float, float]:
    """Return left, right, bottom and top of the image in its units; the first row is at the top."""
    ends = []
    for name in ("x", "y"):
        centres = numbers(explored, name)
        half = (centres[-1] - centres[0]) / max(len(centres) - 1, 1) / 2 or 0.5
        ends.append((float(centres[0] - half), float(centres[-1] + half)))
    (left, right), (top, bottom) = ends
    return left, right, bottom, top


def draw_image(axes: Axes, explored: xr.Dataset, channel: int = 0, *, faint: bool = False) -> ScalarMappable:
    """Draw a channel of the survey image in grey; pixels that are not finite stay white."""
    values = np.asarray(explored["image"].values[channel], dtype=np.float64)
    finite = values[np.isfinite(values)]
    low, high = np.percentile(finite, [0.5, 99.5]) if finite.size else (0.0, 1.0)
    if low == high:
        low, high = low - 0.5, high + 0.5
    drawn = axes.imshow(
        np.ma.masked_invalid(values),
        cmap="gray",
        norm=Normalize(low, high),
        extent=image_extent(explored),
        interpolation="antialiased",
        alpha=0.3 if faint else 1.0,
        zorder=0,
    )
    axes.set_aspect("equal")
    return drawn


def frame(axes: Axes, explored: xr.Dataset, plane: Plane, *, image: bool) -> None:
    """Set the limits, directions and labels of a map's axes."""
    if image:
        left, right, bottom, top = image_extent(explored)
        axes.set(xlim=(left, right), ylim=(bottom, top))
    elif "image" in explored and plane.same_scale:
        left, right, bottom, top = image_extent(explored)
        # Shared axes are framed one after another: invert only those that do not yet match the image.
        if axes.xaxis_inverted() != (left > right):
            axes.invert_xaxis()
        if axes.yaxis_inverted() != (bottom > top):
            axes.invert_yaxis()
    axes.set(xlabel=plane.x_label, ylabel=plane.y_label)
    if plane.same_scale:
        axes.set_aspect("equal")
    for side in ("top", "right"):
        axes.spines[side].set_visible(True)


def colours_of(name: str) -> Colormap:
    """Return a colour map with missing values in light grey."""
    return colormaps[name].with_extremes(bad=NOWHERE)


def draw_map(axes: Axes, plane: Plane, values: Floats, cmap: Colormap, norm: Normalize) -> ScalarMappable:
    """Draw values of candidates: as an image if they lie on a grid, otherwise as squares at their positions."""
    grid = Grid.of(plane)
    raster = len(values) > RASTERISED_ABOVE
    if grid is not None:
        shown = np.ma.masked_invalid(grid.spread(values))
        axes.set_facecolor(NOWHERE)
        return axes.pcolormesh(
            grid.x_edges, grid.y_edges, shown, cmap=cmap, norm=norm, rasterized=raster, zorder=1
        )
    missing = ~np.isfinite(values)
    size = float(np.clip(6000 / max(len(values), 1), 3, 40))
    axes.scatter(plane.x[missing], plane.y[missing], s=size / 2, c=NOWHERE, marker="s", lw=0, zorder=1)
    # Where places overlap, the highest value is drawn on top.
    order = np.argsort(values[~missing], kind="stable")
    return axes.scatter(
        plane.x[~missing][order],
        plane.y[~missing][order],
        c=values[~missing][order],
        s=size,
        marker="s",
        cmap=cmap,
        norm=norm,
        lw=0,
        rasterized=raster,
        zorder=2,
    )


def origin_styles(explored: xr.Dataset) -> dict[str, ClassStyle]:
    """Return the marks by who chose measurements; only those that occur."""
    present = dict.fromkeys(words(explored, "origin", "measurement"))
    known = {name: style for name, style in ORIGINS.items() if name in present}
    return known | {name: ClassStyle("#999999", "D") for name in present if name not in ORIGINS}


def origin_handles(explored: xr.Dataset, *, hollow: bool = False) -> list[Artist]:
    """Return legend entries for the marks; hollow if their colour shows a value instead."""
    return [
        Line2D(
            [],
            [],
            ls="",
            marker=style.marker,
            mfc="white" if hollow else style.colour,
            mec="black",
            mew=0.7,
            ms=5,
            label=plain(name or "measured"),
        )
        for name, style in origin_styles(explored).items()
    ]


def draw_measured(
    axes: Axes,
    x: Floats,
    y: Floats,
    explored: xr.Dataset,
    *,
    size: float,
    colours: Floats | None = None,
    halo: bool = False,
) -> None:
    """Draw a mark for each measurement, by who chose it.

    Args:
        axes: The axes to draw in.
        x: Shape (measurement,); values that are not finite are skipped.
        y: Shape (measurement,); values that are not finite are skipped.
        explored: The exploration, with ``origin``.
        size: Area of a mark in square points.
        colours: Shape (measurement, 4); by default the colour by who chose.
        halo: Whether marks have a white rim, so that dark marks are visible on a dark image.
    """
    origin = np.array(words(explored, "origin", "measurement"), dtype=object)
    rim = [withStroke(linewidth=1.9, foreground="white")] if halo else None
    for name, style in origin_styles(explored).items():
        mine = (origin == name) & np.isfinite(x) & np.isfinite(y)
        axes.scatter(
            x[mine],
            y[mine],
            s=size * (1.15 if style.marker == "^" else 0.9 if style.marker == "s" else 1.0),
            marker=style.marker,
            c=style.colour if colours is None else colours[mine],
            edgecolors="black",
            linewidths=0.6,
            path_effects=rim,
            zorder=4,
        )


def ring_best(axes: Axes, x: Floats, y: Floats, best: list[int], size: float) -> None:
    """Draw rings around the best measurements and number them by rank, with the numbers outside of their cluster.

    Args:
        axes: With its final limits.
        x: Shape (measurement,); values that are not finite are skipped.
        y: Shape (measurement,); values that are not finite are skipped.
        best: Indices of the measurements, best first.
        size: Area of the marks in square points.
    """
    ranked = [(rank, i) for rank, i in enumerate(best, 1) if np.isfinite(x[i]) and np.isfinite(y[i])]
    if not ranked:
        return
    places = np.array([[x[i], y[i]] for _, i in ranked])
    start = np.array([axes.get_xlim()[0], axes.get_ylim()[0]])
    across = np.array([axes.get_xlim()[1], axes.get_ylim()[1]]) - start
    for (rank, _), place, angle in zip(ranked, places, _spread_angles(places / across), strict=True):
        for colour, width in (("white", 2.6), (BEST, 1.4)):
            axes.plot(*place, "o", ms=np.sqrt(size) + 5, mfc="none", mec=colour, mew=width, zorder=5)
        reach = np.sqrt(size) / 2 + 15
        aside = np.array([np.cos(angle), np.sin(angle)])
        # Near an edge, point inwards: titles and labels are outside.
        beyond = (place - start) / across - 0.5
        aside = np.where(np.abs(beyond) > 0.42, -np.sign(beyond) * np.abs(aside), aside)
        axes.annotate(
            str(rank),
            (float(place[0]), float(place[1])),
            xytext=(reach * float(aside[0]), reach * float(aside[1])),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=8,
            weight="bold",
            bbox={"boxstyle": "round,pad=0.15", "fc": "white", "ec": BEST, "lw": 0.8},
            arrowprops={
                "arrowstyle": "-",
                "color": BEST,
                "lw": 0.8,
                "shrinkA": 0,
                "shrinkB": np.sqrt(size) / 2 + 2,
            },
            zorder=6,
        )


def _spread_angles(places: Floats) -> Floats:
    """Return directions away from the centre of places, shape (n, 2); at least 60 degrees apart if n <= 6."""
    away = places - places.mean(axis=0)
    angles = np.arctan2(away[:, 1], away[:, 0]) if len(places) > 1 else np.array([np.pi / 4])
    order = np.argsort(angles, kind="stable")
    apart = 2 * np.pi / max(len(places), 6)
    for before, after in pairwise(order):
        angles[after] = max(angles[after], angles[before] + apart)
    return angles
