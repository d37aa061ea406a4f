"""Fields of pictures: PNG, BMP and JPEG; for TIFF see :mod:`nescio.microscopy.read.pictures.tiff`."""

from __future__ import annotations

import io
import warnings

import numpy as np

from nescio.errors import FileError
from nescio.files import FileKind, Source, file_kind
from nescio.microscopy.read.fields import MAX_VALUES, Axis, Field, colour_field, grey_of, pillow_reason
from nescio.microscopy.read.pictures.tiff import tiff_fields

__all__ = ["PICTURE_SUFFIXES", "picture_fields"]

PICTURE_SUFFIXES = (".png", ".tif", ".tiff", ".bmp", ".jpg", ".jpeg")
"""Suffixes of pictures."""

# Other formats run programs (EPS) or are not used for micrographs.
_FORMATS = ("PNG", "BMP", "JPEG")
# Bytes of memory for a pixel during decoding and conversion.
_GREY, _COLOURED = 8, 24


def picture_fields(source: Source) -> list[Field]:
    """Return the pages of a picture; colour pages are returned with their luminance.

    Args:
        source: The file.

    Raises:
        FileError: The file is damaged or too large, or has transparent pixels.
    """
    if file_kind(source.content) is FileKind.TIFF:
        return tiff_fields(source)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return [_picture(source)]
    except FileError:
        raise
    except Exception as error:  # Pillow raises many types of errors on damaged files
        raise FileError(f"{source.name}: is not a readable picture ({pillow_reason(error)})") from error


def _picture(source: Source) -> Field:
    from PIL import Image

    axes = (Axis("y", role="space"), Axis("x", role="space"))
    with Image.open(io.BytesIO(source.content), formats=_FORMATS) as picture:
        pixels = picture.size[0] * picture.size[1]
        if not 0 < pixels <= MAX_VALUES:
            raise FileError(f"{source.name}: has {pixels:,} pixels; needs 1 to {MAX_VALUES:,}")
        if picture.mode in ("1", "L", "F", "I") or picture.mode.startswith("I;16"):
            source.spend(_GREY * pixels, "its pixels")
            return Field.of("image", np.asarray(picture), axes, budget=source.budget)
        source.spend(_COLOURED * pixels, "its pixels")
        colours = np.asarray(picture.convert("RGBA"))
    grey = grey_of(source.path, colours)
    if grey is not None:
        return Field.of("image", grey, axes, budget=source.budget)
    return colour_field("image", colours.shape, lambda: colours, source.budget, axes)
