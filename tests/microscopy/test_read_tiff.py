"""TIFF of every kind gives the right numbers, or says which kind it is and what to save instead."""

import io
from dataclasses import replace

import numpy as np
import pytest

from nescio.errors import FileError, MissingExtraError
from nescio.microscopy import read_image, read_spectrum_image
from nescio.microscopy.read.fields import Field
from nescio.microscopy.read.pictures import tiff
from nescio.signals import notes_of

tifffile = pytest.importorskip("tifffile")

RANDOM = np.random.default_rng(0)
HEIGHT = RANDOM.normal(size=(16, 20)) * 100


def written(path, values, **options):
    """Write a TIFF; by default grey."""
    stream = io.BytesIO()
    tifffile.imwrite(stream, values, **{"photometric": "minisblack", **options})
    path.write_bytes(stream.getvalue())
    return path


@pytest.fixture
def inside(monkeypatch):
    """Decode by tifffile without a process of its own, which takes half a second."""
    from nescio.microscopy.read.pictures import tiff_worker

    monkeypatch.setattr(
        tiff, "answer_apart", lambda _, request, content, **__: tiff_worker._decode(request, content)
    )


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"])
def test_every_kind_of_number_is_right(tmp_path, inside, kind, order):
    values = HEIGHT.astype(order + kind) if kind[0] != "u" else np.abs(HEIGHT).astype(order + kind)
    if kind in ("u4", "u8", "u2", "u1"):
        values[3, 4] = np.iinfo(kind).max
    found = read_image(written(tmp_path / "a.tif", values, byteorder=order))
    np.testing.assert_array_equal(found["image"].values[0], values.astype(np.float32))


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (kind, options)
        for kind in ("u2", "f8")
        for options in ({"tile": (16, 16)}, {"bigtiff": True}, {"compression": "zlib"}, {"rowsperstrip": 3})
    ]
    + [("u2", {"compression": "zlib", "predictor": True})],
)
def test_tiles_strips_and_compression_change_nothing(tmp_path, inside, kind, options):
    values = np.abs(HEIGHT).astype(kind)
    found = read_image(written(tmp_path / "a.tif", values, **options))
    np.testing.assert_array_equal(found["image"].values[0], values.astype(np.float32))


def test_tifffile_decodes_in_a_process_of_its_own(tmp_path):
    found = read_image(written(tmp_path / "a.tif", HEIGHT))
    np.testing.assert_array_equal(found["image"].values[0], HEIGHT.astype(np.float32))


def test_twelve_bits_are_read(tmp_path, inside):
    """Two numbers in three bytes, written by hand."""
    values = RANDOM.integers(0, 4096, (16, 20))
    first, second = values.ravel()[::2], values.ravel()[1::2]
    bytes_ = np.stack([first >> 4, ((first & 15) << 4) | (second >> 8), second & 255], axis=1).astype(
        np.uint8
    )
    path = written(tmp_path / "a.tif", np.zeros((16, 30), np.uint8))
    with tifffile.TiffFile(path) as file:
        tags = file.pages[0].tags
        places = {name: tags[name].valueoffset for name in ("ImageWidth", "BitsPerSample")}
        start = file.pages[0].dataoffsets[0]
    content = bytearray(path.read_bytes())
    content[places["ImageWidth"] : places["ImageWidth"] + 2] = (20).to_bytes(2, "little")
    content[places["BitsPerSample"] : places["BitsPerSample"] + 2] = (12).to_bytes(2, "little")
    content[start : start + 480] = bytes_.tobytes()
    path.write_bytes(content)
    np.testing.assert_array_equal(read_image(path)["image"].values[0], values)


def test_without_tifffile_the_kind_is_named_with_what_to_save(tmp_path, monkeypatch):
    path = written(tmp_path / "a.tif", HEIGHT)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(
        MissingExtraError,
        match=r"64-bit floating-point numbers; pip install nescio\[tiff\], or save it as 32-bit",
    ):
        read_image(path)
    written(path, np.abs(HEIGHT).astype("u4"))
    read_image(path)


def test_complex_numbers_and_several_samples_are_named(tmp_path):
    with pytest.raises(FileError, match="complex"):
        read_image(written(tmp_path / "a.tif", HEIGHT + 1j))
    two = np.stack([HEIGHT, -HEIGHT], axis=-1).astype(np.float32)
    with pytest.raises(
        FileError, match="has 2 32-bit floating-point numbers in each pixel; save one of them"
    ):
        read_image(written(tmp_path / "a.tif", two, planarconfig="contig"))


