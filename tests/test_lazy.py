"""Names of a package are loaded when they are used, and not before."""

import sys
from importlib import import_module
from pathlib import Path

import pytest

FACE = """
from nescio.lazy import attach
__all__ = ["cook", "wash"]
__getattr__, __dir__ = attach(__name__, {"stove": ["cook"], "sink": ["wash"]})
"""


@pytest.fixture
def kitchen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "lazykitchen"
    folder.mkdir()
    (folder / "__init__.py").write_text(FACE, encoding="utf-8")
    (folder / "stove.py").write_text("def cook():\n    return 'soup'\n", encoding="utf-8")
    (folder / "sink.py").write_text("raise ImportError('no water')\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield import_module("lazykitchen")
    for name in [name for name in sys.modules if name.startswith("lazykitchen")]:
        del sys.modules[name]


def test_a_name_is_loaded_when_it_is_used_and_the_rest_is_not(kitchen) -> None:
    assert {"cook", "wash"} <= set(dir(kitchen))
    assert "lazykitchen.stove" not in sys.modules
    assert kitchen.cook() == "soup"
    assert "lazykitchen.stove" in sys.modules
    with pytest.raises(ImportError, match="no water"):
        _ = kitchen.wash


def test_a_name_that_is_not_there_is_an_attribute_error(kitchen) -> None:
    with pytest.raises(AttributeError, match="module 'lazykitchen' has no attribute 'dance'"):
        _ = kitchen.dance
    with pytest.raises(ImportError, match="cannot import name 'dance'"):
        from lazykitchen import dance  # noqa: F401
