"""A replayed grid returns the measured spectra, and only at measured positions."""

import numpy as np
import pytest
import xarray as xr
from tests.microscopy.grids import (
    CUBE,
    ENERGY,
    X,
    Y,
    write_emd,
    write_hyperspy,
    write_netcdf,
    write_nexus,
    write_npz,
)

from nescio.configuration import validated
from nescio.errors import ConfigurationError, FileError, InstrumentError, RefusedPositionError
from nescio.explore.instruments import Instrument, ReplaySettings

FILM = {
    "kind": "replay",
    "path": "film.npz",
    "image": {"variable": "image", "channels": ["response"]},
    "positions": {"variables": ["pos"], "units": "pixel"},
    "spectra": {
        "variable": "loops",
        "dims": ["row", "column", "bias_step", "sweep"],
        "candidates": ["row", "column"],
        "axes": {
            "voltage": {"variable": "voltage", "dims": ["sweep", "bias_step"], "units": "V"},
            "sweep": {"start": 1},
        },
    },
}


def replay(document, folder=None, **changes):
    return validated(ReplaySettings, {**document, **changes}, "test").build(folder)


@pytest.fixture
def film(tmp_path):
    rng = np.random.default_rng(0)
    rows, columns = np.meshgrid([1, 4, 7], [2, 6], indexing="ij")
    arrays = {
        "image": rng.normal(size=(10, 9)).astype(np.float32),
        "loops": rng.normal(size=(3, 2, 5, 4)),
        "voltage": np.arange(20.0).reshape(4, 5),
        "pos": np.stack([rows.ravel(), columns.ravel()], axis=1),
    }
    np.savez(tmp_path / "film.npz", **arrays)
    return tmp_path, arrays


def test_every_place_gives_back_its_own_spectrum(film):
    folder, arrays = film
    instrument = replay(FILM, folder)
    assert isinstance(instrument, Instrument)
    for index, position in enumerate(instrument.survey()["position"].values):
        spectrum = instrument.measure(position)
        assert spectrum.dims == ("bias_step", "sweep")
        np.testing.assert_array_equal(spectrum.values, arrays["loops"].reshape(6, 5, 4)[index])


def test_a_coordinate_may_run_along_two_dimensions_and_sweeps_count_from_one(film):
    spectrum = replay(FILM, film[0]).measure(np.array([1.0, 2.0]))
    assert spectrum["voltage"].attrs["units"] == "V"
    third = spectrum.sel(sweep=3)["voltage"]
    np.testing.assert_array_equal(third.values, film[1]["voltage"][2])
    assert spectrum["sweep"].values.tolist() == [1, 2, 3, 4]


def test_half_way_to_the_next_place_is_refused(film):
    instrument = replay(FILM, film[0])
    near = instrument.measure(np.array([1.0, 3.4]))
    xr.testing.assert_identical(near, instrument.measure(np.array([1.0, 2.0])))
    for elsewhere in ([1.0, 3.6], [50.0, 2.0], [np.nan, 2.0], [1.0, 2.0, 3.0]):
        with pytest.raises(RefusedPositionError):
            instrument.measure(np.array(elsewhere))
    with pytest.raises(RefusedPositionError, match=r"nearest is \(1, 2\), 0\.1 away; the tolerance is 0\.05"):
        replay(FILM, film[0], tolerance=0.05).measure(np.array([1.0, 2.1]))


def test_what_a_measurement_is_changed_to_does_not_change_the_file(film):
    instrument = replay(FILM, film[0])
    instrument.measure(np.array([1.0, 2.0]))[:] = 0.0
    instrument.survey()["image"][:] = 0.0
    assert np.abs(instrument.measure(np.array([1.0, 2.0])).values).max() > 0.0


def test_positions_in_pixels_take_the_units_of_the_image(film):
    image = {"variable": "image", "step": [20.0, 10.0], "units": "nm"}
    survey = replay(FILM, film[0], image=image)
    survey = survey.survey()
    assert survey["y"].attrs["units"] == survey["position"].attrs["units"] == "nm"
    np.testing.assert_array_equal(survey["position"].values[1], [20.0, 60.0])
    with pytest.raises(FileError, match="positions are in um, but the image is in nm"):
        replay(FILM, film[0], image=image, positions={"variables": ["pos"], "units": "um"})


