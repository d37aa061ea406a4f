"""What the tests of studies share: small networks, and the measured data under the names that studies give them."""

from pathlib import Path

import pytest

from nescio.learn import LearnSettings
from nescio.studies.measured import (
    COPPER_FOIL,
    COPPER_SITES,
    COPPER_TEMPERATURES,
    FILM,
    PLATINUM_FOIL,
    PLATINUM_PARTICLES,
    PLATINUM_SITES,
)

FILES = {
    FILM: "microscopy/vartbo_pto_beps.npz",
    COPPER_FOIL: "xas/foils/cu_metal_rt.xdi",
    COPPER_SITES: "xas/sites/Cu_K.npz",
    PLATINUM_FOIL: "xas/foils/pt_metal_rt.xdi",
    PLATINUM_PARTICLES: "xas/nanoparticles/PtData.prj",
    PLATINUM_SITES: "xas/sites/Pt_L3.npz",
}


@pytest.fixture(scope="session")
def measured_folder(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``--data`` names."""
    folder = tmp_path_factory.mktemp("measured")
    for name, file in FILES.items():
        (folder / name).symlink_to(data_folder / file)
    (folder / COPPER_TEMPERATURES).mkdir()
    for file in (data_folder / "xas" / "cu_temperature").glob("*.xmu"):
        (folder / COPPER_TEMPERATURES / file.name).symlink_to(file)
    return folder


@pytest.fixture(scope="session")
def tiny() -> LearnSettings:
    """Networks that learn hardly anything in seconds: enough to see what a run leaves behind."""
    return LearnSettings.model_validate(
        {
            "map": {"hidden": [16]},
            "detector": {"hidden": [16], "latent": 3},
            "classifier": {"channels": [4, 4], "dense": 8, "members": 1},
            "training": {"steps": 30, "batch": 16, "warmup": 5},
            "calibration": {"draws": 400, "scale_draws": 200, "map_draws": 100},
        }
    )
