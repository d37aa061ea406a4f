"""Techniques are found by the name under which they are installed."""

from pathlib import Path

import pytest

from nescio.errors import ConfigurationError
from nescio.techniques import available_techniques, find_technique


def test_diffraction_is_installed() -> None:
    assert "xrd" in available_techniques()
    technique = find_technique("xrd")
    assert technique.name == "xrd"
    assert "*.xy" in technique.file_patterns()


def test_options_of_another_technique_are_refused(tmp_path: Path) -> None:
    for name, option, what in (("xrd", "foil", "diffraction"), ("xas", "wavelength", "absorption")):
        technique = find_technique(name)
        with pytest.raises(ConfigurationError, match=f"{option}: no such option for {what}"):
            technique.read(tmp_path / "some.dat", **{option: "x"})


def test_absorption_is_installed() -> None:
    technique = find_technique("xas")
    assert technique.name == "xas"
    assert {"*.xdi", "*.prj", "*.h5"} <= set(technique.file_patterns())


def test_an_unknown_technique_is_refused_with_the_known_ones_named() -> None:
    with pytest.raises(ConfigurationError, match=r"'raman' is not installed \(installed: .*xrd"):
        find_technique("raman")
