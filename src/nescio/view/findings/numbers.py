"""Figures of estimated numbers: values with intervals, comparison with true values, saliency, structures."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle
from numpy.typing import ArrayLike, NDArray

from nescio.signals import NOVEL
from nescio.view.findings.patterns import signal_label
from nescio.view.findings.reading import (
    LatentPlane,
    axis_label,
    names_of,
    need,
    readable,
    signal_axis,
    text_of,
    values_of,
)
from nescio.view.style import MEASURED, MODEL, legend_beside, log_scale, new_figure, plain, say_empty, styled

__all__ = [
    "numbers_against_truth",
    "numbers_of_measurements",
    "quantity_label",
    "quantity_names",
    "saliency_curves",
    "signals_among_known",
    "structures_in_space",
    "training_space",
]

_TICKS = 24
_BLUE = "#0072B2"
_LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))


def quantity_names(findings: xr.Dataset) -> list[str]:
    """Return the names of the numbers."""
    need(findings, "value")
    return [str(name) for name in findings["quantity"].values]


def quantity_label(findings: xr.Dataset, number: int) -> str:
    """Return a quantity's name with its units."""
    name = quantity_names(findings)[number]
    units = str(findings["quantity_units"].values[number]) if "quantity_units" in findings.coords else "1"
    return name if units in ("", "1") else f"{name} ({units})"


@styled
def numbers_of_measurements(
    findings: xr.Dataset, along: str | None = None, reference: xr.Dataset | None = None
) -> Figure:
    """Draw all numbers of all measurements with their intervals, and the p-values; novel measurements are hollow.

    ``truth``, if present, is drawn as a dashed line. The thick bar is the calibrated interval; the thin bar also
    includes the systematic error.

    Args:
        findings: With ``value``, ``low``, ``high``, ``systematic``.
        along: Coordinate of the measurements for the horizontal axis, such as time; by default their order.
        reference: Known draws; numbers far outside their range are drawn as arrows at the edge.
    """
    need(findings, "value", "low", "high", "verdict")
    names, count = quantity_names(findings), findings.sizes["measurement"]
    x = np.arange(count, dtype=np.float64) if along is None else values_of(findings, along)
    novel = text_of(findings, "verdict") == NOVEL
    figure = new_figure(0.8 + 1.35 * (len(names) + 1))
    panels = figure.subplots(len(names) + 1, 1, sharex=True, squeeze=False)[:, 0]
    truth = values_of(findings, "truth") if "truth" in findings else None
    for number, axes in enumerate(panels[:-1]):
        value, low, high = (values_of(findings, name)[:, number] for name in ("value", "low", "high"))
        more = values_of(findings, "systematic")[:, number] if "systematic" in findings else 0.0 * value
        further = np.hypot(0.5 * (high - low), more)
        axes.vlines(x, value - further, value + further, color="#777777", lw=0.8)
        axes.vlines(x, low, high, color=_BLUE, lw=2.4, alpha=0.55)
        if truth is not None:
            axes.plot(x, truth[:, number], color="#009E73", lw=1.2, ls="--")
        axes.plot(x[~novel], value[~novel], ls="", marker="o", ms=4.5, color=MEASURED)
        axes.plot(x[novel], value[novel], ls="", marker="s", ms=4.5, mfc="white", mec=MODEL, mew=1.2)
        axes.set_ylabel(quantity_label(findings, number))
        if reference is not None:
            _cut(axes, values_of(reference, "truth")[:, number], x, value)
        if not np.isfinite(value).any():
            say_empty(axes, "no readable measurements")
    _p_values(panels[-1], findings, x, novel)
    _below(panels[-1], findings, along, x)
    true = [Line2D([], [], color="#009E73", lw=1.2, ls="--", label="true")] if truth is not None else []
    figure.legend(
        handles=[
            *true,
            Line2D([], [], ls="", marker="o", color=MEASURED, label="known"),
            Line2D([], [], ls="", marker="s", mfc="white", mec=MODEL, mew=1.2, label="novel: unreliable"),
            Line2D([], [], color=_BLUE, lw=2.4, alpha=0.55, label=_interval(findings)),
            Line2D([], [], color="#777777", lw=0.8, label="with systematic error"),
        ],
        loc="outside upper center",
        ncols=4 + len(true),
        columnspacing=1.2,
    )
    return figure


def _p_values(axes: Axes, findings: xr.Dataset, x: NDArray[np.float64], novel: NDArray[np.bool_]) -> None:
    p = values_of(findings, "p_value")
    axes.plot(x[~novel], p[~novel], ls="", marker="o", ms=4.5, color=MEASURED)
    axes.plot(x[novel], p[novel], ls="", marker="s", ms=4.5, mfc="white", mec=MODEL, mew=1.2)
    axes.set_ylabel("p-value")
    if np.isfinite(p).any():
        log_scale(axes)
    if "alpha" in findings.attrs:
        axes.axhline(float(findings.attrs["alpha"]), color="#777777", lw=0.8, ls=":")


