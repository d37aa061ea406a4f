"""What a prior draws: phases in equal shares, patterns as the stated distributions allow, and nothing else."""

import json

import gemmi
import jax
import numpy as np
import pytest

from nescio.errors import ConfigurationError, FileError, NescioError, StructureError
from nescio.techniques import Prior as AnyPrior
from nescio.xrd import Prior, PriorSettings

KEY = jax.random.key(11)
CU_KA1 = 1.5405929


def cubic(name, group, a, element="Ni", **given):
    sites = [{"element": element, "position": [0, 0, 0]}]
    return {"name": name, "space_group": group, "cell": [a, a, a, 90, 90, 90], "sites": sites, **given}


NICKEL = cubic("nickel", "Fm-3m", 3.524)
TUNGSTEN = cubic("tungsten", "Im-3m", 3.165, "W")
COBALT = {
    "name": "cobalt",
    "space_group": "P6_3/mmc",
    "cell": [2.507, 2.507, 4.069, 90, 90, 120],
    "sites": [{"element": "Co", "position": [1 / 3, 2 / 3, 0.25]}],
}
AXIS = {"start": 30.0, "stop": 80.0, "points": 256}
# Nothing varies and nothing disturbs.
STILL = {
    "radiation": {"source": "CuKa1"},
    "texture": {"march_coefficient": 1.0},
    "lattice": {"strain": 0.0, "axis_strain": 0.0},
    "broadening": {"crystallite_size_nm": 10.0, "mixing": 0.3},
    "instrument": {"zero_shift": 0.0},
    "noise": {"gaussian": 0.0},
}


def build(*phases, **tables):
    return Prior.from_settings(PriorSettings.model_validate({"phases": phases, "axis": AXIS, **tables}))


def bragg(d, wavelength=CU_KA1):
    return 2 * np.degrees(np.arcsin(wavelength / 2 / d))


def written(prior):
    return json.loads(json.dumps(prior.to_document()))


@pytest.fixture(scope="module")
def metals():
    return build(NICKEL, TUNGSTEN, COBALT, background={"humps": 1}, noise={"counts": 2000.0})


@pytest.fixture(scope="module")
def draw(metals):
    return jax.jit(metals.sample, static_argnums=1)


@pytest.fixture(scope="module")
def batch(draw):
    return draw(KEY, 60)


def test_a_prior_is_what_the_hall_expects(metals):
    assert isinstance(metals, AnyPrior)
    assert metals.labels == ("nickel", "tungsten", "cobalt")
    assert metals.axis.name == "two_theta"
    assert metals.axis.attrs["units"] == "degree"
    np.testing.assert_allclose(metals.axis, np.linspace(30.0, 80.0, 256))


def test_phases_come_in_equal_shares_and_random_order(batch):
    labels = np.asarray(batch.labels)
    np.testing.assert_array_equal(np.bincount(labels), [20, 20, 20])
    assert (np.diff(labels) != 0).mean() > 0.5


@pytest.mark.parametrize("n", [1, 2, 61, 62])
def test_no_phase_is_short_by_more_than_one(metals, n):
    compiled = jax.jit(lambda key: metals.sample(key, n).labels)
    seen = set()
    for seed in range(12):
        counts = np.bincount(np.asarray(compiled(jax.random.key(seed))), minlength=3)
        assert counts.sum() == n
        assert np.ptp(counts) <= 1
        seen.add(tuple(counts))
    # Which of them is short changes from draw to draw.
    assert len(seen) > 1


def test_patterns_are_scaled_to_0_and_1(batch):
    signals = np.asarray(batch.signals)
    assert signals.shape == (60, 256)
    assert np.isfinite(signals).all()
    assert signals.min() >= 0.0
    assert signals.max() <= 1.0
    np.testing.assert_allclose(signals.max(axis=1), 1.0, rtol=1e-6)


def test_the_same_key_draws_the_same_and_another_key_something_else(draw, batch):
    again, other = draw(KEY, 60), draw(jax.random.key(12), 60)
    np.testing.assert_array_equal(again.signals, batch.signals)
    np.testing.assert_array_equal(again.labels, batch.labels)
    assert np.abs(np.asarray(other.signals) - np.asarray(batch.signals)).max() > 0.1


def test_no_two_draws_are_alike(batch):
    signals = np.asarray(batch.signals)
    distances = np.abs(signals[:, None] - signals[None]).max(axis=2) + np.eye(60)
    assert distances.min() > 0.01


def test_compiled_and_plain_draws_agree(metals, draw):
    compiled, plain = draw(KEY, 3), metals.sample(KEY, 3)
    np.testing.assert_array_equal(compiled.labels, plain.labels)
    np.testing.assert_allclose(compiled.signals, plain.signals, atol=2e-4)


