"""A simulated combinatorial wafer: gradients of three elements, three known phases and an unknown one."""

from __future__ import annotations

from typing import NamedTuple

import jax
import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from nescio.errors import ConfigurationError
from nescio.learn import disturb
from nescio.signals import simulated_measurements
from nescio.studies.banko2021 import MIXED, PURE, UNKNOWN, patterns_by_phase
from nescio.xrd import Prior, normalise

__all__ = ["phase_fractions", "simulated_wafer", "wafer_composition", "wafer_positions"]

ELEMENTS = ("Co", "Cr", "Ni")
# Direction from the centre of the wafer to the source of each element, in degree.
_SOURCES = (210.0, 330.0, 90.0)
# Decay of the deposition rates, per radius of the wafer.
_STEEPNESS = 1.2
# Half width of a two-phase field, as a difference of squared distances in composition.
_FIELD = 0.08


class _Field(NamedTuple):
    """Composition at which a phase is most stable."""

    phase: str
    composition: tuple[float, float, float]


# Similar to Co-Cr-Ni: cobalt hexagonal, chromium body-centred, nickel face-centred, sigma between Co and Cr.
_FIELDS = (
    _Field("Fm-3m", (0.18, 0.17, 0.65)),
    _Field("Im-3m", (0.14, 0.70, 0.16)),
    _Field("P6_3/mmc", (0.72, 0.12, 0.16)),
    _Field("P4_2/mnm", (0.45, 0.47, 0.08)),
)


def wafer_positions(*, pitch_mm: float = 4.5, radius_mm: float = 46.5) -> NDArray[np.float64]:
    """Return the points of a square grid inside a disc around the origin, shape (n, 2) in mm, row by row."""
    steps = np.arange(-int(radius_mm // pitch_mm), int(radius_mm // pitch_mm) + 1) * pitch_mm
    y, x = (axis.ravel() for axis in np.meshgrid(steps, steps, indexing="ij"))
    inside = np.hypot(x, y) <= radius_mm
    return np.stack([x[inside], y[inside]], axis=1)


def wafer_composition(positions: ArrayLike, *, radius_mm: float = 46.5) -> NDArray[np.float64]:
    """Return the composition from three sources at 120 degree, with exponentially decaying deposition rates.

    Args:
        positions: Shape (n, 2) in mm.
        radius_mm: Radius of the wafer in mm.

    Returns:
        Fractions of Co, Cr and Ni, shape (n, 3), that sum to 1.
    """
    angle = np.radians(_SOURCES)
    towards = np.stack([np.cos(angle), np.sin(angle)])
    rates = np.exp(_STEEPNESS * np.asarray(positions, np.float64) @ towards / radius_mm)
    return np.asarray(rates / rates.sum(axis=1, keepdims=True))


def phase_fractions(composition: ArrayLike) -> NDArray[np.float64]:
    """Return the phase fractions at given compositions.

    Each phase has a field around its own composition (cells of a Voronoi diagram). Across the border of two fields,
    their fractions change linearly.

    Args:
        composition: Fractions of Co, Cr and Ni, shape (n, 3).

    Returns:
        Shape (n, 4), in the order face-centred, body-centred, hexagonal, sigma; rows sum to 1.
    """
    centres = np.array([field.composition for field in _FIELDS])
    distance = np.sum((np.asarray(composition, np.float64)[:, None] - centres) ** 2, axis=2)
    share = np.maximum(1.0 - (distance - distance.min(axis=1, keepdims=True)) / _FIELD, 0.0)
    return np.asarray(share / share.sum(axis=1, keepdims=True))


def simulated_wafer(known: Prior, unknown: Prior, key: jax.Array) -> xr.Dataset:
    """Simulate measurements of a thin-film library on a 100 mm wafer, every 4.5 mm.

    Texture, strain, crystallite size, shift and noise are drawn anew at every position.

    Args:
        known: Prior with the phases Fm-3m, Im-3m and P6_3/mmc.
        unknown: Prior on the same axis with the phase P4_2/mnm.
        key: Random key.

    Returns:
        Prepared measurements with coordinates ``x_mm``, ``y_mm``, ``composition`` (measurement, element),
        ``phase_fraction`` (measurement, phase), ``group`` ("pure", "mixed", or "unknown" for the pure sigma phase)
        and ``truth`` (the phase of a pure measurement, else empty).

    Raises:
        ConfigurationError: A phase is missing from the priors, or their axes differ.
    """
    if known.axis.shape != unknown.axis.shape or not np.allclose(known.axis.values, unknown.axis.values):
        raise ConfigurationError("the priors of the simulated wafer need the same axis")
    positions = wafer_positions()
    composition = wafer_composition(positions)
    fraction = phase_fractions(composition)
    most = int(np.sum(fraction > 0.0, axis=0).max())
    drawn: dict[str, NDArray[np.float32]] = {}
    for number, prior in enumerate((known, unknown)):
        patterns = patterns_by_phase(prior, jax.random.fold_in(key, number), most, ideal=True)
        drawn |= dict(zip(prior.labels, patterns, strict=True))
    signals = np.zeros((len(positions), known.axis.size), np.float32)
    for column, field in zip(fraction.T.astype(np.float32), _FIELDS, strict=True):
        if field.phase not in drawn:
            held = ", ".join(drawn)
            raise ConfigurationError(
                f"the simulated wafer needs the phase {field.phase!r}; the priors have {held}"
            )
        here = np.flatnonzero(column > 0.0)
        signals[here] += column[here, None] * drawn[field.phase][: here.size]

    measured = disturb(known, jax.random.fold_in(key, 2), np.asarray(normalise(signals)))
    names = [f"wafer#{i + 1}" for i in range(len(positions))]
    wafer = simulated_measurements(known.axis, measured, names, composition=composition, elements=ELEMENTS)
    phases = np.array([field.phase for field in _FIELDS])
    alone, main = fraction.max(axis=1) == 1.0, phases[fraction.argmax(axis=1)]
    taught = np.isin(main, known.labels)
    wafer = wafer.assign_coords(
        x_mm=("measurement", positions[:, 0], {"units": "mm", "long_name": "x"}),
        y_mm=("measurement", positions[:, 1], {"units": "mm", "long_name": "y"}),
        phase_fraction=(
            ("measurement", "phase"),
            fraction,
            {"units": "1", "long_name": "share of the phase"},
        ),
        phase=phases,
        group=("measurement", np.where(alone, np.where(taught, PURE, UNKNOWN), MIXED)),
        truth=("measurement", np.where(alone & taught, main, "")),
    )
    wafer["composition"].attrs = {"units": "1", "long_name": "atomic fraction"}
    return wafer.assign_attrs(source="simulated wafer", wavelength_angstrom=known.wavelength)
