"""A digest of the code behind a stored result, so that results are computed again after a change of the code."""

from __future__ import annotations

import ast
import hashlib
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

__all__ = ["CODE", "code_digest"]

CODE = ("nescio.explore", "nescio.learn", "nescio.microscopy", "nescio.studies.dkl")
"""Packages that compute the data sets and the explorations."""


@lru_cache
def code_digest(*modules: str) -> str:
    """Return a digest of the code of modules and packages, without comments and docstrings."""
    summed = hashlib.sha256()
    for module in modules:
        for path in _sources(module):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            for node in ast.walk(tree):
                if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                    node.body = [one for one in node.body if not _is_text(one)]
            summed.update(f"{module} {path.name}\n{ast.dump(tree)}\n".encode())
    return summed.hexdigest()[:20]


def _sources(module: str) -> list[Path]:
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(module)
    path = Path(spec.origin)
    return sorted(path.parent.rglob("*.py")) if path.name == "__init__.py" else [path]


def _is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
