"""Crystal structures: from CIF or TOML, validated, in their true symmetry."""

from nescio.xrd.crystal.contents import cell_mass
from nescio.xrd.crystal.read import read_structure, read_structures
from nescio.xrd.crystal.structure import Site, Structure
from nescio.xrd.crystal.symmetry import operation_arrays
from nescio.xrd.crystal.written import make_structure, structure_from_document

__all__ = [
    "Site",
    "Structure",
    "cell_mass",
    "make_structure",
    "operation_arrays",
    "read_structure",
    "read_structures",
    "structure_from_document",
]
