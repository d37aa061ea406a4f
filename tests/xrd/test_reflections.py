"""Reflections follow the textbook's extinctions and structure factors, and cctbx's figures."""

import json
from collections import defaultdict
from dataclasses import replace

import gemmi
import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nescio.errors import ConfigurationError
from nescio.xrd.crystal import Site, Structure, make_structure, read_structure
from nescio.xrd.reflections import compute_reflections, reciprocal_metric, structure_factor
from nescio.xrd.scattering import anomalous_factors, atomic_scattering_factor

CU_KA1 = 1.5405929
CUBIC = (4.0, 4.0, 4.0, 90.0, 90.0, 90.0)


def crystal(space_group, *sites, cell=CUBIC):
    """A structure from (element, position) or Site."""
    made = tuple(s if isinstance(s, Site) else Site(s[0], s[1]) for s in sites)
    return Structure("x", cell, gemmi.SpaceGroup(space_group).xhm(), made)


def f0(element, d):
    return atomic_scattering_factor(element, 0, 0.25 / np.asarray(d) ** 2)


def as_table(reflections):
    """Map every equivalent index to its row."""
    table = {}
    for row, (images, count) in enumerate(
        zip(reflections.equivalents, reflections.equivalent_count, strict=True)
    ):
        for h in images[:count]:
            table[tuple(h)] = table[tuple(-h)] = row
    return table


def families(reflections):
    return {tuple(sorted(np.abs(h), reverse=True)) for h in reflections.miller.tolist()}


@pytest.mark.parametrize(
    ("space_group", "position", "rule", "atoms"),
    [
        ("P m -3 m", (0, 0, 0), lambda h, k, ell: True, 1),
        ("I m -3 m", (0, 0, 0), lambda h, k, ell: (h + k + ell) % 2 == 0, 2),
        ("F m -3 m", (0, 0, 0), lambda h, k, ell: h % 2 == k % 2 == ell % 2, 4),
        (
            "F d -3 m:2",
            (0.125, 0.125, 0.125),
            lambda h, k, ell: h % 2 == k % 2 == ell % 2 and (h % 2 == 1 or (h + k + ell) % 4 == 0),
            None,
        ),
    ],
)
def test_cubic_elements_reflect_where_their_lattice_allows_and_nowhere_else(
    space_group, position, rule, atoms
):
    reflections = compute_reflections(crystal(space_group, ("Ni", position)), CU_KA1, 0.7, anomalous=False)
    most = int(4.0 / 0.7)
    expected = {
        (h, k, ell)
        for h in range(most + 1)
        for k in range(h + 1)
        for ell in range(k + 1)
        if 0 < h * h + k * k + ell * ell <= (4.0 / 0.7) ** 2 and rule(h, k, ell)
    }
    assert families(reflections) == expected
    if atoms:
        np.testing.assert_allclose(reflections.f_squared, (atoms * f0("Ni", reflections.d)) ** 2, rtol=1e-12)


def test_diamond_scatters_as_two_interleaved_face_centred_lattices():
    reflections = compute_reflections(
        crystal("F d -3 m:2", ("Si", (0.125,) * 3)), CU_KA1, 0.8, anomalous=False
    )
    odd = reflections.miller[:, 0] % 2 == 1
    amplitude = 4 * f0("Si", reflections.d)
    np.testing.assert_allclose(reflections.f_squared, np.where(odd, 2, 4) * amplitude**2, rtol=1e-12)


def test_hexagonal_close_packing_has_its_four_kinds_of_structure_factor():
    """Cullity and Stock (2001), Elements of X-Ray Diffraction, table 4-1."""
    hcp = crystal("P 63/m m c", ("Co", (1 / 3, 2 / 3, 0.25)), cell=(2.51, 2.51, 4.07, 90.0, 90.0, 120.0))
    reflections = compute_reflections(hcp, CU_KA1, 0.8, anomalous=False)
    h, k, ell = reflections.miller.T
    thirds, odd = (h + 2 * k) % 3 != 0, ell % 2 == 1
    factor = np.select([~thirds & ~odd, thirds & odd, thirds & ~odd], [4.0, 3.0, 1.0])
    assert not (~thirds & odd).any()
    np.testing.assert_allclose(reflections.f_squared, factor * f0("Co", reflections.d) ** 2, rtol=1e-10)


def test_rock_salt_adds_the_ions_in_even_reflections_and_subtracts_them_in_odd_ones():
    ions = (Site("Na", (0, 0, 0), charge=1), Site("Cl", (0.5, 0.5, 0.5), charge=-1))
    reflections = compute_reflections(crystal("F m -3 m", *ions), CU_KA1, 0.9, anomalous=False)
    s = 0.25 / reflections.d**2
    sodium, chlorine = atomic_scattering_factor("Na", 1, s), atomic_scattering_factor("Cl", -1, s)
    sign = np.where(reflections.miller[:, 0] % 2 == 0, 1, -1)
    np.testing.assert_allclose(reflections.f_squared, 16 * (sodium + sign * chlorine) ** 2, rtol=1e-10)


