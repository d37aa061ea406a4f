"""Style of all figures: sizes, colours that remain distinct in grey and for colour-blind readers, safe text."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any, NamedTuple, ParamSpec

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogFormatterSciNotation
from numpy.typing import NDArray

__all__ = [
    "MEASURED",
    "MODEL",
    "OTHER",
    "RASTERISED_ABOVE",
    "UNCOVERED",
    "ClassStyle",
    "class_handle",
    "class_styles",
    "figure_png",
    "hollow",
    "legend_beside",
    "log_scale",
    "new_figure",
    "novel_handle",
    "plain",
    "say_empty",
    "scalar_norm",
    "styled",
]

WIDTH = 7.0
"""Width of a figure in a report, in inches."""
RASTERISED_ABOVE = 5000
"""Maps with more points than this are rasterised, to keep vector files small."""
_LONGEST_LEGEND = 14
MEASURED, MODEL, UNCOVERED = "#222222", "#D55E00", "#DDDDDD"

# Okabe and Ito (2008), Color Universal Design, without yellow, which is hard to see on white. 7 colours and 12 markers
# give 84 distinct classes.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#555555")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "*")
_RC: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.formatter.use_mathtext": True,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "lines.linewidth": 1.0,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "hatch.linewidth": 0.7,
    "figure.constrained_layout.use": False,
    "text.usetex": False,
    "svg.hashsalt": "nescio",
}

_P = ParamSpec("_P")


class ClassStyle(NamedTuple):
    """Colour and marker of a class, the same in all figures of a dataset."""

    colour: str
    marker: str


OTHER = ClassStyle("#999999", "o")
"""Style of measurements without a class."""


def styled(draw: Callable[_P, Figure]) -> Callable[_P, Figure]:
    """Decorate a drawing function so that it uses this package's style and ignores the user's Matplotlib settings."""

    @wraps(draw)
    def drawn(*args: _P.args, **kwargs: _P.kwargs) -> Figure:
        with mpl.rc_context():
            mpl.rcdefaults()
            mpl.rcParams.update(_RC)
            return draw(*args, **kwargs)

    return drawn


def new_figure(height: float, width: float = WIDTH) -> Figure:
    """Return an empty figure (size in inches) that is independent of pyplot and of any window."""
    figure = _NotebookFigure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


class _NotebookFigure(Figure):
    """A figure that a notebook shows without pyplot."""

    def _repr_png_(self) -> bytes:
        return figure_png(self, dpi=100)


def figure_png(figure: Figure, dpi: int = 150) -> bytes:
    """Return a figure as a PNG file."""
    stream = io.BytesIO()
    with warnings.catch_warnings():
        # File names may contain characters that the font lacks; they are drawn as boxes.
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        figure.savefig(stream, format="png", dpi=dpi, metadata={"Software": None})
    return stream.getvalue()


def plain(text: object, longest: int = 48) -> str:
    """Return text for Matplotlib: formulas escaped, control characters replaced, long text shortened in the middle."""
    shown = "".join(c if c.isprintable() else "?" for c in str(text))
    if len(shown) > longest:
        head = (longest - 1) // 2
        shown = f"{shown[:head]}…{shown[len(shown) - (longest - 1 - head) :]}"
    # Matplotlib leaves labels that begin with an underscore out of legends.
    return shown.replace("$", r"\$") if not shown.startswith("_") else " " + shown.replace("$", r"\$")


def class_styles(labels: Iterable[str]) -> dict[str, ClassStyle]:
    """Return the colour and marker of each class, in the given order."""
    return {
        label: ClassStyle(_COLOURS[i % len(_COLOURS)], _MARKERS[i % len(_MARKERS)])
        for i, label in enumerate(dict.fromkeys(labels))
    }


def class_handle(label: str, style: ClassStyle, size: float = 6) -> Line2D:
    """Return the legend entry of a class."""
    return Line2D(
        [],
        [],
        ls="",
        marker=style.marker,
        color=style.colour,
        mec="black",
        mew=0.4,
        ms=size,
        label=plain(label),
    )


def hollow(axes: Axes, points: NDArray[np.float64], styles: Sequence[ClassStyle], size: float) -> None:
    """Draw novel points: an outline in the colour of the class, with a cross.

    Args:
        axes: The axes to draw in.
        points: Shape (n, 2).
        styles: Style of each point's class.
        size: Marker area in square points.
    """
    for style in dict.fromkeys(styles):
        x, y = points[[s == style for s in styles]].T
        axes.scatter(x, y, s=size, marker=style.marker, facecolors="white", edgecolors=style.colour, lw=0.9)
    axes.scatter(points[:, 0], points[:, 1], s=0.75 * size, marker="x", c="black", lw=1.0)


def novel_handle() -> Line2D:
    """Return the legend entry for points drawn by :func:`hollow`."""
    return Line2D([], [], ls="", marker="x", color="black", label="outline, cross: novel")


def log_scale(axes: Axes) -> None:
    """Make a vertical axis logarithmic, with readable labels."""
    axes.set_yscale("log")
    axes.yaxis.set_minor_formatter(LogFormatterSciNotation(labelOnlyBase=False, minor_thresholds=(1.2, 0.5)))


def legend_beside(axes: Axes, handles: Sequence[Artist], title: str | None = None) -> None:
    """Place a legend to the right of the axes, or below them if it is long (the figure is then made taller)."""
    if not handles:
        return
    if len(handles) <= _LONGEST_LEGEND:
        axes.legend(
            handles=handles, title=title, loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0
        )
        return
    figure = axes.get_figure(root=True)
    if figure is not None:
        widest = max(len(str(handle.get_label())) for handle in handles)
        columns = max(1, min(5, 85 // (widest + 6)))
        figure.set_figheight(figure.get_figheight() + 0.4 + 0.19 * -(-len(handles) // columns))
        figure.legend(handles=handles, title=title, loc="outside lower center", ncols=columns)


def scalar_norm(values: NDArray[np.float64], *, log: bool) -> Normalize:
    """Return a colour scale for the finite values; if `log`, a logarithmic one for the positive values."""
    finite = values[np.isfinite(values)]
    if log:
        finite = finite[finite > 0]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.1, 1.0)
    if low == high:
        low, high = (low / 2, high * 2) if log else (low - 0.5, high + 0.5)
    return LogNorm(low, high) if log else Normalize(low, high)


def say_empty(axes: Axes, text: str) -> None:
    """Write a message in the middle of empty axes."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color="#555555")
