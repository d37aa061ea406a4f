"""Pixel size of TIFF files from metadata of ImageJ or OME; dots per inch only describe printing."""

from __future__ import annotations

import math
import re

import numpy as np

from nescio.errors import FileError
from nescio.files import Source, one_line, xml_root
from nescio.microscopy.read.fields import Axis, Direction, spelt_unit

__all__ = ["described_scale"]

_IMAGEJ = re.compile(r"^(\w+)=(.*)$", re.M)
_NOT_A_LENGTH = ("inch", "pixel", "")
_DIRECTIONS: tuple[Direction, Direction] = ("y", "x")


def described_scale(
    source: Source, description: str, resolution: tuple[float, float], shape: tuple[int, int], pages: int
) -> tuple[tuple[Axis, Axis], tuple[str, ...], str]:
    """Return the axes of y and x, the names of the pages, and a note, from metadata of ImageJ or OME.

    Args:
        source: The file.
        description: Description of the first page.
        resolution: Pixels per unit along y and x; NaN if not stated.
        shape: Shape of the first page.
        pages: Number of pages.
    """
    bare = (Axis("y", role="space"), Axis("x", role="space"))
    if description.startswith("ImageJ="):
        described = dict(_IMAGEJ.findall(description))
        unit = spelt_unit(described.get("unit", "").replace("\\u00B5", "µ"))
        images = int(described["images"]) if described.get("images", "").isdigit() else 1
        note = (
            f"according to ImageJ, the file contains {images} images; only the {pages} stored as pages are read"
            if images > pages
            else ""
        )
        if unit not in _NOT_A_LENGTH and all(math.isfinite(one) and one > 0 for one in resolution):
            sizes = [1 / one for one in resolution]
            return _scaled(shape, sizes, (unit, unit)), (), note
        return bare, (), note
    if description.lstrip("\ufeff").lstrip().startswith(("<?xml", "<OME")) and "<OME" in description:
        return _ome(source, description, shape)
    return bare, (), ""


def _scaled(shape: tuple[int, int], sizes: list[float], units: tuple[str, str]) -> tuple[Axis, Axis]:
    y, x = (
        Axis(name, size * np.arange(points, dtype=np.float64), unit, "space", toward=name)
        for name, size, points, unit in zip(_DIRECTIONS, sizes, shape, units, strict=True)
    )
    return y, x


def _ome(
    source: Source, description: str, shape: tuple[int, int]
) -> tuple[tuple[Axis, Axis], tuple[str, ...], str]:
    bare = (Axis("y", role="space"), Axis("x", role="space"))
    try:
        text = description.replace("\ufeff", "")
        root = xml_root(Source(source.path, text.encode("utf-8"), source.budget))
        pixels = root.find(".//Pixels")
        if pixels is None:
            return bare, (), ""
        sizes = [float(pixels.get(f"PhysicalSize{name}", "nan")) for name in "YX"]
        units = [spelt_unit(pixels.get(f"PhysicalSize{name}Unit", "µm")) for name in "YX"]
        names = tuple(channel.get("Name", "") for channel in pixels.findall("Channel"))
    except (FileError, ValueError) as error:
        return bare, (), f"the OME metadata with the pixel size cannot be read ({one_line(error)})"
    if not all(math.isfinite(size) and size > 0 for size in sizes):
        return bare, names, ""
    return _scaled(shape, sizes, (units[0], units[1])), names, ""
