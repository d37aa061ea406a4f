"""Structures are read as they were meant, brought to their true symmetry, or refused with the reason."""

import json
import re

import gemmi
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nescio.errors import FileError, NescioError, StructureError
from nescio.xrd.crystal import (
    Structure,
    make_structure,
    read_structure,
    read_structures,
    structure_from_document,
)
from nescio.xrd.reflections import compute_reflections

RUTILE = {
    "cell": [4.594, 4.594, 2.959, 90, 90, 90],
    "space_group": "P4_2/mnm",
    "sites": [
        {"element": "Ti", "position": [0, 0, 0], "charge": 4},
        {"element": "O", "position": [0.305, 0.305, 0], "charge": -2},
    ],
}


def cif(
    *,
    cell: tuple[object, ...] = (3.524, 3.524, 3.524, 90, 90, 90),
    space_group: str = "F m -3 m",
    columns: str = "label type_symbol fract_x fract_y fract_z occupancy",
    rows: tuple[str, ...] = ("Ni1 Ni 0 0 0 1",),
) -> str:
    names = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
    lines = ["data_x", *(f"_cell_{n} {v}" for n, v in zip(names, cell, strict=True))]
    lines += [f"_space_group_name_H-M_alt '{space_group}'", "loop_"]
    lines += [f"_atom_site_{column}" for column in columns.split()]
    return "\n".join([*lines, *rows, ""])


def written_in_p1(structure: Structure) -> str:
    """Write every atom of the cell, as databases do."""
    positions, site_of, _ = structure.unit_cell()
    rows = tuple(
        f"{s.element}{i} {s.element} {x:.8f} {y:.8f} {z:.8f} {s.occupancy}"
        for i, ((x, y, z), s) in enumerate(zip(positions, (structure.sites[k] for k in site_of), strict=True))
    )
    return cif(cell=structure.cell, space_group="P 1", rows=rows)


