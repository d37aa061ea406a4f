"""Findings of an agent for numbers, from the outputs of networks and calibrations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from nescio.signals import KNOWN, NOVEL, NUMBERS, UNREADABLE
from nescio.techniques import NumberPrior

__all__ = ["Results", "findings_of", "interval_ends"]

Floats = NDArray[np.float64]

# Number of structures named in a sentence.
_NAMED = 12


@dataclass(frozen=True)
class Results:
    """Arrays with one row per measurement; NaN if it was not assessed."""

    numbers: dict[str, Floats]
    """Arrays by name, each of shape (n, quantities)."""
    p_value: Floats
    reconstruction: NDArray[np.float32]
    latent: Floats

    @classmethod
    def empty(cls, n: int, quantities: int, points: int, latent: int) -> Results:
        """Return results without values."""
        names = ("value", "aleatoric", "epistemic", "systematic", "low", "high")
        return cls(
            {name: np.full((n, quantities), np.nan) for name in names},
            np.full(n, np.nan),
            np.full((n, points), np.nan, np.float32),
            np.full((n, latent), np.nan),
        )


def interval_ends(numbers: Mapping[str, Floats]) -> tuple[Floats, Floats]:
    """Return the ends of the intervals with the systematic error, each of shape (n, quantities)."""
    half = np.hypot(0.5 * (numbers["high"] - numbers["low"]), numbers["systematic"])
    return numbers["value"] - half, numbers["value"] + half


def findings_of(
    prepared: xr.Dataset,
    results: Results,
    problems: Sequence[str],
    *,
    prior: NumberPrior,
    alpha: float,
    attributes: Mapping[str, Any],
) -> xr.Dataset:
    """Return findings as :mod:`nescio.signals` describes them.

    Args:
        prepared: The measurements.
        results: Results of networks and calibrations.
        problems: Reasons why measurements could not be assessed, or empty.
        prior: Prior with the quantities and structures.
        alpha: Level of the verdict.
        attributes: Further attributes of the dataset.
    """
    assessed = np.array([not problem for problem in problems], bool)
    novel = assessed & (results.p_value <= alpha)
    names = [quantity.name for quantity in prior.quantities]
    both = ("measurement", "quantity")
    reasons, structures = [], []
    low, high = interval_ends(results.numbers)
    for i in range(len(assessed)):
        fitting = [one.name for one in prior.structures(low[i], high[i])] if assessed[i] else []
        more = len(fitting) - _NAMED
        structures.append("; ".join(fitting[:_NAMED]) + (f"; and {more} more" if more > 0 else ""))
        reasons.append(_reason(results, i, names, alpha) if assessed[i] else problems[i])
    findings = (
        prepared.drop_vars("problem", errors="ignore")
        .assign({name: (both, values) for name, values in results.numbers.items()})
        .assign(
            p_value=("measurement", results.p_value),
            reconstruction=(("measurement", str(prior.axis.name)), results.reconstruction),
            latent=(("measurement", "latent_dimension"), results.latent),
            verdict=(
                "measurement",
                np.where(assessed, np.where(novel, NOVEL, KNOWN), UNREADABLE).astype(str),
            ),
            reason=("measurement", np.array(reasons, dtype=object).astype(str)),
            structures=("measurement", np.array(structures, dtype=object).astype(str)),
        )
        .assign_coords(
            quantity=names,
            quantity_units=("quantity", [one.units for one in prior.quantities]),
            quantity_long_name=("quantity", [one.long_name for one in prior.quantities]),
            latent_dimension=np.arange(results.latent.shape[1]),
        )
    )
    findings["p_value"].attrs = {
        "long_name": "p-value (share of known measurements with at least this novelty)"
    }
    findings.attrs |= {"kind": NUMBERS, "alpha": alpha, **attributes}
    return findings


def _reason(results: Results, i: int, names: Sequence[str], alpha: float) -> str:
    p = float(results.p_value[i])
    if np.isnan(p):
        return "this agent has no novelty detector; the estimates may not be valid"
    if p <= alpha:
        return f"unlike the training signals (p = {p:.2g}, at most {alpha:g}); the estimates may not be valid"
    half = 0.5 * (results.numbers["high"][i] - results.numbers["low"][i])
    unsure = [
        name
        for name, error, width in zip(names, results.numbers["systematic"][i], half, strict=True)
        if error > width
    ]
    text = f"as novel as known measurements or less (p = {p:.2g})"
    if unsure:
        text += f"; measurement errors change {', '.join(unsure)} by more than the interval"
    return text
