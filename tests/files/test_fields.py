"""A dataclass of numbers, texts and arrays is kept in one file and comes back; what is no such file is refused."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from nescio.errors import FileError
from nescio.files import bundled_file, bundled_names, load_fields, save_fields


@dataclass
class Spectrum:
    name: str
    energy: np.ndarray
    step: float


def test_fields_come_back_as_they_were(tmp_path: Path) -> None:
    save_fields(Spectrum("foil", np.array([1.0, 2.0]), 0.5), tmp_path / "foil.npz")
    found = load_fields(Spectrum, tmp_path / "foil.npz", "spectrum")
    assert (str(found["name"]), found["energy"].tolist(), float(found["step"])) == ("foil", [1.0, 2.0], 0.5)


def test_what_lacks_a_field_or_is_damaged_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "part.npz", name="foil", energy=np.ones(2))
    with pytest.raises(FileError, match=r"part\.npz: holds no spectrum \(step missing\)"):
        load_fields(Spectrum, tmp_path / "part.npz", "spectrum")
    np.savez(tmp_path / "objects.npz", name="foil", energy=np.array([None]), step=1.0)
    with pytest.raises(FileError, match="Python objects are never loaded"):
        load_fields(Spectrum, tmp_path / "objects.npz", "spectrum")
    with pytest.raises(FileError, match="cannot be written"):
        save_fields(Spectrum("foil", np.ones(1), 1.0), tmp_path / "part.npz" / "foil.npz")


def test_bundled_files_are_listed_and_there() -> None:
    assert "Cu_K.npz" in bundled_names("nescio.xas.prior")
    for name in bundled_names("nescio.studies.banko2021"):
        with bundled_file("nescio.studies.banko2021", name) as path:
            assert path.is_file()
