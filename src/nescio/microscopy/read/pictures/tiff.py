"""Fields of TIFF files in all number formats, with the pixel size from metadata of ImageJ or OME.

Pillow decodes the formats that it supports exactly; tifffile (extra ``tiff``) decodes the others in a separate process.
"""

from __future__ import annotations

import io
import math
import warnings
from typing import Any, NamedTuple, NoReturn

import numpy as np
import numpy.typing as npt

from nescio.errors import FileError, MissingExtraError, NescioError
from nescio.files import CrashError, Source, TimeLimitError, answer_apart, one_line
from nescio.microscopy.read.fields import (
    MAX_VALUES,
    Axis,
    Field,
    colour_field,
    grey_of,
    luminance_of,
    pillow_reason,
)
from nescio.microscopy.read.pictures.tiff_scale import described_scale

__all__ = ["tiff_fields"]

_MOST_PAGES = 1000
_MOST_TAGS = 100_000
_SECONDS = 10.0
_UNSIGNED, _SIGNED, _FLOAT = 1, 2, 3
_FORMATS = {
    _UNSIGNED: "unsigned integers",
    _SIGNED: "signed integers",
    _FLOAT: "floating-point numbers",
    5: "complex integers",
    6: "complex numbers",
}
_EXACT = {(1, 1), (1, 8), (1, 12), (1, 16), (2, 8), (2, 16), (1, 32), (2, 32), (3, 32)}
"""Formats and bits of grey images that Pillow decodes exactly, some of them with another type."""
_RETYPED: dict[tuple[int, int], tuple[np.dtype[Any], np.dtype[Any]]] = {
    (2, 8): (np.dtype(np.uint8), np.dtype(np.int8)),
    (1, 32): (np.dtype(np.int32), np.dtype(np.uint32)),
}
_COLOURS = (2, 3, 5, 6, 8)
_INVERTED = 0
_PLANES = 2
# Bytes of memory for a pixel during decoding and conversion.
_COLOURED = 24


class _Page(NamedTuple):
    """Properties of a page from its tags."""

    number: int
    shape: tuple[int, int]
    bits: tuple[int, ...]
    format: int
    photometric: int
    planar: int
    compression: int
    description: str
    resolution: tuple[float, float]
    """Pixels per unit along y and x; NaN if not stated."""

    @property
    def kind(self) -> str:
        """Description of the numbers of a pixel."""
        each = f"{self.bits[0]}-bit {_FORMATS.get(self.format, 'numbers of an unknown kind')}"
        return each if len(self.bits) == 1 else f"{len(self.bits)} {each}"

    @property
    def size(self) -> int:
        """Number of values in the page."""
        return math.prod(self.shape) * len(self.bits)


