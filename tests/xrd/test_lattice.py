"""A strained cell is still a cell of its crystal system, and lattice spacings are those of crystallography."""

import gemmi
import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nescio.xrd import make_structure, reciprocal_metric
from nescio.xrd.lattice import lattice_freedom, strained_cell

CELLS = {
    "P-1": (5.1, 6.2, 7.3, 82.0, 97.0, 105.0),
    "P21/c": (5.1, 6.2, 7.3, 90.0, 103.0, 90.0),
    "P 1 1 21/b": (5.1, 6.2, 7.3, 90.0, 90.0, 103.0),
    "Pnma": (5.1, 6.2, 7.3, 90.0, 90.0, 90.0),
    "P42/mnm": (8.8, 8.8, 4.56, 90.0, 90.0, 90.0),
    "R-3m:H": (4.6, 4.6, 11.3, 90.0, 90.0, 120.0),
    "R-3m:R": (4.7, 4.7, 4.7, 58.0, 58.0, 58.0),
    "P63/mmc": (2.51, 2.51, 4.07, 90.0, 90.0, 120.0),
    "Fm-3m": (3.524, 3.524, 3.524, 90.0, 90.0, 90.0),
}
# Independent lengths and angles of each, International Tables A, table 2.1.1.1.
PARAMETERS = {
    "P-1": 6,
    "P21/c": 4,
    "P 1 1 21/b": 4,
    "Pnma": 3,
    "P42/mnm": 2,
    "R-3m:H": 2,
    "R-3m:R": 2,
    "P63/mmc": 2,
    "Fm-3m": 1,
}
CHANGES = st.tuples(*[st.floats(-0.02, 0.02)] * 3)
TURNS = st.tuples(*[st.floats(-2.0, 2.0)] * 3)


def structure(group):
    return make_structure("phase", CELLS[group], group, [{"element": "Ni", "position": (0.0, 0.0, 0.0)}])


def strained(group, lengths, angles):
    phase = structure(group)
    ties = lattice_freedom(phase.crystal_system, phase.unique_axis)
    return np.asarray(
        strained_cell(np.asarray(phase.cell), np.asarray(lengths), np.asarray(angles), *ties), float
    )


def test_all_seven_crystal_systems_are_looked_at():
    systems = {structure(group).crystal_system for group in CELLS}
    assert systems - {"rhombohedral"} == {
        "triclinic",
        "monoclinic",
        "orthorhombic",
        "tetragonal",
        "trigonal",
        "hexagonal",
        "cubic",
    }


@pytest.mark.parametrize("group", CELLS)
@given(lengths=CHANGES, angles=TURNS)
def test_strain_keeps_the_crystal_system(group, lengths, angles):
    cell = gemmi.UnitCell(*strained(group, lengths, angles))
    assert cell.is_compatible_with_spacegroup(gemmi.SpaceGroup(group), eps=1e-5)


@pytest.mark.parametrize("group", CELLS)
def test_strain_reaches_every_free_parameter_of_the_lattice(group):
    phase = structure(group)
    ties = lattice_freedom(phase.crystal_system, phase.unique_axis)
    jacobian = jax.jacobian(lambda x: strained_cell(np.asarray(phase.cell), x[:3], x[3:], *ties))(np.zeros(6))
    assert np.linalg.matrix_rank(np.asarray(jacobian)) == PARAMETERS[group]


@pytest.mark.parametrize("group", CELLS)
def test_equal_relative_changes_scale_the_cell(group):
    cell = strained(group, (0.01,) * 3, (0.0,) * 3)
    np.testing.assert_allclose(cell, np.asarray(CELLS[group]) * ([1.01] * 3 + [1.0] * 3), rtol=1e-6)


@pytest.mark.parametrize("group", CELLS)
def test_symmetry_equivalents_keep_equal_spacings_under_strain(group):
    metric = np.asarray(reciprocal_metric(strained(group, (0.013, -0.007, 0.004), (1.1, -0.6, 0.8))), float)
    rotations = np.array([op.rot for op in gemmi.SpaceGroup(group).operations()]) // gemmi.Op.DEN
    images = np.array([2, 1, 3]) @ rotations
    np.testing.assert_allclose(
        np.einsum("oi,ij,oj->o", images, metric, images), images[0] @ metric @ images[0], rtol=1e-5
    )


@pytest.mark.parametrize("group", CELLS)
def test_spacings_agree_with_gemmi(group):
    cell = gemmi.UnitCell(*CELLS[group])
    miller = np.array(np.meshgrid(*[range(-3, 4)] * 3)).reshape(3, -1).T
    miller = miller[(miller != 0).any(axis=1)].astype(np.int32)
    metric = np.asarray(reciprocal_metric(np.asarray(CELLS[group])), float)
    inverse_d_squared = np.einsum("hi,ij,hj->h", miller, metric, miller)
    np.testing.assert_allclose(
        inverse_d_squared, 1 / np.asarray(cell.calculate_d_array(miller)) ** 2, rtol=2e-5
    )


@pytest.mark.parametrize("group", CELLS)
def test_the_metric_holds_the_cell_volume(group):
    metric = np.asarray(reciprocal_metric(np.asarray(CELLS[group])), float)
    assert np.linalg.det(metric) ** -0.5 == pytest.approx(gemmi.UnitCell(*CELLS[group]).volume, rel=1e-5)


def test_an_unknown_crystal_system_is_refused():
    with pytest.raises(ValueError, match="unknown crystal system 'isometric'"):
        lattice_freedom("isometric")
