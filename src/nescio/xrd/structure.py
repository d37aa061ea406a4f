"""Crystal structures: read from CIF or written out, validated, brought to their true symmetry."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias, cast

import gemmi
import numpy as np
from numpy.typing import NDArray

from nescio.errors import FileError, StructureError
from nescio.files import file_content

__all__ = [
    "Site",
    "Structure",
    "make_structure",
    "read_structure",
    "structure_from_document",
    "symmetry_operations",
]

_LARGEST_FILE = 50_000_000
# Images of a site nearer than this (angstrom) are one atom on a special position: 1/3 may be given as 0.333.
_SAME_ATOM = 0.05
_Cell: TypeAlias = tuple[float, float, float, float, float, float]
_MOST_SITES = 5000
# Refined or rounded occupancies of one position may add up to a little more than one.
_OVERFULL = 0.05
_U_PER_B = 1.0 / (8.0 * math.pi**2)


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


@dataclass(frozen=True)
class Structure:
    """A crystal structure in one setting of its space group."""

    name: str
    cell: _Cell
    """a, b, c in angstrom; alpha, beta, gamma in degree."""
    space_group: str
    """Extended Hermann-Mauguin symbol."""
    sites: tuple[Site, ...]
    source: str = ""
    resymmetrised: bool = False
    """Whether the symmetry was found from the positions, because the file gave none."""

    @property
    def group(self) -> gemmi.SpaceGroup:
        """The space group in this setting."""
        return gemmi.SpaceGroup(self.space_group)

    @property
    def space_group_number(self) -> int:
        """Number in the International Tables."""
        return int(self.group.number)

    @property
    def crystal_system(self) -> str:
        """Name as :func:`nescio.xrd.lattice.lattice_freedom` takes it."""
        group = self.group
        if group.crystal_system_str() == "trigonal" and group.ext == "R":
            return "rhombohedral"
        return str(group.crystal_system_str())

    @property
    def unique_axis(self) -> str:
        """The unique axis of a monoclinic cell, "b" for all others."""
        axis = self.group.monoclinic_unique_axis()
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

    def unit_cell(self) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
        """Expand the asymmetric unit by symmetry.

        Returns:
            Fractional positions (atoms, 3), for each the index of its site, and the index of the symmetry
            operation that made it. A site on a special position is moved exactly onto it and counted once.
        """
        rotations, translations = symmetry_operations(self.group)
        orthogonal = np.array(gemmi.UnitCell(*self.cell).orth.mat.tolist())
        positions: list[NDArray[np.float64]] = []
        sites: list[int] = []
        operations: list[int] = []
        for index, site in enumerate(self.sites):
            x = np.asarray(site.position)
            images = rotations @ x + translations
            offsets = images - x
            shifts = np.round(offsets)
            stable = np.linalg.norm((offsets - shifts) @ orthogonal.T, axis=1) < _SAME_ATOM
            x = (images - shifts)[stable].mean(axis=0)
            images = (rotations @ x + translations) % 1.0
            kept: list[int] = []
            for i, image in enumerate(images):
                if kept:
                    difference = images[kept] - image
                    difference -= np.round(difference)
                    if (np.linalg.norm(difference @ orthogonal.T, axis=1) < _SAME_ATOM).any():
                        continue
                kept.append(i)
            positions.extend(images[kept])
            sites.extend([index] * len(kept))
            operations.extend(kept)
        return np.array(positions), np.array(sites), np.array(operations)


def symmetry_operations(group: gemmi.SpaceGroup) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return rotations (operations, 3, 3) and translations (operations, 3) of a group, centring included."""
    operations = list(group.operations())
    rotations = np.array([op.rot for op in operations], float) / gemmi.Op.DEN
    translations = np.array([op.tran for op in operations], float) / gemmi.Op.DEN
    return rotations, translations


def make_structure(
    name: str,
    cell: Sequence[float],
    space_group: str | int,
    sites: Sequence[Mapping[str, Any]],
    *,
    source: str = "",
) -> Structure:
    """Build a structure from its parts.

    Args:
        name: What to call it.
        cell: a, b, c in angstrom; alpha, beta, gamma in degree.
        space_group: Hermann-Mauguin symbol ("P6_3/mmc" or "P63/mmc") or number; of a group with several
            settings the standard one is meant unless the symbol says otherwise ("F d -3 m:1").
        sites: Mappings with element, position, and optionally occupancy, charge, b_iso (angstrom^2).
        source: Where it comes from, for messages.

    Raises:
        StructureError: Something is impossible; the message names it.
    """
    where = source or f"phase {name!r}"
    try:
        numbers = tuple(float(x) for x in cell)
    except (TypeError, ValueError, OverflowError):
        raise StructureError(f"{where}: a cell is six numbers, not {cell!r}") from None
    if len(numbers) != 6:
        raise StructureError(f"{where}: a cell is six numbers, not {len(numbers)}")
    group = _find_group(space_group, numbers, where)
    try:
        made = tuple(_written_site(site, f"{where}: site {i}") for i, site in enumerate(sites, 1))
    except TypeError:
        raise StructureError(f"{where}: sites must be a list, not {sites!r}") from None
    return _validated(Structure(name, numbers, group.xhm(), made, source), where)


