"""Named arrays: NeXus, HDF5 and NumPy archives."""

from nescio.xrd.read.arrays.nexus import read_nexus
from nescio.xrd.read.arrays.npz import read_npz

__all__ = ["read_nexus", "read_npz"]
