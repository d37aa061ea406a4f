"""Libraries of sites, and spectra of samples drawn from them."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pydantic import ValidationError

from nescio.errors import ConfigurationError, FileError
from nescio.xas import (
    FCC_SHELLS,
    Cluster,
    CoordinationPrior,
    Mixtures,
    MixtureSettings,
    Scattering,
    SiteLibrary,
    bulk_scattering,
    compute_library,
    joined,
    load_library,
    make_cluster,
    numbers_of,
    save_library,
    site_absorption,
)

ENERGY = np.arange(-12.0, 60.1, 2.0)
LIMITS = np.array(FCC_SHELLS) * 2.556
STILL = MixtureSettings(
    low=-8.0,
    high=40.0,
    step=1.0,
    input="absorption",
    shift=0.0,
    broadening=(0.0, 0.0),
    scale=0.0,
    slope=0.0,
    noise=0.0,
)


@pytest.fixture(scope="module")
def library() -> SiteLibrary:
    """Three sites whose spectra are lines and a sine, so that every mean is known."""
    energy = np.arange(-15.0, 60.1, 0.5)
    mu = np.stack([0.01 * energy, 1.0 - 0.02 * energy, np.sin(energy / 5.0)]).astype(np.float32)
    return SiteLibrary(
        element="Cu",
        edge="K",
        energy=energy,
        mu=mu,
        neighbours=np.array(["Cu"]),
        coordination=np.array([[12.0, 6.0], [4.0, 0.0], [6.0, 2.0]]),
        distance=np.array([2.6, 2.5, 2.4]),
        clusters=np.array(["one", "two"]),
        counts=np.array([[1, 3], [2, 0], [0, 1]]),
        foil=(0.5 + 0.0 * energy).astype(np.float32),
        state=np.zeros(3, np.intp),
    )


def test_a_library_is_computed_of_sites_that_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scattering: Scattering = bulk_scattering("Cu", "K")
    centres = ((1.6, "tetrahedral"), (3.3, "octahedral"))
    particles = [make_cluster("sphere", "Cu", 3.615, radius=r, centre=c) for r, c in centres]
    bulk = make_cluster("sphere", "Cu", 3.615, radius=3.7)
    kept = tmp_path / "kept.npz"

    def compute(**changes) -> SiteLibrary:
        return compute_library(
            particles, scattering, ENERGY, bulk, **{"radius": 3.7, "limits": LIMITS, "kept": kept, **changes}
        )

    found = compute()
    # Four alike; then a corner and a face centre of the octahedral hole's fourteen.
    assert sorted(found.counts.tolist()) == [[0, 6], [0, 8], [4, 0]]
    assert found.coordination[0].tolist() == [3.0, 0.0, 0.0, 0.0]
    np.testing.assert_allclose(found.distance, 3.615 / np.sqrt(2.0), rtol=1e-6)
    assert found.mu.shape == (3, len(ENERGY))
    np.testing.assert_allclose(found.mu[:, -1], 1.0, atol=0.25)
    assert not kept.exists()
    # Interrupted after two sites, it goes on with the third.
    computed: list[int] = []

    def stops_after(many: int) -> None:
        def one(*args, **kwargs) -> np.ndarray:
            if len(computed) == many:
                raise KeyboardInterrupt
            computed.append(1)
            return site_absorption(*args, **kwargs)

        computed.clear()
        monkeypatch.setattr("nescio.xas.prior.library.site_absorption", one)

    stops_after(2)
    with pytest.raises(KeyboardInterrupt):
        compute()
    half = kept.read_bytes()
    stops_after(9)
    np.testing.assert_array_equal(compute().mu, found.mu)
    assert len(computed) == 2
    # What was kept of other sites, of another motion, or damaged, is no use.
    for content, changes in ((half, {"sigma2": 0.01}), (b"no array", {}), (half[:-40], {})):
        kept.write_bytes(content)
        stops_after(9)
        assert compute(**changes).mu.shape == found.mu.shape
        assert len(computed) == 4
    with pytest.raises(ConfigurationError, match="holds Pt; the scattering is of Cu"):
        compute_library(
            [make_cluster("sphere", "Pt", 3.9, radius=3.0)],
            scattering,
            ENERGY,
            bulk,
            radius=3.0,
            limits=LIMITS,
        )


def test_a_library_is_kept_as_it_was(library: SiteLibrary, tmp_path: Path) -> None:
    save_library(library, tmp_path / "sites.npz")
    again = load_library(tmp_path / "sites.npz")
    for name in ("mu", "counts", "distance", "clusters", "element", "energy"):
        np.testing.assert_array_equal(getattr(again, name), getattr(library, name))
    (tmp_path / "other.npz").write_bytes(b"PK\x05\x06" + bytes(18))
    with pytest.raises(FileError, match="holds no library of sites"):
        load_library(tmp_path / "other.npz")
    with pytest.raises(FileError, match=r"none\.npz"):
        load_library(tmp_path / "none.npz")
    for changes, said in (
        ({"foil": library.foil[:-1]}, "foil is damaged"),
        ({"mu": library.mu * np.nan}, "mu is not finite"),
        ({"energy": library.energy[::-1]}, "its energies are not ascending"),
        ({"distance": library.distance[:, None]}, "distance is damaged"),
        ({"coordination": library.coordination.astype(str)}, "coordination is damaged"),
        ({"neighbours": np.array(["Cu", "Pt", "Au"])}, "coordination numbers do not fit the elements"),
    ):
        save_library(load_like(library, **changes), tmp_path / "damaged.npz")
        with pytest.raises(FileError, match=rf"damaged\.npz: holds no library of sites \({said}"):
            load_library(tmp_path / "damaged.npz")


def test_libraries_of_the_same_particles_are_joined(library: SiteLibrary) -> None:
    both = joined([library, library])
    assert (len(both), both.counts.shape, both.foil.shape) == (6, (6, 2), library.foil.shape)
    assert both.state.tolist() == [0, 0, 0, 1, 1, 1]
    with pytest.raises(ConfigurationError, match="needs one or more"):
        joined([])
    with pytest.raises(ConfigurationError, match="cannot be joined"):
        joined([library, load_like(library, clusters=np.array(["one", "three"]))])


def load_like(library: SiteLibrary, **changes) -> SiteLibrary:
    from dataclasses import replace

    return replace(library, **changes)


def test_a_particle_is_the_mean_of_its_atoms(library: SiteLibrary) -> None:
    draws = Mixtures(library, STILL)
    spectra, numbers = draws.of_particles(jax.random.key(0), library.counts.T)
    grid = STILL.energy
    np.testing.assert_allclose(spectra[0], (0.01 * grid + 2 * (1 - 0.02 * grid)) / 3, atol=1e-5)
    np.testing.assert_allclose(spectra[1], (3 * 0.01 * grid + np.sin(grid / 5)) / 4, atol=2e-4)
    np.testing.assert_allclose(numbers[:, :2], [[20 / 3, 2.0], [10.5, 5.0]], rtol=1e-6)
    # Of the distance, every neighbour has a vote.
    np.testing.assert_allclose(
        numbers[:, 2], [(12 * 2.6 + 8 * 2.5) / 20, (36 * 2.6 + 6 * 2.4) / 42], rtol=1e-6
    )


def test_draws_are_means_of_one_to_so_many_sites(library: SiteLibrary) -> None:
    settings = STILL.model_copy(update={"sites": 4})
    spectra, numbers = Mixtures(library, settings)(jax.random.key(1), 500, jnp.asarray(0))
    assert spectra.shape == (500, len(settings.energy))
    ones = {tuple(row) for row in np.round(np.asarray(numbers, np.float64), 3).tolist()}
    assert {(12.0, 6.0, 2.6), (4.0, 0.0, 2.5), (6.0, 2.0, 2.4)} <= ones
    # All sums of four of the three sites, of two, and single ones; no more.
    assert len(ones) <= 3 + 3 + 12
    alone = np.isclose(np.asarray(numbers)[:, 0], 12.0)
    assert 0.09 < alone.mean() < 0.2
    np.testing.assert_allclose(np.asarray(spectra)[alone] - 0.01 * settings.energy, 0.0, atol=1e-5)


def test_members_draw_from_bootstraps(library: SiteLibrary) -> None:
    draws = Mixtures(library, STILL.model_copy(update={"sites": 1}), members=6, seed=1)
    drawn = [np.asarray(draws(jax.random.key(0), 500, jnp.asarray(m))[1])[:, 0] for m in range(6)]
    seen = [set(np.round(one.astype(np.float64), 3).tolist()) for one in drawn]
    assert all(one <= {12.0, 4.0, 6.0} for one in seen)
    assert len({frozenset(one) for one in seen}) > 1


def test_the_difference_to_the_foil_forgets_what_both_share(library: SiteLibrary) -> None:
    moved = STILL.model_copy(update={"input": "difference", "shift": 1.0, "broadening": (0.5, 2.0)})
    spectra, _ = Mixtures(library, moved, chosen=[0])(jax.random.key(0), 500, jnp.asarray(0))
    expected = 0.01 * moved.energy - 0.5
    off = np.asarray(spectra) - expected
    # A line stays a line however broad, and moves by at most the shift.
    assert np.abs(off).max() <= 0.01 * 1.0 + 1e-4
    assert np.abs(off).max() > 0.008
    assert np.ptp(off, axis=1).max() < 1e-4


def test_errors_of_measuring_have_their_size(library: SiteLibrary) -> None:
    flat = load_like(library, mu=np.ones_like(library.mu))
    noisy = STILL.model_copy(update={"noise": 0.02})
    spectra = np.asarray(Mixtures(flat, noisy)(jax.random.key(3), 500, jnp.asarray(0))[0])
    assert spectra.std(axis=1).max() == pytest.approx(0.02, rel=0.4)
    assert spectra.std() == pytest.approx(0.02 / np.sqrt(3.0), rel=0.12)
    scaled = STILL.model_copy(update={"scale": 0.03, "slope": 0.05})
    spectra = np.asarray(Mixtures(flat, scaled)(jax.random.key(3), 500, jnp.asarray(0))[0])
    assert spectra[:, 0].std() == pytest.approx(0.03, rel=0.12)
    assert (spectra[:, -1] - spectra[:, 0]).std() == pytest.approx(0.05, rel=0.12)


def test_a_narrow_line_is_as_broad_as_is_said(library: SiteLibrary) -> None:
    line = np.exp(-0.5 * ((library.energy - 15.0) / 1.0) ** 2)
    sharp = load_like(library, mu=np.broadcast_to(line, library.mu.shape).astype(np.float32))
    broad = STILL.model_copy(update={"broadening": (2.0, 2.0)})
    spectrum = np.asarray(Mixtures(sharp, broad)(jax.random.key(0), 500, jnp.asarray(0))[0])[0]
    sigma = np.sqrt(np.sum(spectrum * (broad.energy - 15.0) ** 2) / spectrum.sum())
    assert sigma == pytest.approx(np.hypot(1.0, 2.0 / 2.3548), rel=0.02)


def test_what_cannot_be_drawn_is_told(library: SiteLibrary) -> None:
    with pytest.raises(ConfigurationError, match="the library has -15 to 60 eV"):
        Mixtures(library, MixtureSettings())
    with pytest.raises(ConfigurationError, match="no sites to draw from"):
        Mixtures(library, STILL, chosen=[])
    for changes, said in (
        ({"high": -7.0}, "must exceed low"),
        ({"broadening": (2.0, 1.0)}, "broadening must be ascending"),
        ({"broadening": (0.0, 9.0)}, "at most 5 eV"),
        ({"input": "derivative"}, "absorption"),
    ):
        with pytest.raises(ValidationError, match=said):
            MixtureSettings(**changes)
    alone = load_like(library, distance=np.array([np.nan, 2.5, 2.4]))
    assert numbers_of(alone).shape == (3, 3)
    drawn = np.asarray(Mixtures(alone, STILL)(jax.random.key(0), 500, jnp.asarray(0))[1])
    assert np.isfinite(drawn).all()


def test_of_two_elements_neighbours_are_counted_apart() -> None:
    """Copper and oxygen, as they scatter in cuprite."""
    scattering = bulk_scattering("Cu2O", "K")
    assert scattering.elements == ("Cu", "O", "Cu")
    square = np.array([[0.0, 0, 0], [1.9, 0, 0], [-1.9, 0, 0], [0, 2.4, 0], [0, -2.4, 0]])
    particles = [
        Cluster("oxide", ("Cu", "O", "O", "Cu", "Cu"), square),
        Cluster("metal", ("Cu", "Cu", "Cu", "Cu", "Cu"), square * 1.3),
    ]
    found = compute_library(particles, scattering, ENERGY, particles[1], radius=6.0, limits=[2.6, 4.0])
    assert found.neighbours.tolist() == ["Cu", "O"]
    assert found.shells == 2
    # Of the oxide's three copper atoms, the middle one, and the two that are alike; oxygen absorbs nothing.
    assert found.counts[:2, 0].tolist() == [1, 2]
    np.testing.assert_array_equal(found.coordination[:2], [[2, 0, 2, 0], [1, 0, 0, 2]])
    np.testing.assert_allclose(found.distance[:2], [(2 * 1.9 + 2 * 2.4) / 4.0, 2.4])
    assert (found.coordination[2:, 2:] == 0).all()
    prior = CoordinationPrior(found, STILL)
    assert [one.name for one in prior.quantities] == ["C1(Cu)", "C2(Cu)", "C1(O)", "C2(O)", "R"]
    assert prior.quantities[3].long_name == "O neighbours in the second shell"
    assert prior.structures(np.zeros(5), np.full(5, 20.0)) == ()
    _, numbers = Mixtures(found, STILL).of_particles(
        jax.random.key(0), found.counts[np.isfinite(found.distance)].T
    )
    # Of a distance, every neighbour of either element has a vote.
    np.testing.assert_allclose(numbers[0], [4 / 3, 0, 2 / 3, 4 / 3, (2 * 1.9 + 4 * 2.4) / 6], rtol=1e-5)
    with pytest.raises(ConfigurationError, match="holds Pt; the scattering is of Cu among Cu, O"):
        compute_library(
            [Cluster("other", ("Pt",), np.zeros((1, 3)))],
            scattering,
            ENERGY,
            particles[1],
            radius=6.0,
            limits=LIMITS,
        )
    with pytest.raises(ConfigurationError, match="gas: holds no absorber, Cu"):
        compute_library(
            [Cluster("gas", ("O",), np.zeros((1, 3)))],
            scattering,
            ENERGY,
            particles[1],
            radius=6.0,
            limits=LIMITS,
        )