def test_columns_of_positions_may_stand_in_the_other_order(film):
    folder, arrays = film
    np.savez(folder / "film.npz", **{**arrays, "pos": arrays["pos"][:, ::-1]})
    positions = {"variables": ["pos"], "coordinates": ["x", "y"]}
    survey = replay(FILM, folder, positions=positions).survey()
    np.testing.assert_array_equal(survey["position"].values, arrays["pos"])


def test_a_spectrum_image_in_netcdf_needs_no_positions(tmp_path):
    energy = xr.DataArray(np.linspace(0.0, 2.0, 7), dims="energy", attrs={"units": "eV"})
    cube = xr.DataArray(
        np.arange(84.0).reshape(3, 4, 7),
        dims=("y", "x", "energy"),
        coords={"energy": energy, "y": ("y", [0.0, 5.0, 10.0], {"units": "nm"})},
        attrs={"units": "counts"},
    )
    xr.Dataset({"eels": cube, "adf": cube.sum("energy")}).to_netcdf(tmp_path / "cube.nc", engine="h5netcdf")
    instrument = replay(
        {
            "path": "cube.nc",
            "image": {"variable": "adf", "units": "nm"},
            "spectra": {"variable": "eels", "candidates": ["y", "x"]},
        },
        tmp_path,
    )
    spectrum = instrument.measure(np.array([5.0, 2.0]))
    np.testing.assert_array_equal(spectrum.values, cube.values[1, 2])
    assert spectrum.attrs["units"] == "counts"
    assert spectrum["energy"].attrs["units"] == "eV"
    assert instrument.survey()["image"].dims == ("channel", "y", "x")
    assert len(instrument.positions) == 12


def test_compositions_need_no_image(tmp_path):
    x = np.array([0.0, 0.1, 0.4, 1.0])
    np.savez(tmp_path / "library.npz", x=x, iron=1 - x, spectra=np.outer(x, np.ones(5)))
    instrument = replay(
        {
            "path": "library.npz",
            "positions": {"variables": ["x"], "coordinates": ["nickel"], "units": "1"},
            "features": {"variables": ["x", "iron"]},
            "spectra": {"variable": "spectra", "dims": ["sample", "channel"]},
        },
        tmp_path,
    )
    survey = instrument.survey()
    assert survey["feature"].values.tolist() == ["x", "iron"]
    np.testing.assert_allclose(survey["features"].values.sum(axis=1), 1.0)
    assert instrument.measure(np.array([0.4])).values.tolist() == [0.4] * 5
    with pytest.raises(RefusedPositionError):
        instrument.measure(np.array([0.25]))


def spectra_with(**changes):
    return {"spectra": {**FILM["spectra"], **changes}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (spectra_with(variable="loop"), r"no variable 'loop' \(known: image, loops, pos, voltage\)"),
        (spectra_with(dims=["row", "bias_step"]), "but dims are row, bias_step"),
        (spectra_with(dims=[]), "have no names"),
        (spectra_with(candidates=["line"]), "no dimension 'line'"),
        (
            spectra_with(axes={"voltage": {"variable": "voltage"}}),
            "coordinate voltage needs dimension 'voltage'",
        ),
        (
            spectra_with(axes={"voltage": {"variable": "voltage", "dims": ["bias_step", "sweep"]}}),
            "but voltage needs bias_step 5, sweep 4",
        ),
        ({"positions": {"variables": ["image"]}}, "9 columns, but 2 coordinates"),
        ({"image": {"variable": "loops"}}, "but dims are channel, y, x"),
        ({"image": {"variable": "image", "channels": ["a", "b"]}}, "1 channels, but 2 names"),
        ({"path": "other.npz"}, "no such file"),
    ],
)
def test_a_wrong_description_is_told(film, changes, message):
    with pytest.raises(FileError, match=message):
        replay(FILM, film[0], **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image": None}, "either an image or features"),
        ({"features": {"variables": ["pos"]}}, "either an image or features"),
        ({"positions": {"variables": ["pos"], "coordinates": ["y", "z"]}}, "not y, z"),
        ({"tolerance": 0.0}, "greater than 0"),
        ({"speed": 1}, "unknown key 'speed'"),
    ],
)
def test_an_impossible_description_is_refused(changes, message):
    with pytest.raises(ConfigurationError, match=message):
        replay(FILM, **changes)


