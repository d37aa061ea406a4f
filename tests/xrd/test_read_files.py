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
    (tmp_path / "a.raw").write_bytes(b"RAW1.01")
    with pytest.raises(FileError, match=r"'\.raw'.*\*\.xrdml"):
        read_patterns(tmp_path / "a.raw")
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
