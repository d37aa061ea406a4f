"""Symmetry is read as it is stated; where statements contradict each other or leave something open, that is told."""

import gemmi
import numpy as np
import pytest

from nescio.errors import StructureError
from nescio.xrd.crystal import make_structure
from nescio.xrd.crystal.symmetry import group_number, operations_from, system_of, triplets_of
from nescio.xrd.reflections import compute_reflections

DIAMOND = {"cell": (5.4309, 5.4309, 5.4309, 90, 90, 90), "symbol": "F d -3 m", "rows": ("Si1 Si 0 0 0",)}
SPINEL = {
    "cell": (8.083, 8.083, 8.083, 90, 90, 90),
    "symbol": "F d -3 m",
    "rows": ("Mg1 Mg 0.125 0.125 0.125", "Al1 Al 0.5 0.5 0.5", "O1 O 0.2624 0.2624 0.2624"),
}
IRON = ("Fe1 Fe 0.1 0.2 0.3",)
TRICLINIC = (5, 6, 7, 80, 103, 95)
MONOCLINIC = (5, 6, 7, 90, 103, 90)
C_CENTRED = ["x,y,z", "-x,-y,-z", "x+1/2,y,z", "-x+1/2,-y,-z"]


def operations(symbol: str) -> list[str]:
    return list(triplets_of(gemmi.SpaceGroup(symbol).operations()))


def atoms(structure) -> int:
    return len(structure.unit_cell()[0])


@pytest.mark.parametrize("group", list(gemmi.spacegroup_table()), ids=lambda group: group.hall)
def test_operations_are_taken_as_they_are_and_agree_with_their_own_symbol(read, group):
    cell = {
        "triclinic": TRICLINIC,
        "monoclinic": (5, 6, 7, 90, 90, 90),
        "orthorhombic": (5, 6, 7, 90, 90, 90),
        "tetragonal": (5, 5, 7, 90, 90, 90),
        "trigonal": (5, 5, 5, 70, 70, 70) if group.ext == "R" else (5, 5, 7, 90, 90, 120),
        "hexagonal": (5, 5, 7, 90, 90, 120),
        "cubic": (5, 5, 5, 90, 90, 90),
    }[group.crystal_system_str()]
    length = 12 * len(group.operations()) ** (1 / 3)
    cell = (*(length * edge / 5 for edge in cell[:3]), *cell[3:])
    found = read(
        ("Fe1 Fe 0.0713 0.1931 0.1117",),
        cell=cell,
        symbol=group.hm,
        operations=operations(group.xhm()),
        more=f"_symmetry_Int_Tables_number {group.number}",
    )
    assert atoms(found) == len(group.operations()) or found.resymmetrised
    assert found.space_group_number == group.number or found.resymmetrised
    assert not [note for note in found.notes if "contradicts" in note or "not used" in note]


def test_a_symbol_against_operations_is_decided_by_the_formula_and_noted(read):
    found = read(operations=["x, y, z"], more="_chemical_formula_sum 'Cl Na'\n_cell_formula_units_Z 4")
    assert (found.space_group, atoms(found)) == ("F m -3 m", 8)
    (note,) = found.notes
    assert "phase.cif: the symbol is F m -3 m, which contradicts the list of operations (P 1)" in note
    assert "agrees with the stated formula" in note


@pytest.mark.parametrize("listed", [["x,y,z"], operations("P m -3 m")], ids=["P 1", "no centring"])
def test_a_symbol_against_operations_that_nothing_decides_is_refused_with_both_outcomes(read, listed):
    with pytest.raises(StructureError, match=r"contradicts.*Cl1 Na1 in the unit cell.*Cl4 Na4.*2\.16 g/cm"):
        read(operations=listed)


