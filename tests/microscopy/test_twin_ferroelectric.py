"""The ferroelectric twin obeys Landau's theory, shows walls as a microscope would, and can be measured again."""

import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pydantic import ValidationError

from nescio.errors import InstrumentError, RefusedPositionError
from nescio.explore.instruments.protocol import Instrument
from nescio.microscopy.twins import FerroelectricSettings
from nescio.microscopy.twins.landau import (
    Film,
    Landau,
    coercive_field,
    energy,
    relax,
    wall_energy,
    wall_profile,
)
from nescio.microscopy.twins.switching import (
    Surroundings,
    Tip,
    hysteresis_loop,
    switched_polarisation,
    triangular_bias,
)

SMALL = {"size": 64, "grid": 12, "bias_steps": 32}
SETTINGS = FerroelectricSettings(**SMALL)


@pytest.fixture(scope="module")
def twin():
    return SETTINGS.build()


@pytest.fixture(scope="module")
def truth(twin):
    return twin.truth()


def area(loops, bias):
    """Area of the mean loop, shape (..., sweep, bias) -> (...); positive where the response follows the bias late."""
    mean = loops.mean(axis=-2)
    closed = np.concatenate([mean, mean[..., :1]], axis=-1)
    return -np.trapezoid(closed, np.append(bias, bias[0]), axis=-1)


SHAPE = (3, 64, 64)
NO_FIELD = jnp.zeros(SHAPE)
total_energy = jax.jit(energy)


def test_relaxation_lowers_the_energy():
    film = Film(angle=0.6)
    field = 0.05 * jax.random.normal(jax.random.key(1), SHAPE)
    polarisation = 0.3 * jax.random.normal(jax.random.key(0), SHAPE)
    energies = [float(total_energy(polarisation, field, film))]
    for _ in range(25):
        polarisation = relax(polarisation, field, film, 4)
        energies.append(float(total_energy(polarisation, field, film)))
    assert (np.diff(energies) < 0.0).all()


def test_the_film_moves_down_the_gradient_of_its_energy():
    # Down the gradient, dF/dt = -|dP/dt|^2.
    film = Film(angle=0.6)
    field = 0.05 * jax.random.normal(jax.random.key(1), SHAPE)
    # Smooth, so that elasticity counts for as much as gradients do.
    before = 0.6 + relax(0.3 * jax.random.normal(jax.random.key(2), SHAPE), field, film, 4)
    duration = 4 * 5e-4
    after = relax(before, field, film, 4, duration / 4)
    lost = float(total_energy(before, field, film) - total_energy(after, field, film))
    assert lost == pytest.approx(float(((after - before) ** 2).sum()) / duration, rel=0.02)


def test_a_180_degree_wall_has_the_profile_and_the_energy_of_landau_theory():
    landau = Landau(gradient=4.0)
    film = Film(landau=landau, young=0.0, stray=0.0)
    x = np.arange(64.0)
    polarisation = NO_FIELD.at[2].set(np.where((x >= 16) & (x < 48), 1.0, -1.0))
    for _ in range(25):
        polarisation = relax(polarisation, NO_FIELD, film, 4)
    # The wall lies midway between the last pixel of one domain and the first of the next.
    near = slice(4, 28)
    np.testing.assert_allclose(polarisation[2, 7, near], wall_profile(x[near] - 15.5, landau), atol=5e-3)
    above_domains = float(total_energy(polarisation, NO_FIELD, film)) + 0.25 * 64 * 64
    assert above_domains == pytest.approx(2 * 64 * float(wall_energy(landau)), rel=5e-3)
    assert float(wall_energy(landau)) == pytest.approx(np.sqrt(8.0 * 4.0) / 3.0)


