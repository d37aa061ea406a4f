"""Clusters have the numbers of atoms and of neighbours that geometry says, and vibrate as theory says."""

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import constants

from nescio.errors import ConfigurationError, MissingExtraError
from nescio.xas import (
    FCC_SHELLS,
    Cluster,
    debye_covariance,
    debye_displacements,
    einstein_displacements,
    make_cluster,
    mixed,
    molecular_dynamics,
    relative_displacement,
    shells_of,
    static_disorder,
    sweep_inputs,
    unique_surroundings,
)

LATTICE = 3.924
LIMITS = np.array(FCC_SHELLS) * LATTICE / np.sqrt(2.0)
# Named as in the library of sites; those of spheres and hemispheres by how far they reach.
MADE = {
    "cubo013": ("cuboctahedron", {"shells": 1}),
    "cubo147": ("cuboctahedron", {"shells": 3}),
    "octa019": ("octahedron", {"length": 3}),
    "octa085": ("octahedron", {"length": 5}),
    "tocta038": ("octahedron", {"length": 4, "cut": 1}),
    "tocta201": ("octahedron", {"length": 7, "cut": 2}),
    "ico013": ("icosahedron", {"shells": 1}),
    "ico147": ("icosahedron", {"shells": 3}),
    "deca023_310": ("decahedron", {"p": 3, "q": 1, "r": 0}),
    "deca101_231": ("decahedron", {"p": 2, "q": 3, "r": 1}),
    "sph043a": ("sphere", {"radius": 1.23 * LATTICE}),
    "sph044t": ("sphere", {"radius": 1.31 * LATTICE, "centre": "tetrahedral"}),
    "sph014o": ("sphere", {"radius": 0.9 * LATTICE, "centre": "octahedral"}),
    "hcp013": ("hcp", {"radius": 1.01 * LATTICE / np.sqrt(2.0)}),
}


def made(name: str) -> Cluster:
    shape, size = MADE[name]
    return make_cluster(shape, "Pt", LATTICE, **size)


@pytest.mark.parametrize("name", MADE)
def test_a_cluster_has_as_many_atoms_as_its_shape_holds(name: str) -> None:
    cluster = made(name)
    assert len(cluster) == int("".join(c for c in name.partition("_")[0] if c.isdigit()))
    apart = np.linalg.norm(cluster.positions[:, None] - cluster.positions[None], axis=-1)
    nearest = apart[apart > 0.0].min()
    # Icosahedra are strained: their spokes are a twentieth shorter than their edges.
    assert 0.94 < nearest / (LATTICE / np.sqrt(2.0)) <= 1.0 + 1e-6


@pytest.mark.parametrize(
    "name", ["cubo013", "octa019", "octa085", "tocta038", "tocta201", "sph043a", "sph044t", "sph014o"]
)
def test_its_atoms_have_the_neighbours_that_others_counted(data_folder: Path, name: str) -> None:
    with np.load(data_folder / "xas" / "sites" / "Pt_L3.npz", allow_pickle=False) as stored:
        listed = stored["cluster"] == name
        expected = {tuple(row) for row in stored["coordination_numbers"][listed].tolist()}
    assert expected <= {tuple(row) for row in shells_of(made(name), LIMITS).totals.tolist()}


def test_neighbours_of_bulk_are_12_6_24_and_12_at_their_distances() -> None:
    ball = make_cluster("sphere", "Pt", LATTICE, radius=10.0)
    shells = shells_of(ball, LIMITS)
    centre = int(np.argmin(np.linalg.norm(ball.positions, axis=1)))
    assert shells.totals[centre].tolist() == [12, 6, 24, 12]
    expected = LATTICE * np.sqrt([0.5, 1.0, 1.5, 2.0])
    np.testing.assert_allclose(shells.distances[centre, 0], expected, rtol=1e-9)
    half = make_cluster("hemisphere", "Pt", LATTICE, radius=10.0, face="100")
    lowest = shells_of(half, LIMITS).totals[
        int(
            np.argmin(
                np.linalg.norm(half.positions - half.positions[:, 2].min() * np.array([0, 0, 1.0]), axis=1)
            )
        )
    ]
    assert lowest[0] == 8
    with pytest.raises(ConfigurationError, match="need to be above 0 and ascending"):
        shells_of(ball, [3.0, 2.0])


