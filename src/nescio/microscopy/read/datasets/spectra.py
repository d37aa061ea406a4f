"""Spectra with positions from the arrays of a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nescio.errors import FileError
from nescio.microscopy.images import LENGTH_UNITS, positions_of
from nescio.microscopy.read.datasets.places import Places, listed_places, place_dimensions, place_positions
from nescio.microscopy.read.fields import Axis, Field, converted, is_axis_name, is_unnamed
from nescio.signals import notes_of, with_notes

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["is_spectra", "spectra_form"]

_MOST_CHANNELS = 32
_RESERVED = {"candidate", "coordinate", "channel", "image", "position", "spectra", "valid", "x", "y"}


def is_spectra(field: Field) -> bool:
    """Return whether an array can be a grid of spectra without being named: places, and a signal at each."""
    if field.colour or field.dtype.names:
        return False
    if any(one.role == "space" for one in field.coordinates):
        return len(field.shape) > 1
    places = len(field.dims_of("space"))
    signals = [
        *field.dims_of("signal"),
        *(i for i in field.dims_of("channel") if field.shape[i] > _MOST_CHANNELS),
    ]
    unknown = field.dims_of("")
    if places or signals:
        after = places > 1 and bool(unknown) and min(unknown) > max(field.dims_of("space"))
        return 0 < places + (0 if places else len(unknown)) < len(field.shape) and (bool(signals) or after)
    return len(field.shape) > 2 and min(field.shape[:2]) > 1


def spectra_form(
    path: Path,
    field: Field,
    fields: Sequence[Field],
    *,
    image: xr.Dataset | None = None,
    navigation: int | None = None,
    dimensions: Sequence[str] = (),
    pixel_size: float | tuple[float, float] | None = None,
    unit: str | None = None,
) -> xr.Dataset:
    """Return spectra and their positions.

    Args:
        path: The file.
        field: The spectra.
        fields: Other arrays of the file, with axes and places.
        image: Image of the region.
        navigation: Number of leading dimensions that are places.
        dimensions: Names of the other dimensions.
        pixel_size: Distance of neighbouring places if there is no image; replaces that of the file.
        unit: Unit of `pixel_size`.

    Raises:
        FileError: The numbers of places and spectra differ, or the dimensions of places are ambiguous.
    """
    import xarray as xr

    listed = listed_places(path, fields)
    if dimensions and field.contradiction:
        # The given names resolve the ambiguity: the other dimensions are places.
        field = replace(field, contradiction="")
    places = place_dimensions(path, field, navigation, None if listed is None else len(listed.positions))
    along = [index for index in range(len(field.shape)) if index not in places]
    along.sort(key=lambda index: {"y": 1, "x": 2}.get(field.axes[index].direction, 0))
    values = np.transpose(field.numbers(path), (*places, *along))
    grid, shape = values.shape[: len(places)], values.shape[len(places) :]
    values = values.reshape(-1, *shape)
    if not any(np.isfinite(one).any() for one in values):
        raise FileError(f"{path}: {field.name} contains no finite number")
    beside = [one for one in fields if one.group == field.group or is_axis_name(one.short_name)]
    names, unused = _names(path, [field.axes[index] for index in along], shape, beside, dimensions)
    spectra = xr.DataArray(
        values,
        dims=("candidate", *names),
        coords=_coordinates(path, field, names, places, along, fields),
        name="spectra",
        attrs={"units": field.unit} if field.unit else {},
    )
    size, of = (pixel_size, unit) if image is None else (None, None)
    found = _found_places(path, field, places, listed, size, of)
    if len(found.positions) != len(values):
        raise FileError(f"{path}: {len(values)} spectra, but {len(found.positions)} positions")
    bad = np.flatnonzero(~np.isfinite(found.positions).all(axis=1))
    if bad.size:
        raise FileError(f"{path}: position {bad[0]} (of {bad.size}) is not finite")
    if image is None:
        positions, unit = found.positions, found.unit
    else:
        image = _with_scale_of_grid(image, found, grid)
        positions, unit = _in_image(path, found, grid, image)
    dataset = xr.Dataset(
        {"position": (("candidate", "coordinate"), positions, {"units": unit})},
        coords={"coordinate": list(found.coordinates)},
        attrs={"source": str(path)},
    )
    dataset = dataset.assign(spectra=spectra)
    notes = [f"{path}: {note}" for note in (*field.notes, field.marks, *found.notes, *unused) if note]
    if image is not None:
        dataset = dataset.merge(image, combine_attrs="override")
        notes = [*notes_of(image), *notes]
    return with_notes(dataset, notes)


def _found_places(
    path: Path,
    field: Field,
    places: tuple[int, ...],
    listed: Places | None,
    pixel_size: float | tuple[float, float] | None,
    unit: str | None,
) -> Places:
    """Return the positions of places: listed ones, unless their number differs and the axes have positions."""
    count = int(np.prod([field.shape[index] for index in places]))
    if listed is None:
        return place_positions(path, field, places, pixel_size, unit)
    own = [field.axes[index] for index in places]
    if len(listed.positions) != count and all(axis.values is not None for axis in own):
        found = place_positions(path, field, places, pixel_size, unit)
        note = f"the {len(listed.positions)} listed positions do not fit the {count} spectra and are not used"
        return found._replace(notes=(*found.notes, note))
    return listed


def _with_scale_of_grid(image: xr.Dataset, places: Places, grid: tuple[int, ...]) -> xr.Dataset:
    """Give an image without a scale the scale of the grid, if it has one pixel for each place."""
    unscaled = image["y"].attrs["units"] == "pixel" and all(
        np.array_equal(image[name], np.arange(image.sizes[name])) for name in ("y", "x")
    )
    if (
        not unscaled
        or image["image"].shape[1:] != grid
        or places.unit not in LENGTH_UNITS
        or not places.stated
    ):
        return image
    lying = places.positions.reshape(*grid, 2)
    y, x = lying[:, 0, 0], lying[0, :, 1]
    if not np.array_equal(lying, np.stack(np.meshgrid(y, x, indexing="ij"), axis=-1)):
        return image
    units = {"units": places.unit}
    scaled = image.assign_coords(y=("y", y, units), x=("x", x, units))
    note = f"{image.attrs.get('source', 'the image')}: the image has no scale; that of the grid is used"
    return with_notes(scaled, [note])


def _in_image(
    path: Path, places: Places, grid: tuple[int, ...], image: xr.Dataset
) -> tuple[npt.NDArray[np.float64], str]:
    """Return positions in the unit of an image, and this unit.

    Raises:
        FileError: The positions of the places in the image are unknown.
    """
    pixels = image["image"].shape[1:]
    if len(places.coordinates) != 2 or (not places.stated and pixels != grid):
        raise FileError(
            f"{path}: the position of the grid of {' x '.join(map(str, grid))} places in the image of "
            f"{' x '.join(map(str, pixels))} pixels is unknown; add an array of positions (candidate, 2), or read "
            "without the image (image=None; in TOML, image = false)"
        )
    wanted = str(image["y"].attrs["units"])
    if places.unit == "pixel":
        return positions_of(image, places.positions), wanted
    positions = converted(places.positions, places.unit, wanted)
    if positions is None:
        raise FileError(
            f"{path}: positions are in {places.unit}, the image in {wanted}; give pixel_size and unit"
        )
    return positions, wanted


def _names(
    path: Path, axes: Sequence[Axis], shape: tuple[int, ...], fields: Sequence[Field], given: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Return the names of the dimensions of a spectrum, and notes on arrays that are not axes."""
    if given:
        if len(given) != len(axes) or len(set(given)) != len(given) or set(given) & _RESERVED:
            raise FileError(
                f"{path}: dimensions = {', '.join(given)}: needs {len(axes)} different names that are not reserved"
            )
        return list(given), []
    names: list[str] = []
    notes: list[str] = []
    for number, (axis, points) in enumerate(zip(axes, shape, strict=True), start=1):
        name = "" if is_unnamed(axis.name) else axis.name.rsplit("/", 1)[-1]
        if not name and axis.values is None:
            name, unused = _only_line(path, fields, points)
            notes += unused
        name = name or ("signal" if len(axes) == 1 else f"signal_{number}")
        names.append(f"signal_{name}" if name in _RESERVED or name in names else name)
    return names, notes


