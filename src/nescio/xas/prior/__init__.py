"""The prior of absorption near the edge: mixtures of site spectra with errors of measurement."""

from nescio.xas.prior.coordination import (
    CoordinationPrior,
    LibrarySettings,
    NormalisationSettings,
    XASSettings,
)
from nescio.xas.prior.library import (
    SiteLibrary,
    bundled_library,
    compute_library,
    joined,
    load_library,
    save_library,
)
from nescio.xas.prior.mixtures import Mixtures, MixtureSettings, numbers_of

__all__ = [
    "CoordinationPrior",
    "LibrarySettings",
    "MixtureSettings",
    "Mixtures",
    "NormalisationSettings",
    "SiteLibrary",
    "XASSettings",
    "bundled_library",
    "compute_library",
    "joined",
    "load_library",
    "numbers_of",
    "save_library",
]