def test_all_atoms_with_the_identity_alone_are_not_multiplied_by_the_symbol(read):
    faces = [(0, 0, 0), (0, 0.5, 0.5), (0.5, 0, 0.5), (0.5, 0.5, 0)]
    rows = [f"Na{i} Na {x} {y} {z}" for i, (x, y, z) in enumerate(faces)]
    rows += [f"Cl{i} Cl {x + 0.5} {y} {z}" for i, (x, y, z) in enumerate(faces)]
    found = read(rows, operations=["x,y,z"])
    assert (found.space_group, atoms(found)) == ("F m -3 m", 8)
    assert "puts 4 atoms on one position" in found.notes[0]
    counted_once = read(rows, operations=operations("F m -3 m"))
    assert (len(counted_once.sites), atoms(counted_once)) == (2, 8)
    assert "symmetry copies of other sites count once: Na1 (of Na0)" in counted_once.notes[0]


def test_a_number_that_neither_symbol_nor_operations_have_is_noted(read):
    wrong = "_symmetry_Int_Tables_number 221"
    found = read(operations=operations("F m -3 m"), more=wrong)
    assert atoms(found) == 8
    assert "the number is 221, which contradicts" in found.notes[0]
    with pytest.raises(StructureError, match="the symbol F m -3 m is not that of number 221"):
        read(more=wrong)


def test_repeated_operations_count_once(read):
    twice = ["x,y,z", "-x,-y,-z"] * 2
    found = read(IRON, cell=TRICLINIC, symbol="P -1", operations=twice)
    assert (found.space_group, atoms(found)) == ("P -1", 2)
    assert "2 of 4 listed operations are repetitions" in found.notes[0]


def test_incomplete_operations_are_completed_and_noted(read):
    found = read(IRON, cell=(9, 9, 7, 90, 90, 90), symbol="P 4", operations=["x,y,z", "-y,x,z"])
    assert (found.space_group, atoms(found)) == ("P 4", 4)
    assert "incomplete: 2 of the 4" in found.notes[0]


def test_operations_without_a_tabulated_symbol_are_used_as_they_are(read, written, text):
    twofold = read(IRON, cell=TRICLINIC, symbol="A -1 (halved)", operations=C_CENTRED)
    halved = read(("Fe1 Fe 0.2 0.2 0.3",), cell=(2.5, *TRICLINIC[1:]), symbol="P -1")
    assert (twofold.space_group_number, twofold.crystal_system, atoms(twofold)) == (2, "triclinic", 4)
    assert "not recognised and not used" in twofold.notes[0]
    # The same crystal in a cell of half the size has the same reflections.
    expected, found = (compute_reflections(one, 1.54, 1.0, anomalous=False) for one in (halved, twofold))
    np.testing.assert_allclose(found.d, expected.d, rtol=1e-9)
    np.testing.assert_allclose(found.f_squared / 4, expected.f_squared, rtol=1e-9)
    np.testing.assert_array_equal(found.multiplicity, expected.multiplicity)
    silent = read(IRON, cell=TRICLINIC, symbol="P -1", operations=C_CENTRED)
    assert silent.notes == ()


def test_reflections_by_listed_operations_are_those_by_the_symbol(read):
    by_symbol = read(IRON, cell=(6, 7, 8, 90, 103, 90), symbol="P 1 21/c 1")
    moved = [f"{x}+1/8" if x == "-x" else x for x in ("x", "-x")]
    shifted = ["x,y,z", f"{moved[1]},y+1/2,-z+1/2", f"{moved[1]},-y,-z", "x,-y+1/2,z+1/2"]
    by_list = read(("Fe1 Fe 0.1625 0.2 0.3",), cell=(6, 7, 8, 90, 103, 90), symbol=None, operations=shifted)
    assert by_list.operations
    assert (by_list.space_group_number, by_list.crystal_system, by_list.unique_axis) == (
        14,
        "monoclinic",
        "b",
    )
    expected, found = (compute_reflections(one, 1.54, 1.0) for one in (by_symbol, by_list))
    np.testing.assert_allclose(found.d, expected.d)
    np.testing.assert_allclose(found.f_squared, expected.f_squared, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(np.sort(found.multiplicity), np.sort(expected.multiplicity))


@pytest.mark.parametrize(
    ("triplets", "reason"),
    [
        (["x,y,z", "-x,-y"], "exactly two commas"),
        (["x,y,z", "x,y,2z"], "no symmetry operation"),
        (["x,y,z", "x+y,y,z"], "no group"),
        (["x,y,z", "x,-y,z+1/24"], "no group"),
    ],
)
def test_what_is_no_group_is_refused_or_noted_where_there_is_a_symbol(read, triplets, reason):
    with pytest.raises(StructureError, match=reason):
        read(IRON, cell=TRICLINIC, symbol=None, operations=triplets)
    found = read(IRON, cell=TRICLINIC, symbol="P -1", operations=triplets)
    assert reason in found.notes[0]
    assert "not used" in found.notes[0]


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ("_chemical_formula_sum Si\n_cell_formula_units_Z 8", "the stated formula"),
        ("_exptl_crystal_density_diffrn 2.33", "the stated density"),
    ],
)
def test_an_open_origin_is_decided_by_formula_or_density(read, more, reason):
    found = read(**DIAMOND, more=more)
    assert (found.space_group, atoms(found)) == ("F d -3 m:1", 8)
    assert reason in found.notes[0]