@pytest.mark.parametrize("mixing", ["random", "core-shell", "janus", "cluster-in-cluster"])
def test_two_elements_are_mixed_as_is_said(mixing) -> None:
    whole = made("cubo147")
    alloy = mixed(whole, "Cu", 92 / 147, mixing, seed=2)
    assert alloy.elements.count("Cu") == 92
    copper = np.array(alloy.elements) == "Cu"
    distance = np.linalg.norm(whole.positions, axis=1)
    numbers = shells_of(alloy, LIMITS)
    assert numbers.elements == tuple(dict.fromkeys(alloy.elements))
    np.testing.assert_array_equal(numbers.totals, shells_of(whole, LIMITS).totals)
    own = numbers.elements.index("Cu")
    alike = numbers.numbers[copper, own, 0].mean() / numbers.totals[copper, 0].mean()
    if mixing == "core-shell":
        # 92 are in the outermost shell of 147.
        assert distance[copper].min() > distance[~copper].max() - 1e-6
    elif mixing == "random":
        assert alike == pytest.approx(92 / 147, abs=0.08)
    else:
        assert alike > 0.75
    if mixing == "janus":
        assert np.linalg.norm(whole.positions[copper].mean(axis=0)) > 1.0
    assert mixed(whole, "Cu", 92 / 147, mixing, seed=2).elements == alloy.elements


def test_places_that_are_alike_are_met_once() -> None:
    turned = made("cubo147")
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    turned = Cluster("turned", turned.elements, turned.positions @ turn)
    found = unique_surroundings([made("cubo147"), turned], 100.0)
    # Orbits of its symmetry: the centre, a shell's vertices, and what lies between them on edges and faces.
    assert sorted(len(one.members) for one in found) == [2 * n for n in (1, 6, 8, 12, 12, 12, 24, 24, 48)]
    nearest = unique_surroundings([made("cubo147")], 3.0)
    kinds = {tuple(row) for row in shells_of(made("cubo147"), LIMITS[:1]).totals.tolist()}
    assert len(nearest) >= len(kinds)
    alloy = mixed(made("cubo013"), "Cu", 1.0)
    assert len(unique_surroundings([made("cubo013"), alloy], 3.0)) == 4


