"""Safe reading and writing of files: limited memory, nothing executed, no other file opened, atomic writes.

A reader gets a :class:`Source`: the path of the file, its bytes, and a memory budget.
"""

from typing import TYPE_CHECKING

from nescio.lazy import attach

if TYPE_CHECKING:
    from nescio.files.apart import CrashError, TimeLimitError, answer_apart, serve_apart
    from nescio.files.archive import npy_array, npz_arrays
    from nescio.files.bundled import bundled_file, bundled_names
    from nescio.files.content import text_content
    from nescio.files.fields import load_fields, packed, save_fields, unpacked
    from nescio.files.folders import usable_folder
    from nescio.files.hdf5 import (
        Hdf5,
        attribute,
        checked_hdf5,
        default_data,
        groups_below,
        member,
        opened_hdf5,
        text_of,
    )
    from nescio.files.json import json_value, refuse_deep
    from nescio.files.kinds import HDF5_SIGNATURE, FileKind, file_kind
    from nescio.files.messages import one_line
    from nescio.files.names import display_name, short_name, suffix_of
    from nescio.files.source import (
        Budget,
        Source,
        file_content,
        opened_regular,
        read_source,
        refuse_special,
    )
    from nescio.files.text import decoded_text, text_encoding, text_lines
    from nescio.files.unpacking import opened_zip, unpacked_source, zip_member
    from nescio.files.writing import write_atomically, write_problem
    from nescio.files.xml import xml_root

__all__ = [
    "HDF5_SIGNATURE",
    "Budget",
    "CrashError",
    "FileKind",
    "Hdf5",
    "Source",
    "TimeLimitError",
    "answer_apart",
    "attribute",
    "bundled_file",
    "bundled_names",
    "checked_hdf5",
    "decoded_text",
    "default_data",
    "display_name",
    "file_content",
    "file_kind",
    "groups_below",
    "json_value",
    "load_fields",
    "member",
    "npy_array",
    "npz_arrays",
    "one_line",
    "opened_hdf5",
    "opened_regular",
    "opened_zip",
    "packed",
    "read_source",
    "refuse_deep",
    "refuse_special",
    "save_fields",
    "serve_apart",
    "short_name",
    "suffix_of",
    "text_content",
    "text_encoding",
    "text_lines",
    "text_of",
    "unpacked",
    "unpacked_source",
    "usable_folder",
    "write_atomically",
    "write_problem",
    "xml_root",
    "zip_member",
]

__getattr__, __dir__ = attach(
    __name__,
    {
        "apart": ["CrashError", "TimeLimitError", "answer_apart", "serve_apart"],
        "archive": ["npy_array", "npz_arrays"],
        "bundled": ["bundled_file", "bundled_names"],
        "content": ["text_content"],
        "fields": ["load_fields", "packed", "save_fields", "unpacked"],
        "folders": ["usable_folder"],
        "hdf5": [
            "Hdf5",
            "attribute",
            "checked_hdf5",
            "default_data",
            "groups_below",
            "member",
            "opened_hdf5",
            "text_of",
        ],
        "json": ["json_value", "refuse_deep"],
        "kinds": ["HDF5_SIGNATURE", "FileKind", "file_kind"],
        "messages": ["one_line"],
        "names": ["display_name", "short_name", "suffix_of"],
        "unpacking": ["opened_zip", "unpacked_source", "zip_member"],
        "source": [
            "Budget",
            "Source",
            "file_content",
            "opened_regular",
            "read_source",
            "refuse_special",
        ],
        "text": ["decoded_text", "text_encoding", "text_lines"],
        "writing": ["write_atomically", "write_problem"],
        "xml": ["xml_root"],
    },
)
