"""The plasmon twin: electrodynamics of coupled dipoles, what an electron loses to them, and the microscope around."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from scipy.special import kn

from nescio.configuration import validated
from nescio.errors import ConfigurationError, RefusedPositionError
from nescio.explore.instruments.protocol import Instrument
from nescio.explore.scalarizers import BandRatio
from nescio.microscopy.twins import PlasmonSettings, PlasmonTwin
from nescio.microscopy.twins.plasmon_array import Particles, fill, island, projection, spread_apart, thickness
from nescio.microscopy.twins.plasmon_loss import (
    bessel_k0,
    bessel_k1,
    bulk_loss,
    electron_beam,
    electron_field,
    plasmon_loss,
    resolution_matrix,
)
from nescio.microscopy.twins.plasmon_modes import (
    Drude,
    depolarisation,
    interaction,
    modes,
    permittivity,
    polarisability,
    stable,
)

SPHERE = (1 / 3, 1 / 3)
BEAM = electron_beam(60.0)
ENERGIES = np.linspace(0.4, 1.2, 41)
RADIUS = 6.0
VOLUME = 4 / 3 * np.pi * RADIUS**3
QUIET = {"width_spread": 0.0, "shift": 0.0, "vacancies": 0.0, "doping_spread": 0.0}


def spheres(positions, radii=RADIUS):
    """Particles as the twin holds them, filled up so that one program does for all."""
    positions = np.asarray(positions, float)
    widths = np.broadcast_to(2.0 * np.asarray(radii, float), len(positions))
    return fill(Particles(positions, widths, np.zeros(len(positions)), exponent=2.0), 64)


def plasmons(particles, drude):
    plasma = np.resize(drude.plasma_energy, len(particles.widths)).astype(float)
    return modes(particles.positions, particles.volumes, SPHERE, drude._replace(plasma_energy=plasma))


def energies_of(block, n):
    """Those of the first n dipoles' modes: of the modes, the ones that the fillers take no part in."""
    coupled = np.abs(np.asarray(block.coupling)).max(axis=1) > 1e-3
    found = np.sqrt(np.asarray(block.squared_energy)[coupled])
    assert len(found) == n
    return found


def loss(places, particles, drude):
    found = plasmons(particles, drude)
    places = np.asarray(places, float)
    return np.asarray(
        plasmon_loss(places, ENERGIES, particles.positions, particles.radii, found, 0.1, BEAM), float
    )


def test_a_sphere_resonates_where_its_permittivity_is_minus_two():
    drude = Drude(2.0, 4.0, 0.1)
    particles = spheres([(0.0, 0.0)])
    froehlich = 2.0 / np.sqrt(4.0 + 2.0)
    found = plasmons(particles, drude)
    np.testing.assert_allclose(energies_of(found.in_plane, 2), froehlich, rtol=1e-5)
    np.testing.assert_allclose(energies_of(found.out_of_plane, 1), froehlich, rtol=1e-5)
    undamped = permittivity(froehlich, drude._replace(damping=0.0))
    assert float(undamped.real) == pytest.approx(-2.0, rel=1e-5)


def test_a_disc_resonates_lower_along_its_face_than_across():
    across, along = depolarisation(0.5)
    assert 2 * across + along == pytest.approx(1.0)
    # Osborn, Phys. Rev. 67, 351 (1945): N_c / 4 pi of an oblate spheroid of axis ratio 2.
    assert along == pytest.approx(0.5272, abs=2e-4)
    assert depolarisation(2.0)[1] == pytest.approx(0.1736, abs=2e-4)
    assert depolarisation(1.0009)[1] == pytest.approx(depolarisation(1.0011)[1], abs=1e-4)
    assert depolarisation(0.9991)[1] == pytest.approx(depolarisation(0.9989)[1], abs=1e-4)