@pytest.fixture
def written(tmp_path):
    def write(content, name="phase.cif"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_a_cif_with_its_symmetry_is_left_as_it_is(written):
    structure = read_structure(written(cif(), "nickel.cif"))
    assert (structure.name, structure.space_group, structure.space_group_number) == (
        "nickel",
        "F m -3 m",
        225,
    )
    assert structure.crystal_system == "cubic"
    assert structure.formula == "Ni"
    assert not structure.resymmetrised
    assert len(structure.unit_cell()[0]) == 4


@pytest.mark.parametrize(
    ("space_group", "cell", "system", "axis", "number"),
    [
        ("P6_3/mmc", [2.5, 2.5, 4.07, 90, 90, 120], "hexagonal", "b", 194),
        ("P63/mmc", [2.5, 2.5, 4.07, 90, 90, 120], "hexagonal", "b", 194),
        (194, [2.5, 2.5, 4.07, 90, 90, 120], "hexagonal", "b", 194),
        ("194", [2.5, 2.5, 4.07, 90, 90, 120], "hexagonal", "b", 194),
        ("R-3m", [5.0, 5.0, 12.0, 90, 90, 120], "trigonal", "b", 166),
        ("R-3m", [5.0, 5.0, 5.0, 60, 60, 60], "rhombohedral", "b", 166),
        ("P-3m1", [5.0, 5.0, 12.0, 90, 90, 120], "trigonal", "b", 164),
        ("P4_2/mnm", [8.8, 8.8, 4.56, 90, 90, 90], "tetragonal", "b", 136),
        ("Pnma", [5.0, 6.0, 7.0, 90, 90, 90], "orthorhombic", "b", 62),
        ("C2/m", [5.0, 6.0, 7.0, 90, 100, 90], "monoclinic", "b", 12),
        ("P 1 1 2/m", [5.0, 6.0, 7.0, 90, 90, 100], "monoclinic", "c", 10),
        ("P-1", [5.0, 6.0, 7.0, 80, 100, 95], "triclinic", "b", 2),
        ("Ia-3d", [10.0, 10.0, 10.0, 90, 90, 90], "cubic", "b", 230),
    ],
)
def test_symbols_and_numbers_find_the_group_and_its_system(space_group, cell, system, axis, number):
    structure = make_structure("x", cell, space_group, [{"element": "Fe", "position": [0.1, 0.23, 0.37]}])
    assert (structure.crystal_system, structure.unique_axis, structure.space_group_number) == (
        system,
        axis,
        number,
    )


def test_special_positions_are_counted_once_and_completed():
    hcp = make_structure(
        "Co",
        [2.51, 2.51, 4.07, 90, 90, 120],
        "P6_3/mmc",
        [{"element": "Co", "position": [0.3333, 0.6667, 0.25]}],
    )
    positions, _, _ = hcp.unit_cell()
    expected = np.array([[1 / 3, 2 / 3, 1 / 4], [2 / 3, 1 / 3, 3 / 4]])
    np.testing.assert_allclose(positions[np.argsort(positions[:, 0])], expected, atol=1e-12)


def test_formula_counts_the_cell():
    assert make_structure("TiO2", **RUTILE).formula == "TiO2"
    spinel = [
        {"element": "Mg", "position": [0.125, 0.125, 0.125]},
        {"element": "Al", "position": [0.5, 0.5, 0.5]},
        {"element": "O", "position": [0.2624, 0.2624, 0.2624]},
    ]
    assert make_structure("x", [8.08] * 3 + [90] * 3, "F d -3 m:2", spinel).formula == "Al2MgO4"


@pytest.mark.parametrize(
    ("name", "cell", "space_group", "sites"),
    [
        ("fcc", [3.524] * 3 + [90] * 3, "Fm-3m", [("Ni", (0, 0, 0), 1.0)]),
        ("rutile", RUTILE["cell"], "P4_2/mnm", [("Ti", (0, 0, 0), 1.0), ("O", (0.305, 0.305, 0), 1.0)]),
        ("hcp", [2.51, 2.51, 4.07, 90, 90, 120], "P6_3/mmc", [("Co", (1 / 3, 2 / 3, 0.25), 1.0)]),
        ("solid solution", [3.55] * 3 + [90] * 3, "Fm-3m", [("Ni", (0, 0, 0), 0.4), ("Fe", (0, 0, 0), 0.6)]),
        ("corundum", [4.76, 4.76, 12.99, 90, 90, 120], "R-3c",
         [("Al", (0, 0, 0.352), 1.0), ("O", (0.306, 0, 0.25), 1.0)]),
        ("calcium titanate", [5.38, 7.64, 5.44, 90, 90, 90], "Pnma",
         [("Ca", (0.03, 0.25, -0.01), 1.0), ("Ti", (0, 0, 0.5), 1.0), ("O", (0.48, 0.25, 0.07), 1.0),
          ("O", (0.29, 0.04, 0.71), 1.0)]),
    ],
)  # fmt: skip
def test_a_copy_written_in_p1_regains_its_symmetry_and_reflections(written, name, cell, space_group, sites):
    original = make_structure(
        name, cell, space_group, [{"element": e, "position": x, "occupancy": o} for e, x, o in sites]
    )
    copy = read_structure(written(written_in_p1(original)))
    assert copy.resymmetrised
    assert copy.space_group_number == original.space_group_number
    assert len(copy.sites) == len(original.sites)
    expected = compute_reflections(original, 1.54, 0.9, anomalous=False)
    found = compute_reflections(copy, 1.54, 0.9, anomalous=False)
    np.testing.assert_allclose(found.d, expected.d, rtol=1e-6)
    np.testing.assert_allclose(found.f_squared.sum(), expected.f_squared.sum(), rtol=1e-5)
    np.testing.assert_array_equal(np.sort(found.multiplicity), np.sort(expected.multiplicity))
    np.testing.assert_allclose(np.sort(found.f_squared), np.sort(expected.f_squared), rtol=1e-4, atol=1e-3)


def test_resymmetrising_can_be_declined(written):
    path = written(written_in_p1(make_structure("TiO2", **RUTILE)))
    structure = read_structure(path, resymmetrise=False)
    assert (structure.space_group_number, structure.resymmetrised, len(structure.sites)) == (1, False, 6)


def test_anisotropic_displacements_of_a_p1_file_become_the_equivalent_isotropic_ones(written):
    text = cif(space_group="P 1", rows=("Ni1 Ni 0 0 0 1",)) + (
        "loop_\n_atom_site_aniso_label\n_atom_site_aniso_U_11\n_atom_site_aniso_U_22\n_atom_site_aniso_U_33\n"
        "_atom_site_aniso_U_12\n_atom_site_aniso_U_13\n_atom_site_aniso_U_23\nNi1 0.01 0.02 0.03 0 0 0\n"
    )
    assert read_structure(written(text), resymmetrise=False).sites[0].u_aniso == (0.01, 0.02, 0.03, 0, 0, 0)
    assert read_structure(written(text)).sites[0].u_iso == pytest.approx(0.02)


@pytest.mark.parametrize(
    ("label", "element", "charge"),
    [
        ("Ti3.928+", "Ti", 4),
        ("O2-", "O", -2),
        ("Li+", "Li", 1),
        ("Mn2O3+", "Mn", 0),
        ("Fe+3", "Fe", 3),
        ("CO", "Co", 0),
    ],
)
def test_odd_labels_of_databases_are_understood(written, label, element, charge):
    site = read_structure(written(cif(rows=(f"{label} {label} 0 0 0 1",)))).sites[0]
    assert (site.element, site.charge) == (element, charge)


def test_the_first_block_with_sites_is_taken(written):
    assert read_structure(written("data_about\n_journal_year 1999\n" + cif())).formula == "Ni"


def test_a_document_survives_json_to_the_last_bit(written):
    for structure in (
        make_structure("TiO2", **RUTILE),
        read_structure(written(written_in_p1(make_structure("TiO2", **RUTILE)))),
    ):
        assert structure_from_document(json.loads(json.dumps(structure.to_document()))) == structure


@pytest.mark.parametrize(
    ("content", "error", "reason"),
    [
        (b"", FileError, "empty"),
        (b"  \n", FileError, "empty"),
        (b"\x00\x01\x02", FileError, "is not text"),
        (bytes(range(1, 256)), FileError, "is not text"),
        ("once upon a time", FileError, "not a valid CIF"),
        ("data_x\n_cell_length_a 3\n", StructureError, "no atom sites"),
        (cif(rows=("Ni1 Ni 0 0",)), FileError, "not a valid CIF"),
        (cif(cell=(0, 3, 3, 90, 90, 90)), StructureError, "cell lengths"),
        (cif(cell=(-3, 3, 3, 90, 90, 90)), StructureError, "cell lengths"),
        (cif(cell=("?",) * 6), StructureError, "no unit cell"),
        (cif(cell=(3, 3, 3, 90, 90, 180)), StructureError, "cell angles"),
        (cif(space_group="P 1", cell=(3, 3, 3, 30, 30, 150)), StructureError, "enclose no volume"),
        (cif(cell=(3, 3, 3, 90, 90, 100)), StructureError, "does not fit space group"),
        (cif(space_group="Q 17"), StructureError, "space group"),
        (cif(rows=("Zz1 Zz 0 0 0 1",)), StructureError, "unknown element"),
        (cif(rows=("Og1 Og 0 0 0 1",)), StructureError, "scattering factor"),
        (cif(rows=("Ni1 Ni 0 0 0 1.5",)), StructureError, "occupancy"),
        (cif(rows=("Ni1 Ni 0 0 0 -0.5",)), StructureError, "occupancy"),
        (cif(rows=("Ni1 Ni 0 0 0 0",)), StructureError, "occupancy"),
        (cif(rows=("Ni1 Ni 0 0 0 1", "Fe1 Fe 0 0 1 1")), StructureError, "share a position"),
        (cif(rows=("Ni1 Ni ? 0 0 1",)), StructureError, "coordinates"),
        (cif(rows=("Ni1 Ni nan 0 0 1",)), StructureError, "coordinates"),
        (cif(rows=("Ni1 Ni99+ 0 0 0 1",)), StructureError, "charge"),
    ],
)  # fmt: skip
def test_an_unusable_file_is_refused_with_its_name_and_the_reason_in_one_line(
    written, content, error, reason
):
    path = written(content, "broken.cif")
    with pytest.raises(error, match=re.escape(reason)) as caught:
        read_structure(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_a_folder_and_a_huge_file_are_refused(tmp_path):
    for path in (tmp_path / "none.cif", tmp_path):
        with pytest.raises(FileError):
            read_structure(path)
    huge = tmp_path / "huge.cif"
    with huge.open("wb") as stream:
        stream.truncate(60_000_000)
    with pytest.raises(FileError, match="the limit is 50,000,000"):
        read_structure(huge)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"cell": [4.6, 4.6, 3.0]}, "six numbers"),
        ({"cell": ["a"] * 6}, "six numbers"),
        ({"cell": [4.6, 5.6, 3.0, 90, 90, 90]}, "does not fit"),
        ({"space_group": 231}, "1 to 230"),
        ({"space_group": True}, "1 to 230"),
        ({"space_group": "P9"}, "unknown"),
        ({"sites": []}, "sites"),
        ({"sites": 5}, "must be a list"),
        ({"sites": [5]}, "must be a table"),
        ({"sites": [{"position": [0, 0, 0]}]}, "no element"),
        ({"sites": [{"element": "Ti"}]}, "no position"),
        ({"sites": [{"element": "Ti", "position": [0, 0]}]}, "three fractional coordinates"),
        ({"sites": [{"element": "Ti", "position": [0, 0, "x"]}]}, "three fractional coordinates"),
        ({"sites": [{"element": "Ti", "position": [0, 0, 0], "colour": 1}]}, "unknown key 'colour'"),
        ({"sites": [{"element": "Ti", "position": [0, 0, 0], "occupancy": 0}]}, "occupancy"),
        ({"sites": [{"element": "Ti", "position": [0, 0, 0], "b_iso": -1}]}, "displacement"),
        ({"sites": [{"element": "Zz", "position": [0, 0, 0]}]}, "unknown element"),
    ],
)
def test_a_structure_written_out_wrongly_is_refused(change, reason):
    with pytest.raises(StructureError, match=re.escape(reason)):
        make_structure("TiO2", **{**RUTILE, **change})


