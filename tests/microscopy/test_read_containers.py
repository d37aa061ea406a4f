"""Images and spectra in NeXus, NSID, netCDF, and in microscopes' own formats, with their axes and units."""

from enum import Enum

import h5py
import numpy as np
import pytest

from nescio.errors import FileError, MeasurementError, MissingExtraError
from nescio.microscopy import from_sidpy, image_dataset, read_image, read_spectrum_image

RANDOM = np.random.default_rng(0)
IMAGE = RANDOM.normal(size=(20, 30))
CUBE = RANDOM.normal(size=(9, 10, 6))
ENERGY = np.linspace(200.0, 210.0, 6)


def nexus(path, signal, axes, default=True, **others):
    """Write an NXdata; `axes` maps names to values and unit."""
    with h5py.File(path, "w") as file:
        data = file.create_group("entry/map")
        data.attrs.update({"NX_class": "NXdata", "signal": "counts", "axes": list(axes)})
        data["counts"] = signal
        data["counts"].attrs["units"] = "V"
        for name, (values, unit) in axes.items():
            data[name] = values
            data[name].attrs["units"] = unit
        if default:
            file.attrs["default"] = "entry"
            file["entry"].attrs["default"] = "map"
        for name, values in others.items():
            file[name] = values
    return path


def nsid(path, **data):
    """Write as pyNSID does; each value is an array and, for every dimension, name, unit and type."""
    with h5py.File(path, "w") as file:
        for number, (name, (values, dimensions)) in enumerate(data.items()):
            group = file.create_group(f"Measurement_000/Channel_{number:03d}/{name}")
            group[name] = values
            group[name].attrs.update({"units": "counts", "quantity": "intensity", "main_data_name": name})
            for index, (dimension, unit, kind) in enumerate(dimensions):
                group[dimension] = np.arange(values.shape[index]) * 0.5
                group[dimension].attrs.update({"name": dimension, "units": unit, "dimension_type": kind})
                group[dimension].make_scale(dimension)
                group[name].dims[index].label = dimension
                group[name].dims[index].attach_scale(group[dimension])
    return path


def test_the_default_data_of_a_nexus_file_is_the_image_with_its_axes(tmp_path):
    path = nexus(
        tmp_path / "a.nxs",
        IMAGE,
        {"sample_y": (np.arange(20) * 2.0 + 5.0, "nm"), "sample_x": (np.arange(30) * 4.0, "nm")},
        other=IMAGE,
    )
    found = read_image(path)
    np.testing.assert_allclose(found["image"].values[0], IMAGE, rtol=1e-6)
    assert found["y"].values[[0, 1]].tolist() == [5.0, 7.0]
    assert found["x"].attrs["units"] == "nm"
    assert found["channel"].values.tolist() == ["counts"]
    assert found["image"].attrs["units"] == "V"


def test_what_the_user_says_of_pixels_counts_over_the_file(tmp_path, unprobed):
    path = nexus(tmp_path / "a.nxs", IMAGE, {"y": (np.arange(20) ** 2, "nm"), "x": (np.arange(30), "um")})
    with pytest.raises(FileError, match="y is not evenly spaced: give pixel_size and unit"):
        read_image(path)
    assert read_image(path, pixel_size=0.1, unit="um")["y"].values[1] == 0.1


def test_any_dataset_of_a_plain_file_is_found_by_its_path(tmp_path, unprobed):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["scan/height"] = IMAGE
        file["scan/phase"] = -IMAGE
        file["second/height"] = IMAGE + 1
        file["scan/complex"] = IMAGE + 1j
        file["elsewhere"] = h5py.ExternalLink("b.h5", "/height")
    assert float(read_image(tmp_path / "a.h5", image="second/height")["image"][0, 0, 0]) == pytest.approx(
        IMAGE[0, 0] + 1
    )
    assert read_image(tmp_path / "a.h5", image=("/scan/height", "phase"))["channel"].values.tolist() == [
        "height",
        "phase",
    ]
    with pytest.raises(FileError, match=r"'height' is ambiguous: scan/height .*second/height .*full name"):
        read_image(tmp_path / "a.h5", image="height")
    with pytest.raises(FileError, match="several arrays may be the image"):
        read_image(tmp_path / "a.h5")
    with pytest.raises(FileError, match="complex"):
        read_image(tmp_path / "a.h5", image="complex")
    with pytest.raises(FileError, match="no array 'elsewhere'"):
        read_image(tmp_path / "a.h5", image="elsewhere")