def _cut(axes: Axes, known: NDArray[np.float64], x: NDArray[np.float64], value: NDArray[np.float64]) -> None:
    """Limit the axis to slightly more than the range of known numbers; draw arrows for values outside."""
    low, high = float(known.min()), float(known.max())
    spare = 0.35 * (high - low)
    bottom, top = low - spare, high + spare
    axes.set_ylim(bottom, top)
    for beyond, at, marker in ((value < bottom, bottom, "v"), (value > top, top, "^")):
        place = at + 0.06 * (top - bottom) * (1.0 if marker == "v" else -1.0)
        axes.plot(
            x[beyond], np.full(beyond.sum(), place), ls="", marker=marker, ms=5.5, mfc="white", mec=MODEL
        )


def _interval(findings: xr.Dataset) -> str:
    return f"{float(findings.attrs['level']):.0%} interval" if "level" in findings.attrs else "interval"


def _below(axes: Axes, findings: xr.Dataset, along: str | None, x: NDArray[np.float64]) -> None:
    if along is not None:
        axes.set_xlabel(axis_label(findings, along))
    elif len(x) <= _TICKS:
        labels = [plain(name, 28) for name in names_of(findings)]
        axes.set_xticks(x, labels, rotation=90 if len(x) > 4 else 0)
        axes.set_xlabel("measurement")
    else:
        axes.set_xlabel("measurement (in order)")


@styled
def signals_among_known(findings: xr.Dataset, reference: xr.Dataset | None = None) -> Figure:
    """Draw the prepared signals over the band of 98 % of known signals at each point; novel ones are dashed.

    Args:
        findings: Findings of measurements.
        reference: Known draws.
    """
    axis = signal_axis(findings)
    x, table = values_of(findings, axis), values_of(findings, "intensity")
    novel = text_of(findings, "verdict") == NOVEL
    figure = new_figure(3.6)
    axes = figure.subplots()
    handles = []
    if reference is not None:
        low, high = np.percentile(values_of(reference, "intensity"), [1.0, 99.0], axis=0)
        axes.fill_between(x, low, high, color="#CCCCCC", lw=0)
        handles.append(Line2D([], [], color="#CCCCCC", lw=6, label="98 % of known signals"))
    shown = np.flatnonzero(np.isfinite(table).all(axis=1))
    for order, i in enumerate(shown):
        shade = 0.15 + 0.55 * order / max(len(shown) - 1, 1)
        axes.plot(x, table[i], lw=0.9, color=MODEL if novel[i] else str(shade), ls="--" if novel[i] else "-")
    if not len(shown):
        say_empty(axes, "no readable measurements")
    handles += [
        Line2D([], [], color="0.15", label="known, first to last\n(dark to light)"),
        Line2D([], [], color=MODEL, ls="--", label="novel"),
    ]
    axes.set(xlabel=axis_label(findings, axis), ylabel=signal_label(findings))
    axes.margins(x=0)
    legend_beside(axes, handles)
    return figure


@styled
def training_space(findings: xr.Dataset, reference: xr.Dataset, number: int = 0) -> Figure:
    """Draw measurements and known draws on the principal plane of the autoencoder's latent space.

    Args:
        findings: Findings of measurements, with ``latent``.
        reference: Known draws, coloured by the true value of one quantity.
        number: Index of that quantity.
    """
    plane = LatentPlane.of(reference, findings)
    figure = new_figure(4.4)
    axes = figure.subplots()
    known = plane.place(values_of(reference, "latent"))
    colours = values_of(reference, "truth")[:, number]
    drawn = axes.scatter(known[:, 0], known[:, 1], c=colours, s=7, cmap="cividis", lw=0, alpha=0.7)
    figure.colorbar(drawn, ax=axes, label=f"{quantity_label(reference, number)} of known draws")
    seen = readable(findings)
    place = plane.place(values_of(findings, "latent"))
    novel = (text_of(findings, "verdict") == NOVEL) & seen
    usual = seen & ~novel
    axes.scatter(
        place[usual, 0], place[usual, 1], s=34, c="white", edgecolors="black", lw=1.0, label="measured, known"
    )
    axes.scatter(
        place[novel, 0], place[novel, 1], s=34, marker="s", c="white", edgecolors=MODEL, lw=1.2, label="novel"
    )
    axes.set(xlabel=plane.labels[0], ylabel=plane.labels[1])
    axes.legend(loc="best", frameon=True)
    return figure


