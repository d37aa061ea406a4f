"""Images, geometries and masks that cannot be used."""

import builtins
import sys

import h5py
import numpy as np
import pytest
from tests.xrd.area.detector import SHAPE, poni_text

from nescio.errors import ConfigurationError, FileError, MissingExtraError
from nescio.files import TimeLimitError
from nescio.xrd.read import read_patterns

IMAGE = np.ones(SHAPE, np.float32)


def test_an_image_without_a_geometry_asks_for_it(tmp_path):
    (tmp_path / "a.tif").write_bytes(b"II*\x00" + bytes(100))
    (tmp_path / "a.cbf").write_bytes(b"###CBF: VERSION 1.5\r\n")
    for name, kind in (("a.tif", "TIFF"), ("a.cbf", "CBF")):
        with pytest.raises(FileError, match=rf"{name}: is an image \({kind}\); .* with --poni"):
            read_patterns(tmp_path / name)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mask": "m.npy"}, "mask is for images of an area detector; it needs poni"),
        ({"sectors": 4}, "sectors is for images"),
        ({"poni": "a.poni", "sectors": 0}, "sectors is 0; it must be a whole number from 1 to 360"),
        ({"poni": "a.poni", "sectors": 2.5}, "sectors is 2.5"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ConfigurationError, match=message):
        read_patterns("a.npy", **options)


def test_a_missing_extra_is_named(tmp_path, monkeypatch):
    np.save(tmp_path / "a.npy", IMAGE)
    (tmp_path / "a.poni").write_text(poni_text())
    importing = builtins.__import__

    def refuse(name, *arguments, **keywords):
        if name.startswith("pyFAI"):
            raise ImportError(name)
        return importing(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", refuse)
    for name in [name for name in sys.modules if name.startswith("pyFAI")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(
        MissingExtraError, match=r"a\.npy: integrating images needs an extra: pip install nescio\[area\]"
    ):
        read_patterns(tmp_path / "a.npy", poni=tmp_path / "a.poni")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("Distance: 0.08", "Distance: 0"), "Distance is 0 m; it must be above 0"),
        (("Distance: 0.08", "Distance: near"), "Distance is 'near', not a number"),
        (("Poni1: 0.021\n", ""), "Poni1 is missing; is it a PONI file"),
        (("Rot2: 0.0", "Rot2: nan"), "Rot2 is 'nan'"),
        (('"orientation": 3', '"orientation": 9'), "orientation of the detector is 9"),
        (
            ('"orientation": 3', '"splinefile": "/etc/passwd"'),
            "'splinefile', which may refer to another file",
        ),
        (("[240, 200]", "[240]"), "max_shape of the detector must be two whole numbers"),
        (("0.0002", "2e-9"), "a pixel of 2e-09 m is too small"),
        (("Detector: Detector", "Detector: Nothing"), "the detector 'nothing' of the PONI file is unknown"),
        (
            ("Detector: Detector", "Detector: /etc/detector.h5"),
            "the detector '/etc/detector.h5' of the PONI file is",
        ),
        (("Wavelength: 7e-11", "Wavelength: 0.7"), "Wavelength is '0.7', not a number that is possible"),
    ],
)
def test_a_geometry_that_cannot_be_is_named(tmp_path, change, message):
    pytest.importorskip("pyFAI", reason="needs the extra area")
    assert change[0] in poni_text()
    np.save(tmp_path / "a.npy", IMAGE)
    (tmp_path / "a.poni").write_text(poni_text().replace(*change))
    with pytest.raises(FileError, match=message):
        read_patterns(tmp_path / "a.npy", poni=tmp_path / "a.poni")


def test_shapes_that_differ_are_named(integrate):
    pytest.importorskip("pyFAI", reason="needs the extra area")
    with pytest.raises(FileError, match=r"100 x 100 pixels, the detector of the PONI file 240 x 200"):
        integrate(np.ones((100, 100), np.float32), name="a.npy")
    with pytest.raises(
        FileError, match=r"mask\.npy: has 100 x 100 pixels in 1 image.*240 x 200 pixels is needed"
    ):
        integrate(IMAGE, mask=np.zeros((100, 100)), name="a.npy")
    with pytest.raises(FileError, match="no pixel that is not masked"):
        integrate(IMAGE, mask=np.ones(SHAPE), name="a.npy")


