"""What HyperSpy and its readers say of axes is heeded, and told where it contradicts names and units."""

import numpy as np
import pytest
from tests.microscopy.grids import CUBE, same, write_hyperspy, write_signals

from nescio.errors import FileError, MissingExtraError
from nescio.microscopy import read_image, read_spectrum_image
from nescio.microscopy.read.fields import axis_role, flagged_roles
from nescio.microscopy.read.hyperspy import rosettasciio, rosettasciio_worker
from nescio.signals import notes_of

pytestmark = pytest.mark.usefixtures("unprobed")

NAV, SIG = True, False


def roles(*axes):
    """Return roles, whether it is a stack of images, and the note, of axes (name, unit, mark)."""
    names, units, marks = zip(*axes, strict=True)
    found = [axis_role(name, unit) for name, unit in zip(names, units, strict=True)]
    return flagged_roles(names, found, marks)


@pytest.mark.parametrize(
    ("axes", "expected", "stack"),
    [
        # As HyperSpy itself, TIA and Bruker write spectra on a grid.
        ([("y", "nm", NAV), ("x", "nm", NAV), ("Energy", "eV", SIG)], "space space signal", False),
        ([("height", "µm", NAV), ("width", "µm", NAV), ("Energy", "keV", SIG)], "space space signal", False),
        ([("", "", NAV), ("", "", NAV), ("Energy", "eV", SIG)], "space space signal", False),
        # As DigitalMicrograph's spectra on a grid are read: the energy is marked as navigation.
        ([("Energy loss", "eV", NAV), ("y", "nm", SIG), ("x", "nm", SIG)], "signal space space", True),
        ([("Wavelength", "nm", NAV), ("y", "µm", SIG), ("x", "µm", SIG)], "signal space space", True),
        ([("Energy", "eV", NAV), ("", "", SIG), ("", "", SIG)], "signal space space", True),
        # Lines of spectra and of patterns.
        ([("x", "µm", NAV), ("Wavelength", "nm", SIG)], "space signal", False),
        ([("x", "nm", NAV), ("", "", SIG), ("", "", SIG)], "space signal signal", False),
        ([("x", "nm", NAV), ("kx", "1/nm", SIG), ("ky", "1/nm", SIG)], "space signal signal", False),
        # Patterns on a grid, with and without names; a detector whose pixels have a length.
        ([("", "", NAV), ("", "", NAV), ("", "", SIG), ("", "", SIG)], "space space signal signal", False),
        (
            [("y", "nm", NAV), ("x", "nm", NAV), ("y", "mm", SIG), ("x", "mm", SIG)],
            "space space signal signal",
            False,
        ),
        # Stacks of images, of channels, times and slices.
        ([("", "", NAV), ("y", "nm", SIG), ("x", "nm", SIG)], "channel space space", True),
        ([("z", "", NAV), ("y", "", SIG), ("x", "", SIG)], "channel space space", True),
        ([("z", "nm", NAV), ("y", "nm", SIG), ("x", "nm", SIG)], "channel space space", True),
        ([("Time", "s", NAV), ("y", "pm", SIG), ("x", "pm", SIG)], "signal space space", True),
    ],
)
def test_names_and_units_tell_places_and_marks_tell_the_rest(axes, expected, stack):
    found, images, _ = roles(*axes)
    assert " ".join(found) == expected
    assert images == stack


def test_marks_against_names_are_told():
    _, _, note = roles(("Energy", "eV", NAV), ("y", "nm", SIG), ("x", "nm", SIG))
    assert (
        note == "flags Energy as navigation; by name and unit, y, x are read as places, Energy as the signal"
    )
    assert not roles(("y", "nm", NAV), ("x", "nm", NAV), ("Energy", "eV", SIG))[2]


def test_a_grid_of_hyperspy_is_known_by_its_content_whatever_it_is_called(tmp_path):
    pytest.importorskip("rsciio")
    same(read_spectrum_image(write_hyperspy(tmp_path / "A.HSPY", ("x", "energy", "y"))))
    same(read_spectrum_image(write_hyperspy(tmp_path / "a.hdf5", ("energy", "y", "x"))))


def test_a_grid_whose_energy_is_marked_as_navigation_is_read_and_told(tmp_path):
    pytest.importorskip("rsciio")
    path = write_hyperspy(tmp_path / "a.hspy", ("energy", "y", "x"), navigate=(True, False, False))
    found = read_spectrum_image(path)
    same(found)
    assert "grid flags energy as navigation" in notes_of(found)[0]


def test_units_of_y_and_x_that_differ_are_converted(tmp_path):
    pytest.importorskip("rsciio")
    y = {"units": "µm", "offset": 0.01, "scale": 0.002}
    same(read_spectrum_image(write_hyperspy(tmp_path / "a.hspy", ("y", "x", "energy"), y=y)))


def line(**attributes):
    return {"navigate": False, "units": "", "name": "", "offset": 0.0, "scale": 1.0, **attributes}


