"""Best and typical spectra of an exploration: curves, loops or small images."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, PowerNorm
from matplotlib.figure import Figure

from nescio.view.exploration.reading import (
    Floats,
    best_measurements,
    column,
    coordinate_names,
    measured_of,
    minimised,
    number_text,
    numbers,
    output_label,
    output_number,
    outputs,
    place_text,
    typical_measurements,
    unit_of,
)
from nescio.view.style import MEASURED, new_figure, plain, say_empty, styled

__all__ = ["best_and_typical_spectra"]

_FEW = 16
"""A dimension without units counts repetitions if it has at most this many points."""
_LINES = 12
"""Most repetitions drawn individually."""
_LONGEST_TITLE = 30
"""Most characters in a line of a panel's title."""


@styled
def best_and_typical_spectra(explored: xr.Dataset, output: str | None = None, count: int = 3) -> Figure:
    """Draw the best spectra and those with values nearest to the median, each with its place and value.

    Curves are drawn in the order of measurement, so that a hysteresis loop appears as a loop; repetitions (sweeps) are
    thin lines and their mean is a thick line. Spectra with two axes are drawn as images on one colour scale.

    Args:
        explored: See `nescio.signals`.
        output: Name of the scalar that ranks the spectra; by default the first.
        count: Number of best and of typical spectra.

    Raises:
        MeasurementError: The output does not exist.
    """
    k = output_number(explored, output)
    best = best_measurements(explored, k, count)
    typical = typical_measurements(explored, k, count)
    if "spectrum" not in explored or not best:
        figure = new_figure(1.6)
        axes = figure.subplots()
        axes.set_axis_off()
        say_empty(
            axes, "no spectra were recorded" if "spectrum" not in explored else "no measurement has a value"
        )
        return figure
    form = _Form.of(explored)
    rows = 2 if typical else 1
    figure = new_figure(0.5 + (2.35 if form.image else 2.2) * rows, width=7.0)
    panels = figure.subplots(rows, count, sharex=True, sharey=True, squeeze=False)
    norm = _image_norm(form, [*best, *typical]) if form.image else None
    drawn = None
    first = "lowest" if minimised(explored, k) else "highest"
    for row, (chosen, kind) in enumerate(((best, first), (typical, "near the median"))[:rows]):
        for axes, i in zip(panels[row], chosen, strict=False):
            if norm is not None:
                drawn = _draw_image(axes, form, i, norm)
            else:
                _draw_lines(axes, form, i)
            axes.set_title(f"{kind}: {_title(explored, k, i)}", loc="left", fontsize=8)
        for axes in panels[row][len(chosen) :]:
            axes.set_axis_off()
        panels[row][0].set_ylabel(form.y_label)
    for across in panels.T:
        # Label only the lowest panel in use.
        for axes in [a for a in across if a.axison][-1:]:
            axes.set_xlabel(form.x_label)
            axes.tick_params(labelbottom=True)
    if drawn is not None:
        root = ", square-root scale" if isinstance(norm, PowerNorm) else ""
        figure.colorbar(drawn, ax=panels, label=form.value_label + root, shrink=0.7, aspect=30)
    elif form.note:
        figure.supxlabel(form.note, fontsize=8.5)
    return figure


class _Form(NamedTuple):
    """Spectra with their axes."""

    values: Floats
    """Shape (measurement, repetition, points), or (measurement, repetition, rows, columns)."""
    x: Floats
    """Shape (repetition, points), or for images the centres, shape (columns,)."""
    y: Floats
    """Shape (rows,); empty for curves."""
    x_label: str
    y_label: str
    value_label: str
    image: bool
    note: str

    @classmethod
    def of(cls, explored: xr.Dataset) -> _Form:
        spectrum = explored["spectrum"].transpose("measurement", ...)
        values = np.asarray(spectrum.values)
        quantity = str(spectrum.attrs.get("long_name", "spectrum"))
        if np.iscomplexobj(values):
            values, quantity = np.abs(values), f"magnitude of {quantity}"
        values = values.astype(np.float64)
        unit = str(spectrum.attrs.get("units", ""))
        value_label = f"{plain(quantity, 30)} ({plain(unit, 12)})" if unit else plain(quantity, 30)
        dims = [str(d) for d in spectrum.dims[1:]]
        sizes = dict(zip(dims, values.shape[1:], strict=True))
        if not dims:
            dims, sizes, values = ["point"], {"point": 1}, values[:, None]
        axes = _axes(spectrum, dims, sizes)[-2:]
        repeats = [d for d in dims if d not in axes]
        order = [0, *(1 + dims.index(d) for d in (*repeats, *axes))]
        values = values.transpose(order).reshape(len(values), -1, *(sizes[d] for d in axes))
        note = f"thin: each {plain(' and '.join(repeats), 30)}; thick: their mean" if repeats else ""
        x, x_label = _coordinate(spectrum, axes[-1], repeats, sizes)
        if len(axes) == 1:
            x = np.broadcast_to(x, (values.shape[1], x.shape[-1]))
            return cls(values, x, np.empty(0), x_label, value_label, value_label, image=False, note=note)
        y, y_label = _coordinate(spectrum, axes[0], [], sizes)
        return cls(
            values, x.reshape(-1, x.shape[-1])[0], y[0], x_label, y_label, value_label, image=True, note=""
        )