def _written_site(site: object, where: str) -> Site:
    if not isinstance(site, Mapping):
        raise StructureError(f"{where}: must be a table with element and position, not {site!r}")
    if unknown := set(site) - {"element", "position", "occupancy", "charge", "b_iso"}:
        raise StructureError(
            f"{where}: unknown key {min(unknown)!r}; keys are element, position, occupancy, charge, b_iso"
        )
    if missing := {"element", "position"} - set(site):
        raise StructureError(f"{where}: has no {min(missing)}")
    # A key given as None counts as not given.
    given = {key: value for key, value in site.items() if value is not None}
    try:
        x, y, z = (float(v) for v in given["position"])
        return Site(
            element=str(given["element"]),
            position=(x, y, z),
            occupancy=float(given.get("occupancy", 1.0)),
            charge=int(given.get("charge", 0)),
            u_iso=float(given.get("b_iso", 0.0)) * _U_PER_B,
        )
    except (KeyError, TypeError, ValueError, OverflowError):
        raise StructureError(
            f"{where}: needs an element, three fractional coordinates and numbers else, not {dict(site)!r}"
        ) from None


def structure_from_document(document: Mapping[str, Any]) -> Structure:
    """Build a structure from what :meth:`Structure.to_document` returned.

    Raises:
        StructureError: The document does not describe a structure.
    """
    try:
        sites = tuple(
            Site(
                **{
                    **site,
                    "position": _floats(site["position"], 3),
                    "u_aniso": None if site["u_aniso"] is None else _floats(site["u_aniso"], 6),
                }
            )
            for site in document["sites"]
        )
        structure = Structure(**{**document, "cell": _floats(document["cell"], 6), "sites": sites})
        return _validated(structure, f"structure {structure.name!r}")
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise StructureError(f"structure document: {type(error).__name__}: {error}") from None


def _floats(values: Any, length: int) -> tuple[float, ...]:
    if isinstance(values, str) or len(values) != length:
        raise ValueError(f"{values!r} is not {length} numbers")
    return tuple(float(value) for value in values)


def read_structure(
    path: str | Path, *, name: str | None = None, resymmetrise: bool = True, tolerance: float = 1e-3
) -> Structure:
    """Read the first structure of a CIF.

    Args:
        path: The file.
        name: What to call it; by default the file's stem.
        resymmetrise: Find the symmetry of a file written in P 1, as databases often are; texture and strain
            need it. The standard conventional cell is then taken, and anisotropic displacements give way to
            the equivalent isotropic ones.
        tolerance: Distance in angstrom within which positions count as equivalent.

    Raises:
        FileError: The file is missing, empty, too large or no CIF.
        StructureError: It holds no usable structure; the message says what is missing or impossible.
    """
    path = Path(path)
    block, small = _read_block(path)
    where = str(path)
    if not small.cell.is_crystal():
        raise StructureError(f"{where}: no unit cell (_cell_length_a ...) in block {block!r}")
    group = cast("gemmi.SpaceGroup | None", small.spacegroup)
    if group is None:
        given = small.spacegroup_hm or "none given"
        raise StructureError(
            f"{where}: space group not recognised ({given}); give _space_group_name_H-M_alt or its number"
        )
    sites = tuple(_site(site, where) for site in small.sites)
    a, b, c, alpha, beta, gamma = small.cell.parameters
    cell = (a, b, c, alpha, beta, gamma)
    structure = _validated(Structure(name or path.stem, cell, group.xhm(), sites, where), where)
    if resymmetrise and group.number == 1:
        return _resymmetrised(structure, tolerance)
    return structure


def _read_block(path: Path) -> tuple[str, gemmi.SmallStructure]:
    raw = file_content(path, _LARGEST_FILE)
    if b"\0" in raw:
        raise FileError(f"{path}: not a text file, a CIF was expected")
    try:
        document = gemmi.cif.read_string(raw.decode("utf-8", errors="replace"))
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise FileError(f"{path}: not a valid CIF: {reason[:200]}") from None
    if len(document) == 0:
        raise FileError(f"{path}: no data_ block, a CIF was expected")
    failure = f"no atom sites (_atom_site_fract_x ...) in block {document[0].name!r}"
    for block in document:
        try:
            small = gemmi.make_small_structure_from_block(block)
        except (ValueError, RuntimeError, IndexError) as error:
            failure = f"block {block.name!r}: " + " ".join(str(error).split())[:200]
            continue
        if len(small.sites) > 0:
            return block.name, small
    raise StructureError(f"{path}: {failure}")


