"""Findings in files and on the terminal are the findings."""

import io
import json
import os

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from rich.console import Console

from nescio import view
from nescio.errors import FileError


def test_netcdf_gives_back_what_was_written(findings, tmp_path):
    findings.attrs = {"alpha": 0.01, "agent": "a b", "settings": {"deep": [1, None]}, "flag": True}
    path, _ = view.write_findings(findings, tmp_path / "new" / "folder")
    stored = xr.load_dataset(path, engine="h5netcdf")
    for name in findings.variables:
        assert stored[name].dims == findings[name].dims
        if findings[name].dtype.kind == "O":
            assert [str(v) for v in stored[name].values.ravel()] == list(findings[name].values.ravel())
        else:
            np.testing.assert_array_equal(stored[name].values, findings[name].values)
            assert stored[name].dtype == findings[name].dtype
    assert stored["two_theta"].attrs == findings["two_theta"].attrs
    assert stored.attrs["alpha"] == 0.01
    assert json.loads(stored.attrs["settings"]) == {"deep": [1, None]}


def test_csv_gives_back_what_was_written(findings, synthetic, tmp_path):
    names = [f'run, "{i}"\n+' for i in range(findings.sizes["measurement"])]
    findings["measurement"] = names
    _, path = view.write_findings(findings, tmp_path)
    stored = pd.read_csv(path, keep_default_na=False, na_values={"p_value": [""], "latent[1]": [""]})
    assert list(stored["name"]) == names
    assert list(stored["label"]) == list(findings["label"].values)
    np.testing.assert_allclose(stored["p_value"], findings["p_value"].values)
    np.testing.assert_allclose(stored["latent[1]"], findings["latent"].values[:, 0])
    np.testing.assert_allclose(stored["composition[Cr]"], findings["composition"].sel(element="Cr").values)
    assert [f"probability[{c}]" in stored for c in synthetic.LABELS] == [True] * 4


def test_csv_says_where_each_measurement_came_from(findings, tmp_path):
    sources = [f"run/{i}.xy" for i in range(findings.sizes["measurement"])]
    _, path = view.write_findings(findings.assign_coords(source=("measurement", sources)), tmp_path)
    assert list(pd.read_csv(path)["source"]) == sources


@pytest.mark.parametrize("chosen", [[], [3], [0]])
def test_any_number_of_measurements_is_written(findings, tmp_path, chosen):
    netcdf, csv = view.write_findings(findings.isel(measurement=chosen), tmp_path)
    assert len(pd.read_csv(csv)) == len(chosen)
    assert xr.load_dataset(netcdf, engine="h5netcdf").sizes["measurement"] == len(chosen)


def test_a_failure_leaves_the_old_files_and_nothing_else(findings, tmp_path, monkeypatch):
    view.write_findings(findings.isel(measurement=[0]), tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(FileError, match=r"findings\.nc: cannot be written \(No space left"):
        view.write_findings(findings, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_folder_that_is_a_file_is_named(findings, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="file"):
        view.write_findings(findings, tmp_path / "file")


def summary(findings):
    stream = io.StringIO()
    view.print_summary(findings, Console(file=stream, width=100, force_terminal=False))
    return stream.getvalue()


def test_the_summary_counts_and_names_the_strangest(findings):
    text = summary(findings)
    assert "221 measurements" in text
    assert str(findings["measurement"].values[view.most_novel(findings, 1)[0]]) in text
    row = next(line for line in text.splitlines() if "all" in line.split("│")[1:2] or " all " in line)
    assert [int(cell) for cell in row.split("│")[2:5]] == [199, 21, 1]


def test_the_summary_takes_names_as_they_stand(findings):
    few = findings.isel(measurement=[3, view.most_novel(findings, 1)[0]])
    few["measurement"] = ["[bold]scan[/bold]", "[/nonsense]\x1b[31m"]
    text = summary(few)
    assert "[bold]scan[/bold]" in text
    assert "[/nonsense]?[31m" in text


@pytest.mark.parametrize("chosen", [[], [3], [0]])
def test_the_summary_of_none_or_one_is_short(findings, chosen):
    title = "1 measurement" if len(chosen) == 1 else f"{len(chosen)} measurements"
    assert summary(findings.isel(measurement=chosen)).splitlines()[0].rstrip() == title
