"""Columns that a user chooses: ``energy=1,mu=ln(i0/it)``."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.xas.made import ENERGY, FOIL, I0, IR, IT, MU, same, text, written

from nescio.errors import ConfigurationError, FileError, NescioError
from nescio.options import options_of
from nescio.xas import XAS, read_columns, read_spectra
from nescio.xas.read.expression import parse_columns
from nescio.xas.read.names import column_of

TABLE = np.array([[2.0, 3.0, 5.0], [4.0, 6.0, 7.0]])
COLUMNS = [column_of(1, "energy"), column_of(2, "i0"), column_of(3, "Mono Energy (alt) *")]


def value(formula: str) -> list[float]:
    return parse_columns(f"energy=1,mu={formula}").mu[0].value(TABLE, COLUMNS).tolist()


@pytest.mark.parametrize(
    ("formula", "wanted"),
    [
        ("2", TABLE[:, 1]),
        ("$2", TABLE[:, 1]),
        ("i0", TABLE[:, 1]),
        ("I0", TABLE[:, 1]),
        ("{Mono Energy (alt) *}", TABLE[:, 2]),
        ("'mono energy (alt) *'", TABLE[:, 2]),
        ("ln(2/1)", np.log(TABLE[:, 1] / TABLE[:, 0])),
        ("log(i0/energy)", np.log(TABLE[:, 1] / TABLE[:, 0])),
        ("-ln(1/2)", np.log(TABLE[:, 1] / TABLE[:, 0])),
        ("1 + 2 * 3", TABLE[:, 0] + TABLE[:, 1] * TABLE[:, 2]),
        ("(1 + 2) * 3", (TABLE[:, 0] + TABLE[:, 1]) * TABLE[:, 2]),
        ("1 - 2 - 3", TABLE[:, 0] - TABLE[:, 1] - TABLE[:, 2]),
        ("-1 ^ 2.0", -(TABLE[:, 0] ** 2)),
        ("2.0 ** 3.0 ** 2.0 + 0.0 * 1", [512.0, 512.0]),
        ("1e3 * 1", 1000.0 * TABLE[:, 0]),
        ("12398.42 / (2.0 * 3.1356 * sin(rad(1)))", 12398.42 / (6.2712 * np.sin(np.radians(TABLE[:, 0])))),
        ("cos(pi) * sqrt(abs(-1)) + log10(100.0) + exp(0.0)", 3.0 - np.sqrt(TABLE[:, 0])),
    ],
)
def test_formulas_are_computed(formula: str, wanted: np.ndarray) -> None:
    np.testing.assert_allclose(value(formula), wanted)


@pytest.mark.parametrize(
    ("given_text", "said"),
    [
        ("mu=2", "energy is missing; write it as"),
        ("energy=1", "mu is missing"),
        ("energy=1,energy=2,mu=3", "energy is there twice"),
        ("energy=1,absorption=2", "'absorption=2' is not energy=... or mu=..."),
        ("energy=1,mu=", "is not energy=... or mu=..."),
        ("energy=1,mu=ln(2", "something is missing at the end"),
        ("energy=1,mu=2)", r"'\)' is not expected"),
        ("energy=1,mu=2 3", "'3' is not expected"),
        ("energy=1,mu=2;3", "';3' in '2;3' is not understood"),
        ("energy=1,mu=*2", r"'\*2' is not expected"),
        ("energy=1,mu=" + 40 * "(" + "2" + 40 * ")", "nested more than 30 deep"),
        ("energy=1,mu=" + "2+" * 400 + "2", "characters are more than 500"),
    ],
)
def test_what_is_no_formula_is_told_with_the_place(given_text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        parse_columns(given_text)


def test_columns_that_are_not_there_are_told() -> None:
    with pytest.raises(
        FileError, match=r"there is no column 9, there are 3; a constant needs a decimal point: 9\.0"
    ):
        value("9*1")
    with pytest.raises(
        FileError, match="no column is called 'it'; the columns are 1 'energy', 2 'i0', 3 'Mono"
    ):
        value("ln(i0/it)")
    with pytest.raises(FileError, match="no column is called '__import__'"):
        value("__import__")
    with pytest.raises(ConfigurationError, match="is not expected"):
        value("__import__('os')")


@given(st.text("0123456789.,=+-*/^()lnmuegy e{}'\"$", max_size=60))
def test_no_text_does_anything_but_parse_or_refuse(given_text: str) -> None:
    try:
        found = parse_columns(f"energy=1,mu={given_text}")
        with np.errstate(all="ignore"):
            assert all(one.value(TABLE, COLUMNS).shape == (2,) for one in found.mu)
    except NescioError:
        pass


def test_a_user_chooses_columns_over_what_the_file_says(tmp_path: Path) -> None:
    file = written(tmp_path / "a.dat", text("# energy i0 it ir\n", ENERGY, I0, IT, IR))
    found, _ = read_columns(file, columns="energy=energy,mu=ln(it/ir)")
    same(found[0].mu, FOIL)
    unnamed = written(tmp_path / "b.dat", text("", ENERGY / 1000.0, I0, IT, IR))
    found, _ = read_columns(unnamed, columns="energy=1000.0*1,mu=ln(2/3),mu=ln(3/4)")
    assert [one.name for one in found] == ["ln(2/3)", "ln(3/4)"]
    same(found[0].energy, ENERGY)
    same(found[0].mu, MU)
    same(found[1].mu, FOIL)
    kev = written(tmp_path / "c.dat", text("# Energy(keV) x\n", ENERGY / 1000.0, MU))
    same(read_columns(kev, columns="energy=1,mu=x")[0][0].energy, ENERGY)
    with pytest.raises(FileError, match=r"a\.dat: there is no column 7"):
        read_columns(file, columns="energy=1,mu=7")


def test_the_command_line_has_the_option(tmp_path: Path) -> None:
    assert options_of("xas").read["columns"].metavar == "COLUMNS"
    file = written(tmp_path / "a.dat", text("", ENERGY, I0, IT))
    measured = XAS().read(file, columns="energy=1,mu=ln(2/3)")
    same(measured["intensity"].values[0], MU)
    assert measured["measurement"].values.tolist() == ["a"]
    with pytest.raises(ConfigurationError, match="axis: no such option for absorption spectra"):
        XAS().read(file, axis="q")
    project = written(
        tmp_path / "p.prj", "# Athena project file -- Athena version 0.8.061\n$old_group = 'a';\n[record]\n"
    )
    with pytest.raises(FileError, match="has no columns to choose from"):
        read_spectra(project, columns="energy=1,mu=2")
