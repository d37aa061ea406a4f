"""A file is what its content says, whatever it is called; text is read in the encodings that instruments write."""

import gzip
import io
import sqlite3
import zipfile

import h5py
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from nescio.errors import FileError
from nescio.files import FileKind, Source, decoded_text, file_kind, text_encoding, text_lines, unpacked_source


def hdf5(**options) -> bytes:
    stream = io.BytesIO()
    with h5py.File(stream, "w", **options) as file:
        file["a"] = [1, 2]
    return stream.getvalue()


def npz() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, q=np.arange(3.0))
    return stream.getvalue()


def npy() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.arange(3.0))
    return stream.getvalue()


def archive(*names: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        for name in names:
            made.writestr(name, "<a/>")
    return stream.getvalue()


def picture(form: str, **options) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(stream, form, **options)
    return stream.getvalue()


def database() -> bytes:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE a (b)")
    return connection.serialize()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (hdf5(), FileKind.HDF5),
        (hdf5(userblock_size=512), FileKind.HDF5),
        (npz(), FileKind.NPZ),
        (npy(), FileKind.NPY),
        (archive("[Content_Types].xml", "xl/workbook.xml"), FileKind.XLSX),
        (archive("root.xml", "Data0/Profile0.txt", "Data0/MesurementConditions0.xml"), FileKind.RASX),
        (archive("DataContainer.xml", "Experiment0/DataContainer.xml", "Experiment0/RawData0.xml"), FileKind.BRML),
        (archive("readme.txt"), FileKind.ZIP),
        (archive(), FileKind.ZIP),
        (b"PK\x03\x04 and no archive", FileKind.ZIP),
        (gzip.compress(b"10 1\n"), FileKind.GZIP),
        (database(), FileKind.SQLITE),
        (picture("TIFF"), FileKind.TIFF),
        (picture("TIFF", big_tiff=True), FileKind.TIFF),
        (picture("PNG"), FileKind.PNG),
        (picture("JPEG"), FileKind.JPEG),
        (picture("BMP"), FileKind.BMP),
        (b"<?xml version='1.0'?><a/>", FileKind.XML),
        (b"\xef\xbb\xbf\n<xrdMeasurements/>", FileKind.XML),
        ("<a/>".encode("utf-16"), FileKind.XML),
        (b'{"_pfile": {}}', FileKind.JSON),
        (b'[{"a": 1}]', FileKind.JSON),
        (b"[record]\na = 1\n", FileKind.TEXT),
        (b"10 1\n11 2\n", FileKind.TEXT),
        (b"BM 10 1\n", FileKind.TEXT),
        (b"", FileKind.TEXT),
        (bytes(range(256)), FileKind.BINARY),
    ],
    ids=lambda value: value.name if isinstance(value, FileKind) else "of",
)  # fmt: skip
def test_a_kind_is_told_by_content(content, kind):
    assert file_kind(content) is kind


TEXT = "# angle in °, 2θ\n10,5 1\r\n11 2\r12 3"


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (TEXT.encode(), "utf-8"),
        (TEXT.encode("utf-8-sig"), "utf-8-sig"),
        (TEXT.encode("utf-16"), "utf-16"),
        (b"\xfe\xff" + TEXT.encode("utf-16-be"), "utf-16"),
        (TEXT.encode("utf-32"), "utf-32"),
        (TEXT.encode() + b"\x1a", "utf-8"),
        (TEXT.encode() + b"\x1a" + bytes(100), "utf-8"),
    ],
)
def test_text_is_read_in_any_usual_encoding(tmp_path, content, encoding):
    assert text_encoding(content) == encoding
    assert decoded_text(Source(tmp_path / "a.xy", content)) == TEXT


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_without_a_mark_is_recognised_by_its_zeros(tmp_path, encoding):
    text = "10 1\n11 2\n"
    assert text_encoding(text.encode(encoding)) == encoding
    assert decoded_text(Source(tmp_path / "a.xy", text.encode(encoding))) == text


def test_what_is_not_utf8_is_latin1(tmp_path):
    content = "10 \xb5m \xc5\n".encode("latin-1")
    assert text_encoding(content) == "latin-1"
    assert decoded_text(Source(tmp_path / "a.xy", content)) == "10 µm Å\n"


@pytest.mark.parametrize("content", [b"10 1\x00\x00\n11 2\n", bytes(range(1, 255)), b"\xff\xfe\x00"])
def test_what_is_no_text_is_told(tmp_path, content):
    assert text_encoding(content) is None
    with pytest.raises(FileError, match="is not text"):
        decoded_text(Source(tmp_path / "a.xy", content))


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\n\r\t"), max_size=60))
@example("a\n\nb\r\n\r\rc")
def test_lines_are_those_of_the_text(text):
    source = Source(__file__, text.encode())
    lines = list(text_lines(source, text))
    assert "\n".join(lines) == text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")


@given(st.binary(max_size=300))
def test_any_bytes_have_a_kind(content):
    kind = file_kind(content)
    if kind in (FileKind.TEXT, FileKind.XML, FileKind.JSON):
        assert text_encoding(content) is not None
    if kind is FileKind.BINARY:
        assert text_encoding(content) is None


def test_too_many_or_too_long_lines_are_refused(tmp_path):
    source = Source(tmp_path / "a.xy", b"")
    with pytest.raises(FileError, match="more than 3 lines"):
        list(text_lines(source, "1\n" * 4, most=3))
    with pytest.raises(FileError, match="line 2 has more than 5 characters"):
        list(text_lines(source, "1\n" + "2" * 6, longest=5))
    first = next(text_lines(source, "1\n" * 4, most=3))
    assert first == "1"


def test_a_packed_file_is_unpacked_within_its_budget(tmp_path):
    source = unpacked_source(
        Source(tmp_path / "a.xy.gz", gzip.compress(b"10 1\n") + gzip.compress(b"11 2\n"))
    )
    assert source.content == b"10 1\n11 2\n"
    plain = Source(tmp_path / "a.xy", b"10 1\n")
    assert unpacked_source(plain) is plain
    bomb = Source(tmp_path / "a.gz", gzip.compress(bytes(2**28), 1))
    with pytest.raises(FileError, match="its unpacked content would take"):
        unpacked_source(bomb)
    for damaged in (gzip.compress(b"10 1\n")[:-3], b"\x1f\x8b and no more"):
        with pytest.raises(FileError, match="cannot be unpacked"):
            unpacked_source(Source(tmp_path / "a.gz", damaged))