def _axes(spectrum: xr.DataArray, dims: list[str], sizes: dict[str, int]) -> list[str]:
    """Return the dimensions of the spectra; all others count repetitions."""
    for coordinate in spectrum.coords.values():
        own = [str(d) for d in coordinate.dims]
        if len(own) == 2 and set(own) <= set(dims) and coordinate.dtype.kind in "fiu":
            # An axis such as the bias, given for each repetition: it varies more along the axis.
            spread = [float(np.ptp(coordinate.values, axis=i).mean()) for i in (0, 1)]
            return [own[int(np.argmax(spread))]]
    real = [d for d in dims if d in spectrum.coords and spectrum[d].attrs.get("units")]
    large = [d for d in dims if sizes[d] > _FEW]
    chosen = [d for d in dims if d in large] or real
    return chosen or [max(dims, key=lambda d: sizes[d])]


def _coordinate(
    spectrum: xr.DataArray, axis: str, repeats: list[str], sizes: dict[str, int]
) -> tuple[Floats, str]:
    """Return the values along an axis, shape (1 or repetitions, points), and its label."""
    suitable = [
        c
        for c in spectrum.coords.values()
        if axis in c.dims and set(map(str, c.dims)) <= {axis, *repeats} and c.dtype.kind in "fiu"
    ]
    if not suitable:
        return np.arange(sizes[axis], dtype=float)[None], f"{plain(axis.replace('_', ' '), 24)} (points)"
    # Prefer a dimension's own coordinate, unless only another one has units.
    suitable.sort(key=lambda c: (not c.attrs.get("units"), c.name != axis))
    found = suitable[0]
    name = str(found.attrs.get("long_name", str(found.name).replace("_", " ")))
    unit = str(found.attrs.get("units", ""))
    label = f"{plain(name, 28)} ({plain(unit, 12)})" if unit else plain(name, 28)
    missing = [d for d in repeats if d not in found.dims]
    full = found.expand_dims({d: sizes[d] for d in missing}).transpose(*repeats, axis)
    return np.asarray(full.values, dtype=np.float64).reshape(-1, sizes[axis]), label


def _draw_lines(axes: Axes, form: _Form, i: int) -> None:
    curves = form.values[i]
    if not np.isfinite(curves).any():
        say_empty(axes, "no spectrum")
        return
    several = len(curves) > 1
    if several:
        for j in np.unique(np.linspace(0, len(curves) - 1, min(len(curves), _LINES)).astype(int)):
            axes.plot(form.x[j], curves[j], color="#56B4E9", lw=0.6)
    if not several or np.ptp(form.x, axis=0).max() <= 1e-6 * max(float(np.ptp(form.x)), 1e-300):
        axes.plot(form.x[0], _mean(curves), color=MEASURED, lw=1.2)
    axes.margins(x=0.03)


def _image_norm(form: _Form, chosen: list[int]) -> Normalize:
    """Return one scale for all images: a square root if a few points are much brighter than the rest."""
    finite = np.concatenate([_mean(form.values[i]).ravel() for i in chosen])
    finite = finite[np.isfinite(finite)]
    low, high = np.percentile(finite, [0.2, 99.9]) if finite.size else (0.0, 1.0)
    if low == high:
        high = low + 1.0
    if finite.size and finite.min() >= 0 and np.median(finite) < 0.05 * high:
        return PowerNorm(0.5, 0.0, float(high))
    return Normalize(float(low), float(high))


def _draw_image(axes: Axes, form: _Form, i: int, norm: Normalize) -> ScalarMappable:
    shown = np.ma.masked_invalid(_mean(form.values[i]))
    drawn = axes.pcolormesh(
        form.x, form.y, shown, cmap="viridis", norm=norm, shading="nearest", rasterized=True
    )
    if abs(np.ptp(form.x) / (np.ptp(form.y) or 1.0) - 1) < 0.5:
        axes.set_aspect("equal")
    return drawn


def _mean(repetitions: Floats) -> Floats:
    """Return the mean of the finite values over the first axis; NaN if there are none."""
    finite = np.isfinite(repetitions)
    number = finite.sum(axis=0)
    mean: Floats = np.where(finite, repetitions, 0.0).sum(axis=0) / np.maximum(number, 1)
    return np.where(number > 0, mean, np.nan)


def _title(explored: xr.Dataset, k: int, i: int) -> str:
    uncertainty = column(explored, "uncertainty", k)[i]
    place = measured_of(explored, numbers(explored, "position"))[i]
    unit = str(explored["position"].attrs.get("units", ""))
    where = plain(place_text(place, coordinate_names(explored), unit), 34)
    value = number_text(float(column(explored, "value", k)[i]), float(uncertainty))
    what = outputs(explored)[k] if len(output_label(explored, k, long=False)) < 24 else ""
    shown = f"{value} {plain(unit_of(explored, k), 12)}".strip()
    named = f"{plain(what, 16)} {shown}".strip()
    # Titles are side by side and must be short; the caption explains the number.
    shown = named if len(named) <= _LONGEST_TITLE else shown
    return f"measurement {i + 1}\n{shown}\n{where}"
