"""UXD, GSAS, FullProf and Fit2D."""

import numpy as np
import pytest

from nescio.errors import FileError
from nescio.signals import notes_of

UXD = """; converted
_FILEVERSION=2
_WL_UNIT='A'
_WL1=1.540600
_WL2=1.544390
_WLRATIO=0.500000
_ANODE='Cu'
; (Data for Range number 1)
_DRIVE='COUPLED'
_STEPTIME=2.000000
_STEPSIZE=0.500000
_START=10.000000
_2THETA=10.000000
_COUNTS
      4      9     16
      0
; (Data for Range number 2)
_DRIVE='COUPLED'
_2THETACPS
20.0 1.5
20.5\t2.5
"""


def test_uxd_has_ranges_with_their_own_axes(read):
    patterns = read("a.uxd", UXD)
    assert patterns["measurement"].values.tolist() == ["a#1", "a#2"]
    assert patterns["two_theta"].values[0].tolist() == [10, 10.5, 11, 11.5]
    assert patterns["intensity"].values[0].tolist() == [4, 9, 16, 0]
    assert patterns["two_theta"].values[1, :2].tolist() == [20, 20.5]
    assert patterns["intensity"].values[1, :2].tolist() == [1.5, 2.5]
    assert patterns.attrs["wavelength_angstrom"] == 1.5406
    assert patterns.attrs["k_alpha2_to_k_alpha1"] == 0.5
    assert (patterns.attrs["anode"], patterns.attrs["counting_time_seconds"]) == ("Cu", 2.0)


def test_counts_of_uxd_have_uncertainties_and_rates_have_none(read):
    assert read("a.uxd", UXD[: UXD.index("; (Data for Range number 2")])["uncertainty"].values[
        0, :2
    ].tolist() == [2, 3]
    assert "uncertainty" not in read("a.uxd", UXD.replace("_COUNTS", "_CPS"))


def test_uxd_over_another_drive_is_refused(read):
    with pytest.raises(FileError, match="scan 1: runs over 'THETA', not over two-theta"):
        read("a.uxd", UXD.replace("'COUPLED'", "'THETA'"))


def test_wavelengths_of_uxd_in_nanometre_are_converted(read):
    nm = UXD.replace("'A'", "'nm'").replace("1.540600", "0.154060").replace("1.544390", "0.154439")
    np.testing.assert_allclose(read("a.uxd", nm).attrs["wavelength_angstrom"], 1.5406)


HEAD = 'Sample\n# Mean wavelength is:     0.413128\n# Extra PV 62: wavelength, "0.4133", A\n'


def test_gsas_std_averages_over_the_detectors_of_each_record(read):
    pattern = read("a.gsa", "Sample\nBANK 1 4 1 CONST 1500 2 0 0 STD\n     100 4  100     9       0\n")
    np.testing.assert_allclose(pattern["two_theta"], [15, 15.02, 15.04, 15.06])
    assert pattern["intensity"].values.tolist() == [[100, 100, 9, 0]]
    assert pattern["uncertainty"].values.tolist() == [[10, 5, 3, 1]]


def test_a_gsas_bank_without_a_type_is_std(read):
    assert read("a.gsa", "S\nBANK 1 2 1 CONST 400 1\n      20      21\n")["intensity"].values.tolist() == [
        [20, 21]
    ]


def test_gsas_esd_has_pairs(read):
    pattern = read(
        "a.gsa", "S\nBANK 1 3 1 CONS 1000.0 50.0 0 0 ESD\n    12.5     1.5    13.5     2.5     9.0     0.5\n"
    )
    assert pattern["two_theta"].values.tolist() == [10, 10.5, 11]
    assert pattern["intensity"].values.tolist() == [[12.5, 13.5, 9]]
    assert pattern["uncertainty"].values.tolist() == [[1.5, 2.5, 0.5]]


def test_gsas_fxye_has_angles_and_the_mean_wavelength(read):
    pattern = read("a.fxye", HEAD + "BANK 1 2 2 CONS 50.0 5.0 0 0 FXYE\n 50.0 13.0 1.3\n 55.0 14.0 1.4\n")
    assert pattern["two_theta"].values.tolist() == [0.5, 0.55]
    assert pattern["intensity"].values.tolist() == [[13, 14]]
    assert pattern["uncertainty"].values.tolist() == [[1.3, 1.4]]
    assert pattern.attrs["wavelength_angstrom"] == 0.413128


def test_several_wavelengths_in_comments_of_gsas_are_not_chosen_from(read):
    bank = "BANK 1 2 2 CONS 50.0 5.0 0 0 FXYE\n 50.0 13.0 1.3\n 55.0 14.0 1.4\n"
    pattern = read("a.fxye", "# wavelength 0.41\n# Wavelength = 0.52\n" + bank)
    assert "wavelength_angstrom" not in pattern.attrs
    assert "several wavelengths" in notes_of(pattern)[0]


def test_gsas_alt_has_numbers_with_implied_decimals(read):
    line = "".join(f"{x:8d}{y:7d}{e:5d}" for x, y, e in ((1000, 123456, 1500), (1010, 234567, 2500)))
    pattern = read("a.gsa", f"S\nBANK 1 2 1 CONS 1000 10 0 0 ALT\n{line}\n")
    np.testing.assert_allclose(pattern["intensity"], [[12.3456, 23.4567]])
    np.testing.assert_allclose(pattern["uncertainty"], [[0.15, 0.25]])
    np.testing.assert_allclose(pattern["two_theta"], [10, 10.1])


