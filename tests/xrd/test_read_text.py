from pathlib import Path

import numpy as np
import pytest

from nescio.errors import FileError
from nescio.xrd.read import read_patterns

AXIS = [10.0, 10.5, 11.0]
COUNTS = [100.0, 250.5, 90.0]


@pytest.fixture
def written(tmp_path):
    def write(text: str | bytes, name: str = "pattern.xy") -> Path:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@pytest.mark.parametrize(
    "text",
    [
        "10.0 100\n10.5 250.5\n11.0 90\n",
        "  10.0\t100\r\n  10.5\t250.5\r\n  11.0\t90\r\n",
        "10.0,100\n10.5,250.5\n11.0,90\n",
        "10.0, 100\n10.5, 250.5\n11.0, 90\n",
        "10,0;100\n10,5;250,5\n11,0;90\n",
        "10,0 100\n10,5 250,5\n11,0 90\n",
        "10,0\t100\n10,5\t250,5\n11,0\t90\n",
        "# a comment\n! another\n; and\n' some\n// more\n10 100\n10.5 2.505e2\n\n11 90\n",
        "Sample of Matthew\nangle intensity\n10 100\n10.5 250.5\n11 90\n# the end",
        "11 90\n10.5 250.5\n10 100\n",
    ],
    ids=[
        "spaces",
        "tabs",
        "commas",
        "comma-space",
        "semicolons",
        "decimal-comma",
        "tabs-decimal-comma",
        "comments",
        "titles",
        "falling",
    ],
)
def test_every_usual_way_of_writing_a_table_gives_the_same_pattern(written, text):
    pattern = read_patterns(written(text))
    assert pattern["two_theta"].values.tolist() == AXIS
    assert pattern["intensity"].values.tolist() == [COUNTS]
    assert pattern["two_theta"].attrs["units"] == "degree"
    assert pattern["measurement"].values.tolist() == ["pattern"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_titles_in_any_usual_encoding_are_read(written, encoding):
    text = "# gemessen für Å\n10 100\n10.5 250.5\n11 90\n"
    assert read_patterns(written(text.encode(encoding)))["intensity"].values.tolist() == [COUNTS]


def test_no_wavelength_is_invented(written):
    assert "wavelength_angstrom" not in read_patterns(written("10 1\n11 2\n")).attrs


@pytest.mark.parametrize(
    ("line", "wavelength"),
    [
        ("# wavelength = 1.5406", 1.5406),
        ("# Wavelength: 0.7093 A", 0.7093),
        ("# wavelength (nm) = 0.15406", 1.5406),
        ("# lambda 1.78897", 1.78897),
        ("K-Alpha1 wavelength,1.540598", 1.540598),
        ("# wavelength = CuKa1", 1.5405929),
    ],
)
def test_a_wavelength_in_the_header_is_honoured(written, line, wavelength):
    pattern = read_patterns(written(f"{line}\n10 1\n11 2\n"))
    assert pattern.attrs["wavelength_angstrom"] == pytest.approx(wavelength)


def test_a_remark_on_the_wavelength_is_none(written):
    assert (
        "wavelength_angstrom" not in read_patterns(written("# wavelength: see logbook\n10 1\n11 2\n")).attrs
    )


def test_the_wavelength_option_fills_a_gap_and_does_not_go_over_the_header(written):
    stated = written("# wavelength = 1.5406\n10 1\n11 2\n")
    assert read_patterns(stated, wavelength="CuKa").attrs["wavelength_angstrom"] == 1.5406
    with pytest.raises(FileError, match=r"says 1\.5406 angstrom, --wavelength says 0\.7; omit the option"):
        read_patterns(stated, wavelength=0.7)
    silent = written("10 1\n11 2\n")
    assert read_patterns(silent, wavelength=0.7).attrs["wavelength_angstrom"] == 0.7


@pytest.mark.parametrize(
    "line", ["wavelength = 0", "wavelength: 0.15406", "wavelength = 8047", "lambda (furlong) = 1.5"]
)
def test_the_wavelength_option_cures_an_impossible_header(written, line):
    path = written(f"# {line}\n10 1\n11 2\n")
    with pytest.raises(FileError):
        read_patterns(path)
    assert read_patterns(path, wavelength=0.7).attrs["wavelength_angstrom"] == 0.7


def test_q_needs_no_wavelength_and_is_told_none(written):
    path = written("# wavelength = 1.5406\n# q (1/A)\n1 1\n2 2\n")
    assert read_patterns(path, wavelength=0.7).attrs["wavelength_angstrom"] == 1.5406
    assert "wavelength_angstrom" not in read_patterns(written("# q (1/A)\n1 1\n2 2\n"), wavelength=0.7).attrs


def test_a_negative_wavelength_is_told(written):
    with pytest.raises(FileError, match=r"-1\.54 is not within"):
        read_patterns(written("# wavelength: -1.54\n10 1\n11 2\n"))


def test_a_wavelength_in_nanometre_is_told_and_not_taken(written):
    with pytest.raises(FileError, match=r"nanomet.*1\.5406"):
        read_patterns(written("# wavelength = 0.15406\n10 1\n11 2\n"))


def test_a_third_column_is_an_uncertainty_except_in_xy_files(written):
    rows = "10 100 10\n10.5 250 16\n"
    assert read_patterns(written(rows, "a.xye"))["uncertainty"].values.tolist() == [[10.0, 16.0]]
    assert "uncertainty" not in read_patterns(written(rows, "a.xy"))


@pytest.mark.parametrize(
    ("title", "name", "factor"),
    [
        ("2theta", "two_theta", 1),
        ("two_theta", "two_theta", 1),
        ("q", "q", 1),
        ("Q(1/A)", "q", 1),
        ("q (1/nm)", "q", 0.1),
        ("q_nm^-1", "q", 0.1),
    ],
)
def test_the_title_of_a_csv_tells_the_axis(written, title, name, factor):
    pattern = read_patterns(written(f"{title},intensity\n10,1\n20,2\n", "a.csv"))
    np.testing.assert_allclose(pattern[name], np.array([10, 20]) * factor)


@pytest.mark.parametrize(
    "text",
    [
        "theta,intensity\n10,1\n20,2\n",
        "omega;left;right\n10;1;2\n20;2;3\n",
        "position,intensity\n1,1\n2,2\n",
        "x y\n1 1\n2 2\n",
        "foo;bar\n1;1\n2;2\n",
        "# Azimuth (Degrees)\n1 1\n2 2\n",
        "# chi_deg I\n1 1\n2 2\n",
        "scan.tif: Integrate\nRadial Distance (mm)\nIntensity\n  2\n1 1\n2 2\n",
        "# r_mm I\n1 1\n2 2\n",
        "#L r($\\AA$) G($\\AA^{-2}$)\n1 1\n2 2\n",
        "# r (A)\n1 1\n2 2\n",
        "# 1/d (1/A) I\n1 1\n2 2\n",
        "# detector position I\n1 1\n2 2\n",
        "# steps of 0.01 A^-1\n1 1\n2 2\n",
        "# Energy\n# wavelength = 1.54\n1 1\n2 2\n",
        "energy_keV,intensity\n8,1\n9,2\n",
        "Unnamed: 0,intensity\n0,1\n1,2\n",
        ",omega,intensity\n0,10,1\n1,11,2\n",
    ],
)
def test_another_quantity_is_not_taken_for_two_theta(written, text):
    path = written(text, "a.csv")
    with pytest.raises(FileError, match=r"neither two-theta nor q nor d.*--axis two_theta"):
        read_patterns(path)
    assert "two_theta" in read_patterns(path, axis="two_theta").dims


@pytest.mark.parametrize(
    "remark",
    ["energy = 8.05 keV", "Omega: 5.0", "Energy 8.05", "time 10:30", "phi: 3 deg", "wavelength CuKa"],
)
def test_a_remark_on_another_quantity_is_no_title(written, remark):
    assert read_patterns(written(f"# {remark}\n10 1\n11 2\n"))["two_theta"].values.tolist() == [10, 11]


@pytest.mark.parametrize(
    "text",
    [
        "2theta (rad),intensity\n0.2,1\n0.3,2\n",
        "two_theta_rad I\n0.2 1\n0.3 2\n",
        "# 2theta [rad]\n0.2 1\n0.3 2",
    ],
)
def test_radians_become_degrees(written, text):
    pattern = read_patterns(written(text))
    np.testing.assert_allclose(pattern["two_theta"], np.degrees([0.2, 0.3]))


def test_degrees_called_radian_are_suspected(written):
    with pytest.raises(FileError, match="in degree, not radian"):
        read_patterns(written("# 2theta (rad)\n20 1\n30 2\n"))


@pytest.mark.parametrize("line", ["q (1/nm)", "q 1/nm", "q [nm^-1] I", "q nm-1 intensity"])
def test_the_unit_of_q_is_seen_over_columns_of_white_space(written, line):
    np.testing.assert_allclose(read_patterns(written(f"# {line}\n10 1\n20 2\n"))["q"], [1, 2])


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (",2theta,intensity\n0,10,5\n1,11,6\n", ["a"]),
        ("index,2theta,left,right\n0,10,5,7\n1,11,6,8\n", ["left", "right"]),
        (",angle,intensity\n0,10,5\n1,11,6\n", ["a"]),
        ("intensity;2theta\n5;10\n6;11\n", ["a"]),
        ("time 2theta intensity\n0 10 5\n1 11 6\n", ["a"]),
    ],
)
def test_the_axis_is_the_column_whose_title_says_so(written, text, names):
    pattern = read_patterns(written(text, "a.csv"))
    assert pattern["two_theta"].values.tolist() == [10, 11]
    assert pattern["intensity"].values[0].tolist() == [5, 6]
    assert pattern["measurement"].values.tolist() == names


