"""A grid of spectra is the same dataset in whatever order and form it is stored; what is contradictory is told."""

import h5py
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.microscopy.grids import (
    CUBE,
    ENERGY,
    ORDERS,
    UNITS,
    VALUES,
    X,
    Y,
    ordered,
    same,
    write_emd,
    write_netcdf,
    write_nexus,
    write_npz,
)

from nescio.errors import FileError
from nescio.microscopy import read_image, read_spectrum_image
from nescio.signals import notes_of

pytestmark = pytest.mark.usefixtures("unprobed")


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("how", ["new", "old", "oldest"])
def test_nexus_of_every_age_in_any_order_is_the_same_grid(tmp_path, order, how):
    same(read_spectrum_image(write_nexus(tmp_path / "a.nxs", order, how)))


@pytest.mark.parametrize("order", ORDERS)
def test_netcdf_and_emd_in_any_order_are_the_same_grid(tmp_path, order):
    same(read_spectrum_image(write_netcdf(tmp_path / "a.nc", order)))
    same(read_spectrum_image(write_emd(tmp_path / "a.h5", order)))


@pytest.mark.parametrize("order", ORDERS)
def test_netcdf_3_is_read_alike(tmp_path, order):
    array = xr.DataArray(
        ordered(order), {name: (name, VALUES[name], {"units": UNITS[name]}) for name in order}, order
    )
    packed = {"dtype": "int32", "scale_factor": 1e-8, "_FillValue": -(2**31)}
    array.to_dataset(name="spectra").to_netcdf(
        tmp_path / "a.nc", engine="scipy", encoding={"spectra": packed}
    )
    found = read_spectrum_image(tmp_path / "a.nc")
    np.testing.assert_allclose(found["spectra"], CUBE.reshape(20, 6), atol=1e-8)
    same(found.assign(spectra=found["spectra"].copy(data=CUBE.reshape(20, 6))))


@pytest.mark.parametrize("order", ORDERS)
def test_bare_arrays_are_matched_by_name_and_number_of_points(tmp_path, order):
    found = read_spectrum_image(write_npz(tmp_path / "a.npz", order))
    same(found, unit="pixel")
    assert "have no unit; pixels are assumed" in notes_of(found)[0]
    same(read_spectrum_image(tmp_path / "a.npz", unit="nm"))
    same(read_spectrum_image(write_npz(tmp_path / "a.npz", order, x="x_nm", y="y_nm", energy="energy_ev")))


def test_names_of_a_program_s_own_are_understood(tmp_path):
    for x, y in (
        ("sample_x", "sample_y"),
        ("R_x", "R_y"),
        ("column", "row"),
        ("width", "height"),
        ("xaxis", "yaxis"),
    ):
        same(read_spectrum_image(write_netcdf(tmp_path / "a.nc", ("x", "energy", "y"), x=x, y=y)))


def test_the_conventions_of_cf_count_more_than_names(tmp_path):
    write_netcdf(tmp_path / "a.nc", ("energy", "x", "y"), x="easting", y="northing")
    with h5py.File(tmp_path / "a.nc", "a") as file:
        file["easting"].attrs["axis"] = "X"
        file["northing"].attrs["standard_name"] = "projection_y_coordinate"
    same(read_spectrum_image(tmp_path / "a.nc"))


@settings(max_examples=25, deadline=None)
@given(
    order=st.permutations(["y", "x", "kx", "ky"]),
    sizes=st.lists(st.integers(2, 5), min_size=4, max_size=4),
    seed=st.integers(0, 100),
)
def test_patterns_on_a_grid_are_the_same_in_any_order(tmp_path_factory, order, sizes, seed):
    names = ("y", "x", "ky", "kx")
    values = np.random.default_rng(seed).normal(size=sizes)
    array = xr.DataArray(
        values,
        {
            name: (name, np.arange(size) * 0.5, {"units": "nm" if len(name) == 1 else "1/nm"})
            for name, size in zip(names, sizes, strict=True)
        },
        names,
    )
    path = tmp_path_factory.getbasetemp() / "patterns.nc"
    array.transpose(*order).to_dataset(name="patterns").to_netcdf(path, engine="h5netcdf")
    found = read_spectrum_image(path, image=None)
    assert found["spectra"].dims == ("candidate", "ky", "kx")
    np.testing.assert_array_equal(found["spectra"].values.reshape(sizes), values)


def test_edges_of_bins_become_their_centres(tmp_path):
    path = write_nexus(tmp_path / "a.nxs", ("y", "x", "energy"))
    with h5py.File(path, "a") as file:
        del file["entry/data/energy"]
        file["entry/data/energy"] = np.append(ENERGY - 0.5, ENERGY[-1] + 0.5)
    same(read_spectrum_image(path))