def test_an_image_whose_decoding_never_ends_is_given_up_within_ten_seconds(tmp_path, monkeypatch):
    def endless(*_, seconds, **__):
        assert seconds < 10.0
        raise TimeLimitError

    monkeypatch.setattr("nescio.xrd.read.area.images.answer_apart", endless)
    (tmp_path / "a.poni").write_text(poni_text())
    (tmp_path / "a.cbf").write_bytes(b"###CBF: VERSION 1.5\r\n" + bytes(1000))
    with pytest.raises(FileError, match=r"a\.cbf: is damaged; reading it as CBF did not end well"):
        read_patterns(tmp_path / "a.cbf", poni=tmp_path / "a.poni")


def test_a_damaged_image_is_one_line(tmp_path):
    pytest.importorskip("fabio", reason="needs the extra area")
    (tmp_path / "a.poni").write_text(poni_text())
    (tmp_path / "a.cbf").write_bytes(b"###CBF: VERSION 1.5\r\n" + bytes(range(256)))
    (tmp_path / "a.edf").write_bytes(
        b"{\nHeaderID = EH:000001 ;\nDim_1 = 99999999 ;\nDim_2 = 99999999 ;\n}\n"
    )
    for name in ("a.cbf", "a.edf"):
        with pytest.raises(FileError, match=rf"{name}: (cannot be read as|is damaged)") as caught:
            read_patterns(tmp_path / name, poni=tmp_path / "a.poni")
        assert str(caught.value).isprintable()


def test_images_of_hdf5_are_found_and_those_elsewhere_are_refused(tmp_path):
    pytest.importorskip("pyFAI", reason="needs the extra area")
    (tmp_path / "a.poni").write_text(poni_text())
    with h5py.File(tmp_path / "eiger.h5", "w") as file:
        for number in (1, 2):
            file.create_dataset(
                f"entry/data/data_{number:06d}",
                data=np.full((2, *SHAPE), number, np.uint16),
                compression="gzip",
            )
    patterns = read_patterns(tmp_path / "eiger.h5", poni=tmp_path / "a.poni")
    assert patterns["measurement"].values.tolist() == ["eiger#1", "eiger#2", "eiger#3", "eiger#4"]
    means = patterns["intensity"].mean("two_theta").values
    np.testing.assert_allclose(means / means[0], [1, 1, 2, 2], rtol=1e-6)
    with h5py.File(tmp_path / "master.h5", "w") as file:
        file["entry/data/data_000001"] = h5py.ExternalLink("eiger.h5", "/entry/data/data_000001")
    with pytest.raises(
        FileError, match=r"refers to other files.*/entry/data/data_000001 \(an external link\)"
    ):
        read_patterns(tmp_path / "master.h5", poni=tmp_path / "a.poni")


def test_compressed_images_of_eiger_are_read_by_hdf5plugin(tmp_path):
    plugin = pytest.importorskip("hdf5plugin", reason="needs the extra area")
    pytest.importorskip("pyFAI", reason="needs the extra area")
    (tmp_path / "a.poni").write_text(poni_text())
    with h5py.File(tmp_path / "eiger.h5", "w") as file:
        data = np.full((1, *SHAPE), 7, np.uint32)
        file.create_dataset("entry/data/data", data=data, chunks=(1, *SHAPE), **plugin.Bitshuffle())
    assert read_patterns(tmp_path / "eiger.h5", poni=tmp_path / "a.poni")["intensity"].size > 100


def test_other_files_are_read_as_without_a_geometry(tmp_path):
    (tmp_path / "a.poni").write_text(poni_text())
    (tmp_path / "a.xy").write_text("10 1\n11 2\n")
    assert read_patterns(tmp_path / "a.xy", poni=tmp_path / "a.poni")["intensity"].values.tolist() == [[1, 2]]
