"""The contract on faces catches every way past a face, in a package made up for it."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tools.contracts import faults

ROOT = Path(__file__).parents[2]
HOUSE = {
    "__init__.py": "",
    "hall/__init__.py": "from house.hall.lamps import switch\n__all__ = ['switch']\n",
    "hall/lamps.py": "__all__ = ['switch']\ndef switch(): ...\ndef dim(): ...\n",
    "kitchen/__init__.py": "from house.kitchen.stove import cook\n__all__ = ['cook']\n",
    "kitchen/sink.py": "__all__ = ['wash']\ndef wash(): ...\n",
    "kitchen/stove.py": (
        "from house.hall import switch\nfrom house.kitchen.sink import wash\n__all__ = ['cook']\ndef cook(): ...\n"
    ),
}
LINT = "import sys; from importlinter.cli import lint_imports as lint; sys.exit(lint(sys.argv[1], no_cache=True))"
Build = Callable[[dict[str, str]], list[str]]


def modules(folder: Path) -> frozenset[str]:
    files = [file.relative_to(folder.parent).with_suffix("") for file in folder.rglob("*.py")]
    return frozenset(".".join(file.parts).removesuffix(".__init__") for file in files)


@pytest.fixture
def faults_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Build:
    """Write a house with changes, and say what goes past a face in it."""
    monkeypatch.syspath_prepend(tmp_path)

    def build(changes: dict[str, str]) -> list[str]:
        for name, text in {**HOUSE, **changes}.items():
            file = tmp_path / "house" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        return [
            f"{one.importer} -> {one.imported}: {one.why}"
            for one in faults(modules(tmp_path / "house"), "house")
        ]

    return build


def test_siblings_and_the_faces_of_other_packages_may_be_imported(faults_of: Build) -> None:
    assert faults_of({}) == []
    assert (
        faults_of({"kitchen/sink.py": "from ..hall import switch\nfrom . import stove\n__all__ = ['wash']"})
        == []
    )


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (
            "from house.hall.lamps import switch",
            "house.hall.lamps: lies within house.hall; import that instead",
        ),
        ("from house.hall import lamps", "house.hall.lamps: lies within house.hall; import that instead"),
        ("import house.hall.lamps as lit", "house.hall.lamps: lies within house.hall; import that instead"),
        ("from ..hall.lamps import switch", "house.hall.lamps: lies within house.hall; import that instead"),
        (
            "def later():\n    from house.hall.lamps import switch",
            "house.hall.lamps: lies within house.hall; import",
        ),
        ("from house.hall import dim", "house.hall: its __all__ lacks dim"),
        ("from house.kitchen import cook", "house.kitchen: holds the importer"),
        ("from . import cook", "house.kitchen: holds the importer"),
        ("import house", "house: holds the importer"),
    ],
)
def test_an_import_past_a_face_is_caught(faults_of: Build, line: str, fault: str) -> None:
    (found,) = faults_of({"kitchen/sink.py": f"{line}\n__all__ = ['wash']\n"})
    assert found.startswith(f"house.kitchen.sink -> {fault}")


def test_a_face_that_reaches_past_the_face_of_a_package_within_it_is_caught(faults_of: Build) -> None:
    (found,) = faults_of({"__init__.py": "from house.hall.lamps import switch\n__all__ = ['switch']\n"})
    assert found == "house -> house.hall.lamps: lies within house.hall; import that instead"


def test_a_name_of_a_face_that_is_also_a_module_is_caught(faults_of: Build) -> None:
    found = faults_of({"hall/switch.py": "__all__ = []\n"})
    assert "house.hall -> house.hall.switch: switch in __all__ is also the name of a module" in found


def test_lint_imports_runs_the_contract_and_leaves_out_what_it_is_told_to(
    faults_of: Build, tmp_path: Path
) -> None:
    faults_of({"kitchen/sink.py": "from house.hall.lamps import switch\n__all__ = ['wash']\n"})
    contract = (
        "[importlinter]\nroot_package = house\ncontract_types =\n    faces: tools.contracts.FacesContract\n"
    )
    contract += "[importlinter:contract:1]\nname = Faces\ntype = faces\nroot = house\n"
    for ignored, code in (("", 1), ("ignore_imports =\n    house.kitchen.sink -> house.hall.lamps\n", 0)):
        (tmp_path / "contracts.ini").write_text(contract + ignored, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-c", LINT, str(tmp_path / "contracts.ini")],
            cwd=ROOT,
            env={"PYTHONPATH": str(tmp_path), "PATH": ""},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert ("house.kitchen.sink -> house.hall.lamps (l.1)" in done.stdout) == (code == 1)
