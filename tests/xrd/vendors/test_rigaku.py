import pytest
from benchmarks.vendor_files import ras, rasx, zipped

from nescio.errors import FileError
from nescio.signals import notes_of

ROWS = [[10.0, 4, 1], [10.5, 9, 1], [11.0, 0, 1]]


def test_ras_gives_angles_counts_beam_and_time(read):
    pattern = read("a.ras", ras(ROWS))
    assert pattern["two_theta"].values.tolist() == [10, 10.5, 11]
    assert pattern["intensity"].values.tolist() == [[4, 9, 0]]
    assert pattern["uncertainty"].values.tolist() == [[2, 3, 1]]
    assert pattern.attrs["wavelength_angstrom"] == 1.540593
    assert pattern.attrs["k_alpha2_angstrom"] == 1.544414
    assert (pattern.attrs["anode"], pattern.attrs["counting_time_seconds"]) == ("Cu", 15.0)


def test_rasx_gives_the_same(read):
    pattern = read("a.rasx", rasx(ROWS))
    assert pattern["two_theta"].values.tolist() == [10, 10.5, 11]
    assert pattern["uncertainty"].values.tolist() == [[2, 3, 1]]
    assert pattern.attrs["wavelength_angstrom"] == 1.540593
    assert (pattern.attrs["anode"], pattern.attrs["counting_time_seconds"]) == ("Cu", 1.2)
    # The file says that the beam is K-alpha 1 alone.
    assert "k_alpha2_angstrom" not in pattern.attrs


@pytest.mark.parametrize(("name", "make"), [("a.ras", ras), ("a.rasx", rasx)])
def test_scans_are_measurements_of_their_own(read, name, make):
    patterns = read(name, make(ROWS, [[10.0, 1, 1], [10.5, 2, 1], [11.0, 3, 1]]))
    assert patterns["measurement"].values.tolist() == ["a#1", "a#2"]
    assert patterns["intensity"].values.tolist() == [[4, 9, 0], [1, 2, 3]]


@pytest.mark.parametrize(("name", "make"), [("a.ras", ras), ("a.rasx", rasx)])
def test_attenuated_intensities_are_multiplied_with_a_note(read, name, make):
    pattern = read(name, make([[10.0, 4, 1], [10.5, 9, 10]]))
    assert pattern["intensity"].values.tolist() == [[4, 90]]
    assert "uncertainty" not in pattern
    assert "multiplied by the attenuation factors" in notes_of(pattern)[0]


@pytest.mark.parametrize(("name", "make"), [("a.ras", ras), ("a.rasx", rasx)])
def test_rates_have_no_uncertainty(read, name, make):
    assert "uncertainty" not in read(name, make(ROWS, unit="cps"))


def test_a_scan_over_another_axis_is_left_out_by_name(read):
    patterns = read("a.ras", ras(ROWS, ROWS, axis=("Omega", "TwoTheta")))
    assert patterns["measurement"].values.tolist() == ["a#2"]
    assert patterns.attrs["left_out"] == "scan 1: runs over 'Omega', not over two-theta"
    with pytest.raises(FileError, match="runs over 'Omega'"):
        read("a.rasx", rasx(ROWS, axis="Omega"))


def test_a_file_that_is_cut_short_is_read_as_far_as_it_goes(read):
    text = ras(ROWS)
    pattern = read("a.ras", text[: text.index("11.0")])
    assert pattern["intensity"].values.tolist() == [[4, 9]]
    assert "RAS_INT_END is missing" in notes_of(pattern)[0]


def test_an_axis_without_a_name_is_noted(read):
    pattern = read("a.rasx", zipped({"Data0/Profile0.txt": "10 1 1\n11 2 1\n"}))
    assert pattern["intensity"].values.tolist() == [[1, 2]]
    assert "does not name its axis" in notes_of(pattern)[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ras([[10.0, 4, 1], [10.5, 9]]), "line 15: 2 numbers where 3 are needed"),
        (ras([[10.0, "x", 1]]), "line 14: 'x' is not a finite number"),
        (ras([[10.0, "nan", 1]]), "line 14: 'nan' is not a finite number"),
        (ras([]), "scan 1: has no points"),
    ],
)
def test_rows_that_are_none_are_named_by_line(read, text, message):
    with pytest.raises(FileError, match=message):
        read("a.ras", text)


def test_another_axis_cannot_be_asked_for(read):
    with pytest.raises(FileError, match="axis 'q' is not possible"):
        read("a.ras", ras(ROWS), axis="q")


def test_a_contradicting_wavelength_is_refused(read):
    with pytest.raises(FileError, match=r"says 1\.54059 angstrom, --wavelength says 0\.7"):
        read("a.ras", ras(ROWS), wavelength=0.7)