def test_axes_listed_backwards_are_turned_around_and_that_is_told(tmp_path):
    path = write_nexus(tmp_path / "a.nxs", ("energy", "y", "x"))
    with h5py.File(path, "a") as file:
        file["entry/data"].attrs["axes"] = ["x", "y", "energy"]
    found = read_spectrum_image(path)
    same(found)
    assert notes_of(found)[0].endswith(
        "a.nxs: the attribute axes lists x, y, energy, but only the reverse order fits; it is used"
    )


def test_an_axis_that_fits_no_dimension_is_not_used_and_that_is_told(tmp_path):
    path = write_nexus(tmp_path / "a.nxs", ("y", "x", "energy"))
    with h5py.File(path, "a") as file:
        del file["entry/data/energy"]
        file["entry/data/energy"] = ENERGY[:3]
        file["entry/data/energy"].attrs["units"] = "eV"
    found = read_spectrum_image(path)
    assert "energy" not in found.coords
    assert "energy (3,) does not fit a dimension of 6 points" in notes_of(found)[0]


def test_places_with_coordinates_of_their_own_have_both(tmp_path):
    y, x = np.array([3.0, 1.0, 2.0, 7.0]), np.array([5.0, 9.0, 4.0, 4.0])
    with h5py.File(tmp_path / "a.nxs", "w") as file:
        group = file.create_group("entry/data")
        group.attrs.update(
            {"NX_class": "NXdata", "signal": "counts", "axes": ["x", "energy"]}
            | {"x_indices": 0, "y_indices": 0, "energy_indices": 1}
        )
        group["counts"] = CUBE[0, :4]
        for name, values, unit in (("x", x, "nm"), ("y", y / 1000, "um"), ("energy", ENERGY, "eV")):
            group[name] = values
            group[name].attrs["units"] = unit
    found = read_spectrum_image(tmp_path / "a.nxs")
    np.testing.assert_allclose(found["position"], np.stack([y, x], axis=1))
    assert found["position"].attrs["units"] == "nm"
    np.testing.assert_array_equal(found["spectra"], CUBE[0, :4])


@pytest.mark.parametrize("transposed", [False, True])
def test_a_warped_grid_has_the_coordinates_of_each_place(tmp_path, transposed):
    """As xarray writes coordinates along two dimensions."""
    y, x = np.meshgrid(Y, X, indexing="ij")
    y = y + 0.1 * x
    array = xr.DataArray(
        CUBE,
        {
            "y": (("row", "column"), y, {"units": "nm"}),
            "x": (("row", "column"), x, {"units": "nm"}),
            "energy": ("energy", ENERGY, {"units": "eV"}),
        },
        ("row", "column", "energy"),
    )
    if transposed:
        array = array.transpose("energy", "column", "row")
    array.to_dataset(name="spectra").to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    found = read_spectrum_image(tmp_path / "a.nc")
    np.testing.assert_allclose(found["position"], np.stack([y.ravel(), x.ravel()], axis=1))
    np.testing.assert_array_equal(found["spectra"], CUBE.reshape(20, 6))


@pytest.mark.parametrize("flat", [False, True])
def test_bare_lists_of_x_and_y_place_each_spectrum(tmp_path, flat):
    y, x = (one.ravel() for one in np.meshgrid(Y, X, indexing="ij"))
    spectra = CUBE.reshape(20, 6) if flat else CUBE
    np.savez(tmp_path / "a.npz", spectra=spectra, y_um=y / 1000, x_um=x / 1000, energy=ENERGY)
    found = read_spectrum_image(tmp_path / "a.npz", image=None)
    np.testing.assert_allclose(found["position"], np.stack([y, x], axis=1) / 1000)
    assert found["position"].attrs["units"] == "um"
    np.testing.assert_array_equal(found["energy"], ENERGY)


def test_of_two_lines_that_fit_the_one_called_like_an_axis_counts(tmp_path):
    dark = np.random.default_rng(0).normal(size=6)
    np.savez(tmp_path / "a.npz", spectra=CUBE, energy=ENERGY, dark=dark)
    np.testing.assert_array_equal(read_spectrum_image(tmp_path / "a.npz")["energy"], ENERGY)
    np.savez(tmp_path / "a.npz", spectra=CUBE, dark=dark)
    found = read_spectrum_image(tmp_path / "a.npz")
    assert found["spectra"].dims == ("candidate", "signal")
    assert "'dark' (6 points) is not monotonic and is not used as an axis" in notes_of(found)[0]
    np.savez(tmp_path / "a.npz", spectra=CUBE, energy=ENERGY, wavelength=1240 / ENERGY)
    with pytest.raises(
        FileError, match=r"'energy' and 'wavelength' may both be the axis with 6 points.*dimensions="
    ):
        read_spectrum_image(tmp_path / "a.npz")
    found = read_spectrum_image(tmp_path / "a.npz", dimensions=("wavelength",))
    np.testing.assert_array_equal(found["wavelength"], 1240 / ENERGY)


