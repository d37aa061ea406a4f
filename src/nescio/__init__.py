"""Nescio: agents for materials characterisation that know what they do not know.

Importing this package loads nothing heavy; each subpackage brings what it needs:
:mod:`nescio.xrd` (diffraction), :mod:`nescio.learn` (agents), :mod:`nescio.view` (figures).
"""

from nescio.errors import NescioError
from nescio.version import __version__

__all__ = ["NescioError", "__version__"]
