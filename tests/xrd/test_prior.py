"""What a prior draws: phases in equal shares, patterns as the stated distributions allow, and nothing else."""

import json

import gemmi
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.interpolate import CubicSpline

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
    "background": {"polynomial": 0.0},
    "noise": {"gaussian": 0.0},
}


def build(*phases, **tables):
    return Prior.from_settings(PriorSettings.model_validate({"phases": phases, "axis": AXIS, **tables}))


def bragg(d, wavelength=CU_KA1):
    return 2 * np.degrees(np.arcsin(wavelength / 2 / d))


def drawn_from(prior, n):
    return jax.jit(prior.sample, static_argnums=1)(KEY, n)


def compositions_of(prior, n):
    # What is not returned is not computed, and need not be compiled.
    return (np.asarray(part) for part in jax.jit(lambda key: prior.sample(key, n)[1:])(KEY))


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


@pytest.fixture(scope="module")
def quiet():
    """Patterns of nickel without noise, all else as it is by default."""
    return np.asarray(drawn_from(build(NICKEL, noise={"gaussian": 0.0}), 60).signals)


@pytest.fixture(scope="module")
def nickel():
    return build(NICKEL, background={"humps": 1}, noise={"counts": 2000.0})


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


def test_impurities_add_weak_peaks_anywhere_and_change_nothing_else(quiet):
    ranges = {"peaks": 2, "height": {"uniform": [0.05, 0.1]}, "fwhm": 1.0}
    impure = build(NICKEL, impurity=ranges, noise={"gaussian": 0.0})
    added = np.asarray(drawn_from(impure, 60).signals) - quiet
    # Seldom an impurity lies on the highest peak, and the scale changes.
    elsewhere = np.quantile(added, 0.1, axis=1) > -1e-3
    assert elsewhere.mean() > 0.8
    heights = added[elsewhere].max(axis=1)
    assert 0.045 < heights.min() < heights.max() < 0.21
    centres = added[elsewhere].argmax(axis=1)
    assert np.ptp(centres) > 150


def test_by_default_there_is_a_little_background_left(quiet):
    flat = build(NICKEL, background={"polynomial": 0.0}, noise={"gaussian": 0.0})
    left = quiet - np.asarray(drawn_from(flat, 60).signals)
    assert 0.01 < np.abs(left).max() < 0.07


def test_the_same_key_draws_the_same_and_another_key_something_else(draw, batch):
    again, other = draw(KEY, 60), draw(jax.random.key(12), 60)
    np.testing.assert_array_equal(again.signals, batch.signals)
    np.testing.assert_array_equal(again.labels, batch.labels)
    assert np.abs(np.asarray(other.signals) - np.asarray(batch.signals)).max() > 0.1


def test_no_two_draws_are_alike(batch):
    signals = np.asarray(batch.signals)
    distances = np.abs(signals[:, None] - signals[None]).max(axis=2) + np.eye(60)
    assert distances.min() > 0.01


def test_draws_mapped_over_keys_are_the_draws_of_each_key(nickel):
    compiled = drawn_from(nickel, 2).signals
    mapped = jax.jit(jax.vmap(lambda key: nickel.sample(key, 2)))(jnp.stack([jax.random.key(5), KEY]))
    np.testing.assert_allclose(mapped.signals[1], compiled, atol=2e-4)
    assert np.abs(np.asarray(mapped.signals[0]) - np.asarray(compiled)).max() > 0.1


def test_a_stored_prior_draws_bit_identical_patterns(metals, batch):
    again = Prior.from_document(written(metals))
    assert again.settings == metals.settings
    assert again.structures == metals.structures
    drawn = drawn_from(again, 60)
    np.testing.assert_array_equal(drawn.signals, batch.signals)
    np.testing.assert_array_equal(drawn.labels, batch.labels)


def test_one_phase_alone_can_be_drawn():
    prior = build(NICKEL, COBALT, **STILL)
    by_name, by_number, other = (
        np.asarray(prior.sample_phase(KEY, phase, 1)[0]) for phase in ("cobalt", 1, 0)
    )
    np.testing.assert_array_equal(by_name, by_number)
    within = jax.jit(lambda key: prior.sample_phase(key, "cobalt", 1)[0])(KEY)
    np.testing.assert_allclose(within, by_name, atol=1e-6)
    assert prior.axis.values[by_name.argmax()] == pytest.approx(bragg(1.915), abs=0.3)
    assert prior.axis.values[other.argmax()] == pytest.approx(bragg(3.524 / np.sqrt(3)), abs=0.3)
    for unknown in ("iron", 2, -1):
        with pytest.raises(ConfigurationError, match="unknown; known: nickel, cobalt"):
            prior.sample_phase(KEY, unknown, 1)


