"""Absorption near the edge: its broadening in closed form, what FEFF writes, and FEFF 10's spectra of clusters."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import quad

from nescio.errors import ConfigurationError, FileError
from nescio.xas import (
    Scattering,
    broadening_matrix,
    bulk_scattering,
    contour_energies,
    environment,
    load_scattering,
    read_feff_phases,
    save_scattering,
    scattering_from_feff,
    site_absorption,
    site_model,
)
from nescio.xas.feff.phases import unpacked

DATA = Path(__file__).parent / "data" / "cu_k"


@pytest.fixture(scope="module")
def copper() -> Scattering:
    return scattering_from_feff(read_feff_phases(DATA))


# ---- contour

WANTED = np.array([-8.0, -0.5, 0.0, 1e-3, 0.3, 2.0, 10.0, 60.0, 100.0])


def test_a_step_is_broadened_to_an_arctangent() -> None:
    energies, along = contour_energies(0.86, 100.0)
    matrix = broadening_matrix(energies, along, WANTED)
    expected = 0.5 + np.arctan(WANTED / 0.86) / np.pi
    np.testing.assert_allclose((matrix @ np.full(len(energies), 1j)).imag, expected, atol=1e-8)


def test_a_resonance_is_cut_off_and_broadened_as_by_integration() -> None:
    width = 0.86
    energies, along = contour_energies(width, 100.0)

    def resonance(z: NDArray[np.complex128]) -> NDArray[np.complex128]:
        # Half of it lies below the Fermi level.
        return -1.0 / (z - 1.0 + 2.0j)

    found = (broadening_matrix(energies, along, WANTED) @ resonance(energies)).imag

    def integrated(w: float) -> float:
        def part(e: float) -> float:
            return float(np.imag(resonance(np.array(e + 0j)))) * width / np.pi / ((e - w) ** 2 + width**2)

        near = quad(part, 0.0, 200.0, points=[1.0, max(w, 0.01)], limit=500)[0]
        return float(near + quad(part, 200.0, np.inf)[0])

    # It is taken to be constant above twenty widths.
    np.testing.assert_allclose(found, [integrated(w) for w in WANTED], atol=5e-4)


def test_beyond_the_contour_nothing_is_known() -> None:
    energies, along = contour_energies(1.0, 50.0)
    with pytest.raises(ConfigurationError, match=r"energy 90 eV above the Fermi level: computed up to 5\d"):
        broadening_matrix(energies, along, np.array([10.0, 90.0]))
    with pytest.raises(ConfigurationError, match="need to be positive"):
        contour_energies(0.0, 50.0)


# ---- what FEFF writes


def test_numbers_are_unpacked() -> None:
    # As FEFF writes them in phase.pad and, as decimals, in xsect.json.
    told = read_feff_phases(DATA)
    assert told.fermi_level == pytest.approx(-8.09436, abs=1e-5)
    assert told.energy[0] == pytest.approx(-8.09436 + 0.5j * 1.72919, abs=1e-4)
    assert (told.edge, told.elements, told.horizontal) == ("K", ("Cu", "Cu"), 59)
    # Without spin, p states have two thirds of j = 3/2 and a third of 1/2.
    weight = np.abs(told.matrix_elements[:2, 20]) ** 2
    assert weight[0] / weight[1] == pytest.approx(2.0, rel=0.02)
    for text in ("abc", "\x01" * 8):
        with pytest.raises(ValueError, match="no packed ASCII"):
            unpacked(text)


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("phase.pad", lambda text: text[:5000], "ends early; FEFF did not finish|was not written by FEFF 8"),
        ("phase.pad", lambda text: "", "is empty"),
        ("phase.pad", lambda text: text.replace("   59", " many", 1), "was not written by FEFF 8"),
        ("phase.pad", lambda text: text[:200] + "\x7f" + text[201:], "was not written by FEFF 8"),
        ("xsect.json", lambda text: text[:500], "xsect.json: not readable as JSON"),
        ("xsect.json", lambda text: text.replace('"emu"', '"ume"'), "KeyError"),
    ],
)
def test_what_feff_did_not_write_is_told(tmp_path: Path, name: str, change, said: str) -> None:
    for file in ("phase.pad", "xsect.json"):
        text = (DATA / file).read_text(encoding="ascii")
        (tmp_path / file).write_text(change(text) if file == name else text, encoding="ascii")
    with pytest.raises(FileError, match=said):
        read_feff_phases(tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"phase\.pad: no such file"):
        read_feff_phases(tmp_path)
    with pytest.raises(FileError, match=r"none\.npz"):
        load_scattering(tmp_path / "none.npz")
    (tmp_path / "other.npz").write_bytes(b"PK\x05\x06" + bytes(18))
    with pytest.raises(FileError, match="holds no scattering"):
        load_scattering(tmp_path / "other.npz")


def test_scattering_is_kept_as_it_was(copper: Scattering, tmp_path: Path) -> None:
    save_scattering(copper, tmp_path / "Cu_K.npz")
    again = load_scattering(tmp_path / "Cu_K.npz")
    assert (again.edge, again.elements, again.channels) == ("K", ("Cu", "Cu"), (1,))
    np.testing.assert_array_equal(again.phase_shifts, copper.phase_shifts)
    np.testing.assert_array_equal(again.weights, copper.weights)


def test_scattering_between_energies_is_that_at_them(copper: Scattering) -> None:
    """Every other energy, from those between."""
    finer = copper.on_contour(60.0, k_step=0.1)
    at = np.flatnonzero(np.isclose(copper.energy.real[: copper.horizontal], finer.energy[8].real, atol=1e-3))
    assert len(at) == 1
    np.testing.assert_allclose(finer.wavenumber[8], copper.wavenumber[at[0]], rtol=1e-6)
    turned = np.exp(2j * finer.phase_shifts[..., 8]), np.exp(2j * copper.phase_shifts[..., at[0]])
    np.testing.assert_allclose(*turned, atol=1e-6)
    with pytest.raises(ConfigurationError, match="largest energy 2000 eV"):
        copper.on_contour(2000.0)
    with pytest.raises(ConfigurationError, match="needs 50 eV"):
        site_model(copper.on_contour(20.0), np.array([1.0]))
    with pytest.raises(ConfigurationError, match="largest l 0: needs 1"):
        scattering_from_feff(read_feff_phases(DATA), largest_l=0)


# ---- a site


def test_an_atom_alone_absorbs_like_an_atom(copper: Scattering) -> None:
    energy = np.array([-5.0, 0.0, 10.0, 50.0])
    model = site_model(copper.on_contour(60.0), energy)
    place, index = environment(np.array([[1.0, 2.0, 3.0]]), 0, 5.0, atoms=4)
    assert index.tolist() == [0, -1, -1, -1]
    found = site_absorption(model, jnp.asarray(place, jnp.float32), np.array([0, -1, -1, -1]))
    np.testing.assert_allclose(found, model.atomic, atol=1e-6)
    assert found[-1] == pytest.approx(1.0, abs=1e-6)
    assert found[0] < 0.1


def test_surroundings_are_the_nearest_atoms_about_the_site() -> None:
    place = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 4.0], [2.0, 0.0, 0.0], [9.0, 0.0, 0.0]])
    found, index = environment(place, 2, 5.0)
    assert index.tolist() == [2, 0, 1]
    np.testing.assert_allclose(found, [[0, 0, 0], [-2, 0, 0], [-2, 0, 4]])
    with pytest.raises(ConfigurationError, match="site 4: there are 0 to 3"):
        environment(place, 4, 5.0)
    with pytest.raises(
        ConfigurationError, match="3 atoms within 5 angstrom of site 2: at most 2 are allowed"
    ):
        environment(place, 2, 5.0, atoms=2)
    with pytest.raises(ConfigurationError, match=r"atoms 0 and 1 are 0\.1 angstrom apart"):
        environment(np.array([[0, 0, 0], [0, 0, 0.1]]), 0, 5.0)


def test_small_clusters_absorb_as_feff_10_says(data_folder: Path, copper: Scattering) -> None:
    with np.load(data_folder / "xas" / "sites" / "Cu_K.npz", allow_pickle=False) as stored:
        k, cluster, site = stored["k"], stored["cluster"], stored["site"]
        energy = np.sign(k) * k**2 * 3.8099821
        model = site_model(copper.on_contour(float(energy.max())), energy)
        above = energy > 5.0
        found = []
        for row in np.flatnonzero(np.isin(cluster, ["sph004t", "cubo013", "ico013"]))[:4]:
            place = stored["positions_angstrom"][row]
            place = place[np.isfinite(place[:, 0])]
            absorber = int(np.argmin(np.linalg.norm(place, axis=1)))
            filled, index = environment(place, absorber, 5.8, atoms=13)
            potentials = np.where(index < 0, -1, (np.arange(13) > 0).astype(int))
            ours = site_absorption(model, jnp.asarray(filled, jnp.float32), potentials) - model.atomic
            theirs = stored["mu"][row] - stored["mu0"][row]
            found.append(np.corrcoef(np.asarray(ours)[above], theirs[above])[0, 1])
        assert site.size == len(cluster)
    assert min(found) > 0.97


@pytest.mark.parametrize(("element", "edge", "energy"), [("Cu", "K", 8988.4), ("Pt", "L3", 11563.1)])
def test_scattering_of_two_metals_comes_along(element: str, edge: str, energy: float) -> None:
    told = bulk_scattering(element, edge)
    assert (told.elements, told.edge) == ((element, element), edge)
    assert told.edge_energy == pytest.approx(energy, abs=0.1)


def test_scattering_that_does_not_come_along_is_told() -> None:
    with pytest.raises(
        ConfigurationError, match=r"Au at the L3 edge is not bundled \(bundled: Cu2O_K, Cu_K, Pt_L3\)"
    ):
        bulk_scattering("Au", "L3")
