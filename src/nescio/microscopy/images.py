"""Images: data layout, checks, flattening and normalisation.

===============================  ================  =====================================================================
name                             dimensions        meaning
===============================  ================  =====================================================================
``image``                        channel, y, x     float32, finite; the channel's median where pixels were not measured
``valid``                        y, x              False where pixels were not measured; missing if all were measured
``y``, ``x`` (coordinates)       y, x              positions of pixel centres, evenly spaced; attribute ``units``
``channel`` (coordinate)         channel           names
attribute ``source``                               the file, if there is one
===============================  ================  =====================================================================
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from nescio.errors import MeasurementError

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "LENGTH_UNITS",
    "Flattening",
    "Normalisation",
    "check_image",
    "flatten_image",
    "image_dataset",
    "length_unit",
    "normalise_image",
    "pixels_at",
    "positions_of",
    "select_channels",
]

Flattening = Literal["none", "plane", "rows"]
"""Background to subtract: none, a plane fitted to each channel, or the median of each row."""
Normalisation = Literal["none", "standard", "robust", "percentile"]
"""Values that become 0 and 1: "none", unchanged; "standard", mean and mean + standard deviation; "robust", median and
median + interquartile range; "percentile", the 1st and 99th percentile."""

LENGTH_UNITS = ("pixel", "pm", "angstrom", "nm", "um", "mm", "m")
"""Units of the coordinates of an image."""

_SYNONYMS = {
    **dict.fromkeys(("", "px", "pix", "pixels", "<undefined>", "none", "generic"), "pixel"),
    **dict.fromkeys(("picometer", "picometre"), "pm"),
    **dict.fromkeys(("a", "å", "ang", "angstroms", "ångström", "ångstrom", "angström"), "angstrom"),
    **dict.fromkeys(("nanometer", "nanometre"), "nm"),
    **dict.fromkeys(("µm", "μm", "micron", "micrometer", "micrometre", "\\u00b5m"), "um"),
    **dict.fromkeys(("millimeter", "millimetre"), "mm"),
    **dict.fromkeys(("meter", "metre"), "m"),
}
_EVEN = 1e-3
_LARGEST = 1e30
_ROUNDING = 1e-6


def length_unit(text: str) -> str | None:
    """Return the unit in `LENGTH_UNITS` that a text means ("µm", "Angstrom", "px"), or None."""
    word = text.strip().lower()
    # "s" alone means second, it is not a plural.
    single = word.removesuffix("s") if len(word) > len("ms") else word
    for name in (word, _SYNONYMS.get(word), _SYNONYMS.get(single), single):
        if name in LENGTH_UNITS:
            return name
    return None


def image_dataset(
    arrays: npt.ArrayLike | Mapping[str, npt.ArrayLike],
    *,
    pixel_size: float | tuple[float, float] = 1.0,
    unit: str = "pixel",
    channels: Sequence[str] | None = None,
    origin: tuple[float, float] = (0.0, 0.0),
    valid: npt.ArrayLike | None = None,
    source: str = "",
) -> xr.Dataset:
    """Convert arrays to an image dataset.

    Args:
        arrays: Array of shape (y, x) or (channel, y, x), or arrays of shape (y, x) by channel name.
        pixel_size: Distance between neighbouring pixels, for both axes or (y, x), in `unit`.
        unit: One of `LENGTH_UNITS`, or another spelling of it.
        channels: Names of the channels; by default "image", numbered if there are several.
        origin: Position (y, x) of the centre of the first pixel, in `unit`.
        valid: Shape (y, x), False where pixels were not measured; their values are ignored.
        source: The file.

    Raises:
        MeasurementError: A shape, a number, a name or a unit is invalid.
    """
    import xarray as xr

    values, names = _stacked(arrays, channels)
    measured = np.ones(values.shape[1:], bool) if valid is None else np.asarray(valid, bool)
    if measured.shape != values.shape[1:]:
        raise MeasurementError(f"valid has shape {measured.shape}, the image {values.shape[1:]}")
    if not measured.any():
        raise MeasurementError("no pixel of the image is valid")
    usable = np.abs(values) <= _LARGEST
    bad = np.argwhere(~usable & measured)
    if bad.size:
        channel, row, column = bad[0]
        raise MeasurementError(
            f"channel {names[channel]!r}: pixel (row {row}, column {column}) is {values[channel, row, column]:g} "
            f"(one of {len(bad)} pixels that are not finite or beyond 1e30); set valid to False for pixels that were "
            "not measured"
        )
    if not measured.all():
        fill = np.array([np.median(channel[measured]) for channel in values])
        values = np.where(measured, values, fill[:, None, None])
    spelt = length_unit(unit)
    if spelt is None:
        raise MeasurementError(f"unit {unit[:30]!r} is not a length (known units: {', '.join(LENGTH_UNITS)})")
    steps = np.broadcast_to(np.asarray(pixel_size, np.float64), (2,))
    if not (np.isfinite(steps) & (steps != 0)).all() or not np.isfinite(origin).all():
        raise MeasurementError(
            f"pixel_size {pixel_size}, origin {origin}: both must be finite, and pixel_size must not be 0"
        )
    coordinates = {
        name: (name, start + step * np.arange(points), {"units": spelt})
        for name, start, step, points in zip(("y", "x"), origin, steps, values.shape[1:], strict=True)
    }
    dataset = xr.Dataset(
        {"image": (("channel", "y", "x"), values.astype(np.float32))},
        coords={"channel": np.asarray(names, np.str_), **coordinates},
        attrs={"source": source} if source else {},
    )
    return dataset if measured.all() else dataset.assign(valid=(("y", "x"), measured))


def _stacked(
    arrays: npt.ArrayLike | Mapping[str, npt.ArrayLike], channels: Sequence[str] | None
) -> tuple[npt.NDArray[np.float64], list[str]]:
    """Return values, shape (channel, y, x), and names of channels."""
    if isinstance(arrays, Mapping):
        if not arrays:
            raise MeasurementError("an image needs at least one channel")
        channels = list(arrays) if channels is None else channels
        given = [np.asarray(array) for array in arrays.values()]
        shapes = {array.shape for array in given}
        if len(shapes) > 1 or given[0].ndim != 2:
            listed = ", ".join(f"{name} {np.shape(array)}" for name, array in arrays.items())
            raise MeasurementError(f"all channels must have the same shape (y, x): {listed[:200]}")
        raw = np.stack(given)
    else:
        raw = np.asarray(arrays)
    if raw.dtype.kind not in "iufb":
        what = "complex numbers; give amplitude or phase" if raw.dtype.kind == "c" else str(raw.dtype)
        raise MeasurementError(f"an image needs real numbers, not {what}")
    if raw.ndim == 2:
        raw = raw[None]
    if raw.ndim != 3 or min(raw.shape[1:]) < 2 or not len(raw):
        raise MeasurementError(
            f"an image needs shape (y, x) or (channel, y, x) with at least 2 x 2 pixels, not {raw.shape}"
        )
    default = ["image"] if len(raw) == 1 else [f"image {number}" for number in range(1, len(raw) + 1)]
    names = default if channels is None else [str(name) for name in channels]
    if len(names) != len(raw) or len(set(names)) != len(names) or not all(names):
        raise MeasurementError(
            f"{len(raw)} channels need {len(raw)} different names, not {', '.join(names)[:80]!r}"
        )
    with np.errstate(all="ignore"):
        return raw.astype(np.float64), names


def check_image(dataset: xr.Dataset) -> xr.Dataset:
    """Check that a dataset, for example from an instrument, is an image, and return it.

    Raises:
        MeasurementError: The dataset is not an image; the message gives the reason.
    """
    if "image" not in dataset:
        known = ", ".join(map(str, dataset.data_vars)) or "nothing"
        raise MeasurementError(f"the data have no variable 'image', only {known[:80]}")
    image = dataset["image"]
    if image.dims != ("channel", "y", "x"):
        raise MeasurementError(f"image has dimensions {', '.join(map(str, image.dims))}; needs channel, y, x")
    missing = [name for name in image.dims if name not in dataset.coords]
    if missing:
        raise MeasurementError(f"image has no coordinate {', '.join(map(str, missing))}")
    (start_y, step_y), (start_x, step_x) = (_grid(dataset[name]) for name in ("y", "x"))
    units = {name: str(dataset[name].attrs.get("units", "pixel")) for name in ("y", "x")}
    if units["y"] != units["x"]:
        raise MeasurementError(f"y is in {units['y']}, x in {units['x']}; both need the same unit")
    checked = image_dataset(
        image.values,
        pixel_size=(step_y, step_x),
        unit=units["y"],
        channels=[str(name) for name in dataset["channel"].values],
        origin=(start_y, start_x),
        valid=dataset["valid"].transpose("y", "x").values if "valid" in dataset else None,
    )
    return checked.assign_attrs(dataset.attrs)


def _grid(axis: xr.DataArray) -> tuple[float, float]:
    """Return start and step of the pixel centres along an axis."""
    centres = np.asarray(axis.values, np.float64)
    if centres.size < 2 or not np.isfinite(centres).all():
        raise MeasurementError(f"{axis.name} needs at least 2 finite coordinates")
    step = (centres[-1] - centres[0]) / (centres.size - 1)
    uneven = np.abs(centres - centres[0] - step * np.arange(centres.size)).max()
    if step == 0 or uneven > _EVEN * abs(step) * centres.size**0.5:
        raise MeasurementError(
            f"{axis.name} is not evenly spaced: from {centres[0]:g} to {centres[-1]:g}, deviations up to {uneven:g}"
        )
    return float(centres[0]), float(step)


def select_channels(dataset: xr.Dataset, names: Sequence[str]) -> xr.Dataset:
    """Return an image with the named channels, in that order; with all channels if `names` is empty.

    Raises:
        MeasurementError: A channel does not exist; the message names the existing ones.
    """
    if not names:
        return dataset
    present = [str(name) for name in dataset["channel"].values]
    absent = [name for name in names if name not in present]
    if absent:
        raise MeasurementError(f"there is no channel {absent[0]!r}; the image has {', '.join(present)}")
    return dataset.isel(channel=[present.index(name) for name in names])


def flatten_image(dataset: xr.Dataset, flattening: Flattening) -> xr.Dataset:
    """Return an image without the tilt of the sample, or without offsets between scan lines.

    Args:
        dataset: An image.
        flattening: "plane" subtracts a least-squares plane from each channel; "rows" subtracts the median from each row
            (along x). Pixels that are not valid are ignored in the fit.
    """
    if flattening == "none":
        return dataset
    values = dataset["image"].values.astype(np.float64)
    valid = _valid(dataset)
    if flattening == "rows":
        gaps = np.where(valid, values, np.nan)
        gaps[:, ~valid.any(axis=1)] = 0.0
        flat = values - np.nanmedian(gaps, axis=2, keepdims=True)
    else:
        y, x = (np.linspace(-1.0, 1.0, points) for points in valid.shape)
        terms = np.stack([np.ones(valid.shape), *np.meshgrid(y, x, indexing="ij")], axis=-1)
        fitted = np.linalg.lstsq(terms[valid], values[:, valid].T, rcond=None)[0]
        flat = values - np.moveaxis(terms @ fitted, -1, 0)
    return dataset.assign(image=dataset["image"].copy(data=flat.astype(np.float32)))


def normalise_image(dataset: xr.Dataset, normalisation: Normalisation) -> xr.Dataset:
    """Return an image whose channels have a common scale.

    Args:
        dataset: An image.
        normalisation: See `Normalisation`. If the interquartile range is zero (most pixels are equal), "robust" divides
            by the standard deviation. If the two percentiles are equal, "percentile" uses minimum and maximum. Pixels
            that are not valid are ignored.

    Raises:
        MeasurementError: A channel has zero variance.
    """
    values = dataset["image"].values.astype(np.float64)
    valid = _valid(dataset)
    scaled = np.empty(values.shape, np.float32)
    for index, name in enumerate(dataset["channel"].values):
        known = values[index][valid]
        low, high = known.min(), known.max()
        if high - low <= _ROUNDING * max(abs(low), abs(high)):
            raise MeasurementError(
                f"channel {str(name)!r} has zero variance: every pixel is {low:g}; remove it from the channels"
            )
        zero, one = _scale(known, normalisation)
        scaled[index] = (values[index] - zero) / (one - zero)
    return dataset.assign(image=dataset["image"].copy(data=scaled))


def _scale(known: npt.NDArray[np.float64], normalisation: Normalisation) -> tuple[float, float]:
    """Return the values that become 0 and 1."""
    if normalisation == "none":
        return 0.0, 1.0
    if normalisation == "percentile":
        low, high = (float(value) for value in np.percentile(known, (1.0, 99.0)))
        return (low, high) if high > low else (float(known.min()), float(known.max()))
    centre, spread = float(known.mean()), float(known.std())
    if normalisation == "robust":
        low, centre, high = (float(value) for value in np.percentile(known, (25.0, 50.0, 75.0)))
        spread = high - low or spread
    return centre, centre + spread


def _valid(dataset: xr.Dataset) -> npt.NDArray[np.bool_]:
    if "valid" in dataset:
        return dataset["valid"].values.astype(bool)
    return np.ones(dataset["image"].shape[1:], bool)


def positions_of(dataset: xr.Dataset, pixels: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the positions of pixels.

    Args:
        dataset: An image.
        pixels: Shape (n, 2), row and column; fractions are allowed.

    Returns:
        Positions, shape (n, 2), y and x in the unit of the image.
    """
    start, step = _axes(dataset)
    return start + step * np.asarray(pixels, np.float64).reshape(-1, 2)


def pixels_at(dataset: xr.Dataset, positions: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the pixels at positions (row and column, not rounded), shape (n, 2); inverse of :func:`positions_of`."""
    start, step = _axes(dataset)
    return (np.asarray(positions, np.float64).reshape(-1, 2) - start) / step


def _axes(dataset: xr.Dataset) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    grids = np.array([_grid(dataset[name]) for name in ("y", "x")])
    return grids[:, 0], grids[:, 1]