def test_the_axis_option_chooses_among_titled_columns(written):
    path = written("2theta,q,intensity\n10,1,5\n11,2,6\n", "a.csv")
    assert read_patterns(path)["two_theta"].values.tolist() == [10, 11]
    assert read_patterns(path, axis="q")["q"].values.tolist() == [1, 2]


def test_words_of_a_remark_do_not_move_the_axis(written):
    path = written("# sample 2theta scan\n10 1 1\n11 2 1\n", "a.xye")
    assert read_patterns(path)["two_theta"].values.tolist() == [10, 11]


def test_columns_may_be_titled_by_numbers(written):
    pattern = read_patterns(written("2theta,25,100\n10,1,2\n11,3,4\n", "a.csv"))
    assert pattern["measurement"].values.tolist() == ["25", "100"]


def test_columns_with_titles_are_many_patterns(written):
    pattern = read_patterns(written("2theta;left;right\n10;1;2\n11;3;4\n12;5;6\n", "a.csv"))
    assert pattern["measurement"].values.tolist() == ["left", "right"]
    assert pattern["intensity"].values.tolist() == [[1, 3, 5], [2, 4, 6]]


def test_a_title_tells_the_uncertainty_and_leaves_a_fit_alone(written):
    pattern = read_patterns(written("2theta,counts,sigma,fit\n10,9,3,8\n11,16,4,15\n", "a.csv"))
    assert pattern["intensity"].values.tolist() == [[9, 16]]
    assert pattern["uncertainty"].values.tolist() == [[3, 4]]


