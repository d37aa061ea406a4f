"""The documentation is complete: keys of a prior, names of the API, extras, notebooks."""

import importlib
import re
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

import nescio
from nescio.xrd.settings import PhaseSettings, PriorSettings

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGE = DOCS / "reference" / "prior-file.md"


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


def overview() -> dict[str, list[str]]:
    """Return the names that each section of the overview lists, in its first column, without the package."""
    found: dict[str, list[str]] = {}
    for line in (DOCS / "reference" / "overview.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            section = line[3:]
            found[section] = []
        elif line.startswith("| ") and not line.startswith("| name"):
            cell = line.split(" | ")[0]
            found[section] += re.findall(r"`(nescio\.\w[\w.]*)", cell)
    return found


def test_the_overview_lists_every_name_of_the_face_and_only_public_ones() -> None:
    sections = overview()
    assert {name.removeprefix("nescio.") for name in sections["nescio"]} == set(nescio.__all__)
    for section, names in sections.items():
        assert names, section
        for name in names:
            package, _, last = name.rpartition(".")
            assert last in importlib.import_module(package).__all__ or importlib.import_module(name), name
            assert section in ("nescio", "The ground") or name.startswith(f"{section}."), name


def test_every_extra_has_an_install_line() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for page in (ROOT / "README.md", DOCS / "howto" / "install.md"):
        text = page.read_text(encoding="utf-8")
        assert set(re.findall(r'pip install "nescio\[(\w+)\]"', text)) == set(
            project["optional-dependencies"]
        ), page
    assert f"nescio-{project['version']}-py3-none-any.whl" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", sorted((DOCS / "gallery").glob("*-*.md")), ids=lambda page: page.stem)
def test_a_page_of_the_gallery_is_a_notebook_that_ends_in_a_figure(page: Path) -> None:
    """It is executed when the documentation is built; here only its form is checked."""
    text = page.read_text(encoding="utf-8")
    # Without this header the page would be shown, but not executed.
    assert text.startswith(
        "---\njupytext:\n  text_representation:\n    extension: .md\n    format_name: myst\n"
    )
    cells = re.findall(r"```\{code-cell\} ipython3\n(.*?)```", text, re.DOTALL)
    shown = [cell for cell in cells if "remove-cell" not in cell]
    assert len(shown) >= 5
    assert "figure" in shown[-1] or "structures_in_space" in shown[-1]
    assert any("assert " in cell for cell in cells if "remove-cell" in cell)
    assert f"({page.name})" in (DOCS / "gallery" / "index.md").read_text(encoding="utf-8")


def test_the_gallery_has_two_pages_for_each_technique() -> None:
    names = sorted(page.stem.split("-")[0] for page in (DOCS / "gallery").glob("*-*.md"))
    assert names == ["absorption"] * 2 + ["diffraction"] * 2 + ["microscopy"] * 2
