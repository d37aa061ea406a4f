"""Occupancies, positions, displacements: used as they are within their errors, and told where they cannot be."""

import math

import gemmi
import numpy as np
import pytest

from nescio.errors import StructureError
from nescio.xrd.crystal import make_structure, read_structure
from nescio.xrd.reflections import structure_factor

OCCUPANCY = "label type_symbol fract_x fract_y fract_z occupancy"
U_ISO = "label type_symbol fract_x fract_y fract_z U_iso_or_equiv"
B_ISO = "label type_symbol fract_x fract_y fract_z B_iso_or_equiv"
U_PER_B = 1 / (8 * math.pi**2)


def anisotropic(kind: str, *rows: str) -> str:
    tags = [f"_atom_site_aniso_{kind}_{ij}" for ij in (11, 22, 33, 12, 13, 23)]
    return "\n".join(["loop_", "_atom_site_aniso_label", *tags, *rows, ""])


def test_a_refined_occupancy_a_little_above_one_is_used_and_noted(read):
    found = read(("Na1 Na 0 0 0 1.02(3)", "Cl1 Cl 0.5 0.5 0.5 ."), columns=OCCUPANCY)
    assert [site.occupancy for site in found.sites] == [1.02, 1.0]
    assert "occupancies above 1 are used unchanged: Na1 (1.02)" in found.notes[0]
    assert read(("Na1 Na 0 0 0 1.12(5)",), columns=OCCUPANCY).sites[0].occupancy == 1.12


def test_sites_that_nobody_occupies_are_left_out_and_noted(read):
    rows = ("Na1 Na 0 0 0 1", "Cl1 Cl 0.5 0.5 0.5 1", "K1 K .25 .25 .25 0", "Li1 Li .25 .25 .25 -0.01(1)")
    found = read(rows, columns=OCCUPANCY)
    assert found.formula == "NaCl"
    assert "sites with zero occupancy are skipped: K1, Li1" in found.notes[0]


@pytest.mark.parametrize("occupancy", ["1.5", "-0.3", "1.2(1)x", "100"])
def test_an_impossible_occupancy_is_refused(read, occupancy):
    with pytest.raises(StructureError, match="'Na1': occupancy"):
        read((f"Na1 Na 0 0 0 {occupancy}",), columns=OCCUPANCY)


def test_too_many_atoms_on_one_site_are_refused_symmetry_included(read):
    with pytest.raises(StructureError, match=r"Na1.* share a position with a total occupancy of 1\.4"):
        read(("Na1 Na 0 0 0 0.7", "K1 K 0 0.5 0.5 0.7"), columns=OCCUPANCY)
    shared = read(("Na1 Na 0 0 0 0.5", "K1 K 0 0.5 0.5 0.52"), columns=OCCUPANCY)
    assert shared.notes == ()


def test_hydrogen_without_coordinates_is_left_out_and_noted(read):
    found = read(("Na1 Na 0 0 0", "Cl1 Cl 0.5 0.5 0.5", "H1 H ? ? ?"))
    assert found.formula == "NaCl"
    assert "hydrogen without coordinates is skipped: H1" in found.notes[0]


def test_a_dummy_atom_is_left_out_and_noted(read):
    columns = "label type_symbol calc_flag fract_x fract_y fract_z"
    found = read(("Na1 Na d 0 0 0", "Cg1 C dum 0.5 0.5 0.5"), columns=columns)
    assert found.elements == ("Na",)
    assert "dummy atoms are skipped: Cg1" in found.notes[0]


@pytest.mark.parametrize("half", ["0.5", "1/2", "0.50000(2)", "+.5", "5e-1", "-1/2", "\u22120.5"])
def test_coordinates_are_understood_in_every_usual_form(read, half):
    assert len(read(("Na1 Na 0 0 0", f"Cl1 Cl {half} {half} {half}")).unit_cell()[0]) == 8


@pytest.mark.parametrize(("third", "digits"), [("0.33", 2), ("0.333", 3), ("0.3333(4)", 4), ("1/3", 0)])
def test_a_rounded_third_is_a_third_whatever_the_size_of_the_cell(read, third, digits):
    two_thirds = "2/3" if third == "1/3" else str(round(2 / 3, digits))
    found = read((f"Pb1 Pb {third} {two_thirds} .25",), cell=(14, 14, 16, 90, 90, 120), symbol="P 63/m m c")
    assert len(found.unit_cell()[0]) == 2
    np.testing.assert_allclose(found.sites[0].position, [1 / 3, 2 / 3, 1 / 4], atol=1e-9)
    assert len(found.notes) == (1 if digits in (2, 3) else 0)