def test_dispersion_adds_to_the_real_and_the_imaginary_part():
    reflections = compute_reflections(crystal("F m -3 m", ("Ni", (0, 0, 0))), CU_KA1, 1.0)
    f_prime, f_double_prime = anomalous_factors("Ni", CU_KA1)
    expected = 16 * ((f0("Ni", reflections.d) + f_prime) ** 2 + f_double_prime**2)
    np.testing.assert_allclose(reflections.f_squared, expected, rtol=1e-12)


def test_an_acentric_crystal_averages_the_friedel_pair():
    zinc_blende = crystal(
        "F -4 3 m", ("Zn", (0, 0, 0)), ("S", (0.25, 0.25, 0.25)), cell=(5.41,) * 3 + (90.0,) * 3
    )
    reflections = compute_reflections(zinc_blende, CU_KA1, 1.0)
    plus = np.abs(structure_factor(zinc_blende, reflections.miller, CU_KA1)) ** 2
    minus = np.abs(structure_factor(zinc_blende, -reflections.miller, CU_KA1)) ** 2
    assert np.abs(plus / minus - 1.0).max() > 0.01
    np.testing.assert_allclose(reflections.f_squared, 0.5 * (plus + minus), rtol=1e-12)


@given(st.floats(0.0, 1.0))
@settings(max_examples=20)
def test_the_structure_factor_is_linear_in_the_occupancies_of_a_solid_solution(x):
    mixed = crystal("F m -3 m", Site("Ni", (0, 0, 0), 1.0 - x), Site("Re", (0, 0, 0), x))
    miller = np.array([[1, 1, 1], [2, 0, 0], [3, 1, 1]])
    parts = [structure_factor(crystal("F m -3 m", (e, (0, 0, 0))), miller, CU_KA1) for e in ("Ni", "Re")]
    found = structure_factor(mixed, miller, CU_KA1)
    np.testing.assert_allclose(found, (1.0 - x) * parts[0] + x * parts[1], rtol=1e-12)


@given(st.tuples(*[st.floats(-2.0, 2.0)] * 3))
@settings(max_examples=30)
def test_intensities_do_not_depend_on_the_origin(shift):
    sites = [("Ti", (0.1, 0.2, 0.3)), ("O", (0.4, 0.15, 0.7)), ("O", (0.8, 0.6, 0.05))]
    cell = (5.0, 6.0, 7.0, 80.0, 100.0, 95.0)
    here = compute_reflections(crystal("P 1", *sites, cell=cell), CU_KA1, 1.5)
    moved = [(e, tuple(np.add(x, shift))) for e, x in sites]
    there = compute_reflections(crystal("P 1", *moved, cell=cell), CU_KA1, 1.5)
    np.testing.assert_allclose(there.f_squared, here.f_squared, rtol=1e-9, atol=1e-9)


def test_isotropic_displacements_damp_by_the_debye_waller_factor():
    still = crystal("F m -3 m", ("Ni", (0, 0, 0)))
    moving = crystal("F m -3 m", Site("Ni", (0, 0, 0), u_iso=0.01))
    cold, warm = (compute_reflections(s, CU_KA1, 0.8) for s in (still, moving))
    np.testing.assert_allclose(
        warm.f_squared / cold.f_squared, np.exp(-4.0 * np.pi**2 * 0.01 / cold.d**2), rtol=1e-12
    )


@pytest.mark.parametrize(
    ("space_group", "cell", "site"),
    [
        ("F m -3 m", CUBIC, Site("Ni", (0, 0, 0))),
        ("P 63/m m c", (2.51, 2.51, 4.07, 90.0, 90.0, 120.0), Site("Co", (1 / 3, 2 / 3, 0.25))),
        ("P 1 21/c 1", (5.0, 6.0, 7.0, 90.0, 115.0, 90.0), Site("Fe", (0.1, 0.23, 0.37))),
        ("P -1", (5.0, 6.0, 7.0, 80.0, 100.0, 95.0), Site("Fe", (0.1, 0.23, 0.37))),
    ],
)
def test_an_anisotropic_tensor_of_equal_axes_is_the_isotropic_one(space_group, cell, site):
    u = 0.013
    # On oblique axes the tensor of a sphere is U_ij = U g*_ij / (a*_i a*_j).
    metric = np.asarray(reciprocal_metric(np.array(cell)), float)
    lengths = np.sqrt(np.diag(metric))
    tensor = u * metric / np.outer(lengths, lengths)
    aniso = tuple(float(tensor[i, j]) for i, j in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)))
    round_ = compute_reflections(crystal(space_group, replace(site, u_iso=u), cell=cell), CU_KA1, 1.0)
    given_ = compute_reflections(crystal(space_group, replace(site, u_aniso=aniso), cell=cell), CU_KA1, 1.0)
    np.testing.assert_array_equal(given_.miller, round_.miller)
    np.testing.assert_allclose(given_.f_squared, round_.f_squared, rtol=1e-5)


