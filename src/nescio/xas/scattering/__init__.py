"""Full multiple scattering of a photoelectron: potentials, propagators, and the absorption of a site."""

from nescio.xas.scattering.absorption import SiteModel, environment, site_absorption, site_model
from nescio.xas.scattering.contour import broadening_matrix, contour_energies
from nescio.xas.scattering.multiple import absorber_green_function
from nescio.xas.scattering.potentials import (
    Scattering,
    bulk_scattering,
    load_scattering,
    save_scattering,
    scattering_from_feff,
)

__all__ = [
    "Scattering",
    "SiteModel",
    "absorber_green_function",
    "broadening_matrix",
    "bulk_scattering",
    "contour_energies",
    "environment",
    "load_scattering",
    "save_scattering",
    "scattering_from_feff",
    "site_absorption",
    "site_model",
]