def test_a_decimal_that_is_no_third_stays_where_it_is(read):
    found = read(("Pb1 Pb 0.34 0.67 .25",), cell=(14, 14, 16, 90, 90, 120), symbol="P 63/m m c")
    assert len(found.unit_cell()[0]) > 2


def test_an_atom_near_a_special_position_is_moved_there_and_noted(read):
    found = read(("Fe1 Fe 0.0040 0 0",), cell=(5, 6, 7, 90, 90, 90), symbol="P m m m")
    assert found.sites[0].position == (0.0, 0.0, 0.0)
    assert "moved onto special positions: Fe1 (0.020 angstrom)" in found.notes[0]


def test_parts_of_an_atom_on_both_sides_of_a_mirror_are_joined(read):
    found = read(("Fe1 Fe 0.0040 0 0 0.5",), columns=OCCUPANCY, cell=(5, 6, 7, 90, 90, 90), symbol="P m m m")
    assert found.sites[0].occupancy == 1.0
    assert "merged into one atom: Fe1 (2 images)" in found.notes[0]


def test_b_written_as_u_is_noted_with_what_it_probably_is(read):
    found = read(("Na1 Na 0 0 0 0.66", "Cl1 Cl 0.5 0.5 0.5 0.66"), columns=U_ISO)
    assert [site.u_iso for site in found.sites] == [0.66, 0.66]
    assert "for every atom is a root mean square amplitude of 0.81 angstrom" in found.notes[0]
    assert "probably B was written as U (0.66 / (8 pi^2) = 0.0084)" in found.notes[0]


def test_u_written_as_b_is_noted(read):
    found = read(("Na1 Na 0 0 0 0.013", "Cl1 Cl 0.5 0.5 0.5 0.012"), columns=B_ISO)
    assert found.sites[0].u_iso == pytest.approx(0.013 * U_PER_B)
    assert "probably U was written as B" in found.notes[0]


def test_usual_displacements_are_not_worth_a_note(read):
    assert read(("Na1 Na 0 0 0 0.02", "Cl1 Cl 0.5 0.5 0.5 0.18"), columns=U_ISO).notes == ()
    found = read(("Na1 Na 0 0 0 1.0(1)", "Cl1 Cl 0.5 0.5 0.5 1.2"), columns=B_ISO)
    assert found.notes == ()
    assert found.sites[0].u_iso == pytest.approx(U_PER_B)


@pytest.mark.parametrize(("columns", "kind"), [(U_ISO, "U"), (B_ISO, "B")])
def test_a_displacement_a_little_below_zero_counts_as_zero(read, columns, kind):
    found = read(("Na1 Na 0 0 0 -0.004(5)", "Cl1 Cl 0.5 0.5 0.5 0.1"), columns=columns)
    assert found.sites[0].u_iso == 0.0
    assert f"displacement parameters below zero count as 0: {kind} of Na1 (-0.004(5))" in found.notes[0]


def test_u_and_b_in_two_columns_are_both_read(read):
    columns = f"{U_ISO} B_iso_or_equiv"
    found = read(("Na1 Na 0 0 0 . 1.5", "Cl1 Cl 0.5 0.5 0.5 0.02 ."), columns=columns)
    assert [site.u_iso for site in found.sites] == pytest.approx([1.5 * U_PER_B, 0.02])
    assert found.notes == ()


def test_u_and_b_of_one_site_that_contradict_each_other_are_noted(read):
    columns = f"{U_ISO} B_iso_or_equiv"
    found = read(("Na1 Na 0 0 0 0.02 0.02", "Cl1 Cl 0.5 0.5 0.5 0.02 1.58"), columns=columns)
    assert [site.u_iso for site in found.sites] == [0.02, 0.02]
    assert "contradict each other, U is used: Na1" in found.notes[0]


def test_a_displacement_far_below_zero_is_refused(read):
    with pytest.raises(StructureError, match="impossible displacement U = -2"):
        read(("Na1 Na 0 0 0 -2",), columns=U_ISO)


def test_a_displacement_that_some_sites_lack_is_noted(read):
    found = read(("Na1 Na 0 0 0 0.01", "Cl1 Cl 0.5 0.5 0.5 ?"), columns=U_ISO)
    assert "sites without a displacement parameter, taken as 0: Cl1" in found.notes[0]