def test_b_and_u_are_related_by_eight_pi_squared():
    site = {"element": "Ni", "position": [0, 0, 0], "b_iso": 0.5}
    structure = make_structure("Ni", [3.524] * 3 + [90] * 3, 225, [site])
    assert structure.sites[0].u_iso == pytest.approx(0.5 / (8 * np.pi**2))


@given(data=st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_cif_gives_a_structure_or_an_error_of_ours(tmp_path, data):
    text = cif(rows=("Ni1 Ni 0 0 0 0.5", "Fe1 Fe3+ 0 0 0 0.5"))
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(start + 12, len(text))))
    path = tmp_path / "damaged.cif"
    damage = data.draw(
        st.one_of(st.binary(max_size=8), st.sampled_from([b"nan", b"-1", b"1e99", b"?", b"'", b"\n"]))
    )
    path.write_bytes(text[:start].encode() + damage + text[end:].encode())
    try:
        read_structure(path)
    except NescioError as error:
        message = str(error)
    else:
        message = ""
    assert "\n" not in message


@given(
    key=st.sampled_from(["cell", "space_group", "sites", "more"]),
    value=st.one_of(
        st.none(),
        st.text(max_size=5),
        st.floats(),
        st.lists(st.one_of(st.none(), st.text(), st.just(float("nan"))), max_size=6),
    ),
)
def test_a_damaged_document_is_an_error_of_ours(key, value):
    document = make_structure("TiO2", **RUTILE).to_document()
    with pytest.raises(StructureError):
        structure_from_document({**document, key: value})
    with pytest.raises(StructureError):
        structure_from_document({name: entry for name, entry in document.items() if name != "cell"})