@pytest.mark.parametrize("count", [0, 1, 17])
def test_as_many_are_drawn_as_are_asked_for_and_none_twice(count: int) -> None:
    """Where they do not go by sixteen, too."""
    drawn = np.asarray(build(NICKEL).sample_phase(KEY, "nickel", count))
    assert drawn.shape == (count, 256)
    assert len(np.unique(drawn, axis=0)) == count


# What is drawn


def test_without_any_freedom_all_patterns_are_one_and_peaks_lie_where_bragg_puts_them():
    prior = build(NICKEL, **STILL)
    signals = np.asarray(drawn_from(prior, 4).signals)
    assert np.ptp(signals, axis=0).max() < 1e-5
    tops = [i for i in range(1, 255) if signals[0, i] > max(0.05, *signals[0, [i - 1, i + 1]])]
    expected = bragg(3.524 / np.sqrt([3, 4, 8]))
    np.testing.assert_allclose(prior.axis.values[tops], expected, atol=50 / 255)


def test_peaks_stay_where_strain_and_shift_allow_and_use_that_range():
    prior = build(
        NICKEL,
        axis={"start": 40.0, "stop": 49.0, "points": 256},
        **{**STILL, "lattice": {"strain": {"uniform": [-0.02, 0.02]}, "axis_strain": 0.0}},
    )
    shifted = build(
        NICKEL,
        axis={"start": 40.0, "stop": 49.0, "points": 256},
        **{**STILL, "instrument": {"zero_shift": {"uniform": [-0.5, 0.3]}}},
    )
    step = 9.0 / 255
    for drawn, low, high in (
        (prior, bragg(1.02 * 3.524 / np.sqrt(3)), bragg(0.98 * 3.524 / np.sqrt(3))),
        (shifted, bragg(3.524 / np.sqrt(3)) - 0.5, bragg(3.524 / np.sqrt(3)) + 0.3),
    ):
        signals = drawn_from(drawn, 150).signals
        tops = drawn.axis.values[np.asarray(signals).argmax(axis=1)]
        assert low - step < tops.min()
        assert tops.max() < high + step
        assert np.ptp(tops) > 0.9 * (high - low)


def test_a_cubic_phase_stays_cubic_under_strain_of_its_axes():
    lattice = {"strain": 0.0, "axis_strain": {"uniform": [-0.01, 0.01]}}
    prior = build(NICKEL, **{**STILL, "lattice": lattice})
    step = 50 / 255
    # A cubic 200 peak moves, but would widen or split only if the axes were strained apart.
    window = (prior.axis.values > 49) & (prior.axis.values < 55)
    peaks = np.asarray(drawn_from(prior, 50).signals)[:, window]
    assert np.ptp(peaks.argmax(axis=1)) * step > 0.5
    widths = (peaks > 0.5 * peaks.max(axis=1, keepdims=True)).sum(axis=1) * step
    assert np.ptp(widths) <= 2 * step


def test_texture_about_001_of_cobalt_strengthens_002():
    def ratio(march):
        prior = build(COBALT, **{**STILL, "texture": {"march_coefficient": march, "axes": [[0, 0, 1]]}})
        signal = np.asarray(drawn_from(prior, 1).signals[0])
        along, across = np.interp(
            bragg(np.array([4.069 / 2, 2.507 * np.sqrt(3) / 2])), prior.axis.values, signal
        )
        return along / across

    # The normals of 002 lie along the axis, those of 100 across it: (r^2 / (1 / r))^(-3/2) = r^(-9/2).
    assert ratio(0.8) / ratio(1.25) == pytest.approx((0.8 / 1.25) ** -4.5, rel=0.15)


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
    ends = 4 * np.pi / CU_KA1 * np.sin(np.radians(np.array([30.0, 80.0]) / 2))
    free = {
        **STILL,
        "lattice": {"strain": {"uniform": [-0.01, 0.01]}},
        "broadening": {"crystallite_size_nm": 5.0, "mixing": 0.3},
    }
    angle = build(NICKEL, COBALT, **free)
    over_q = build(
        NICKEL, COBALT, **free, axis={"kind": "q", "start": ends[0], "stop": ends[1], "points": 256}
    )
    assert over_q.axis.name == "q"
    assert over_q.axis.attrs["units"] == "1/angstrom"
    np.testing.assert_allclose(over_q.two_theta, 2 * np.degrees(np.arcsin(over_q.axis * CU_KA1 / 4 / np.pi)))
    first, second = drawn_from(angle, 8), drawn_from(over_q, 8)
    np.testing.assert_array_equal(first.labels, second.labels)
    for on_angle, on_q in zip(np.asarray(first.signals), np.asarray(second.signals), strict=True):
        # Each grid misses the top of the highest peak by a little, and is scaled to what it has.
        expected = CubicSpline(angle.axis.values, on_angle)(np.clip(over_q.two_theta, 30.0, 80.0))
        np.testing.assert_allclose(on_q / on_q.sum(), expected / expected.sum(), atol=0.005 / expected.sum())


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
    labels, fractions = compositions_of(prior, 400)
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
    _, fractions = compositions_of(prior, 200)
    assert fractions.shape == (200, 1)
    assert 0.2 <= fractions.min() < 0.25
    assert 0.75 < fractions.max() <= 0.8


