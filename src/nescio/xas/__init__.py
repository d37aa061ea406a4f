"""X-ray absorption: forward models of chi(k) and mu(E), their transforms, and the structures they are computed of."""

from nescio.xas.athena import read_athena
from nescio.xas.background import Extracted, extract_exafs
from nescio.xas.cleaning import aligned, deglitched, merged
from nescio.xas.clusters import Cluster, make_cluster, mixed
from nescio.xas.columns import read_columns
from nescio.xas.contour import broadening_matrix, contour_energies
from nescio.xas.coordination import FCC_SHELLS, Shells, Surroundings, shells_of, unique_surroundings
from nescio.xas.disorder import (
    debye_covariance,
    debye_displacements,
    einstein_displacements,
    relative_displacement,
    static_disorder,
)
from nescio.xas.edges import edge_energy
from nescio.xas.energy import energy_from_wavenumber, wavenumber_from_energy
from nescio.xas.exafs import (
    PathParameters,
    PathTable,
    chi_of_paths,
    distribution_kernel,
    exafs,
    path_table,
)
from nescio.xas.feff_input import feff_input
from nescio.xas.feff_output import FeffPhases, read_feff_phases
from nescio.xas.feff_paths import FeffPath, Leg, read_feff_path
from nescio.xas.feff_run import FeffProgram, find_feff6l, find_feff8l, own_feff, run_feff
from nescio.xas.feff_sweep import Sweep, executor_at, sweep_feff
from nescio.xas.fourier import fourier, fourier_distances, inverse_fourier
from nescio.xas.hdf5 import read_hdf5
from nescio.xas.library import (
    SiteLibrary,
    bundled_library,
    compute_library,
    joined,
    load_library,
    save_library,
)
from nescio.xas.mixtures import Mixtures, MixtureSettings, numbers_of
from nescio.xas.motion import EMT_ELEMENTS, molecular_dynamics, sweep_inputs
from nescio.xas.multiple_scattering import absorber_green_function
from nescio.xas.prepare import prepare_normalised, prepare_spectra
from nescio.xas.prior import CoordinationPrior, LibrarySettings, NormalisationSettings, XASSettings
from nescio.xas.read import one_spectrum, read_spectra, spectra_dataset, spectra_of
from nescio.xas.scattering import (
    Scattering,
    bulk_scattering,
    load_scattering,
    save_scattering,
    scattering_from_feff,
)
from nescio.xas.shapes import Shapes, known_shapes
from nescio.xas.spectrum import Normalised, Spectrum, normalised
from nescio.xas.wavelets import cauchy_distances, cauchy_wavelet, morlet_wavelet
from nescio.xas.windows import WindowKind, window
from nescio.xas.xanes import SiteModel, environment, site_absorption, site_model

__all__ = [
    "EMT_ELEMENTS",
    "FCC_SHELLS",
    "Cluster",
    "CoordinationPrior",
    "Extracted",
    "FeffPath",
    "FeffPhases",
    "FeffProgram",
    "Leg",
    "LibrarySettings",
    "MixtureSettings",
    "Mixtures",
    "NormalisationSettings",
    "Normalised",
    "PathParameters",
    "PathTable",
    "Scattering",
    "Shapes",
    "Shells",
    "SiteLibrary",
    "SiteModel",
    "Spectrum",
    "Surroundings",
    "Sweep",
    "WindowKind",
    "XASSettings",
    "absorber_green_function",
    "aligned",
    "broadening_matrix",
    "bulk_scattering",
    "bundled_library",
    "cauchy_distances",
    "cauchy_wavelet",
    "chi_of_paths",
    "compute_library",
    "contour_energies",
    "debye_covariance",
    "debye_displacements",
    "deglitched",
    "distribution_kernel",
    "edge_energy",
    "einstein_displacements",
    "energy_from_wavenumber",
    "environment",
    "exafs",
    "executor_at",
    "extract_exafs",
    "feff_input",
    "find_feff6l",
    "find_feff8l",
    "fourier",
    "fourier_distances",
    "inverse_fourier",
    "joined",
    "known_shapes",
    "load_library",
    "load_scattering",
    "make_cluster",
    "merged",
    "mixed",
    "molecular_dynamics",
    "morlet_wavelet",
    "normalised",
    "numbers_of",
    "one_spectrum",
    "own_feff",
    "path_table",
    "prepare_normalised",
    "prepare_spectra",
    "read_athena",
    "read_columns",
    "read_feff_path",
    "read_feff_phases",
    "read_hdf5",
    "read_spectra",
    "relative_displacement",
    "run_feff",
    "save_library",
    "save_scattering",
    "scattering_from_feff",
    "shells_of",
    "site_absorption",
    "site_model",
    "spectra_dataset",
    "spectra_of",
    "static_disorder",
    "sweep_feff",
    "sweep_inputs",
    "unique_surroundings",
    "wavenumber_from_energy",
    "window",
]
