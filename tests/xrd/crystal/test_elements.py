"""The element of a site is what the file says, never what its formula denies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nescio.errors import StructureError
from nescio.xrd.crystal.elements import elements_of, parse_formula

LABELS = "label fract_x fract_y fract_z"


def elements(formula, *names):
    named = [name if isinstance(name, tuple) else (name, None) for name in names]
    return [site.element or site.problem or "vacancy" for site in elements_of(named, parse_formula(formula))]


@pytest.mark.parametrize(
    ("label", "formula", "element"),
    [
        ("Wat1", "Fe H2 O", "O"),
        ("WAT", "Fe H2 O", "O"),
        ("Wat1", None, "O"),
        ("W1", "Fe H2 O", "O"),
        ("W1", "Fe W O4", "W"),
        ("Ow", "Fe H2 O", "O"),
        ("OW1", "Fe H2 O", "O"),
        ("OH", "Fe H O", "O"),
        ("Ob", "Si O2", "O"),
        ("Os1", "Na2 S O4", "O"),
        ("Os1", "Os O4", "Os"),
        ("Vac1", "V2 O5", "vacancy"),
        ("\u25a11", "V2 O5", "vacancy"),
        ("Va1", "Ni O", "vacancy"),
        ("Va1", "V2 O5", "V"),
        ("V1", "V2 O5", "V"),
        ("D1", "D2 O", "D"),
        ("D1", "H2 O", "D"),
        ("SiT", "K Al Si3 O8", "Si"),
        ("MgM1", "Mg2 Si O4", "Mg"),
        ("CA1", "Ca C O3", "Ca"),
        ("CA1", "C6 H6", "C"),
        ("HO1", "C H4 O", "H"),
        ("fe2", "Fe O", "Fe"),
        ("(Fe1)", "Fe O", "Fe"),
    ],
)
def test_a_label_means_an_element_that_the_formula_holds(label, formula, element):
    assert elements(formula, label) == [element]


@pytest.mark.parametrize("label", ["W1", "V1", "Y1", "B1", "T1", "M1", "A", "X2"])
def test_a_site_name_without_an_element_of_the_formula_is_not_guessed(label):
    (site,) = elements_of([(label, None)], parse_formula("K Al Si3 O8"))
    assert site.element == ""
    assert "_atom_site_type_symbol" in site.problem


def test_the_one_element_that_no_other_site_has_is_that_of_a_site_without_one():
    assert elements("Mg2 Si O4", "M1", "M2", "Si", "O1", "O2") == ["Mg", "Mg", "Si", "O", "O"]
    assert elements("Si O2", "T1", "O1") == ["Si", "O"]


@pytest.mark.parametrize(
    ("symbol", "element"),
    [("Ti3.928+", "Ti"), ("O2-", "O"), ("OH-", "O"), ("H2O", "O"), ("NH4+", "N"), ("D", "D"), ("Fe", "Fe")],
)
def test_a_type_symbol_counts_before_the_label(symbol, element):
    assert elements(None, ("X1", symbol)) == [element]


def test_a_type_symbol_that_is_no_element_leaves_it_to_the_label():
    (site,) = elements_of([("Fe1", "M1")], None)
    assert (site.element, site.remark) == ("Fe", "read as Fe by its label, since 'M1' is not an element")


def test_a_type_symbol_that_the_formula_lacks_is_noted():
    (site,) = elements_of([("C1", "Co")], {"C": 1.0, "O": 1.0})
    assert (site.element, site.remark) == ("Co", "Co by its type symbol, which the formula lacks")


def test_water_without_a_type_symbol_is_oxygen_and_noted(read):
    found = read(
        ("Fe 0 0 0", "Wat1 .5 .5 .5"),
        columns=LABELS,
        cell=(5, 5, 5, 90, 90, 90),
        symbol="P m -3 m",
        more="_chemical_formula_sum 'Fe H2 O'",
    )
    assert found.formula == "FeO"
    assert "site Wat1: read as the oxygen of water" in found.notes[0]
    assert "no site contains the H of the formula" in found.notes[1]


def test_a_vacancy_is_left_out_and_noted(read):
    found = read(("Na1 0 0 0", "Vac1 .25 .25 .25", "Cl1 .5 .5 .5"), columns=LABELS)
    assert found.formula == "NaCl"
    assert "site Vac1: a vacancy, skipped" in found.notes[0]


def test_an_element_that_the_formula_lacks_is_refused(read):
    with pytest.raises(
        StructureError, match=r"phase\.cif: site 'W1' would be W by its label, which the formula"
    ):
        read(("W1 0 0 0", "Cl1 .5 .5 .5"), columns=LABELS, more="_chemical_formula_sum 'Na K Cl2'")


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("Al2 O3", {"Al": 2, "O": 3}),
        ("C6H12O6", {"C": 6, "H": 12, "O": 6}),
        ("Fe0.94 O", {"Fe": 0.94, "O": 1}),
        ("(Mg Fe)2 Si O4", None),
        ("Si O2 n", None),
        ("", None),
        (None, None),
    ],
)
def test_a_formula_is_counted_or_not_understood(text, counts):
    assert parse_formula(text) == counts


@given(
    names=st.lists(st.tuples(st.text(max_size=8), st.none() | st.text(max_size=8)), max_size=5),
    formula=st.none() | st.text(max_size=12),
)
def test_every_site_gets_an_element_a_vacancy_or_a_reason(names, formula):
    counts = parse_formula(formula)
    for site in elements_of(names, counts):
        assert bool(site.element) + site.vacant + bool(site.problem) == 1


@given(name=st.from_regex(r"[A-Za-z]{1,4}[0-9]{0,2}", fullmatch=True))
def test_no_label_gives_an_element_that_the_formula_lacks(name):
    (site,) = elements_of([(name, None)], {"Si": 1.0, "O": 2.0, "H": 1.0})
    assert site.element in ("Si", "O", "H", "D", "")
