import numpy as np
import pytest
from benchmarks.vendor_files import brml, brml_scan, zipped

from nescio.errors import FileError

ROWS = [[1, 1, 44.0, 22.0, 9], [1, 1, 44.5, 22.25, 16], [1, 1, 45.0, 22.5, 0]]
VIEW = (
    '<RawDataView Start="0" Length="1" LogicName="MeasuredTime" />'
    '<RawDataView Start="2" Length="2"><Varying><FieldDefinitions FieldName="Theta" AxisId="Theta" />'
    '<FieldDefinitions FieldName="TwoTheta" AxisId="TwoTheta" /></Varying></RawDataView>'
    '<RawDataView Start="4" Length="1"><Recording><Unit Base="{unit}" /><Size><X>{size}</X><Y>1</Y></Size></Recording>'
    "</RawDataView>"
)


def test_angles_counts_beam_and_time_are_read(read):
    pattern = read("a.brml", brml(brml_scan(ROWS)))
    assert pattern["two_theta"].values.tolist() == [44, 44.5, 45]
    assert pattern["intensity"].values.tolist() == [[9, 16, 0]]
    assert pattern["uncertainty"].values.tolist() == [[3, 4, 1]]
    assert pattern.attrs["wavelength_angstrom"] == 1.5406
    assert pattern.attrs["k_alpha2_to_k_alpha1"] == 0.5
    assert (pattern.attrs["anode"], pattern.attrs["counting_time_seconds"]) == ("Cu", 2.0)


def test_the_description_of_the_columns_says_which_is_two_theta(read):
    rows = [[1, 1, 22.0, 44.0, 9, 7], [1, 1, 22.5, 45.0, 16, 7]]
    scan = brml_scan(rows, axes=("Theta", "TwoTheta"), views=VIEW.format(unit="Counts", size=1), start=44.0)
    pattern = read("a.brml", brml(scan))
    assert pattern["two_theta"].values.tolist() == [44, 45]
    assert pattern["intensity"].values.tolist() == [[9, 16]]


def test_uncertainties_of_counts_behind_an_absorber_follow_from_the_counts(read):
    rows = [[1, 1, 44.0, 22.0, 9], [1, 8.3, 44.5, 22.25, 83.0]]
    pattern = read("a.brml", brml(brml_scan(rows)))
    assert pattern["intensity"].values.tolist() == [[9, 83]]
    np.testing.assert_allclose(pattern["uncertainty"].values, [[3, 8.3 * np.sqrt(10)]])


def test_rates_have_no_uncertainty(read):
    scan = brml_scan(ROWS, views=VIEW.format(unit="CountsPerSecond", size=1), start=22.0)
    assert "uncertainty" not in read("a.brml", brml(scan))


def test_each_raw_data_is_a_measurement_in_the_order_of_its_number(read):
    scans = [brml_scan([[1, 1, 44, 22, n], [1, 1, 45, 22, n]]) for n in range(1, 12)]
    patterns = read("a.brml", brml(*scans))
    assert patterns["intensity"].values[:, 0].tolist() == list(range(1, 12))
    assert patterns["measurement"].values[[0, 10]].tolist() == ["a#1", "a#11"]


@pytest.mark.parametrize(
    ("scan", "message"),
    [
        (brml_scan(ROWS, axes=("Theta",)), "scan 1: runs over Theta, not over two-theta"),
        (brml_scan([]), "scan 1: has no points"),
        (brml_scan(ROWS, places="<a />"), "scan 1: its data are in another file"),
        (brml_scan(ROWS, views=VIEW.format(unit="Counts", size=1280), start=22.0), "image of a line or area detector"),
        (brml_scan(ROWS, start=10.0), "two-theta starts at 44 in the data, at 10 in the description"),
        (brml_scan([[1, 1, 44, 22, 9], [1, 1, 45]]), "point 2 has 3 numbers, the first point has 5"),
        (brml_scan([[1, 1, 44, 22, "x"], [1, 1, 45, 22, 1]]), "point 1: 'x' is not a finite number"),
        ("<RawData", "not well-formed XML"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named(read, scan, message):
    with pytest.raises(FileError, match=message):
        read("a.brml", brml(scan))


def test_a_scan_that_cannot_be_read_costs_that_scan(read):
    patterns = read("a.brml", brml(brml_scan(ROWS, axes=("Theta",)), brml_scan(ROWS)))
    assert patterns["measurement"].values.tolist() == ["a#2"]
    assert patterns.attrs["left_out"] == "scan 1: runs over Theta, not over two-theta"


def test_a_member_that_unpacks_to_more_than_the_budget_is_refused(read):
    bomb = zipped({"Experiment0/RawData0.xml": b"<RawData>" + b" " * (600 * 2**20)})
    assert len(bomb) < 10**6
    with pytest.raises(FileError, match=r"would take 629 MB of memory"):
        read("a.brml", bomb)
