import numpy as np
import pytest

from nescio.errors import FileError
from nescio.xrd.read import read_patterns


@pytest.fixture
def saved(tmp_path):
    def save(**arrays):
        path = tmp_path / "library.npz"
        np.savez(path, **arrays)
        return path

    return save


def test_patterns_positions_and_compositions_are_read(saved):
    path = saved(
        q_nm=[10.0, 20.0, 30.0],
        xrd=[[1, 2, 3], [4, 5, 6]],
        raw=np.zeros((2, 7)),
        xy_mm=[[0.0, 1.0], [2.0, 3.0]],
        comp=[[25.0, 75.0], [50.0, 50.0]],
        elements=["Ni", "Co"],
        wavelength=0.9537,
    )
    library = read_patterns(path)
    np.testing.assert_allclose(library["q"], [1, 2, 3])
    assert library["intensity"].values.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert library["measurement"].values.tolist() == ["library#1", "library#2"]
    assert library["y_mm"].values.tolist() == [1, 3]
    assert library["composition"].sel(element="Co").values.tolist() == [0.75, 0.5]
    assert library.attrs["wavelength_angstrom"] == 0.9537


def test_measurements_are_named_by_their_scan(saved):
    library = read_patterns(saved(q=[1.0, 2.0], intensity=np.ones((2, 2)), scan=[7, 9]))
    assert library["measurement"].values.tolist() == ["library#7", "library#9"]


def test_the_wavelength_option_does_not_go_over_the_archive(saved):
    path = saved(two_theta=[10.0, 20.0], intensity=[1, 2], wavelength=0.9537)
    with pytest.raises(FileError, match=r"says 0\.9537 angstrom, --wavelength says 1\.54"):
        read_patterns(path, wavelength="CuKa")
    path = saved(two_theta=[10.0, 20.0], intensity=[1, 2], wavelength=0.15406)
    assert read_patterns(path, wavelength=1.5406).attrs["wavelength_angstrom"] == 1.5406


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"intensity": [1.0, 2.0]}, "no axis"),
        ({"q": [1.0, 2.0]}, "no array named intensity"),
        ({"q": [1.0, 2.0], "intensity": [1.0, 2.0, 3.0]}, "no array named"),
        ({"q": [1.0, 2.0], "intensity": ["a", "b"]}, "must hold numbers"),
        ({"q": [2.0, 1.0, 3.0], "intensity": [1.0, 2.0, 3.0]}, "increase throughout"),
        ({"q": [1.0, 2.0], "intensity": [1, 2], "wavelength": 0.15406}, "wavelength.*nanomet"),
        ({"q": [1.0, 2.0], "intensity": [1, 2], "xy_mm": [[1.0, 2.0]] * 2}, "positions"),
        ({"q": [1.0, 2.0], "intensity": [1, 2], "comp": [[-1.0, 2.0]], "elements": ["A", "B"]}, "fractions"),
        (
            {"q": [1.0, 2.0], "intensity": [1, 2], "comp": [[0.5, 0.5]], "elements": ["Ni", "Zz"]},
            "'Zz'.*not an element",
        ),
        ({"q": [1.0, 2.0], "intensity": np.array([{}, {}])}, "Python objects are never loaded"),
    ],
)
def test_a_bad_archive_is_refused_with_the_key(saved, arrays, message):
    with pytest.raises(FileError, match=message):
        read_patterns(saved(**arrays))


def test_a_header_that_claims_terabytes_claims_no_memory(tmp_path):
    import zipfile

    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }".ljust(117) + b"\n"
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("q.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(FileError, match="cut short"):
        read_patterns(path)


@pytest.mark.parametrize(
    ("name", "patterns", "points", "first", "last", "elements"),
    [
        ("Bi-Cu-V-O_307", 307, 1197, 1.40066, 4.69829, ["Bi", "Cu", "V"]),
        ("CoFeZr_Sample4", 441, 1000, 0.59622, 6.25031, ["Co", "Fe", "Zr"]),
        ("CoVZr_Sample8", 431, 1000, 0.59622, 6.25031, ["Co", "V", "Zr"]),
        ("CoVZr_Sample9", 434, 1000, 0.59622, 6.25031, ["Co", "V", "Zr"]),
    ],
)
def test_wafers_are_read(data_folder, name, patterns, points, first, last, elements):
    library = read_patterns(data_folder / f"xrd/{name}.npz")
    assert library["intensity"].shape == (patterns, points)
    np.testing.assert_allclose(library["q"][[0, -1]], [first, last], rtol=1e-5)
    assert library["element"].values.tolist() == elements
    np.testing.assert_allclose(library["composition"].sum("element"), 1.0)
    assert "x_mm" in library