def test_colours_of_sixteen_bits_are_not_cut_to_eight(tmp_path, inside):
    colours = RANDOM.integers(0, 65536, (16, 20, 3)).astype(np.uint16)
    path = written(tmp_path / "a.tif", colours, photometric="rgb")
    with pytest.raises(FileError, match="is in colour"):
        read_image(path)
    found = read_image(path, luminance=True)["image"].values[0]
    np.testing.assert_allclose(found, colours @ np.array([0.299, 0.587, 0.114]), rtol=1e-5)
    grey = colours[..., :1].repeat(3, axis=2)
    found = read_image(written(path, grey, photometric="rgb"), luminance=True)["image"].values[0]
    np.testing.assert_array_equal(found, grey[..., 0])


def test_pages_are_images_of_their_own_or_spectra_together(tmp_path):
    pages = RANDOM.normal(size=(40, 16, 20)).astype(np.float32)
    path = written(tmp_path / "a.tif", pages)
    with pytest.raises(
        FileError, match=r"may be the image: page 1 \(16 x 20\), page 2.* and 32 more; choose"
    ):
        read_image(path)
    np.testing.assert_array_equal(read_image(path, image="page 7")["image"].values[0], pages[6])
    found = read_spectrum_image(path, image="page 1")
    np.testing.assert_array_equal(found["spectra"], np.moveaxis(pages, 0, -1).reshape(320, 40))
    few = read_image(written(path, pages[:3]), image="pages")
    np.testing.assert_array_equal(few["image"], pages[:3])


def test_the_pixel_size_that_imagej_states_is_used(tmp_path):
    stream = io.BytesIO()
    tifffile.imwrite(
        stream, HEIGHT.astype(np.float32), imagej=True, resolution=(4.0, 2.0), metadata={"unit": "um"}
    )
    (tmp_path / "a.tif").write_bytes(stream.getvalue())
    found = read_image(tmp_path / "a.tif")
    assert found["x"].values[1] == 0.25
    assert found["y"].values[1] == 0.5
    assert found["x"].attrs["units"] == "um"
    # Dots an inch are how it is printed.
    plain = read_image(
        written(tmp_path / "b.tif", HEIGHT.astype("f4"), resolution=(72, 72), resolutionunit="inch")
    )
    assert plain["x"].attrs["units"] == "pixel"


def test_the_pixel_size_that_ome_states_is_used(tmp_path):
    metadata = {"axes": "YX", "PhysicalSizeX": 20.0, "PhysicalSizeXUnit": "nm"}
    metadata |= {"PhysicalSizeY": 0.01, "PhysicalSizeYUnit": "µm"}
    stream = io.BytesIO()
    tifffile.imwrite(stream, HEIGHT.astype(np.float32), ome=True, metadata=metadata)
    (tmp_path / "a.ome.tif").write_bytes(stream.getvalue())
    found = read_image(tmp_path / "a.ome.tif")
    np.testing.assert_allclose([found["y"].values[1], found["x"].values[1]], [10.0, 20.0])
    assert found["x"].attrs["units"] == "nm"


def test_a_stack_of_imagej_with_one_page_says_what_is_missing(tmp_path):
    description = "ImageJ=1.53\nimages=5\nslices=5\n"
    path = written(tmp_path / "a.tif", HEIGHT.astype(np.float32), description=description, metadata=None)
    assert (
        "according to ImageJ, the file contains 5 images; only the 1 stored as pages"
        in notes_of(read_image(path))[0]
    )


def test_a_damaged_page_in_colour_is_told(tmp_path):
    colours = RANDOM.integers(0, 255, (16, 20, 3)).astype(np.uint8)
    path = written(tmp_path / "a.tif", colours, photometric="rgb", compression="zlib")
    with tifffile.TiffFile(path) as file:
        start = file.pages[0].dataoffsets[0]
    content = bytearray(path.read_bytes())
    content[start : start + 40] = bytes(40)
    path.write_bytes(content)
    with pytest.raises(FileError, match=r"a.tif: image is not a readable picture \((?!.*BytesIO)"):
        read_image(path)


def test_pages_that_lead_back_to_the_first_end(tmp_path):
    path = written(tmp_path / "a.tif", HEIGHT.astype(np.float32))
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        end = page.offset + 2 + 12 * len(page.tags)
        content = bytearray(path.read_bytes())
        content[end : end + 4] = page.offset.to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(FileError, match="its pages do not end"):
        read_image(path)


def test_data_of_another_shape_than_the_header_states_are_damaged(tmp_path):
    field = replace(Field.of("image", np.ones((3, 4))), read=lambda: np.ones(4))
    with pytest.raises(FileError, match=r"image is damaged: it states the shape \(3, 4\)"):
        field.numbers(tmp_path / "a.tif")
