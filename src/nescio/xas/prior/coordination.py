"""The prior of absorption near the edge: its settings, its quantities, and its documents."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, Strict, model_validator

from nescio.configuration import Real, Settings, read_toml, validated
from nescio.display import key_figures
from nescio.errors import ConfigurationError
from nescio.files import packed
from nescio.signals import NUMBERS
from nescio.techniques import NumberSampler, Quantity, Structure
from nescio.xas.atoms import known_shapes
from nescio.xas.prior.library import SiteLibrary, bundled_library, library_of, load_library
from nescio.xas.prior.mixtures import Mixtures, MixtureSettings

__all__ = ["CoordinationPrior", "LibrarySettings", "NormalisationSettings", "XASSettings"]

Floats = NDArray[np.float64]
_Range = tuple[Real, Real]


class LibrarySettings(Settings):
    """Source of the site spectra: a bundled library, by element and edge, or a file."""

    element: str | None = None
    edge: str | None = None
    file: str | None = None
    """A file of :func:`nescio.xas.save_library`; relative to the configuration's folder."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.file is None) == (self.element is None or self.edge is None):
            raise ValueError("needs either element and edge of a bundled library, or file")
        return self


class NormalisationSettings(Settings):
    """Normalisation and alignment of measured spectra; missing values are determined from each spectrum."""

    e0: Annotated[Real, Field(gt=0.0)] | None = None
    """Energy of the edge in eV."""
    pre: _Range | None = None
    """Range of the pre-edge line, in eV from the edge."""
    post: _Range | None = None
    """Range of the post-edge polynomial, in eV from the edge."""
    degree: Annotated[int, Strict(), Field(ge=0, le=3)] | None = None
    """Degree of the post-edge polynomial."""
    align: Literal["foil", "edge"] = "foil"
    """"foil": spectra and foil share an energy axis. "edge": each spectrum, in training too, is shifted until its edge
    matches the foil's; a true edge shift then counts as an error."""


class XASSettings(Settings):
    """All settings of a prior of X-ray absorption."""

    technique: Literal["xas"] = "xas"
    library: LibrarySettings
    mixtures: MixtureSettings = MixtureSettings()
    normalisation: NormalisationSettings = NormalisationSettings()


