"""Maps of the last model of an exploration: prediction, uncertainty and acquisition."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from nescio.view.exploration.marks import Grid, colours_of, draw_image, draw_map, draw_measured, frame
from nescio.view.exploration.reading import (
    Floats,
    Plane,
    best_measurements,
    column,
    coordinate_label,
    coordinate_names,
    measured_candidates,
    measured_of,
    numbers,
    on_image,
    output_label,
    output_number,
    unit_of,
    usable,
)
from nescio.view.style import MEASURED, RASTERISED_ABOVE, new_figure, plain, say_empty, scalar_norm, styled

__all__ = ["predicted_maps"]


class _Quantity(NamedTuple):
    title: str
    label: str
    values: Floats | None
    norm: Normalize
    colours: Colormap
    missing: str


@styled
def predicted_maps(explored: xr.Dataset, output: str | None = None) -> Figure:
    """Draw the prediction, the uncertainty and the acquisition of the last model, side by side.

    Candidates on a grid are drawn as an image, others as squares at their positions. With one coordinate, curves are
    drawn, with a band of two standard deviations; with three or more that do not sum to a constant, parallel
    coordinates.

    Args:
        explored: See `nescio.signals`.
        output: Name of the scalar; by default the first.

    Raises:
        MeasurementError: The output does not exist.
    """
    k = output_number(explored, output)
    quantities = _quantities(explored, k)
    plane, positions = Plane.of(explored), numbers(explored, "position")
    if plane is None:
        return _curves(explored, k, quantities)
    total = positions.sum(axis=1)
    free = positions.shape[1] - bool(np.ptp(total) <= 1e-3 * np.abs(total).max() > 0)
    if free > 2 and not on_image(explored):
        return _parallel(explored, k, quantities)
    return _maps(explored, k, plane, quantities)


def _quantities(explored: xr.Dataset, k: int) -> list[_Quantity]:
    of = output_label(explored, k, long=False)
    mean, sd = (_of_candidates(explored, name, k) for name in ("mean", "sd"))
    value = column(explored, "value", k)[usable(explored, k)]
    both = np.concatenate([value, np.empty(0) if mean is None else mean])
    acquisition = _of_candidates(explored, "acquisition", k)
    return [
        _Quantity(
            "predicted value",
            of,
            mean,
            scalar_norm(both, log=False),
            colours_of("viridis"),
            "no model was fitted",
        ),
        _Quantity(
            "uncertainty",
            "one sd" + (f" ({unit})" if (unit := plain(unit_of(explored, k), 24)) else ""),
            sd,
            scalar_norm(np.empty(0) if sd is None else sd, log=False),
            colours_of("magma"),
            "no model was fitted",
        ),
        _Quantity(
            "acquisition",
            "acquisition",
            acquisition,
            _upper_norm(acquisition),
            colours_of("cividis"),
            "no policy ranked\nthe candidates",
        ),
    ]


def _of_candidates(explored: xr.Dataset, name: str, k: int) -> Floats | None:
    if name not in explored:
        return None
    values = numbers(explored, name)
    values = values if values.ndim == 1 else values[:, min(k, values.shape[1] - 1)]
    return values if np.isfinite(values).any() else None


def _upper_norm(values: Floats | None) -> Normalize:
    """Return a scale over the upper part of the values, since a logarithm of improvement has no lower limit."""
    finite = np.empty(0) if values is None else values[np.isfinite(values)]
    if len(finite) < 3:
        return scalar_norm(finite, log=False)
    low, middle, high = np.quantile(finite, [0.0, 0.5, 1.0])
    return scalar_norm(np.array([max(low, high - 3 * (high - middle)), high]), log=False)


def _next(explored: xr.Dataset, k: int) -> int | None:
    """Return the candidate with the largest acquisition."""
    values = _of_candidates(explored, "acquisition", k)
    return None if values is None else int(np.nanargmax(values))


def _maps(explored: xr.Dataset, k: int, plane: Plane, quantities: list[_Quantity]) -> Figure:
    over_image = on_image(explored)
    on_grid = Grid.of(plane) is not None
    ratio = float(np.ptp(plane.y) / (np.ptp(plane.x) or 1.0)) if plane.same_scale else 1.0
    wide = ratio < 0.4
    ratio = float(np.clip(ratio, 0.15, 2.2))
    figure = new_figure(3 * (5.0 * ratio + 0.75) + 0.6 if wide else 1.55 + 2.1 * ratio)
    shape = (3, 1) if wide else (1, 3)
    panels = figure.subplots(*shape, sharex=True, sharey=True).ravel()
    x, y = measured_of(explored, np.stack([plane.x, plane.y], axis=1)).T
    chosen = _next(explored, k)
    for i, (axes, quantity) in enumerate(zip(panels, quantities, strict=True)):
        if over_image and not on_grid:
            draw_image(axes, explored, faint=True)
        if quantity.values is None:
            axes.scatter(plane.x, plane.y, s=0)
            say_empty(axes, quantity.missing)
        else:
            drawn = draw_map(axes, plane, quantity.values, quantity.colours, quantity.norm)
            finite = quantity.values[np.isfinite(quantity.values)]
            bar = figure.colorbar(
                drawn,
                ax=axes,
                location="right" if wide else "bottom",
                aspect=12 if wide else 22,
                label=quantity.label,
                extend="min" if (finite < (quantity.norm.vmin or 0.0) - 1e-12).any() else "neither",
            )
            (bar.ax.yaxis if wide else bar.ax.xaxis).set_major_locator(MaxNLocator(4))
        if i < 2 and quantity.values is not None:
            _dots(axes, explored, k, x, y, quantity if i == 0 else None)
        if chosen is not None:
            axes.plot(
                plane.x[chosen], plane.y[chosen], "*", ms=11, mfc="white", mec="black", mew=0.9, zorder=6
            )
        axes.set_title(quantity.title, loc="left")
        frame(axes, explored, plane, image=over_image and not on_grid)
        if (i < 2) if wide else i:
            (axes.set_xlabel if wide else axes.set_ylabel)("")
    handles = [Line2D([], [], ls="", marker="o", mfc="#999999", mec="black", mew=0.6, ms=4, label="measured")]
    if chosen is not None:
        handles.append(
            Line2D([], [], ls="", marker="*", mfc="white", mec="black", ms=10, label="next candidate")
        )
    figure.legend(handles=handles, loc="outside upper center", ncols=2)
    if plane.note:
        figure.supxlabel(f"{plane.note} are shown", fontsize=8.5)
    return figure


def _dots(axes: Axes, explored: xr.Dataset, k: int, x: Floats, y: Floats, quantity: _Quantity | None) -> None:
    """Mark the measured places, coloured by value if a quantity with its colour scale is given."""
    size = float(np.clip(1500 / max(len(x), 1), 4, 16))
    good = usable(explored, k)
    if quantity is None:
        axes.scatter(x, y, s=0.6 * size, c="#999999", edgecolors="black", linewidths=0.4, zorder=4)
        return
    axes.scatter(
        x[good],
        y[good],
        s=size,
        c=column(explored, "value", k)[good],
        cmap=quantity.colours,
        norm=quantity.norm,
        edgecolors="black",
        linewidths=0.6,
        zorder=4,
    )


def _curves(explored: xr.Dataset, k: int, quantities: list[_Quantity]) -> Figure:
    positions = numbers(explored, "position")[:, 0]
    order = np.argsort(positions, kind="stable")
    x = positions[order]
    mean, sd = quantities[0].values, quantities[1].values
    figure = new_figure(5.4)
    panels = figure.subplots(3, 1, sharex=True, height_ratios=(2, 1, 1))
    for axes, quantity, colour in zip(panels, quantities, ("#0072B2", "#009E73", "#555555"), strict=True):
        if quantity.values is None:
            say_empty(axes, quantity.missing)
        else:
            axes.plot(x, quantity.values[order], color=colour)
        axes.set_ylabel(quantity.label)
        axes.set_title(quantity.title, loc="left")
    low, high = quantities[2].norm.vmin or 0.0, quantities[2].norm.vmax or 0.0
    if high > low:
        panels[2].set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))
    if mean is not None and sd is not None:
        below, above = (mean - 2 * sd)[order], (mean + 2 * sd)[order]
        panels[0].fill_between(
            x, below, above, color="#0072B2", alpha=0.2, lw=0, label="two standard deviations"
        )
    measured_x = measured_of(explored, positions)
    draw_measured(panels[0], measured_x, column(explored, "value", k), explored, size=22)
    chosen = _next(explored, k)
    if chosen is not None:
        panels[2].axvline(positions[chosen], color="black", lw=0.8, ls="--")
        panels[2].set_title("acquisition (dashed: next candidate)", loc="left")
    if panels[0].get_legend_handles_labels()[0]:
        panels[0].legend(loc="best")
    panels[-1].set_xlabel(coordinate_label(explored, coordinate_names(explored)[0]))
    return figure


def _parallel(explored: xr.Dataset, k: int, quantities: list[_Quantity]) -> Figure:
    """Draw each candidate as a line across all coordinates; the best measurements are black."""
    names, positions = coordinate_names(explored), numbers(explored, "position")
    low, span = positions.min(axis=0), np.ptp(positions, axis=0)
    share = (positions - low) / np.where(span > 0, span, 1.0)
    across = np.arange(len(names))
    figure = new_figure(6.6)
    panels = figure.subplots(3, 1, sharex=True, sharey=True)
    best = measured_candidates(explored)[best_measurements(explored, k)]
    for axes, quantity in zip(panels, quantities, strict=True):
        if quantity.values is None:
            say_empty(axes, quantity.missing)
        else:
            shown = np.flatnonzero(np.isfinite(quantity.values))
            shown = shown[np.argsort(quantity.values[shown], kind="stable")]
            lines = LineCollection(
                [np.column_stack([across, row]) for row in share[shown]],
                array=quantity.values[shown],
                cmap=quantity.colours,
                norm=quantity.norm,
                linewidths=0.8,
                # Thousands of lines overlap, so lines with lower values are more transparent.
                alpha=np.linspace(0.1, 1.0, len(shown)) ** 3 if len(shown) > 50 else 0.9,
                rasterized=len(share) > RASTERISED_ABOVE // 5,
            )
            axes.add_collection(lines)
            scale = ScalarMappable(quantity.norm, quantity.colours)
            figure.colorbar(scale, ax=axes, label=quantity.label)
        for row in share[best[best >= 0]]:
            axes.plot(across, row, color=MEASURED, lw=1.3, marker="o", ms=3)
        axes.set(xlim=(-0.05, len(names) - 0.95), ylim=(-0.04, 1.04), ylabel="share of the range")
        axes.set_title(quantity.title, loc="left")
        for place in across:
            axes.axvline(place, color="#999999", lw=0.6, zorder=0)
    panels[0].set_title("predicted value (black: best measurements)", loc="left")
    ends = [f"{plain(n, 14)}\n{a:.3g} to {a + s:.3g}" for n, a, s in zip(names, low, span, strict=True)]
    panels[-1].set_xticks(across, ends)
    unit = str(explored["position"].attrs.get("units", ""))
    panels[-1].set_xlabel(f"coordinate ({plain(unit, 16)})" if unit else "coordinate")
    return figure
