"""Folders and archives of Zarr that HyperSpy writes are read; no codec that could execute something is."""

import json
import shutil

import pytest
from tests.microscopy.grids import UNITS, VALUES, ordered, same

from nescio.errors import FileError, MissingExtraError
from nescio.microscopy import read_spectrum_image

zarr = pytest.importorskip("zarr")


@pytest.fixture
def store(tmp_path):
    """Write as HyperSpy does with Zarr: version 2, chunks in nested folders."""
    order = ("energy", "y", "x")
    path = tmp_path / "grid.zspy"
    root = zarr.open_group(str(path), mode="w", zarr_format=2)
    root.attrs.update({"file_format": "ZSpy", "file_format_version": "3.3"})
    group = root.create_group("Experiments").create_group("eels")
    values = ordered(order)
    data = group.create_array(
        "data",
        shape=values.shape,
        dtype=values.dtype,
        chunks=(3, 2, 5),
        chunk_key_encoding={"name": "v2", "separator": "/"},
    )
    data[...] = values
    for number, name in enumerate(order):
        along = VALUES[name]
        group.create_group(f"axis-{number}").attrs.update(
            {"name": name, "units": UNITS[name], "size": len(along), "navigate": name != "energy"}
            | {"offset": float(along[0]), "scale": float(along[1] - along[0])}
        )
    group.create_group("metadata").create_group("General").attrs["title"] = "eels"
    return path


def test_a_folder_and_an_archive_are_the_same_grid(store):
    same(read_spectrum_image(store))
    archive = shutil.make_archive(str(store.with_name("packed")), "zip", store)
    same(read_spectrum_image(shutil.move(archive, store.with_name("PACKED.ZSPY"))))


def test_a_codec_that_could_unpickle_is_refused(store):
    described = store / "Experiments" / "eels" / "data" / ".zarray"
    document = json.loads(described.read_text())
    described.write_text(json.dumps({**document, "filters": [{"id": "pickle"}]}))
    with pytest.raises(FileError, match=r"data/\.zarray uses the codec 'pickle', which is refused"):
        read_spectrum_image(store)


def test_links_out_of_the_folder_are_not_followed(store, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("x")
    (store / "Experiments" / "linked").symlink_to(secret)
    with pytest.raises(FileError, match="linked: is a link to another file"):
        read_spectrum_image(store)


def test_an_array_that_claims_too_much_is_refused(store):
    described = store / "Experiments" / "eels" / "data" / ".zarray"
    document = json.loads(described.read_text())
    described.write_text(json.dumps({**document, "shape": [10**5] * 3}))
    with pytest.raises(FileError, match="more memory than the budget for a file of this size"):
        read_spectrum_image(store)


def test_what_is_no_store_is_told(tmp_path, monkeypatch):
    (tmp_path / "a.zspy").write_bytes(b"something")
    with pytest.raises(FileError, match="neither a Zarr folder nor a ZIP archive"):
        read_spectrum_image(tmp_path / "a.zspy")
    (tmp_path / "b.zspy").mkdir()
    with pytest.raises(FileError, match=r"b.zspy: (cannot be read|is damaged)"):
        read_spectrum_image(tmp_path / "b.zspy")
    monkeypatch.setattr("nescio.microscopy.read.hyperspy.zspy.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"need Zarr; pip install nescio\[zarr\]"):
        read_spectrum_image(tmp_path / "b.zspy")
