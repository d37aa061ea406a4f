"""An image is found in arrays and pictures, or it is said why not."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from nescio.errors import FileError, NescioError
from nescio.microscopy import read_image, read_spectrum_image

RANDOM = np.random.default_rng(0)
IMAGE = RANDOM.normal(size=(20, 30))
SPECTRA = RANDOM.normal(size=(4, 5, 7))
PLACES = np.stack(np.meshgrid([2, 6, 10, 14], [3, 8, 13, 18, 23], indexing="ij"), axis=-1).reshape(-1, 2)


@pytest.fixture
def write(tmp_path):
    def save(**arrays):
        path = tmp_path / "data.npz"
        np.savez(path, **arrays)
        return path

    return save


def test_the_image_is_the_array_of_that_name_or_the_only_one_of_two_dimensions(write):
    for arrays in ({"image": IMAGE, "other": IMAGE[::2]}, {"height": IMAGE, "energy": np.arange(9.0)}):
        found = read_image(write(**arrays))
        np.testing.assert_allclose(found["image"].values[0], IMAGE, rtol=1e-6)
        assert found["y"].attrs["units"] == "pixel"
        assert found.attrs["source"].endswith("data.npz")


def test_several_images_are_named_and_those_asked_for_become_channels(write):
    path = write(amplitude=IMAGE, phase=-IMAGE, positions=PLACES)
    with pytest.raises(
        FileError, match=r"several arrays may be the image: amplitude \(20 x 30\), phase \(20 x 30\); choose"
    ):
        read_image(path)
    found = read_image(path, image=("phase", "amplitude"), pixel_size=0.5, unit="nm")
    assert found["channel"].values.tolist() == ["phase", "amplitude"]
    assert found["x"].values[2] == 1.0
    assert read_image(path, image="phase")["channel"].values.tolist() == ["phase"]
    np.testing.assert_array_equal(found["position"], PLACES * 0.5)
    assert found["position"].attrs["units"] == "nm"


def test_three_dimensions_are_channels_first(write):
    found = read_image(write(image=RANDOM.normal(size=(2, 20, 30))), channels=("a", "b"))
    assert found["image"].shape == (2, 20, 30)
    assert found["channel"].values.tolist() == ["a", "b"]


def test_one_array_alone_is_read(tmp_path):
    np.save(tmp_path / "topography.npy", IMAGE)
    found = read_image(tmp_path / "topography.npy")
    assert found["channel"].values.tolist() == ["topography"]


def test_pixels_that_are_not_finite_are_refused_or_left_out(write):
    holed = IMAGE.copy()
    holed[3, 4] = np.nan
    with pytest.raises(FileError, match=r"row 3, column 4\) is nan.*missing = true"):
        read_image(write(image=holed))
    found = read_image(write(image=holed), missing=True)
    assert not found["valid"].values[3, 4]
    assert int((~found["valid"]).sum()) == 1


@pytest.mark.parametrize(
    ("arrays", "options", "message"),
    [
        ({"energy": np.arange(9.0)}, {}, r"contains no image; it contains energy \(9\)"),
        ({"image": IMAGE}, {"image": "height"}, r"no array 'height'; the file contains image \(20 x 30\)"),
        ({"image": IMAGE + 1j}, {}, "complex numbers; save its amplitude or phase"),
        ({"a": IMAGE, "b": IMAGE[1:]}, {"image": ("a", "b")}, "several arrays need the same shape"),
        ({"a": np.zeros((50, 20, 30))}, {"image": "a"}, "at most 32 channels"),
        ({"image": IMAGE, "position_um": PLACES}, {}, "positions are in um, the image in pixel"),
        ({"image": IMAGE}, {"unit": "eV"}, "'eV' is not a length"),
        ({"image": np.array([["a"] * 9] * 9)}, {"image": "image"}, "not numbers"),
        ({"image": np.array([{}] * 4).reshape(2, 2)}, {}, "Python objects are never loaded"),
    ],
)
def test_what_holds_no_image_says_what_it_holds(write, arrays, options, message):
    with pytest.raises(FileError, match=message):
        read_image(write(**arrays), **options)


def test_missing_and_unknown_files_are_told(tmp_path):
    with pytest.raises(FileError, match="no such file"):
        read_image(tmp_path / "absent.png")
    (tmp_path / "empty.png").write_bytes(b"")
    with pytest.raises(FileError, match="is empty"):
        read_image(tmp_path / "empty.png")
    (tmp_path / "notes.txt").write_text("a")
    with pytest.raises(FileError, match=r"notes.txt: format '.txt'"):
        read_image(tmp_path / "notes.txt")


@pytest.mark.parametrize(("suffix", "dtype"), [("png", np.uint8), ("png", np.uint16), ("tif", np.float32)])
def test_grey_pictures_keep_their_numbers(tmp_path, suffix, dtype):
    values = (RANDOM.random((12, 15)) * 200).astype(dtype)
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(values).save(path)
    np.testing.assert_array_equal(read_image(path)["image"].values[0], values)


def test_grey_in_the_guise_of_colour_is_grey_and_colour_needs_to_be_asked_for(tmp_path):
    grey = (RANDOM.random((12, 15, 1)) * 255).astype(np.uint8).repeat(3, axis=2)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    np.testing.assert_array_equal(read_image(tmp_path / "grey.png")["image"].values[0], grey[..., 0])
    colour = grey.copy()
    colour[0, 0] = (200, 100, 50)
    Image.fromarray(colour).save(tmp_path / "colour.png")
    with pytest.raises(FileError, match=r"is in colour.*luminance"):
        read_image(tmp_path / "colour.png")
    found = read_image(tmp_path / "colour.png", luminance=True)["image"].values[0]
    assert found[0, 0] == pytest.approx(0.299 * 200 + 0.587 * 100 + 0.114 * 50)
    clear = np.dstack([colour, np.full(colour.shape[:2], 100, np.uint8)])
    Image.fromarray(clear).save(tmp_path / "clear.png")
    with pytest.raises(FileError, match="transparent"):
        read_image(tmp_path / "clear.png", luminance=True)


def test_pages_of_a_picture_are_images_of_their_own(tmp_path):
    pages = [Image.fromarray((RANDOM.random((12, 15)) * 200).astype(np.uint8)) for _ in range(2)]
    pages[0].save(tmp_path / "stack.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(FileError, match=r"page 1 .*page 2 .*choose"):
        read_image(tmp_path / "stack.tif")
    found = read_image(tmp_path / "stack.tif", image=("page 2", "page 1"))
    np.testing.assert_array_equal(found["image"].values[0], np.asarray(pages[1]))


def test_spectra_on_a_grid_become_a_list_with_their_places(write):
    found = read_spectrum_image(write(image=IMAGE, spectra=SPECTRA, pos=PLACES, energy=np.arange(7.0)))
    assert found["spectra"].dims == ("candidate", "energy")
    np.testing.assert_array_equal(found["spectra"], SPECTRA.reshape(20, 7))
    np.testing.assert_array_equal(found["spectra"]["energy"], np.arange(7.0))
    np.testing.assert_array_equal(found["position"], PLACES)
    assert found["coordinate"].values.tolist() == ["y", "x"]
    np.testing.assert_allclose(found["image"].values[0], IMAGE, rtol=1e-6)


def test_places_in_pixels_are_brought_to_the_unit_of_the_image(write):
    path = write(image=IMAGE, loops=SPECTRA, pos=PLACES)
    found = read_spectrum_image(path, pixel_size=(2.0, 0.5), unit="nm")
    np.testing.assert_array_equal(found["position"], PLACES * [2.0, 0.5])
    assert found["position"].attrs["units"] == "nm"
    assert found["spectra"].dims == ("candidate", "signal")


def test_listed_places_tell_how_many_dimensions_are_places(write):
    flat = read_spectrum_image(write(spectra=SPECTRA.reshape(20, 7), pos=PLACES), image=None)
    np.testing.assert_array_equal(flat["spectra"], SPECTRA.reshape(20, 7))
    maps = read_spectrum_image(
        write(spectra=RANDOM.normal(size=(20, 4, 6)), pos=PLACES), dimensions=("a", "b")
    )
    assert maps["spectra"].dims == ("candidate", "a", "b")


def test_an_axis_along_two_dimensions_is_kept(write):
    voltage = RANDOM.normal(size=(3, 9))
    found = read_spectrum_image(
        write(loops=RANDOM.normal(size=(4, 5, 9, 3)), pos=PLACES, voltage=voltage),
        dimensions=("step", "sweep"),
    )
    assert found["voltage"].dims == ("sweep", "step")
    np.testing.assert_allclose(found["spectra"]["voltage"], voltage)


def test_without_places_a_grid_counts_its_own_pixels(write):
    found = read_spectrum_image(write(spectra=SPECTRA))
    np.testing.assert_array_equal(
        found["position"].values[:6], [[0, 0], [0, 1], [0, 2], [0, 3], [0, 4], [1, 0]]
    )
    assert found["position"].attrs["units"] == "pixel"


@pytest.mark.parametrize(
    ("arrays", "options", "message"),
    [
        (
            {"spectra": SPECTRA, "image": IMAGE},
            {},
            "grid of 4 x 5 places in the image of 20 x 30 pixels is unknown",
        ),
        ({"spectra": SPECTRA, "pos": PLACES[:9]}, {}, "9 listed positions fit none of them; set navigation"),
        ({"spectra": SPECTRA, "pos": PLACES[:9]}, {"navigation": 2}, "20 spectra, but 9 positions"),
        ({"spectra": SPECTRA}, {"navigation": 3}, "leaves no dimension for spectra"),
        (
            {"spectra": SPECTRA[0]},
            {},
            "unknown which dimensions of spectra .* are places; set navigation",
        ),
        ({"spectra": SPECTRA}, {"dimensions": ("x",)}, "needs 1 different names"),
        ({"spectra": SPECTRA * np.nan}, {}, "no finite number"),
        ({"spectra": SPECTRA * 1j}, {}, "complex"),
        ({"image": IMAGE}, {}, "contains no spectra"),
        (
            {"a": SPECTRA, "b": SPECTRA},
            {},
            r"several arrays may be the spectra: a \(4 x 5 x 7\), b \(4 x 5 x 7\)",
        ),
    ],
)
def test_spectra_that_cannot_be_placed_say_why(write, arrays, options, message):
    with pytest.raises(FileError, match=message):
        read_spectrum_image(write(**arrays), **options)


def test_a_real_film_is_read_whole(data_folder):
    path = data_folder / "microscopy" / "vartbo_pto_beps.npz"
    found = read_spectrum_image(path, dimensions=("step", "sweep"))
    assert found["image"].shape == (1, 256, 256)
    assert found["spectra"].shape == (3600, 64, 3)
    with np.load(path) as file:
        np.testing.assert_array_equal(found["spectra"].values[61], file["loops"][1, 1])
        np.testing.assert_array_equal(found["position"].values[61], file["pos"][61])
        np.testing.assert_array_equal(found["voltage"].sel(sweep=2), file["voltage"][2])


def _bytes(how):
    stream = io.BytesIO()
    if how == "npz":
        np.savez(stream, image=IMAGE[:9, :9], pos=PLACES)
    elif how == "npy":
        np.save(stream, IMAGE[:9, :9])
    else:
        Image.fromarray((IMAGE[:9, :9] * 50).astype(np.uint8)).save(stream, how)
    return stream.getvalue()


VALID = {how: _bytes(how) for how in ("npz", "npy", "png", "tiff")}


@pytest.mark.parametrize("how", sorted(VALID))
@settings(max_examples=60)
@given(
    places=st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), max_size=3),
    kept=st.one_of(st.just(1.0), st.floats(0, 1)),
)
def test_spoilt_files_give_an_image_or_one_line(tmp_path_factory, how, places, kept):
    content = bytearray(VALID[how])
    for place, value in places:
        content[int(place * len(content))] = value
    path = tmp_path_factory.getbasetemp() / f"spoilt.{how}"
    path.write_bytes(content[: int(kept * len(content))])
    message = None
    try:
        found = read_image(path)
    except NescioError as error:
        message = str(error)
    if message is None:
        assert np.isfinite(found["image"]).all()
    else:
        assert "\n" not in message
        assert path.name in message
