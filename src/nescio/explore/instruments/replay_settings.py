"""How a file of measured data is read as an instrument (the ``[instrument]`` table of kind "replay")."""

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
    """Return what builds a table where one stands, and leaves names as they are."""

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
    """Measured data in a file, as an instrument.

    The file says itself which of its arrays are spectra, places and image, or options name them; what no option can
    say, tables describe array by array (`spectra`, `image`, `positions`, `features`).
    """

    kind: Literal["replay"] = "replay"
    path: Path
    """A file that an installed reader reads; relative to the file of the experiment."""
    reader: str = "microscopy"
    """Name of the reader (entry point group ``nescio.grids``)."""
    spectra: Annotated[ReplaySpectra | str, _table(ReplaySpectra)] = ""
    """Name of their array, where the file holds several; or a table that describes them."""
    image: Annotated[ReplayImage | Literal[False] | str | tuple[str, ...] | None, _table(ReplayImage)] = ""
    """Name of the image where there are several; several names become channels; false leaves it out; or a table."""
    navigation: Annotated[int, Strict(), Field(ge=1)] | None = None
    """How many of the first dimensions are places, where the file does not say."""
    dimensions: tuple[str, ...] = ()
    """Names of the other dimensions, where the file does not say."""
    pixel_size: Positive | tuple[Positive, Positive] | None = None
    """Of the image, or of the grid where there is no image, over what the file says; of both axes, or (y, x)."""
    unit: str | None = None
    """Of `pixel_size`."""
    channels: tuple[str, ...] = ()
    """Names of the channels of the image, over what the file says."""
    luminance: bool = False
    """Take the brightness of a picture in colour."""
    missing: bool = False
    """Pixels that are not finite were not measured."""
    positions: ReplayPositions | None = None
    """Where spectra that are described lie; needed unless there is one for every pixel of the image."""
    features: ReplayFeatures | None = None
    """What is known of each candidate, where spectra are described and there is no image."""
    tolerance: Positive | None = None
    """How far from a candidate a position may be; by default half of the smallest distance between two."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        tables = [name for name in ("image", "positions", "features") if _is_table(getattr(self, name))]
        if not isinstance(self.spectra, ReplaySpectra):
            if tables:
                raise ValueError(f"{tables[0]} is described by a table, and spectra must be, too")
            return self
        # By value, since the record of an experiment holds every key.
        fields = type(self).model_fields
        given = [name for name in _OPTIONS[2:] if getattr(self, name) != fields[name].default]
        if given:
            raise ValueError(f"{given[0]} is an option for spectra that no table describes")
        if self.image and "image" not in tables:
            raise ValueError("spectra are described by a table, and the image must be, too")
        if ("image" in tables) == (self.features is not None):
            raise ValueError("needs either an image or features")
        if self.positions is None and "image" not in tables:
            raise ValueError("positions are needed where there is no image")
        names = self.positions.coordinates if self.positions is not None else ("y", "x")
        if "image" in tables and sorted(names) != ["x", "y"]:
            raise ValueError(f"positions on an image have the coordinates y and x, not {', '.join(names)}")
        return self

    def build(self, folder: Path | None = None) -> Replay:
        """Read the file; its path is taken relative to `folder`.

        Raises:
            FileError: The file cannot be read, or a variable in it is missing or of another shape than described.
            InstrumentError: Positions and spectra do not belong together.
            ConfigurationError: The reader is not installed.
        """
        path = (folder or Path()) / self.path
        survey, spectra = (
            self._described(path) if isinstance(self.spectra, ReplaySpectra) else self._told(path)
        )
        return Replay(survey, spectra, tolerance=self.tolerance, name=f"replay of {path.name}")

    def _told(self, path: Path) -> tuple[xr.Dataset, xr.DataArray]:
        """Return survey and spectra of a file that says itself what is what."""
        options: dict[str, Any] = {name: getattr(self, name) for name in _OPTIONS}
        options["image"] = None if self.image in (False, None) else self.image
        grid = find_grid_reader(self.reader).read_grid(path, options)
        spectra = grid["spectra"]
        survey = grid.drop_vars([*_own_names(grid, spectra), "spectra"])
        return survey, spectra

    def _described(self, path: Path) -> tuple[xr.Dataset, xr.DataArray]:
        """Return survey and spectra as tables describe them."""
        assert isinstance(self.spectra, ReplaySpectra)  # noqa: S101 - as build has seen
        image = self.image if isinstance(self.image, ReplayImage) else None
        arrays = find_grid_reader(self.reader).read_arrays(path, list(self._variables()))
        spectra = described_spectra(arrays, self.spectra, path, ordered=self.positions is None)
        return described_survey(arrays, self.spectra, image, self.positions, self.features, path), spectra

    def _variables(self) -> Iterator[str]:
        """Yield the names of all arrays that tables name."""
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
    """Return the names of coordinates that belong to the spectra alone."""
    kept = {dim for name, variable in grid.data_vars.items() if name != "spectra" for dim in variable.dims}
    return [str(name) for name in spectra.coords if not {*spectra[name].dims} & (kept - {"candidate"})]
