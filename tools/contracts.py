"""A contract that import-linter does not bring along: a package is imported through its face only.

The face of a package is its ``__init__.py``, and what the face gives is listed in ``__all__``. `lint-imports` finds the
contract through ``contract_types`` in pyproject.toml.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output
from importlinter.application import contract_utils
from importlinter.application.contract_utils import AlertLevel

__all__ = ["FacesContract", "Fault", "faults"]


class Fault(NamedTuple):
    """An import that goes past a face."""

    importer: str
    imported: str
    line: int
    why: str


class FacesContract(Contract):
    """A module imports its siblings and the siblings of the packages that hold it, and only names in their ``__all__``.

    So ``house.kitchen.stove`` may import ``house.kitchen.sink`` and ``house.hall``. It may not import
    ``house.hall.lamps``; nor ``house.kitchen``, which holds it; nor a name that ``house.hall`` does not list.
    A face gives no name that is also the name of a module in its package: once that module is imported, the name means
    the module.

    Options:
        root: Name of the package that is checked.
        ignore_imports: Imports that may go past a face, as ``importer -> imported``.
    """

    type_name = "faces"

    root = fields.StringField()
    ignore_imports = fields.SetField(subfield=fields.ImportExpressionField(), required=False)
    unmatched_ignore_imports_alerting = fields.EnumField(AlertLevel, default=AlertLevel.ERROR)

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:  # noqa: ARG002 - the signature of the base
        """Return the imports that go past a face."""
        modules = frozenset(graph.modules)
        every = _direct_imports(graph)
        removal = contract_utils.remove_ignored_imports_and_report(
            graph=graph,
            ignore_imports=self.ignore_imports,  # type: ignore[arg-type]
            unmatched_alerting=self.unmatched_ignore_imports_alerting,  # type: ignore[arg-type]
        )
        ignored = every - _direct_imports(graph)
        found = [
            one for one in faults(modules, str(self.root)) if (one.importer, one.imported) not in ignored
        ]
        return ContractCheck(
            kept=not found,
            warnings=list(removal.warnings),
            ignored_import_count=removal.ignored_import_count,
            metadata={"faults": found},
        )

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print one line for each import that goes past a face."""
        for one in check.metadata["faults"]:
            output.print_error(f"- {one.importer} -> {one.imported} (l.{one.line}): {one.why}", bold=False)
        output.new_line()


def faults(modules: frozenset[str], root: str) -> list[Fault]:
    """Return the imports that go past a face, sorted.

    Args:
        modules: Dotted names of the package and of all modules in it.
        root: Name of the package.

    Raises:
        ModuleNotFoundError: There is no such package.
    """
    spec = find_spec(root)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(root)
    folder = Path(spec.submodule_search_locations[0])
    trees = {module: _parsed(folder, module) for module in modules}
    exported = {module: _exported(tree) for module, tree in trees.items()}
    found: set[Fault] = set()
    for importer, tree in trees.items():
        package = importer if _is_package(folder, importer) else importer.rpartition(".")[0]
        for name in exported[importer]:
            if (inside := f"{importer}.{name}") in modules:
                found.add(Fault(importer, inside, 1, f"{name} in __all__ is also the name of a module"))
        for imported, taken, line in _imports(tree, package, modules):
            if why := _why_not(importer, package, imported):
                found.add(Fault(importer, imported, line, why))
            elif taken and taken not in exported[imported]:
                found.add(Fault(importer, imported, line, f"its __all__ lacks {taken}"))
    return sorted(found)


def _why_not(importer: str, package: str, imported: str) -> str:
    """Return why a module of a package may not import another; empty where it may."""
    if f"{importer}.".startswith(f"{imported}."):
        return "holds the importer"
    holder = imported.rpartition(".")[0]
    return "" if f"{package}.".startswith(f"{holder}.") else f"lies within {holder}; import that instead"


def _imports(tree: ast.Module, package: str, modules: frozenset[str]) -> Iterator[tuple[str, str, int]]:
    """Yield each module that is imported, the name that is taken from it (empty: the module itself), and the line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name in modules:
                    yield alias.name, "", node.lineno
        elif isinstance(node, ast.ImportFrom):
            source = _absolute(node, package)
            for alias in node.names:
                if (inside := f"{source}.{alias.name}") in modules:
                    yield inside, "", node.lineno
                elif source in modules:
                    yield source, alias.name, node.lineno


def _absolute(node: ast.ImportFrom, package: str) -> str:
    """Return the dotted name of the module that names are taken from."""
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    here = parts[: len(parts) - node.level + 1]
    return ".".join([*here, node.module] if node.module else here)


def _exported(tree: ast.Module) -> frozenset[str]:
    """Return the names in a module's ``__all__``; none where it has no such list of literals."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "__all__" for target in node.targets
        ):
            return frozenset(ast.literal_eval(node.value))
    return frozenset()


def _is_package(folder: Path, module: str) -> bool:
    return folder.joinpath(*module.split(".")[1:]).is_dir()


def _parsed(folder: Path, module: str) -> ast.Module:
    path = folder.joinpath(*module.split(".")[1:])
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(file.read_text(encoding="utf-8"), filename=str(file))


def _direct_imports(graph: ImportGraph) -> set[tuple[str, str]]:
    return {
        (importer, imported)
        for importer in graph.modules
        for imported in graph.find_modules_directly_imported_by(importer)
    }
