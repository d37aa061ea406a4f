"""A trace is exported as a dataset for other programs; the command line prints a summary."""

import json

import numpy as np
import pytest
import typer
import xarray as xr
from tests.trace.toy import FAILED, candidates, experiment, measurement, record, spectrum, survey
from typer.testing import CliRunner

from nescio.cli.trace import trace as verb
from nescio.errors import FileError, MissingExtraError, TraceError
from nescio.trace import Trace, to_xarray, write_export


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    record(folder / "trace.sqlite").close()
    return folder


@pytest.fixture(scope="module")
def exported(folder):
    with Trace.open(folder, read_only=True) as trace:
        return to_xarray(trace)


def test_the_dataset_holds_what_was_measured_and_made_of_it(exported):
    assert exported["measurement"].values.tolist() == [0, 1, 2, 3, 4]
    assert exported["origin"].values.tolist() == ["seed", "seed", "policy", "policy", "policy"]
    assert (exported["position"].sel(coordinate="x") == 0.25 * np.arange(5)).all()
    assert (exported["finished"] >= exported["started"]).all()
    assert exported["has_spectrum"].values.tolist() == [True, True, False, True, True]
    for number in (0, 1, 3, 4):
        assert (exported["spectrum"].sel(measurement=number).values == spectrum(number).values).all()
    assert exported["spectrum"].sel(measurement=FAILED).isnull().all()
    assert exported["problem"].values[FAILED] == "the stage did not answer"
    assert exported["spectrum"].attrs["units"] == "counts"
    assert exported["energy"].attrs["units"] == "eV"
    # The latest scalarizer is the one that counts, and it found nothing.
    assert exported["output"].values.tolist() == ["width"]
    assert exported["scalar"].isnull().all()
    assert exported["scalar_reason"].values[0, 0] == "no peak"
    assert exported.attrs["scalarizer"] == {"kind": "width"}


def test_the_dataset_holds_survey_candidates_and_the_last_maps(exported):
    assert (exported["survey_image"].values == survey()["image"].values).all()
    assert exported["survey_x"].attrs["units"] == "nm"
    assert (exported["candidates_features"].values == candidates()["features"].values).all()
    assert exported["candidates_positions"].dims == ("candidate", "coordinate")
    # These maps are of the earlier scalarizer, whose output has another name.
    assert exported["maps_mean"].dims == ("candidate", "maps_output")
    assert (exported["maps_mean"] == 4).all()
    assert exported.attrs["candidates_attributes"]["unit"] == "pixel"


def test_an_empty_trace_is_an_empty_dataset(tmp_path):
    with Trace.create(tmp_path, experiment()) as trace:
        exported = to_xarray(trace)
    assert exported.sizes["measurement"] == 0
    assert "spectrum" not in exported
    write_export(exported, tmp_path / "out.nc", "netcdf")
    with pytest.raises(TraceError, match="no spectra"):
        write_export(exported, tmp_path / "out.hspy", "hyperspy")


def test_a_spectrum_unlike_the_others_is_left_out(tmp_path):
    with Trace.create(tmp_path, experiment()) as trace:
        # The dimension is called like a variable of the export.
        images = [np.full((2, 3), number) for number in range(3)] + [np.zeros((4, 3))]
        for number, image in enumerate(images):
            row = trace.put_dataarray(xr.DataArray(image, dims=("position", "x")))
            trace.add(measurement(number, spectrum=row, problem=""))
        exported = to_xarray(trace)
    assert exported["spectrum"].dims == ("measurement", "spectrum_position", "x")
    assert exported["has_spectrum"].values.tolist() == [True, True, True, False]
    assert exported["spectrum"].values[:, 0, 0].tolist()[:3] == [0, 1, 2]


def test_netcdf_holds_the_same(exported, tmp_path):
    write_export(exported.assign(spectrum=exported["spectrum"] * 1j), tmp_path / "new" / "run.nc", "netcdf")
    with xr.open_dataset(tmp_path / "new" / "run.nc") as found:
        for name in (
            "scalar_reason",
            "survey_image",
            "candidates_features",
            "maps_mean",
            "position",
            "started",
        ):
            xr.testing.assert_equal(
                found[name].drop_vars(found[name].coords), exported[name].drop_vars(exported[name].coords)
            )
        assert np.array_equal(found["spectrum_imag"], exported["spectrum"], equal_nan=True)
        assert json.loads(found.attrs["configuration"]) == exported.attrs["configuration"]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["run.nc"]


