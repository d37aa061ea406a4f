"""Full multiple scattering compared with FEFF 10 on sites of particles and with measured foils, and its speed."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from nescio.errors import FileError
from nescio.files import npz_arrays, read_source
from nescio.studies.measured import COPPER_FOIL, COPPER_SITES, PLATINUM_FOIL, PLATINUM_SITES
from nescio.xas import (
    bulk_scattering,
    energy_from_wavenumber,
    environment,
    make_cluster,
    normalised,
    one_spectrum,
    site_absorption,
    site_model,
)

__all__ = [
    "METALS",
    "Compared",
    "compared_with_feff",
    "compared_with_foil",
    "scattering_numbers",
    "seconds_of_a_site",
]

Floats = NDArray[np.float64]

_ATOMS, _ENERGIES = 80, 80
_SITES = 24
_LARGEST = 2**28


class _Metal(NamedTuple):
    element: str
    edge: str
    lattice: float
    sigma2: float
    """Mean square relative displacement of the first shell at room temperature, in square angstrom."""
    foil: str
    """File of the measured foil."""
    sites: str
    """File of spectra computed by FEFF 10."""
    e0: float


METALS = {
    "cu": _Metal("Cu", "K", 3.615, 0.0085, COPPER_FOIL, COPPER_SITES, 8979.0),
    "pt": _Metal("Pt", "L3", 3.924, 0.0047, PLATINUM_FOIL, PLATINUM_SITES, 11564.0),
}


class Compared(NamedTuple):
    """A computed spectrum and a reference, each of shape (m,)."""

    number: float
    """Correlation, or root mean square difference."""
    energy: Floats
    """Energy in eV from the Fermi level."""
    ours: Floats
    theirs: Floats


def compared_with_feff(data: Path, name: str, *, sites: int = _SITES) -> Compared:
    """Return the correlation with FEFF 10 of the scattering part above 5 eV, the median over randomly chosen sites.

    Args:
        data: Folder of measured data.
        name: Key of `METALS`.
        sites: Number of sites.
    """
    metal = METALS[name]
    k, mu, atomic, places, radius = _sites(data / metal.sites)
    energy = np.asarray(energy_from_wavenumber(k), np.float64)
    model = site_model(bulk_scattering(metal.element, metal.edge).on_contour(float(energy.max())), energy)
    above = energy > 5.0
    found = []
    ours, theirs = np.zeros_like(energy), np.zeros_like(energy)
    for row in np.random.default_rng(0).permutation(len(mu))[:sites]:
        place = places[row][np.isfinite(places[row][:, 0])]
        filled, index = environment(place, _middle(place), radius * 1.05, atoms=_ATOMS)
        absorption = site_absorption(model, jnp.asarray(filled), _potentials(index))
        ours = np.asarray(absorption - model.atomic, np.float64)
        theirs = (mu[row] - atomic[row]) / np.interp(50.0, energy, atomic[row])
        found.append(float(np.corrcoef(ours[above], theirs[above])[0, 1]))
    return Compared(float(np.median(found)), energy, ours, theirs)


def compared_with_foil(data: Path, name: str) -> Compared:
    """Return the root mean square difference from a foil at room temperature, from -10 to 100 eV around its edge.

    Energy shift and edge step are fitted. All pairs of atoms have the mean square relative displacement of neighbours.

    Args:
        data: Folder of measured data.
        name: Key of `METALS`.
    """
    metal = METALS[name]
    computed = np.arange(-20.0, 115.0, 0.5)
    model = site_model(bulk_scattering(metal.element, metal.edge).on_contour(115.0), computed)
    bulk = make_cluster("sphere", metal.element, metal.lattice, radius=9.0)
    filled, index = environment(bulk.positions, _middle(bulk.positions), 1.6 * metal.lattice, atoms=_ATOMS)
    mu = np.asarray(
        site_absorption(model, jnp.asarray(filled), _potentials(index), sigma2=metal.sigma2), np.float64
    )
    foil = normalised(one_spectrum(data / metal.foil), e0=metal.e0, pre=(-150.0, -40.0), post=(100.0, 800.0))
    wanted = np.arange(-10.0, 100.1, 0.5)
    target = np.interp(wanted, computed, mu)
    shifts = np.arange(-8.0, 8.0, 0.1)
    table = foil.at(foil.e0 + np.add.outer(shifts, wanted))
    scales = table @ target / (target @ target)
    rms = np.sqrt(np.mean((scales[:, None] * target - table) ** 2, axis=1))
    best = int(np.argmin(rms))
    return Compared(float(rms[best]), wanted, scales[best] * target, table[best])


def seconds_of_a_site(*, times: int = 3) -> float:
    """Return the time in seconds for a copper site of 80 atoms at 80 energies, compiled; the best of `times` runs."""
    model = site_model(bulk_scattering("Cu", "K").on_contour(115.0), np.arange(-5.0, 110.0, 1.0))
    few = model._replace(
        **{
            name: getattr(model, name)[..., :_ENERGIES]
            for name in ("wavenumber", "phase_shifts", "weights", "scale", "real", "imaginary")
        }
    )
    bulk = make_cluster("sphere", "Cu", 3.615, radius=9.0).positions
    nearest = jnp.asarray(bulk[np.argsort(np.linalg.norm(bulk, axis=1), kind="stable")[:_ATOMS]])
    potentials = np.minimum(np.arange(_ATOMS), 1)
    took = []
    for _ in range(times + 1):
        began = time.perf_counter()
        site_absorption(few, nearest, potentials).block_until_ready()
        took.append(time.perf_counter() - began)
    return min(took[1:])


def scattering_numbers(data: Path | None) -> dict[str, Any]:
    """Return the numbers of ``nescio reproduce xanes`` on multiple scattering; without data, only the time."""
    found: dict[str, Any] = {"fms_site_seconds": seconds_of_a_site()}
    if data is not None:
        found["fms_correlation"] = {name: compared_with_feff(data, name).number for name in METALS}
        for name in METALS:
            found[f"fms_rms_{name}"] = compared_with_foil(data, name).number
    return found


def _sites(path: Path) -> tuple[Floats, Floats, Floats, Floats, float]:
    """Return wavenumbers, absorption with and without scattering, positions, and the radius of the cluster."""
    arrays = npz_arrays(read_source(path, _LARGEST))
    try:
        k, mu, atomic, places = (arrays[key] for key in ("k", "mu", "mu0", "positions_angstrom"))
        return k, mu, atomic, places, float(json.loads(str(arrays["meta"]))["fms_radius"])
    except (KeyError, ValueError, TypeError) as error:
        raise FileError(f"{path}: contains no spectra of sites ({error} is missing or damaged)") from None


def _middle(positions: Floats) -> int:
    return int(np.argmin(np.linalg.norm(positions, axis=1)))


def _potentials(index: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the index of the potential: 0 for the absorber, 1 for other atoms, -1 for none."""
    potentials = np.where(index < 0, -1, 1)
    potentials[0] = 0
    return potentials