def test_what_an_electron_loses_to_one_dipole_is_the_closed_expression():
    drude = Drude(2.0, 4.0, 0.1)
    distances = np.array([7.0, 15.0, 60.0, 200.0])
    found = loss(np.stack([0 * distances, distances], axis=1), spheres([(0.0, 0.0)]), drude)
    v = 0.4462369 * 197.3269804  # hbar v of 60 keV electrons
    gamma = 1 / np.sqrt(1 - 0.4462369**2)
    alpha = np.asarray(polarisability(ENERGIES, VOLUME, 1 / 3, drude))
    x = ENERGIES * distances[:, None] / (v * gamma)
    by_hand = (
        4
        * 1.43996
        * ENERGIES**2
        / (np.pi * v**4 * gamma**2)
        * (kn(1, x) ** 2 + kn(0, x) ** 2 / gamma**2)
        * alpha.imag
    )
    np.testing.assert_allclose(found, by_hand, rtol=1e-3)


def test_bessel_functions_are_those_of_scipy():
    x = np.geomspace(1e-4, 40.0, 400).astype(np.float32)
    # The exponential of a number in single precision knows no more than that many digits of the result.
    for ours, order in ((bessel_k0, 0), (bessel_k1, 1)):
        found, known = np.asarray(jax.jit(ours)(x)), kn(order, x.astype(float))
        np.testing.assert_allclose(found[x < 8], known[x < 8], rtol=1.2e-6)
        np.testing.assert_allclose(found, known, rtol=5e-6)


def test_within_a_particle_the_field_is_the_mean_over_a_sphere():
    axis = (np.arange(60) + 0.5) / 30 - 1
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    within = x**2 + y**2 + z**2 < 1
    y, x = RADIUS * y[within], RADIUS * x[within]
    wave = 0.8 / (BEAM.speed * BEAM.lorentz)
    for distance in (0.2 * RADIUS, 0.7 * RADIUS):
        r = np.hypot(x - distance, y)
        radial, axial = electron_field(0.8, distance, RADIUS, BEAM)
        assert float(radial) == pytest.approx(
            abs(0.8 * np.mean(kn(1, wave * r) * (x - distance) / r)), rel=0.02
        )
        assert float(axial) == pytest.approx(0.8 * np.mean(kn(0, wave * r)) / BEAM.lorentz, rel=0.02)


def test_two_spheres_split_into_bonding_and_antibonding_modes():
    drude, distance = Drude(2.0, 1.0, 0.1), 14.0
    single, coupling = 4.0 / 3.0, (RADIUS / distance) ** 3
    found = plasmons(spheres([(0.0, 0.0), (0.0, distance)]), drude)
    # Head to tail the dipoles attract twice as much as they repel side by side.
    expected = single * (1 + coupling * np.array([-2.0, -1.0, 1.0, 2.0]))
    np.testing.assert_allclose(energies_of(found.in_plane, 4) ** 2, expected, rtol=1e-5)
    np.testing.assert_allclose(
        energies_of(found.out_of_plane, 2) ** 2, single * (1 + coupling * np.array([-1.0, 1.0])), rtol=1e-5
    )


@settings(max_examples=20)
@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50)), min_size=5, max_size=5, unique=True))
def test_dipoles_act_on_one_another_alike(positions):
    apart = np.asarray(positions) + 200.0 * np.arange(5)[:, None]
    in_plane, across = (np.asarray(field) for field in interaction(apart))
    np.testing.assert_allclose(in_plane, in_plane.T, rtol=1e-6)
    np.testing.assert_allclose(across, across.T, rtol=1e-6)
    # A static field has no source between the dipoles: the trace over x, y and z is zero.
    trace = in_plane[:5, :5] + in_plane[5:, 5:] + across
    np.testing.assert_allclose(trace, 0.0, atol=1e-5 * np.abs(across).max())