def test_two_rising_lines_without_a_telling_name_are_asked_about(tmp_path):
    np.savez(tmp_path / "a.npz", spectra=CUBE, first=ENERGY, second=ENERGY * 2)
    with pytest.raises(
        FileError, match="'first' and 'second' may each be the axis with 6 points; choose one with dim"
    ):
        read_spectrum_image(tmp_path / "a.npz")
    np.testing.assert_array_equal(
        read_spectrum_image(tmp_path / "a.npz", dimensions=("second",))["second"], ENERGY * 2
    )


def test_a_line_that_fits_several_dimensions_is_asked_about(tmp_path):
    np.savez(tmp_path / "a.npz", spectra=np.zeros((6, 6, 3)) + np.arange(3), energy=ENERGY)
    with pytest.raises(FileError, match=r"'energy' \(6 points\) fits dimensions 1 and 2"):
        read_spectrum_image(tmp_path / "a.npz")


def test_lengths_in_different_units_are_converted(tmp_path):
    path = write_nexus(tmp_path / "a.nxs", ("x", "y", "energy"))
    for y_unit, factor in (("um", 1e-3), ("Angstrom", 10.0), ("pm", 1e3), ("meters", 1e-9), ("cm", 1e-7)):
        with h5py.File(path, "a") as file:
            file["entry/data/y"][...] = Y * factor
            file["entry/data/y"].attrs["units"] = y_unit
        found = read_spectrum_image(path)
        unit = {"Angstrom": "angstrom", "pm": "pm"}.get(y_unit, "nm")
        scale = {"angstrom": 10.0, "pm": 1e3}.get(unit, 1.0)
        np.testing.assert_allclose(found["position"].values[6], np.array([Y[1], X[1]]) * scale)
        assert found["position"].attrs["units"] == unit


@pytest.mark.parametrize(("y", "message"), [("eV", "y is in eV, x is in nm"), (None, "y has no coordinate")])
def test_places_without_a_unit_in_common_are_refused_until_a_distance_is_given(tmp_path, y, message):
    path = write_nexus(tmp_path / "a.nxs", ("y", "x", "energy"))
    with h5py.File(path, "a") as file:
        if y is None:
            del file["entry/data/y"]
        else:
            file["entry/data/y"].attrs["units"] = y
            file["entry/data/y"].attrs["axis"] = "Y"
    with pytest.raises(FileError, match=f"places: {message}.*give pixel_size and unit"):
        read_spectrum_image(path)
    found = read_spectrum_image(path, pixel_size=(2.0, 3.0), unit="nm")
    np.testing.assert_allclose(found["position"].values[6] - found["position"].values[0], [2.0, 3.0])


def test_an_image_and_its_grid_in_different_units_are_brought_together(tmp_path):
    pixels = CUBE.ravel()[:108].reshape(9, 12)
    with h5py.File(tmp_path / "a.nxs", "w") as file:
        for name, axes, unit, values in (
            (
                "image",
                {"y": np.arange(9) * 0.01, "x": 0.02 + np.arange(12) * 0.01},
                "um",
                pixels,
            ),
            ("grid", VALUES, None, CUBE),
        ):
            group = file.create_group(f"entry/{name}")
            group.attrs.update({"NX_class": "NXdata", "signal": name, "axes": list(axes)})
            group[name] = values
            for axis, along in axes.items():
                group[axis] = along
                group[axis].attrs["units"] = unit or UNITS[axis]
    found = read_spectrum_image(tmp_path / "a.nxs")
    assert found["position"].attrs["units"] == found["y"].attrs["units"] == "um"
    np.testing.assert_allclose(found["position"].values[0], [0.010, 0.050])
    sized = read_spectrum_image(tmp_path / "a.nxs", pixel_size=10, unit="nm")
    np.testing.assert_allclose(sized["position"].values[0], [10.0, 50.0])
    np.testing.assert_allclose(sized["x"].values[:2], [20.0, 30.0])
    assert not notes_of(sized)