def test_zarr_holds_the_same(exported, tmp_path):
    pytest.importorskip("zarr")
    write_export(exported, tmp_path / "run.zarr", "zarr")
    with xr.open_zarr(tmp_path / "run.zarr") as found:
        xr.testing.assert_equal(found.load(), exported)


def test_hyperspy_finds_signals_on_its_axes(exported, tmp_path):
    rsciio = pytest.importorskip("rsciio.hspy")
    write_export(exported, tmp_path / "run.hspy", "hyperspy")
    (signal,) = rsciio.file_reader(str(tmp_path / "run.hspy"))
    assert signal["data"].shape == (4, 16)
    assert (signal["data"][2] == spectrum(3).values).all()
    places, energies = signal["axes"]
    assert (places["name"], places["navigate"], list(places["axis"])) == ("measurement", True, [0, 1, 3, 4])
    assert (energies["name"], energies["units"], energies["size"]) == ("energy", "eV", 16)
    assert (energies["offset"], energies["scale"]) == (1.0, pytest.approx(0.2))
    assert signal["metadata"]["Signal"]["quantity"] == "I (counts)"
    assert list(signal["original_metadata"]["nescio"]["variables"]["candidate_index"]) == [0, 1, 3, 4]


def test_nothing_is_written_over(exported, tmp_path):
    (tmp_path / "run.nc").write_text("mine", encoding="utf-8")
    with pytest.raises(FileError, match="exists already"):
        write_export(exported, tmp_path / "run.nc", "netcdf")
    with pytest.raises(FileError, match=r"format 'csv' is not known \(known: netcdf, zarr, hyperspy\)"):
        write_export(exported, tmp_path / "run.csv", "csv")


@pytest.mark.parametrize(
    ("module", "kind", "extra"), [("zarr", "zarr", "zarr"), ("rsciio.hspy", "hyperspy", "hyperspy")]
)
def test_a_missing_library_names_the_extra(exported, tmp_path, monkeypatch, module, kind, extra):
    monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"pip install nescio\[{extra}\]"):
        write_export(exported, tmp_path / "run", kind)


@pytest.fixture
def run(monkeypatch):
    monkeypatch.setattr("nescio.cli.outcome.enable_compilation_cache", lambda: None)
    application = typer.Typer()
    application.add_typer(verb, name="trace")

    def run(*arguments):
        result = CliRunner().invoke(application, ["trace", *map(str, arguments)])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.stdout, result.stderr

    return run


@pytest.mark.parametrize("command", ["info", "verify", "export"])
def test_help_shows_an_example(run, command):
    code, out, _ = run(command, "--help")
    assert code == 0
    assert f"Example: nescio trace {command} run/trace.sqlite" in " ".join(out.split())


def test_info_says_what_there_is(run, folder):
    code, out, _ = run("info", folder)
    assert code == 0
    assert "2 seed, 3 policy" in out
    found = json.loads(run("info", folder / "trace.sqlite", "--json")[1])
    assert (found["measurements"], found["without_spectrum"], found["acts_to_apply"]) == (5, 1, 0)
    assert found["scalarizer"] == "width"
    assert found["last_event"] == "fault: the stage did not answer"
    assert found["datasets"] == ["candidates", "maps", "survey"]


def test_verify_says_ok_or_every_problem(run, folder, tmp_path):
    code, out, _ = run("verify", folder)
    assert (code, out[:3]) == (0, "OK:")
    assert "5 measurement" in out
    with record(tmp_path / "trace.sqlite") as trace:
        row = trace.put_arrays({"counts": np.ones(3)})
        for number in (5, 6):
            trace.add(measurement(number, spectrum=row, problem=""))
    code, out, err = run("verify", tmp_path)
    assert (code, out, err.count("error: ")) == (1, "", 2)
    assert run("verify", tmp_path / "nowhere")[0] == 2


def test_export_writes_a_file(run, folder, tmp_path):
    code, out, _ = run("export", folder, "-o", tmp_path / "run.nc")
    assert code == 0
    assert out.startswith("5 measurements in ")
    with xr.open_dataset(tmp_path / "run.nc") as found:
        assert found.attrs["title"] == "film"
