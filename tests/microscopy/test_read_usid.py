"""Tables of pycroscopy (USID) are grids of spectra, lists of places, or images; never an image of places and steps."""

import h5py
import numpy as np
import pytest
from tests.microscopy.grids import CUBE, ENERGY, X, Y, same, write_usid

from nescio.errors import FileError
from nescio.microscopy import read_image, read_spectrum_image

pytestmark = pytest.mark.usefixtures("unprobed")

MAIN = "Measurement_000/Channel_000/Raw_Data"


@pytest.mark.parametrize("fastest", ["x", "y"])
def test_a_table_is_a_grid_of_spectra_whichever_place_comes_first(tmp_path, fastest):
    found = read_spectrum_image(write_usid(tmp_path / "a.h5", fastest=fastest))
    same(found, axis="Energy")
    assert found["spectra"].attrs["units"] == "V"
    with pytest.raises(FileError, match="contains no image"):
        read_image(tmp_path / "a.h5")


def test_places_that_fill_no_grid_are_a_list_with_their_coordinates(tmp_path):
    found = read_spectrum_image(write_usid(tmp_path / "a.h5", kept=13))
    np.testing.assert_array_equal(found["spectra"], CUBE.reshape(20, 6)[:13])
    np.testing.assert_allclose(found["position"].values[12], [Y[2], X[2]])


def test_places_a_little_off_their_grid_keep_their_own_coordinates(tmp_path):
    path = write_usid(tmp_path / "a.h5")
    with h5py.File(path, "a") as file:
        file["Measurement_000/Channel_000/Position_Values"][7, 0] += 0.01
    found = read_spectrum_image(path)
    np.testing.assert_allclose(found["position"].values[7], [Y[1], X[2] + 0.01])
    np.testing.assert_array_equal(found["spectra"], CUBE.reshape(20, 6))


def test_a_bias_that_rises_and_falls_in_cycles_is_kept_in_its_order(tmp_path):
    path = write_usid(tmp_path / "a.h5")
    with h5py.File(path, "a") as file:
        group = file["Measurement_000/Channel_000"]
        for name in ("Spectroscopic_Indices", "Spectroscopic_Values"):
            del group[name]
        group["Spectroscopic_Indices"] = [[0, 1, 2, 0, 1, 2], [0, 0, 0, 1, 1, 1]]
        group["Spectroscopic_Values"] = [[0.0, 5.0, 0.0, 0.0, 5.0, 0.0], [0, 0, 0, 1, 1, 1]]
        for name in ("Spectroscopic_Indices", "Spectroscopic_Values"):
            group[name].attrs["labels"] = np.array(["Bias", "Cycle"], dtype="S")
            group[name].attrs["units"] = np.array(["V", ""], dtype="S")
            file[MAIN].attrs[name] = group[name].ref
    found = read_spectrum_image(path)
    assert found["spectra"].dims == ("candidate", "Bias", "Cycle")
    np.testing.assert_array_equal(found["Bias"], [0.0, 5.0, 0.0])
    np.testing.assert_array_equal(found["spectra"].values[3, :, 1], CUBE.reshape(20, 6)[3, 3:])


def test_a_table_of_one_step_is_an_image(tmp_path):
    rng = np.random.default_rng(0)
    path = write_usid(tmp_path / "a.h5")
    y, x = np.meshgrid(np.arange(9) * 0.5, np.arange(12) * 0.25, indexing="ij")
    height = rng.normal(size=(9, 12)).astype(np.float32)
    with h5py.File(path, "w") as file:
        main = file.create_dataset("Height", data=height.reshape(-1, 1))
        for name, values in (
            ("Position_Indices", np.stack([x.ravel() * 4, y.ravel() * 2], axis=1)),
            ("Position_Values", np.stack([x.ravel(), y.ravel()], axis=1)),
            ("Spectroscopic_Indices", [[0]]),
            ("Spectroscopic_Values", [[0]]),
        ):
            file[name] = values
            file[name].attrs["labels"] = np.array(["X", "Y"] if "Pos" in name else ["arb."], dtype="S")
            file[name].attrs["units"] = np.array(["um", "um"] if "Pos" in name else [""], dtype="S")
            main.attrs[name] = file[name].ref
    found = read_image(path)
    np.testing.assert_array_equal(found["image"].values[0], height)
    assert found["y"].values[1] == 0.5
    assert found["x"].attrs["units"] == "um"


def test_tables_that_do_not_fit_are_refused(tmp_path):
    path = write_usid(tmp_path / "a.h5")
    with h5py.File(path, "a") as file:
        file["other"] = np.zeros((7, 2))
        file[MAIN].attrs["Position_Values"] = file["other"].ref
    with pytest.raises(FileError, match=r"Position_Values \(7, 2\) does not fit .*Raw_Data \(20, 6\)"):
        read_spectrum_image(path)
    assert ENERGY.size == 6
