"""Thermal motion: frames of molecular dynamics, and FEFF inputs for every site, strain and frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nescio.errors import ConfigurationError, MissingExtraError
from nescio.progress import track
from nescio.xas.atoms.clusters import Cluster
from nescio.xas.atoms.shells import unique_surroundings
from nescio.xas.feff import feff_input

__all__ = ["EMT_ELEMENTS", "molecular_dynamics", "sweep_inputs"]

Floats = NDArray[np.float64]

EMT_ELEMENTS = ("Al", "Cu", "Ag", "Au", "Ni", "Pd", "Pt")
"""Metals, also alloyed, for which effective medium theory has forces."""

_FRICTION = 0.02


def molecular_dynamics(
    cluster: Cluster,
    temperature: float,
    *,
    frames: int = 20,
    every: int = 50,
    settle: int = 400,
    step: float = 4.0,
    seed: int = 0,
    progress: bool | None = None,
) -> list[Cluster]:
    """Return frames of a cluster from molecular dynamics.

    The cluster is relaxed; then Langevin dynamics runs with the forces of effective medium theory. The motion is
    classical: it has no zero-point motion at low temperature, unlike :func:`nescio.xas.debye_displacements`.

    Args:
        cluster: A cluster of metals in `EMT_ELEMENTS`.
        temperature: In kelvin.
        frames: Number of frames.
        every: Steps between frames.
        settle: Steps before the first frame.
        step: Time step in fs.
        seed: Random seed.
        progress: Show a progress bar; by default if standard error is a terminal.

    Raises:
        ConfigurationError: An element has no known forces, or a number is impossible.
        MissingExtraError: ASE is not installed.

    Source: Jacobsen, Stoltze and Norskov, Surf. Sci. 366, 394 (1996).
    """
    unknown = sorted(set(cluster.elements) - set(EMT_ELEMENTS))
    if unknown:
        raise ConfigurationError(
            f"{cluster.name}: forces of {', '.join(unknown)} are not known (known: {', '.join(EMT_ELEMENTS)})"
        )
    if not (np.isfinite(temperature) and 0.0 < temperature <= 3000.0):
        raise ConfigurationError(f"temperature {temperature:g} K: needs to be above 0, and 3000 at most")
    for what, number in (("frames", frames), ("every", every), ("settle", settle)):
        if number < 1:
            raise ConfigurationError(f"{what} {number}: needs 1 or more")
    make_atoms, forces, langevin, relax, units = _ase()
    rng = np.random.default_rng(seed)
    atoms = make_atoms(cluster.elements, positions=cluster.positions)
    atoms.calc = forces()
    relax(atoms, logfile=None).run(fmax=0.02, steps=200)
    spread = np.sqrt(atoms.get_masses() * units.kB * temperature)
    atoms.set_momenta(spread[:, None] * rng.normal(size=(len(cluster), 3)))
    dynamics = langevin(
        atoms, step * units.fs, temperature_K=temperature, friction=_FRICTION / units.fs, rng=rng, fixcm=False
    )
    found: list[Cluster] = []
    with track("molecular dynamics", settle + (frames - 1) * every, enabled=progress) as advance:
        for number in range(frames):
            steps = settle if number == 0 else every
            dynamics.run(steps)
            advance(steps, f"frame {number + 1} of {frames}")
            positions = np.asarray(atoms.get_positions(), np.float64)
            found.append(
                Cluster(
                    f"{cluster.name}, {temperature:g} K, frame {number}",
                    cluster.elements,
                    positions - positions.mean(axis=0),
                )
            )
    return found


def _ase() -> tuple[Any, ...]:
    try:
        from ase import Atoms, units
        from ase.calculators.emt import EMT
        from ase.md.langevin import Langevin
        from ase.optimize import BFGS
    except ImportError:
        raise MissingExtraError("molecular dynamics needs an extra: pip install nescio[ase]") from None
    return Atoms, EMT, Langevin, BFGS, units


def sweep_inputs(
    clusters: Sequence[Cluster],
    *,
    edge: str,
    absorber: str,
    strains: Sequence[float] = (0.0,),
    alike_within: float | None = None,
    **options: Any,
) -> dict[str, str]:
    """Return FEFF inputs for all sites of clusters (or frames), under every strain.

    Args:
        clusters: The clusters or frames.
        edge: Edge of the absorber.
        absorber: Symbol of the absorbing element.
        strains: See :meth:`nescio.xas.Cluster.strained`.
        alike_within: Radius in angstrom; of sites with the same surroundings within it, only one is used. By default
            all sites are used, as frames need.
        options: Options of :func:`nescio.xas.feff_input`.

    Returns:
        Contents of feff.inp for :func:`nescio.xas.sweep_feff`, by names with cluster, site and strain.

    Raises:
        ConfigurationError: No cluster holds the absorber, or an option is impossible.
    """
    if alike_within is None:
        sites = [(number, site) for number, one in enumerate(clusters) for site in range(len(one))]
    else:
        sites = [(one.cluster, one.site) for one in unique_surroundings(clusters, alike_within)]
    chosen = [(number, site) for number, site in sites if clusters[number].elements[site] == absorber]
    if not chosen:
        raise ConfigurationError(f"none of the {len(clusters)} clusters holds {absorber}")
    inputs: dict[str, str] = {}
    for strain in strains:
        for number, site in chosen:
            cluster = clusters[number].strained(strain)
            title = f"{cluster.name}, site {site}, strain {strain:+.3g}"
            name = title if title not in inputs else f"{title}, cluster {number}"
            inputs[name] = feff_input(
                cluster.elements, cluster.positions, edge=edge, absorber=site, title=title, **options
            )
    return inputs
