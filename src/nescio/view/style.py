"""How every figure looks: sizes, colours that survive grey and colour blindness, text that came from files."""

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
"""Inches; the width of a figure in a report."""
RASTERISED_ABOVE = 5000
"""Maps with more points than this hold them as pixels, or a vector file of them would never open."""
_LONGEST_LEGEND = 14
MEASURED, MODEL, UNCOVERED = "#222222", "#D55E00", "#DDDDDD"

# Okabe and Ito (2008), Color Universal Design, without the yellow that vanishes on white. Its 7 colours against 12
# markers: 84 classes before a pair comes back.
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
    """Colour and marker of one class, the same in every figure of a dataset."""

    colour: str
    marker: str


OTHER = ClassStyle("#999999", "o")
"""Of a measurement without any class."""


def styled(draw: Callable[_P, Figure]) -> Callable[_P, Figure]:
    """Draw a figure in this package's style, whatever the user's own Matplotlib settings are."""

    @wraps(draw)
    def drawn(*args: _P.args, **kwargs: _P.kwargs) -> Figure:
        with mpl.rc_context():
            mpl.rcdefaults()
            mpl.rcParams.update(_RC)
            return draw(*args, **kwargs)

    return drawn


def new_figure(height: float, width: float = WIDTH) -> Figure:
    """Return an empty figure, size in inches, that belongs to no window and no global state."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def figure_png(figure: Figure, dpi: int = 150) -> bytes:
    """Return a figure as a PNG file."""
    stream = io.BytesIO()
    with warnings.catch_warnings():
        # A file may be named in a script the font does not hold; a box in a title is no reason to stop.
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        figure.savefig(stream, format="png", dpi=dpi, metadata={"Software": None})
    return stream.getvalue()


def plain(text: object, longest: int = 48) -> str:
    """Return text that Matplotlib draws as it stands: no formulas, no control characters, shortened in the middle."""
    shown = "".join(c if c.isprintable() else "?" for c in str(text))
    if len(shown) > longest:
        head = (longest - 1) // 2
        shown = f"{shown[:head]}…{shown[len(shown) - (longest - 1 - head) :]}"
    # Legends leave out what starts with an underscore.
    return shown.replace("$", r"\$") if not shown.startswith("_") else " " + shown.replace("$", r"\$")


def class_styles(labels: Iterable[str]) -> dict[str, ClassStyle]:
    """Return colour and marker for each class, in the order given."""
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
    """Draw points as novel: the class is only an outline, with a cross through it.

    Args:
        axes: Where to.
        points: Shape (n, 2).
        styles: Class of each.
        size: Marker area in square points.
    """
    for style in dict.fromkeys(styles):
        x, y = points[[s == style for s in styles]].T
        axes.scatter(x, y, s=size, marker=style.marker, facecolors="white", edgecolors=style.colour, lw=0.9)
    axes.scatter(points[:, 0], points[:, 1], s=0.75 * size, marker="x", c="black", lw=1.0)


def novel_handle() -> Line2D:
    """Return the legend entry of what :func:`hollow` draws."""
    return Line2D([], [], ls="", marker="x", color="black", label="outline, cross: novel")


def log_scale(axes: Axes) -> None:
    """Make a vertical axis logarithmic, its labels no closer than can be read."""
    axes.set_yscale("log")
    axes.yaxis.set_minor_formatter(LogFormatterSciNotation(labelOnlyBase=False, minor_thresholds=(1.2, 0.5)))


def legend_beside(axes: Axes, handles: Sequence[Artist], title: str | None = None) -> None:
    """Put a legend to the right of an axes, where it hides no point; a long one below it, and the figure grows."""
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
    """Return a colour scale over the finite values; logarithmic over the positive ones if asked."""
    finite = values[np.isfinite(values)]
    if log:
        finite = finite[finite > 0]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.1, 1.0)
    if low == high:
        low, high = (low / 2, high * 2) if log else (low - 0.5, high + 0.5)
    return LogNorm(low, high) if log else Normalize(low, high)


def say_empty(axes: Axes, text: str) -> None:
    """Write in the middle of an axes why it is empty."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color="#555555")