def test_u_b_and_beta_give_the_same_structure_factors(written, text):
    cell = gemmi.UnitCell(5, 6, 7, 82, 103, 95)
    u = np.array([0.010, 0.020, 0.030, 0.004, 0.003, -0.002])
    reciprocal = np.array(cell.reciprocal().parameters[:3])
    pairs = [(0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)]
    values = {
        "U": u,
        "B": u / U_PER_B,
        "beta": [2 * math.pi**2 * u[n] * reciprocal[i] * reciprocal[j] for n, (i, j) in enumerate(pairs)],
    }
    miller = np.array([[1, 2, 3], [3, -1, 2], [0, 4, -2]])
    factors = []
    for kind, numbers in values.items():
        row = "Fe1 " + " ".join(f"{value:.9f}" for value in numbers)
        content = text(("Fe1 Fe .1 .2 .3",), cell=cell.parameters, symbol="P -1") + anisotropic(kind, row)
        found = read_structure(written(content))
        assert found.notes == ()
        factors.append(structure_factor(found, miller, None))
    # exp(-(beta11 h^2 + ... + 2 beta12 h k + ...)), by hand.
    still = make_structure("x", cell.parameters, "P -1", [{"element": "Fe", "position": (0.1, 0.2, 0.3)}])
    b = values["beta"]
    h, k, l = miller.T  # noqa: E741 - Miller's letters
    damping = np.exp(
        -(b[0] * h**2 + b[1] * k**2 + b[2] * l**2 + 2 * (b[3] * h * k + b[4] * h * l + b[5] * k * l))
    )
    for factor in factors:
        np.testing.assert_allclose(factor, structure_factor(still, miller, None) * damping, rtol=1e-6)


def test_anisotropic_displacements_that_cannot_be_are_noted_or_refused(written, text):
    content = text() + anisotropic("U", "Na1 .01 -.002 .01 0 0 0", "Cl1 .01 .01 .01 0 0 0", "K9 1 1 1 0 0 0")
    found = read_structure(written(content))
    assert found.sites[0].u_aniso == pytest.approx((0.01, 0, 0.01, 0, 0, 0))
    assert any("with a negative direction count as 0 in that direction: Na1" in note for note in found.notes)
    assert any("of unlisted sites are ignored: K9" in note for note in found.notes)
    with pytest.raises(StructureError, match="impossible anisotropic displacements"):
        read_structure(written(text() + anisotropic("U", "Na1 .01 -.2 .01 0 0 0")))


def test_signs_that_a_label_lacks_in_one_of_two_loops_are_no_obstacle(written, text):
    content = text(("O-h1 O 0 0 0",)) + anisotropic("U", "Oh1 .01 .02 .03 0 0 0")
    assert read_structure(written(content)).sites[0].u_aniso == (0.01, 0.02, 0.03, 0, 0, 0)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            {"more": "_chemical_formula_sum 'Na2 Cl'"},
            "the formula is Cl1 Na2, but the unit cell holds Cl4 Na4",
        ),
        ({"more": "_chemical_formula_sum NaCl\n_cell_formula_units_Z 2"}, "means Cl2 Na2 in the unit cell"),
        (
            {"more": "_exptl_crystal_density_meas 4.1"},
            "the stated density is 4.1 g/cm^3, that of the sites 2.164",
        ),
        ({"more": "_cell_volume 150"}, "the stated cell volume is 150 angstrom^3, that of the cell 179.406"),
        ({"cell": (0.564, 0.564, 0.564, 90, 90, 90)}, "check that the cell is in angstrom"),
        ({"cell": (2.8, 2.8, 2.8, 90, 90, 90)}, "Na1 and Cl1 are 1.40 angstrom apart"),
        ({"cell": (60, 60, 60, 90, 90, 90)}, "is below that of any crystal"),
        ({"more": "_cell_length_a 5.7"}, "_cell_length_a occurs with different values"),
        ({"more": "_cell_modulation_dimension 1"}, "the structure is modulated; its average is read"),
    ],
)
def test_what_contradicts_or_is_absurd_is_noted_with_the_file(read, words, sentence):
    notes = read(**words).notes
    assert any(sentence in note and "phase.cif: " in note for note in notes), notes


@pytest.mark.parametrize(
    "more",
    [
        "_chemical_formula_sum 'Na Cl'\n_cell_formula_units_Z 4\n_exptl_crystal_density_diffrn 2.16",
        # As a program writes it that knows the content of the whole cell.
        "_chemical_formula_sum 'Na4 Cl4'\n_cell_formula_units_Z 4\n_chemical_formula_structural NaCl",
        "_chemical_formula_sum 'Na1.01 Cl0.99'\n_cell_volume 179.41(2)",
    ],
)
def test_statements_that_agree_are_not_worth_a_note(read, more):
    assert read(more=more).notes == ()


def test_an_unlikely_b_in_a_table_is_noted():
    site = {"element": "Na", "position": [0, 0, 0], "b_iso": 40.0}
    found = make_structure("salt", [5.64] * 3 + [90] * 3, "F m -3 m", [site])
    assert "phase 'salt': U = 0.507 square angstrom" in found.notes[0]
