"""What is opened is a regular file; what it takes in memory is bounded by what a file of its size can honestly need."""

import os
import socket
import sys

import pytest

from nescio.errors import AgentError, FileError, NescioError, TraceError
from nescio.files import Budget, Source, display_name, file_content, read_source, short_name, suffix_of

UNIX = pytest.mark.skipif(sys.platform == "win32", reason="has no such files")


def test_the_bytes_of_a_file_are_returned(tmp_path):
    (tmp_path / "a.xy").write_bytes(b"10 1\n")
    (tmp_path / "link.xy").symlink_to(tmp_path / "a.xy")
    assert read_source(tmp_path / "link.xy").content == b"10 1\n"


@UNIX
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.mkdir(), "is a folder"),
        (os.mkfifo, "is a pipe"),
        (lambda path: path.symlink_to("/dev/zero"), "is a device"),
        (lambda path: path.symlink_to("/dev/null"), "is a device"),
        (lambda path: path.symlink_to(path.name), "cannot be read"),
        (lambda path: None, "no such file"),
        (lambda path: path.symlink_to("nowhere"), "no such file"),
        (lambda path: path.write_bytes(b" \x00\n\x1a"), "is empty"),
        (lambda path: path.write_bytes(b"1" * 11), "the file has 11 bytes; the limit is 10 bytes"),
    ],
)
def test_what_is_no_regular_file_of_some_size_is_refused_and_never_waited_for(tmp_path, make, reason):
    path = tmp_path / "a.xy"
    make(path)
    with pytest.raises(FileError, match=f"a.xy: {reason}"):
        file_content(path, 10)


@UNIX
def test_a_socket_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("a.xy")
        with pytest.raises(FileError, match="is a socket"):
            read_source("a.xy")


@UNIX
def test_a_file_that_becomes_a_pipe_between_the_check_and_the_opening_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "a.xy"
    path.write_text("10 1\n")
    real = os.open

    def swap(name, flags):
        path.unlink()
        os.mkfifo(path)
        return real(name, flags)

    monkeypatch.setattr(os, "open", swap)
    with pytest.raises(FileError, match="is a pipe"):
        read_source(path)


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_file_of_the_system_that_has_no_size_is_not_read():
    with pytest.raises(FileError, match="is empty"):
        read_source("/proc/self/maps")


def test_a_budget_is_spent_by_all_that_is_read_of_an_input():
    budget = Budget("a.h5", 1_000_000)
    budget.spend(300_000_000, "/first")
    with pytest.raises(
        FileError, match=r"a.h5: /second would take 300 MB of memory, but only 111 MB are left of the 411 MB"
    ):
        budget.spend(300_000_000, "/second")
    budget.spend(100_000_000, "/third")


def test_a_budget_grows_with_the_file_to_a_limit():
    assert (
        Budget("a", 0).limit
        < Budget("a", 10**8).limit
        < Budget("a", 10**10).limit
        == Budget("a", 10**11).limit
    )


def test_a_budget_raises_the_error_of_what_it_is_for():
    with pytest.raises(TraceError):
        Budget("a", 0, error=TraceError).spend(2**40, "all")


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="takes no name that is not UTF-8")
def test_a_file_whose_name_is_not_utf8_is_read_under_an_escaped_name(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.xy")
    path.write_bytes(b"10 1\n")
    source = read_source(path)
    assert source.path.stem == "caf\\xe9"
    source.name.encode("utf-8")
    with pytest.raises(FileError, match=r"caf\\xe9.xy: the file has 5 bytes"):
        file_content(path, 2)


def test_names_are_shown_in_one_line_whatever_they_hold():
    assert display_name("scan 1 µ.xy") == "scan 1 µ.xy"
    assert display_name("a\nb\x1b[2J\u202e.xy") == "a\\nb\\x1b[2J\\u202e.xy"
    assert short_name("x" * 10**6) == "x" * 200


def test_suffixes_are_told_in_any_case_and_below_a_compression():
    assert [suffix_of(name) for name in ("A.XY", "a.Nxs", "b.xy.GZ", "c", ".xy")] == [
        ".xy",
        ".nxs",
        ".xy",
        "",
        "",
    ]


def test_an_error_is_one_line_however_hostile_what_it_quotes():
    error = AgentError("a.json: \x1b[31m" + "9" * 10**6 + "\nand more")
    assert str(error).isprintable()
    assert len(str(error)) < 2100
    assert str(NescioError("beam\nblanked")) == "beam blanked"


def test_a_source_made_of_bytes_has_the_budget_of_their_size(tmp_path):
    source = Source(tmp_path / "a", b"x" * 1000)
    assert source.budget.size == 1000
    assert source.budget.name == str(tmp_path / "a")
