"""Read measured absorption spectra: text with columns, Athena projects, HDF5."""

from nescio.xas.read.athena import read_athena
from nescio.xas.read.columns import read_columns
from nescio.xas.read.files import FILE_PATTERNS, one_spectrum, read_spectra, spectra_dataset, spectra_of
from nescio.xas.read.hdf5 import read_hdf5

__all__ = [
    "FILE_PATTERNS",
    "one_spectrum",
    "read_athena",
    "read_columns",
    "read_hdf5",
    "read_spectra",
    "spectra_dataset",
    "spectra_of",
]