def _site(site: gemmi.SmallStructure.Site, where: str) -> Site:
    text = site.type_symbol or site.label
    match = re.match(r"^([A-Za-z]{1,2})(?:(\d{0,9}\.?\d{1,9})?([+-])(\d{0,9}\.?\d{0,9})?)?", text)
    element = site.element.name
    if element == "X" and match:
        for length in (2, 1):
            candidate = gemmi.Element(match[1][:length].capitalize())
            if candidate.atomic_number > 0:
                element = candidate.name
                break
    if element == "X":
        raise StructureError(f"{where}: site {site.label!r} is of unknown element {text!r}")
    charge = site.charge
    if match and match[3]:
        magnitude = float(match[2] or (match[4] if match[4] not in (None, "", ".") else 1.0))
        charge = round(magnitude) * (1 if match[3] == "+" else -1)
    aniso = site.aniso
    u_aniso = (aniso.u11, aniso.u22, aniso.u33, aniso.u12, aniso.u13, aniso.u23) if aniso.nonzero() else None
    return Site(
        element=element,
        position=(site.fract.x, site.fract.y, site.fract.z),
        occupancy=site.occ,
        charge=charge,
        u_iso=site.u_iso if math.isfinite(site.u_iso) else 0.0,
        u_aniso=u_aniso,
        label=site.label,
    )


def _find_group(space_group: str | int, cell: _Cell, where: str) -> gemmi.SpaceGroup:
    text = str(space_group).replace("_", "").strip()
    if text.isascii() and text.isdigit():
        found = (
            gemmi.find_spacegroup_by_number(int(text)) if len(text) <= 3 and 1 <= int(text) <= 230 else None
        )
    else:
        # The angles tell rhombohedral from hexagonal axes where the symbol does not.
        found = gemmi.find_spacegroup_by_name(text, cell[3], cell[5])
    if found is None:
        raise StructureError(
            f"{where}: space group {text[:40]!r} is unknown; give a Hermann-Mauguin symbol such as "
            "'P6_3/mmc', or a number from 1 to 230"
        )
    return found


def _validated(structure: Structure, where: str) -> Structure:
    cell = structure.cell
    if not all(math.isfinite(x) for x in cell) or not all(0.5 <= x <= 1000.0 for x in cell[:3]):
        raise StructureError(f"{where}: cell lengths must be within 0.5 to 1000 angstrom, not {cell[:3]}")
    if not all(10.0 < x < 170.0 for x in cell[3:]):
        raise StructureError(f"{where}: cell angles must be within 10 to 170 degree, not {cell[3:]}")
    cosines = [math.cos(math.radians(x)) for x in cell[3:]]
    if 1.0 - sum(c * c for c in cosines) + 2.0 * math.prod(cosines) <= 1e-6:
        raise StructureError(f"{where}: cell angles {cell[3:]} enclose no volume")
    if not 0 < len(structure.sites) <= _MOST_SITES:
        raise StructureError(f"{where}: needs 1 to {_MOST_SITES} atom sites, not {len(structure.sites)}")
    for site in structure.sites:
        label = site.label or site.element
        if gemmi.Element(site.element).atomic_number == 0:
            raise StructureError(f"{where}: site {label!r} is of unknown element {site.element!r}")
        if site.element != "D" and gemmi.Element(site.element).it92 is None:
            raise StructureError(
                f"{where}: element {site.element!r} has no tabulated X-ray scattering factor"
            )
        if abs(site.charge) > 9:
            raise StructureError(f"{where}: site {label!r} has an impossible charge {site.charge:+d}")
        if not all(math.isfinite(x) and abs(x) < 1e3 for x in site.position):
            raise StructureError(f"{where}: site {label!r} has no usable coordinates {site.position}")
        if not 0.0 < site.occupancy <= 1.0 + 1e-3:
            raise StructureError(
                f"{where}: occupancy of site {label!r} must be above 0 and at most 1, not {site.occupancy:g}"
            )
        if not 0.0 <= site.u_iso < 5.0:
            raise StructureError(f"{where}: site {label!r} has an impossible displacement U = {site.u_iso:g}")
        if site.u_aniso is not None and not all(math.isfinite(u) and abs(u) < 5.0 for u in site.u_aniso):
            raise StructureError(f"{where}: site {label!r} has impossible anisotropic displacements")
    group = structure.group
    if not gemmi.UnitCell(*cell).is_compatible_with_spacegroup(group, eps=1e-2):
        raise StructureError(
            f"{where}: a cell of {', '.join(f'{x:g}' for x in cell)} does not fit space group {group.hm}"
            f" ({group.crystal_system_str()})"
        )
    for group_of_sites in _sharing_positions(structure.sites, cell, _SAME_ATOM):
        total = sum(site.occupancy for site in group_of_sites)
        if total > 1.0 + _OVERFULL:
            labels = ", ".join(site.label or site.element for site in group_of_sites[:4])
            raise StructureError(
                f"{where}: sites {labels} share a position with a total occupancy of {total:g}"
            )
    return structure


