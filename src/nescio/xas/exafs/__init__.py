"""EXAFS: chi(k) of scattering paths and of measured spectra, transforms, and a figure."""

from typing import TYPE_CHECKING

from nescio.lazy import attach
from nescio.xas.exafs.background import Extracted, extract_exafs
from nescio.xas.exafs.paths import (
    PathParameters,
    PathTable,
    chi_of_paths,
    distribution_kernel,
    path_table,
    total_chi,
)
from nescio.xas.exafs.transform import fourier, fourier_distances, inverse_fourier
from nescio.xas.exafs.wavelets import cauchy_distances, cauchy_wavelet, morlet_wavelet
from nescio.xas.exafs.windows import WindowKind, window

if TYPE_CHECKING:
    from nescio.xas.exafs.figure import exafs_figure

__all__ = [
    "Extracted",
    "PathParameters",
    "PathTable",
    "WindowKind",
    "cauchy_distances",
    "cauchy_wavelet",
    "chi_of_paths",
    "distribution_kernel",
    "exafs_figure",
    "extract_exafs",
    "fourier",
    "fourier_distances",
    "inverse_fourier",
    "morlet_wavelet",
    "path_table",
    "total_chi",
    "window",
]

# Figures load Matplotlib only when they are used.
__getattr__, __dir__ = attach(__name__, {"figure": ["exafs_figure"]})