def test_an_open_origin_is_decided_by_multiplicities(read):
    columns = "label type_symbol symmetry_multiplicity fract_x fract_y fract_z"
    found = read(**DIAMOND | {"rows": ("Si1 Si 8 0 0 0",)}, columns=columns)
    assert (found.space_group, atoms(found)) == ("F d -3 m:1", 8)


def test_an_open_origin_is_decided_by_distances(read):
    found = read(**SPINEL)
    assert (found.space_group, found.formula) == ("F d -3 m:2", "Al2MgO4")
    assert "places O1 and O1 0.28 angstrom apart" in found.notes[0]


def test_an_open_origin_that_nothing_decides_is_refused_with_both_outcomes(read):
    with pytest.raises(StructureError, match=r"Si8 in the unit cell.*Si16 in the unit cell.*'F d -3 m:1' or"):
        read(**DIAMOND)


@pytest.mark.parametrize("crystal", [DIAMOND, SPINEL], ids=["diamond", "spinel"])
def test_the_same_words_in_a_cif_and_a_table_give_the_same_crystal(read, crystal):
    sites = [
        {"element": row.split()[1], "position": [float(word) for word in row.split()[2:]]}
        for row in crystal["rows"]
    ]
    results = []
    for make in (
        lambda: read(**crystal),
        lambda: make_structure("x", crystal["cell"], crystal["symbol"].replace(" ", ""), sites),
    ):
        try:
            found = make()
        except StructureError:
            results.append(None)
        else:
            results.append((found.space_group, found.formula, atoms(found)))
    assert results[0] == results[1]


@pytest.mark.parametrize(
    ("symbol", "x", "more"),
    [
        ("F d -3 m:1", 0, ""),
        ("F d -3 m :2", 0.125, ""),
        ("F d -3 m S", 0, ""),
        ("F d -3 m Z", 0.125, ""),
        ("Fd-3mZ", 0.125, ""),
        ("F d -3 m (origin choice 2)", 0.125, ""),
        ("F d 3 m O2", 0.125, ""),
        ("F 41/d -3 2/m :2", 0.125, ""),
        ("F d -3 m", 0.125, "_space_group.IT_coordinate_system_code 2"),
    ],
)
def test_every_usual_mark_of_the_origin_is_understood(read, symbol, x, more):
    found = read((f"Si1 Si {x} {x} {x}",), cell=DIAMOND["cell"], symbol=symbol, more=more)
    assert (atoms(found), found.notes) == (8, ())


def test_a_choice_of_origin_that_changes_nothing_is_not_worth_a_note(read):
    # Halfway between the origins of P m m n, which are (1/4, 1/4, 0) apart, both choices give the same crystal.
    found = read(("Fe1 Fe 0.125 0.125 0.1",), cell=(9, 10, 7, 90, 90, 90), symbol="P m m n")
    assert atoms(found) == 8
    assert found.notes == ()