def test_an_absurd_image_is_refused_unread(tmp_path, unprobed):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("image", shape=(10**6, 10**6), chunks=(1000, 1000), dtype="f4")
    with pytest.raises(FileError, match="needs 1 to"):
        read_image(tmp_path / "a.h5")


def test_a_cut_hdf5_file_is_told(tmp_path):
    path = nexus(tmp_path / "a.nxs", IMAGE, {"y": (np.arange(20), "nm"), "x": (np.arange(30), "nm")})
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(FileError, match=r"a.nxs: is (damaged|not a readable HDF5 file)"):
        read_image(path)


def test_a_spectrum_image_of_a_nexus_file_knows_places_from_energies(tmp_path, unprobed):
    # Energies come first here: the order of dimensions does not matter where axes say what they are.
    path = nexus(
        tmp_path / "a.nxs",
        np.moveaxis(CUBE, 2, 0),
        {"energy": (ENERGY, "eV"), "y": (np.arange(9) * 2.0, "nm"), "x": (np.arange(10) * 3.0, "nm")},
    )
    found = read_spectrum_image(path)
    assert found["spectra"].dims == ("candidate", "energy")
    np.testing.assert_array_equal(found["spectra"].values[2 * 10 + 3], CUBE[2, 3])
    np.testing.assert_array_equal(found["position"].values[2 * 10 + 3], [4.0, 9.0])
    assert found["energy"].attrs["units"] == "eV"
    assert found["spectra"].attrs["units"] == "V"
    assert "image" not in found


def test_nsid_files_are_read_with_y_before_x(tmp_path, unprobed):
    space = [("x", "nm", "SPATIAL"), ("y", "nm", "SPATIAL")]
    path = nsid(
        tmp_path / "a.h5",
        haadf=(CUBE[..., 0], space),
        eels=(CUBE, [*space, ("loss", "eV", "SPECTRAL")]),
    )
    image = read_image(path)
    np.testing.assert_allclose(image["image"].values[0], CUBE[..., 0].T, rtol=1e-6)
    assert image["channel"].values.tolist() == ["haadf"]
    found = read_spectrum_image(path)
    np.testing.assert_array_equal(found["spectra"].values[3 * 9 + 2], CUBE[2, 3])
    np.testing.assert_array_equal(found["position"].values[3 * 9 + 2], [1.5, 1.0])
    assert found["loss"].attrs["units"] == "eV"
    np.testing.assert_array_equal(found["image"], image["image"])


def test_a_survey_saved_as_netcdf_is_read_back(tmp_path, unprobed):
    survey = image_dataset({"a": IMAGE, "b": -IMAGE}, pixel_size=2.0, unit="nm", origin=(4.0, 0.0))
    survey = survey.assign(
        position=(("candidate", "coordinate"), [[8.0, 4.0], [10.0, 6.0]], {"units": "nm"}),
        spectra=(("candidate", "energy"), CUBE[0, :2]),
    ).assign_coords(coordinate=["y", "x"], energy=ENERGY)
    survey.to_netcdf(tmp_path / "survey.nc", engine="h5netcdf")
    image = read_image(tmp_path / "survey.nc")
    for name in ("image", "y", "x", "channel", "position"):
        np.testing.assert_array_equal(image[name], survey[name])
    found = read_spectrum_image(tmp_path / "survey.nc")
    np.testing.assert_array_equal(found["spectra"], survey["spectra"])
    np.testing.assert_array_equal(found["position"], survey["position"])


class Kind(Enum):
    SPATIAL = 1
    SPECTRAL = 3
    CHANNEL = 5


class Dimension:
    def __init__(self, name, points, units, kind):
        self.name, self.units, self.dimension_type = name, units, kind
        self.values = np.arange(points) * 0.5


class Sid(np.ndarray):
    """The attributes of ``sidpy.Dataset`` that are looked at."""

    title = "eels"
    units = "counts"


def sid(values, *dimensions):
    dataset = np.asarray(values).view(Sid)
    for number, (name, units, kind) in enumerate(dimensions):
        setattr(dataset, f"dim_{number}", Dimension(name, values.shape[number], units, kind))
    return dataset


PLACES = (("x", "nm", Kind.SPATIAL), ("y", "nm", Kind.SPATIAL))


def test_sidpy_datasets_become_images_or_spectra_by_their_dimensions():
    image = from_sidpy(sid(CUBE[..., 0], *PLACES))
    np.testing.assert_allclose(image["image"].values[0], CUBE[..., 0].T, rtol=1e-6)
    assert image["y"].values[1] == 0.5
    stack = from_sidpy(sid(CUBE, *PLACES, ("detector", "generic", Kind.CHANNEL)))
    assert stack["image"].shape == (6, 10, 9)
    spectra = from_sidpy(sid(CUBE, *PLACES, ("loss", "eV", Kind.SPECTRAL)))
    np.testing.assert_array_equal(spectra["spectra"].values[3 * 9 + 2], CUBE[2, 3])
    assert spectra["spectra"].attrs["units"] == "counts"


