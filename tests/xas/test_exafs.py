"""The EXAFS equation against larch, against itself in another form, and its transforms against larch and by hand."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nescio.errors import ConfigurationError, FileError
from nescio.xas import (
    PathParameters,
    cauchy_distances,
    cauchy_wavelet,
    distribution_kernel,
    energy_from_wavenumber,
    fourier,
    fourier_distances,
    inverse_fourier,
    morlet_wavelet,
    path_table,
    read_feff_path,
    total_chi,
    wavenumber_from_energy,
    window,
)

HERE = Path(__file__).parent
LARCH = json.loads((HERE / "larch_values.json").read_text(encoding="utf-8"))
K = np.array(LARCH["k"])
STEP = 0.05
NAMES = {"degen": "degeneracy", "deltar": "delta_r", "ei": "broadening"}


@pytest.fixture(autouse=True)
def _double_precision():
    with jax.enable_x64(True):
        yield


def paths(*names):
    return [read_feff_path(HERE / "data" / f"{name}.dat") for name in names]


def of_larch(name):
    given = LARCH["paths"][name]["parameters"]
    return PathParameters(**{NAMES.get(key, key): value for key, value in given.items()})


def relative(ours, theirs):
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    return np.abs(ours - theirs).max() / np.abs(theirs).max()


def complex_of(stored):
    return np.array(stored["real"]) + 1j * np.array(stored["imag"])


@pytest.mark.parametrize("name", ["cu_single", "cu_triangle"])
def test_chi_of_a_path_is_that_of_larch(name):
    above = K > 1.0
    ours = total_chi(path_table(paths(name)), of_larch(name), K[above])
    assert relative(ours, np.array(LARCH["paths"][name]["chi"])[above]) < 1e-6


def test_paths_add_up_and_batches_are_what_they_are_one_by_one():
    both = path_table(paths("cu_single", "cu_triangle"))
    single, triangle = of_larch("cu_single")._replace(broadening=0.0), of_larch("cu_triangle")
    together = PathParameters(*(jnp.array([a, b]) for a, b in zip(single, triangle, strict=True)))
    expected = [total_chi(path_table(paths(n)), of_larch(n), K[1:]) for n in ("cu_single", "cu_triangle")]
    np.testing.assert_allclose(total_chi(both, together, K[1:]), sum(expected), atol=1e-12)
    batch = together._replace(sigma2=jnp.array([[0.002, 0.003], [0.009, 0.01]]))
    for e0 in ([[1.0], [-3.0]], [[1.0, 2.0], [-3.0, 0.0]]):
        shifted = together._replace(e0=jnp.array(e0))
        alone = [total_chi(both, together._replace(e0=one), K[1:]) for one in shifted.e0]
        np.testing.assert_allclose(total_chi(both, shifted, K[1:]), alone, atol=1e-12)
    chi = total_chi(both, batch, K[1:])
    assert chi.shape == (2, 300)
    np.testing.assert_allclose(
        chi[1], total_chi(both, together._replace(sigma2=batch.sigma2[1]), K[1:]), atol=1e-12
    )


def test_slopes_are_those_of_small_changes():
    table = path_table(paths("cu_single", "cu_triangle"))
    k = K[40:]

    def misfit(values):
        n, s02, e0, r, s2, c3, c4, broad = values
        return jnp.sum(total_chi(table, PathParameters(n, s02, e0, r, s2, c3, c4, broad), k) ** 2)

    at = jnp.array(
        [
            [12.0, 8.0],
            [0.9, 0.8],
            [2.0, 3.0],
            [0.01, -0.02],
            [0.005, 0.008],
            [1e-4, 2e-4],
            [1e-5, 2e-5],
            [0.5, 1.0],
        ]
    )
    slope = jax.grad(misfit)(at)
    for row in range(len(at)):
        small = 1e-5 * float(jnp.abs(at[row]).max())
        for column in range(2):
            step = jnp.zeros_like(at).at[row, column].set(small)
            by_hand = (misfit(at + step) - misfit(at - step)) / (2 * small)
            np.testing.assert_allclose(slope[row, column], by_hand, rtol=1e-5)


def test_a_narrow_gaussian_of_distances_is_a_second_cumulant():
    (path,) = paths("cu_single")
    k, r = K[60:260], np.linspace(1.8, 3.3, 3001)
    sigma2, n, mean = 0.0036, 10.0, path.half_length
    density = n * np.exp(-0.5 * (r - mean) ** 2 / sigma2) / np.sqrt(2 * np.pi * sigma2)
    integral = distribution_kernel(path, k, r, s02=0.9) @ density * (r[1] - r[0])
    # Without the equation's approximation of 1 / R^2 and of the mean free path within the disorder the mean is where it
    # is; with it, where the term 2 s2 / R puts it. The damping then differs by the momentum within the solid only.
    cumulants = total_chi(path_table([path]), PathParameters(n, 0.9, sigma2=sigma2), k)
    assert relative(integral, cumulants) < 0.04
    flat = total_chi(path_table([path]), PathParameters(n, 0.9), k)
    assert relative(flat, cumulants) > 0.3


def test_wavenumbers_and_energies():
    assert wavenumber_from_energy(3.8099821) == pytest.approx(1.0, abs=1e-7)
    np.testing.assert_allclose(
        energy_from_wavenumber(wavenumber_from_energy([-20.0, 0.0, 300.0])), [-20, 0, 300], atol=1e-9
    )


@pytest.mark.parametrize("kind", list(LARCH["windows"]))
def test_windows_are_those_of_larch(kind):
    stored = LARCH["windows"][kind]
    np.testing.assert_allclose(window(K, 3.0, 12.5, 1.5, kind), stored["on the grid"], atol=1e-6)
    np.testing.assert_allclose(window(K, 2.97, 12.318, 0.83, kind), stored["between"], atol=1e-6)


def test_fourier_transforms_are_those_of_larch():
    total = np.array(LARCH["total"])
    weight = K**2 * window(K, 3.0, 14.0, 1.0, "hanning")
    chi_r = fourier(total, STEP, weight)
    r = fourier_distances(STEP)
    every = LARCH["every"]
    np.testing.assert_allclose(r[::every], LARCH["fourier"]["r"], rtol=1e-12)
    assert relative(chi_r[::every], complex_of(LARCH["fourier"])) < 1e-6
    back = inverse_fourier(chi_r, STEP, window(r, 1.4, 3.0, 0.3, "hanning"), largest=15.0)
    assert relative(back[::every][: len(LARCH["inverse"]["q"])], complex_of(LARCH["inverse"])) < 1e-6


def test_all_distances_transform_back_to_what_there_was():
    weight = K**2 * window(K, 3.0, 14.0, 1.0)
    chi_r = fourier(LARCH["total"], STEP, weight, largest=1e3)
    back = inverse_fourier(chi_r, STEP, np.ones(chi_r.shape[-1]))
    np.testing.assert_allclose(back[: len(K)].real, np.array(LARCH["total"]) * weight, atol=1e-3)


def test_cauchy_wavelets_are_those_of_larch():
    r = cauchy_distances(STEP, 6.0)
    every = LARCH["every"]
    np.testing.assert_allclose(r[::every][1:], LARCH["cauchy"]["r"][1:], rtol=1e-12)
    ours = cauchy_wavelet(K**2 * np.array(LARCH["total"]), STEP, r)
    assert relative(ours[::every, :: 3 * every], complex_of(LARCH["cauchy"])) < 1e-6


@pytest.mark.parametrize("transform", [cauchy_wavelet, morlet_wavelet])
def test_wavelets_see_a_distance_where_it_is_and_a_neighbour_at_the_wavenumbers_where_it_scatters(transform):
    r = np.linspace(0.0, 6.0, 241)
    light, heavy = np.exp(-0.5 * (K - 4.0) ** 2), np.exp(-0.5 * (K - 11.0) ** 2)
    chi = light * np.sin(2 * K * 2.0) + heavy * np.sin(2 * K * 4.0)
    found = np.abs(
        transform(
            np.stack([chi, 2 * chi]),
            STEP,
            r,
            **({"order": 120} if transform is cauchy_wavelet else {"frequency": 20.0}),
        )
    )
    assert found.shape == (2, 241, 301)
    np.testing.assert_allclose(found[1], 2 * found[0], rtol=1e-9, atol=1e-12)
    assert not found[0, 0].any()
    near = found[0][(r > 1) & (r < 3)]
    far = found[0][(r > 3) & (r < 5)]
    for part, distance, wavenumber, first in ((near, 2.0, 4.0, 1.025), (far, 4.0, 11.0, 3.025)):
        row, column = np.unravel_index(part.argmax(), part.shape)
        assert first + row * 0.025 == pytest.approx(distance, abs=0.15)
        assert K[column] == pytest.approx(wavenumber, abs=0.4)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ((5.0, 3.0, 1.0, "hanning"), "needs low < high"),
        ((3.0, 5.0, -1.0, "hanning"), "taper >= 0"),
        ((3.0, 5.0, 1.0, "box"), "window 'box' is not known"),
    ],
)
def test_impossible_windows(given, why):
    with pytest.raises(ConfigurationError, match=why):
        window(K, *given)


def test_what_is_no_path_is_refused(tmp_path):
    good = (HERE / "data" / "cu_single.dat").read_text(encoding="utf-8").splitlines()
    head = next(n for n, line in enumerate(good) if "real[2*phc]" in line)
    cases = {
        "no such file": None,
        "no path of FEFF": ["1 2 3"],
        "2 atoms listed for 3 legs": [
            *good[: head - 4],
            good[head - 4].replace("2  12.000", "3  12.000"),
            *good[head - 3 :],
        ],
        f"line {head}: .* is no atom": [*good[: head - 1], "Cu at 0 0 0", *good[head:]],
        f"line {head + 3}: 2 numbers": [*good[: head + 2], " 0.2 3.1", *good[head + 3 :]],
        "ascending wavenumbers": [*good[: head + 2], good[head + 1], *good[head + 3 :]],
        "3 rows of numbers": good[: head + 4],
    }
    for why, lines in cases.items():
        file = tmp_path / "feff0001.dat"
        file.unlink(missing_ok=True)
        if lines is not None:
            file.write_text("\n".join(lines), encoding="utf-8")
        with pytest.raises(FileError, match=why):
            read_feff_path(file)
    with pytest.raises(ConfigurationError, match="no scattering paths"):
        path_table([])


def test_each_line_of_a_header_may_begin_with_a_comment_sign(tmp_path: Path) -> None:
    """Some versions of FEFF do so, and write numbers without the zero before the point."""
    lines = (HERE / "data" / "cu_single.dat").read_text(encoding="utf-8").splitlines()
    table = next(n for n, line in enumerate(lines) if "real[2*phc]" in line) + 1
    changed = [f"#{line}" for line in lines[:table]] + [line.replace(" 0.", "  .") for line in lines[table:]]
    (tmp_path / "path.dat").write_text("\n".join([*changed, "", " "]), encoding="utf-8")
    found, wanted = read_feff_path(tmp_path / "path.dat"), read_feff_path(HERE / "data" / "cu_single.dat")
    assert (found.half_length, found.degeneracy, found.legs) == (2.5527, 12.0, wanted.legs)
    np.testing.assert_array_equal(found.wavenumber, wanted.wavenumber)
    np.testing.assert_array_equal(found.amplitude, wanted.amplitude)
