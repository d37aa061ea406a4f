"""From the arrays of a file to an image, and to spectra with their places."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nescio.errors import FileError, MeasurementError
from nescio.microscopy.images import image_dataset, length_unit, positions_of
from nescio.microscopy.read.fields import Axis, Field, positions_in

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["image_form", "is_image", "is_spectra", "spectra_form"]

_MOST_PIXELS = 2**26
_MOST_CHANNELS = 32
_LEAST_PIXELS = 8
_RESERVED = {"candidate", "coordinate", "channel", "image", "position", "spectra", "valid", "x", "y"}


def is_image(field: Field) -> bool:
    """Say whether an array can be an image without anybody saying so: two dimensions of places, and channels."""
    arranged = _image_dimensions(field)
    if arranged is None or field.dtype.kind not in "iufbcV":
        return False
    return min(field.shape[index] for index in arranged[-2:]) >= _LEAST_PIXELS


def is_spectra(field: Field) -> bool:
    """Say whether an array can be spectra on a grid without anybody saying so: places, and a signal at each."""
    places = [axis.role for axis in field.axes].count("space")
    signals = [axis.role for axis in field.axes].count("signal")
    if places or signals:
        return 0 < places < len(field.shape) and signals > 0
    return len(field.shape) > 2 and min(field.shape[:2]) > 1


def _image_dimensions(field: Field) -> tuple[int, ...] | None:
    """Return which dimensions are (channel,) y, x; None where these are not all there is."""
    roles = [axis.role for axis in field.axes]
    if len(roles) == 2:
        return None if roles.count("signal") else _y_first(field, (0, 1))
    if len(roles) != 3 or "signal" in roles:
        return None
    spaces = [index for index, role in enumerate(roles) if role == "space"]
    if len(spaces) == 3:
        return None
    channel = roles.index("channel") if "channel" in roles else 0
    if len(spaces) == 2:
        channel = 3 - sum(spaces)
    others = [index for index in range(3) if index != channel]
    return (
        (channel, *_y_first(field, (others[0], others[1])))
        if field.shape[channel] <= _MOST_CHANNELS
        else None
    )


def _y_first(field: Field, dimensions: tuple[int, int]) -> tuple[int, int]:
    first, second = (field.axes[index].name.lower() for index in dimensions)
    return dimensions[::-1] if (first, second) == ("x", "y") else dimensions


def image_form(
    path: Path,
    fields: Sequence[Field],
    *,
    pixel_size: float | tuple[float, float] | None = None,
    unit: str | None = None,
    channels: Sequence[str] = (),
    missing: bool = False,
) -> xr.Dataset:
    """Return arrays as one image.

    Args:
        path: The file.
        fields: One array (y, x) or with channels, or several (y, x) that become channels.
        pixel_size: Over what the axes say, as `unit` is.
        unit: Of `pixel_size`.
        channels: Names.
        missing: Whether pixels that are not finite were not measured, rather than being an error.

    Raises:
        FileError: They are no image, or hold impossible numbers.
    """
    first = fields[0]
    arranged = _image_dimensions(first)
    if (
        arranged is None
        or any(field.shape != first.shape for field in fields)
        or (len(fields) > 1 < len(arranged) - 1)
    ):
        listed = ", ".join(f"{field.name} {field.shape}" for field in fields)
        raise FileError(
            f"{path}: {listed[:200]}: an image has dimensions (y, x), or with at most {_MOST_CHANNELS} channels; "
            "several must have one shape (y, x)"
        )
    values = np.concatenate(
        [
            np.transpose(field.numbers(path, _MOST_PIXELS), arranged).reshape(
                -1, *(field.shape[i] for i in arranged[-2:])
            )
            for field in fields
        ]
    )
    axes = [first.axes[index] for index in arranged]
    names = list(channels) or _channel_names(fields, axes[0] if len(axes) == 3 else Axis())
    try:
        if pixel_size is None and unit is None:
            steps, origin, own = _scale(axes[-2:])
        else:
            steps, origin, own = _pair(1.0 if pixel_size is None else pixel_size), (0.0, 0.0), unit or "pixel"
        finite = np.isfinite(values).all(axis=0) if missing else None
        image = image_dataset(
            values, pixel_size=steps, unit=own, origin=origin, channels=names, valid=finite, source=str(path)
        )
    except MeasurementError as error:
        hint = "" if missing or "finite" not in str(error) else " (missing = true leaves them out)"
        raise FileError(f"{path}: {error}{hint}") from None
    if first.unit and len(fields) == 1:
        image["image"].attrs["units"] = first.unit
    return image


def _channel_names(fields: Sequence[Field], axis: Axis) -> list[str] | None:
    if len(fields) > 1:
        short = [field.short_name for field in fields]
        return short if len(set(short)) == len(short) else [field.name for field in fields]
    return list(axis.labels) or (
        [fields[0].short_name] if axis == Axis() and len(fields[0].shape) == 2 else None
    )


def _scale(axes: Sequence[Axis]) -> tuple[tuple[float, float], tuple[float, float], str]:
    """Return pixel sizes, origin and unit of y and x; pixels where the file does not tell both."""
    y, x = axes
    if y.values is None or x.values is None:
        return (1.0, 1.0), (0.0, 0.0), "pixel"
    units = [length_unit(axis.unit) or axis.unit for axis in axes]
    if units[0] != units[1]:
        raise MeasurementError(f"y is in {units[0]}, x in {units[1]}: give pixel_size and unit")
    steps = []
    for name, axis in zip("yx", axes, strict=True):
        along = np.asarray(axis.values)
        step = (along[-1] - along[0]) / max(len(along) - 1, 1)
        if not np.isfinite(step) or step == 0 or np.abs(np.diff(along) - step).max() > 0.01 * abs(step):
            raise MeasurementError(f"{name} is not evenly spaced: give pixel_size and unit")
        steps.append(float(step))
    return (steps[0], steps[1]), (float(y.values[0]), float(x.values[0])), units[0]


def spectra_form(
    path: Path,
    field: Field,
    fields: Sequence[Field],
    *,
    image: xr.Dataset | None = None,
    navigation: int | None = None,
    dimensions: Sequence[str] = (),
) -> xr.Dataset:
    """Return spectra and their places.

    Args:
        path: The file.
        field: The spectra.
        fields: What else the file holds: axes and places.
        image: What the places are positions in.
        navigation: How many of the first dimensions are places.
        dimensions: Names of the others.

    Raises:
        FileError: Numbers of places and spectra differ, or which dimensions are places cannot be told.
    """
    import xarray as xr

    listed = positions_in(path, fields)
    places = _places(path, field, navigation, None if listed is None else len(listed[0]))
    along = [index for index in range(len(field.shape)) if index not in places]
    values = np.transpose(field.numbers(path), (*places, *along))
    grid, shape = values.shape[: len(places)], values.shape[len(places) :]
    values = values.reshape(-1, *shape)
    if not np.isfinite(values).any():
        raise FileError(f"{path}: {field.name} holds no finite number")
    names = _signal_names(path, [field.axes[index] for index in along], shape, fields, dimensions)
    spectra = xr.DataArray(
        values,
        dims=("candidate", *names),
        coords=_signal_coordinates(path, names, [field.axes[index] for index in along], shape, fields),
        name="spectra",
        attrs={"units": field.unit} if field.unit else {},
    )
    if listed is None:
        coordinates, positions, unit = _grid_positions(
            path, [field.axes[index] for index in places], grid, image
        )
    else:
        coordinates, (positions, unit) = ["y", "x"], listed
        if len(positions) != len(values):
            raise FileError(f"{path}: {len(values)} spectra, but {len(positions)} positions")
        bad = np.flatnonzero(~np.isfinite(positions).all(axis=1))
        if bad.size:
            raise FileError(f"{path}: position {bad[0]} (of {bad.size}) is not finite")
    if image is not None:
        wanted = image["y"].attrs["units"]
        if unit == "pixel" and wanted != "pixel":
            positions, unit = positions_of(image, positions), wanted
        if unit != wanted:
            raise FileError(
                f"{path}: positions are in {unit}, the image in {wanted}; give pixel_size and unit"
            )
    dataset = xr.Dataset(
        {"position": (("candidate", "coordinate"), positions, {"units": unit})},
        coords={"coordinate": list(coordinates)},
        attrs={"source": str(path)},
    )
    dataset = dataset.assign(spectra=spectra)
    return dataset if image is None else dataset.merge(image, combine_attrs="override")


def _places(path: Path, field: Field, navigation: int | None, listed: int | None) -> tuple[int, ...]:
    """Return which dimensions are places, y before x."""
    count, roles = len(field.shape), [axis.role for axis in field.axes]
    spaces = tuple(index for index, role in enumerate(roles) if role == "space")
    fitting = [k for k in range(1, count) if math.prod(field.shape[:k]) == listed]
    if navigation is not None:
        if not 0 < navigation < count:
            raise FileError(
                f"{path}: navigation {navigation} of {field.name} {field.shape} leaves no spectrum"
            )
        spaces = tuple(range(navigation))
    elif not 0 < len(spaces) < count:
        if not fitting and (count < 3 or listed is not None):
            raise FileError(
                f"{path}: which dimensions of {field.name} {field.shape} are places is not told"
                + ("" if listed is None else f", and {listed} positions fit none")
                + "; give navigation, the number of them"
            )
        spaces = tuple(range(fitting[0] if fitting else 2))
    return _y_first(field, (spaces[0], spaces[1])) if len(spaces) == 2 else spaces


def _signal_names(
    path: Path, axes: Sequence[Axis], shape: tuple[int, ...], fields: Sequence[Field], given: Sequence[str]
) -> list[str]:
    if given:
        if len(given) != len(axes) or len(set(given)) != len(given) or set(given) & _RESERVED:
            raise FileError(
                f"{path}: dimensions {', '.join(given)}: {len(axes)} other names are needed, each once"
            )
        return list(given)
    names: list[str] = []
    for number, (axis, points) in enumerate(zip(axes, shape, strict=True), start=1):
        lines = [
            field.short_name for field in fields if field.shape == (points,) and field.dtype.kind in "iuf"
        ]
        name = axis.name.rsplit("/", 1)[-1] or (lines[0] if len(lines) == 1 else "")
        name = name or ("signal" if len(axes) == 1 else f"signal_{number}")
        names.append(f"signal_{name}" if name in _RESERVED or name in names else name)
    return names


def _signal_coordinates(
    path: Path, names: Sequence[str], axes: Sequence[Axis], shape: tuple[int, ...], fields: Sequence[Field]
) -> dict[str, Any]:
    """Return coordinates of the signal's dimensions: of each its own, and what runs along several of them."""
    coordinates: dict[str, Any] = {}
    for name, axis, points in zip(names, axes, shape, strict=True):
        own = next((field for field in fields if field.short_name == name and field.shape == (points,)), None)
        if axis.values is not None:
            coordinates[name] = (name, axis.values, {"units": axis.unit})
        elif own is not None and own.dtype.kind in "iuf":
            coordinates[name] = (name, own.numbers(path).astype(np.float64), {"units": own.unit})
    if len(shape) == 2 and shape[0] != shape[1]:
        for field in fields:
            if (
                field.shape in (shape, shape[::-1])
                and field.dtype.kind in "iuf"
                and field.short_name not in names
            ):
                order = list(names) if field.shape == shape else list(names)[::-1]
                if field.short_name not in _RESERVED:
                    coordinates[field.short_name] = (order, field.numbers(path), {"units": field.unit})
    return coordinates