def _only_line(path: Path, fields: Sequence[Field], points: int) -> tuple[str, list[str]]:
    """Return the name of the only monotonic array with this number of points, and notes on others."""
    found: list[str] = []
    other: list[str] = []
    for field in fields:
        if field.shape == (points,) and field.dtype.kind in "iuf" and field.short_name not in _RESERVED:
            steps = np.diff(field.numbers(path))
            (found if (steps > 0).all() or (steps < 0).all() else other).append(field.short_name)
    if len(found) > 1:
        raise FileError(
            f"{path}: {' and '.join(map(repr, found))} may each be the axis with {points} points; "
            "choose one with dimensions="
        )
    if found:
        return found[0], []
    return "", [
        f"{name!r} ({points} points) is not monotonic and is not used as an axis; dimensions= can choose it"
        for name in other
    ]


def _coordinates(
    path: Path,
    field: Field,
    names: Sequence[str],
    places: tuple[int, ...],
    along: Sequence[int],
    fields: Sequence[Field],
) -> dict[str, Any]:
    """Return the coordinates of the spectra, along one or several dimensions and along places."""
    coordinates: dict[str, Any] = {}
    shape = tuple(field.shape[index] for index in along)
    for name, index, points in zip(names, along, shape, strict=True):
        axis = field.axes[index]
        own = next((one for one in fields if one.short_name == name and one.shape == (points,)), None)
        if axis.values is not None:
            coordinates[name] = (name, axis.values, {"units": axis.unit})
        elif axis.labels:
            coordinates[name] = (name, np.asarray(axis.labels, np.str_))
        elif own is not None and own.dtype.kind in "iuf":
            coordinates[name] = (name, own.numbers(path).astype(np.float64), {"units": own.unit})
    dims = dict(zip(along, names, strict=True))
    for one in field.coordinates:
        if one.name in _RESERVED or one.name in names or one.role == "space":
            continue
        held = [index for index in one.dims if index in places]
        if held and {*held} != {*places}:
            continue
        order = [
            *(index for index in places if index in held),
            *(index for index in along if index in one.dims),
        ]
        spread = np.transpose(one.values, [one.dims.index(index) for index in order])
        kept = [dims[index] for index in order if index not in held]
        sizes = [field.shape[index] for index in order if index not in held]
        coordinates[one.name] = (
            (["candidate"] if held else []) + kept,
            spread.reshape([-1, *sizes] if held else sizes),
            {"units": one.unit},
        )
    if len(shape) == 2 and shape[0] != shape[1]:
        for other in fields:
            name = other.short_name
            fits = other.shape in (shape, shape[::-1]) and other.dtype.kind in "iuf"
            if fits and name not in names and name not in _RESERVED and name not in coordinates:
                order_of = list(names) if other.shape == shape else list(names)[::-1]
                coordinates[name] = (order_of, other.numbers(path), {"units": other.unit})
    return coordinates
