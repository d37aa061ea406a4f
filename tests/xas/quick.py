"""Settings that learn in seconds, the same in several tests, so that compiled programs are shared."""

from nescio.learn import NumberSettings

DOCUMENT = {
    "networks": {"hidden": [64], "members": 3, "steps": 250, "batch": 32, "learning_rate": 5e-3},
    "familiarity": {"steps": 400, "draws": 3000, "held_out": 1500},
    "intervals": {"draws": 1500},
}
QUICK = NumberSettings.model_validate(DOCUMENT)