def test_few_elements_that_cannot_make_up_the_sample_leave_the_rest_to_others():
    prior = build({**NICKEL, "composition": {"Ni": [0.1, 0.3], "Co": [0.2, 0.4]}}, **STILL)
    _, fractions = compositions_of(prior, 100)
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


def test_a_pattern_of_cifs_makes_a_phase_of_each(tmp_path):
    (tmp_path / "structures").mkdir()
    for name, a in (("ni", 3.524), ("nickel-rich", 3.55)):
        (tmp_path / "structures" / f"{name}.cif").write_text(cif_of(a=a))
    head, _ = PRIOR_FILE.split("[[phases]]")
    path = tmp_path / "prior.toml"
    path.write_text('cifs = ["structures/*.cif"]\n' + head)
    prior = Prior.from_file(path)
    assert prior.labels == ("ni", "nickel-rich")
    assert Prior.from_document(prior.to_document()).labels == prior.labels
    path.write_text('cifs = ["elsewhere/*.cif"]\n' + head)
    with pytest.raises(
        ConfigurationError, match=r"prior.toml: cifs: no file in .* matches 'elsewhere/\*.cif'"
    ):
        Prior.from_file(path)
    path.write_text('cifs = ["/etc/*.cif"]\n' + head)
    with pytest.raises(ConfigurationError, match="is not a valid file pattern"):
        Prior.from_file(path)


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
        (lambda d: d.pop("structures"), "must have exactly the keys settings and structures"),
        (lambda d: d.update(more=1), "must have exactly the keys settings and structures"),
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


def test_one_structure_of_several_in_a_file_is_named_after_a_hash(tmp_path):
    (tmp_path / "structures").mkdir()
    both = cif_of() + cif_of(a=3.6).replace("data_", "data_second", 1)
    (tmp_path / "structures" / "ni.cif").write_text(both)
    path = tmp_path / "prior.toml"
    path.write_text(PRIOR_FILE)
    first = Prior.from_file(path)
    assert "ni.cif: block" in first.notes[0]
    path.write_text(
        PRIOR_FILE.replace("ni.cif", "ni.cif#" + first.notes[0].split("ni.cif#")[1].split("'")[0])
    )
    assert Prior.from_file(path).structures[0].cell[0] == 3.6


def test_a_file_that_a_pattern_finds_and_that_cannot_be_used_is_left_out_with_a_note(tmp_path):
    (tmp_path / "structures").mkdir()
    (tmp_path / "structures" / "NI.CIF").write_text(cif_of())
    (tmp_path / "structures" / "bad.cif").write_text(cif_of("F m -3 q"))
    head, _ = PRIOR_FILE.split("[[phases]]")
    path = tmp_path / "prior.toml"
    path.write_text('cifs = ["structures/*.cif"]\n' + head)
    prior = Prior.from_file(path)
    assert prior.labels == ("NI",)
    assert "left out: " in prior.notes[-1]
    assert "bad.cif: space group not recognised" in prior.notes[-1]
    assert Prior.from_document(prior.to_document()).notes == prior.notes
    (tmp_path / "structures" / "NI.CIF").unlink()
    with pytest.raises(StructureError, match="space group not recognised"):
        Prior.from_file(path)


def test_notes_on_a_phase_that_is_written_out_name_the_file(tmp_path):
    spinel = """
[[phases]]
name = "spinel"
space_group = "Fd-3m"
cell = [8.083, 8.083, 8.083, 90, 90, 90]
sites = [
  { element = "Mg", position = [0.125, 0.125, 0.125] },
  { element = "Al", position = [0.5, 0.5, 0.5] },
  { element = "O", position = [0.2624, 0.2624, 0.2624] },
]
"""
    path = tmp_path / "prior.toml"
    path.write_text(PRIOR_FILE.split("[[phases]]")[0] + spinel)
    prior = Prior.from_file(path)
    assert prior.structures[0].formula == "Al2MgO4"
    (note,) = prior.notes
    assert note.startswith(f"{path}: phase 'spinel': space group 'Fd-3m' has 2 settings that fit the cell")
