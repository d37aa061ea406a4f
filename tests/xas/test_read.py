"""Files of any kind, edges of elements, and particles of many shapes."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from nescio.errors import ConfigurationError, FileError, MeasurementError
from nescio.xas import (
    FCC_SHELLS,
    XAS,
    Spectrum,
    edge_energy,
    known_shapes,
    one_spectrum,
    read_hdf5,
    read_spectra,
    shells_of,
    spectra_dataset,
    spectra_of,
)
from nescio.xas.read.finishing import finished

ENERGY = np.arange(8900.0, 9200.0, 1.5)
MU = 0.2 + 0.5 * (1.0 + np.tanh((ENERGY - 8979.0) / 3.0)) - 2e-4 * (ENERGY - 8900.0)


@pytest.mark.parametrize(
    ("element", "edge", "energy"),
    # X-ray Data Booklet (Thompson et al., LBNL 2009), table 1-1.
    [
        ("Cu", "K", 8979.0),
        ("Pt", "L3", 11564.0),
        ("Pt", "L2", 13273.0),
        ("Pt", "L1", 13880.0),
        ("Fe", "K", 7112.0),
        ("Ti", "K", 4966.0),
        ("Ag", "K", 25514.0),
        ("W", "L3", 10207.0),
    ],
)
def test_edges_are_where_the_tables_have_them(element: str, edge: str, energy: float) -> None:
    assert edge_energy(element, edge) == pytest.approx(energy, abs=6.0)


def test_edges_that_there_are_not(tmp_path: Path) -> None:
    for element, edge, said in (
        ("Xx", "K", "needs the symbol"),
        ("cu", "K", "needs the symbol"),
        ("Cu", "M5", "is not known"),
        ("C", "L3", "no L3 edge between"),
    ):
        with pytest.raises(ConfigurationError, match=said):
            edge_energy(element, edge)


def nexus(path: Path) -> Path:
    with h5py.File(path, "w") as file:
        first = file.create_group("scan1/data")
        first["energy"] = ENERGY / 1000.0
        first["energy"].attrs["units"] = "keV"
        first["i0"] = np.full_like(MU, 1e5)
        first["itrans"] = 1e5 * np.exp(-MU)
        first.attrs["element"] = "Cu"
        second = file.create_group("scan2")
        second["Energy"] = ENERGY
        second["mu"] = MU
        second["title"] = "text"
        second["Energy"].attrs["units"] = [b"eV", b"eV"]
        broken = file.create_group("scan3")
        broken["energy"] = ENERGY
        broken["mu"] = MU[:-3]
        file.create_group("image")["energy"] = np.zeros((3, 3))
    return path


def test_spectra_are_found_in_hdf5(tmp_path: Path) -> None:
    found, left_out = read_hdf5(nexus(tmp_path / "scans.nxs"))
    assert [one.name for one in found] == ["scan1 data", "scan2"]
    assert found[0].element == "Cu"
    for one in found:
        np.testing.assert_allclose(one.energy, ENERGY)
        np.testing.assert_allclose(one.mu, MU, rtol=1e-9)
    assert left_out == ["scan3: datasets of 197 and 200 numbers; needs equal lengths"]
    with h5py.File(tmp_path / "empty.h5", "w") as file:
        file["counts"] = MU
    with pytest.raises(FileError, match="no group holds a spectrum"):
        read_hdf5(tmp_path / "empty.h5")


def test_one_of_several_spectra_is_named(tmp_path: Path) -> None:
    file = nexus(tmp_path / "scans.h5")
    assert one_spectrum(f"{file}#scan2").name == "scan2"
    with pytest.raises(FileError, match=r"holds 2 spectra \('scan1 data', 'scan2'\); say which: FILE#NAME"):
        one_spectrum(file)
    with pytest.raises(FileError, match="0 spectra are called 'foil'; the names are 'scan1 data'"):
        one_spectrum(f"{file}#foil")
    with pytest.raises(FileError, match=r"none\.xdi"):
        one_spectrum(tmp_path / "none.xdi")
    with h5py.File(tmp_path / "dark.h5", "w") as opened:
        opened["dark/energy"], opened["dark/i0"], opened["dark/itrans"] = ENERGY, 0.0 * MU, MU
    with pytest.raises(
        FileError,
        match=r"dark\.h5: no spectrum can be used; the first: dark: i0/itrans: a detector counted nothing",
    ):
        one_spectrum(tmp_path / "dark.h5")


def test_what_is_read_crosses_as_a_dataset_and_back(tmp_path: Path) -> None:
    file = nexus(tmp_path / "scans.h5")
    measured = XAS().read(file)
    assert measured.attrs["left_out"].startswith("scan3: datasets of")
    back, (read, _) = spectra_of(measured), read_spectra(file)
    for one, other in zip(back, read, strict=True):
        np.testing.assert_array_equal(one.mu, other.mu)
        assert (one.name, one.element, one.source) == (other.name, other.element, str(file))
    twice = spectra_dataset([read[0], read[0], read[0]])
    assert len(set(twice["measurement"].values.tolist())) == 3
    rows = "\n".join(f"{a} {b}" for a, b in zip(ENERGY, MU, strict=True))
    (tmp_path / "cu_02.dat").write_text(f"# energy mu\n{rows}\n", encoding="utf-8")
    assert XAS().read(tmp_path / "cu_02.dat")["measurement"].values.tolist() == ["cu_02"]
    with h5py.File(tmp_path / "bad.h5", "w") as opened:
        opened["a/energy"], opened["a/mu"] = ENERGY, MU[:5]
    with pytest.raises(MeasurementError, match="no spectrum can be used; the first: a: datasets"):
        XAS().read(tmp_path / "bad.h5")


def test_particles_of_many_shapes_are_known() -> None:
    shapes = known_shapes("Cu", 3.615)
    names = [one.name for one in shapes.clusters]
    assert {"cuboctahedron shells 3", "icosahedron shells 2", "octahedron length 6"} <= set(names)
    assert len(shapes.clusters) == len(shapes.coordination) > 150
    assert max(len(one) for one in shapes.clusters) <= 1500
    row = names.index("cuboctahedron shells 3")
    counted = shells_of(shapes.clusters[row], np.array(FCC_SHELLS) * 3.615 / np.sqrt(2.0))
    np.testing.assert_allclose(shapes.coordination[row], counted.totals.mean(axis=0))
    # By the magic numbers: 147 atoms, bonds 12 N less those cut at the surface (Fritsche and Benfield, 1993).
    assert shapes.coordination[row, 0] == pytest.approx(2 * 660 / 147)
    fitting = shapes.within(shapes.coordination[row] - 1e-6, shapes.coordination[row] + 1e-6)
    assert [one.name for one in fitting] == ["cuboctahedron shells 3"]
    near = shapes.within(
        shapes.coordination[row] - [0.5, 0.7, 2.0, 1.5], shapes.coordination[row] + [0.5, 0.7, 2.0, 1.5]
    )
    assert [len(one) for one in near] == sorted(len(one) for one in near)
    assert len(near) > 2


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_energies_that_are_not_finite_are_refused(wrong: float) -> None:
    energy = np.linspace(8900.0, 9100.0, 100)
    energy[40] = wrong
    with pytest.raises(MeasurementError, match=r"finite|number"):
        finished(Spectrum("copper", energy, np.linspace(0.0, 1.0, 100)))