def test_a_line_of_patterns_is_no_image_until_it_is_asked_for_as_one(tmp_path):
    pytest.importorskip("rsciio")
    patterns = np.random.default_rng(0).normal(size=(20, 16, 16)).astype(np.float32)
    axes = [line(name="x", units="nm", scale=2.0, size=20, navigate=True), line(size=16), line(size=16)]
    path = write_signals(tmp_path / "a.hspy", patterns=(patterns, axes))
    found = read_spectrum_image(path)
    np.testing.assert_array_equal(found["spectra"], patterns)
    np.testing.assert_array_equal(found["position"], 2.0 * np.arange(20)[:, None])
    assert found["coordinate"].values.tolist() == ["x"]
    with pytest.raises(FileError, match="contains no image; it contains patterns"):
        read_image(path)
    image = read_image(path, image="patterns")
    np.testing.assert_array_equal(image["image"], patterns)
    assert image["channel"].values[1] == "x 2 nm"


def test_a_stack_of_images_without_a_name_for_their_number_is_an_image_of_channels(tmp_path):
    pytest.importorskip("rsciio")
    stack = np.random.default_rng(0).normal(size=(5, 16, 12)).astype(np.float32)
    axes = [
        line(size=5, navigate=True),
        line(name="y", units="nm", size=16),
        line(name="x", units="nm", size=12),
    ]
    found = read_image(write_signals(tmp_path / "a.hspy", stack=(stack, axes)))
    np.testing.assert_array_equal(found["image"], stack)


def test_several_grids_in_a_file_are_listed_and_chosen_by_name(tmp_path):
    pytest.importorskip("rsciio")
    axes = [
        line(name="y", size=4, navigate=True),
        line(name="x", size=5, navigate=True),
        line(name="E", units="eV", size=6),
    ]
    path = write_signals(tmp_path / "a.hspy", eels=(CUBE, axes), cl=(-CUBE, axes))
    with pytest.raises(
        FileError, match=r"may be the spectra: cl \(4 x 5 x 6\), eels \(4 x 5 x 6\); choose one with"
    ):
        read_spectrum_image(path)
    np.testing.assert_array_equal(read_spectrum_image(path, spectra="cl")["spectra"], -CUBE.reshape(20, 6))


class Reader:
    """A reader of RosettaSciIO that gives what a test says."""

    def __init__(self, *signals):
        self.signals = signals

    def file_reader(self, *_, **__):
        return list(self.signals)


def signal(title, data, *axes):
    described = [
        {"name": name, "units": unit, "size": size, "navigate": mark, "offset": 0.0, "scale": 1.0}
        for (name, unit, mark), size in zip(axes, data.shape, strict=True)
    ]
    return {"data": data, "axes": described, "metadata": {"General": {"title": title}}}


@pytest.fixture
def read_as(tmp_path, monkeypatch):
    """Read signals as if a reader had given them, without the process of its own."""
    pytest.importorskip("rsciio")

    def read(reader, how, **options):
        path = tmp_path / "map.wdf"
        path.write_bytes(b"WDF1")
        monkeypatch.setattr(rosettasciio_worker, "guard_files", lambda _: None)
        monkeypatch.setattr(rosettasciio_worker, "import_module", lambda _: reader)
        monkeypatch.setattr(
            rosettasciio,
            "answer_apart",
            lambda _, request, *__, **___: rosettasciio_worker._read(request, b""),
        )
        return how(path, **options)

    return read


def test_the_white_light_picture_of_a_raman_map_is_left_out_with_a_note(read_as):
    """As RosettaSciIO gives a Renishaw map: records of red, green and blue beside the spectra."""
    picture = np.zeros((12, 16), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    picture["R"] = 200
    space = (("Y", "µm", False), ("X", "µm", False))
    raman = signal("map", CUBE, ("Y", "µm", True), ("X", "µm", True), ("Raman Shift", "1/cm", False))
    reader = Reader(raman, signal("WHITE LIGHT", picture, *space))
    found = read_as(reader, read_spectrum_image)
    np.testing.assert_array_equal(found["spectra"], CUBE.reshape(20, 6))
    assert found["Raman Shift"].attrs["units"] == "1/cm"
    assert "image" not in found
    assert "the colour picture 'WHITE LIGHT' is skipped" in notes_of(found)[0]
    found = read_as(reader, read_spectrum_image, image="WHITE LIGHT", luminance=True)
    np.testing.assert_allclose(found["image"], 200 * 0.299, rtol=1e-5)


def test_records_are_named_where_they_are_asked_for(read_as):
    records = np.zeros((9, 9), [("amplitude", "f4"), ("frequency", "f4")])
    with pytest.raises(FileError, match="fit contains records of amplitude, frequency; save one of them"):
        read_as(Reader(signal("fit", records, ("y", "nm", False), ("x", "nm", False))), read_image)


def test_a_package_that_a_reader_lacks_is_named(read_as):
    class Lacking:
        def file_reader(self, *_, **__):
            raise ModuleNotFoundError("No module named 'skimage'", name="skimage")

    with pytest.raises(
        MissingExtraError, match="the package scikit-image is not installed; pip install scikit-im"
    ):
        read_as(Lacking(), read_image)