def _grid_positions(
    path: Path, axes: Sequence[Axis], grid: tuple[int, ...], image: xr.Dataset | None
) -> tuple[list[str], npt.NDArray[np.float64], str]:
    """Return coordinates, positions (candidate, coordinate) and unit of a grid, from its axes or else its pixels."""
    names = (
        ["y", "x"] if len(grid) == 2 else [axis.name or f"place_{number}" for number, axis in enumerate(axes)]
    )
    units = {length_unit(axis.unit) or axis.unit for axis in axes}
    told = all(axis.values is not None for axis in axes) and len(units) == 1
    if image is not None and (len(grid) != 2 or (not told and image["image"].shape[1:] != grid)):
        raise FileError(
            f"{path}: where a grid of {' x '.join(map(str, grid))} lies in the image of "
            f"{' x '.join(map(str, image['image'].shape[1:]))} pixels is not told; name an array of positions "
            "(candidate, 2), or leave the image out"
        )
    along = [
        np.asarray(axis.values) if told else np.arange(points)
        for axis, points in zip(axes, grid, strict=True)
    ]
    positions = (
        np.stack(np.meshgrid(*along, indexing="ij"), axis=-1).reshape(-1, len(grid)).astype(np.float64)
    )
    return names, positions, units.pop() if told else "pixel"


def _pair(value: float | tuple[float, float]) -> tuple[float, float]:
    return (value, value) if isinstance(value, int | float) else (float(value[0]), float(value[1]))
