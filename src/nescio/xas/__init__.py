"""X-ray absorption: forward models of chi(k) and mu(E), and their transforms."""

from nescio.xas.energy import energy_from_wavenumber, wavenumber_from_energy
from nescio.xas.exafs import (
    PathParameters,
    PathTable,
    chi_of_paths,
    distribution_kernel,
    exafs,
    path_table,
)
from nescio.xas.feff_paths import FeffPath, Leg, read_feff_path
from nescio.xas.fourier import fourier, fourier_distances, inverse_fourier
from nescio.xas.wavelets import cauchy_distances, cauchy_wavelet, morlet_wavelet
from nescio.xas.windows import WindowKind, window

__all__ = [
    "FeffPath",
    "Leg",
    "PathParameters",
    "PathTable",
    "WindowKind",
    "cauchy_distances",
    "cauchy_wavelet",
    "chi_of_paths",
    "distribution_kernel",
    "energy_from_wavenumber",
    "exafs",
    "fourier",
    "fourier_distances",
    "inverse_fourier",
    "morlet_wavelet",
    "path_table",
    "read_feff_path",
    "wavenumber_from_energy",
    "window",
]