def test_free_electrons_absorb_as_much_together_as_apart():
    # f-sum rule: with no other electrons than the free ones, the integral over E of E Im(alpha) is pi/2 times this.
    rng = np.random.default_rng(1)
    radii = rng.uniform(4.0, 6.0, 30)
    particles = spheres(island(5, 6, 13.0, (0.0, 0.0)), radii)
    found = plasmons(particles, Drude(2.0, 1.0, 0.1))
    strength = np.asarray(found.out_of_plane.coupling.T @ found.out_of_plane.coupling)
    np.testing.assert_allclose(strength[:30, :30], np.diag(radii**3 / 3 * 2.0**2), atol=1e-3)
    integral = np.pi / 2 * strength[0, 0]
    energy = np.linspace(0.0, 400.0, 400_001)[1:]
    imaginary = np.asarray(polarisability(energy, particles.volumes[0], 1 / 3, Drude(2.0, 1.0, 0.1))).imag
    assert np.trapezoid(energy * imaginary, energy) == pytest.approx(integral, rel=2e-3)


def test_modes_are_those_of_solving_for_each_energy():
    rng = np.random.default_rng(2)
    radii = rng.uniform(4.5, 6.0, 20)
    plasma = np.resize(2.0 + 0.1 * rng.standard_normal(20), 64)
    particles = spheres(island(4, 5, 13.0, (0.0, 0.0)) + rng.normal(0, 0.3, (20, 2)), radii)
    drude = Drude(plasma, 4.0, 0.1)
    places = np.array([(3.0, 4.0), (-30.0, 0.0), (26.5, 33.5), (0.0, 90.0)])
    found = loss(places, particles, drude)
    in_plane, across = (np.asarray(field, float) for field in interaction(particles.positions[:20]))
    for place, spectrum in zip(places, found, strict=True):
        delta = particles.positions[:20] - place
        distance = np.hypot(*delta.T)
        for index in (0, 17, 25, 40):
            energy = ENERGIES[index]
            radial, axial = electron_field(energy, distance, radii, BEAM)
            y, x = np.asarray(radial, float) * delta.T / distance
            field, axial = np.concatenate([x, y]), np.asarray(axial, float)
            excess = 4.0 - plasma[:20] ** 2 / (energy**2 + 0.1j * energy) - 1
            inverse = (1 + excess / 3) / excess / radii**3 * 3
            moment = np.linalg.solve(np.diag(np.tile(inverse, 2)) - in_plane, field)
            upright = np.linalg.solve(np.diag(inverse) - across, axial)
            work = (field @ moment + axial @ upright).imag
            scale = 4 * 1.439964548 / (np.pi * BEAM.speed**4 * BEAM.lorentz**2)
            assert spectrum[index] == pytest.approx(scale * work, rel=2e-4)


def test_dipoles_too_strong_and_close_are_told():
    # Two spheres would attract without bound where alpha = d^3 / 2: at 1.26 radii, within one another.
    assert stable([(0.0, 0.0), (0.0, 1.27)], np.full(2, 4 / 3 * np.pi), SPHERE)
    assert not stable([(0.0, 0.0), (0.0, 1.25)], np.full(2, 4 / 3 * np.pi), SPHERE)
    with pytest.raises(ConfigurationError, match="too close for the dipole model: use a wider gap"):
        PlasmonSettings(gap=0.5, aspect=2.0, **SMALL).build()


def test_bulk_plasmons_are_met_only_on_the_way_through():
    particles, drude = spheres([(0.0, 0.0)]), Drude(np.full(64, 2.0), 4.0, 0.05)
    through = np.asarray(thickness(np.array([(0.0, 0.0), (0.0, 3.0), (0.0, 6.1)]), particles))
    np.testing.assert_allclose(through[:, 0], [2 * RADIUS, 2 * np.sqrt(27.0), 0.0], rtol=1e-5)
    spectra = np.asarray(bulk_loss(through, ENERGIES, particles.radii, drude, BEAM))
    assert ENERGIES[spectra[0].argmax()] == pytest.approx(2.0 / np.sqrt(4.0), abs=0.02)
    assert (spectra[2] == 0).all()


