"""Multiple scattering against what is known in closed form, a plain solver, and another program."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import sph_harm_y, spherical_jn, spherical_yn

from nescio.xas import absorber_green_function, read_feff_path, read_feff_phases, scattering_from_feff
from nescio.xas.scattering.harmonics import degrees, gaunt_coefficients, real_harmonics
from nescio.xas.scattering.propagator import free_propagator, outgoing_waves, pair_table

DATA = Path(__file__).parent / "data"
SQUARE_ANTIPRISM = np.array(
    [[0, 0, 0], [1.9, 0.2, 1.7], [-0.3, 2.4, 0.8], [-1.5, -1.1, 1.9], [0.4, 0.9, -2.5], [2.2, -1.6, -0.4]],
    float,
)


def directions(number: int) -> NDArray[np.float64]:
    draws = np.random.default_rng(3).normal(size=(number, 3))
    return np.asarray(draws / np.linalg.norm(draws, axis=1, keepdims=True))


def test_harmonics_are_the_real_and_imaginary_parts_of_the_complex_ones() -> None:
    place = np.concatenate([directions(20), [[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]]])
    polar, azimuth = np.arccos(place[:, 2]), np.arctan2(place[:, 1], place[:, 0])
    ours = np.asarray(real_harmonics(place, 6))
    column = 0
    for ell in range(7):
        for m in range(-ell, ell + 1):
            whole = (-1) ** m * sph_harm_y(ell, abs(m), polar, azimuth)
            expected = whole.real if m == 0 else np.sqrt(2) * (whole.real if m > 0 else whole.imag)
            np.testing.assert_allclose(ours[:, column], expected, atol=3e-6)
            column += 1


def test_a_product_of_harmonics_is_the_sum_that_gaunt_coefficients_say() -> None:
    place = directions(30)
    few, many = np.asarray(real_harmonics(place, 3)), np.asarray(real_harmonics(place, 6))
    product = np.einsum("abc,pc->pab", gaunt_coefficients(3), many)
    np.testing.assert_allclose(product, few[:, :, None] * few[:, None, :], atol=3e-6)


def test_outgoing_waves_are_hankel_functions() -> None:
    z = np.array([0.4, 1.7, 9.0]) + 0.3j
    for ell, ours in enumerate(np.asarray(outgoing_waves(jnp.asarray(z), 6))):
        np.testing.assert_allclose(ours, 1j * (spherical_jn(ell, z) + 1j * spherical_yn(ell, z)), rtol=2e-4)


def test_a_wave_about_one_atom_is_the_sum_of_regular_waves_about_another() -> None:
    k, second, place = 1.3 + 0.1j, np.array([1.0, 2.0, 3.0]), np.array([0.05, -0.03, 0.04])
    real, imaginary = free_propagator(pair_table(np.array([[0.0, 0.0, 0.0], second]), 3), k)
    matrix = np.asarray(real) + 1j * np.asarray(imaginary)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-5)
    apart, ell = place - second, degrees(3)
    far = np.linalg.norm(apart)
    leaving = 1j * (spherical_jn(ell, k * far) + 1j * spherical_yn(ell, k * far))
    leaving = leaving * np.asarray(real_harmonics(apart / far, 3))
    near = np.linalg.norm(place)
    regular = spherical_jn(ell, k * near) * np.asarray(real_harmonics(place / near, 3))
    np.testing.assert_allclose(regular @ matrix[:16, 16:], leaving, rtol=2e-4, atol=2e-5)


def test_two_atoms_that_scatter_s_waves_have_a_closed_form() -> None:
    k, distance = np.array([0.9 + 0.05j, 2.1 + 0.2j]), 2.4
    shifts = np.zeros((2, 2, 2), complex)
    shifts[:, 0] = [[0.7 + 0.05j, 0.4 + 0.1j], [1.1 + 0.02j, 1.9 + 0.1j]]
    own, other = np.exp(1j * shifts[:, 0]) * np.sin(shifts[:, 0])
    passage = np.exp(1j * k * distance) / (k * distance)
    expected = passage**2 * other / (1.0 - passage**2 * own * other)
    found = absorber_green_function(
        np.array([[0.0, 0.0, 0.0], [0.0, distance, 0.0]]),
        np.array([0, 1]),
        jnp.asarray(k),
        jnp.asarray(shifts),
        channels=(0,),
    )
    np.testing.assert_allclose(found[0], expected, rtol=1e-5)


def cluster(
    seed: int = 0,
) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.complex128], NDArray[np.complex128]]:
    """Return positions, potentials, wavenumbers and phase shifts of six atoms of two kinds that scatter strongly."""
    rng = np.random.default_rng(seed)
    k = np.linspace(0.8, 3.5, 5) + 0.08j
    # As any atom of this size would: the higher the momentum, the later it scatters.
    reach = (np.abs(k) / 3.0) ** (2 * np.arange(4)[:, None] + 1)
    shifts = rng.uniform(-1.2, 1.2, (2, 4, 1)) * np.minimum(reach, 1.0) + 0.05j * np.minimum(reach, 1.0)
    return SQUARE_ANTIPRISM, np.array([0, 1, 1, 0, 1, 1]), k, shifts


def solved_plainly(
    place: NDArray[np.float64],
    kinds: NDArray[np.intp],
    k: NDArray[np.complex128],
    shifts: NDArray[np.complex128],
    ell: int,
) -> NDArray[np.complex128]:
    """Return the same by a dense solver of the unsymmetric equations."""
    found = []
    for n, one in enumerate(k):
        real, imaginary = free_propagator(pair_table(place, 3), one)
        matrix = np.asarray(real) + 1j * np.asarray(imaginary)
        t = np.exp(1j * shifts[..., n]) * np.sin(shifts[..., n])
        diagonal = np.repeat(t[kinds], [1, 3, 5, 7], axis=1).ravel()
        whole = np.linalg.solve(np.eye(len(matrix)) - matrix * diagonal, matrix[:, :16])[:16]
        block = whole[ell**2 : (ell + 1) ** 2, ell**2 : (ell + 1) ** 2]
        found.append(np.trace(block) / (2 * ell + 1))
    return np.array(found)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_it_is_what_a_plain_solver_finds(seed: int) -> None:
    place, kinds, k, shifts = cluster(seed)
    found = absorber_green_function(place, kinds, jnp.asarray(k), jnp.asarray(shifts), channels=(2, 0))
    for row, ell in enumerate((2, 0)):
        expected = solved_plainly(place, kinds, k, shifts, ell)
        np.testing.assert_allclose(found[row], expected, atol=2e-4 * np.abs(expected).max())


def test_neither_a_turn_nor_an_order_nor_an_atom_that_is_not_there_changes_it() -> None:
    place, kinds, k, shifts = cluster()

    def found(positions: NDArray[np.float64], potentials: NDArray[np.intp]) -> NDArray[np.complex128]:
        return np.asarray(
            absorber_green_function(positions, potentials, jnp.asarray(k), jnp.asarray(shifts), channels=(1,))
        )

    before = found(place, kinds)
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    order = [0, 3, 1, 5, 4, 2]
    np.testing.assert_allclose(found(place @ turn, kinds), before, atol=1e-4 * np.abs(before).max())
    np.testing.assert_allclose(found(place[order], kinds[order]), before, atol=1e-4 * np.abs(before).max())
    filled = np.concatenate([place, [[50.0, 0.0, 0.0], [60.0, 0.0, 0.0]]])
    more = found(filled, np.concatenate([kinds, [-1, -1]]))
    np.testing.assert_allclose(more, before, atol=1e-4 * np.abs(before).max())


def test_its_derivative_is_that_of_differences() -> None:
    with jax.enable_x64(True):
        place, kinds, k, shifts = cluster()

        def number(positions: jax.Array) -> jax.Array:
            green = absorber_green_function(
                positions,
                kinds,
                jnp.asarray(k),
                jnp.asarray(shifts),
                channels=(1,),
                tolerance=1e-9,
                iterations=300,
            )
            return jnp.sum(green.imag * jnp.arange(1.0, 6.0))

        gradient = np.asarray(jax.grad(number)(jnp.asarray(place)))
        for atom, axis in ((0, 1), (2, 0), (5, 2)):
            step = np.zeros_like(place)
            step[atom, axis] = 1e-4
            expected = (number(jnp.asarray(place + step)) - number(jnp.asarray(place - step))) / 2e-4
            assert gradient[atom, axis] == pytest.approx(float(expected), rel=1e-5, abs=1e-8)


def test_what_cannot_be_solved_is_no_number() -> None:
    place, kinds, k, shifts = cluster()
    found = absorber_green_function(
        0.2 * place, kinds, jnp.asarray(k), jnp.asarray(shifts), channels=(1,), iterations=3
    )
    assert np.isnan(found[0, 0])


def test_vibrations_damp_what_comes_back_from_one_neighbour_as_they_do_in_exafs() -> None:
    place, shifts = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 2.5]]), np.full((2, 4, 1), 1e-3 + 0j)
    k = jnp.array([3.0 + 0.2j])
    still, moving = (
        absorber_green_function(place, np.array([0, 1]), k, jnp.asarray(shifts), channels=(1,), sigma2=sigma2)
        for sigma2 in (0.0, 0.01)
    )
    # So weak that only single scattering counts.
    assert abs((moving / still)[0, 0]) == pytest.approx(np.exp(-2.0 * 9.0 * 0.01), rel=1e-4)


def test_single_scattering_is_that_of_feff() -> None:
    """The first shell of copper against FEFF's own path, from the same potentials."""
    path = read_feff_path(DATA / "cu_k" / "feff0001.dat")
    scattering = scattering_from_feff(read_feff_phases(DATA / "cu_k"))
    chosen = np.flatnonzero(np.abs(scattering.energy.real[: scattering.horizontal] - 9.0) < 8.0)
    k = np.sqrt(scattering.energy[chosen].real / 3.8099821)
    place = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, path.half_length]])
    weak = scattering.phase_shifts[..., chosen].copy()
    # An absorber that does not scatter: no path comes by it twice.
    weak[0] = 0.0
    green = absorber_green_function(
        place, np.array([0, 1]), jnp.asarray(scattering.wavenumber[chosen]), jnp.asarray(weak), channels=(1,)
    )
    ours = np.asarray(green[0]) * scattering.weights[0, chosen]
    size, phase, free = (
        np.interp(k, path.wavenumber, getattr(path, name))
        for name in ("amplitude", "phase", "mean_free_path")
    )
    r = path.half_length
    theirs = size * np.exp(-2 * r / free) / (k * r**2) * np.exp(1j * (2 * k * r + phase))
    np.testing.assert_allclose(ours, theirs, atol=0.02 * np.abs(theirs).max())