def test_banks_of_gsas_are_measurements_of_their_own(read):
    bank = "BANK {} 2 1 CONST 400 1 0 0 STD\n{:8d}{:8d}\n"
    patterns = read("a.gsa", "S\n" + bank.format(1, 20, 21) + bank.format(2, 30, 31))
    assert patterns["intensity"].values.tolist() == [[20, 21], [30, 31]]


@pytest.mark.parametrize(
    ("bank", "message"),
    [
        ("BANK 1 2 1 RALF 48008 64 64331 0.001 FXYE\n1 2 3\n2 3 4", "binning RALF: a time of flight"),
        ("BANK 1 2 1 XYZ 48008 64\n1 2 3", "unknown binning 'XYZ'"),
        ("BANK 1 2 1 CONS 400 STD\n      20      21", "no start and step"),
        ("BANK 1 2 1 CONS 400 1 0 0 FXYE\n400 a 1", "point 1: 'a' is not a number"),
        ("BANK 1 2 1 CONS 400 1 0 0 STD\n", "has no points"),
    ],
)
def test_banks_that_cannot_be_read_are_named(read, bank, message):
    with pytest.raises(FileError, match=f"scan 1: .*{message}"):
        read("a.gsa", f"Sample\n{bank}\n")


def test_points_that_are_missing_in_gsas_are_noted(read):
    pattern = read("a.gsa", "S\nBANK 1 20 2 CONST 400 1\n      20      21\n")
    assert "20 points are announced, 2 are in the file" in notes_of(pattern)[0]


def fullprof(head="", counts=range(100, 141), sigma=()):
    numbers = [*counts, *sigma]
    rows = [numbers[at : at + 10] for at in range(0, len(numbers), 10)]
    return head + "\n".join("".join(f"{number:8.0f}" for number in row) for row in rows) + "\n"


def test_fullprof_has_start_step_and_end(read):
    pattern = read("a.dat", fullprof(" 10.0 0.05 12.0 Sample at 300 K\n"))
    np.testing.assert_allclose(pattern["two_theta"], np.linspace(10, 12, 41))
    assert pattern["intensity"].values[0].tolist() == list(range(100, 141))
    assert "uncertainty" not in pattern


def test_fullprof_may_have_lines_before_and_uncertainties_after(read):
    head = 'HRPT, sample\nlambda=  1.49400, T=   0.000\n 10.0 0.05 12.0 18000000., sample="x"\n'
    pattern = read("a.dat", fullprof(head, sigma=range(1, 42)))
    assert pattern["uncertainty"].values[0].tolist() == list(range(1, 42))
    assert pattern.attrs["wavelength_angstrom"] == 1.494


def test_negative_angles_of_fullprof_are_left_out(read):
    pattern = read("a.dat", fullprof(" -1.0 0.05 1.0\n"))
    assert pattern["two_theta"].values[0] == 0.0
    assert pattern["intensity"].values[0, 0] == 120
    assert "20 points at negative angles are left out" in notes_of(pattern)[0]


def test_missing_intensities_of_fullprof_are_noted(read):
    pattern = read("a.dat", fullprof("10.0 0.05 12.0\n", range(20)))
    assert "41 points are announced, 20 are in the file" in notes_of(pattern)[0]


def test_a_table_of_three_columns_is_no_file_of_fullprof(read):
    rows = "".join(f"{10 + k / 10:.1f} 0.5 {20 + k}\n" for k in range(30))
    assert read("a.xye", rows)["two_theta"].size == 30


CHI = "a.tif: integrated\n {axis}\n Intensity\n       {points}\n  1.0  5.0\n  2.0  6.0\n  3.0  7.0\n"


def test_chi_has_the_axis_that_its_second_line_names(read):
    pattern = read("a.chi", CHI.format(axis="2-Theta Angle (Degrees)", points=3))
    assert pattern["two_theta"].values.tolist() == [1, 2, 3]
    assert pattern["intensity"].values.tolist() == [[5, 6, 7]]
    q = read("a.chi", CHI.format(axis="Q (Inverse Nanometres)", points=3))
    np.testing.assert_allclose(q["q"], [0.1, 0.2, 0.3])


def test_chi_over_a_distance_is_refused(read):
    with pytest.raises(FileError, match="'Radial Distance \\(mm\\)' is neither two-theta nor q nor d"):
        read("a.chi", CHI.format(axis="Radial Distance (mm)", points=3))


def test_missing_points_of_chi_are_noted(read):
    pattern = read("a.chi", CHI.format(axis="2-Theta Angle (Degrees)", points=900))
    assert "900 points are announced, 3 are in the file" in notes_of(pattern)[0]


def test_columns_under_a_vendors_suffix_are_columns(read):
    assert read("a.chi", "10 1\n11 2\n")["intensity"].values.tolist() == [[1, 2]]


@pytest.mark.parametrize("points", ["2\u00b2", "1_0", "99999999999"])
def test_a_number_of_points_that_is_none_costs_that_bank(read, points):
    good = "BANK 1 2 1 CONS 400 1 0 0 STD\n      20      21\n"
    pattern = read("a.gsa", f"S\n{good}BANK 2 {points} 1 CONS 400 1 0 0 STD\n      20      21\n")
    assert pattern["intensity"].values.tolist()[0] == [20, 21]