def test_an_image_holds_the_whole_volume_of_its_particles():
    for exponent in (2.0, 6.0):
        particles = Particles(
            np.array([(20.2, 20.7), (40.0, 44.0)]),
            np.array([12.0, 15.0]),
            np.array([0.3, 0.0]),
            0.8,
            exponent,
        )
        image = np.asarray(projection((96, 96), fill(particles, 64)))
        assert image.sum() == pytest.approx(particles.volumes.sum(), rel=0.02)
    assert Particles(np.zeros((1, 2)), np.ones(1), np.zeros(1), 1.0, 2.0).volumes[0] == pytest.approx(
        np.pi / 6
    )


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=10)
def test_particles_do_not_overlap(seed):
    rng = np.random.default_rng(seed)
    widths = rng.normal(12.0, 0.6, 25)
    moved = spread_apart(island(5, 5, 14.0, (50.0, 50.0)) + rng.normal(0, 1.0, (25, 2)), widths, 0.5)
    distance = np.linalg.norm(moved[:, None] - moved, axis=-1) + 1e9 * np.eye(25)
    assert (distance - 0.5 * (widths[:, None] + widths)).min() > 0.45


@pytest.fixture(scope="module")
def square():
    """Seven by seven equal particles, with nothing else around."""
    choice = PlasmonSettings(size=132, grid=33, **QUIET)
    sites = island(7, 7, 14.0, (65.5, 65.5))
    return PlasmonTwin(choice, Particles(sites, np.full(49, 12.0), np.zeros(49)))


def sites_of(twin):
    """Candidates just outside a corner, outside the middle of an edge, and between the particles in the middle."""
    out = 65.5 + 3.6 * 14.0
    return twin.nearest((out, out)), twin.nearest((out, 65.5)), twin.nearest((65.5 + 7.0, 65.5 + 7.0))


def plasmon_part(twin):
    return twin.loss(twin.positions)


def test_modes_of_the_array_rise_from_corner_over_edge_to_its_inside(square):
    spectra = plasmon_part(square)
    corner, edge, inside = (square.energies[spectra[site].argmax()] for site in sites_of(square))
    assert corner < edge - 0.02 < inside - 0.04


def test_corner_and_edge_modes_are_where_their_names_say(square):
    spectra = plasmon_part(square)
    sites = sites_of(square)
    tops = [spectra[site].argmax() for site in sites]
    distance = np.abs(square.positions - 65.5)
    # Along the rim, just outside the particles, where no bulk plasmon is met.
    rim = np.abs(distance.max(axis=1) - 3.6 * 14.0) < 2.1
    near_corner = rim & (distance.min(axis=1) > 2.2 * 14.0)
    near_middle = rim & (distance.min(axis=1) < 1.0 * 14.0)
    low = spectra[:, tops[0]]
    assert low[near_corner].mean() > 1.15 * low[near_middle].mean()
    assert low[sites[0]] > 1.5 * low[sites[2]]
    middle = spectra[:, tops[1]]
    assert middle[near_middle].mean() > 1.4 * middle[near_corner].mean()
    high = spectra[:, tops[2]]
    assert high[sites[2]] > 1.4 * high[rim].max()


def test_loss_is_as_symmetric_as_the_array(square):
    spectra = plasmon_part(square).reshape(33, 33, -1)
    for turned in (spectra[::-1], spectra[:, ::-1], spectra.swapaxes(0, 1)):
        np.testing.assert_allclose(turned, spectra, rtol=2e-3, atol=1e-5 * spectra.max())


def test_loss_is_never_negative(square):
    assert plasmon_part(square).min() > 0.0


def test_the_ratio_of_two_bands_tells_corner_from_inside(square):
    ratio = BandRatio(numerator={"low": 0.55, "high": 0.66}, denominator={"low": 0.76, "high": 0.86})
    corner, _, inside = (ratio(square.measure(square.positions[site]))[0] for site in sites_of(square))
    assert corner.value > 2.0 * inside.value
    # One spectrum tells it.
    assert corner.uncertainty + inside.uncertainty < 0.3 * (corner.value - inside.value)


def test_noise_is_that_of_counting_and_of_the_detector(square):
    site = sites_of(square)[1]
    truth = square.truth().values[site]
    repeats = np.stack([square.measure(square.positions[site]).values for _ in range(200)])
    np.testing.assert_allclose(repeats.mean(axis=0), truth, atol=4.5 * np.sqrt(truth.max() / 200))
    spread = (repeats - truth).var(axis=0) / (truth + square.settings.readout**2)
    assert spread.mean() == pytest.approx(1.0, abs=0.05)


