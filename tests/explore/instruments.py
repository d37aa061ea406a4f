"""A small sample with known spectra, and instruments that cause faults."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from nescio.explore import Experiment
from nescio.explore.settings import ExploreSettings

SIDE = 10
ENERGY = np.linspace(0.0, 7.0, 8)


def sample() -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Positions (100, 2), features (100, 3) and spectra (100, 8) of a hill on a slope."""
    y, x = (axis.ravel() for axis in np.meshgrid(np.arange(SIDE), np.arange(SIDE), indexing="ij"))
    height = np.exp(-((y - 6.3) ** 2 + (x - 2.6) ** 2) / 8.0) + 0.02 * x
    features = np.column_stack([height, np.sin(y), np.cos(x)])
    noise = 0.01 * np.random.default_rng(0).normal(size=(SIDE**2, ENERGY.size))
    spectra = height[:, None] * (1.0 + ENERGY / 7.0) + noise
    return np.column_stack([y, x]).astype(float), features, spectra


class Sample:
    """The sample under an instrument; `fate` may raise, or give something else than the spectrum."""

    def __init__(
        self, fate: Callable[[int, xr.DataArray], Any] | None = None, *, candidates: int = SIDE**2
    ) -> None:
        self.positions, self.features, self.spectra = (part[:candidates] for part in sample())
        self.fate = fate
        self.asked: list[int] = []

    @property
    def name(self) -> str:
        return "sample"

    def survey(self) -> xr.Dataset:
        return xr.Dataset(
            {
                "position": (("candidate", "coordinate"), self.positions, {"units": "um"}),
                "features": (("candidate", "feature"), self.features),
            },
            {"coordinate": ["y", "x"]},
        )

    def measure(self, position: NDArray[np.float64]) -> xr.DataArray:
        candidate = int(np.flatnonzero((self.positions == position).all(axis=1))[0])
        self.asked.append(candidate)
        energy = ("energy", ENERGY, {"units": "eV"})
        spectrum = xr.DataArray(
            self.spectra[candidate], {"energy": energy}, ("energy",), attrs={"units": "counts"}
        )
        return spectrum if self.fate is None else self.fate(candidate, spectrum)

    def busy(self) -> bool:
        return False

    def abort(self) -> None:
        pass


def document(**changes: Any) -> dict[str, Any]:
    """An experiment's configuration, with a model that takes no time."""
    return {
        "instrument": {
            "kind": "replay",
            "path": "sample.npz",
            "spectra": {
                "variable": "spectra",
                "units": "counts",
                "dims": ["candidate", "energy"],
                "axes": {"energy": {"variable": "energy", "units": "eV"}},
            },
            "positions": {"variables": ["positions"], "units": "um"},
            "features": {"variables": ["features"]},
        },
        "candidates": {"kind": "features"},
        "scalarizer": {"kind": "mean-magnitude"},
        "surrogate": {"kind": "coordinates", "members": 2, "steps": 5, "warm_steps": 1},
        "seeds": {"points": 4},
        "budget": {"points": 12},
        "faults": {"retries": 0, "backoff_seconds": 0.0, "timeout_seconds": "never"},
        **changes,
    }


def settings(**changes: Any) -> ExploreSettings:
    return ExploreSettings.model_validate(document(**changes))


def write_sample(folder: Path) -> Path:
    """Write the sample as a file that is replayed; what `document` describes."""
    positions, features, spectra = sample()
    path = folder / "sample.npz"
    np.savez(path, positions=positions, features=features, spectra=spectra, energy=ENERGY)
    return path


def begin(folder: Path, **changes: Any) -> Experiment:
    """Begin an experiment on the sample."""
    return Experiment.create(folder / "trace.sqlite", settings(**changes), Sample().survey())


def state(experiment: Experiment) -> dict[str, Any]:
    """What an experiment knows, in a form that compares."""
    now = experiment.state
    candidates, values = now.values()
    return {
        "measured": [(one.row, one.number, one.candidate, one.origin, one.problem) for one in now.measured],
        "candidates": candidates.tolist(),
        "values": np.nan_to_num(values, nan=-1.0).tolist(),
        "scalarizer": now.scalarizer_row,
        "steering": now.steering,
        "accepted": now.accepted,
        "flow": now.flow,
        "stopped": now.steering.stopped,
        "finished": now.finished,
        "pending": now.pending(),
        "queue": now.queue(),
        "needs_approval": now.needs_approval(),
        "history": [repr((one.points, one.improvement, float(one.mean.sum()))) for one in now.history()],
        "last_act": now.last_act,
    }