def test_in_plane_domains_are_stripes_across_their_polarisation():
    # A domain along a is longer along a than its neighbour out of the plane: side by side along a they fit, and
    # above each other they do not.
    film = Film(landau=Landau(gradient=0.0, gradient_along=0.0), stray=0.0)
    stripe = (np.arange(64) // 8 % 4 == 0).astype(np.float32)

    def cost(in_plane):
        polarisation = NO_FIELD.at[0].set(in_plane).at[2].set(1.0 - in_plane)
        return float(total_energy(polarisation, NO_FIELD, film))

    along_a = np.tile(stripe, (64, 1))
    assert cost(along_a) < cost(along_a.T) - 100.0


def test_a_uniform_polarisation_switches_at_landaus_coercive_field():
    landau = Landau(quadratic=-1.4, quartic=0.8)
    analytic = float(coercive_field(landau))
    assert analytic == pytest.approx(2.0 / 3.0 * np.sqrt(1.4**3 / (3 * 0.8)))
    field = np.linspace(0.9, 1.1, 201) * analytic
    # So slowly that the polarisation is at rest at every field.
    path = np.asarray(switched_polarisation(field, -np.sqrt(1.4 / 0.8), landau, rate=100.0, substeps=100))
    assert field[np.argmax(path > 0)] == pytest.approx(analytic, rel=5e-3)


@pytest.fixture(scope="module")
def loops():
    """By what the tip has around it: wall, domain, the wall in a built-in field, a wall to an in-plane domain."""
    around = Surroundings(
        up=jnp.array([0.5, 1.0, 0.5, 0.5]),
        down=jnp.array([0.5, 0.0, 0.5, 0.0]),
        field=jnp.array([0.0, 0.0, 0.05, 0.0]),
        barrier=jnp.ones(4),
    )
    # Far enough that all that the tip senses is switched.
    bias = triangular_bias(80.0, 320)
    tip = Tip(electrostatic=0.0)
    names = ("wall", "domain", "built-in", "pinned")
    values = jax.vmap(hysteresis_loop, (None, 0, None, None))(jnp.asarray(bias), around, tip, 2)
    return bias, dict(zip(names, np.asarray(values, float), strict=True))


def coercive_biases(bias, loop):
    """Where the last sweep crosses zero: on the way up, on the way down."""
    turn = np.argmax(bias), np.argmin(bias)
    falling = slice(turn[0], turn[1] + 1)
    down = bias[falling][np.argmax(loop[-1][falling] < 0.0)]
    rising = np.r_[np.arange(turn[1], len(bias)), np.arange(turn[0] + 1)]
    up = bias[rising][np.argmax(loop[-1][rising] > 0.0)]
    return up, down


def test_without_a_built_in_field_the_loop_is_symmetric(loops):
    _, by_name = loops
    for name in ("wall", "domain"):
        last = by_name[name][-1]
        np.testing.assert_allclose(np.roll(last, len(last) // 2), -last, atol=0.02)


def test_a_built_in_field_upwards_moves_the_loop_to_negative_bias(loops):
    bias, by_name = loops
    up, down = coercive_biases(bias, by_name["built-in"])
    assert up + down < -0.5
    symmetric = coercive_biases(bias, by_name["wall"])
    assert sum(symmetric) == pytest.approx(0.0, abs=0.5)


def test_walls_of_180_degrees_lower_the_coercive_bias_and_those_of_90_degrees_raise_it(loops):
    bias, by_name = loops
    wall, domain, pinned = (
        np.ptp(coercive_biases(bias, by_name[name])) / 2 for name in ("wall", "domain", "pinned")
    )
    assert wall < 0.6 * domain
    assert pinned > 1.1 * domain


def test_in_the_film_loops_are_most_open_at_180_degree_walls_and_closed_in_in_plane_domains(twin, truth):
    areas = area(truth.values, truth.bias.values)
    around = twin.surroundings
    y, x = np.round(twin.positions).astype(int).T
    of_180, of_90 = np.asarray(around.walls_180)[y, x], np.asarray(around.walls_90)[y, x]
    in_plane = 1.0 - np.asarray(around.up + around.down)[y, x]
    wall, domain = (of_180 > 0.5) & (of_90 < 0.5), (of_180 < 0.05) & (of_90 < 0.05)
    assert wall.sum() >= 5
    assert domain.sum() >= 5
    assert areas[wall].mean() > 1.3 * areas[domain].mean()
    assert areas[in_plane > 0.5].mean() < 0.3 * areas[domain].mean()


def test_the_image_shows_walls_dark_and_domains_in_antiphase(twin):
    image = twin.survey().image
    z = np.asarray(twin.sample.polarisation[2])
    amplitude, phase = image.sel(channel="amplitude").values, image.sel(channel="phase").values
    wall = np.asarray(twin.surroundings.walls_180) > 0.9
    assert amplitude[wall].mean() < 0.6 * amplitude[abs(z) > 0.8].mean()
    assert np.median(phase[z > 0.7]) == pytest.approx(0.0, abs=2.0)
    assert np.median(phase[z < -0.7]) == pytest.approx(180.0, abs=2.0)


def test_in_plane_domains_lie_lower_in_topography(twin):
    height = twin.survey().image.sel(channel="topography").values
    z = np.asarray(twin.sample.polarisation[2])
    assert height[abs(z) < 0.1].mean() < height[abs(z) > 0.8].mean() - 0.3


def test_the_twin_is_an_instrument_and_its_survey_what_an_instrument_gives(twin):
    assert isinstance(twin, Instrument)
    survey = twin.survey()
    assert survey.image.dims == ("channel", "y", "x")
    assert survey.position.dims == ("candidate", "coordinate")
    assert list(survey.coordinate.values) == ["y", "x"]
    assert survey.y.attrs["units"] == survey.x.attrs["units"] == "pixel"
    spectrum = twin.measure(survey.position.values[5])
    assert spectrum.dims == ("sweep", "bias")
    assert spectrum.bias.attrs["units"] == "V"
    assert spectrum.bias.values.max() == 10.0
    assert spectrum.bias.values.min() == -10.0


def test_the_same_seed_is_the_same_film_and_another_seed_another(twin, truth):
    again = SETTINGS.build()
    np.testing.assert_array_equal(again.survey().image, twin.survey().image)
    np.testing.assert_array_equal(again.truth(), truth)
    other = FerroelectricSettings(seed=1, **SMALL).build()
    assert abs(other.survey().image - twin.survey().image).max() > 1.0


def test_a_repeated_measurement_differs_only_by_noise_of_the_stated_width(twin, truth):
    candidate = 40
    errors = np.stack([twin.measure(twin.positions[candidate]) - truth[candidate] for _ in range(30)])
    assert errors.mean() == pytest.approx(0.0, abs=4 * SETTINGS.spectrum_noise / np.sqrt(errors.size))
    assert errors.std() == pytest.approx(SETTINGS.spectrum_noise, rel=0.05)
    assert np.corrcoef(errors.reshape(30, -1))[0, 1:].max() < 0.6


def test_what_is_measured_does_not_depend_on_what_was_measured_before_elsewhere():
    first, second = SETTINGS.build(), SETTINGS.build()
    places = first.positions[[3, 77, 140]]
    forward = [first.measure(place) for place in places]
    backward = [second.measure(place) for place in places[::-1]][::-1]
    for one, other in zip(forward, backward, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_resumed_experiment_goes_on_with_the_noise_it_would_have_had():
    straight, resumed = SETTINGS.build(), SETTINGS.build()
    place = straight.positions[9]
    straight.measure(place)
    resumed.remember([place])
    assert resumed.clock == straight.clock == 1
    np.testing.assert_array_equal(straight.measure(place), resumed.measure(place))


def test_drift_moves_the_sample_under_the_tip(twin, truth):
    pitch = twin.positions[1, 1] - twin.positions[0, 1]
    drifting = FerroelectricSettings(drift=(0.0, pitch), spectrum_noise=0.0, **SMALL).build()
    left = abs(truth.values[1:] - truth.values[:-1]).max(axis=(1, 2))
    left[11::12] = 0.0  # the first of a row has none on its left
    candidate = 1 + int(np.argmax(left))
    first, second = (drifting.measure(drifting.positions[candidate]) for _ in range(2))
    np.testing.assert_allclose(first, truth[candidate], atol=1e-3)
    # What lay left of the place has come under the tip.
    np.testing.assert_allclose(second, truth[candidate - 1], atol=1e-2)
    assert abs(truth[candidate] - truth[candidate - 1]).max() > 1.0


@pytest.mark.parametrize("position", [[-3.0, 5.0], [5.0, 64.0], [np.nan, 1.0], [1.0, 2.0, 3.0]])
def test_a_position_outside_the_image_is_refused(twin, position):
    with pytest.raises(RefusedPositionError, match=r"outside the image|not a position"):
        twin.measure(np.array(position))


def test_a_position_that_is_refused_stays_so():
    twin = FerroelectricSettings(refused=((2.0, 2.0),), **SMALL).build()
    for _ in range(2):
        with pytest.raises(RefusedPositionError, match="refused"):
            twin.measure(twin.positions[0])
    twin.measure(twin.positions[1])


def test_timeouts_come_at_the_stated_rate_and_trying_again_gives_the_same_data():
    twin = FerroelectricSettings(fault_rate=0.3, **SMALL).build()
    calm = SETTINGS.build()
    failed = []
    for place in twin.positions:
        try:
            twin.measure(place)
        except InstrumentError as error:
            failed.append((place, str(error)))
    assert 0.15 < len(failed) / len(twin.positions) < 0.45
    last, message = failed[-1]
    assert "timed out" in message
    for _ in range(20):
        try:
            spectrum = twin.measure(last)
            break
        except InstrumentError:
            continue
    np.testing.assert_array_equal(spectrum, calm.measure(last))


def test_a_measurement_can_be_aborted_from_another_thread_and_made_again():
    twin = FerroelectricSettings(latency=60.0, **SMALL).build()
    assert not twin.busy()
    twin.abort()
    caught = []

    def work():
        try:
            twin.measure(twin.positions[0])
        except InstrumentError as error:
            caught.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    while not twin.busy():
        thread.join(0.001)
    with pytest.raises(InstrumentError, match="busy"):
        twin.measure(twin.positions[1])
    twin.abort()
    thread.join(5.0)
    assert not thread.is_alive()
    assert "aborted" in caught[0]
    assert not twin.busy()
    assert twin.clock == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": 8},
        {"grid": 61, "size": 60},
        {"fault_rate": 1.0},
        {"seed": True},
        {"bias_steps": 30},
        {"colour": 1},
    ],
)
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValidationError):
        FerroelectricSettings(**wrong)