def _sharing_positions(sites: Sequence[Site], cell: _Cell, distance: float) -> list[list[Site]]:
    """Group sites that lie within a distance (angstrom) of each other, lattice translations included."""
    orthogonal = np.array(gemmi.UnitCell(*cell).orth.mat.tolist())
    heads = np.empty((len(sites), 3))
    groups: list[list[Site]] = []
    for site in sites:
        difference = np.asarray(site.position) - heads[: len(groups)]
        difference -= np.round(difference)
        near = np.flatnonzero(np.linalg.norm(difference @ orthogonal.T, axis=1) < distance)
        if near.size:
            groups[near[0]].append(site)
        else:
            heads[len(groups)] = site.position
            groups.append([site])
    return groups


def _equivalent_isotropic(site: Site, cell: gemmi.UnitCell) -> float:
    """Return the mean-square displacement averaged over all directions, in angstrom^2.

    Source: Trueblood et al. (1996), Acta Cryst. A52, 770-781, equation 2.1.
    """
    if site.u_aniso is None:
        return site.u_iso
    u11, u22, u33, u12, u13, u23 = site.u_aniso
    tensor = np.array([[u11, u12, u13], [u12, u22, u23], [u13, u23, u33]])
    axes = np.array(cell.orth.mat.tolist()) * np.array(cell.reciprocal().parameters[:3])
    return float(np.trace(axes @ tensor @ axes.T) / 3.0)


def _resymmetrised(structure: Structure, tolerance: float) -> Structure:
    """Return the structure in the standard setting of the space group that its positions have."""
    import spglib

    # Atoms that share a position (partial occupancy) are one species to the search.
    written = gemmi.UnitCell(*structure.cell)
    orthogonal = np.array(written.orth.mat.tolist())
    members = _sharing_positions(structure.sites, structure.cell, tolerance)
    positions = [list(group[0].position) for group in members]
    kinds = [
        tuple(
            sorted(
                (s.element, s.charge, round(s.occupancy, 4), round(_equivalent_isotropic(s, written), 5))
                for s in group
            )
        )
        for group in members
    ]
    species = sorted(set(kinds))
    numbers = [species.index(kind) for kind in kinds]
    with warnings.catch_warnings():
        # spglib 2.7 announces a change in how it reports errors; both ways are met here.
        warnings.simplefilter("ignore", DeprecationWarning)
        cell_of_atoms = (orthogonal.T.tolist(), positions, numbers)
        # Raised from spglib 2.8 on; before, the answer was None.
        errors = (ValueError, getattr(spglib, "SpglibError", ValueError))
        try:
            dataset = spglib.get_symmetry_dataset(cell_of_atoms, symprec=tolerance)
        except errors:
            dataset = None
    # Without an answer (atoms nearer than the tolerance, say) the structure stays usable as it was written.
    if dataset is None or dataset.number == 1:
        return structure
    found = gemmi.find_spacegroup_by_ops(gemmi.symops_from_hall(dataset.hall))
    lattice = np.asarray(dataset.std_lattice)
    lengths = np.linalg.norm(lattice, axis=1)
    angles = [
        math.degrees(math.acos(float(np.clip(lattice[i] @ lattice[j] / (lengths[i] * lengths[j]), -1, 1))))
        for i, j in ((1, 2), (0, 2), (0, 1))
    ]
    rotations, translations = symmetry_operations(found)
    sites: list[Site] = []
    taken = np.zeros(len(dataset.std_positions), bool)
    standard = np.asarray(dataset.std_positions)
    for i, x in enumerate(standard):
        if taken[i]:
            continue
        images = rotations @ x + translations
        difference = standard[None] - images[:, None]
        difference -= np.round(difference)
        near = (np.linalg.norm(difference @ lattice, axis=2) < 10.0 * tolerance).any(axis=0)
        taken |= near & (np.asarray(dataset.std_types) == dataset.std_types[i])
        for element, charge, occupancy, u_iso in species[dataset.std_types[i]]:
            sites.append(
                Site(
                    element, (float(x[0]), float(x[1]), float(x[2])), occupancy, charge, u_iso, label=element
                )
            )
    a, b, c = (float(v) for v in lengths)
    cell = (a, b, c, angles[0], angles[1], angles[2])
    return _validated(
        Structure(structure.name, cell, found.xhm(), tuple(sites), structure.source, True),
        structure.source,
    )