@pytest.mark.parametrize(
    ("shape", "size", "said"),
    [
        ("cube", {}, "shape 'cube' is not known"),
        ("cuboctahedron", {"shells": 0}, "shells 0: needs 1 or more"),
        ("cuboctahedron", {"layers": 2}, "unexpected keyword argument 'layers'"),
        ("octahedron", {"length": 4, "cut": 2}, "cut 2: a length of 4 allows 1"),
        ("sphere", {"radius": -1.0}, "radius -1: needs to be positive"),
        ("sphere", {"radius": 5.0, "centre": "edge"}, "centre 'edge': is none of atom"),
        ("sphere", {"radius": 60.0}, "atoms; needs 1 to 5000"),
        ("sphere", {"radius": 1000.0}, "the radius gives too many atoms"),
        ("hemisphere", {"radius": 5.0, "face": "110"}, "face '110': is none of"),
    ],
)
def test_shapes_that_cannot_be_are_told(shape: str, size, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        make_cluster(shape, "Pt", LATTICE, **size)


def test_without_ase_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ase", None)
    monkeypatch.setitem(sys.modules, "ase.cluster", None)
    with pytest.raises(MissingExtraError, match=r"pip install nescio\[ase\]"):
        made("ico013")
    assert len(made("sph043a")) == 43


# ---- disorder

COPPER = {"mass": 63.546, "debye": 315.0, "density": 4.0 / 3.615**3}


def test_vibrations_of_copper_are_those_that_were_measured() -> None:
    # Along an axis at 300 K, by diffraction 0.0069 to 0.0073; sigma2 of the first shell by EXAFS 0.0083 to 0.0089.
    alone = debye_covariance(np.zeros(1), temperature=300.0, **COPPER)[0]
    assert alone == pytest.approx(0.0071, rel=0.07)
    first = relative_displacement(np.array([2.556]), temperature=300.0, **COPPER)[0]
    assert first == pytest.approx(0.0086, rel=0.07)
    # Far apart, atoms move independently; in the ground state they still move.
    far = relative_displacement(np.array([200.0]), temperature=300.0, **COPPER)[0]
    assert far == pytest.approx(2.0 * alone, rel=0.01)
    still = debye_covariance(np.zeros(1), temperature=0.0, **COPPER)[0]
    frequency = constants.k * 315.0 / constants.hbar
    closed = 3.0 * constants.hbar / (4.0 * 63.546 * constants.atomic_mass * frequency) * 1e20
    assert still == pytest.approx(closed, rel=1e-6)


def test_neighbours_move_together_as_their_covariance_says() -> None:
    cluster = make_cluster("sphere", "Cu", 3.615, radius=4.0)
    moved = debye_displacements(cluster, 315.0, 300.0, seed=1, frames=4000)
    apart = np.linalg.norm(cluster.positions[:, None] - cluster.positions[None], axis=-1)
    expected = debye_covariance(apart, temperature=300.0, **COPPER)
    found = np.einsum("fia,fja->ij", moved, moved) / (3 * len(moved))
    np.testing.assert_allclose(found, expected, atol=0.06 * expected.max())
    np.testing.assert_array_equal(
        moved[:2], debye_displacements(cluster, 315.0, 300.0, seed=1, frames=4000)[:2]
    )


def test_single_oscillators_and_static_disorder_have_their_spreads() -> None:
    cluster = mixed(make_cluster("sphere", "Cu", 3.615, radius=6.0), "Pt", 0.5)
    heavy = np.array(cluster.elements) == "Pt"
    cold, hot = (einstein_displacements(cluster, 240.0, t, frames=500) for t in (0.0, 1200.0))
    # Classically the mean square is k T / M w^2.
    frequency = constants.k * 240.0 / constants.hbar
    classical = constants.k * 1200.0 / (63.546 * constants.atomic_mass * frequency**2) * 1e20
    assert np.mean(hot[:, ~heavy] ** 2) == pytest.approx(classical, rel=0.05)
    assert np.mean(hot[:, ~heavy] ** 2) / np.mean(hot[:, heavy] ** 2) == pytest.approx(
        195.084 / 63.546, rel=0.06
    )
    assert np.mean(cold**2) < 0.2 * np.mean(hot**2)
    assert np.std(static_disorder(cluster, 0.03, frames=50)) == pytest.approx(0.03, rel=0.02)
    assert cluster.displaced(static_disorder(cluster, 0.03)[0]).strained(0.01).positions.shape == (
        len(cluster),
        3,
    )
    for call in (
        lambda: static_disorder(cluster, -1.0),
        lambda: einstein_displacements(cluster, 0.0, 300.0),
        lambda: debye_displacements(cluster, 300.0, -1.0),
    ):
        with pytest.raises(ConfigurationError, match=r"needs? (0|to be)|need to be positive"):
            call()


def test_atoms_move_as_much_as_their_temperature_says() -> None:
    pytest.importorskip("ase")
    cluster = make_cluster("cuboctahedron", "Cu", 3.615, shells=1)
    cold, warm = (
        np.stack(
            [
                one.positions
                for one in molecular_dynamics(
                    cluster, kelvin, frames=40, every=10, settle=200, progress=False
                )
            ]
        )
        for kelvin in (50.0, 300.0)
    )
    assert cold.shape == (40, 13, 3)
    np.testing.assert_allclose(cold.mean(axis=1), 0.0, atol=1e-9)

    def spread(frames: np.ndarray) -> float:
        """Return the variance of the distances from the middle atom: no turn of the whole changes it."""
        middle = int(np.argmin(np.linalg.norm(cluster.positions, axis=1)))
        others = np.delete(np.arange(13), middle)
        distance = np.linalg.norm(frames[:, others] - frames[:, [middle]], axis=2)
        return float(distance.var(axis=0).mean())

    # Classical and nearly harmonic: in proportion to the temperature.
    assert 3.0 < spread(warm) / spread(cold) < 12.0
    # Of copper at room temperature, 0.0085 square angstrom in the bulk; softer at a surface, stiffer in so small a one.
    assert 0.003 < spread(warm) < 0.03
    again = molecular_dynamics(cluster, 50.0, frames=2, every=10, settle=200, progress=False)
    np.testing.assert_array_equal(again[1].positions, cold[1])
    for told, said in (
        ({"temperature": -3.0}, "temperature -3 K"),
        ({"temperature": 300.0, "frames": 0}, "frames 0: needs 1"),
    ):
        with pytest.raises(ConfigurationError, match=said):
            molecular_dynamics(cluster, **told)
    with pytest.raises(ConfigurationError, match=r"forces of Fe are not known \(known: Al, Cu"):
        molecular_dynamics(make_cluster("sphere", "Fe", 3.6, radius=3.0), 300.0)


def test_a_sweep_covers_every_site_and_strain() -> None:
    particles = [
        make_cluster("sphere", "Pt", 3.924, radius=3.0),
        make_cluster("sphere", "Pt", 3.924, radius=4.0),
    ]
    inputs = sweep_inputs(particles, edge="L3", absorber="Pt", strains=(-0.02, 0.0), core_hole="none")
    assert len(inputs) == 2 * sum(len(one) for one in particles)
    assert len(set(inputs.values())) == len(inputs)
    few = sweep_inputs(particles, edge="L3", absorber="Pt", alike_within=9.0)
    # A middle and a surface of thirteen atoms; a middle, and two kinds of surface of nineteen.
    assert len(few) == 5
    assert all("strain +0" in name and "EDGE L3" in text for name, text in few.items())
    twice = sweep_inputs([particles[0], particles[0]], edge="L3", absorber="Pt")
    assert len(twice) == 26
    with pytest.raises(ConfigurationError, match="none of the 2 clusters holds Cu"):
        sweep_inputs(particles, edge="K", absorber="Cu")
