"""How the documentation is built; warnings are errors (``make docs``)."""

from nescio import __version__

project = "Nescio"
author = "The Nescio developers"
copyright = "2026, The Nescio developers"  # noqa: A001 - Sphinx's name
release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinxcontrib.bibtex",
]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
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
