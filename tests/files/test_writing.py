"""A result is written whole or not at all, whatever the disk does."""

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from nescio.errors import FileError
from nescio.files import write_atomically


def _full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_text_bytes_and_functions_are_written_and_folders_are_made(tmp_path):
    assert write_atomically(tmp_path / "a" / "b.txt", "µ\n").read_bytes() == "µ\n".encode()
    assert write_atomically(tmp_path / "b.bin", b"\x00\x01").read_bytes() == b"\x00\x01"
    assert write_atomically(tmp_path / "c", lambda path: path.write_text("c")).read_text() == "c"


def test_a_file_name_that_is_no_utf8_is_escaped_in_the_text_of_another_file(tmp_path):
    name = os.fsdecode(b"caf\xe9.xy")
    assert write_atomically(tmp_path / "list.txt", name).read_text(encoding="utf-8") == "caf\\udce9.xy"


@pytest.mark.parametrize("fault", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_and_nothing_beside_it(tmp_path, monkeypatch, fault):
    path = write_atomically(tmp_path / "findings.csv", "old")
    monkeypatch.setattr(os, fault, _full)
    with pytest.raises(FileError, match=r"findings.csv: cannot be written \(No space left.* MB are free in"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert [left.name for left in tmp_path.iterdir()] == ["findings.csv"]


def test_what_a_function_began_is_removed_where_it_fails(tmp_path):
    def fail(path: Path) -> None:
        path.mkdir()
        (path / "part").write_text("begun")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "export.zarr", fail)
    assert list(tmp_path.iterdir()) == []


def test_a_new_file_is_flushed_before_it_takes_its_place_and_the_folder_after(tmp_path, monkeypatch):
    happened = []
    fsync, replace = os.fsync, os.replace

    def noted_fsync(descriptor: int) -> None:
        happened.append("flush folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "flush")
        fsync(descriptor)

    def noted_replace(source: Path, target: Path) -> None:
        happened.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "replace", noted_replace)
    write_atomically(tmp_path / "a", "a")
    write_atomically(tmp_path / "b", lambda path: path.write_text("b"))
    assert happened == ["flush", "rename", "flush folder"] * 2


def test_a_long_name_is_written(tmp_path):
    path = tmp_path / ("é" * 120 + ".csv")
    assert write_atomically(path, "x").read_text() == "x"


def test_folders_and_devices_are_not_replaced(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(FileError, match="is a folder"):
        write_atomically(tmp_path / "folder", "x")
    if Path("/dev/null").exists():
        with pytest.raises(FileError, match="/dev/null: is a device"):
            write_atomically("/dev/null", "x")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of a file")
def test_findings_that_do_not_fit_on_the_disk_end_in_one_line_and_keep_the_old_ones(tmp_path):
    """HDF5 that is written to a full disk takes the whole process with it; so this runs in one of its own."""
    program = """
import resource, sys
import numpy as np, xarray as xr
from nescio.errors import FileError
from nescio.view import write_findings
findings = xr.Dataset(
    {"label": ("measurement", ["a"] * 9), "verdict": ("measurement", ["known"] * 9),
     "reconstruction": (("measurement", "q"), np.random.default_rng(0).random((9, 20_000)))},
    {"measurement": [str(k) for k in range(9)]},
)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
try:
    write_findings(findings, sys.argv[1])
except FileError as error:
    print(error)
"""
    (tmp_path / "findings.nc").write_bytes(b"old")
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "findings.nc: cannot be written (File too large)" in done.stdout
    assert (tmp_path / "findings.nc").read_bytes() == b"old"
    assert [left.name for left in tmp_path.iterdir()] == ["findings.nc"]
