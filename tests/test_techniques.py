"""Techniques are found by the name under which they are installed."""

import pytest

from nescio.errors import ConfigurationError
from nescio.techniques import available_techniques, find_technique


def test_diffraction_is_installed() -> None:
    assert "xrd" in available_techniques()
    technique = find_technique("xrd")
    assert technique.name == "xrd"
    assert "*.xy" in technique.file_patterns()


def test_an_unknown_technique_is_refused_with_the_known_ones_named() -> None:
    with pytest.raises(ConfigurationError, match=r"'raman' is not installed \(installed: .*xrd"):
        find_technique("raman")
