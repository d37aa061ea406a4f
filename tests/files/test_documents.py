"""Archives, XML and JSON are read without what would make a small file large, deep or endless."""

import io
import struct
import zipfile

import numpy as np
import pytest

from nescio.errors import FileError
from nescio.files import (
    Source,
    json_value,
    npy_array,
    npz_arrays,
    opened_zip,
    refuse_deep,
    xml_root,
    zip_member,
)


def npz(path, **members: bytes):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in members.items():
            made.writestr(f"{name}.npy", content)
    return Source(path / "a.npz", stream.getvalue())


def npy(values) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.asarray(values))
    return stream.getvalue()


def claiming(shape, descr="<f8") -> bytes:
    header = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape!r}, }}"
    header += " " * (63 - (len(header) + 10) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()


def test_arrays_are_read_as_they_were_saved(tmp_path):
    table = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    found = npz_arrays(npz(tmp_path, a=npy(table), b=npy(["Ni", "Co"]), c=npy(3), d=npy(np.zeros((0, 4)))))
    np.testing.assert_array_equal(found["a"], table)
    assert found["b"].tolist() == ["Ni", "Co"]
    assert found["c"].shape == ()
    assert found["d"].shape == (0, 4)
    found["a"][0, 0] = 7.0  # may be changed
    single = npy_array(Source(tmp_path / "a.npy", npy(table)))
    single[0, 0] = 7.0
    assert single.tolist() == [[7.0, 1.0, 2.0], [3.0, 4.0, 5.0]]


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        (bytes(500_000_000), "would take 500 MB"),
        (claiming((10**15,)), "claims the shape"),
        (claiming((2**62, 2**62)), "claims the shape"),
        (claiming((0, 2**70)), "claims the shape"),
        (claiming((-1,)), "claims the shape"),
        (claiming((2,), "<U1") + b"\xff" * 8, "a character that does not exist"),
        (claiming((1,), "|O") + b"cos\nsystem\n", "Python objects are never loaded"),
        (b"", "not a readable NumPy archive"),
        (b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 65535, "not a readable NumPy archive"),
    ],
    ids=[
        "bomb",
        "claims",
        "claims more",
        "none of many",
        "negative",
        "no character",
        "objects",
        "empty",
        "nested",
    ],
)
def test_an_array_that_is_not_what_a_file_of_this_size_can_hold_is_refused(tmp_path, member, reason):
    with pytest.raises(FileError, match=reason):
        npz_arrays(npz(tmp_path, q=npy([1.0]), intensity=member))


def test_archives_of_other_methods_or_too_many_members_are_refused(tmp_path):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_LZMA) as made:
        made.writestr("q.npy", npy([1.0]))
    with pytest.raises(FileError, match="packed by another method than deflate"):
        npz_arrays(Source(tmp_path / "a.npz", stream.getvalue()))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        for k in range(1001):
            made.writestr(f"{k}.npy", b"")
    with pytest.raises(FileError, match="more than 1,000 members"):
        npz_arrays(Source(tmp_path / "a.npz", stream.getvalue()))


def test_a_member_that_unpacks_to_more_than_its_header_states_is_cut_off_there(tmp_path):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("a.txt", bytes(100_000))
    content = bytearray(stream.getvalue())
    # The size before compression, in the member's own header and in the directory.
    content[22:26] = struct.pack("<I", 10)
    start = content.index(b"PK\x01\x02")
    content[start + 24 : start + 28] = struct.pack("<I", 10)
    source = Source(tmp_path / "a.zip", bytes(content))
    left = source.budget.left
    with pytest.raises(FileError, match="CRC"), opened_zip(source) as archive:
        zip_member(source, archive, "a.txt")
    assert source.budget.left == left - 10


def xml(path, text: str | bytes):
    return Source(path / "a.xml", text if isinstance(text, bytes) else text.encode())


def test_xml_is_read_without_namespaces_in_any_encoding(tmp_path):
    text = "<?xml version='1.0' encoding='{}'?><a xmlns='http://x'><b c='µ'>1</b></a>"
    for encoding in ("utf-8", "utf-16", "latin-1"):
        root = xml_root(xml(tmp_path, text.format(encoding).encode(encoding)))
        assert [root.tag, root[0].tag, root[0].get("c"), root[0].text] == ["a", "b", "µ", "1"]


LAUGHS = "<!DOCTYPE a [<!ENTITY b 'bbb'><!ENTITY c '&b;&b;&b;'>]><a>&c;</a>"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (LAUGHS, "declares a document type"),
        (LAUGHS.encode("utf-16"), "declares a document type"),
        ("<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>", "declares a document type"),
        ("<!--" + "y" * 20_000 + "--><!DOCTYPE a><a/>", "declares a document type"),
        ("<a>" * 101 + "</a>" * 101, "more than 100 deep"),
        ("<a>" + "<b/>" * 1_000_001 + "</a>", "more than 1,000,000 elements"),
        ("<a>&b;</a>", "not well-formed"),
        ("<a><b></a>", "not well-formed"),
        ("<a>", "not well-formed"),
    ],
    ids=["laughs", "in UTF-16", "of a file", "late", "deep", "many", "undefined", "crossed", "open"],
)
def test_xml_that_no_instrument_writes_is_refused(tmp_path, text, reason):
    with pytest.raises(FileError, match=reason):
        xml_root(xml(tmp_path, text))


def json(path, text: str):
    return Source(path / "a.json", text.encode())


def test_json_is_read(tmp_path):
    assert json_value(json(tmp_path, '{"a": [1, 2.5, null, "µ"]}')) == {"a": [1, 2.5, None, "µ"]}
    assert json_value(json(tmp_path, "5")) == 5


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": NaN}', "NaN is no number"),
        ('{"a": ' + "9" * 5000 + "}", "not readable as JSON"),
        ("[" * 100_000 + "]" * 100_000, "not readable as JSON"),
        ("[" * 200 + "]" * 200, "more than 100 deep"),
        ('{"a": [' + "[]," * 6_000_000 + "1]}", "its items would take"),
        ('{"a": 1', "not readable as JSON"),
    ],
    ids=["NaN", "a long number", "very deep", "deep", "many items", "cut"],
)
def test_json_that_is_damaged_or_hostile_is_refused(tmp_path, text, reason):
    with pytest.raises(FileError, match=reason):
        json_value(json(tmp_path, text))


def test_depth_is_counted_through_lists_and_tables():
    value: object = 1
    for k in range(99):
        value = [value] if k % 2 else {"a": value}
    refuse_deep(value, "a")
    with pytest.raises(FileError, match="a: is nested more than 100 deep"):
        refuse_deep([[value]], "a")