SMALL = {"size": 96, "grid": 12, "islands": 2, "strays": 1}


def test_the_same_seed_is_the_same_sample_and_noise():
    first, again, other = (PlasmonSettings(seed=seed, **SMALL).build() for seed in (5, 5, 6))
    assert isinstance(first, Instrument)
    np.testing.assert_array_equal(first.survey().image, again.survey().image)
    np.testing.assert_array_equal(first.truth(), again.truth())
    again.measure(again.positions[3])
    for place in (first.positions[40], first.positions[40]):
        np.testing.assert_array_equal(first.measure(place), again.measure(place))
    assert not np.array_equal(first.survey().image, other.survey().image)


def test_a_survey_and_spectra_say_what_they_are():
    twin = PlasmonSettings(**SMALL).build()
    survey, spectrum = twin.survey(), twin.measure(twin.positions[7])
    assert survey.image.dims == ("channel", "y", "x")
    assert survey.image.shape == (1, 96, 96)
    assert list(survey.channel.values) == ["haadf"]
    assert survey.y.attrs["units"] == survey.position.attrs["units"] == "nm"
    assert survey.position.shape == (144, 2)
    assert spectrum.dims == ("energy_loss",)
    assert spectrum.energy_loss.attrs["units"] == "eV"
    assert spectrum.attrs["units"] == "counts"
    assert twin.truth().shape == (144, 101)
    with pytest.raises(RefusedPositionError, match="outside the image"):
        twin.measure(np.array([96.0, 3.0]))


def test_particles_are_bright_where_they_are():
    twin = PlasmonSettings(**SMALL).build()
    image = gaussian_filter(twin.survey().image.values[0], 2.0)
    centres = np.rint(twin.particles.positions).astype(int)
    empty = np.linalg.norm(twin.positions[:, None] - twin.particles.positions, axis=-1).min(axis=1) > 14.0
    outside = np.rint(twin.positions[empty]).astype(int)
    assert image[tuple(centres.T)].min() > 2.5 * image[tuple(outside.T)].max()


def test_a_broader_zero_loss_peak_broadens_what_is_seen():
    axis, channels = np.linspace(0.0, 2.0, 401), np.linspace(0.5, 1.5, 201)
    seen = np.asarray(resolution_matrix(axis, channels, 0.3))
    sharp = np.exp(-0.5 * ((axis - 1.0) / 0.1) ** 2)
    sigma = np.hypot(0.1, 0.3 / 2.35482)
    np.testing.assert_allclose(
        sharp @ seen, 0.1 / sigma * np.exp(-0.5 * ((channels - 1.0) / sigma) ** 2), atol=1e-5
    )


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"energies": [1.0, 0.5]}, "first energy \\(1 eV\\) must be below the last"),
        ({"energies": [0.05, 1.0]}, "inside the zero-loss peak"),
        ({"energies": [0.5, 0.55]}, "not resolved"),
        ({"width": 100.0}, "too large for an image of 300 nm"),
        ({"grid": 200, "size": 100}, "grid \\(200\\) must not exceed"),
        ({"gap": "2"}, "gap: .* not '2'"),
        ({"colour": 1}, "unknown key 'colour'"),
    ],
)
def test_impossible_settings_are_told(document, message):
    with pytest.raises(ConfigurationError, match=message):
        validated(PlasmonSettings, document, "settings")


def test_an_empty_membrane_is_told():
    with pytest.raises(ConfigurationError, match="no particle"):
        PlasmonSettings(islands=0, strays=0).build()


def test_derivatives_pass_through_the_bessel_functions():
    # K0' = -K1
    slope = jax.jit(jax.vmap(jax.grad(bessel_k0)))(jnp.array([0.3, 1.9, 2.1, 6.0]))
    np.testing.assert_allclose(slope, -kn(1, [0.3, 1.9, 2.1, 6.0]), rtol=1e-4)
