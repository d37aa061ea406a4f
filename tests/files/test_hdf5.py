"""Nothing outside of an HDF5 file is read, whichever way it refers to it; and nothing in it takes more than it may."""

import io
import sys

import h5py
import numpy as np
import pytest

from nescio.errors import FileError
from nescio.files import Source, checked_hdf5, default_data, groups_below, opened_hdf5


@pytest.fixture
def secret(tmp_path):
    """A file whose content must not be read through another."""
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["secret"] = np.arange(5.0)
    (tmp_path / "secret.txt").write_text("a secret of the user's")
    return str(tmp_path / "secret.h5")


def written(path, fill):
    """Return the bytes of a file that a function filled."""
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file["q"] = [1.0, 2.0, 3.0]
        fill(file)
    return Source(path / "a.h5", stream.getvalue())


def raw(group, name, secret, shape=(8,), dtype="S1"):
    group.create_dataset(name, shape, dtype, external=[(secret.replace(".h5", ".txt"), 0, 8)])


def virtual(group, secret):
    layout = h5py.VirtualLayout((5,), "f8")
    layout[:] = h5py.VirtualSource(secret, "secret", (5,))
    group.create_virtual_dataset("v", layout)


def scale(file, secret):
    raw(file, "z", secret, (3,))
    file["z"].make_scale("z")
    file["q"].dims[0].attach_scale(file["z"])


def by_reference(file, secret):
    raw(file, "z", secret)
    file.create_dataset("references", data=[file["z"].ref], dtype=h5py.ref_dtype)


def by_reference_in_a_record(file, secret):
    raw(file, "z", secret)
    record = np.dtype([("n", "i4"), ("where", h5py.ref_dtype)])
    values = np.empty(1, record)
    values["n"], values["where"] = 1, file["z"].ref
    file.attrs.create("records", values, dtype=record)


def without_last_name(source):
    """Take the last name out of the root's table of names: what it names is still there, and can be referred to."""
    content = bytearray(source.content)
    count = content.index(b"SNOD") + 6
    content[count] -= 1
    return Source(source.path, bytes(content))


OUTSIDE = {
    "external link": lambda f, s: f.__setitem__("x", h5py.ExternalLink(s, "/secret")),
    "external link deep down": lambda f, s: f.create_group("a/b/c").__setitem__(
        "x", h5py.ExternalLink(s, "/")
    ),
    "external link to nothing": lambda f, s: f.__setitem__("x", h5py.ExternalLink("none.h5", "/")),
    "external storage": lambda f, s: raw(f, "e", s),
    "external storage deep down": lambda f, s: raw(f.create_group("a/b"), "e", s),
    "virtual dataset": virtual,
}


@pytest.mark.parametrize("fill", OUTSIDE.values(), ids=OUTSIDE.keys())
def test_a_file_that_refers_to_others_is_refused_and_the_reference_named(tmp_path, secret, fill):
    source = written(tmp_path, lambda file: fill(file, secret))
    with pytest.raises(FileError, match=r"a.h5: refers to other files.*(external link|another file|virtual)"):
        checked_hdf5(source)
    with pytest.raises(FileError, match="refers to other files"), opened_hdf5(source):
        pytest.fail("was opened")


@pytest.mark.parametrize("fill", [scale, by_reference, by_reference_in_a_record])
def test_what_has_no_name_but_can_be_reached_by_a_reference_is_found(tmp_path, secret, fill):
    source = without_last_name(written(tmp_path, lambda file: fill(file, secret)))
    with h5py.File(io.BytesIO(source.content)) as file:
        assert "z" not in file
    with pytest.raises(FileError, match=r"an object without a name \(stored in another file\)"):
        checked_hdf5(source)


def test_of_many_references_some_are_named(tmp_path, secret):
    source = written(
        tmp_path, lambda file: [file.__setitem__(f"x{k}", h5py.ExternalLink(secret, "/")) for k in range(20)]
    )
    with pytest.raises(FileError, match=r"/x\d+ \(an external link\), .*\.\.\.; copy"):
        checked_hdf5(source)


def test_links_in_circles_are_followed_once(tmp_path):
    def fill(file):
        inner = file.create_group("a/b")
        for k in range(10):
            file[f"c{k}"] = file["/"]
            inner[f"up{k}"] = file["a"]
        file["soft"] = h5py.SoftLink("/a")
        file["nowhere"] = h5py.SoftLink("/none")

    with opened_hdf5(written(tmp_path, fill)) as file:
        assert sorted(str(group.name) for group in groups_below(file.root)) == ["/", "/a", "/a/b"]
        assert default_data(file.root) is None


def test_numbers_and_texts_are_read(tmp_path):
    def fill(file):
        file["labels"] = ["HAADF", "é"]
        file["fixed"] = np.array([b"Ni", b"Co"])
        file["flags"] = [True, False]

    with opened_hdf5(written(tmp_path, fill)) as file:
        assert file.numbers(file.root, "q", 3).tolist() == [1.0, 2.0, 3.0]
        assert file.texts(file.root["labels"]) == ["HAADF", "é"]
        assert file.texts(file.root["fixed"]) == ["Ni", "Co"]
        assert file.values(file.root["flags"], 2, "b").tolist() == [True, False]
        with pytest.raises(FileError, match="at most 2 numbers"):
            file.numbers(file.root, "q", 2)
        with pytest.raises(FileError, match="must hold numbers, not text"):
            file.numbers(file.root, "labels", 9)
        with pytest.raises(FileError, match="must hold text, not float64"):
            file.texts(file.root["q"])
        with pytest.raises(FileError, match="has no dataset 'none'"):
            file.numbers(file.root, "none", 9)