def test_database_cifs_in_p1_regain_the_space_group_of_their_file_name(data_folder):
    paths = sorted((data_folder / "xrd" / "autoanalyzer" / "References").glob("*.cif"))
    assert len(paths) == 56
    wrong = {}
    for path in paths:
        structure = read_structure(path)
        if structure.space_group_number != int(path.stem.rpartition("_")[2]):
            wrong[path.stem] = structure.space_group
        small = gemmi.read_small_structure(str(path))
        atoms = sum(site.occupancy for site in _atoms(structure)) / gemmi.UnitCell(*structure.cell).volume
        assert atoms == pytest.approx(sum(site.occ for site in small.sites) / small.cell.volume, rel=1e-3), (
            path.stem
        )
    assert not wrong


def _atoms(structure):
    return [structure.sites[i] for i in structure.unit_cell()[1]]


def test_further_structures_of_a_file_are_noted_and_read_by_their_names(written):
    broken = cif(rows=("Zz1 Zz 0 0 0 1",)).replace("data_x", "data_broken")
    second = cif(rows=("Cu1 Cu 0 0 0 1",)).replace("data_x", "data_copper")
    path = written(broken + cif() + second)
    found = read_structure(path)
    assert found.formula == "Ni"
    assert any("block 'broken': site 'Zz1' is of unknown element 'Zz'" in note for note in found.notes)
    assert any("further structures are in: copper" in note for note in found.notes)
    assert read_structure(path, block="COPPER").formula == "Cu"
    structures, errors = read_structures(path)
    assert [(one.name, one.formula) for one in structures] == [("x", "Ni"), ("copper", "Cu")]
    assert len(errors) == 1
    with pytest.raises(StructureError, match="no block 'gold'; blocks with atom sites: broken, x, copper"):
        read_structure(path, block="gold")


