"""Patches: the surroundings of candidates in an image.

A patch of h x w pixels around the pixel (row, column) covers the rows from row - h // 2 to row - h // 2 + h - 1, and
columns likewise. If the size is odd, the pixel is the centre; if it is even, it is the first pixel after the middle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, Strict, field_validator, model_validator

from nescio.configuration import Settings
from nescio.display import Summarised
from nescio.errors import ConfigurationError, MeasurementError
from nescio.explore import Candidates
from nescio.microscopy.encoders import Encoder, build_encoder, encoder_names
from nescio.microscopy.images import (
    Flattening,
    Normalisation,
    check_image,
    flatten_image,
    normalise_image,
    pixels_at,
    positions_of,
    select_channels,
)

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Edge", "PatchSettings", "Patches", "candidate_positions", "extract_patches", "image_patches"]

Edge = Literal["exclude", "reflect", "constant", "error"]
"""Treatment of patches that extend beyond the image: "exclude" the place; "reflect" the image at its border (without
repeating the border); extend it by a "constant"; raise an "error"."""

_MAX_VALUES = 2**29
_Pixels = Annotated[int, Strict(), Field(ge=1, le=1024)]


class PatchSettings(Settings):
    """Candidates that are places in an image, described by their patches; registered as kind "patches"."""

    kind: Literal["patches"] = "patches"
    size: _Pixels | tuple[_Pixels, _Pixels] = 16
    """Size of a patch in pixels: side, or (height, width)."""
    channels: tuple[str, ...] = ()
    """Names of the channels to use; all if empty."""
    places: Literal["auto", "survey", "grid"] = "auto"
    """Positions listed by the survey, a grid over the image, or "auto": a grid if the survey lists none."""
    stride: _Pixels | tuple[_Pixels, _Pixels] = 4
    """Distance between places of the grid in pixels, for both axes or (down, across)."""
    edge: Edge = "exclude"
    fill: Annotated[float, Field(allow_inf_nan=False)] = 0.0
    """Value outside the image if `edge` is "constant", after normalisation."""
    flattening: Flattening = "none"
    normalisation: Normalisation = "standard"
    """Normalisation of each channel of the image."""
    patch_normalisation: Literal["none", "mean", "standard"] = "none"
    """For each channel of each patch: "mean" subtracts the mean, "standard" also divides by the standard deviation."""
    encoder: dict[str, Any] = Field(default_factory=dict)
    """Encoder that computes features of patches: a table of kind "wavelets" (default), "vae", "pca" or "raw"."""
    alternatives: Annotated[tuple[dict[str, Any], ...], Field(max_length=8)] = ()
    """Further encoders; the surrogate chooses one by leave-one-out likelihood of the measured values."""

    @field_validator("encoder", "alternatives")
    @classmethod
    def _known(cls, value: Any) -> Any:
        for document in [value] if isinstance(value, Mapping) else value:
            try:
                build_encoder(document, str(document.get("kind", "table")))
            except ConfigurationError as error:
                # Pydantic reports the position in the file only for a ValueError.
                raise ValueError(str(error)) from None
        return value

    @model_validator(mode="after")
    def _different(self) -> Self:
        encoders = self.encoders()
        for place, encoder in enumerate(encoders):
            if encoder in encoders[:place]:
                raise ValueError(
                    f"alternatives: encoder {encoder.kind!r} is given twice with the same settings"
                )
        return self

    def encoders(self) -> tuple[Encoder, ...]:
        """Return the encoder and its alternatives."""
        return tuple(build_encoder(document, "encoder") for document in (self.encoder, *self.alternatives))

    def extract(self, survey: xr.Dataset) -> Patches:
        """Return the patches of a survey; see :func:`image_patches`."""
        return image_patches(survey, self)

    def candidates(self, survey: xr.Dataset, *, seed: int = 0) -> Candidates:
        """Return the candidates of a survey with the features of their patches.

        Args:
            survey: An image, optionally with ``position`` (candidate, coordinate).
            seed: Random seed of encoders that are trained.

        Raises:
            MeasurementError: See :func:`image_patches`; or the patches are too small for an encoder.
            AgentError: The training of an encoder diverged.
            InterruptedTrainingError: Ctrl-C was pressed during the training of an encoder.
        """
        found = self.extract(survey)
        encoders = self.encoders()
        features = [encoder.encode(found.patches, seed=seed) for encoder in encoders]
        names = encoder_names(encoders)
        return Candidates(
            positions=found.positions,
            features=features[0],
            unit=found.unit,
            encoder=names[0],
            alternatives=dict(zip(names[1:], features[1:], strict=True)),
            survey_index=found.survey_index if self.lists_places(survey) else None,
        )

    def lists_places(self, survey: xr.Dataset) -> bool:
        """Return whether the candidates are the positions that the survey lists (else a grid)."""
        return self.places == "survey" or (self.places == "auto" and "position" in survey)


@dataclass(frozen=True, eq=False, repr=False)
class Patches(Summarised):
    """The candidates of an image with their patches."""

    patches: npt.NDArray[np.float32]
    """Shape (n, channels, height, width)."""
    pixels: npt.NDArray[np.int64]
    """Shape (n, 2), row and column."""
    positions: npt.NDArray[np.float64]
    """Shape (n, 2), y and x in `unit`: positions listed by the survey, else pixel centres."""
    survey_index: npt.NDArray[np.int64]
    """Shape (n,); index of each candidate in the survey's positions or in the grid."""
    channels: tuple[str, ...]
    unit: str
    settings: PatchSettings

    def __len__(self) -> int:
        return len(self.patches)