def test_positions_that_cannot_tell_spectra_apart_are_refused(film):
    folder, arrays = film
    position = arrays["pos"].copy()
    position[4] = position[1]
    np.savez(folder / "film.npz", **{**arrays, "pos": position})
    with pytest.raises(InstrumentError, match="candidates 1 and 4 have the same position"):
        replay(FILM, folder)
    np.savez(folder / "film.npz", **{**arrays, "pos": position[:5]})
    with pytest.raises(InstrumentError, match="5 positions, but spectra"):
        replay(FILM, folder)
    position = arrays["pos"].astype(float)
    position[3, 0] = np.nan
    np.savez(folder / "film.npz", **{**arrays, "pos": position})
    with pytest.raises(InstrumentError, match=r"position 3 is not finite \(1 such positions\)"):
        replay(FILM, folder)


def test_nothing_pickled_is_opened(tmp_path):
    np.savez(tmp_path / "film.npz", image=np.array([{"a": 1}], dtype=object))
    with pytest.raises(FileError, match="Python objects are never loaded"):
        replay(FILM, tmp_path)
    (tmp_path / "film.nc").write_bytes(b"no netCDF")
    with pytest.raises(FileError, match="is not an HDF5 file"):
        replay(FILM, tmp_path, path="film.nc")


def test_the_real_film_is_described_in_full(data_folder):
    film = {**FILM, "path": "microscopy/vartbo_pto_beps.npz"}
    instrument = replay(film, data_folder)
    survey = instrument.survey()
    assert dict(survey.sizes) == {"channel": 1, "y": 256, "x": 256, "candidate": 3600, "coordinate": 2}
    with np.load(data_folder / film["path"], allow_pickle=False) as archive:
        loops, position = archive["loops"], archive["pos"]
    loop = instrument.measure(np.array(position[61], float))
    np.testing.assert_array_equal(loop.values, loops[1, 1])
    assert loop.sizes == {"bias_step": 64, "sweep": 3}
    assert float(np.abs(loop["voltage"]).max()) == pytest.approx(14.0)


def told(path, **options):
    return validated(ReplaySettings, {"path": path.name, **options}, "test").build(path.parent)


@pytest.mark.parametrize(
    "write", [write_nexus, write_netcdf, write_npz, write_emd], ids=lambda one: one.__name__[6:]
)
@pytest.mark.parametrize("order", [("y", "x", "energy"), ("energy", "x", "y")])
def test_a_file_that_says_what_is_what_needs_nothing_but_its_name(tmp_path, write, order):
    suffix = {write_nexus: ".NXS", write_netcdf: ".nc", write_npz: ".npz", write_emd: ".h5"}[write]
    instrument = told(write(tmp_path / f"grid{suffix}", order), unit="nm")
    spectrum = instrument.measure(np.array([Y[2], X[3]]))
    assert spectrum.dims == ("energy",)
    np.testing.assert_array_equal(spectrum.values, CUBE[2, 3])
    np.testing.assert_allclose(spectrum["energy"], ENERGY)
    survey = instrument.survey()
    assert survey["position"].attrs["units"] == "nm"
    assert "spectra" not in survey
    assert "energy" not in survey.coords


def test_hyperspy_s_own_files_are_replayed(tmp_path):
    pytest.importorskip("rsciio")
    instrument = told(write_hyperspy(tmp_path / "grid.HSPY", ("energy", "y", "x")))
    np.testing.assert_array_equal(instrument.measure(np.array([Y[1], X[4]])).values, CUBE[1, 4])


