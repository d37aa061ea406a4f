import h5py
import numpy as np
import pytest

from nescio.errors import FileError
from nescio.signals import notes_of
from nescio.xrd.read import read_patterns

ANGLES = [10.0, 20.0, 30.0]


def write(
    path, *, axis="two_theta", points=ANGLES, units="deg", signal=((1.0, 2.0, 3.0),), default=True, **beam
):
    with h5py.File(path, "w") as file:
        entry = file.create_group("entry")
        entry.attrs["NX_class"] = "NXentry"
        data = entry.create_group("scan")
        data.attrs["NX_class"] = "NXdata"
        data.attrs["signal"] = "counts"
        data.attrs["axes"] = [".", axis]
        data["counts"] = np.array(signal)
        data[axis] = points
        data[axis].attrs["units"] = units
        if default:
            file.attrs["default"] = "entry"
            entry.attrs["default"] = "scan"
        for name, (value, unit) in beam.items():
            monochromator = entry.require_group("instrument/monochromator")
            monochromator.attrs["NX_class"] = "NXmonochromator"
            monochromator[name] = value
            if unit:
                monochromator[name].attrs["units"] = unit
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "scan.nxs"


@pytest.mark.parametrize("default", [True, False])
def test_the_default_data_are_read(path, default):
    pattern = read_patterns(write(path, default=default, signal=[[1, 2, 3], [4, 5, 6]]))
    assert pattern["two_theta"].values.tolist() == ANGLES
    assert pattern["intensity"].values.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert "wavelength_angstrom" not in pattern.attrs


@pytest.mark.parametrize(
    ("axis", "points", "units", "name", "expected"),
    [
        ("two_theta", [0.1, 0.2, 0.3], "rad", "two_theta", np.degrees([0.1, 0.2, 0.3])),
        ("polar_angle", ANGLES, "degrees", "two_theta", ANGLES),
        ("q", ANGLES, "1/nm", "q", [1, 2, 3]),
        ("Q", [1, 2, 3], "angstrom^-1", "q", [1, 2, 3]),
        ("radial", ANGLES, "nm^-1", "q", [1, 2, 3]),
    ],
)
def test_units_tell_what_the_axis_is(path, axis, points, units, name, expected):
    np.testing.assert_allclose(
        read_patterns(write(path, axis=axis, points=points, units=units))[name], expected
    )


@pytest.mark.parametrize(
    "beam",
    [
        {"wavelength": (1.5, "angstrom")},
        {"wavelength": (0.15, "nm")},
        {"energy": (12.398419843320026 / 1.5, "keV")},
        {"energy": (12398.419843320026 / 1.5, "eV")},
    ],
)
def test_the_wavelength_comes_from_the_monochromator(path, beam):
    assert read_patterns(write(path, **beam)).attrs["wavelength_angstrom"] == pytest.approx(1.5)


def test_a_bare_wavelength_in_nanometre_is_told_and_the_option_cures_it(path):
    write(path, wavelength=(0.15406, None))
    with pytest.raises(FileError, match=r"wavelength.*nanomet.*1\.5406"):
        read_patterns(path)
    assert read_patterns(path, wavelength=1.5406).attrs["wavelength_angstrom"] == 1.5406
    write(path, wavelength=(0.15406, "angstrom"))
    assert read_patterns(path).attrs["wavelength_angstrom"] == 0.15406


def test_another_wavelength_than_the_monochromator_is_refused(path):
    write(path, wavelength=(0.9537, "angstrom"))
    with pytest.raises(FileError, match=r"says 0\.9537 angstrom, --wavelength says 1\.5406"):
        read_patterns(path, wavelength=1.5406)


@pytest.mark.parametrize("axis", ["omega", "theta", "chi"])
def test_another_angle_is_not_taken_for_two_theta(path, axis):
    write(path, axis=axis)
    with pytest.raises(FileError, match=rf"{axis}.*neither two-theta nor q"):
        read_patterns(path)


def test_text_as_signal_is_told(path):
    with pytest.raises(FileError, match="counts must hold numbers, not text"):
        read_patterns(write(path, signal=[[b"a", b"b", b"c"]]))


def test_datasets_of_known_names_are_read_from_plain_files(tmp_path):
    path = tmp_path / "plain.h5"
    with h5py.File(path, "w") as file:
        file["q"] = ANGLES
        file["q"].attrs["units"] = "1/nm"
        file["intensity"] = np.ones((2, 3))
        file["comp"] = [[0.5, 0.5], [0.1, 0.9]]
        file["elements"] = ["Ni", "Co"]
        file["wavelength"] = 0.9537
    library = read_patterns(path)
    np.testing.assert_allclose(library["q"], [1, 2, 3])
    assert library["composition"].sel(element="Co").values.tolist() == [0.5, 0.9]
    assert library.attrs["wavelength_angstrom"] == pytest.approx(0.9537)


