import gzip
import io
import re
import zipfile

import numpy as np
import pytest

from nescio.errors import ConfigurationError, FileError
from nescio.xrd.read import FILE_PATTERNS, read_many, read_patterns

GOOD = "10 1\n11 2\n"


def test_a_bad_file_among_many_is_reported_and_the_rest_is_kept(tmp_path):
    for name, text in {"b.xy": GOOD, "a.XYE": GOOD, "c.txt": "no numbers", "d.cif": "not a pattern"}.items():
        (tmp_path / name).write_text(text)
    patterns, errors = read_many(tmp_path)
    assert [pattern["measurement"].item() for pattern in patterns] == ["a", "b"]
    assert len(errors) == 1
    assert "c.txt" in str(errors[0])


def test_files_and_folders_are_taken_in_the_order_given(tmp_path):
    (tmp_path / "folder").mkdir()
    for name in ("z.xy", "folder/a.xy"):
        (tmp_path / name).write_text(GOOD)
    patterns, _ = read_many([tmp_path / "z.xy", tmp_path / "folder"])
    assert [pattern["measurement"].item() for pattern in patterns] == ["z", "a"]


def test_nothing_to_read_is_an_error(tmp_path):
    with pytest.raises(FileError, match="no patterns to read"):
        read_many(tmp_path)


@pytest.mark.parametrize(("name", "message"), [("no.xy", "no such file"), (".", "not a file")])
def test_what_is_no_file_is_refused(tmp_path, name, message):
    with pytest.raises(FileError, match=message):
        read_patterns(tmp_path / name)


def test_an_unknown_kind_is_told_with_the_known_ones(tmp_path):
    (tmp_path / "a.unknown").write_bytes(b"\x00\x01\x02")
    with pytest.raises(FileError, match=r"'\.unknown'.*\*\.xrdml"):
        read_patterns(tmp_path / "a.unknown")
    assert "*.nxs" in FILE_PATTERNS


def test_a_file_larger_than_the_limit_is_not_loaded(tmp_path, monkeypatch):
    monkeypatch.setattr("nescio.xrd.read.files.MAX_BYTES", 5)
    (tmp_path / "a.xy").write_text(GOOD)
    with pytest.raises(FileError, match="10 bytes are more than the 5"):
        read_patterns(tmp_path / "a.xy")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"axis": "theta"}, "axis 'theta' is unknown"),
        ({"wavelength": "Unobtainium"}, "unknown"),
        ({"wavelength": -1.0}, "-1 is not within"),
        ({"wavelength": "-1"}, "-1 is not within"),
        ({"wavelength": "nan"}, "nan is not within"),
        ({"wavelength": "1,5406"}, "decimal comma; write a point"),
    ],
)
def test_impossible_options_are_refused_before_anything_is_read(tmp_path, options, message):
    with pytest.raises(ConfigurationError, match=message):
        read_patterns(tmp_path / "no.xy", **options)
    with pytest.raises(ConfigurationError):
        read_many(tmp_path, **options)


def zipped(*names: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in names:
            archive.writestr(name, "<a/>")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("a.xy", zipped("xl/workbook.xml"), "an Excel workbook"),
        ("a.zip", zipped("a.xy"), "a ZIP archive"),
        ("a.xy", b'<?xml version="1.0"?><scan/>', "XML"),
        ("a.csv", b"<!DOCTYPE html><html><body>Sign in</body></html>", "an HTML page"),
        ("a.dat", b"\x89PNG\r\n\x1a\n", r"an image \(PNG\)"),
        ("a.txt", b'{"intensity": [1, 2]}', "JSON"),
    ],
)
def test_a_file_is_what_its_content_says_whatever_its_suffix(tmp_path, name, content, what):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(
        FileError, match=rf"{re.escape(name)}: is {what}, which this version does not read; export"
    ):
        read_patterns(tmp_path / name)


def test_a_file_of_a_known_kind_is_read_under_any_name(tmp_path):
    np.savez(tmp_path / "a.npz", q=[1.0, 2.0], intensity=[1.0, 2.0])
    (tmp_path / "a.npz").rename(tmp_path / "a.XY")
    (tmp_path / "a.npz").write_bytes(zipped("Experiment0/RawData0.xml"))
    with pytest.raises(FileError, match=r"a\.npz: scan 1: has no points"):
        read_patterns(tmp_path / "a.npz")
    assert read_patterns(tmp_path / "a.XY")["q"].values.tolist() == [1, 2]
    (tmp_path / "b.xy.gz").write_bytes(gzip.compress(GOOD.encode()))
    pattern = read_patterns(tmp_path / "b.xy.gz")
    assert (pattern["measurement"].item(), pattern["two_theta"].values.tolist()) == ("b", [10, 11])