def test_pixel_size_keeps_origin_and_direction_or_says_that_it_drops_the_origin(tmp_path):
    path = tmp_path / "a.nxs"
    with h5py.File(path, "w") as file:
        group = file.create_group("entry/data")
        group.attrs.update({"NX_class": "NXdata", "signal": "image", "axes": ["y", "x"]})
        group["image"] = CUBE.ravel()[:108].reshape(9, 12)
        group["y"], group["x"] = 5.0 - 0.5 * np.arange(9), 1.0 + 0.5 * np.arange(12)
        for axis in "yx":
            group[axis].attrs["units"] = "um"
    found = read_image(path, pixel_size=250, unit="nm")
    np.testing.assert_allclose(found["y"].values[:2], [5000.0, 4750.0])
    np.testing.assert_allclose(found["x"].values[:2], [1000.0, 1250.0])
    counted = read_image(path, pixel_size=1, unit="pixel")
    np.testing.assert_allclose(counted["x"].values[:2], [0.0, 1.0])
    assert "its origin (y 5 um, x 1 um) is dropped" in notes_of(counted)[0]
    np.testing.assert_allclose(read_image(path, unit="nm")["x"].values[:2], [1000.0, 1500.0])
    with pytest.raises(FileError, match="y and x are in um, not in pixel"):
        read_image(path, unit="pixel")


def test_an_image_without_scale_takes_that_of_a_grid_with_as_many_places(tmp_path):
    values = np.random.default_rng(0).normal(size=(9, 10, 6))
    grid = xr.DataArray(
        values,
        {"y": ("y", np.arange(9) * 2.0, {"units": "nm"}), "x": ("x", np.arange(10) * 3.0, {"units": "nm"})},
        ("y", "x", "energy"),
    )
    image = xr.DataArray(values[..., 0], dims=("row", "column"))
    xr.Dataset({"spectra": grid, "image": image}).to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    found = read_spectrum_image(tmp_path / "a.nc")
    np.testing.assert_array_equal(found["x"], np.arange(10) * 3.0)
    assert "the image has no scale; that of the grid is used" in notes_of(found)[0]


def test_axes_of_bare_arrays_scale_an_image(tmp_path):
    height = np.arange(300.0).reshape(20, 15)
    np.savez(tmp_path / "a.npz", height=height, x_um=np.arange(15) * 0.5, y_um=np.arange(20) + 3.0)
    found = read_image(tmp_path / "a.npz")
    assert found["y"].values[0] == 3.0
    assert found["x"].values[1] == 0.5
    assert found["x"].attrs["units"] == "um"


def test_a_list_of_named_samples_is_a_list_of_places(tmp_path):
    xr.DataArray(
        CUBE[0], {"energy": ("energy", ENERGY, {"units": "eV"})}, ("sample", "energy"), name="spectra"
    ).to_dataset().to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    found = read_spectrum_image(tmp_path / "a.nc")
    assert found["coordinate"].values.tolist() == ["sample"]
    np.testing.assert_array_equal(found["spectra"], CUBE[0])


def test_several_images_beside_spectra_cost_the_image_and_a_note(tmp_path):
    np.savez(tmp_path / "a.npz", spectra=CUBE, first=np.zeros((20, 30)), second=np.zeros((20, 30)))
    found = read_spectrum_image(tmp_path / "a.npz")
    assert "image" not in found
    assert "several arrays may be the image: first (20 x 30), second (20 x 30)" in notes_of(found)[0]


def test_a_colour_picture_beside_spectra_is_left_out_with_a_note(tmp_path):
    photo = np.random.default_rng(0).integers(0, 255, (16, 20, 3)).astype(np.uint8)
    places = np.stack(np.meshgrid(range(4), range(5), indexing="ij"), axis=-1).reshape(-1, 2)
    np.savez(tmp_path / "a.npz", spectra=CUBE, photo=photo, pos=places)
    found = read_spectrum_image(tmp_path / "a.npz")
    assert "image" not in found
    assert "the colour picture 'photo' is skipped (image='photo', luminance=True" in notes_of(found)[0]
    found = read_spectrum_image(tmp_path / "a.npz", image="photo", luminance=True)
    np.testing.assert_allclose(found["image"].values[0], photo @ np.array([0.299, 0.587, 0.114]), rtol=1e-5)
    with pytest.raises(FileError, match="photo is in colour"):
        read_spectrum_image(tmp_path / "a.npz", image="photo")


def test_a_line_of_another_part_of_the_file_is_no_axis_unless_it_is_called_like_one(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["scan/spectra"] = CUBE
        file["motors/value_set"] = np.arange(6.0)
    assert read_spectrum_image(tmp_path / "a.h5")["spectra"].dims == ("candidate", "signal")
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file["axes/energy"] = ENERGY
    np.testing.assert_array_equal(read_spectrum_image(tmp_path / "a.h5")["energy"], ENERGY)
