"""Particles: positions of their atoms, coordination numbers, and motion."""

from nescio.xas.atoms.clusters import Cluster, make_cluster, mixed
from nescio.xas.atoms.disorder import (
    debye_covariance,
    debye_displacements,
    einstein_displacements,
    relative_displacement,
    static_disorder,
)
from nescio.xas.atoms.motion import EMT_ELEMENTS, molecular_dynamics, sweep_inputs
from nescio.xas.atoms.shapes import Shapes, known_shapes
from nescio.xas.atoms.shells import FCC_SHELLS, Shells, Surroundings, shells_of, unique_surroundings

__all__ = [
    "EMT_ELEMENTS",
    "FCC_SHELLS",
    "Cluster",
    "Shapes",
    "Shells",
    "Surroundings",
    "debye_covariance",
    "debye_displacements",
    "einstein_displacements",
    "known_shapes",
    "make_cluster",
    "mixed",
    "molecular_dynamics",
    "relative_displacement",
    "shells_of",
    "static_disorder",
    "sweep_inputs",
    "unique_surroundings",
]