def image_patches(survey: xr.Dataset, settings: PatchSettings) -> Patches:
    """Return the candidates of a survey and their patches.

    A listed position between pixels keeps its coordinates and uses the patch of the nearest pixel. Places of a grid
    whose pixel is not valid are excluded.

    Args:
        survey: An image, optionally with ``position`` (candidate, coordinate).
        settings: Settings of the patches.

    Raises:
        MeasurementError: The survey is not an image, a channel is missing or constant, a position lies outside the
            image or is listed twice, or no candidate remains.
    """
    image = flatten_image(select_channels(check_image(survey), settings.channels), settings.flattening)
    image = normalise_image(image, settings.normalisation)
    values = image["image"].values
    shape, size = values.shape[1:], _pair(settings.size)
    listed = settings.lists_places(survey)
    if listed:
        positions = _listed_positions(survey)
        pixels = _rounded(pixels_at(image, positions))
        outside = np.flatnonzero(_outside(pixels, shape))
        if outside.size:
            row, column = pixels[outside[0]]
            raise MeasurementError(
                f"position {_point(positions[outside[0]])} of candidate {outside[0]} (of {outside.size}) lies outside "
                f"the image: pixel (row {row}, column {column}) of {shape[0]} x {shape[1]}"
            )
    else:
        pixels = candidate_positions(shape, settings.stride, size, settings.edge)
        positions = positions_of(image, pixels)
    keep = np.ones(len(pixels), bool)
    if settings.edge == "exclude":
        keep = ~_leaving(pixels, shape, size)
    if not listed and "valid" in image:
        keep &= image["valid"].values[tuple(pixels.T)]
    if not keep.any():
        raise MeasurementError(
            f"none of {len(pixels)} places remains: patches of {size[0]} x {size[1]} pixels extend beyond the image of "
            f"{shape[0]} x {shape[1]}, or their pixels are not valid; choose a smaller size or another edge"
        )
    patches = extract_patches(values, pixels[keep], size, settings.edge, fill=settings.fill)
    return Patches(
        patches=_normalised(patches, settings.patch_normalisation),
        pixels=pixels[keep],
        positions=positions[keep],
        survey_index=np.flatnonzero(keep),
        channels=tuple(str(name) for name in image["channel"].values),
        unit=str(image["y"].attrs["units"]),
        settings=settings,
    )