def test_a_document_of_an_earlier_version_has_no_notes(written):
    document = read_structure(written(cif())).to_document()
    older = {key: value for key, value in document.items() if key not in ("operations", "notes")}
    assert structure_from_document(older).notes == ()


def test_a_structure_in_a_setting_without_a_symbol_survives_json(written):
    listed = "loop_\n_symmetry_equiv_pos_as_xyz\nx,y,z\n-x,-y,-z\nx+1/2,y,z\n-x+1/2,-y,-z\n"
    text = cif(space_group="P -1", cell=(5, 6, 7, 80, 103, 95), rows=("Fe1 Fe .1 .2 .3 1.03",))
    structure = read_structure(written(text.replace("loop_", listed + "loop_", 1)))
    assert structure.operations
    assert structure.notes
    assert structure_from_document(json.loads(json.dumps(structure.to_document()))) == structure


def test_among_very_many_atoms_in_p1_no_symmetry_is_sought_and_that_is_noted(written):
    rows = tuple(
        f"Ni{i} Ni {i % 14 / 14:.6f} {i // 14 % 14 / 14:.6f} {i // 196 / 14:.6f} 1" for i in range(14**3)
    )
    structure = read_structure(written(cif(cell=(35, 35, 35, 90, 90, 90), space_group="P 1", rows=rows)))
    assert (structure.space_group, len(structure.sites)) == ("P 1", 14**3)
    assert "more than 2,500 atoms in P 1" in structure.notes[0]