def test_an_anisotropic_displacement_turns_with_the_atom():
    """The same atoms written in P 1, each with its own turned tensor, give the same F."""
    u = (0.01, 0.02, 0.03, 0.002, -0.003, 0.004)
    cell = (4.6, 4.6, 3.0, 90.0, 90.0, 90.0)
    whole = crystal("P 4", Site("O", (0.1, 0.25, 0.4), u_aniso=u), cell=cell)
    quarter = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]])
    tensor = np.array([[u[0], u[3], u[4]], [u[3], u[1], u[5]], [u[4], u[5], u[2]]])
    position, sites = np.array([0.1, 0.25, 0.4]), []
    for _ in range(4):
        aniso = tuple(float(tensor[i, j]) for i, j in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)))
        sites.append(Site("O", tuple(position), u_aniso=aniso))
        position, tensor = quarter @ position, quarter @ tensor @ quarter.T
    miller = np.array([[1, 2, 3], [2, -1, 1], [3, 0, 1], [0, 2, 2]])
    np.testing.assert_allclose(
        structure_factor(crystal("P 1", *sites, cell=cell), miller, None),
        structure_factor(whole, miller, None),
        rtol=1e-12,
    )


@pytest.mark.parametrize(
    ("space_group", "cell"),
    [
        ("P m -3 m", (4.0, 4.0, 4.0, 90.0, 90.0, 90.0)),
        ("P m -3", (4.0, 4.0, 4.0, 90.0, 90.0, 90.0)),
        ("P 4/m", (4.0, 4.0, 3.3, 90.0, 90.0, 90.0)),
        ("P 6/m m m", (4.0, 4.0, 3.3, 90.0, 90.0, 120.0)),
        ("P -3", (4.0, 4.0, 3.3, 90.0, 90.0, 120.0)),
        ("P m m m", (4.0, 4.4, 3.3, 90.0, 90.0, 90.0)),
        ("P 1 2/m 1", (4.0, 4.4, 3.3, 90.0, 105.0, 90.0)),
        ("P 1", (4.0, 4.4, 3.3, 85.0, 105.0, 97.0)),
    ],
)
def test_multiplicities_add_up_to_the_points_of_the_reciprocal_lattice(space_group, cell):
    reflections = compute_reflections(crystal(space_group, ("Fe", (0, 0, 0)), cell=cell), CU_KA1, 0.9)
    points = np.stack(np.meshgrid(*[np.arange(-6, 7)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    metric = np.asarray(reciprocal_metric(np.array(cell)), float)
    inside = np.einsum("ni,ij,nj->n", points, metric, points) <= 1.0 / 0.9**2
    assert reflections.multiplicity.sum() == inside.sum() - 1
    assert len(as_table(reflections)) == inside.sum() - 1
    assert (np.diff(reflections.d) <= 1e-12).all()


def test_equivalents_share_spacing_and_intensity_and_are_twice_as_many_as_listed():
    rutile = crystal(
        "P 42/m n m",
        ("Ti", (0, 0, 0)),
        ("O", (0.305, 0.305, 0)),
        cell=(4.594, 4.594, 2.959, 90.0, 90.0, 90.0),
    )
    reflections = compute_reflections(rutile, CU_KA1, 1.0)
    for row, count in enumerate(reflections.equivalent_count):
        images = reflections.equivalents[row, :count]
        assert reflections.multiplicity[row] == 2 * count
        np.testing.assert_allclose(
            np.abs(structure_factor(rutile, images, CU_KA1)) ** 2, reflections.f_squared[row], rtol=1e-9
        )
        assert not reflections.equivalents[row, count:].any()


def test_unrelated_reflections_of_one_spacing_stay_apart():
    nickel = compute_reflections(crystal("F m -3 m", ("Ni", (0, 0, 0))), CU_KA1, 0.7)
    table = as_table(nickel)
    assert table[(3, 3, 3)] != table[(5, 1, 1)]
    assert nickel.d[table[(3, 3, 3)]] == pytest.approx(nickel.d[table[(5, 1, 1)]])
    scheelite = crystal("P 4/m", ("Fe", (0.11, 0.24, 0)), cell=(4.0, 4.0, 3.3, 90.0, 90.0, 90.0))
    table = as_table(compute_reflections(scheelite, CU_KA1, 1.0))
    assert table[(2, 1, 0)] != table[(1, 2, 0)]


@pytest.mark.parametrize("d_min", [0.0, -1.0, float("nan"), 1e-4])
def test_an_impossible_smallest_spacing_is_refused(d_min):
    with pytest.raises(ConfigurationError, match="smallest lattice spacing"):
        compute_reflections(crystal("F m -3 m", ("Ni", (0, 0, 0))), CU_KA1, d_min)


CELLS = st.tuples(*[st.floats(2.0, 20.0)] * 3, *[st.floats(70.0, 110.0)] * 3)


@given(CELLS)
@settings(max_examples=30)
def test_the_reciprocal_metric_is_the_inverse_of_the_direct_one(cell):
    a, angles = np.array(cell[:3]), np.cos(np.radians(cell[3:]))
    direct = np.outer(a, a) * np.array(
        [[1, angles[2], angles[1]], [angles[2], 1, angles[0]], [angles[1], angles[0], 1]]
    )
    np.testing.assert_allclose(np.asarray(reciprocal_metric(np.array(cell))) @ direct, np.eye(3), atol=2e-4)


def test_the_reciprocal_metric_compiles_maps_and_differentiates():
    cells = np.array([CUBIC, (3.0, 4.0, 5.0, 90.0, 100.0, 90.0)], np.float32)
    mapped = jax.jit(jax.vmap(reciprocal_metric))(cells)
    np.testing.assert_allclose(mapped[1], reciprocal_metric(cells[1]), rtol=1e-6)
    # 1/d^2 = (h / a)^2 for a cubic cell, so its derivative by a is -2 h^2 / a^3.
    gradient = jax.grad(lambda cell: reciprocal_metric(cell)[0, 0])(cells[0])
    np.testing.assert_allclose(gradient[0], -2.0 / 4.0**3, rtol=1e-5)
    np.testing.assert_allclose(gradient[1:], 0.0, atol=1e-6)


FILES = ("Ni-Cubic-225", "Co2Al9-Monoclinic-14", "Co4Al13-Orthorhombic-31", "TiO2_136_clean", "tetra")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(("anomalous", "relative"), [(False, 1e-6), (True, 0.03)])
@pytest.mark.parametrize("resymmetrise", [True, False])
def test_reflections_are_those_of_cctbx(data_folder, name, anomalous, relative, resymmetrise):
    """With dispersion the other side took Sasaki's tables, so 3 % is what can be asked."""
    folder = data_folder / "xrd"
    stored = json.loads((folder / "reference_structure_factors.json").read_text())
    reference = np.array(stored[f"{name}.cif|{int(anomalous)}"])
    structure = read_structure(folder / "reference_cifs" / f"{name}.cif", resymmetrise=resymmetrise)
    miller = reference[:, :3].astype(np.int32)
    d = gemmi.UnitCell(*structure.cell).calculate_d_array(miller)
    reflections = compute_reflections(structure, CU_KA1, float(d.min()) * 0.99999, anomalous=anomalous)

    table = as_table(reflections)
    multiplicity, intensity = defaultdict(float), defaultdict(float)
    for h, f_squared, m in zip(miller.tolist(), reference[:, 3], reference[:, 4], strict=True):
        row = table.get(tuple(h))
        if row is None:
            # The other list keeps extinct reflections of the P 1 file, as zeros.
            assert f_squared < 1e-8 * reference[:, 3].max()
            continue
        multiplicity[row] += m
        intensity[row] += m * f_squared
    rows = range(len(reflections.d))
    assert [multiplicity[row] for row in rows] == reflections.multiplicity.tolist()
    np.testing.assert_allclose(
        [intensity[row] / multiplicity[row] for row in rows], reflections.f_squared, rtol=relative
    )


def test_the_sigma_phase_has_its_thirty_atoms_and_its_strong_lines():
    sites = [
        {"element": "Fe", "position": position}
        for position in (
            (0, 0, 0),
            (0.398, 0.398, 0),
            (0.463, 0.131, 0),
            (0.738, 0.066, 0),
            (0.182, 0.182, 0.252),
        )
    ]
    sigma = make_structure("sigma", [8.80, 8.80, 4.56, 90, 90, 90], "P4_2/mnm", sites)
    assert len(sigma.unit_cell()[0]) == 30
    reflections = compute_reflections(sigma, CU_KA1, 1.3)
    strength = reflections.multiplicity * reflections.f_squared
    strongest = {tuple(h) for h in np.abs(reflections.miller[np.argsort(-strength)[:8]]).tolist()}
    table = as_table(reflections)
    assert {table[h] for h in ((4, 1, 1), (3, 3, 0), (2, 0, 2), (2, 1, 2))} <= {table[h] for h in strongest}
