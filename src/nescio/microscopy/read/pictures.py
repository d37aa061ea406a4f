"""Fields of pictures: PNG, TIFF, BMP, JPEG."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nescio.errors import FileError
from nescio.files import Source, one_line
from nescio.microscopy.read.fields import MAX_VALUES, Axis, Field

__all__ = ["PICTURE_SUFFIXES", "picture_fields"]

PICTURE_SUFFIXES = (".png", ".tif", ".tiff", ".bmp", ".jpg", ".jpeg")
"""Names of pictures end so."""

# Others run programs (EPS) or have never held a micrograph.
_FORMATS = ("PNG", "TIFF", "BMP", "JPEG")
_MOST_PAGES = 1000
# Bytes that a pixel takes while it is decoded and converted.
_GREY, _COLOURED = 8, 24
# ITU-R BT.601: the share of red, green and blue in what the eye takes for brightness.
_LUMINANCE = (0.299, 0.587, 0.114)


def picture_fields(source: Source, *, luminance: bool) -> list[Field]:
    """Return the pages of a picture.

    Args:
        source: The file.
        luminance: Take the brightness of a picture in colour (ITU-R BT.601) instead of refusing it.

    Raises:
        FileError: It is damaged or too large, is in colour, or has transparent pixels.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pages = list(_pages(source, luminance))
    except FileError:
        raise
    except Exception as error:  # Pillow fails on damaged bytes in every possible way
        raise FileError(f"{source.name}: is not a readable picture ({one_line(error)})") from error
    axes = (Axis("y", role="space"), Axis("x", role="space"))
    names = ["image"] if len(pages) == 1 else [f"page {number}" for number in range(1, len(pages) + 1)]
    return [Field.of(name, page, axes, budget=source.budget) for name, page in zip(names, pages, strict=True)]


def _pages(source: Source, luminance: bool) -> Iterator[npt.NDArray[np.generic]]:
    from PIL import Image

    with Image.open(io.BytesIO(source.content), formats=_FORMATS) as picture:
        for page in range(_MOST_PAGES + 1):
            try:
                picture.seek(page)
            except EOFError:
                return
            if page == _MOST_PAGES:
                raise FileError(f"{source.name}: has more than {_MOST_PAGES} pages")
            pixels = picture.size[0] * picture.size[1]
            grey = picture.mode in ("1", "L", "F", "I") or picture.mode.startswith("I;16")
            if not 0 < pixels <= MAX_VALUES:
                raise FileError(f"{source.name}: has {pixels:,} pixels; needs 1 to {MAX_VALUES:,}")
            source.spend((_GREY if grey else _COLOURED) * pixels, f"page {page + 1}")
            if grey:
                yield np.asarray(picture)
            else:
                yield _grey(source.path, np.asarray(picture.convert("RGBA")), luminance)


def _grey(path: Path, colours: npt.NDArray[np.uint8], luminance: bool) -> npt.NDArray[np.float32]:
    """Return the one grey of red, green, blue and opacity, shape (y, x, 4)."""
    if (colours[..., 3] < 255).any():
        raise FileError(f"{path}: has transparent pixels; save it without an alpha channel")
    red, green, blue = (colours[..., index] for index in range(3))
    # Microscopes often save grey images as if they were in colour.
    if (red == green).all() and (green == blue).all():
        return red.astype(np.float32)
    if not luminance:
        raise FileError(
            f"{path}: is in colour, which is no measured quantity; save what was measured, or ask for its luminance"
        )
    return colours[..., :3].astype(np.float32) @ np.array(_LUMINANCE, np.float32)
