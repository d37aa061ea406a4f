"""How the documentation is built; warnings are errors (``make docs``)."""

import json
import logging
import os
import sys
from pathlib import Path

from jupyter_cache import get_cache
from jupyter_cache.executors import load_executor
from sphinx.application import Sphinx

from nescio import __version__
from nescio.compute import cache_directory

project = "Nescio"
author = "The Nescio developers"
copyright = "2026, The Nescio developers"  # noqa: A001 - Sphinx's name
release = __version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinxcontrib.bibtex",
]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
# The pages of the gallery are executed at every build, so that they are tests as well. Their kernel is
# this Python, whatever kernels the user has; compiled programs are kept for the next build, and shared by the pages.
_BUILT = Path(__file__).parent / "_build"
_KERNEL = _BUILT / "jupyter" / "kernels" / "python3" / "kernel.json"
_KERNEL.parent.mkdir(parents=True, exist_ok=True)
_KERNEL.write_text(
    json.dumps(
        {
            "argv": [
                sys.executable,
                "-m",
                "ipykernel_launcher",
                "-f",
                "{connection_file}",
                "--log-level=ERROR",
            ],
            "display_name": "Python 3",
            "language": "python",
        }
    ),
    encoding="utf-8",
)
os.environ["JUPYTER_PATH"] = str(_BUILT / "jupyter")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache_directory() / "docs"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "0")
# As for the tests: most of the time would go into compiling programs that run once, on little data.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    " --xla_cpu_use_fusion_emitters=false",
)
nb_execution_mode = "cache"
nb_execution_cache_path = str(_BUILT / "executed")
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 600
nb_execution_show_tb = True
# Progress and notes on standard error are not part of a page.
nb_output_stderr = "remove"
nb_merge_streams = True

bibtex_bibfiles = ["references.bib"]
bibtex_default_style = "plain"
bibtex_reference_style = "author_year"

# Single backquotes in docstrings are code.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_default_options = {"members": True, "exclude-members": "model_config"}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
# Only our own public names must resolve: those of other packages would need the network.
nitpick_ignore_regex = [("py:.*", r"^(?!nescio\.).*"), ("py:.*", r"^nescio\.\w+\.(_|\w+\.).*")]
# Two packages may have a public name in common (Prior).
suppress_warnings = ["ref.python"]

html_theme = "furo"
html_title = f"Nescio {release}"
html_show_sphinx = False


def _execute_gallery(app: Sphinx) -> None:
    """Execute all notebooks, one after the other: they share compiled programs.

    One that fails is executed again when it is read, and its error ends the build.
    """
    if app.config.nb_execution_mode != "cache":
        return
    cache = get_cache(app.config.nb_execution_cache_path)
    cache.clear_cache()
    for page in sorted(Path(app.srcdir, "gallery").glob("*-*.md")):
        cache.add_nb_to_project(str(page), read_data={"name": "myst_nb_md", "type": "plugin"})
    logger = logging.getLogger("gallery")
    for quiet in (logger, logging.getLogger("traitlets")):
        quiet.setLevel(logging.WARNING)
    load_executor("temp-serial", cache, logger).run_and_cache(timeout=nb_execution_timeout)


def setup(app: Sphinx) -> None:
    """Tell Sphinx what to do before it reads the pages."""
    app.connect("builder-inited", _execute_gallery)
