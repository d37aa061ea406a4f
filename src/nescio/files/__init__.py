"""Files: read within limits, executing nothing and following no link out of them; written whole or not at all."""

from nescio.files.archive import npy_array, npz_arrays
from nescio.files.content import file_content, measured_data, one_line, text_content
from nescio.files.hdf5 import (
    HDF5_SIGNATURE,
    attribute,
    default_data,
    groups_below,
    member,
    numeric_array,
    opened_hdf5,
    text_of,
)
from nescio.files.names import escaped
from nescio.files.writing import write_atomically, write_problem

__all__ = [
    "HDF5_SIGNATURE",
    "attribute",
    "default_data",
    "escaped",
    "file_content",
    "groups_below",
    "measured_data",
    "member",
    "npy_array",
    "npz_arrays",
    "numeric_array",
    "one_line",
    "opened_hdf5",
    "text_content",
    "text_of",
    "write_atomically",
    "write_problem",
]
