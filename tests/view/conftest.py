"""Made-up findings for every test of figures."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import xarray as xr


def _synthetic() -> ModuleType:
    spec = importlib.util.spec_from_file_location("synthetic", Path(__file__).with_name("synthetic.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def synthetic() -> ModuleType:
    return _synthetic()


@pytest.fixture
def findings(synthetic: ModuleType) -> xr.Dataset:
    return synthetic.make_findings()


@pytest.fixture
def reference(synthetic: ModuleType) -> xr.Dataset:
    return synthetic.make_reference()
