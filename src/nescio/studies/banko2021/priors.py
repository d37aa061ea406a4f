"""Priors of Banko et al. (2021): the three known phases, and the phase that is not in the training."""

from __future__ import annotations

from typing import Any

from nescio.configuration import read_toml, validated
from nescio.files import bundled_file
from nescio.xrd import Prior, PriorSettings

__all__ = ["banko2021_prior", "sigma_prior"]


def banko2021_prior(*, hard: bool = False) -> Prior:
    """Return the prior of the publication: three phases with the ranges of their nuisance parameters.

    Args:
        hard: Double every range: texture down to r = 0.1, lattice strain within 2 % and 0.5 % per axis, crystallites of
            2.5-80 nm, shift within 0.2 degree, noise up to 0.02.
    """
    document = _embedded("banko2021.toml")
    if hard:
        document["texture"]["march_coefficient"] = {"uniform": [0.1, 1.0]}
        document["lattice"] = {
            "strain": {"uniform": [-0.02, 0.02]},
            "axis_strain": {"uniform": [-0.005, 0.005]},
        }
        document["broadening"]["crystallite_size_nm"] = {"log_uniform": [2.5, 80.0]}
        document["instrument"]["zero_shift"] = {"uniform": [-0.2, 0.2]}
        document["noise"]["gaussian"] = {"uniform": [0.0, 0.02]}
    return Prior.from_settings(validated(PriorSettings, document, "banko2021"))


def sigma_prior(*, hard: bool = False) -> Prior:
    """Return the prior of the phase that is not in the training, sigma (P4_2/mnm), with the same ranges."""
    known = banko2021_prior(hard=hard).settings.model_dump(mode="json")
    document = {**known, "phases": _embedded("sigma.toml")["phases"]}
    return Prior.from_settings(validated(PriorSettings, document, "sigma"))


def _embedded(name: str) -> dict[str, Any]:
    with bundled_file("nescio.studies.banko2021", name) as path:
        return read_toml(path)
