"""Measured places of an exploration, by order and by value, over the survey image."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from nescio.errors import MeasurementError
from nescio.view.exploration.marks import (
    BEST,
    OFFERED,
    colours_of,
    draw_image,
    draw_measured,
    frame,
    image_extent,
    origin_handles,
    ring_best,
)
from nescio.view.exploration.reading import (
    Floats,
    Plane,
    best_measurements,
    column,
    coordinate_label,
    coordinate_names,
    measured_of,
    minimised,
    numbers,
    on_image,
    output_label,
    output_number,
    usable,
    words,
)
from nescio.view.style import new_figure, plain, say_empty, scalar_norm, styled

__all__ = ["measured_places", "survey_image"]


@styled
def survey_image(explored: xr.Dataset) -> Figure:
    """Draw every channel of the survey image, each with its own scale."""
    if "image" not in explored:
        figure = new_figure(2.0)
        axes = figure.subplots()
        axes.set_axis_off()
        say_empty(axes, "this experiment has no survey image")
        return figure
    names = words(explored, "channel", "channel")
    units = words(explored, "channel_units", "channel")
    left, right, bottom, top = image_extent(explored)
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    ratio = float(np.clip(abs((top - bottom) / (right - left)), 0.2, 2.0))
    width = 7.0 if columns > 1 else 3.6
    figure = new_figure(rows * (width / columns * 0.78 * ratio + 1.05), width=width)
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    unit = {name: str(explored[name].attrs.get("units", "pixel")) for name in ("y", "x")}
    for i, axes in enumerate(panels):
        if i >= len(names):
            axes.remove()
            continue
        drawn = draw_image(axes, explored, i)
        label = (
            f"{plain(names[i] or i, 30)} ({plain(units[i], 12)})" if units[i] else plain(names[i] or i, 30)
        )
        bar = figure.colorbar(
            drawn, ax=axes, location="bottom", shrink=0.9, aspect=25, extend="both", label=label
        )
        bar.ax.xaxis.set_major_locator(MaxNLocator(4))
        axes.set_xlabel(f"x ({plain(unit['x'], 12)})")
        axes.tick_params(labelbottom=True)
        if i % columns == 0:
            axes.set_ylabel(f"y ({plain(unit['y'], 12)})")
    return figure


@styled
def measured_places(explored: xr.Dataset, output: str | None = None, channel: str | None = None) -> Figure:
    """Draw the measured places twice: by order, joined by the path, and by measured value, with the best ringed.

    They are drawn over the survey image if there is one, else among the candidates, or along their only coordinate.

    Args:
        explored: See `nescio.signals`.
        output: Name of the scalar; by default the first.
        channel: Channel of the image; by default the first.

    Raises:
        MeasurementError: The output or the channel does not exist.
    """
    k = output_number(explored, output)
    count = explored.sizes["measurement"]
    plane, over_image = Plane.of(explored), on_image(explored)
    figure = new_figure(_height(explored, plane, over_image))
    left, right = figure.subplots(1, 2, sharex=True, sharey=plane is not None)
    order = np.arange(1, count + 1, dtype=float)
    value = column(explored, "value", k)
    if plane is None:
        x = measured_of(explored, numbers(explored, "position"))[:, 0]
        y_order, y_value = order, value
    else:
        x, y = measured_of(explored, np.stack([plane.x, plane.y], axis=1)).T
        y_order = y_value = y
    size = float(np.clip(3000 / max(count, 1), 9, 34))
    for axes in (left, right):
        if plane is None:
            axes.set_xlabel(coordinate_label(explored, coordinate_names(explored)[0]))
        elif over_image:
            draw_image(axes, explored, _channel(explored, channel))
        else:
            axes.scatter(plane.x, plane.y, s=4, c=OFFERED, lw=0, zorder=0)
        if not count:
            say_empty(axes, "nothing was measured")
        elif not np.isfinite(x).any():
            say_empty(axes, "no measurement belongs to a candidate")
    _path(left, x, y_order, over_image)
    order_norm = Normalize(1, max(count, 2))
    order_colours = colours_of("cividis")
    draw_measured(
        left, x, y_order, explored, size=size, colours=order_colours(order_norm(order)), halo=over_image
    )
    good = usable(explored, k)
    value_norm = scalar_norm(value[good], log=False)
    value_colours = colours_of("viridis")
    shown_x = np.where(good, x, np.nan)
    draw_measured(
        right,
        shown_x,
        y_value,
        explored,
        size=size,
        colours=value_colours(value_norm(value)),
        halo=over_image,
    )
    right.scatter(x[~good], y_value[~good], marker="x", c="white", s=0.8 * size, lw=2.4, zorder=4)
    right.scatter(x[~good], y_value[~good], marker="x", c="black", s=0.8 * size, lw=1.1, zorder=4)
    best = best_measurements(explored, k)
    for axes, norm, cmap, label in (
        (left, order_norm, order_colours, "number of the measurement"),
        (right, value_norm, value_colours, output_label(explored, k)),
    ):
        scale = ScalarMappable(norm, cmap)
        bar = figure.colorbar(scale, ax=axes, location="bottom", shrink=0.9, aspect=28, label=label)
        bar.ax.xaxis.set_major_locator(MaxNLocator(5, integer=axes is left, steps=[1, 2, 2.5, 5, 10]))
    left.set_title(
        "order of measurement" + (f"; {plane.note}" if plane is not None and plane.note else ""), loc="left"
    )
    right.set_title(
        f"measured value (ringed: {'lowest' if minimised(explored, k) else 'highest'})", loc="left"
    )
    if plane is None:
        left.set_ylabel("number of the measurement")
        right.set_ylabel(output_label(explored, k))
        # Leave room for the rank numbers.
        right.margins(x=0.1, y=0.15)
    else:
        for axes in (left, right):
            frame(axes, explored, plane, image=over_image)
        right.set_ylabel("")
    ring_best(right, x, y_value, best, size)
    handles = origin_handles(explored, hollow=True)
    if (~good).any():
        handles.append(Line2D([], [], ls="", marker="x", color="black", ms=5, label="no value, or rejected"))
    if best:
        handles.append(
            Line2D([], [], ls="", marker="o", mfc="none", mec=BEST, mew=1.4, ms=8, label="best, by rank")
        )
    if handles:
        figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
    return figure


def _height(explored: xr.Dataset, plane: Plane | None, over_image: bool) -> float:
    """Return the figure height that keeps the proportions of two maps side by side."""
    if plane is None or not plane.same_scale:
        return 4.0
    if over_image:
        left, right, bottom, top = image_extent(explored)
        ratio = abs((top - bottom) / (right - left))
    else:
        ratio = float(np.ptp(plane.y) / (np.ptp(plane.x) or 1.0))
    return 1.75 + 2.95 * float(np.clip(ratio, 0.2, 2.0))


def _channel(explored: xr.Dataset, channel: str | None) -> int:
    names = words(explored, "channel", "channel")
    if channel is None:
        return 0
    if channel not in names:
        raise MeasurementError(f"no channel {channel!r}; the image has {', '.join(names)}")
    return names.index(channel)


def _path(axes: Axes, x: Floats, y: Floats, over_image: bool) -> None:
    """Join the measurements in order by a thin line."""
    known = np.isfinite(x) & np.isfinite(y)
    points: NDArray[np.float64] = np.stack([x[known], y[known]], axis=1)
    if len(points) < 2:
        return
    pieces = np.stack([points[:-1], points[1:]], axis=1)
    # A long path is drawn fainter, so that the points remain visible.
    strength = float(np.clip(60 / len(points), 0.25, 0.9))
    if over_image:
        axes.add_collection(
            LineCollection(list(pieces), colors="black", linewidths=1.5, alpha=strength, zorder=2)
        )
    colour = "white" if over_image else "#555555"
    axes.add_collection(LineCollection(list(pieces), colors=colour, linewidths=0.7, alpha=strength, zorder=3))
