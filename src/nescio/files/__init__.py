"""Reading files that nobody vouches for: within limits, executing nothing, following no links out of them."""

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
from nescio.files.text import decoded

__all__ = [
    "HDF5_SIGNATURE",
    "attribute",
    "decoded",
    "default_data",
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
]