def tiff_fields(source: Source) -> list[Field]:
    """Return the pages of a TIFF; if all pages have the same size and type, also a stack named "pages".

    Args:
        source: The file.

    Raises:
        FileError: The file is damaged or too large.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pages = _pages(source)
    except NescioError:
        raise
    except Exception as error:  # Pillow raises many types of errors on damaged tags
        raise FileError(f"{source.name}: is not a readable TIFF ({one_line(error)})") from None
    if not pages:
        raise FileError(f"{source.name}: is not a readable TIFF (it has no page)")
    first = pages[0]
    axes, names, note = described_scale(source, first.description, first.resolution, first.shape, len(pages))
    called = ["image"] if len(pages) == 1 else [f"page {number}" for number in range(1, len(pages) + 1)]
    fields = [_field(source, page, name, axes) for page, name in zip(pages, called, strict=True)]
    if note:
        fields = [field.with_notes(note) for field in fields]
    alike = {(page.shape, page.bits, page.format) for page in pages}
    if len(pages) > 1 and len(alike) == 1 and not any(field.colour for field in fields):
        fields.append(_stack(source, fields, axes, names))
    return fields


def _pages(source: Source) -> list[_Page]:
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    content = source.content
    stream = io.BytesIO(content)
    big = content[2:3] == b"+" or content[3:4] == b"+"
    header = content[: 16 if big else 8]
    place = ImageFileDirectory_v2(header).next
    pages: list[_Page] = []
    seen: set[int] = set()
    while place:
        if place in seen or place >= len(content):
            raise FileError(f"{source.name}: is damaged; its pages do not end")
        if len(seen) >= _MOST_PAGES:
            raise FileError(f"{source.name}: has more than {_MOST_PAGES} pages")
        seen.add(place)
        tags = ImageFileDirectory_v2(header)
        stream.seek(place)
        tags.load(stream)
        # Thumbnails are separate pages.
        if not int(_first(tags, 254, 0)) & 1:
            pages.append(_page(source, tags, len(seen) - 1))
        place = tags.next
    return pages


def _page(source: Source, tags: Any, number: int) -> _Page:
    shape = (int(_first(tags, 257, 0)), int(_first(tags, 256, 0)))
    if not 0 < math.prod(shape) <= MAX_VALUES:
        raise FileError(f"{source.name}: has {math.prod(shape):,} pixels; needs 1 to {MAX_VALUES:,}")
    samples = int(_first(tags, 277, 1))
    bits = tuple(int(one) for one in _all(tags, 258, (1,)))
    bits = bits if len(bits) == samples else bits[:1] * min(samples, 100)
    return _Page(
        number,
        shape,
        bits,
        int(_first(tags, 339, _UNSIGNED)),
        int(_first(tags, 262, 1)),
        int(_first(tags, 284, 1)),
        int(_first(tags, 259, 1)),
        _description(tags),
        (_ratio(tags, 283), _ratio(tags, 282)),
    )


def _description(tags: Any) -> str:
    """Return the description; Pillow decodes it as Latin-1, but programs write UTF-8."""
    text = str(tags.get(270, ""))
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def _all(tags: Any, tag: int, default: tuple[Any, ...]) -> tuple[Any, ...]:
    value = tags.get(tag, default)
    return value if isinstance(value, tuple) else (value,)


def _first(tags: Any, tag: int, default: Any) -> Any:
    return (_all(tags, tag, (default,)) or (default,))[0]


def _ratio(tags: Any, tag: int) -> float:
    value = _first(tags, tag, None)
    try:
        return float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return float("nan")


def _field(source: Source, page: _Page, name: str, axes: tuple[Axis, Axis]) -> Field:
    colours = len(page.bits) > 1 or page.photometric in _COLOURS
    if colours and not (len(page.bits) > 1 and page.photometric not in _COLOURS):
        return _coloured(source, page, name, axes)

    def read() -> npt.NDArray[np.generic]:
        if len(page.bits) > 1:
            raise FileError(
                f"{source.name}: {name} has {page.kind} in each pixel; save one of them as a separate image"
            )
        return _grey(source, page, name)

    return Field(name, page.shape, _dtype(page), axes, read, budget=source.budget)


def _dtype(page: _Page) -> np.dtype[Any]:
    letter = {_SIGNED: "i", _FLOAT: "f"}.get(page.format, "u")
    size = next((size for size in (1, 2, 4, 8) if page.bits[0] <= 8 * size), 8)
    return np.dtype(f"{letter}{max(size, 2) if letter == 'f' else size}")


def _coloured(source: Source, page: _Page, name: str, axes: tuple[Axis, Axis]) -> Field:
    """Return a colour page; grey images in a colour format are returned as grey."""
    if set(page.bits) != {8} and len(page.bits) > 1:
        # Pillow would reduce them to 8 bits.
        return Field(
            name,
            page.shape,
            np.dtype(np.float32),
            axes,
            lambda: _deep_colours(source, page, name),
            budget=source.budget,
            colour=True,
        )
    source.spend(_COLOURED * math.prod(page.shape), name)
    try:
        colours = _by_pillow(source, page, "RGBA")
    except Exception as error:  # Pillow raises many types of errors on damaged files
        problem = f"{source.name}: {name} is not a readable picture ({pillow_reason(error)})"
        return Field(name, page.shape, np.dtype(np.uint8), axes, lambda: _refused(problem))
    grey = grey_of(source.path, colours)
    if grey is not None:
        return Field(name, page.shape, grey.dtype, axes, lambda: grey, budget=source.budget)
    return colour_field(name, (*page.shape, 4), lambda: colours, source.budget, axes)


def _refused(problem: str) -> NoReturn:
    raise FileError(problem)


def _deep_colours(source: Source, page: _Page, name: str) -> npt.NDArray[np.generic]:
    """Return the luminance of a colour page with more than 8 bits, or the grey values if all colours are equal."""
    values = _by_tifffile(source, page, name)
    if page.planar == _PLANES:
        values = np.moveaxis(values, 0, -1)
    if values.ndim != 3 or values.shape[2] < 3:
        raise FileError(f"{source.name}: {name} has {page.kind} in each pixel, which are not colours")
    red, green, blue = (values[..., index] for index in range(3))
    return red if (red == green).all() and (green == blue).all() else luminance_of(values)


def _grey(source: Source, page: _Page, name: str) -> npt.NDArray[np.generic]:
    """Return the values of a page with one sample for each pixel."""
    key = (page.format, page.bits[0])
    source.spend(8 * page.size, name)
    if key in _EXACT and not (page.photometric == _INVERTED and page.bits[0] > 1):
        try:
            values = _by_pillow(source, page)
        except Exception:  # tifffile supports more formats
            return _by_tifffile(source, page, name)
        before, after = _RETYPED.get(key, (values.dtype, values.dtype))
        return values.view(after) if values.dtype == before and before != after else values
    return _by_tifffile(source, page, name)


def _by_pillow(source: Source, page: _Page, mode: str = "") -> npt.NDArray[Any]:
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(io.BytesIO(source.content), formats=("TIFF",)) as picture:
            picture.seek(page.number)
            return np.asarray(picture.convert(mode) if mode else picture)


def _by_tifffile(source: Source, page: _Page, name: str) -> npt.NDArray[np.generic]:
    from importlib.util import find_spec

    if page.format not in (_UNSIGNED, _SIGNED, _FLOAT):
        raise FileError(
            f"{source.name}: {name} contains {page.kind}; save real numbers, as 32-bit floating point"
        )
    if find_spec("tifffile") is None:
        raise MissingExtraError(
            f"{source.name}: {name} contains {page.kind}; pip install nescio[tiff], or save it as 32-bit "
            "floating-point or 16-bit unsigned numbers"
        )
    try:
        answer, data = answer_apart(
            "nescio.microscopy.read.pictures.tiff_worker",
            {"page": page.number, "most": 8 * page.size},
            source.content,
            seconds=_SECONDS,
            memory=source.budget.limit,
        )
    except (CrashError, TimeLimitError):
        raise FileError(f"{source.name}: is damaged; {name} could not be read") from None
    if "problem" in answer:
        raise FileError(
            f"{source.name}: {name} ({page.kind}) cannot be read ({answer['problem']}); save it uncompressed "
            "as 32-bit floating-point numbers"
        )
    source.spend(len(data), name)
    return np.frombuffer(data, answer["dtype"]).reshape(answer["shape"])


def _stack(source: Source, fields: list[Field], axes: tuple[Axis, Axis], names: tuple[str, ...]) -> Field:
    """Return all pages as one array (page, y, x): spectra, or an image if it is requested by name."""
    pages, first = tuple(fields), fields[0]
    labels = names if len(names) == len(fields) and len({*names}) == len(names) and all(names) else ()

    def read() -> npt.NDArray[np.generic]:
        source.spend(len(pages) * math.prod(first.shape) * 8, "all pages")
        return np.stack([field.read() for field in pages])

    return Field(
        "pages",
        (len(fields), *first.shape),
        first.dtype,
        (Axis("page", role="signal", labels=labels), *axes),
        read,
        budget=source.budget,
        notes=first.notes,
    )