@dataclass(frozen=True, eq=False)
class CoordinationPrior:
    """A prior of spectra with coordination numbers and distances (:class:`nescio.techniques.NumberPrior`)."""

    library: SiteLibrary
    mixtures: MixtureSettings = field(default_factory=MixtureSettings)
    normalisation: NormalisationSettings = field(default_factory=NormalisationSettings)
    chosen: tuple[int, ...] | None = None
    """Indices of the sites to draw from; by default all sites with a neighbour."""

    technique = "xas"
    kind = NUMBERS

    def __post_init__(self) -> None:
        # Built now, so that errors are raised here.
        _ = self._draws

    @classmethod
    def from_file(cls, path: str | Path) -> CoordinationPrior:
        """Read a prior from its TOML file; a table ``[learn]`` is ignored.

        Raises:
            NescioError: The file, a key, or the library is not valid.
        """
        path = Path(path)
        document = {key: value for key, value in read_toml(path).items() if key != "learn"}
        settings = validated(XASSettings, document, str(path))
        asked = settings.library
        if asked.file is not None:
            library = load_library(path.parent / asked.file)
        else:
            library = bundled_library(str(asked.element), str(asked.edge))
        return cls(library, settings.mixtures, settings.normalisation)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> CoordinationPrior:
        """Build a prior from the result of :meth:`to_document`.

        Raises:
            NescioError: The document is damaged.
        """
        if set(document) != {"library", "mixtures", "normalisation", "chosen"}:
            raise ConfigurationError(
                "prior document: needs exactly the keys library, mixtures, normalisation and chosen"
            )
        try:
            content = base64.b64decode(str(document["library"]), validate=True)
        except binascii.Error as error:
            raise ConfigurationError(f"prior document: the library is damaged ({error})") from None
        chosen = document["chosen"]
        if chosen is not None and not (isinstance(chosen, list) and all(type(one) is int for one in chosen)):
            raise ConfigurationError("prior document: chosen must be a list of whole numbers")
        library = library_of(content, Path("prior document"))
        if chosen is not None and not all(0 <= one < len(library) for one in chosen):
            raise ConfigurationError(f"prior document: chosen must be within the {len(library)} sites")
        return cls(
            library,
            validated(MixtureSettings, document["mixtures"], "prior document"),
            validated(NormalisationSettings, document["normalisation"], "prior document"),
            None if chosen is None else tuple(chosen),
        )

    def _repr_html_(self) -> str:
        axis = self.axis
        return key_figures(
            f"Prior of {self.element} {self.library.edge} spectra",
            {
                "quantities": ", ".join(quantity.long_name for quantity in self.quantities),
                "axis": f"{axis.values[0]:g} to {axis.values[-1]:g} {axis.attrs['units']}, {axis.size} points",
                "sites": len(self.library),
            },
        )

    @property
    def element(self) -> str:
        """Symbol of the absorber."""
        return self.library.element

    @property
    def edge(self) -> str:
        """Absorption edge."""
        return self.library.edge

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """C1, C2, ... and R; for several elements of neighbours C1(Cu), C2(Cu), ... C1(Pt), ..."""
        ordinal = {1: "first", 2: "second", 3: "third", 4: "fourth"}
        neighbours = [str(symbol) for symbol in self.library.neighbours]
        several = len(neighbours) > 1
        return (
            *(
                Quantity(
                    f"C{i}({symbol})" if several else f"C{i}",
                    "1",
                    f"{symbol + ' ' if several else ''}neighbours in the {ordinal.get(i, f'{i}th')} shell",
                )
                for symbol in neighbours
                for i in range(1, self.library.shells + 1)
            ),
            Quantity("R", "angstrom", "distance of the first shell"),
        )

    @cached_property
    def axis(self) -> xr.DataArray:
        """Energies from the Fermi level, in eV."""
        return xr.DataArray(
            self.mixtures.energy,
            dims="energy",
            name="energy",
            attrs={"units": "eV", "long_name": "energy from the Fermi level"},
        )

    @cached_property
    def _draws(self) -> Mixtures:
        return self._mixtures()

    def sampler(self, members: int = 0, seed: int = 0) -> NumberSampler:
        """Return a sampler of measured spectra with their numbers; see :class:`Mixtures`."""
        if not members:
            return self._draws
        return self._mixtures(members, seed)

    def _mixtures(self, members: int = 0, seed: int = 0) -> Mixtures:
        return Mixtures(
            self.library,
            self.mixtures,
            chosen=self.chosen,
            align=self.normalisation.align,
            members=members,
            seed=seed,
        )

    def structures(self, low: ArrayLike, high: ArrayLike) -> tuple[Structure, ...]:
        """Return the particles of :func:`nescio.xas.known_shapes` whose coordination numbers lie within the intervals.

        Distances are not compared, since they also depend on strain. Libraries with other than four shells, or with
        several elements, give no particles.
        """
        shells = self.library.shells
        if shells != 4 or len(self.library.neighbours) > 1:
            return ()
        fitting = known_shapes(self.element, self._lattice).within(
            np.asarray(low)[:shells], np.asarray(high)[:shells]
        )
        return tuple(Structure(f"{one.name} ({len(one)} atoms)", one.positions) for one in fitting)

    @cached_property
    def _lattice(self) -> float:
        return round(float(np.nanmedian(self.library.distance) * np.sqrt(2.0)), 4)

    def to_document(self) -> dict[str, Any]:
        """Return library, settings and chosen sites."""
        return {
            "library": self._packed,
            "mixtures": self.mixtures.model_dump(mode="json"),
            "normalisation": self.normalisation.model_dump(mode="json"),
            "chosen": None if self.chosen is None else list(self.chosen),
        }

    @cached_property
    def _packed(self) -> str:
        return base64.b64encode(packed(self.library)).decode("ascii")
