"""Settings that learn in seconds, the same in several tests, so that compiled programs are shared."""

from nescio.learn import NumberSettings

DOCUMENT = {
    "networks": {"hidden": [64], "members": 3, "steps": 300, "batch": 32, "learning_rate": 5e-3},
    "familiarity": {"steps": 500, "draws": 4000, "held_out": 2000},
}
QUICK = NumberSettings.model_validate(DOCUMENT)
