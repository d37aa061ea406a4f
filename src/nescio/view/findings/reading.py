"""Access to findings (`nescio.signals`) for figures: class names, axis labels, a plane through latent space."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from nescio.errors import MeasurementError
from nescio.signals import KNOWN, NOVEL, UNREADABLE

__all__ = [
    "VERDICTS",
    "LatentPlane",
    "axis_label",
    "class_names",
    "group_names",
    "names_of",
    "need",
    "present_verdicts",
    "quantity_label",
    "readable",
    "signal_axis",
    "text_of",
    "values_of",
    "verdict_counts",
]

VERDICTS = (KNOWN, NOVEL, UNREADABLE)
_QUANTITIES = {
    "p_value": "novelty p-value",
    "reconstruction_error": "reconstruction error (mean square)",
    "novelty": "novelty score",
    "label": "most probable class",
    "verdict": "verdict",
    "truth": "true class",
    "group": "kind of measurement",
}
_USUAL_GROUPS = ("pure", "mixed", "unknown")


def need(findings: xr.Dataset, *names: str) -> None:
    """Check that the findings hold all given variables.

    Raises:
        MeasurementError: A variable is missing.
    """
    for name in names:
        if name not in findings:
            raise MeasurementError(f"the findings have no variable {name!r}, which this figure needs")


def values_of(findings: xr.Dataset, name: str) -> NDArray[np.float64]:
    """Return a variable as floats.

    Raises:
        MeasurementError: The variable is missing or not numeric.
    """
    need(findings, name)
    try:
        return np.asarray(findings[name].values, dtype=np.float64)
    except (TypeError, ValueError):
        raise MeasurementError(f"variable {name!r} of the findings is not numeric") from None


def text_of(findings: xr.Dataset, name: str) -> NDArray[np.object_]:
    """Return a variable as strings."""
    need(findings, name)
    return np.array([str(v) for v in np.atleast_1d(findings[name].values)], dtype=object)


def names_of(findings: xr.Dataset) -> NDArray[np.object_]:
    """Return the names of the measurements; their indices if they have no names."""
    if "measurement" in findings.coords:
        return text_of(findings, "measurement")
    return np.array([str(i) for i in range(findings.sizes["measurement"])], dtype=object)


def class_names(*datasets: xr.Dataset) -> list[str]:
    """Return the agent's known classes in its order, then all other labels and true classes, sorted.

    Known classes are the coordinate of the last dimension of ``probability``, or the attribute ``labels``.
    """
    occurring = {
        str(v)
        for data in datasets
        for n in ("label", "truth")
        if n in data
        for v in np.atleast_1d(data[n].values)
    }
    return list(dict.fromkeys([*_known_classes(*datasets), *sorted(occurring - {""})]))


def group_names(findings: xr.Dataset, group: str = "group") -> list[str]:
    """Return the groups: pure, mixed and unknown first, then the others in order of appearance."""
    occurring = dict.fromkeys(str(g) for g in text_of(findings, group))
    return [*(g for g in _USUAL_GROUPS if g in occurring), *(g for g in occurring if g not in _USUAL_GROUPS)]


def _known_classes(*datasets: xr.Dataset) -> list[str]:
    for data in datasets:
        for name in ("probability", "knn_probability"):
            if name not in data:
                continue
            dimension = data[name].dims[-1]
            for coordinate in data[name].coords.values():
                if coordinate.dims == (dimension,):
                    return [str(v) for v in coordinate.values]
        if "labels" in data.attrs:
            return [str(v) for v in np.atleast_1d(data.attrs["labels"])]
    return []


def signal_axis(findings: xr.Dataset) -> str:
    """Return the name of the signals' dimension."""
    need(findings, "intensity")
    return str(findings["intensity"].dims[-1])


def axis_label(findings: xr.Dataset, name: str) -> str:
    """Return the axis label of a coordinate: name and units."""
    attributes = findings[name].attrs if name in findings.variables else {}
    words = str(attributes.get("long_name", name.replace("_", " ")))
    return f"{words} ({attributes['units']})" if attributes.get("units") else words


def quantity_label(findings: xr.Dataset, quantity: str) -> str:
    """Return the label of a quantity: name and units."""
    return _QUANTITIES.get(quantity) or axis_label(findings, quantity)


def verdict_counts(findings: xr.Dataset) -> dict[str, str]:
    """Return the number of measurements, their numbers by verdict, and the level, as text by name."""
    verdicts = text_of(findings, "verdict")
    cards = {"measurements": f"{len(verdicts):,}"}
    cards |= {v: f"{np.sum(verdicts == v):,}" for v in present_verdicts(findings)}
    if "alpha" in findings.attrs:
        cards["novel if p-value ≤"] = f"{float(findings.attrs['alpha']):g}"
    return cards


def present_verdicts(findings: xr.Dataset) -> list[str]:
    """Return "known", "novel", and any other verdict that occurs."""
    verdicts = text_of(findings, "verdict")
    return [v for v in VERDICTS if v in (KNOWN, NOVEL) or (verdicts == v).any()]


def readable(findings: xr.Dataset) -> NDArray[np.bool_]:
    """Return which measurements have a finite latent position, shape (measurement,)."""
    return np.asarray(np.isfinite(values_of(findings, "latent")).all(axis=1))


class LatentPlane(NamedTuple):
    """The two directions of latent space that a map shows: its own two, or the first two principal components."""

    mean: NDArray[np.float64]
    directions: NDArray[np.float64]
    labels: tuple[str, str]

    @classmethod
    def of(cls, *datasets: xr.Dataset) -> LatentPlane:
        """Return the plane for datasets that share a map: that of the first dataset, or of all if it has few points."""
        size = values_of(datasets[0], "latent").shape[1]
        if size <= 2:
            names = (
                "latent dimension 1",
                "latent dimension 2" if size == 2 else "(only one latent dimension)",
            )
            return cls(np.zeros(size), np.eye(2, size), names)
        points = np.concatenate([values_of(d, "latent")[readable(d)] for d in datasets])
        first = values_of(datasets[0], "latent")[readable(datasets[0])]
        points = first if len(first) > size else points
        if len(points) < 2:
            return cls(np.zeros(size), np.eye(2, size), ("latent dimension 1", "latent dimension 2"))
        mean = points.mean(axis=0)
        _, spread, directions = np.linalg.svd(points - mean, full_matrices=True)
        share = np.zeros(size)
        share[: len(spread)] = spread**2 / max(float(np.sum(spread**2)), np.finfo(float).tiny)
        labels = tuple(
            f"principal component {i + 1} of {size} ({100 * share[i]:.0f} % of variance)" for i in range(2)
        )
        return cls(mean, directions[:2], (labels[0], labels[1]))

    def place(self, latent: NDArray[np.float64]) -> NDArray[np.float64]:
        """Project latent positions, shape (n, latent), onto the plane, shape (n, 2)."""
        return np.asarray((latent - self.mean) @ self.directions.T)

    def lift(self, plane: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the latent positions, shape (n, latent), of points on the plane, shape (n, 2)."""
        return np.asarray(plane @ self.directions + self.mean)
