"""HDF5 files: NeXus, netCDF 4, NSID and USID (pycroscopy), EMD, and plain datasets."""

from nescio.microscopy.read.hdf5.contents import hdf5_fields, is_hyperspy

__all__ = ["hdf5_fields", "is_hyperspy"]
