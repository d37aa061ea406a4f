"""Packed numbers are unpacked, and those that stand for missing ones are missing (CF conventions)."""

import h5py
import numpy as np
import pytest
import xarray as xr

from nescio.errors import FileError
from nescio.microscopy import read_image, read_spectrum_image

pytestmark = pytest.mark.usefixtures("unprobed")

IMAGE = np.random.default_rng(0).integers(0, 800, (12, 10)) / 100.0


def packed(path, values, **attributes):
    """Write an image as it is stored, with attributes."""
    with h5py.File(path, "w") as file:
        file["image"] = values
        file["image"].attrs.update(attributes)
    return path


def test_what_xarray_packs_is_unpacked_with_its_axes(tmp_path):
    holed = IMAGE.copy()
    holed[2, 3] = np.nan
    axis = ("x", np.arange(10) * 0.25, {"units": "nm"})
    array = xr.DataArray(
        holed, {"x": axis, "y": ("y", np.arange(12.0), {"units": "nm"})}, ("y", "x"), "image"
    )
    packing = {"dtype": "int16", "scale_factor": 0.01, "add_offset": 4.0, "_FillValue": -32768}
    array.to_dataset().to_netcdf(
        tmp_path / "a.nc",
        engine="h5netcdf",
        encoding={"image": packing, "x": {"dtype": "uint8", "scale_factor": 0.25}},
    )
    with pytest.raises(FileError, match=r"row 2, column 3\) is nan .*missing = true"):
        read_image(tmp_path / "a.nc")
    found = read_image(tmp_path / "a.nc", missing=True)
    np.testing.assert_allclose(
        found["image"].values[0][found["valid"].values], holed[np.isfinite(holed)], rtol=1e-6
    )
    assert int((~found["valid"]).sum()) == 1
    np.testing.assert_array_equal(found["x"], np.arange(10) * 0.25)


def test_spectra_that_were_not_measured_are_missing(tmp_path):
    stored = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)
    stored[1, 2] = -1
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["spectra"] = stored
        file["spectra"].attrs.update({"_FillValue": np.int16(-1), "scale_factor": 0.5})
    found = read_spectrum_image(tmp_path / "a.h5")["spectra"].values
    assert np.isnan(found[7]).all()
    np.testing.assert_allclose(found[8], stored[1, 3] * 0.5)


@pytest.mark.parametrize(
    ("dtype", "attributes", "stored", "expected"),
    [
        ("i2", {"scale_factor": 0.5, "add_offset": -1.0}, [0, 4, -4], [-1.0, 1.0, -3.0]),
        ("i1", {"_Unsigned": "true", "scale_factor": 2.0}, [-1, 1], [510.0, 2.0]),
        ("i1", {"_Unsigned": "true", "_FillValue": np.int8(-1)}, [-1, 1], [np.nan, 1.0]),
        ("u1", {"_Unsigned": "false"}, [255, 1], [-1.0, 1.0]),
        ("i4", {"missing_value": np.array([-9, -8], "i4")}, [-9, -8, -7], [np.nan, np.nan, -7.0]),
        ("f4", {"missing_value": 1e20}, [1e20, 2.0], [np.nan, 2.0]),
        ("f4", {"_FillValue": np.float32(9.96921e36)}, [9.96921e36, 2.0], [np.nan, 2.0]),
        ("i8", {"_FillValue": np.int64(2**63 - 1)}, [2**63 - 1, 3], [np.nan, 3.0]),
        (
            "u2",
            {"valid_range": np.array([2, 9], "u2"), "scale_factor": 10.0},
            [1, 2, 9, 10],
            [np.nan, 20, 90, np.nan],
        ),
        (
            "u2",
            {"valid_min": 20.0, "valid_max": 90.0, "scale_factor": 10.0},
            [1, 2, 9, 10],
            [np.nan, 20, 90, np.nan],
        ),
        ("i2", {"valid_min": 0.0, "valid_max": 9.0, "scale_factor": -1.0}, [1, -2], [np.nan, 2.0]),
        (">i2", {"scale_factor": 0.25}, [1, -2], [0.25, -0.5]),
        ("i2", {"add_offset": 1e6, "scale_factor": 0.01}, [1, 2], [1000000.01, 1000000.02]),
        ("i2", {"scale_factor": np.float32(0.5)}, [1, 2], [0.5, 1.0]),
    ],
)
def test_every_attribute_does_what_the_conventions_say(tmp_path, dtype, attributes, stored, expected):
    values = np.resize(np.array(stored, dtype), (4, 8, 9, len(stored)))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["spectra"] = values
        file["spectra"].attrs.update(attributes)
    found = read_spectrum_image(tmp_path / "a.h5", navigation=2, image=None)["spectra"].values
    np.testing.assert_allclose(found[0, 0], expected, rtol=1e-9 if found.dtype == np.float64 else 1e-6)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"scale_factor": 0.0}, "scale_factor is 0"),
        ({"scale_factor": "two"}, "scale_factor is 'two'; it must be a number"),
        ({"valid_range": np.array([1.0])}, r"valid_range is .*; it must be 2 numbers"),
        ({"add_offset": np.nan}, "add_offset is .*; it must be a number"),
    ],
)
def test_impossible_packing_is_refused(tmp_path, attributes, message):
    with pytest.raises(FileError, match=message):
        read_image(packed(tmp_path / "a.h5", (IMAGE * 100).astype("i2"), **attributes))