BOMBS = {
    "a shape of which nothing is stored": lambda f: f.create_dataset(
        "a", (10**9, 10**6), "f8", chunks=(1, 10**4)
    ),
    "a fill value": lambda f: f.create_dataset("a", (10**5, 10**4), "f8", chunks=(100, 10**4), fillvalue=1),
    "a large item": lambda f: f.create_dataset("a", (3,), "S1000000000", chunks=(1,), compression="gzip"),
    "a large chunk": lambda f: f.create_dataset("a", (1,), "f8", maxshape=(None,), chunks=(10**8,)),
}


@pytest.mark.parametrize("fill", BOMBS.values(), ids=BOMBS.keys())
def test_what_takes_too_much_memory_is_refused_where_it_is_read_and_only_there(tmp_path, fill):
    with opened_hdf5(written(tmp_path, fill)) as file:
        assert file.numbers(file.root, "q", 3).size == 3
        read = file.texts if file.root["a"].dtype.kind == "S" else lambda node: file.values(node, 10**20)
        with pytest.raises(FileError, match=r"/a (cannot be read|would take)"):
            read(file.root["a"])


def test_many_datasets_that_together_take_too_much_are_refused_one_after_the_other(tmp_path):
    def fill(file):
        for k in range(3):
            file.create_dataset(f"a{k}", (20_000_000,), "f8", chunks=(10**6,), fillvalue=1)

    with opened_hdf5(written(tmp_path, fill)) as file:
        file.numbers(file.root, "a0", 10**8)
        file.numbers(file.root, "a1", 10**8)
        with pytest.raises(FileError, match=r"/a2 (cannot be read|would take)"):
            file.numbers(file.root, "a2", 10**8)


def test_a_chunk_that_unpacks_to_more_than_it_should_is_not_read(tmp_path):
    """HDF5 unpacks all that a chunk holds, whatever the size of the chunk is said to be."""
    import zlib

    def fill(file):
        dataset = file.create_dataset("a", (100,), "u1", chunks=(100,), compression="gzip")
        dataset.id.write_direct_chunk((0,), zlib.compress(bytes(2**30), 1))

    if sys.platform != "linux":
        pytest.skip("needs a limit on memory")
    with opened_hdf5(written(tmp_path, fill)) as file, pytest.raises(FileError, match="/a cannot be read"):
        file.numbers(file.root, "a", 100)


def test_a_large_attribute_is_refused(tmp_path):
    stream = io.BytesIO()
    with h5py.File(stream, "w", libver="latest") as file:
        file.create_group("g", track_order=True).attrs["a"] = np.zeros(3_000_000)
    with pytest.raises(FileError, match="/g has an attribute of 24 MB"):
        checked_hdf5(Source(tmp_path / "a.h5", stream.getvalue()))


def test_more_links_or_objects_than_a_sensible_file_has_are_refused(tmp_path, monkeypatch):
    links = written(tmp_path, lambda file: [file.__setitem__(str(k), file["q"]) for k in range(30)])
    objects = written(tmp_path, lambda file: [file.create_group(str(k)) for k in range(30)])
    monkeypatch.setattr("nescio.files.hdf5._MOST_LINKS", 30)
    with pytest.raises(FileError, match="more than 30 links"):
        checked_hdf5(links)
    monkeypatch.undo()
    monkeypatch.setattr("nescio.files.hdf5._MOST_OBJECTS", 30)
    checked_hdf5(links)
    with pytest.raises(FileError, match="more than 30 objects"):
        checked_hdf5(objects)


def test_a_damaged_part_is_told_where_all_of_it_is_needed(tmp_path):
    def fill(file):
        dataset = file.create_dataset("a", (100,), "f8", chunks=(100,), compression="gzip")
        dataset.id.write_direct_chunk((0,), b"no zlib")

    source = written(tmp_path, fill)
    with opened_hdf5(source) as file, pytest.raises(FileError, match="/a cannot be read"):
        file.numbers(file.root, "a", 100)
    with pytest.raises(FileError, match="a part of it cannot be read"):
        checked_hdf5(source)


@pytest.mark.parametrize(
    ("program", "reason"), [("import os; os.abort()", "crashed"), ("while True: pass", "end")]
)
def test_a_file_that_kills_the_library_kills_only_a_process_of_its_own(
    tmp_path, monkeypatch, program, reason
):
    (tmp_path / "nescio_probe_that_dies.py").write_text(program)
    monkeypatch.syspath_prepend(tmp_path)
    real = __import__("nescio.files.apart", fromlist=["a"]).answer_apart
    monkeypatch.setattr(
        "nescio.files.hdf5.answer_apart",
        lambda _, *args, **limits: real("nescio_probe_that_dies", *args, **limits),
    )
    monkeypatch.setattr("nescio.files.hdf5._SECONDS", 0.25)
    with pytest.raises(FileError, match=f"is damaged; HDF5 .*{reason}"):
        checked_hdf5(written(tmp_path, lambda file: None))


def test_what_is_no_hdf5_is_told(tmp_path):
    for content, reason in (
        (b"10 1\n", "is not an HDF5 file"),
        (b"\x89HDF\r\n\x1a\n" * 9, "not a readable HDF5"),
    ):
        with pytest.raises(FileError, match=reason):
            checked_hdf5(Source(tmp_path / "a.h5", content))
