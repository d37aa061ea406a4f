"""CIFs written by the tests themselves."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from nescio.xrd.crystal import Structure, read_structure

ROCK_SALT = ("Na1 Na 0 0 0", "Cl1 Cl 0.5 0.5 0.5")
CUBE = (5.64, 5.64, 5.64, 90, 90, 90)


def cif_text(
    rows: Sequence[str] = ROCK_SALT,
    *,
    cell: Sequence[object] = CUBE,
    symbol: str | None = "F m -3 m",
    operations: Sequence[str] = (),
    more: str = "",
    columns: str = "label type_symbol fract_x fract_y fract_z",
    name: str = "x",
) -> str:
    """Return a CIF; `more` stands before the atoms."""
    names = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
    lines = [f"data_{name}", *(f"_cell_{n} {v}" for n, v in zip(names, cell, strict=True))]
    if symbol is not None:
        lines.append(f"_symmetry_space_group_name_H-M '{symbol}'")
    lines.append(more)
    if operations:
        lines += ["loop_", "_symmetry_equiv_pos_as_xyz", *(f"'{operation}'" for operation in operations)]
    lines += ["loop_", *(f"_atom_site_{column}" for column in columns.split()), *rows]
    return "\n".join(lines) + "\n"


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    """Write a file and return its path."""

    def write(content: str | bytes, name: str = "phase.cif") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture
def read(written: Callable[..., Path]) -> Callable[..., Structure]:
    """Read the structure of a CIF that is described as for :func:`cif_text`."""
    return lambda *rows, **words: read_structure(written(cif_text(*rows, **words)))


@pytest.fixture
def text() -> Callable[..., str]:
    """Return the text of a CIF."""
    return cif_text
