"""The code in the documentation runs as tests; numerical programs are compiled once for all runs of the suite."""

import os
import tomllib
from pathlib import Path

from sybil import Example, Sybil
from sybil.parsers.myst import CodeBlockParser, PythonCodeBlockParser

from nescio.compute import cache_directory, enable_compilation_cache

os.environ.setdefault("NESCIO_CACHE", str(cache_directory() / "tests"))
# Most of the time goes into compiling programs that run once or twice, on little data.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    " --xla_cpu_use_fusion_emitters=false",
)
enable_compilation_cache()


def _check_toml(example: Example) -> None:
    """Read a TOML block as a reader would; a prior or an experiment is saved under the text's name for it."""
    document = tomllib.loads(example.parsed)
    if document.get("technique") == "xrd":
        from nescio.learn import LearnSettings
        from nescio.xrd import PriorSettings

        LearnSettings.model_validate(document.pop("learn", {}))
        PriorSettings.model_validate(document)
        Path("phases.toml").write_text(example.parsed, encoding="utf-8")
    if {"instrument", "candidates", "scalarizer"} <= set(document):
        Path("experiment.toml").write_text(example.parsed, encoding="utf-8")


def _enter_folder(namespace: dict[str, object]) -> None:
    """Run a page in an empty folder."""
    import tempfile

    namespace["_folder"] = folder = tempfile.TemporaryDirectory()
    namespace["_before"] = Path.cwd()
    os.chdir(folder.name)


def _leave_folder(namespace: dict[str, object]) -> None:
    os.chdir(namespace["_before"])  # type: ignore[arg-type]
    namespace["_folder"].cleanup()  # type: ignore[attr-defined]


pytest_collect_file = Sybil(
    parsers=[CodeBlockParser(language="toml", evaluator=_check_toml), PythonCodeBlockParser()],
    patterns=["docs/**/*.md", "docs/*.md", "README.md"],
    setup=_enter_folder,
    teardown=_leave_folder,
).pytest()