def test_data_in_another_file_are_not_followed(tmp_path, path):
    other = write(tmp_path / "other.h5")
    with h5py.File(path, "w") as file:
        file["q"] = h5py.ExternalLink(str(other), "/entry/scan/two_theta")
        file["intensity"] = h5py.ExternalLink(str(other), "/entry/scan/counts")
    with pytest.raises(FileError, match=r"refers to other files.*/q \(an external link\)"):
        read_patterns(path)


def test_an_axis_of_unknown_kind_must_be_told(path):
    write(path, axis="position", units="mm")
    with pytest.raises(FileError, match="neither two-theta nor q"):
        read_patterns(path)
    assert read_patterns(path, axis="two_theta")["two_theta"].values.tolist() == ANGLES


def test_a_huge_dataset_is_refused_unread(path):
    with h5py.File(path, "w") as file:
        file["q"] = ANGLES
        file.create_dataset("intensity", shape=(10**9, 3), chunks=(1000, 3), dtype="f8")
    with pytest.raises(FileError, match="at most"):
        read_patterns(path)


def group(parent, name, kind, **attributes):
    made = parent.create_group(name)
    made.attrs.update({"NX_class": kind, **attributes})
    return made


def test_of_the_edges_of_bins_the_centres_are_taken(path):
    write(path, points=[10.0, 20.0, 30.0, 40.0])
    assert read_patterns(path)["two_theta"].values.tolist() == [15, 25, 35]


@pytest.mark.parametrize("axes", ["two_theta", "scan:two_theta", "[scan,two_theta]", "scan,two_theta", None])
def test_attributes_of_the_old_style_are_understood(path, axes):
    with h5py.File(path, "w") as file:
        data = group(group(file, "entry", "NXentry"), "data", "NXdata")
        data["counts"] = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
        data["counts"].attrs["signal"] = 1
        data["two_theta"] = ANGLES
        data["two_theta"].attrs["units"] = "degrees"
        data["scan"] = [1, 2]
        if axes is None:
            data["two_theta"].attrs["axis"] = 2
            data["scan"].attrs["axis"] = 1
        else:
            data["counts"].attrs["axes"] = axes
    pattern = read_patterns(path)
    assert pattern["two_theta"].values.tolist() == ANGLES
    assert pattern["intensity"].shape == (2, 3)


def test_the_axis_of_patterns_need_not_be_the_last(path):
    with h5py.File(path, "w") as file:
        data = group(file, "data", "NXdata", signal="I", axes=["q", "frame"])
        data["I"] = [[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]]
        data["q"], data["frame"] = [1.0, 2.0, 3.0], [0, 1]
        data["q"].attrs["units"] = "1/angstrom"
    assert read_patterns(path)["intensity"].values.tolist() == [[1, 2, 3], [4, 5, 6]]


def test_every_entry_is_read_and_a_bad_one_costs_only_itself(path):
    with h5py.File(path, "w") as file:
        for number, (axis, points) in enumerate(
            [("two_theta", ANGLES), ("two_theta", [11.0, 21.0, 31.0]), ("omega", ANGLES)]
        ):
            entry = group(file, f"entry{number}", "NXentry")
            data = group(entry, "data", "NXdata", signal="I", axes=axis)
            data["I"], data[axis] = [1.0, 2.0, 3.0 + number], points
            monochromator = group(entry, "monochromator", "NXmonochromator")
            monochromator["wavelength"] = 0.7
            monochromator["wavelength"].attrs["units"] = "angstrom"
    pattern = read_patterns(path)
    assert pattern["measurement"].values.tolist() == ["scan#1", "scan#2"]
    np.testing.assert_array_equal(pattern["two_theta"], [ANGLES, [11, 21, 31]])
    assert pattern["intensity"].values[:, -1].tolist() == [3, 4]
    assert "omega" in pattern.attrs["left_out"]
    assert pattern.attrs["wavelength_angstrom"] == 0.7


def test_patterns_beside_the_default_are_noted(path):
    write(path)
    with h5py.File(path, "a") as file:
        data = group(file["entry"], "raw", "NXdata", signal="I", axes="two_theta")
        data["I"], data["two_theta"] = [1.0, 2.0], [1.0, 2.0]
    pattern = read_patterns(path)
    assert pattern.sizes == {"measurement": 1, "two_theta": 3}
    assert "only the default data are read, not those in: /entry/raw" in notes_of(pattern)[0]


def test_a_unit_that_contradicts_the_name_is_asked_about(path):
    write(path, axis="two_theta", units="1/nm")
    with pytest.raises(FileError, match=r"two_theta in 1/nm.*neither two-theta nor q"):
        read_patterns(path)


def test_an_array_of_unknown_name_can_be_the_axis_that_is_asked_for(tmp_path):
    path = tmp_path / "plain.h5"
    with h5py.File(path, "w") as file:
        file["x"] = ANGLES
        file["intensity"] = [1.0, 2.0, 3.0]
    with pytest.raises(FileError, match=r"no axis.*--axis"):
        read_patterns(path)
    assert read_patterns(path, axis="two_theta")["two_theta"].values.tolist() == ANGLES