@styled
def numbers_against_truth(reference: xr.Dataset) -> Figure:
    """Draw estimated against true numbers of known draws.

    Args:
        reference: With ``value`` and ``truth``.
    """
    names = quantity_names(reference)
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    figure = new_figure(0.3 + 2.3 * rows)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    value, truth = values_of(reference, "value"), values_of(reference, "truth")
    low, high = values_of(reference, "low"), values_of(reference, "high")
    for number, axes in enumerate(panels):
        if number >= len(names):
            axes.remove()
            continue
        ends = np.array([truth[:, number].min(), truth[:, number].max()])
        axes.plot(ends, ends, color=MODEL, lw=1.0, ls="--")
        axes.plot(truth[:, number], value[:, number], ls="", marker=".", ms=3, color=MEASURED, alpha=0.4)
        off = float(np.mean(np.abs(value[:, number] - truth[:, number])))
        held = np.mean((truth[:, number] >= low[:, number]) & (truth[:, number] <= high[:, number]))
        axes.set_title(f"mean |error| {off:.2g}, {held:.0%} in interval", fontsize=7.5)
        axes.set(xlabel=f"true {quantity_label(reference, number)}", ylabel="estimated")
    return figure


@styled
def saliency_curves(saliency: xr.DataArray) -> Figure:
    """Draw the saliency of each point of the signal for each number, in units of its mean.

    Args:
        saliency: Shape (quantity, points).
    """
    axis = str(saliency.dims[-1])
    figure = new_figure(3.2)
    axes = figure.subplots()
    x = np.asarray(saliency[axis].values, np.float64)
    for number, name in enumerate(saliency["quantity"].values):
        curve = np.asarray(saliency.values[number], np.float64)
        style = _LINES[number % len(_LINES)]
        shade = str(0.6 * number / max(saliency.shape[0] - 1, 1))
        axes.plot(
            x, curve / max(float(curve.mean()), 1e-30), ls=style, color=shade, lw=1.2, label=plain(name)
        )
    units = saliency[axis].attrs.get("units", "")
    words = str(saliency[axis].attrs.get("long_name", axis))
    axes.set(xlabel=f"{words} ({units})" if units else words, ylabel="saliency (in units of its mean)")
    axes.margins(x=0)
    axes.legend(ncols=2)
    return figure


@styled
def structures_in_space(structures: Sequence[tuple[str, ArrayLike]], columns: int = 4) -> Figure:
    """Draw structures in three dimensions; nearer atoms are darker.

    Args:
        structures: Name and atom positions in angstrom, shape (atoms, 3), of each structure.
        columns: Number of structures in a row.
    """
    rows = max(-(-len(structures) // columns), 1)
    figure = new_figure(2.3 * rows)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for number, axes in enumerate(panels):
        if number >= len(structures):
            axes.axis("off")
            if not structures and number == 0:
                say_empty(axes, "no known structure fits")
            continue
        name, positions = structures[number]
        _atoms(axes, np.asarray(positions, np.float64))
        axes.set_title("\n".join(wrap(plain(name, 60), 24)), fontsize=7.5)
    return figure


def _atoms(axes: Axes, positions: NDArray[np.float64]) -> None:
    # An oblique view shows the faces.
    turn, tilt = np.deg2rad(25.0), np.deg2rad(-65.0)
    about_z = np.array(
        [[np.cos(turn), -np.sin(turn), 0.0], [np.sin(turn), np.cos(turn), 0.0], [0.0, 0.0, 1.0]]
    )
    about_x = np.array(
        [[1.0, 0.0, 0.0], [0.0, np.cos(tilt), -np.sin(tilt)], [0.0, np.sin(tilt), np.cos(tilt)]]
    )
    place = (positions - positions.mean(axis=0)) @ (about_x @ about_z).T
    nearest = _radius(positions)
    reach = float(np.abs(place[:, :2]).max()) + 1.3 * nearest
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    axes.axis("off")
    depth = place[:, 2]
    shade = 0.35 + 0.6 * (depth.max() - depth) / max(float(np.ptp(depth)), 1e-9)
    for i in np.argsort(depth):
        axes.add_patch(
            Circle((place[i, 0], place[i, 1]), nearest, fc=str(shade[i]), ec="black", lw=0.35, zorder=2 + i)
        )
    length = _nice(reach)
    axes.plot([-reach, -reach + length], [-0.98 * reach] * 2, color="black", lw=1.5, zorder=10_000)
    axes.text(
        -reach + 0.5 * length, -0.93 * reach, f"{length:g} Å", ha="center", va="bottom", fontsize=7, zorder=10_000
    )  # fmt: skip


def _radius(positions: NDArray[np.float64]) -> float:
    """Return half the smallest interatomic distance in angstrom."""
    if len(positions) < 2:
        return 1.0
    first = positions[: min(len(positions), 50)]
    apart = np.linalg.norm(first[:, None] - positions[None], axis=2)
    return 0.5 * float(apart[apart > 1e-6].min())


def _nice(reach: float) -> float:
    return next(length for length in (20.0, 10.0, 5.0, 2.0, 1.0) if length <= reach or length == 1.0)
