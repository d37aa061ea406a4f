"""Settings that learn in seconds, the same in several tests, so that compiled programs are shared."""

from nescio.learn import NumberSettings

QUICK = NumberSettings.model_validate(
    {
        "networks": {"hidden": [64], "members": 3, "steps": 500, "batch": 64, "learning_rate": 3e-3},
        "familiarity": {"steps": 800},
    }
)