def test_draws_can_be_mapped_over_keys(metals, draw):
    keys = jax.random.split(KEY, 2)
    mapped = jax.jit(jax.vmap(lambda key: metals.sample(key, 3)))(keys)
    for i in range(2):
        single = draw(keys[i], 3)
        np.testing.assert_array_equal(mapped.labels[i], single.labels)
        np.testing.assert_allclose(mapped.signals[i], single.signals, atol=2e-4)


def test_a_stored_prior_draws_bit_identical_patterns(metals, batch):
    again = Prior.from_document(written(metals))
    assert again.settings == metals.settings
    assert again.structures == metals.structures
    drawn = jax.jit(again.sample, static_argnums=1)(KEY, 60)
    np.testing.assert_array_equal(drawn.signals, batch.signals)
    np.testing.assert_array_equal(drawn.labels, batch.labels)


def test_one_phase_alone_can_be_drawn(metals):
    by_name, by_number = metals.sample_phase(KEY, "cobalt", 2), metals.sample_phase(KEY, 2, 2)
    np.testing.assert_array_equal(by_name, by_number)
    for unknown in ("iron", 3, -1):
        with pytest.raises(ConfigurationError, match="unknown; known: nickel, tungsten, cobalt"):
            metals.sample_phase(KEY, unknown, 1)


# What is drawn


def test_without_any_freedom_all_patterns_are_one_and_peaks_lie_where_bragg_puts_them():
    prior = build(NICKEL, **STILL)
    signals = np.asarray(jax.jit(prior.sample, static_argnums=1)(KEY, 4).signals)
    assert np.ptp(signals, axis=0).max() < 1e-5
    tops = [i for i in range(1, 255) if signals[0, i] > max(0.05, *signals[0, [i - 1, i + 1]])]
    expected = bragg(3.524 / np.sqrt([3, 4, 8]))
    np.testing.assert_allclose(prior.axis.values[tops], expected, atol=50 / 255)


def test_peaks_stay_where_strain_and_shift_allow_and_use_that_range():
    prior = build(
        NICKEL,
        axis={"start": 40.0, "stop": 49.0, "points": 512},
        **{**STILL, "lattice": {"strain": {"uniform": [-0.02, 0.02]}, "axis_strain": 0.0}},
    )
    shifted = build(
        NICKEL,
        axis={"start": 40.0, "stop": 49.0, "points": 512},
        **{**STILL, "instrument": {"zero_shift": {"uniform": [-0.5, 0.3]}}},
    )
    step = 9.0 / 511
    for drawn, low, high in (
        (prior, bragg(1.02 * 3.524 / np.sqrt(3)), bragg(0.98 * 3.524 / np.sqrt(3))),
        (shifted, bragg(3.524 / np.sqrt(3)) - 0.5, bragg(3.524 / np.sqrt(3)) + 0.3),
    ):
        signals = jax.jit(drawn.sample, static_argnums=1)(KEY, 200).signals
        tops = drawn.axis.values[np.asarray(signals).argmax(axis=1)]
        assert low - step < tops.min()
        assert tops.max() < high + step
        assert np.ptp(tops) > 0.9 * (high - low)


def test_a_cubic_phase_stays_cubic_under_strain_of_its_axes():
    lattice = {"strain": 0.0, "axis_strain": {"uniform": [-0.01, 0.01]}}
    prior = build(NICKEL, **{**STILL, "lattice": lattice})
    parameters = jax.jit(
        jax.vmap(
            lambda key: prior._draw_parameters(key, prior._groups[0].axes[0], prior._groups[0].axis_counts[0])
        )
    )(jax.random.split(KEY, 50))
    lengths = np.asarray(parameters.length_change)
    assert np.ptp(lengths) > 0.015
    signals = np.asarray(jax.jit(prior.sample, static_argnums=1)(KEY, 50).signals)
    # A cubic 200 peak would split if the axes were strained apart: its width stays that of the crystallites.
    window = (prior.axis.values > 49) & (prior.axis.values < 55)
    widths = (signals[:, window] > 0.5 * signals[:, window].max(axis=1, keepdims=True)).sum(axis=1) * 50 / 255
    assert np.ptp(widths) <= 2 * 50 / 255


