"""Crystal structures: the sites of an asymmetric unit, and the unit cell that symmetry makes of them."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, TypeAlias

import gemmi
import numpy as np
from numpy.typing import NDArray

from nescio.display import key_figures
from nescio.xrd.crystal.symmetry import group_number, operation_arrays, operations_from, system_of

__all__ = ["SAME_ATOM", "Cell", "Site", "Structure", "orthogonal_axes"]

Cell: TypeAlias = tuple[float, float, float, float, float, float]

SAME_ATOM = 0.05
"""Images of a site nearer than this (angstrom) are one atom on a special position."""


@dataclass(frozen=True)
class Site:
    """One site of the asymmetric unit."""

    element: str
    position: tuple[float, float, float]
    """Fractional coordinates."""
    occupancy: float = 1.0
    charge: int = 0
    u_iso: float = 0.0
    """Isotropic mean-square displacement in angstrom^2."""
    u_aniso: tuple[float, float, float, float, float, float] | None = None
    """U11, U22, U33, U12, U13, U23 in angstrom^2, as in a CIF; where given, it counts instead of `u_iso`."""
    label: str = ""

    def equivalent_u(self, cell: gemmi.UnitCell) -> float:
        """Return the mean-square displacement averaged over all directions, in angstrom^2.

        Source: Trueblood et al. (1996), Acta Cryst. A52, 770-781, equation 2.1.
        """
        if self.u_aniso is None:
            return self.u_iso
        return float(cell.calculate_u_eq(gemmi.SMat33d(*self.u_aniso)))


@dataclass(frozen=True)
class Structure:
    """A crystal structure in one setting of its space group."""

    name: str
    cell: Cell
    """a, b, c in angstrom; alpha, beta, gamma in degree."""
    space_group: str
    """Extended Hermann-Mauguin symbol; that of the standard setting where `operations` are given."""
    sites: tuple[Site, ...]
    source: str = ""
    resymmetrised: bool = False
    """Whether the symmetry was found from the positions, because the file gave none."""
    operations: tuple[str, ...] = ()
    """All symmetry operations, such as "-x,y+1/2,-z", of a setting that has no symbol; else empty."""
    notes: tuple[str, ...] = ()
    """What a user should know about how the structure was read, a sentence each."""

    @cached_property
    def symmetry(self) -> gemmi.GroupOps:
        """The symmetry operations in this setting, centring included."""
        if self.operations:
            return operations_from(self.operations)
        return gemmi.SpaceGroup(self.space_group).operations()

    @property
    def space_group_number(self) -> int:
        """Number in the International Tables."""
        return (
            group_number(self.symmetry) if self.operations else int(gemmi.SpaceGroup(self.space_group).number)
        )

    @property
    def crystal_system(self) -> str:
        """Name as :func:`nescio.xrd.lattice.lattice_freedom` takes it."""
        if self.operations:
            return system_of(self.symmetry)[0]
        group = gemmi.SpaceGroup(self.space_group)
        if group.crystal_system_str() == "trigonal" and group.ext == "R":
            return "rhombohedral"
        return str(group.crystal_system_str())

    @property
    def unique_axis(self) -> str:
        """The unique axis of a monoclinic cell, "b" for all others."""
        if self.operations:
            return system_of(self.symmetry)[1]
        axis = gemmi.SpaceGroup(self.space_group).monoclinic_unique_axis()
        return axis if axis in ("a", "b", "c") else "b"

    @property
    def elements(self) -> tuple[str, ...]:
        """Symbols of all elements, sorted."""
        return tuple(sorted({site.element for site in self.sites}))

    @property
    def formula(self) -> str:
        """Content of the unit cell over its greatest common divisor, such as "TiO2" or "Al9Co2"."""
        _, site_of, _ = self.unit_cell()
        counts: dict[str, float] = {}
        for site, number in zip(self.sites, np.bincount(site_of, minlength=len(self.sites)), strict=True):
            counts[site.element] = counts.get(site.element, 0.0) + float(number) * site.occupancy
        whole = all(abs(n - round(n)) < 1e-3 for n in counts.values())
        divisor = math.gcd(*(round(n) for n in counts.values())) if whole else max(counts.values())
        # Metals stand before what they are bound to.
        order = sorted(counts, key=lambda e: (not gemmi.Element(e).is_metal, e))
        shares = {e: counts[e] / divisor for e in order}
        return "".join(e + ("" if abs(n - 1.0) < 1e-3 else f"{n:.3g}") for e, n in shares.items())

    def to_document(self) -> dict[str, Any]:
        """Return the structure as JSON-compatible values."""
        return asdict(self)

    def _repr_html_(self) -> str:
        a, b, c, alpha, beta, gamma = self.cell
        return key_figures(
            f"{self.name}: {self.formula}",
            {
                "space group": f"{self.space_group} ({self.space_group_number})",
                "cell": f"{a:.5g}, {b:.5g}, {c:.5g} angstrom; {alpha:.5g}, {beta:.5g}, {gamma:.5g} degree",
                "sites": len(self.sites),
                "notes": "; ".join(self.notes) or "none",
            },
        )

    def unit_cell(self) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
        """Expand the asymmetric unit by symmetry.

        Returns:
            Fractional positions (atoms, 3), for each the index of its site, and the index of the symmetry
            operation that made it. A site on a special position is moved exactly onto it and counted once.
        """
        rotations, translations = operation_arrays(self.symmetry)
        orthogonal = orthogonal_axes(gemmi.UnitCell(*self.cell))
        positions: list[NDArray[np.float64]] = []
        sites: list[int] = []
        operations: list[int] = []
        for index, site in enumerate(self.sites):
            x = np.asarray(site.position)
            images = rotations @ x + translations
            offsets = images - x
            shifts = np.round(offsets)
            stable = np.linalg.norm((offsets - shifts) @ orthogonal.T, axis=1) < SAME_ATOM
            x = (images - shifts)[stable].mean(axis=0)
            images = (rotations @ x + translations) % 1.0
            if stable.sum() == 1:
                kept = np.arange(len(images))
            else:
                differences = images[:, None] - images
                differences -= np.round(differences)
                same = np.linalg.norm(differences @ orthogonal.T, axis=2) < SAME_ATOM
                # Of images of one atom the first stands for all.
                kept = np.flatnonzero(same.argmax(axis=1) == np.arange(len(images)))
            positions.extend(images[kept])
            sites.extend([index] * len(kept))
            operations.extend(kept.tolist())
        return np.array(positions), np.array(sites), np.array(operations)


def orthogonal_axes(cell: gemmi.UnitCell) -> NDArray[np.float64]:
    """Return the matrix (3, 3) that turns fractional coordinates into angstrom along orthogonal axes."""
    return np.array(cell.orth.mat.tolist())
