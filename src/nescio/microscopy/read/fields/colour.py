"""Colour pictures: they contain no measured quantity, so they are skipped unless their luminance is requested."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nescio.errors import FileError
from nescio.files import Budget, one_line
from nescio.microscopy.read.fields.arrays import Axis, Field

__all__ = ["colour_field", "grey_of", "is_colour", "luminance_of", "pillow_reason"]

# ITU-R BT.601: weights of red, green and blue in the luminance.
_LUMINANCE = (0.299, 0.587, 0.114)
_LEAST_PIXELS = 8


def is_colour(shape: Sequence[int], dtype: np.dtype[np.generic]) -> bool:
    """Return whether an array without axes is a picture in RGB or RGBA."""
    return len(shape) == 3 and shape[2] in (3, 4) and min(shape[:2]) >= _LEAST_PIXELS and dtype == np.uint8


def colour_field(
    name: str,
    shape: Sequence[int],
    read: Callable[[], npt.NDArray[np.generic]],
    budget: Budget | None,
    axes: Sequence[Axis] = (),
) -> Field:
    """Return a colour picture as a field whose values are its luminance.

    Args:
        name: Name of the picture.
        shape: (y, x, colours).
        read: Function that returns the colours.
        budget: Memory budget of the file.
        axes: Axes of y and x, if the file has them.
    """
    return Field(
        name=name,
        shape=(shape[0], shape[1]),
        dtype=np.dtype(np.float32),
        axes=tuple(axes) or (Axis("y", role="space"), Axis("x", role="space")),
        read=lambda: luminance_of(read()),
        budget=budget,
        colour=True,
    )


def luminance_of(colours: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
    """Return the luminance (ITU-R BT.601) of RGB or RGBA colours, shape (y, x, 3 or 4)."""
    return colours[..., :3].astype(np.float32) @ np.array(_LUMINANCE, np.float32)


def grey_of(path: Path, colours: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8] | None:
    """Return the grey values of RGBA colours, shape (y, x, 4), or None if the picture is in colour.

    Microscopes often save grey images in a colour format.

    Raises:
        FileError: Some pixels are transparent.
    """
    if (colours[..., 3] < 255).any():
        raise FileError(f"{path}: has transparent pixels; save it without an alpha channel")
    red, green, blue = (colours[..., index] for index in range(3))
    return red if (red == green).all() and (green == blue).all() else None


def pillow_reason(error: BaseException) -> str:
    """Return the message of a Pillow error, without the name of the stream."""
    return one_line(error).partition(" <_io.")[0]
