"""The house is laid out as its plan says: faces give what they list, and no file knows the developers' data."""

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

import nescio

ROOT = Path(nescio.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
PACKAGES = [file.parent for file in FILES if file.name == "__init__.py"]
MOST_ROOMS = {"explore": 12, "explore/experiment": 12, "microscopy/read": 12, "xas": 12}
CHECKOUT = re.compile(r"NESCIO_DATA|\.\./|\b(shared|tests|benchmarks|examples)/|\bvartbo")


def name_of(package: Path) -> str:
    return ".".join(["nescio", *package.relative_to(ROOT).parts])


def rooms(package: Path) -> list[str]:
    found = [one for one in package.iterdir() if one.suffix == ".py" or one.is_dir()]
    return sorted(one.name for one in found if one.name != "__pycache__")


@pytest.mark.parametrize("package", PACKAGES, ids=name_of)
def test_a_face_gives_every_name_that_it_lists_and_shows_it(package: Path) -> None:
    face = import_module(name_of(package))
    for name in face.__all__:
        assert not isinstance(getattr(face, name), type(nescio)), f"{name} is a module"
    assert set(face.__all__) <= set(dir(face))


@pytest.mark.parametrize("package", PACKAGES, ids=name_of)
def test_names_that_are_loaded_late_come_from_where_the_type_checker_is_told(package: Path) -> None:
    face = import_module(name_of(package))
    tree = ast.parse((package / "__init__.py").read_text(encoding="utf-8"))
    for block in (node for node in tree.body if isinstance(node, ast.If)):
        for node in (one for one in block.body if isinstance(one, ast.ImportFrom)):
            for alias in node.names:
                assert getattr(face, alias.name) is getattr(import_module(str(node.module)), alias.name)


@pytest.mark.parametrize(("package", "most"), MOST_ROOMS.items())
def test_a_package_has_few_rooms_at_one_level(package: str, most: int) -> None:
    assert len(rooms(ROOT / package)) <= most


def test_no_file_of_the_package_names_data_of_the_developers_or_a_folder_of_their_checkout() -> None:
    found = [
        f"{file.relative_to(ROOT)}:{node.lineno}: {node.value!r}"
        for file in FILES
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and CHECKOUT.search(node.value)
    ]
    assert found == []