def candidate_positions(
    shape: tuple[int, int], stride: int | tuple[int, int], size: int | tuple[int, int], edge: Edge = "exclude"
) -> npt.NDArray[np.int64]:
    """Return the pixels of a grid, row by row, shape (n, 2), row and column.

    The grid is centred in the pixels that can be candidates: if `edge` is "exclude" or "error", those whose patch is
    inside the image, else all.

    Args:
        shape: Height and width of the image in pixels.
        stride: Distance between neighbours in pixels, for both axes or (down, across).
        size: Size of a patch in pixels: side, or (height, width).
        edge: Treatment of patches that extend beyond the image.

    Raises:
        MeasurementError: A patch is larger than the image.
    """
    size, stride = _pair(size), _pair(stride)
    _check_size(size, shape)
    if min(stride) < 1:
        raise MeasurementError(f"stride {stride} must be at least 1 pixel")
    axes = []
    for points, extent, step in zip(shape, size, stride, strict=True):
        first, last = 0, points - 1
        if edge in ("exclude", "error"):
            first, last = extent // 2, points - extent + extent // 2
        axes.append(np.arange(first + (last - first) % step // 2, last + 1, step))
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2).astype(np.int64)


def extract_patches(
    image: npt.ArrayLike,
    pixels: npt.ArrayLike,
    size: int | tuple[int, int],
    edge: Edge = "error",
    *,
    fill: float = 0.0,
) -> npt.NDArray[np.float32]:
    """Cut patches out of an image.

    Args:
        image: Shape (channels, height, width).
        pixels: Shape (n, 2), row and column; fractions are rounded, halves up.
        size: Size of a patch in pixels: side, or (height, width).
        edge: With "exclude" and "error", a patch that extends beyond the image raises an error.
        fill: Value outside the image if `edge` is "constant".

    Returns:
        Patches, shape (n, channels, height, width); see the module's docstring for their positions.

    Raises:
        MeasurementError: A pixel lies outside the image, a patch extends beyond it (see `edge`) or is larger than it,
            or all patches together need more than 2 GiB.
    """
    values = np.asarray(image, np.float32)
    if values.ndim != 3:
        raise MeasurementError(f"image of shape {values.shape}: needs (channels, height, width)")
    height, width = _pair(size)
    shape = values.shape[1:]
    _check_size((height, width), shape)
    centres = _rounded(np.asarray(pixels, np.float64).reshape(-1, 2))
    outside = np.flatnonzero(_outside(centres, shape))
    if outside.size:
        row, column = centres[outside[0]]
        raise MeasurementError(
            f"pixel {outside[0]} (row {row}, column {column}; of {outside.size}) lies outside the image of "
            f"{shape[0]} x {shape[1]}"
        )
    total = len(centres) * len(values) * height * width
    if total > _MAX_VALUES:
        raise MeasurementError(
            f"{len(centres)} patches of {len(values)} x {height} x {width} need {total * 4 / 2**30:.1f} GiB, more than "
            f"{_MAX_VALUES * 4 / 2**30:.0f} GiB; choose a larger stride or a smaller size"
        )
    leaving = np.flatnonzero(_leaving(centres, shape, (height, width)))
    first = centres - np.array([height // 2, width // 2])
    if leaving.size and edge in ("exclude", "error"):
        row, column = centres[leaving[0]]
        raise MeasurementError(
            f"the patch of {height} x {width} around pixel {leaving[0]} (row {row}, column {column}; of "
            f"{leaving.size}) extends beyond the image of {shape[0]} x {shape[1]}; exclude it, or choose another edge"
        )
    if leaving.size:
        margins = [(extent // 2, (extent - 1) // 2) for extent in (height, width)]
        options: dict[str, Any] = {"mode": "reflect"} if edge == "reflect" else {"constant_values": fill}
        values = np.pad(values, [(0, 0), *margins], **options)
        first = centres
    windows = np.lib.stride_tricks.sliding_window_view(values, (height, width), axis=(1, 2))
    # Only the requested patches are copied.
    return np.ascontiguousarray(np.moveaxis(windows, 0, 2)[first[:, 0], first[:, 1]])


def _normalised(patches: npt.NDArray[np.float32], how: str) -> npt.NDArray[np.float32]:
    if how == "none":
        return patches
    patches -= patches.mean(axis=(2, 3), keepdims=True)
    if how == "standard":
        spread = patches.std(axis=(2, 3), keepdims=True)
        # A patch without contrast stays zero.
        patches /= np.where(spread > 0, spread, 1)
    return patches


def _listed_positions(survey: xr.Dataset) -> npt.NDArray[np.float64]:
    """Return the survey's positions, shape (n, 2), y and x."""
    if "position" not in survey:
        raise MeasurementError('the survey has no "position" (candidate, coordinate); set places = "grid"')
    position = survey["position"]
    if position.dims != ("candidate", "coordinate") or set(map(str, survey["coordinate"].values)) != {
        "y",
        "x",
    }:
        raise MeasurementError(
            f"position has dimensions {', '.join(map(str, position.dims))}; needs candidate, coordinate (y, x)"
        )
    own, other = position.attrs.get("units"), survey["y"].attrs.get("units", "pixel")
    if own is not None and own != other:
        raise MeasurementError(f"positions are in {own}, the image in {other}; both need the same unit")
    listed = position.sel(coordinate=["y", "x"]).values.astype(np.float64)
    bad = np.flatnonzero(~np.isfinite(listed).all(axis=1))
    if bad.size:
        raise MeasurementError(f"position of candidate {bad[0]} (of {bad.size}) is not finite")
    _, where, counts = np.unique(listed, axis=0, return_inverse=True, return_counts=True)
    repeated = np.flatnonzero(counts[where.ravel()] > 1)
    if repeated.size:
        first, second = np.flatnonzero(where.ravel() == where.ravel()[repeated[0]])[:2]
        raise MeasurementError(
            f"position {_point(listed[first])} is listed twice: candidates {first} and {second}"
        )
    return listed


def _rounded(pixels: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    bad = np.flatnonzero(~(np.abs(pixels) < 2**31).all(axis=1))
    if bad.size:
        raise MeasurementError(
            f"pixel {bad[0]} (of {bad.size}) is {_point(pixels[bad[0]])}, which is not a place in an image"
        )
    return np.floor(pixels + 0.5).astype(np.int64)


def _outside(pixels: npt.NDArray[np.int64], shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    outside: npt.NDArray[np.bool_] = np.any((pixels < 0) | (pixels >= np.array(shape)), axis=1)
    return outside


def _leaving(
    pixels: npt.NDArray[np.int64], shape: tuple[int, ...], size: tuple[int, int]
) -> npt.NDArray[np.bool_]:
    first = pixels - np.array(size) // 2
    leaving: npt.NDArray[np.bool_] = np.any((first < 0) | (first + np.array(size) > np.array(shape)), axis=1)
    return leaving


def _check_size(size: tuple[int, int], shape: tuple[int, ...]) -> None:
    if min(size) < 1 or size[0] > shape[0] or size[1] > shape[1]:
        raise MeasurementError(
            f"a patch of {size[0]} x {size[1]} pixels does not fit into the image of {shape[0]} x {shape[1]}"
        )


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))


def _point(position: npt.NDArray[np.float64]) -> str:
    return f"({position[0]:g}, {position[1]:g})"
