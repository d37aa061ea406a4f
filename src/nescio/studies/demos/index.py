"""The page that links the reports of the demonstration."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from nescio.files import file_content
from nescio.version import __version__

__all__ = ["write_demo_index"]


_LARGEST = 20_000_000
"""A picture, in bytes."""


class _Part(NamedTuple):
    """A report, where the chapter that writes it was run."""

    title: str
    line: str
    report: str
    picture: str
    description: str


_PARTS = (
    _Part(
        "Diffraction: a wafer with known and novel phases",
        "An agent trained on three phases classifies the patterns of a simulated wafer. The wafer also holds mixtures "
        "and a phase that the agent does not know; hatched positions are novel.",
        "report.html",
        "map.png",
        "Map of the wafer: the most probable phase at each position, novel positions hatched.",
    ),
    _Part(
        "Microscopy: where do hysteresis loops open widest?",
        "An experiment on a simulated ferroelectric film measures 5 % of the positions: the first at random, the "
        "others where its model promises most.",
        "microscope/report.html",
        "microscope/map.png",
        "Maps of the film: predicted loop area, its uncertainty, and where to measure next.",
    ),
    _Part(
        "X-ray absorption: a copper particle grows, then oxidises",
        "An agent trained on computed spectra of metal particles estimates numbers of neighbours in a simulated "
        "series, and marks spectra as novel once oxide is present.",
        "absorption/report.html",
        "absorption/series.png",
        "Numbers of neighbours with their intervals, and p-values, against time.",
    ),
    _Part(
        "X-ray absorption: measured platinum particles",
        "An agent trained on computed spectra estimates numbers of neighbours in measured particles on carbon.",
        "absorption/platinum/report.html",
        "absorption/platinum/series.png",
        "Numbers of neighbours with their intervals, and p-values, of each sample.",
    ),
)


def write_demo_index(folder: Path) -> Path:
    """Write a self-contained HTML page with a line, a picture and a link for each report in a folder.

    Args:
        folder: Where `nescio demo` wrote its chapters; chapters that were not run are left out.

    Returns:
        The path of the page, ``index.html``.

    Raises:
        FileError: A picture cannot be read, or the page cannot be written.
    """
    from nescio.view import Image, Link, Section, Text, write_report

    sections = []
    for part in _PARTS:
        if not (folder / part.report).is_file():
            continue
        picture = folder / part.picture
        shown = [Image(file_content(picture, _LARGEST), part.description)] if picture.is_file() else []
        sections.append(Section(part.title, [Text(part.line), Link("Open the report", part.report), *shown]))
    title = f"Nescio {__version__}: the demonstration"
    return write_report(folder / "index.html", title, sections, progress=False)
