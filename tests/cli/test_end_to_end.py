"""From structures to a report through the command line, with everything real but the measurements."""

import os
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner, Result

from nescio.cli.application import application

# Networks far too small for anything but showing that all parts fit together.
PRIOR = """
technique = "xrd"

[[phases]]
name = "fcc"
space_group = "Fm-3m"
cell = [3.524, 3.524, 3.524, 90, 90, 90]
sites = [{ element = "Ni", position = [0, 0, 0] }]

[[phases]]
name = "bcc"
space_group = "Im-3m"
cell = [2.964, 2.964, 2.964, 90, 90, 90]
sites = [{ element = "Cr", position = [0, 0, 0] }]

[axis]
points = 256

[learn]
map = { hidden = [32] }
detector = { hidden = [32], latent = 4 }
classifier = { channels = [8, 8], dense = 16, members = 1 }
training = { steps = 50, batch = 32, warmup = 10 }
calibration = { draws = 500, scale_draws = 200, map_draws = 200 }
"""


def run(*arguments: object) -> Result:
    return CliRunner().invoke(application, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("learned")
    (folder / "phases.toml").write_text(PRIOR, encoding="utf-8")
    done = run("learn", folder / "phases.toml", "-o", folder / "agent")
    assert done.exit_code == 0, done.stderr
    assert "learned fcc, bcc" in done.stdout
    return folder / "agent"


@pytest.fixture
def measurements(tmp_path: Path) -> Path:
    """A face-centred pattern (111, 200, 220 of nickel), one without a peak, and one that is no pattern."""
    folder = tmp_path / "measurements"
    folder.mkdir()
    two_theta = np.linspace(25.0, 85.0, 1200)
    counts = 50.0 + np.random.default_rng(0).normal(0.0, 3.0, two_theta.size)
    for position, height in ((44.5, 1000.0), (51.8, 450.0), (76.4, 200.0)):
        counts += height * np.exp(-(((two_theta - position) / 0.25) ** 2))
    np.savetxt(folder / "nickel.xy", np.column_stack([two_theta, counts]))
    np.savetxt(folder / "flat.xy", np.column_stack([two_theta, np.full(two_theta.size, 3.0)]))
    (folder / "bad.xy").write_text("hello", encoding="utf-8")
    return folder


def test_a_folder_of_measurements_becomes_findings_and_a_report(
    agent: Path, measurements: Path, tmp_path: Path
) -> None:
    out = tmp_path / "findings"
    done = run("assess", agent, measurements, "-o", out, "--report", "--wavelength", "CuKa")
    assert done.exit_code == 1
    assert done.stderr.startswith(f"error: {measurements / 'bad.xy'}: ")
    assert done.stderr.count("\n") == 1
    with xr.open_dataset(out / "findings.nc", engine="h5netcdf") as findings:
        verdicts = dict(zip(findings["measurement"].values, findings["verdict"].values, strict=True))
        assert set(verdicts) == {"nickel", "flat"}
        assert verdicts["flat"] == "unreadable"
        assert findings["label"].sel(measurement="nickel") == "fcc"
        assert 0.0 < findings["p_value"].sel(measurement="nickel") <= 1.0
    assert (out / "findings.csv").read_text(encoding="utf-8").count("\n") == 3
    assert "<html" in (out / "report.html").read_text(encoding="utf-8")


def test_a_file_name_that_is_no_text_costs_nothing_but_an_escape(
    agent: Path, measurements: Path, tmp_path: Path
) -> None:
    odd = tmp_path / os.fsdecode(b"pr\xe4parat.xy")
    odd.write_bytes((measurements / "nickel.xy").read_bytes())
    bad = tmp_path / os.fsdecode(b"b\xf6se.xy")
    bad.write_text("hello", encoding="utf-8")
    done = run("assess", agent, odd, bad, "-o", tmp_path / "out", "--report", "--wavelength", "CuKa")
    assert done.exit_code == 1
    assert done.stderr.startswith(f"error: {tmp_path}/b\\xf6se.xy: ")
    with xr.open_dataset(tmp_path / "out" / "findings.nc", engine="h5netcdf") as findings:
        assert findings["measurement"].values.tolist() == ["pr\\xe4parat"]
        assert findings["source"].item() == f"{tmp_path}/pr\\xe4parat.xy"
    assert "pr\\xe4parat" in (tmp_path / "out" / "findings.csv").read_text(encoding="utf-8")


def test_a_wavelength_is_never_assumed(agent: Path, measurements: Path, tmp_path: Path) -> None:
    done = run("assess", agent, measurements / "nickel.xy", "-o", tmp_path / "out")
    assert done.exit_code == 2
    assert "--wavelength" in done.stderr
    assert not (tmp_path / "out").exists()
