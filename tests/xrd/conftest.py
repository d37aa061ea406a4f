"""What tests of whole runs share."""

import pytest

from nescio.learn import LearnSettings


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