def test_the_user_says_which_axis_it_is(written):
    np.testing.assert_allclose(read_patterns(written("10 1\n20 2\n"), axis="q_nm")["q"], [1.0, 2.0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("only words here\nand here\n", "no rows"),
        ("10 1\n11 two\n", r"line 2: '11 two' is not a row of numbers"),
        ("10 1\n11\n", "line 2: 1 numbers; the previous rows have 2"),
        ("10 1\n12 2\n11 3\n", "line 3: the axis at 11 falls below"),
        ("# c\n10 1\n10 2\n", "line 3: the axis at 10 repeats"),
        ("-5 1\n11 2\n", "line 1: the axis is -5"),
        ("10 1\n200 2\n", "line 2: the axis is 200"),
        ("nan 1\n11 2\n", "line 1: the axis is nan"),
        ("10 inf\n11 2\n", "intensity inf of pattern 1 at 10"),
        ("10 1 2 3\n11 1 2 3\n", "4 columns without titles"),
        ("10 1\n", "at least 2 points"),
        ("10.5;1,500\n11.5;2,500\n", "no rows"),
        ("10.5;1,500\n11.5;200\n12;300\n", "line 1: '10.5;1,500' is not a row"),
        ("1O.5 1\n11 2\n", "line 1: '1O.5 1' is not a row"),
        ("O.5,1\n11,2\n", "line 1: 'O.5,1' is not a row"),
        ("10 1\n11 2\n12 _3\n", "line 3: '12 _3'"),
        ("10.5 1x\n11 2\n", "line 1: '10.5 1x' is not a row"),
    ],
)
def test_a_bad_table_is_refused_with_file_and_line(written, text, message):
    path = written(text)
    with pytest.raises(FileError, match=message) as caught:
        read_patterns(path)
    assert "pattern.xy" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_q_in_inverse_nanometre_is_suspected_where_the_values_say_so(written):
    with pytest.raises(FileError, match="q_nm"):
        read_patterns(written("70 1\n80 2\n"), axis="q")


def test_laboratory_patterns_are_read(data_folder):
    paths = sorted((data_folder / "xrd/autoanalyzer/Spectra").glob("*.xy"))
    assert len(paths) == 8
    for path in paths:
        pattern = read_patterns(path, wavelength="CuKa")
        assert pattern.sizes == {"measurement": 1, "two_theta": 9001}
        np.testing.assert_allclose(pattern["two_theta"][[0, -1]], [10, 100])
        assert pattern.attrs["wavelength_angstrom"] == pytest.approx(1.5406, abs=1e-4)
        assert "uncertainty" not in pattern
