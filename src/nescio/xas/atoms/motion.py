"""Atoms in thermal motion: frames of molecular dynamics, and the inputs of FEFF for every site, strain and frame."""

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
"""Metals, and alloys of them, whose forces effective medium theory knows."""

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
    """Return a cluster as it is at some moments of its motion.

    Langevin dynamics with the forces of effective medium theory, after the cluster was relaxed. Classical: at low
    temperatures there is no zero-point motion, which :func:`nescio.xas.debye_displacements` has.

    Args:
        cluster: Of metals among `EMT_ELEMENTS`.
        temperature: In kelvin.
        frames: How many moments.
        every: Steps between them.
        settle: Steps before the first.
        step: Of time, in fs.
        seed: Of the random forces.
        progress: Show a progress bar; by default where standard error is a terminal.

    Raises:
        ConfigurationError: An element whose forces are not known, or numbers that cannot be.
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
    """Return the inputs of FEFF for every site of clusters (or frames of motion), each under every strain.

    Args:
        clusters: Any number.
        edge: Of the absorber.
        absorber: Symbol of the element whose atoms absorb.
        strains: See :meth:`nescio.xas.Cluster.strained`.
        alike_within: In angstrom; of sites whose surroundings within this radius are the same, one is taken. Without it
            all are, as frames of motion need.
        options: As of :func:`nescio.xas.feff_input`.

    Returns:
        Texts of feff.inp, as :func:`nescio.xas.sweep_feff` takes them, by names that say cluster, site and strain.

    Raises:
        ConfigurationError: No atom absorbs, or an option cannot be.
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
            told = f"{cluster.name}, site {site}, strain {strain:+.3g}"
            name = told if told not in inputs else f"{told}, cluster {number}"
            inputs[name] = feff_input(
                cluster.elements, cluster.positions, edge=edge, absorber=site, title=told, **options
            )
    return inputs