def test_what_is_no_sidpy_dataset_is_told():
    with pytest.raises(MeasurementError, match=r"dimension 0 of 2 has no description \(dim_0\)"):
        from_sidpy(IMAGE)
    short = sid(CUBE[..., 0], *PLACES)
    short.dim_1.values = np.arange(3.0)
    with pytest.raises(MeasurementError, match="y has 3 values for 10 points"):
        from_sidpy(short)
    with pytest.raises(FileError, match="complex"):
        from_sidpy(sid(CUBE[..., 0] * 1j, *PLACES))


def test_real_sidpy_datasets_are_understood():
    sidpy = pytest.importorskip("sidpy")
    dataset = sidpy.Dataset.from_array(CUBE, title="eels")
    for number, (name, units, kind) in enumerate((*PLACES, ("loss", "eV", Kind.SPECTRAL))):
        dimension = sidpy.Dimension(
            np.arange(CUBE.shape[number]) * 0.5,
            name=name,
            units=units,
            quantity="q",
            dimension_type=kind.name.lower(),
        )
        dataset.set_dimension(number, dimension)
    found = from_sidpy(dataset)
    np.testing.assert_array_equal(found["spectra"].values[3 * 9 + 2], CUBE[2, 3])
    assert found["loss"].attrs["units"] == "eV"


def hyperspy(path, values, *axes):
    """Write a signal of HyperSpy; each axis is name, unit, scale, and whether one navigates by it."""
    hspy = pytest.importorskip("rsciio.hspy")
    described = [
        {"_type": "UniformDataAxis", "name": name, "units": unit, "navigate": navigate}
        | {"scale": scale, "offset": 1.0, "size": size}
        for (name, unit, scale, navigate), size in zip(axes, values.shape, strict=True)
    ]
    metadata = {"General": {"title": "survey"}, "Signal": {"quantity": "Counts (e)"}}
    empty = ("original_metadata", "package_info", "learning_results", "tmp_parameters", "models")
    document = {
        "data": values,
        "axes": described,
        "metadata": metadata,
        "attributes": {"_lazy": False},
        **{key: {} for key in empty},
    }
    hspy.file_writer(str(path), document)
    return path


def test_images_of_hyperspy_are_read_with_their_axes(tmp_path, unprobed):
    path = hyperspy(tmp_path / "a.hspy", IMAGE, ("y", "nm", 0.1, False), ("x", "nm", 0.2, False))
    found = read_image(path)
    np.testing.assert_allclose(found["image"].values[0], IMAGE, rtol=1e-6)
    np.testing.assert_allclose(found["x"].values[:2], [1.0, 1.2])
    assert found["y"].attrs["units"] == "nm"
    assert found["image"].attrs["units"] == "e"


def test_spectrum_images_of_hyperspy_are_read_by_what_one_navigates(tmp_path, unprobed):
    path = hyperspy(
        tmp_path / "a.hspy",
        CUBE,
        ("y", "nm", 0.1, True),
        ("x", "nm", 0.2, True),
        ("Energy loss", "eV", 2.0, False),
    )
    found = read_spectrum_image(path)
    np.testing.assert_array_equal(found["spectra"].values[13], CUBE[1, 3])
    np.testing.assert_allclose(found["position"].values[13], [1.1, 1.6])
    np.testing.assert_allclose(found["Energy loss"].values[:2], [1.0, 3.0])


@pytest.mark.parametrize("suffix", [".prz", ".mrcz"])
def test_formats_that_can_execute_something_are_not_read(tmp_path, suffix):
    pytest.importorskip("rsciio")
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"something")
    with pytest.raises(FileError, match="could execute code from the file"):
        read_image(path)


def test_a_damaged_file_of_a_microscope_is_told(tmp_path):
    pytest.importorskip("rsciio")
    (tmp_path / "a.dm4").write_bytes(b"something")
    with pytest.raises(FileError, match=r"a.dm4: cannot be read \(DigitalMicrograph"):
        read_image(tmp_path / "a.dm4")


def test_without_rosettasciio_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "rsciio", None)
    (tmp_path / "a.dm4").write_bytes(b"something")
    with pytest.raises(MissingExtraError, match=r"pip install nescio\[hyperspy\]"):
        read_image(tmp_path / "a.dm4")
