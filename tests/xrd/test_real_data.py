"""Measured patterns: known phases are named and not flagged, mixtures and glass are flagged."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from nescio.configuration import read_toml, validated
from nescio.learn import ClassAgent, LearnSettings
from nescio.xrd import Prior, prepare, read_patterns

PRIORS = Path(__file__).parents[2] / "docs" / "real-data"
# What the file names say, and the candidate that has this structure.
PURE = {
    "LiMnO2": "LiMnO2_59",
    "Mn2O3": "Mn2O3_206",
    "MnO": "MnO_225",
    "MnO2": "MnO2_136",
    "TiO2": "TiO2_141",
}
MIXED = ("Li2MnO3+MnO+TiO2", "Mn2O3+LiF", "TiO2+MnO")


def assessed(agent, path, **reading):
    prior = agent.prior
    measured = read_patterns(path, **reading)
    return agent.assess(prepare(measured, axis=prior.axis, wavelength=prior.wavelength))


def said(findings):
    return "; ".join(
        f"{name}: {label} p = {p:.4f} {verdict}"
        for name, label, p, verdict in zip(
            *(findings[key].values.tolist() for key in ("measurement", "label", "p_value", "verdict")),
            strict=True,
        )
    )


def learned(folder, config, **changes):
    """Learn the prior of a file of the documentation, with some settings changed."""
    file = folder / config
    shutil.copy(PRIORS / config, file)
    table = read_toml(file)["learn"]
    for key, value in changes.items():
        table.setdefault("training" if key in ("steps", "batch") else "calibration", {})[key] = value
    return ClassAgent.train(Prior.from_file(file), validated(LearnSettings, table, config), progress=False)


@pytest.fixture(scope="module")
def spectra(data_folder):
    return data_folder / "xrd" / "autoanalyzer" / "Spectra"


@pytest.fixture(scope="module")
def manganese(tmp_path_factory, data_folder):
    """An agent of the manganese oxides, on a coarse grid and soon learned."""
    folder = tmp_path_factory.mktemp("manganese")
    (folder / "References").mkdir()
    for cif in (data_folder / "xrd/autoanalyzer/References").glob("Mn[2O]*.cif"):
        if "F" not in cif.stem:
            shutil.copy(cif, folder / "References")
    file = folder / "laboratory.toml"
    text = (PRIORS / "laboratory.toml").read_text(encoding="utf-8")
    file.write_text(text.replace("stop = 70.0", "stop = 70.0\npoints = 1024"), encoding="utf-8")
    prior = Prior.from_file(file)
    settings = {
        "training": {"steps": 600, "batch": 48, "learning_rate": 2e-3},
        "calibration": {"draws": 2000, "scale_draws": 500, "map_draws": 500},
    }
    return ClassAgent.train(prior, LearnSettings.model_validate(settings), progress=False)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Mn2O3", "MnO", "MnO2"])
def test_an_oxide_of_manganese_is_named_among_all_of_them_and_not_flagged(manganese, spectra, name):
    findings = assessed(manganese, spectra / f"{name}.xy", wavelength="CuKa")
    assert findings["label"].item() == PURE[name], said(findings)
    assert findings["verdict"].item() == "known", said(findings)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["LiMnO2", "Li2MnO3+MnO+TiO2", "TiO2+MnO"])
def test_what_is_no_oxide_of_manganese_alone_is_flagged(manganese, spectra, name):
    findings = assessed(manganese, spectra / f"{name}.xy", wavelength="CuKa")
    assert findings["verdict"].item() == "novel", said(findings)


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory, data_folder):
    folder = tmp_path_factory.mktemp("laboratory")
    (folder / "References").symlink_to(data_folder / "xrd/autoanalyzer/References")
    agent = learned(folder, "laboratory.toml")
    assert len(agent.labels) == 56
    return agent


@pytest.mark.slow
@pytest.mark.parametrize(("name", "phase"), PURE.items())
def test_a_pure_phase_is_named_among_56_candidates_and_not_flagged(laboratory, spectra, name, phase):
    findings = assessed(laboratory, spectra / f"{name}.xy", wavelength="CuKa")
    assert findings["label"].item() == phase, said(findings)
    assert findings["verdict"].item() == "known", said(findings)


@pytest.mark.slow
@pytest.mark.parametrize("name", MIXED)
def test_a_mixture_of_candidates_is_flagged(laboratory, spectra, name):
    findings = assessed(laboratory, spectra / f"{name}.xy", wavelength="CuKa")
    assert findings["verdict"].item() == "novel", said(findings)


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    return learned(tmp_path_factory.mktemp("films"), "wafer.toml")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["CoVZr_Sample8", "CoVZr_Sample9"])
def test_a_wafer_of_glass_is_novel(films, data_folder, name):
    findings = assessed(films, data_folder / f"xrd/{name}.npz")
    assert (findings["verdict"] == "novel").mean() > 0.98


@pytest.mark.slow
def test_the_crystalline_corner_of_a_wafer_is_named_and_its_glass_is_novel(films, data_folder):
    findings = assessed(films, data_folder / "xrd/CoFeZr_Sample4.npz")
    zirconium = findings["composition"].sel(element="Zr").values
    known = (findings["verdict"] == "known").values
    # Sharp peaks are seen by eye only where there is more zirconium than three quarters.
    assert known[zirconium < 0.7].mean() < 0.02
    assert known[zirconium > 0.8].mean() > 0.8
    names = findings["label"].values[known]
    assert np.mean(names == "bcc Zr") > 0.9