@pytest.mark.parametrize(
    ("symbol", "cell", "expected"),
    [
        ("R -3 m", (4.746, 4.746, 4.746, 57.23, 57.23, 57.23), "R -3 m:R"),
        ("R -3 m", (4.546, 4.546, 11.86, 90, 90, 120), "R -3 m:H"),
        ("R -3 m H", (4.546, 4.546, 11.86, 90, 90, 120), "R -3 m:H"),
        ("R -3 m :R", (4.746, 4.746, 4.746, 57.23, 57.23, 57.23), "R -3 m:R"),
        ("P 2/m", (5, 6, 7, 90, 90, 103), "P 1 1 2/m"),
        ("P 2/m", MONOCLINIC, "P 1 2/m 1"),
        ("P 21/b", (5, 6, 7, 90, 90, 103), "P 1 1 21/b"),
        ("P2(1)/c", MONOCLINIC, "P 1 21/c 1"),
        ("P 2_1/c", MONOCLINIC, "P 1 21/c 1"),
        ("P 2/m 2/m 2/m", (5, 6, 7, 90, 90, 90), "P m m m"),
        ("P 63/m 2/m 2/c", (9, 9, 7, 90, 90, 120), "P 63/m m c"),
    ],
)
def test_the_cell_says_which_axes_are_meant(read, symbol, cell, expected):
    found = read(("Fe1 Fe 0 0 0",), cell=cell, symbol=symbol)
    assert found.space_group == expected
    assert found.notes == ()


def test_axes_that_the_cell_contradicts_are_refused(read):
    with pytest.raises(StructureError, match="does not fit space group R -3 m:H"):
        read(("Bi1 Bi 0.23 0.23 0.23",), cell=(4.746, 4.746, 4.746, 57.2, 57.2, 57.2), symbol="R -3 m :H")


def test_a_number_alone_means_the_standard_setting_and_is_noted(read):
    found = read(IRON, cell=MONOCLINIC, symbol=None, more="_space_group_IT_number 14")
    assert found.space_group == "P 1 21/c 1"
    assert "only number 14 is stated; P 1 21/c 1 is taken" in found.notes[0]
    assert read(symbol=None, more="_space_group_IT_number 225").notes == ()
    with pytest.raises(
        StructureError, match="only number 14 is stated, which has 3 settings that fit the cell"
    ):
        read(IRON, cell=(5, 6, 7, 90, 90, 103), symbol=None, more="_space_group_IT_number 14")


def test_a_hall_symbol_says_it_all(read):
    hall = "_symmetry_space_group_name_Hall 'F 4d 2 3 -1d'"
    assert atoms(read(**DIAMOND, more=hall)) == 8
    assert atoms(read(**DIAMOND | {"symbol": None}, more=hall)) == 8


def test_magnetic_operations_are_those_of_the_nuclei(read):
    magnetic = (
        "loop_\n_space_group_symop_magn_operation.id\n_space_group_symop_magn_operation.xyz\n"
        "1 x,y,z,+1\n2 -x,-y,-z,-1\nloop_\n_space_group_symop_magn_centering.id\n"
        "_space_group_symop_magn_centering.xyz\n1 x,y,z,+1\n2 x+1/2,y+1/2,z,-1\n"
        "loop_\n_atom_site_moment.label\n_atom_site_moment.crystalaxis_x\nFe1 1.0\n"
    )
    found = read(IRON, cell=TRICLINIC, symbol=None, more=magnetic)
    assert (found.space_group, atoms(found)) == ("C -1", 4)
    assert "magnetic moments are not used" in found.notes[0]


def test_a_group_keeps_its_number_and_system_when_its_origin_moves():
    for symbol in ("P 1 21/c 1", "P n m a", "P 4/n m m:1", "R -3 c:H", "P 63/m m c", "F d -3 m:1"):
        group = gemmi.SpaceGroup(symbol)
        shift = gemmi.Op("x+1/8,y+1/12,z+5/24")
        moved = operations_from((shift * op * shift.inverse()).triplet() for op in group.operations())
        assert gemmi.find_spacegroup_by_ops(moved) is None
        assert group_number(moved) == group.number
        assert system_of(moved)[0] == group.crystal_system_str()