def test_options_of_the_file_mean_what_they_mean_in_python(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {
        "cl": rng.normal(size=(4, 5, 6)),
        "eels": rng.normal(size=(4, 5, 6)),
        "bf": rng.normal(size=(20, 30)),
        "df": rng.normal(size=(20, 30)),
        "pos": np.stack(np.mgrid[2:18:4, 3:28:5], axis=-1).reshape(-1, 2),
    }
    arrays["df"][3, 4] = np.nan
    np.savez(tmp_path / "a.npz", **arrays)
    path = tmp_path / "a.npz"
    with pytest.raises(
        FileError, match=r"may be the spectra: cl \(4 x 5 x 6\), eels \(4 x 5 x 6\); choose one with"
    ):
        told(path)
    options = {"dimensions": ["loss"], "pixel_size": [2.0, 0.5], "unit": "nm", "channels": ["BF", "ADF"]}
    instrument = told(path, spectra="eels", image=["bf", "df"], missing=True, **options)
    survey = instrument.survey()
    assert survey["channel"].values.tolist() == ["BF", "ADF"]
    assert not survey["valid"].values[3, 4]
    assert survey["position"].values[1].tolist() == [4.0, 4.0]
    assert instrument.measure(np.array([4.0, 4.0])).dims == ("loss",)
    bare = told(path, spectra="eels", image=False, navigation=2).survey()
    assert "image" not in bare


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (
            {"positions": {"variables": ["pos"]}},
            "positions is described by a table, so spectra must be a table too",
        ),
        ({**FILM, "navigation": 2}, "navigation is only allowed if spectra is not a table"),
        ({**FILM, "image": "response"}, "spectra are described by a table, so image must be a table too"),
        (
            {**FILM, "image": {"variable": "image", "unit": "nm"}},
            "image: unknown key 'unit'; known here: channels",
        ),
        ({"pixel_size": -1.0}, "greater than 0"),
        ({"reader": "raman"}, r"reader 'raman' of measured grids is not installed \(installed: microscopy\)"),
    ],
)
def test_options_and_tables_are_not_mixed(tmp_path, document, message):
    with pytest.raises(ConfigurationError, match=message):
        validated(ReplaySettings, {"path": "film.npz", **document}, "test").build(tmp_path)


def test_what_is_recorded_of_a_replay_is_read_back(tmp_path):
    for document in (FILM, {"path": "a.hspy", "image": False, "pixel_size": [1.0, 2.0]}, {"path": "a.nxs"}):
        settings = ReplaySettings.model_validate(document)
        assert ReplaySettings.model_validate_json(settings.model_dump_json()) == settings


@pytest.mark.parametrize("described", [False, True])
@pytest.mark.parametrize("dims", [("x", "y", "energy"), ("energy", "y", "x"), ("column", "energy", "row")])
def test_places_of_a_grid_are_y_before_x_however_they_are_stored(tmp_path, dims, described):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(9, 12, 7))
    order = [{"y": 0, "row": 0, "x": 1, "column": 1, "energy": 2}[name] for name in dims]
    image = xr.DataArray(values.sum(axis=2), dims=("y", "x"))
    spectra = xr.DataArray(np.transpose(values, order), dims=dims)
    xr.Dataset({"image": image, "spectra": spectra}).to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    places = [name for name in dims if name != "energy"]
    tables = {"image": {"variable": "image"}, "spectra": {"variable": "spectra", "candidates": places}}
    instrument = told(tmp_path / "a.nc", **(tables if described else {}))
    np.testing.assert_array_equal(instrument.measure(np.array([3.0, 5.0])).values, values[3, 5])
    np.testing.assert_allclose(instrument.survey()["image"].values[0], values.sum(axis=2), rtol=1e-6)


def test_a_coarse_grid_lies_where_its_own_coordinates_say(tmp_path):
    units = {"units": "nm"}
    image = xr.DataArray(
        np.ones((9, 12)), {"y": ("y", np.arange(9.0), units), "x": ("x", np.arange(12.0), units)}, ("y", "x")
    )
    grid = {"y": ("y", [2.0, 6.0], units), "x": ("x", [1.0, 5.0, 9.0], units)}
    values = np.arange(24.0).reshape(2, 3, 4)
    spectra = xr.DataArray(values, grid, ("y", "x", "energy"))
    image.to_dataset(name="image").to_netcdf(tmp_path / "a.nc", engine="h5netcdf", group="one")
    spectra.to_dataset(name="spectra").to_netcdf(tmp_path / "a.nc", mode="a", engine="h5netcdf", group="two")
    tables = {
        "image": {"variable": "one/image"},
        "spectra": {"variable": "two/spectra", "candidates": ["x", "y"]},
    }
    instrument = told(tmp_path / "a.nc", **tables)
    np.testing.assert_array_equal(instrument.measure(np.array([6.0, 5.0])).values, values[1, 1])
