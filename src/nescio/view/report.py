"""Reports as self-contained HTML files: no script, font or picture is loaded from outside."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import TypeAlias
from urllib.parse import quote

from matplotlib.figure import Figure

from nescio.files import write_atomically
from nescio.progress import Advance, track
from nescio.signals import notes_of
from nescio.view.style import figure_png

__all__ = [
    "Block",
    "Cards",
    "Details",
    "Image",
    "Link",
    "Picture",
    "Section",
    "Table",
    "Text",
    "notes_section",
    "write_report",
]


@dataclass(frozen=True)
class Text:
    """A paragraph, optionally introduced by a lead in bold."""

    text: str
    lead: str = ""


@dataclass(frozen=True)
class Cards:
    """Key numbers, each as name and text."""

    numbers: Mapping[str, str]


@dataclass(frozen=True)
class Picture:
    """A figure with a caption and a description (alternative text for screen readers)."""

    figure: Figure
    caption: str
    description: str


@dataclass(frozen=True)
class Table:
    """Rows of cells with a header; a cell is text, or (text, number to sort by)."""

    header: Sequence[str]
    rows: Sequence[Sequence[str | tuple[str, float]]]
    caption: str
    interactive: bool = False
    """Whether the table can be sorted (click on a header) and filtered; without scripts it is a plain table."""
    kinds: int | None = None
    """Index of the column that offers a filter list and sets the colour of each row."""


@dataclass(frozen=True)
class Details:
    """Names and values, one pair a row; long text keeps its line breaks."""

    values: Mapping[str, str]


@dataclass(frozen=True)
class Image:
    """A finished picture with a description (alternative text for screen readers)."""

    png: bytes
    """Content of a PNG file."""
    description: str


@dataclass(frozen=True)
class Link:
    """A link to a file in the folder of the report, such as another report."""

    text: str
    file: str
    """Relative path, with "/" between folders."""


Block: TypeAlias = Text | Cards | Picture | Table | Details | Image | Link


@dataclass(frozen=True)
class Section:
    """A heading and its blocks."""

    title: str
    blocks: Sequence[Block]


def notes_section(source: object) -> list[Section]:
    """Return a section with the notes of a dataset (:func:`nescio.signals.notes_of`), or none where it has none."""
    notes = notes_of(source)
    return [Section("Notes on how the files were read", [Text(note) for note in notes])] if notes else []


def write_report(
    path: str | Path, title: str, sections: Sequence[Section], *, progress: bool | None = None
) -> Path:
    """Write one self-contained HTML file; all text is escaped.

    Args:
        path: The HTML file; its folder is created if needed.
        title: Heading of the report.
        sections: The sections, in order.
        progress: Show a progress bar; by default where standard error is a terminal.

    Returns:
        The path.

    Raises:
        FileError: The file cannot be written.
    """
    template = Template((files("nescio.view") / "report.html").read_text(encoding="utf-8"))
    with track("writing the report", sum(len(s.blocks) for s in sections), enabled=progress) as tell:
        document = template.substitute(
            title=_text(title),
            contents="".join(
                f'<li><a href="#s{i}">{_text(s.title)}</a></li>' for i, s in enumerate(sections)
            ),
            body="\n".join(_section(i, section, tell) for i, section in enumerate(sections)),
        )
    return write_atomically(Path(path), document)


def _section(number: int, section: Section, tell: Advance) -> str:
    blocks = ""
    for block in section.blocks:
        blocks += _RENDER[type(block)](block) + "\n"
        tell(1)
    return f'<section id="s{number}"><h2>{_text(section.title)}</h2>\n{blocks}</section>'


def _paragraph(block: Text) -> str:
    lead = f"<strong>{_text(block.lead)}:</strong> " if block.lead else ""
    return f"<p>{lead}{_text(block.text)}</p>"


def _cards(block: Cards) -> str:
    cards = "".join(
        f'<div class="card"><dt>{_text(name)}</dt><dd>{_text(number)}</dd></div>'
        for name, number in block.numbers.items()
    )
    return f'<dl class="cards">{cards}</dl>'


def _picture(block: Picture) -> str:
    width, height = (round(96 * float(v)) for v in block.figure.get_size_inches())
    data = base64.b64encode(figure_png(block.figure)).decode("ascii")
    return (
        f'<figure><img src="data:image/png;base64,{data}" width="{width}" height="{height}" '
        f'alt="{_text(block.description)}"><figcaption>{_text(block.caption)}</figcaption></figure>'
    )


def _image(block: Image) -> str:
    data = base64.b64encode(block.png).decode("ascii")
    return f'<figure><img src="data:image/png;base64,{data}" alt="{_text(block.description)}"></figure>'


def _link(block: Link) -> str:
    return f'<p><a href="./{_text(quote(block.file))}">{_text(block.text)}</a></p>'


def _table(block: Table) -> str:
    head = "".join(f'<th scope="col">{_text(name)}</th>' for name in block.header)
    rows = "".join(_row(row, block.kinds) for row in block.rows)
    picked = "" if block.kinds is None else f' data-kinds="{block.kinds}"'
    interactive = f' class="interactive"{picked}' if block.interactive else ""
    return (
        f'<div class="scroll"><table{interactive}><caption>{_text(block.caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _row(row: Sequence[str | tuple[str, float]], kinds: int | None) -> str:
    cells = "".join(
        f"<td>{_text(cell)}</td>"
        if isinstance(cell, str)
        else f'<td class="number" data-value="{cell[1]!r}">{_text(cell[0])}</td>'
        for cell in row
    )
    kind = "" if kinds is None or not isinstance(row[kinds], str) else f' data-kind="{_text(row[kinds])}"'
    return f"<tr{kind}>{cells}</tr>"


def _details(block: Details) -> str:
    rows = "".join(
        f'<tr><th scope="row">{_text(name)}</th><td><pre>{_text(value)}</pre></td></tr>'
        for name, value in block.values.items()
    )
    return f'<div class="scroll"><table class="details"><tbody>{rows}</tbody></table></div>'


def _text(text: object) -> str:
    """Return text escaped for HTML; control characters become question marks."""
    shown = "".join(c if c.isprintable() or c in "\n\t" else "?" for c in str(text))
    return escape(shown, quote=True)


_RENDER: Mapping[type, Callable[..., str]] = {
    Text: _paragraph,
    Cards: _cards,
    Picture: _picture,
    Table: _table,
    Details: _details,
    Image: _image,
    Link: _link,
}
