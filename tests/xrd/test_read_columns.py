"""Columns are what their titles say; several scans in a text are several measurements."""

from pathlib import Path

import numpy as np
import pytest

from nescio.errors import FileError
from nescio.signals import notes_of
from nescio.xrd.read import read_patterns
from nescio.xrd.read.tables import Role, role_of

SCAN = [(10 + 0.1 * i, 100 + i) for i in range(12)]


def lines(scan, start: float = 0.0) -> str:
    return "".join(f"{start + x:.2f} {y}\n" for x, y in scan)


@pytest.fixture
def read(tmp_path):
    def read(text: str, name: str = "a.dat", **options):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return read_patterns(path, **options)

    return read


@pytest.mark.parametrize(
    ("titles", "role"),
    [
        (["I", "Intensity", "Intensity (a.u.)", "Intensit\u00e4t", "counts", "Counts/s", "cps", "y_obs", "Yobs", "yobs",
          "obs", "Iobs", "I_obs", "I(obs)", "I(q)", "I_1", "observed", "raw counts", "Iobs [cts]"], Role.INTENSITY),
        (["y_calc", "ycalc", "Ycal", "Icalc", "calc", "fit", "Yobs-Ycal", "diff", "difference", "residual",
          "background", "bkg", "log10(I)", "ln(counts)", "sqrt(I)", "Log Intensity",
          "y_bkg", "Backg", "weight", "w", "I_calc", "baseline", "model"], Role.MODEL),
        (["sigma", "esd", "e.s.d.", "error", "err", "std", "uncertainty", "\u03c3", "dI", "sigma_I", "sig", "s(I)"],
         Role.UNCERTAINTY),
        (["2theta", "q (1/nm)", "d", "Q"], Role.AXIS),
        (["left", "sample 3", "25", "temperature", "monitor"], Role.OTHER),
    ],
)  # fmt: skip
def test_a_title_says_what_its_column_is(titles, role):
    assert {title: role_of(title) for title in titles} == dict.fromkeys(titles, role)


def test_the_export_of_a_refinement_gives_the_observed_intensity(read):
    pattern = read(
        '"x","y_obs","weight","y_calc","y_bkg","Q"\n20,100,1,90,3,1.00\n20.1,101,1,91,3,1.01\n', "a.csv"
    )
    assert pattern["q"].values.tolist() == [1.00, 1.01]
    assert pattern["intensity"].values.tolist() == [[100, 101]]
    pattern = read("2Theta\tYobs\tYcal\tYobs-Ycal\tBackg\tesd\n10\t5\t4\t1\t2\t3\n11\t6\t5\t1\t2\t4\n")
    assert pattern["intensity"].values.tolist() == [[5, 6]]
    assert pattern["uncertainty"].values.tolist() == [[3, 4]]


def test_an_unknown_axis_beside_named_intensities_is_asked_about(read):
    text = '"x","y_obs","y_calc"\n20,100,90\n20.1,101,91\n'
    with pytest.raises(FileError, match=r"'x' is neither two-theta nor q nor d.*--axis two_theta"):
        read(text, "a.csv")
    assert read(text, "a.csv", axis="two_theta")["intensity"].values.tolist() == [[100, 101]]


def test_what_is_not_used_of_a_table_is_noted(read):
    pattern = read("2theta,counts,temperature\n10,5,300\n11,6,300\n", "a.csv")
    assert "columns that are not used: 'temperature'" in notes_of(pattern)[0]
    assert notes_of(read("2theta,counts,sigma,fit\n10,5,2,5\n11,6,2,6\n", "a.csv")) == ()


def test_intensities_of_several_detectors_keep_their_uncertainties(read):
    pattern = read("2theta,I1,e1,I2,e2\n10,5,1,3,2\n11,6,1,4,2\n", "a.csv")
    assert pattern["measurement"].values.tolist() == ["I1", "I2"]
    assert pattern["intensity"].values.tolist() == [[5, 6], [3, 4]]
    assert pattern["uncertainty"].values.tolist() == [[1, 1], [2, 2]]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ('2theta,I\n20.00,"1,100"\n20.10,"1,234,567"\n', [1100, 1234567]),
        ('2theta,I\n"20,05","1100,5"\n"20,10","1200"\n', [1100.5, 1200]),
        ('"2theta";"I"\n"20,05";"1100,5"\n"20,10";"1200"\n', [1100.5, 1200]),
        ('"2theta","I"\n"20.05","1100.5"\n"20.10","1200"\n', [1100.5, 1200]),
    ],
)
def test_commas_within_quotes_are_decimal_or_separate_thousands(read, text, values):
    assert read(text, "a.csv")["intensity"].values[0].tolist() == values


def test_a_comma_that_may_be_either_is_refused(read):
    with pytest.raises(FileError, match=r'"1,100".*thousands or decimals'):
        read('2theta,I\n20,"1,100"\n21,"1,200"\n', "a.csv")


def test_an_empty_cell_was_not_measured(read):
    pattern = read("2theta;a;b\n20;1;2\n21;;3\n22;3;4\n", "a.csv")
    np.testing.assert_array_equal(pattern["intensity"], [[1, np.nan, 3], [2, 3, 4]])


@pytest.mark.parametrize(
    ("name", "third", "used"),
    [("a.xye", 10.0, True), ("a.dat", 10.0, True), ("a.xy", 10.0, False), ("a.dat", 99.0, False)],
)
def test_a_third_column_without_a_title_is_an_uncertainty_where_it_can_be(read, name, third, used):
    pattern = read("".join(f"{x:.2f} {y} {third}\n" for x, y in SCAN), name)
    assert ("uncertainty" in pattern) == used
    assert len(notes_of(pattern)) == (0 if used else 1)