def test_texture_about_001_of_cobalt_strengthens_002():
    expected = {"002": bragg(4.069 / 2), "100": bragg(2.507 * np.sqrt(3) / 2)}

    def ratio(march):
        texture = {"march_coefficient": march, "axes": [[0, 0, 1]]}
        prior = build(COBALT, **{**STILL, "texture": texture})
        signal = np.asarray(jax.jit(prior.sample, static_argnums=1)(KEY, 1).signals[0])
        heights = {name: np.interp(at, prior.axis.values, signal) for name, at in expected.items()}
        return heights["002"] / heights["100"]

    assert ratio(0.5) > 3 * ratio(1.0) > 9 * ratio(2.0)


def test_texture_axes_are_reflections_of_the_phase_within_the_range():
    prior = build(NICKEL, **STILL)
    axes = np.asarray(prior._groups[0].axes[0])[: int(prior._groups[0].axis_counts[0])]
    sums = sorted((axes**2).sum(axis=1))
    assert sums == [3, 4, 8]


def test_the_share_of_patterns_without_texture_is_as_stated():
    texture = {"march_coefficient": 0.3, "random_share": 0.3}
    prior = build(NICKEL, **{**STILL, "texture": texture})
    group = prior._groups[0]
    parameters = jax.jit(
        jax.vmap(lambda key: prior._draw_parameters(key, group.axes[0], group.axis_counts[0]))
    )(jax.random.split(KEY, 1000))
    assert float((parameters.march_coefficient == 1.0).mean()) == pytest.approx(0.3, abs=0.05)


def test_a_pattern_over_q_is_the_pattern_over_two_theta_at_the_same_points():
    q_ends = [4 * np.pi / CU_KA1 * np.sin(np.radians(x / 2)) for x in (30.0, 80.0)]
    free = {**STILL, "lattice": {"strain": {"uniform": [-0.01, 0.01]}}, "texture": {"march_coefficient": 0.5}}
    angle = build(NICKEL, COBALT, axis={"start": 30.0, "stop": 80.0, "points": 512}, **free)
    over_q = build(
        NICKEL, COBALT, axis={"kind": "q", "start": q_ends[0], "stop": q_ends[1], "points": 512}, **free
    )
    assert over_q.axis.name == "q"
    assert over_q.axis.attrs["units"] == "1/angstrom"
    np.testing.assert_allclose(over_q.two_theta, 2 * np.degrees(np.arcsin(over_q.axis * CU_KA1 / 4 / np.pi)))
    first, second = (jax.jit(prior.sample, static_argnums=1)(KEY, 8) for prior in (angle, over_q))
    np.testing.assert_array_equal(first.labels, second.labels)
    for on_angle, on_q in zip(np.asarray(first.signals), np.asarray(second.signals), strict=True):
        np.testing.assert_allclose(on_q, np.interp(over_q.two_theta, angle.axis.values, on_angle), atol=0.015)


# Compositions


def test_compositions_lie_within_the_ranges_of_their_phase_and_sum_to_one():
    ranges = {
        "nickel": {"Ni": (0.5, 0.9), "Co": (0.1, 0.3), "Cr": (0.0, 0.4)},
        "tungsten": {"W": (0.3, 1.0), "Ni": (0.0, 0.6)},
    }
    prior = build(
        {**NICKEL, "composition": ranges["nickel"]}, {**TUNGSTEN, "composition": ranges["tungsten"]}, **STILL
    )
    assert prior.condition_names == ("Co", "Cr", "Ni", "W")
    drawn = jax.jit(prior.sample, static_argnums=1)(KEY, 400)
    fractions, labels = np.asarray(drawn.conditions, float), np.asarray(drawn.labels)
    np.testing.assert_allclose(fractions.sum(axis=1), 1.0, atol=1e-5)
    for i, name in enumerate(prior.labels):
        for j, element in enumerate(prior.condition_names):
            low, high = ranges[name].get(element, (0.0, 0.0))
            drawn_here = fractions[labels == i, j]
            assert low - 1e-5 <= drawn_here.min()
            assert drawn_here.max() <= high + 1e-5
            assert np.ptp(drawn_here) >= 0.4 * (high - low)


def test_one_named_element_leaves_the_rest_to_others():
    prior = build({**NICKEL, "composition": {"Ni": [0.2, 0.8]}}, **STILL)
    fractions = np.asarray(jax.jit(prior.sample, static_argnums=1)(KEY, 200).conditions)
    assert fractions.shape == (200, 1)
    assert 0.2 <= fractions.min() < 0.25
    assert 0.75 < fractions.max() <= 0.8


def test_few_elements_that_cannot_make_up_the_sample_leave_the_rest_to_others():
    prior = build({**NICKEL, "composition": {"Ni": [0.1, 0.3], "Co": [0.2, 0.4]}}, **STILL)
    fractions = np.asarray(jax.jit(prior.sample, static_argnums=1)(KEY, 100).conditions)
    assert fractions.sum(axis=1).max() < 0.7
    assert np.ptp(fractions[:, 1]) > 0.15


