"""The text of a CIF is read however it was saved."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nescio.errors import FileError, NescioError
from nescio.files import Source
from nescio.xrd.cif import parse_cif, parse_number

PATH = Path("a.cif")
PLAIN = "data_x\n_a 1\nloop_\n_b\n_c\n1 'two words'\n. ?\n"


def blocks_of(content: str | bytes) -> tuple:
    return parse_cif(Source(PATH, content if isinstance(content, bytes) else content.encode()))


def values(content: str | bytes) -> dict:
    (block,) = blocks_of(content)
    return dict(block.columns)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1"])
def test_every_usual_encoding_gives_the_same_values(encoding):
    assert values(PLAIN.encode(encoding)) == {"_a": ("1",), "_b": ("1", None), "_c": ("two words", None)}


@pytest.mark.parametrize("change", [lambda s: s + "\x1a", str.rstrip, lambda s: s.replace("\n", "\r\n")])
def test_ctrl_z_a_missing_end_of_line_and_windows_lines_change_nothing(change):
    assert values(change(PLAIN)) == values(PLAIN)


def test_text_beyond_ascii_needs_no_quotes():
    assert values("data_x\n_type α−NaFeO2\n_name 'β oxide'\n# für\n_b 1\n") == {
        "_type": ("α−NaFeO2",),
        "_name": ("β oxide",),
        "_b": ("1",),
    }
    assert values("data_x\n_name M\xfcller\n".encode("latin-1")) == {"_name": ("Müller",)}


def test_blocks_of_one_name_and_names_with_blanks_are_told_apart():
    blocks = blocks_of(b"data_x\n_a 1\ndata_My sample 3\n_a 2\ndata_X\n_a 3\n")
    assert [(block.name, block.value("_a")) for block in blocks] == [
        ("x", "1"),
        ("My_sample_3", "2"),
        ("X (2)", "3"),
    ]


def test_a_tag_with_two_values_is_a_conflict():
    (block,) = blocks_of(b"data_x\n_a 1\n_b 1\n_a 2\n_b 1\n")
    assert (block.value("_a"), block.conflicts) == ("1", ("_a",))


def test_the_quotes_and_lists_of_cif_2_are_no_obstacle():
    content = (
        "#\\#CIF_2.0\ndata_x\n_a '''it's\n;here'''\n_b [1 [2 'c d'] 3]\n_c {'k':1 \"l\":[2]}\n"
        '_d """x"""\n_e \'don\'t [x\'\n;\n_f [\n;\n_g 7 # [\n'
    ).replace("\n;\n_f [\n;\n", "\n_f\n;\n[ not a list\n;\n")
    found = values(content)
    assert found["_a"][0].strip() == "it's\n ;here"
    assert found["_b"][0].strip() == "[1 [2 'c d'] 3]"
    assert found["_d"][0].strip() == "x"
    assert found["_f"][0].strip() == "[ not a list"
    assert found["_g"] == ("7",)


def test_dots_and_capitals_of_tags_are_those_of_any_dictionary():
    assert values("data_x\n_Atom_Site.Fract_X 1\n") == {"_atom_site_fract_x": ("1",)}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("data_x\nloop_\n_a\n_b\n1 2 3\n", "line 2: Wrong number of values in loop"),
        ("data_x\n_a 'open\n", "line 2: unterminated 'string'"),
        ("hello", "line 1: expected block header"),
        ("# nothing\n", "no data_ block"),
    ],
)
def test_what_breaks_the_rules_is_refused_with_its_line(content, reason):
    with pytest.raises(FileError, match=rf"a\.cif: .*{reason}"):
        blocks_of(content)


@pytest.mark.parametrize("content", [b"data_a\n_b 1\n" * 10_001, b"data_a\nloop_\n_a\n" + b"1 " * 6_000_000])
def test_more_than_a_file_can_honestly_hold_is_refused_before_it_is_parsed(content):
    with pytest.raises(FileError, match=r"a\.cif: (its values would take|more than 10,000 data_)"):
        blocks_of(content)


@pytest.mark.parametrize(
    ("text", "value", "sigma"),
    [
        ("1.234(5)", 1.234, 0.005),
        ("-.5", -0.5, None),
        ("1/3", 1 / 3, None),
        ("-2/3", -2 / 3, None),
        ("1.02(3)", 1.02, 0.03),
        ("120(2)", 120, 2),
        ("1.5e-3(2)", 0.0015, 0.0002),
        ("1.2D2", 120, None),
        ("+3.", 3, None),
        ("\u22120.25", -0.25, None),
        ("0.5(?)", 0.5, None),
    ],
)
def test_numbers_are_read_with_their_uncertainty(text, value, sigma):
    number = parse_number(text)
    assert number.value == pytest.approx(value)
    assert number.sigma == (None if sigma is None else pytest.approx(sigma))


@pytest.mark.parametrize(
    "text", ["", "x", "1,5", "nan", "inf", "1e999", "1/0", ".", "-", "1_000", "0x1", "1 2"]
)
def test_what_is_no_number_is_refused(text):
    with pytest.raises(ValueError, match="is not a number"):
        parse_number(text)


@given(
    value=st.decimals(-1000, 1000, places=4),
    sigma=st.none() | st.integers(1, 99),
)
def test_a_number_is_what_was_written(value, sigma):
    number = parse_number(f"{value}" + (f"({sigma})" if sigma else ""))
    assert number.value == float(value)
    assert number.rounding == pytest.approx(0.5e-4)
    assert number.sigma == (None if sigma is None else pytest.approx(sigma * 1e-4))


@given(text=st.text(max_size=80))
def test_any_text_gives_blocks_or_an_error_in_one_line(text):
    message = ""
    try:
        blocks_of(("data_x\n" + text).encode("utf-8", "surrogatepass"))
    except NescioError as error:
        message = str(error)
    assert "\n" not in message
