"""Fields of ``.zspy``, HyperSpy's Zarr format, as a folder or a ZIP archive."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from nescio.errors import FileError, MissingExtraError
from nescio.files import (
    Budget,
    CrashError,
    FileKind,
    Source,
    TimeLimitError,
    answer_apart,
    display_name,
    file_content,
    file_kind,
    opened_zip,
    write_problem,
    zip_member,
)
from nescio.microscopy.read.fields import MAX_BYTES, Field, unique_names
from nescio.microscopy.read.hyperspy.rosettasciio import signal_field

__all__ = ["zspy_fields"]

_MOST_FILES = 20_000
_SECONDS = 20.0
# Other codecs can unpickle objects, or are not needed for numbers.
_CODECS = frozenset(
    (
        *("blosc", "zlib", "gzip", "bz2", "lzma", "zstd", "lz4", "crc32c"),
        *(
            "shuffle",
            "delta",
            "fixedscaleoffset",
            "quantize",
            "packbits",
            "astype",
            "bytes",
            "transpose",
            "vlen-utf8",
        ),
    )
)
_METADATA = (".zarray", ".zmetadata", "zarr.json")
_INNER_NAME = re.compile(r"[^\0:\\]+")


@contextmanager
def zspy_fields(path: Path) -> Iterator[list[Field]]:
    """Yield the signals of a ``.zspy``, which can be read inside the context.

    All its files are copied, without following links. They are decoded in a separate process, with safe codecs only.

    Raises:
        MissingExtraError: Zarr is not installed.
        FileError: The data are damaged or too large, contain links, or use another codec.
    """
    name = display_name(path)
    if find_spec("zarr") is None:
        raise MissingExtraError(f"{name}: files of type '.zspy' need Zarr; pip install nescio[zarr]")
    with TemporaryDirectory(prefix="nescio-") as folder:
        source = _copied(path, Path(folder) / "store")
        request = {"folder": folder, "most": source.budget.left // 2}
        try:
            answer, _ = answer_apart(
                "nescio.microscopy.read.hyperspy.zspy_worker",
                request,
                b"",
                seconds=_SECONDS,
                memory=source.budget.limit,
            )
        except (TimeLimitError, CrashError):
            raise FileError(f"{name}: is damaged; its reader failed") from None
        if "problem" in answer:
            raise FileError(f"{name}: cannot be read ({answer['problem']})")
        names = unique_names([one["title"] for one in answer["signals"]], "signal")
        yield [
            signal_field(source, Path(folder), title, signal)
            for title, signal in zip(names, answer["signals"], strict=True)
        ]


def _copied(path: Path, store: Path) -> Source:
    """Copy all files of a store, and return a source with a budget for their total size."""
    total = 0
    for inner, content in _members(path):
        total += len(content)
        if total > MAX_BYTES:
            raise FileError(f"{display_name(path)}: is larger than the limit of {MAX_BYTES:,} bytes")
        if inner.rsplit("/", 1)[-1] in _METADATA:
            _check_codecs(path, inner, content)
        target = store / inner
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        except OSError as error:
            raise FileError(write_problem(target, error)) from None
    return Source(path, b"", Budget(display_name(path), total))


def _members(path: Path) -> Iterator[tuple[str, bytes | bytearray]]:
    """Yield the path and content of each file of a store."""
    if path.is_dir():
        count = 0
        for folder, _, names in os.walk(path):
            for file in (Path(folder) / name for name in names):
                count += 1
                if count > _MOST_FILES:
                    raise FileError(f"{display_name(path)}: contains more than {_MOST_FILES:,} files")
                if file.is_symlink():
                    raise FileError(
                        f"{display_name(file)}: is a link to another file; links are not followed"
                    )
                if not file.stat().st_size:
                    continue
                yield file.relative_to(path).as_posix(), file_content(file, MAX_BYTES)
        return
    source = Source(path, file_content(path, MAX_BYTES))
    if file_kind(source.content) not in (FileKind.ZIP, FileKind.NPZ):
        raise FileError(f"{source.name}: is neither a Zarr folder nor a ZIP archive of one")
    with opened_zip(source, "ZIP archive of Zarr") as archive:
        for member in archive.infolist():
            parts = member.filename.split("/")
            if member.is_dir():
                continue
            if ".." in parts or "" in parts or not _INNER_NAME.fullmatch(member.filename):
                raise FileError(f"{source.name}: its member {member.filename[:60]!r} is outside the archive")
            yield member.filename, zip_member(source, archive, member)


def _check_codecs(path: Path, inner: str, content: bytes | bytearray) -> None:
    """Raise an error for codecs that can do more than decode numbers."""
    try:
        document = json.loads(bytes(content))
        codecs = sorted(_codecs(document))
    except (ValueError, RecursionError):
        raise FileError(f"{display_name(path)}: {inner[:80]} is not readable") from None
    refused = [codec for codec in codecs if codec not in _CODECS]
    if refused:
        raise FileError(
            f"{display_name(path)}: {inner[:80]} uses the codec {refused[0][:40]!r}, which is refused because it "
            "could execute code from the file; save it with the default compressor"
        )


def _codecs(value: Any) -> Iterator[str]:
    """Yield the names of all codecs in Zarr metadata, version 2 ("id") or 3 ("name" in "codecs")."""
    if isinstance(value, list):
        for one in value:
            yield from _codecs(one)
    elif isinstance(value, dict):
        for key, held in value.items():
            listed = held if isinstance(held, list) else [held]
            if key in ("compressor", "filters", "codecs"):
                yield from (
                    str(one.get("id", one.get("name", ""))) for one in listed if isinstance(one, dict)
                )
            elif key != "attributes":
                yield from _codecs(held)