def test_without_compositions_there_are_no_conditions(batch, metals):
    assert metals.condition_names == ()
    assert batch.conditions.shape == (60, 0)


# Files


def cif_of(group="F m -3 m", a=3.524):
    return (
        f"data_ni\n_cell_length_a {a}\n_cell_length_b {a}\n_cell_length_c {a}\n"
        "_cell_angle_alpha 90\n_cell_angle_beta 90\n_cell_angle_gamma 90\n"
        f"_space_group_name_H-M_alt '{group}'\n"
        "loop_\n_atom_site_label\n_atom_site_type_symbol\n_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n"
        "Ni1 Ni 0 0 0\n"
    )


PRIOR_FILE = """
[axis]
start = 30
stop = 80
points = 256
[learn.training]
steps = 10
[[phases]]
name = "nickel"
cif = "structures/ni.cif"
"""


def test_cifs_are_found_beside_the_configuration_wherever_one_stands(tmp_path, monkeypatch):
    (tmp_path / "priors" / "structures").mkdir(parents=True)
    (tmp_path / "priors" / "structures" / "ni.cif").write_text(cif_of())
    (tmp_path / "priors" / "prior.toml").write_text(PRIOR_FILE)
    monkeypatch.chdir(tmp_path)
    prior = Prior.from_file("priors/prior.toml")
    assert prior.labels == ("nickel",)
    assert prior.structures[0].space_group_number == gemmi.SpaceGroup("F m -3 m").number
    assert Prior.from_cifs([tmp_path / "priors" / "structures" / "ni.cif"], axis=AXIS).labels == ("ni",)


def test_a_missing_cif_is_named_with_its_phase_and_its_configuration(tmp_path):
    (tmp_path / "prior.toml").write_text(PRIOR_FILE)
    with pytest.raises(FileError, match=r"prior.toml: phase 'nickel': .*ni.cif: no such file"):
        Prior.from_file(tmp_path / "prior.toml")


def test_an_impossible_structure_is_named_with_its_phase(tmp_path):
    (tmp_path / "structures").mkdir()
    (tmp_path / "structures" / "ni.cif").write_text(cif_of("F m -3 q"))
    (tmp_path / "prior.toml").write_text(PRIOR_FILE)
    with pytest.raises(
        StructureError, match=r"prior.toml: phase 'nickel': .*ni.cif: space group not recognised"
    ):
        Prior.from_file(tmp_path / "prior.toml")


@pytest.mark.parametrize(
    ("phase", "why"),
    [
        (
            cubic("nickel", "Fm-3m", 0.3524),
            r"phase 'nickel': cell lengths must be within 0.5 to 1000 angstrom",
        ),
        (cubic("nickel", "P6_3/mmc", 3.5), r"phase 'nickel': .*does not fit space group"),
        (cubic("nickel", "Fm-3q", 3.5), r"phase 'nickel': space group 'Fm-3q' is unknown"),
        (cubic("nickel", "Fm-3m", 3.5, "Xx"), r"phase 'nickel': .*unknown element 'Xx'"),
        (cubic("nickel", "Fm-3m", 900.0), r"phase 'nickel': .*fewer than 2e\+07 lattice points"),
        (
            cubic("nickel", "Fm-3m", 1.1),
            r"phase 'nickel' has no reflection between 30 and 80 degree.*widen the axis",
        ),
    ],
)
def test_a_phase_that_cannot_be_is_refused_by_name_when_the_prior_is_made(phase, why):
    with pytest.raises(NescioError, match=why) as caught:
        build(TUNGSTEN, phase)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda d: d.pop("structures"), "needs exactly the keys settings and structures"),
        (lambda d: d.update(more=1), "needs exactly the keys settings and structures"),
        (lambda d: d.update(settings=3), "prior document: .*dictionary"),
        (lambda d: d.update(structures=3), "structures must be a list"),
        (lambda d: d["structures"].pop(), "1 phases but 0 structures"),
        (lambda d: d.update(structures=[None]), "structure document"),
        (lambda d: d["structures"][0].update(space_group="nonsense"), "structure document"),
        (lambda d: d["structures"][0].pop("cell"), "structure document: KeyError: 'cell'"),
        (lambda d: d["settings"]["axis"].update(points=-1), "axis.points: .*32, not -1"),
    ],
)
def test_a_damaged_document_is_refused(change, why):
    document = written(build(NICKEL, **STILL))
    change(document)
    with pytest.raises(NescioError, match=why):
        Prior.from_document(document)
