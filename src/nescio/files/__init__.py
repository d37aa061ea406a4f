"""Reading files that nobody vouches for: within limits, executing nothing, following no links out of them."""

from typing import TYPE_CHECKING

from nescio.lazy import attach

if TYPE_CHECKING:
    from nescio.files.archive import npy_array, npz_arrays
    from nescio.files.bundled import bundled_file, bundled_names
    from nescio.files.content import file_content, one_line, text_content
    from nescio.files.fields import load_fields, packed, save_fields, unpacked
    from nescio.files.folders import usable_folder
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

__all__ = [
    "HDF5_SIGNATURE",
    "attribute",
    "bundled_file",
    "bundled_names",
    "default_data",
    "file_content",
    "groups_below",
    "load_fields",
    "member",
    "npy_array",
    "npz_arrays",
    "numeric_array",
    "one_line",
    "opened_hdf5",
    "packed",
    "save_fields",
    "text_content",
    "text_of",
    "unpacked",
    "usable_folder",
]

__getattr__, __dir__ = attach(
    __name__,
    {
        "archive": ["npy_array", "npz_arrays"],
        "bundled": ["bundled_file", "bundled_names"],
        "content": ["file_content", "one_line", "text_content"],
        "fields": ["load_fields", "packed", "save_fields", "unpacked"],
        "folders": ["usable_folder"],
        "hdf5": [
            "HDF5_SIGNATURE",
            "attribute",
            "default_data",
            "groups_below",
            "member",
            "numeric_array",
            "opened_hdf5",
            "text_of",
        ],
    },
)