def test_repeated_angles_are_averaged_with_a_note(read):
    pattern = read("10.0 1 3\n10.1 2 3\n10.1 4 4\n10.2 3 3\n", "a.xye")
    assert pattern["two_theta"].values.tolist() == [10.0, 10.1, 10.2]
    assert pattern["intensity"].values.tolist() == [[1, 3, 3]]
    assert pattern["uncertainty"].values.tolist() == [[3, 2.5, 3]]
    assert notes_of(pattern)[0].endswith("at the same place as the previous one are averaged with it: 1")


def test_scans_side_by_side_are_measurements(read):
    same = read("2theta;I;2theta;I\n20;1;20;5\n21;2;21;6\n", "a.csv")
    assert same["two_theta"].values.tolist() == [20, 21]
    assert same["intensity"].values.tolist() == [[1, 2], [5, 6]]
    assert same["measurement"].values.tolist() == ["a#1", "a#2"]
    own = read("2theta;I;2theta;I\n20;1;30;5\n21;2;31;6\n22;3;;\n", "a.csv")
    assert own["intensity"].dims == ("measurement", "point")
    np.testing.assert_array_equal(own["two_theta"], [[20, 21, 22], [30, 31, np.nan]])
    np.testing.assert_array_equal(own["intensity"], [[1, 2, 3], [5, 6, np.nan]])


@pytest.mark.parametrize("between", ["# scan 2\n", "Scan 2\n", "\n#S 2\n#L Two Theta  I\n", "2theta I\n"])
def test_scans_one_after_the_other_are_measurements(read, between):
    pattern = read("# scan 1\n" + lines(SCAN) + between + lines(SCAN, 0.0))
    assert pattern["intensity"].shape == (2, 12)
    assert pattern["measurement"].values.tolist() == ["a#1", "a#2"]
    assert notes_of(pattern) == ()


def test_an_axis_that_starts_again_is_a_further_scan_and_noted(read):
    pattern = read(lines(SCAN) + lines(SCAN, 0.5))
    assert pattern["intensity"].shape == (2, 12)
    assert "the axis restarts at line 13: read as 2 scans" in notes_of(pattern)[0]


def test_a_scan_that_cannot_be_read_costs_that_scan(read):
    pattern = read(
        "2theta I\n" + lines(SCAN) + "theta I\n" + lines(SCAN) + "2theta I\n10 3\n2theta I\n10 5\n11 6\n"
    )
    assert pattern["measurement"].values.tolist() == ["a#1", "a#2"]
    assert "scan 2: 'theta' is neither two-theta" in pattern.attrs["left_out"]
    assert any("a scan of one point is skipped" in note for note in notes_of(pattern))


def test_a_first_column_without_a_title_is_the_axis_unless_it_counts_rows(read):
    pattern = read(",left,right\n10.5,1,2\n11.5,3,4\n", "a.csv")
    assert pattern["two_theta"].values.tolist() == [10.5, 11.5]
    assert pattern["measurement"].values.tolist() == ["left", "right"]
    pattern = read(",Angle,counts\n0,10.5,1\n1,11.5,3\n", "a.csv")
    assert pattern["two_theta"].values.tolist() == [10.5, 11.5]


def test_a_footer_and_a_line_cut_short_at_the_end_cost_nothing_else(read):
    assert notes_of(read(lines(SCAN) + "End of file\n")) == ()
    pattern = read(lines(SCAN) + "11.2")
    assert pattern.sizes["two_theta"] == 12
    assert "line 13 is incomplete and skipped" in notes_of(pattern)[0]


def test_a_slip_within_a_scan_is_no_new_scan(read):
    with pytest.raises(FileError, match="line 13: 'oops' is not a row of numbers"):
        read(lines(SCAN) + "oops\n" + lines(SCAN, 10.0))


def test_angles_of_one_wavelength_are_kept_and_those_of_none_are_not_mixed_with_q(tmp_path: Path, read):
    pattern = read("# wavelength = 1.5\n" + lines(SCAN) + "# next\n" + lines(SCAN))
    assert pattern.attrs["wavelength_angstrom"] == 1.5
    with pytest.raises(FileError, match="have different axes or wavelengths"):
        read("2theta I\n" + lines(SCAN) + "q (1/A) I\n" + lines(SCAN))
    mixed = read("# wavelength = 1.5\n2theta I\n" + lines(SCAN) + "q (1/A) I\n" + lines(SCAN, -9))
    assert mixed["intensity"].dims == ("measurement", "point")
    np.testing.assert_allclose(mixed["q"][0, 0], 4 * np.pi / 1.5 * np.sin(np.radians(5)))


def test_a_logarithm_of_the_intensity_is_no_intensity(read):
    with pytest.raises(FileError, match="no column is an intensity; the titles are 2theta, log10"):
        read("2theta,log10(I)\n10,1\n11,2\n", "a.csv")
    assert read("2theta,log10(I),I\n10,1,10\n11,2,100\n", "a.csv")["intensity"].values.tolist() == [[10, 100]]


def test_a_column_of_another_quantity_is_no_pattern_beside_named_samples(read):
    pattern = read("2theta,time (s),left\n10,0,5\n11,1,6\n", "a.csv")
    assert pattern["intensity"].values.tolist() == [[5, 6]]
    assert "not used: 'time (s)'" in notes_of(pattern)[0]


def test_exponents_of_fortran_are_read(read):
    assert read("10.0 1.5D+02\n11.0 2.0d1\n")["intensity"].values.tolist() == [[150, 20]]


def test_a_column_far_larger_than_the_second_is_no_uncertainty(read):
    measured = read("".join(f"{10 + 0.5 * i} 1e-310 {1e5 + i}\n" for i in range(8)))
    assert "uncertainty" not in measured
    assert any("cannot be an uncertainty" in note for note in notes_of(measured))
