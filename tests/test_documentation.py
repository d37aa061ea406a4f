"""The reference of the prior's file names every key that there is, and no other."""

import re
from pathlib import Path

from pydantic import BaseModel

from nescio.xrd.settings import PhaseSettings, PriorSettings

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "prior-file.md"


def documented() -> dict[str, set[str]]:
    """Return the keys in the first column of each section's table."""
    found: dict[str, set[str]] = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            section = line[3:].strip("`[]")
            found[section] = set()
        elif line.startswith("|"):
            found[section] |= set(re.findall(r"`(\w+)`", line.split("|")[1]))
    return found


def test_every_key_of_a_prior_is_in_the_reference() -> None:
    keys = {
        name: set(field.annotation.model_fields)
        for name, field in PriorSettings.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
    }
    keys["phases"] = set(PhaseSettings.model_fields)
    found = documented()
    assert {name: found[name] for name in keys} == keys
    assert set(found) - {"Top level", "learn"} == set(keys)
