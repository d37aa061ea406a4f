"""The table [learn]: every value is what it says, or is refused by name."""

from typing import Any

import pytest

from nescio.configuration import validated
from nescio.errors import ConfigurationError
from nescio.learn import LearnSettings


@pytest.mark.parametrize(
    ("table", "key", "value", "why"),
    [
        ("training", "steps", True, "valid integer"),
        ("training", "steps", "1500", "valid integer"),
        ("training", "steps", 0, "greater than or equal to 1"),
        ("training", "warmup", 10**12, "less than or equal to"),
        ("training", "validation_every", 10**12, "less than or equal to"),
        ("training", "patience", 10**12, "less than or equal to"),
        ("training", "learning_rate", False, "valid number"),
        ("training", "learning_rate", float("inf"), "finite"),
        ("training", "learning_rate", float("nan"), "finite"),
        ("training", "seed", -1, "greater than or equal to 0"),
        ("map", "hidden", [], "at least 1 item"),
        ("map", "hidden", [10_000], "less than or equal to 8192"),
        ("map", "members", 2, "maps cannot be averaged"),
        ("detector", "latents", 4, "known here: beta, guidance, hidden, latent, members"),
        ("outliers", "mixture_range", [0.9, 0.1], "within 0 to 1, not 0.9 to 0.1"),
        ("outliers", "stretch_range", [-0.1, 0.2], "within 0 to 1, not -0.1 to 0.2"),
        ("calibration", "draws", 10, "greater than or equal to 200"),
    ],
)
def test_a_wrong_value_is_refused_by_name(table: str, key: str, value: Any, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why) as caught:
        validated(LearnSettings, {table: {key: value}}, "prior.toml [learn]")
    message = str(caught.value)
    assert message.startswith("prior.toml [learn]: ")
    assert table in message
    assert "\n" not in message


def test_settings_survive_being_written_down() -> None:
    settings = LearnSettings.model_validate({"map": {"hidden": [64, 32]}, "training": {"learning_rate": 1}})
    assert LearnSettings.model_validate_json(settings.model_dump_json()) == settings
