"""Powder profiles in CIFs are measurements."""

import numpy as np
import pytest

from nescio.errors import FileError
from nescio.signals import notes_of
from nescio.xrd.read import FILE_PATTERNS, read_patterns

COUNTS = "loop_\n_pd_meas_2theta_scan\n_pd_meas_counts_total\n10 100\n11 400\n12 ?\n"
RANGE = "_pd_meas_2theta_range_min 10\n_pd_meas_2theta_range_max 12\n_pd_meas_2theta_range_inc 1.0\n"
INTENSITY = "loop_\n_pd_proc_intensity_total\n_pd_calc_intensity_total\n100(10) 99\n400(20) 398\n90(9) 91\n"


@pytest.fixture
def read(tmp_path):
    def read(text: str, name: str = "a.cif", **options):
        path = tmp_path / name
        path.write_text(text)
        return read_patterns(path, **options)

    return read


def test_counts_over_scanned_angles_with_their_statistics(read):
    pattern = read("data_a\n_diffrn_radiation_wavelength 1.5406\n" + COUNTS)
    assert pattern["two_theta"].values.tolist() == [10, 11, 12]
    np.testing.assert_array_equal(pattern["intensity"], [[100, 400, np.nan]])
    np.testing.assert_array_equal(pattern["uncertainty"], [[10, 20, np.nan]])
    assert pattern.attrs["wavelength_angstrom"] == 1.5406
    assert pattern["measurement"].values.tolist() == ["a"]


def test_intensities_over_a_range_with_uncertainties_in_parentheses(read):
    beam = "loop_\n_diffrn_radiation_wavelength\n_diffrn_radiation_wavelength_wt\n1.5444 0.5\n1.5406 1.0\n"
    pattern = read("data_a\n" + RANGE + beam + INTENSITY)
    assert pattern["two_theta"].values.tolist() == [10, 11, 12]
    assert pattern["intensity"].values.tolist() == [[100, 400, 90]]
    assert pattern["uncertainty"].values.tolist() == [[10, 20, 9]]
    assert pattern.attrs["wavelength_angstrom"] == 1.5406


def test_corrected_angles_and_spacings_are_axes(read):
    columns = "loop_\n_pd_meas_2theta_scan\n_pd_proc_2theta_corrected\n_pd_meas_counts_total\n"
    corrected = "data_a\n" + columns + "10 10.1 5\n11 11.1 6\n"
    assert read(corrected)["two_theta"].values.tolist() == [10.1, 11.1]
    spacing = "data_a\nloop_\n_pd_proc_d_spacing\n_pd_proc_intensity_net\n4 1\n2 2\n1 3\n"
    np.testing.assert_allclose(read(spacing)["q"], 2 * np.pi / np.array([4, 2, 1]))
    both = spacing.replace("loop_\n", "loop_\n_pd_proc_2theta_corrected\n").replace("\n4", "\n10 4")
    both = both.replace("\n2 2", "\n11 2 2").replace("\n1 3", "\n12 1 3")
    assert read(both)["two_theta"].values.tolist() == [10, 11, 12]
    np.testing.assert_allclose(read(both, axis="d")["q"], 2 * np.pi / np.array([4, 2, 1]))


def test_every_block_with_a_profile_is_a_measurement(read):
    structure = "data_phase\n_cell_length_a 3\nloop_\n_atom_site_label\n_atom_site_fract_x\nNi 0\n"
    second = ("data_b\n" + COUNTS).replace("10 100", "9.5 100")
    broken = "data_c\n" + RANGE.replace("12", "20") + "loop_\n_pd_meas_counts_total\n1\n2\n3\n"
    beam = "data_setup\n_diffrn_radiation_wavelength 0.7\n"
    pattern = read(structure + beam + "data_a\n" + COUNTS + second + broken)
    assert pattern["measurement"].values.tolist() == ["a#a", "a#b"]
    np.testing.assert_array_equal(pattern["two_theta"], [[10, 11, 12], [9.5, 11, 12]])
    assert "block 'c': 3 intensities do not fit two-theta from 10 to 20" in pattern.attrs["left_out"]
    # The only wavelength of the file is that of its profiles.
    assert pattern.attrs["wavelength_angstrom"] == 0.7


def test_neutrons_are_noted(read):
    pattern = read("data_a\n_diffrn_radiation_probe neutron\n" + COUNTS)
    assert "measured with neutrons" in notes_of(pattern)[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "data_a\n_pd_meas_2theta_range_min 1\n_atom_site_fract_x 0\n",
            "a crystal structure, but no powder profile",
        ),
        ("data_a\n_pd_meas_2theta_range_min 1\n", "contains no powder profile"),
        (
            "data_a\nloop_\n_pd_meas_counts_total\n1\n2\n",
            "block 'a': 2 intensities have no axis of as many points",
        ),
        ("data_a\n_pd_meas_time_of_flight 5\n_pd_meas_counts_total 5\n", "time of flight"),
        ("data_a\n" + COUNTS.replace("400", "x"), "_pd_meas_counts_total: 'x' is not a number"),
        ("data_a\n" + COUNTS.replace("12 ?", "12"), "not a valid CIF"),
    ],
)
def test_what_is_no_profile_is_refused_with_the_block(read, text, message):
    with pytest.raises(FileError, match=message):
        read(text)


def test_a_cif_is_known_by_its_content_and_not_sought_in_folders(read):
    assert read("data_a\n" + COUNTS, "profile.txt").sizes["two_theta"] == 3
    assert "*.cif" not in FILE_PATTERNS
    assert "*.pdcif" in FILE_PATTERNS
