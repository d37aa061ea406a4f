import numpy as np
import pytest
from benchmarks.vendor_files import bruker_raw_3, bruker_raw_4

from nescio.errors import FileError


def test_version_3_gives_angles_counts_beam_and_time(read):
    pattern = read("a.raw", bruker_raw_3([4, 9, 0]))
    assert pattern["two_theta"].values.tolist() == [10, 10.5, 11]
    assert pattern["intensity"].values.tolist() == [[4, 9, 0]]
    assert pattern["uncertainty"].values.tolist() == [[2, 3, 1]]
    assert pattern.attrs["wavelength_angstrom"] == 1.5406
    assert pattern.attrs["k_alpha2_angstrom"] == 1.54439
    assert pattern.attrs["k_alpha2_to_k_alpha1"] == 0.5
    assert (pattern.attrs["anode"], pattern.attrs["counting_time_seconds"]) == ("Cu", 1.5)


def test_angles_that_each_point_records_count_before_start_and_step(read):
    pattern = read("a.raw", bruker_raw_3([4, 9], angles=[10.01, 10.49], extra=b"12345678"))
    assert pattern["two_theta"].values.tolist() == [10.01, 10.49]
    assert pattern["intensity"].values.tolist() == [[4, 9]]


def test_ranges_are_measurements_of_their_own(read):
    for content in (bruker_raw_3([1, 2], [3, 4, 5], start=[10, 20]), bruker_raw_4([1, 2], [3, 4, 5])):
        patterns = read("a.raw", content)
        assert patterns["measurement"].values.tolist() == ["a#1", "a#2"]
        assert patterns["intensity"].values[1].tolist() == [3, 4, 5]
        assert patterns["intensity"].values[0, :2].tolist() == [1, 2]
        assert np.isnan(patterns["intensity"].values[0, 2])


def test_version_4_gives_the_same(read):
    pattern = read("a.raw", bruker_raw_4([4.0, 9.0]))
    assert pattern["two_theta"].values.tolist() == [20, 20.25]
    assert pattern["uncertainty"].values.tolist() == [[2, 3]]
    assert pattern.attrs["wavelength_angstrom"] == 1.5406
    assert (pattern.attrs["anode"], pattern.attrs["counting_time_seconds"]) == ("Cu", 2.0)


def test_records_of_version_4_may_be_longer_than_an_intensity(read):
    assert read("a.raw", bruker_raw_4([4, 9, 16], stride=8))["intensity"].values.tolist() == [[4, 9, 16]]


def test_intensities_that_are_no_counts_have_no_uncertainty(read):
    assert "uncertainty" not in read("a.raw", bruker_raw_4([4.5, 9.0]))


def test_the_wavelength_of_the_range_is_used_where_the_source_states_none(read):
    assert read("a.raw", bruker_raw_4([4, 9], source=False)).attrs["wavelength_angstrom"] == 1.789
    assert read("a.raw", bruker_raw_3([4, 9], lines=(0, 0, 0))).attrs["wavelength_angstrom"] == 1.789


def test_a_scan_over_another_drive_is_refused_by_name(read):
    with pytest.raises(FileError, match="scan 1: runs over 'Theta', not over two-theta"):
        read("a.raw", bruker_raw_4([4, 9], scan="Rocking Curve", drive="Theta"))
    with pytest.raises(FileError, match="scan 1: is of scan type 3, which does not run over two-theta"):
        read("a.raw", bruker_raw_3([4, 9], kind=3))


def test_a_range_that_is_cut_short_costs_that_range(read):
    patterns = read("a.raw", bruker_raw_3([1, 2, 3], [4, 5, 6])[:-4])
    assert patterns["intensity"].values.tolist() == [[1, 2, 3]]
    assert "scan 2 is cut short" in patterns.attrs["left_out"]
    with pytest.raises(FileError, match="cut short"):
        read("b.raw", bruker_raw_4([1, 2])[:-2])


@pytest.mark.parametrize("start", [b"RAW2", b"RAW \x00\x01"])
def test_older_versions_are_named(read, start):
    with pytest.raises(FileError, match=r"a\.raw: is a Bruker RAW file of another version than 3"):
        read("a.raw", start + bytes(range(256)))


@pytest.mark.parametrize(("start", "what"), [(b"RAW_1.06", "STOE"), (b"\x07\x00", "no RAW file of Bruker")])
def test_raw_files_of_others_are_told_apart(read, start, what):
    with pytest.raises(FileError, match=what):
        read("a.raw", start + bytes(range(256)))


def test_the_content_counts_whatever_the_suffix(read):
    assert read("a.dat", bruker_raw_3([4, 9]))["intensity"].values.tolist() == [[4, 9]]
