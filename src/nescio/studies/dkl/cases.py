"""Data sets of the comparison: candidates with known scalars."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nescio.errors import ExplorationError, FileError
from nescio.explore import BandIntegral, Candidates, Scalarizer
from nescio.files import file_content, npz_arrays, read_source, write_atomically
from nescio.microscopy import FerroelectricSettings, Hysteresis, PatchSettings, PlasmonSettings, image_dataset
from nescio.progress import track
from nescio.studies.dkl.code import CODE, code_digest
from nescio.studies.measured import FILM, measured_file

if TYPE_CHECKING:
    import xarray as xr

    from nescio.microscopy import Twin

__all__ = ["CASES", "Case", "Source", "available_cases", "load_case"]

Floats = NDArray[np.float64]

_FILM_ARRAYS = {"image": 2, "loops": 4, "pos": 2}
_ARRAYS = ("positions", "patches", "features", "values", "truth")
_SHARE = 0.05
_LARGEST = 2**30


@dataclass(frozen=True, eq=False)
class Case:
    """Candidates with the scalar that each measurement gives.

    Raises:
        ExplorationError: A value is missing or not finite.
    """

    name: str
    positions: Floats
    """Shape (n, 2), y and x."""
    patches: NDArray[np.float32]
    """Shape (n, channels, height, width)."""
    features: NDArray[np.float32]
    """Shape (n, features), from the default encoder."""
    values: Floats
    """Shape (n,), the results of measurements."""
    truth: Floats
    """Shape (n,), the true values by which candidates are ranked; without noise if that is known."""
    noisy: bool
    """Whether the true values are measurements with noise."""

    def __post_init__(self) -> None:
        for what in _ARRAYS:
            table = getattr(self, what)
            if len(table) != len(self.positions) or not np.isfinite(table).all():
                raise ExplorationError(
                    f"{self.name}: {what} of shape {table.shape} must be finite numbers for each of "
                    f"{len(self.positions)} candidates"
                )

    def __len__(self) -> int:
        return len(self.positions)

    @cached_property
    def best(self) -> NDArray[np.intp]:
        """The 5 % of candidates with the largest true values, largest first."""
        order = np.argsort(-self.truth, kind="stable")
        return order[: max(1, round(_SHARE * len(self)))]

    @cached_property
    def digest(self) -> str:
        """Digest of all arrays, to identify the data of a stored result."""
        summed = hashlib.sha256(f"{self.name} {self.noisy}".encode())
        for array in (getattr(self, name) for name in _ARRAYS):
            summed.update(str(array.shape).encode() + np.ascontiguousarray(array).tobytes())
        return summed.hexdigest()[:20]

    def candidates(self, features: NDArray[np.float32] | None = None) -> Candidates:
        """Return the candidates with the default features, or with others of shape (n, features)."""
        return Candidates(self.positions, self.features if features is None else features)

    def save(self, path: Path) -> Path:
        """Write all arrays to one file."""
        arrays = {name: getattr(self, name) for name in (*_ARRAYS, "noisy")}
        content = io.BytesIO()
        np.savez(content, name=np.array(self.name), **arrays)
        return write_atomically(path, content.getvalue())

    @classmethod
    def load(cls, path: Path) -> Case:
        """Read a file written by :meth:`save`.

        Raises:
            FileError: The file cannot be read or has another content.
        """
        try:
            arrays: dict[str, Any] = _arrays(path)
            return cls(name=str(arrays.pop("name")), noisy=bool(arrays.pop("noisy")), **arrays)
        except (FileError, KeyError, TypeError) as error:
            raise FileError(f"{path}: cannot be read ({error}); delete it to compute it again") from None


class Source(NamedTuple):
    """Source of a data set."""

    settings: Mapping[str, Any]
    """Settings that define it."""
    make: Callable[[Path | None], Case]
    """Function that makes it from the folder of measured data."""
    file: str = ""
    """File needed in that folder; empty for simulated data."""


def available_cases(data: Path | None) -> list[str]:
    """Return the names of the data sets that can be made with a folder of measured data, or without (None)."""
    return [name for name, source in CASES.items() if data is not None or not source.file]


def load_case(name: str, cache: Path, data: Path | None = None) -> tuple[Case, Path]:
    """Return a data set and the file in which it is cached.

    Args:
        name: One of `CASES`.
        cache: Cache folder.
        data: Folder of measured data.

    Raises:
        FileError: A measured file is missing, or lacks required arrays.
    """
    source = CASES[name]
    document: dict[str, Any] = {"name": name, **source.settings, "code": code_digest(*CODE)}
    if source.file:
        content = file_content(measured_file(data, source.file, name), _LARGEST)
        document["file"] = hashlib.sha256(content).hexdigest()
    key = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:20]
    path = cache / f"{name}-{key}.npz"
    if path.is_file():
        return Case.load(path), path
    case = source.make(data)
    return case, case.save(path)


def _arrays(path: Path) -> dict[str, np.ndarray]:
    return npz_arrays(read_source(path, _LARGEST))


def _film(data: Path | None) -> Case:
    """Return the measured film; its scalar is the magnitude of the mean response over sweeps 2 and 3 of each loop."""
    path = measured_file(data, FILM, "film")
    arrays = _arrays(path)
    for name, dimensions in _FILM_ARRAYS.items():
        if name not in arrays or arrays[name].ndim != dimensions:
            raise FileError(f"{path}: needs an array {name!r} with {dimensions} dimensions")
    loops = arrays["loops"].reshape(-1, *arrays["loops"].shape[2:]).astype(np.float64)
    survey = image_dataset(arrays["image"], source=path.name).assign(
        position=(("candidate", "coordinate"), arrays["pos"].astype(np.float64), {"units": "pixel"})
    )
    # The first sweep starts from the unswitched film.
    values = np.abs(loops[:, :, 1:].mean(axis=(1, 2)))
    return _case(
        "film", survey.assign_coords(coordinate=["y", "x"]), _PATCHES["film"], values, values, noisy=True
    )


def _ferroelectric(_: Path | None) -> Case:
    return _of_twin("ferroelectric", FerroelectricSettings().build())


def _plasmon(_: Path | None) -> Case:
    return _of_twin("plasmon", PlasmonSettings().build())


def _of_twin(name: str, twin: Twin) -> Case:
    """Measure every candidate of a twin once; true values are from the noise-free spectra."""
    scalarizer = _SCALARIZERS[name]
    clean = twin.truth()
    values, truth = np.empty(len(twin.positions)), np.empty(len(twin.positions))
    with track(f"measuring {name}", len(values)) as tell:
        for candidate, position in enumerate(twin.positions):
            values[candidate] = scalarizer(twin.measure(position))[0].value
            truth[candidate] = scalarizer(clean[candidate])[0].value
            tell(1)
    return _case(name, twin.survey(), _PATCHES[name], values, truth, noisy=False)


def _case(
    name: str, survey: xr.Dataset, settings: PatchSettings, values: Floats, truth: Floats, *, noisy: bool
) -> Case:
    found = settings.extract(survey)
    features = settings.encoders()[0].encode(found.patches, seed=0)
    kept = found.survey_index
    return Case(name, found.positions, found.patches, features, values[kept], truth[kept], noisy)


_PATCHES: Mapping[str, PatchSettings] = {
    "film": PatchSettings(size=16, edge="reflect"),
    "ferroelectric": PatchSettings(size=16, edge="reflect"),
    # Patches of two or three particles across; smaller ones do not show whether they lie at an edge of the array.
    "plasmon": PatchSettings(size=32, edge="reflect"),
}
_SCALARIZERS: Mapping[str, Scalarizer] = {
    "ferroelectric": Hysteresis(axis="bias", quantities=("area",)),
    "plasmon": BandIntegral(axis="energy_loss", low=0.58, high=0.68),
}


def _settings(name: str) -> dict[str, Any]:
    document = {"candidates": _PATCHES[name].model_dump(mode="json")}
    if name in _SCALARIZERS:
        document["scalarizer"] = _SCALARIZERS[name].model_dump(mode="json")
    return document


CASES: Mapping[str, Source] = {
    "film": Source(_settings("film"), _film, FILM),
    "ferroelectric": Source(_settings("ferroelectric"), _ferroelectric),
    "plasmon": Source(_settings("plasmon"), _plasmon),
}
"""The data sets, in the order of tables."""
