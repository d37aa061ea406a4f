"""Images from the arrays of a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nescio.errors import FileError, MeasurementError
from nescio.microscopy.images import image_dataset
from nescio.microscopy.read.fields import Axis, Field, common_unit, converted, is_unnamed, spelt_unit
from nescio.signals import with_notes

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Scale", "given_scale", "image_form", "is_image", "y_before_x"]

_MOST_PIXELS = 2**26
_MOST_CHANNELS = 32
_LEAST_PIXELS = 8


class Scale(NamedTuple):
    """Scale of the pixels of an image or of the places of a grid; each pair is (y, x)."""

    steps: tuple[float, float] = (1.0, 1.0)
    origin: tuple[float, float] = (0.0, 0.0)
    unit: str = "pixel"
    notes: tuple[str, ...] = ()


def is_image(field: Field) -> bool:
    """Return whether an array can be an image without being named: two dimensions of places, and optional channels."""
    arranged = _dimensions(field)
    if arranged is None or field.dtype.kind not in "iufbcV" or field.short_name.lower() in ("x", "y"):
        return False
    return min(field.shape[index] for index in arranged[-2:]) >= _LEAST_PIXELS


def _dimensions(field: Field, *, asked: bool = False) -> tuple[int, ...] | None:
    """Return the dimensions (channel,) y, x; None if the array is not an image.

    Args:
        field: The array.
        asked: Whether it was named as the image; then a third dimension can be any stack of images.
    """
    spaces, others = field.dims_of("space"), field.dims_of("signal")
    if any(coordinate.role == "space" for coordinate in field.coordinates) and not asked:
        return None
    named = [index for index in field.dims_of("") if not is_unnamed(field.axes[index].name)]
    if len(field.shape) == 2:
        refused = others if asked else [*others, *named]
        return None if refused and not (asked and len(others) == 2) else y_before_x(field, (0, 1))
    if len(field.shape) != 3 or len(spaces) == 3 or (len(named) > 1 and not asked):
        return None
    if others and not field.stack and not asked:
        return None
    channels = field.dims_of("channel")
    if len(spaces) == 2:
        pair = (spaces[0], spaces[1])
    elif asked and len(others) == 2:
        pair = (others[0], others[1])
    elif others:
        return None
    else:
        channel = channels[0] if channels else 0
        rest = [index for index in range(3) if index != channel]
        pair = (rest[0], rest[1])
    channel = 3 - sum(pair)
    # An unknown dimension after the places is a signal; in a stack of images it is first.
    if not field.axes[channel].role and channel > max(pair) and spaces and not asked:
        return None
    return (channel, *y_before_x(field, pair)) if field.shape[channel] <= _MOST_CHANNELS else None


def y_before_x(field: Field, dimensions: tuple[int, int]) -> tuple[int, int]:
    """Return two dimensions in the order y, x by name; unchanged if they have no such names."""
    first, second = (field.axes[index].direction for index in dimensions)
    return (
        dimensions[::-1]
        if (first == "x" and second != "x") or (second == "y" and first != "y")
        else dimensions
    )


def image_form(
    path: Path,
    fields: Sequence[Field],
    *,
    asked: bool = False,
    pixel_size: float | tuple[float, float] | None = None,
    unit: str | None = None,
    channels: Sequence[str] = (),
    missing: bool = False,
) -> xr.Dataset:
    """Combine arrays to one image.

    Args:
        path: The file.
        fields: One array (y, x), optionally with channels, or several arrays (y, x) that become channels.
        asked: Whether the user named the arrays.
        pixel_size: Pixel size; replaces that of the axes.
        unit: Unit of `pixel_size`.
        channels: Names of the channels.
        missing: Treat pixels that are not finite as not measured instead of raising an error.

    Raises:
        FileError: The arrays are not an image, or contain invalid numbers.
    """
    arrangements = [_dimensions(field, asked=asked) for field in fields]
    first, arranged = fields[0], arrangements[0]
    shapes = {
        tuple(field.shape[index] for index in found or ())
        for field, found in zip(fields, arrangements, strict=True)
    }
    if arranged is None or len(shapes) > 1 or (len(fields) > 1 < len(arranged) - 1):
        shown = ", ".join(f"{field.name} {field.shape}" for field in fields)
        raise FileError(
            f"{path}: {shown[:200]}: an image needs dimensions (y, x), optionally with at most {_MOST_CHANNELS} "
            "channels; several arrays need the same shape (y, x)"
        )
    if first.contradiction:
        raise FileError(f"{path}: {first.contradiction}")
    parts = [
        np.transpose(field.numbers(path, _MOST_PIXELS), found).reshape(
            -1, *(field.shape[index] for index in found[-2:])
        )
        for field, found in zip(fields, arrangements, strict=True)
        if found is not None
    ]
    values = parts[0] if len(parts) == 1 else np.concatenate(parts)
    axes = [first.axes[index] for index in arranged]
    names = list(channels) or _channel_names(fields, axes[0] if len(axes) == 3 else Axis())
    try:
        scale = given_scale(axes[-2:], pixel_size, unit)
        finite = np.isfinite(values).all(axis=0) if missing else None
        image = image_dataset(
            values,
            pixel_size=scale.steps,
            unit=scale.unit,
            origin=scale.origin,
            channels=names,
            valid=finite,
            source=str(path),
        )
    except MeasurementError as error:
        hint = (
            "" if missing or "finite" not in str(error) else " (missing = true treats them as not measured)"
        )
        raise FileError(f"{path}: {error}{hint}") from None
    if first.unit and len(fields) == 1:
        image["image"].attrs["units"] = first.unit
    own = [note for field in fields for note in field.notes]
    notes = [f"{path}: {note}" for note in (*own, *scale.notes)]
    return with_notes(image, notes)


def _channel_names(fields: Sequence[Field], axis: Axis) -> list[str] | None:
    if len(fields) > 1:
        short = [field.short_name for field in fields]
        return short if len(set(short)) == len(short) else [field.name for field in fields]
    if axis.labels:
        return list(axis.labels)
    if axis.values is not None and axis.name and not axis.counts:
        names = [f"{axis.name} {value:g} {axis.unit}".strip() for value in axis.values]
        return names if len(set(names)) == len(names) else None
    return [fields[0].short_name] if axis.is_unknown and len(fields[0].shape) == 2 else None


def given_scale(
    axes: Sequence[Axis], pixel_size: float | tuple[float, float] | None, unit: str | None
) -> Scale:
    """Return the scale of y and x from the file, or with another pixel size and the origin of the file.

    Args:
        axes: Axes of y and x.
        pixel_size: Pixel size of both axes, or (y, x), without sign; replaces that of the file.
        unit: Unit of `pixel_size`; without `pixel_size`, the unit to which the file's lengths are converted.

    Raises:
        MeasurementError: The units of the axes differ, or they are not evenly spaced, and `pixel_size` is not given.
    """
    known = [axis for axis in axes if axis.values is not None]
    if pixel_size is None:
        if not known:
            return Scale(unit=unit or "pixel")
        return _own_scale(axes, unit)
    steps = (pixel_size, pixel_size) if isinstance(pixel_size, int | float) else pixel_size
    own = common_unit(spelt_unit(axis.unit) for axis in known) if known else None
    wanted = spelt_unit(unit) if unit else (own or "pixel")
    origin, signs, dropped = [], [], []
    for name, axis in zip("yx", axes, strict=True):
        along = (
            None if axis.values is None else converted(axis.values[[0, -1]], spelt_unit(axis.unit), wanted)
        )
        signs.append(-1.0 if axis.values is not None and axis.values[0] > axis.values[-1] else 1.0)
        origin.append(0.0 if along is None else float(along[0]))
        if along is None and axis.values is not None and axis.values[0] != 0:
            dropped.append(f"{name} {axis.values[0]:g} {spelt_unit(axis.unit)}")
    notes = (
        (
            f"pixel_size in {wanted} replaces the scale of the file; its origin ({', '.join(dropped)}) is dropped",
        )
        if dropped
        else ()
    )
    if notes:
        origin = [0.0, 0.0]
    return Scale(
        (float(steps[0]) * signs[0], float(steps[1]) * signs[1]), (origin[0], origin[1]), wanted, notes
    )


def _own_scale(axes: Sequence[Axis], wanted: str | None) -> Scale:
    for name, axis in zip("yx", axes, strict=True):
        if axis.values is None:
            other = next(one for one in axes if one.values is not None)
            if other.counts:
                return Scale(unit=wanted or "pixel")
            raise MeasurementError(
                f"{name} has no coordinate, unlike {other.name or 'the other axis'}: give pixel_size and unit"
            )
    units = [spelt_unit(axis.unit) for axis in axes]
    unit = common_unit(units)
    if unit is None:
        raise MeasurementError(f"y is in {units[0]}, x in {units[1]}: give pixel_size and unit")
    if wanted and unit != "pixel":
        wanted = spelt_unit(wanted)
        if converted([0.0], unit, wanted) is None:
            raise MeasurementError(f"y and x are in {unit}, not in {wanted}: give pixel_size")
    own = unit if not wanted else spelt_unit(wanted)
    steps, origin = [], []
    for name, axis, spelt in zip("yx", axes, units, strict=True):
        values = converted(np.asarray(axis.values), spelt, own)
        along = np.asarray(axis.values, np.float64) if values is None else values
        step = (along[-1] - along[0]) / max(len(along) - 1, 1)
        if not np.isfinite(step) or step == 0 or np.abs(np.diff(along) - step).max() > 0.01 * abs(step):
            raise MeasurementError(f"{name} is not evenly spaced: give pixel_size and unit")
        steps.append(float(step))
        origin.append(float(along[0]))
    return Scale((steps[0], steps[1]), (origin[0], origin[1]), own)
