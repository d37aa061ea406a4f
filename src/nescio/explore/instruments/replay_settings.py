"""Settings to replay a file of measured data as an instrument (``[instrument]`` table of kind "replay")."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, Strict, model_validator

from nescio.configuration import Settings, validated
from nescio.errors import ConfigurationError
from nescio.explore.instruments.grids import find_grid_reader
from nescio.explore.instruments.replay import Replay
from nescio.explore.instruments.replay_described import (
    Positive,
    ReplayFeatures,
    ReplayImage,
    ReplayPositions,
    ReplaySpectra,
    described_spectra,
    described_survey,
)

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["ReplaySettings"]

_OPTIONS = (
    "spectra",
    "image",
    "navigation",
    "dimensions",
    "pixel_size",
    "unit",
    "channels",
    "luminance",
    "missing",
)


def _table(model: type[Settings]) -> BeforeValidator:
    """Return a validator that builds tables and leaves other values unchanged."""

    def build(value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        try:
            return validated(model, value, "table")
        except ConfigurationError as error:
            # Pydantic adds the place in the file to a ValueError only.
            raise ValueError(str(error).removeprefix("table: ")) from None

    return BeforeValidator(build)


class ReplaySettings(Settings):
    """Replay measured data from a file as an instrument.

    The spectra, positions and image come from the file's own metadata, or options name them. For other files, tables
    describe the arrays one by one (`spectra`, `image`, `positions`, `features`).
    """

    kind: Literal["replay"] = "replay"
    path: Path
    """Path of a file for an installed reader, relative to the experiment's file."""
    reader: str = "microscopy"
    """Name of the reader (entry point group ``nescio.grids``)."""
    spectra: Annotated[ReplaySpectra | str, _table(ReplaySpectra)] = ""
    """Name of the spectra's array, if the file has several; or a table that describes it."""
    image: Annotated[ReplayImage | Literal[False] | str | tuple[str, ...] | None, _table(ReplayImage)] = ""
    """Name of the image, if the file has several; several names become channels; false for no image; or a table."""
    navigation: Annotated[int, Strict(), Field(ge=1)] | None = None
    """Number of first dimensions that are positions, if the file does not say."""
    dimensions: tuple[str, ...] = ()
    """Names of the other dimensions, if the file does not say."""
    pixel_size: Positive | tuple[Positive, Positive] | None = None
    """Pixel size of the image, or of the grid without an image: one number or (y, x). It overrides the file."""
    unit: str | None = None
    """Unit of `pixel_size`."""
    channels: tuple[str, ...] = ()
    """Names of the image's channels. They override the file."""
    luminance: bool = False
    """Use the luminance of a colour image."""
    missing: bool = False
    """Treat pixels that are not finite as not measured."""
    positions: ReplayPositions | None = None
    """Positions of spectra described by a table; needed unless there is one spectrum per pixel of the image."""
    features: ReplayFeatures | None = None
    """Features of the candidates, if the spectra are described by a table and there is no image."""
    tolerance: Positive | None = None
    """Largest distance of a position from a candidate; default: half of the smallest distance between candidates."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        tables = [name for name in ("image", "positions", "features") if _is_table(getattr(self, name))]
        if not isinstance(self.spectra, ReplaySpectra):
            if tables:
                raise ValueError(f"{tables[0]} is described by a table, so spectra must be a table too")
            return self
        # Compare by value, because an experiment's record contains every key.
        fields = type(self).model_fields
        given = [name for name in _OPTIONS[2:] if getattr(self, name) != fields[name].default]
        if given:
            raise ValueError(f"{given[0]} is only allowed if spectra is not a table")
        if self.image and "image" not in tables:
            raise ValueError("spectra are described by a table, so image must be a table too")
        if ("image" in tables) == (self.features is not None):
            raise ValueError("needs either an image or features")
        if self.positions is None and "image" not in tables:
            raise ValueError("positions are required without an image")
        names = self.positions.coordinates if self.positions is not None else ("y", "x")
        if "image" in tables and sorted(names) != ["x", "y"]:
            raise ValueError(
                f"positions on an image must have the coordinates y and x, not {', '.join(names)}"
            )
        return self

    def build(self, folder: Path | None = None) -> Replay:
        """Read the file; its path is relative to `folder`.

        Raises:
            FileError: The file cannot be read, or an array is missing or its shape differs from the description.
            InstrumentError: Positions and spectra do not match.
            ConfigurationError: The reader is not installed.
        """
        path = (folder or Path()) / self.path
        survey, spectra = (
            self._described(path) if isinstance(self.spectra, ReplaySpectra) else self._from_metadata(path)
        )
        return Replay(survey, spectra, tolerance=self.tolerance, name=f"replay of {path.name}")

    def _from_metadata(self, path: Path) -> tuple[xr.Dataset, xr.DataArray]:
        """Return survey and spectra from the file's metadata and the options."""
        options: dict[str, Any] = {name: getattr(self, name) for name in _OPTIONS}
        options["image"] = None if self.image in (False, None) else self.image
        grid = find_grid_reader(self.reader).read_grid(path, options)
        spectra = grid["spectra"]
        survey = grid.drop_vars([*_own_names(grid, spectra), "spectra"])
        return survey, spectra

    def _described(self, path: Path) -> tuple[xr.Dataset, xr.DataArray]:
        """Return survey and spectra from the tables."""
        assert isinstance(self.spectra, ReplaySpectra)  # noqa: S101 - checked in build
        image = self.image if isinstance(self.image, ReplayImage) else None
        arrays = find_grid_reader(self.reader).read_arrays(path, list(self._variables()))
        spectra = described_spectra(arrays, self.spectra, path, ordered=self.positions is None)
        return described_survey(arrays, self.spectra, image, self.positions, self.features, path), spectra

    def _variables(self) -> Iterator[str]:
        """Yield the names of all arrays in the tables."""
        if isinstance(self.spectra, ReplaySpectra):
            yield self.spectra.variable
            yield from (axis.variable for axis in self.spectra.axes.values() if axis.variable)
        if isinstance(self.image, ReplayImage):
            yield self.image.variable
        for table in (self.positions, self.features):
            yield from table.variables if table is not None else ()


def _is_table(value: object) -> bool:
    return isinstance(value, ReplayImage | ReplayPositions | ReplayFeatures)


def _own_names(grid: xr.Dataset, spectra: xr.DataArray) -> list[str]:
    """Return the names of coordinates that only the spectra have."""
    kept = {dim for name, variable in grid.data_vars.items() if name != "spectra" for dim in variable.dims}
    return [str(name) for name in spectra.coords if not {*spectra[name].dims} & (kept - {"candidate"})]
