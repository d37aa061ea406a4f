"""Phases of simulated patterns are found, weighed and told apart; what no candidate explains is left over."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

from nescio.cli.application import application
from nescio.errors import ConfigurationError
from nescio.xrd import (
    Crystal,
    Identifier,
    IdentifySettings,
    PatternParameters,
    Prior,
    PriorSettings,
    compute_reflections,
    identify_patterns,
    phase_table,
    powder_pattern,
)
from nescio.xrd.identify.candidates import Candidates, background_columns
from nescio.xrd.identify.model import PHASE_VALUES, SHARED_VALUES, PatternModel

CUBIC = {
    "fcc": ("Fm-3m", 3.524, "Ni"),
    "bcc": ("Im-3m", 2.866, "Fe"),
    "diamond": ("Fd-3m:1", 5.431, "Si"),
    "simple": ("Pm-3m", 3.35, "Po"),
}


def phase(name: str) -> dict[str, object]:
    group, a, element = CUBIC[name]
    sites = [{"element": element, "position": [0, 0, 0]}]
    return {"name": name, "space_group": group, "cell": [a, a, a, 90, 90, 90], "sites": sites}


def prior_of(*names: str, **more: object) -> Prior:
    axis = {"start": 25.0, "stop": 100.0, "points": 1501}
    document = {"phases": [phase(name) for name in names], "axis": axis, **more}
    return Prior.from_settings(PriorSettings.model_validate(document))


ALL = prior_of(*CUBIC)
PRIOR = prior_of("fcc", "bcc", "diamond")


def pattern(name: str, strain: float = 0.002, size: float = 25.0) -> np.ndarray:
    """The peaks of a phase, the highest 1."""
    structure = ALL.structures[ALL.labels.index(name)]
    crystal = Crystal.from_reflections(compute_reflections(structure, ALL.wavelength, 0.95))
    parameters = PatternParameters(crystallite_size_nm=size, length_change=jnp.full(3, strain))
    drawn = np.asarray(powder_pattern(crystal, parameters, ALL.instrument))
    return drawn / drawn.max()


def counted(shares: dict[str, float], seed: int = 0, counts: float = 3000.0) -> np.ndarray:
    peaks = sum(share * pattern(name) for name, share in shares.items())
    x = ALL.two_theta
    mean = counts * (peaks / np.max(peaks) + 0.05 + 0.3 * np.exp(-x / 30.0))
    return np.random.default_rng(seed).poisson(mean).astype(float)


def dataset(*rows: np.ndarray) -> xr.Dataset:
    return xr.Dataset(
        {"intensity": (("measurement", "two_theta"), np.stack(rows))},
        {"measurement": [f"p{i}" for i in range(len(rows))], "two_theta": ALL.two_theta},
        {"wavelength_angstrom": ALL.wavelength},
    )


@pytest.fixture(scope="module")
def answers():
    rows = [
        counted({"fcc": 1.0}),
        counted({"fcc": 0.6, "bcc": 0.4}, 1),
        counted({"diamond": 0.8, "bcc": 0.2}, 2),
        counted({"simple": 1.0}, 3),
        counted({"fcc": 0.7, "simple": 0.3}, 4),
        np.full(ALL.axis.size, 5.0),
    ]
    return identify_patterns(dataset(*rows), PRIOR, IdentifySettings(max_phases=2), progress=False)


def test_the_right_set_is_found_and_told_apart(answers):
    found = [sorted(one.label for one in answer.phases) for answer in answers[:3]]
    assert found == [["fcc"], ["bcc", "fcc"], ["bcc", "diamond"]]
    assert [answer.verdict for answer in answers] == [
        "known",
        "mixture",
        "mixture",
        "novel",
        "novel",
        "unreadable",
    ]
    for answer in answers[:3]:
        assert answer.probability > 0.9
        assert sum(one.probability for one in answer.alternatives) == pytest.approx(1.0, abs=0.05)
        assert answer.chi_squared < 1.2
        assert not answer.unexplained


def test_pure_patterns_are_never_mixtures():
    """Rounding must not decide: columns of the background that depend on one another once gave them a false phase."""
    rows = dataset(*(counted({"fcc": 1.0}, seed) for seed in range(16)))
    several = identify_patterns(rows, PRIOR, IdentifySettings(max_phases=2), progress=False)
    assert [answer.verdict for answer in several] == ["known"] * 16
    assert all([one.label for one in answer.phases] == ["fcc"] for answer in several)


def test_columns_of_the_background_are_orthogonal_and_lose_nothing():
    points = np.linspace(25.0, 130.0, 1024)
    weights = np.where(points < 100.0, 1.0 / (100.0 + points), 0.0)
    columns = background_columns(points, weights, 14).astype(float)
    gram = (columns * weights[:, None]).T @ columns
    there = np.diag(gram) > 0.0
    np.testing.assert_allclose(gram, np.diag(np.where(there, weights.sum(), 0.0)), atol=1e-4 * weights.sum())
    assert there.sum() >= 12
    assert np.all(columns[weights == 0.0] == 0.0)
    for wanted in (np.ones(1024), points**5 / 1e8, (25.0 / points) ** 2):
        root = np.sqrt(weights)
        left = np.linalg.lstsq(columns * root[:, None], wanted * root, rcond=None)[1]
        assert left.sum() < 1e-6 * np.sum(weights * wanted**2)
    few = background_columns(points[:8], weights[:8], 14)
    assert few.shape == (8, 14)
    assert np.any(few != 0.0, axis=0).sum() <= 8


def test_cells_are_those_of_the_sample_within_their_errors(answers):
    for answer in answers[:3]:
        for one in answer.phases:
            a = CUBIC[one.label][1] * 1.002
            assert one.cell[0] == pytest.approx(a, rel=5e-4)
            assert abs(one.cell[0] - a) < 6.0 * max(one.cell_error[0], 1e-5)
            assert one.cell[0] == one.cell[1] == one.cell[2]


def width_of(x: np.ndarray, peaks: np.ndarray) -> float:
    """Full width at half maximum of the highest peak, between points."""
    top = int(np.argmax(peaks))
    half = peaks[top] / 2.0
    left = np.interp(half, peaks[top - 8 : top + 1], x[top - 8 : top + 1])
    right = np.interp(-half, -peaks[top : top + 9], x[top : top + 9])
    return right - left


def test_peaks_are_as_wide_as_measured(answers):
    """Without a known instrument, its width, size and microstrain cannot be told apart; what they add up to can."""
    for answer in answers[:3]:
        for place, one in enumerate(answer.phases):
            found = width_of(answer.pattern.two_theta, answer.components[place])
            assert found == pytest.approx(width_of(ALL.two_theta, pattern(one.label)), rel=0.1)


def test_weights_are_shares_of_volume_times_density(answers):
    """The peaks' shares are of heights; per volume each phase scatters as its own pattern says."""
    heights = {}
    for name in ("fcc", "bcc"):
        structure = ALL.structures[ALL.labels.index(name)]
        crystal = Crystal.from_reflections(compute_reflections(structure, ALL.wavelength, 0.95))
        parameters = PatternParameters(crystallite_size_nm=25.0, length_change=jnp.full(3, 0.002))
        heights[name] = float(powder_pattern(crystal, parameters, ALL.instrument).max())
    # Two atoms of iron and four of nickel in a cell.
    density = {"fcc": 4 * 58.69 / 3.524**3, "bcc": 2 * 55.85 / 2.866**3}
    mass = {name: share / heights[name] * density[name] for name, share in (("fcc", 0.6), ("bcc", 0.4))}
    found = {one.label: one for one in answers[1].phases}
    expected = mass["fcc"] / sum(mass.values())
    assert found["fcc"].weight_fraction == pytest.approx(expected, abs=0.02)
    assert sum(one.weight_fraction for one in found.values()) == pytest.approx(1.0)
    assert abs(found["fcc"].weight_fraction - expected) < 3.0 * found["fcc"].weight_error
    assert 0.0 < found["fcc"].weight_error < 0.05


def test_what_no_candidate_explains_is_listed(answers):
    strange, part = answers[3], answers[4]
    assert [one.label for one in part.phases] == ["fcc"]
    lines = sorted(one.d for one in part.unexplained if one.share > 0.1)
    a = 3.35 * 1.002
    assert lines[-1] == pytest.approx(a, rel=5e-3)
    assert any(abs(d - a / np.sqrt(2.0)) < 0.01 for d in lines)
    assert strange.unexplained[0].share > 0.5
    assert "unexplained lines" in strange.summary()


def test_components_are_those_of_the_phases_they_stand_for(answers):
    for answer in answers[1:3]:
        for place, one in enumerate(answer.phases):
            drawn, points = answer.components[place], answer.pattern.two_theta
            strongest = pattern(one.label)
            assert points[np.argmax(drawn)] == pytest.approx(ALL.two_theta[np.argmax(strongest)], abs=0.2)
        whole = answer.components.sum(axis=0) + answer.background
        within = answer.pattern.measured
        np.testing.assert_allclose(whole[within], answer.fit[within], atol=1e-3 * answer.fit[within].max())


def test_elements_leave_candidates_out():
    mixture = dataset(counted({"fcc": 0.6, "bcc": 0.4}, 1))
    few = IdentifySettings(max_phases=2)
    (answer,) = identify_patterns(mixture, PRIOR, few, elements=["Ni"], progress=False)
    assert [one.label for one in answer.phases] == ["fcc"]
    with pytest.raises(ConfigurationError, match="no phase of the prior consists of Xe alone"):
        Identifier(PRIOR, elements=["xe"])
    with pytest.raises(ConfigurationError, match="'Nickel' is not the symbol of an element"):
        Identifier(PRIOR, elements=["Nickel"])


def test_what_cannot_be_used_is_said(answers):
    assert answers[5].problem
    assert "unreadable" in answers[5].summary()
    without = dataset(counted({"fcc": 1.0}))
    del without.attrs["wavelength_angstrom"]
    (answer,) = identify_patterns(without, PRIOR, progress=False)
    assert "state the wavelength" in answer.problem


def test_the_table_has_a_row_for_each_phase(answers):
    table = phase_table(answers)
    assert table["name"].tolist().count("p1") == 2
    assert table.set_index("name").loc["p5", "verdict"] == "unreadable"
    assert table.columns[:3].tolist() == ["name", "verdict", "phase"]


def test_the_derivative_is_that_of_small_changes():
    """On a window so wide that the tails of peaks, which it leaves out, are next to nothing."""
    structures = PRIOR.structures[:2]
    reflections = [compute_reflections(one, PRIOR.wavelength, 0.95) for one in structures]
    radiation = PRIOR.settings.radiation.radiation
    candidates = Candidates.of(PRIOR.labels[:2], reflections, (25.0, 100.0), radiation, 1.0)
    grid = jnp.linspace(25.0, 100.0, 1536)
    model = PatternModel(
        jax.tree.map(lambda leaf: leaf[0], candidates.stacked([[0, 1]])),
        jnp.asarray(np.stack([candidates.axes[0][0], candidates.axes[1][1]])),
        jnp.ones((1536, 1)),
        grid,
        radiation,
        1.0,
        200.0,
        512,
    )
    own = [0.001, 0.0, 0.0, 0.0, 0.0, 0.0, np.log(20.0), np.log(1e-3), 0.4, -0.2, 0.3]
    values = jnp.asarray([0.01, 0.05, np.log(0.08), 0.02, *own, *own], jnp.float32)
    coefficients = jnp.asarray([2.0, 1.0, 0.5])
    slopes = np.asarray(model.jacobian(values, coefficients))
    assert slopes.shape == (1536, len(SHARED_VALUES) + 2 * len(PHASE_VALUES))
    for index in (0, 1, 2, 3, 4, 10, 11, 12, 13, 14, 15, 21):
        step = np.zeros(len(values), np.float32)
        step[index] = 2e-3 if index not in (4, 15) else 1e-4
        up, down = (np.asarray(model.design(values + sign * step) @ coefficients, float) for sign in (1, -1))
        expected = (up - down) / (2.0 * step[index])
        scale = np.abs(expected).max()
        assert scale > 0.0
        np.testing.assert_allclose(slopes[:, index], expected, atol=0.03 * scale)


def test_the_verb_writes_a_table_and_a_report(tmp_path: Path):
    sites = "sites = [{ element = '%s', position = [0, 0, 0] }]"
    text = 'technique = "xrd"\n[axis]\nstart = 25.0\nstop = 100.0\npoints = 1501\n'
    for name in ("fcc", "bcc", "diamond"):
        group, a, element = CUBIC[name]
        text += f'[[phases]]\nname = "{name}"\nspace_group = "{group}"\ncell = [{a}, {a}, {a}, 90, 90, 90]\n'
        text += sites % element + "\n"
    (tmp_path / "phases.toml").write_text(text, encoding="utf-8")
    (tmp_path / "scans").mkdir()
    np.savetxt(
        tmp_path / "scans" / "one.xy", np.column_stack([ALL.two_theta, counted({"fcc": 0.6, "bcc": 0.4}, 1)])
    )
    (tmp_path / "scans" / "bad.xy").write_text("nothing", encoding="utf-8")
    arguments = ["identify", tmp_path / "phases.toml", tmp_path / "scans", "-o", tmp_path / "out", "--report"]
    done = CliRunner().invoke(
        application,
        [*map(str, arguments), "--wavelength", "CuKa", "--max-phases", "2"],
        catch_exceptions=False,
    )
    assert done.exit_code == 1
    assert "one: mixture; " in done.stdout
    assert "bad.xy" in done.stderr
    table = (tmp_path / "out" / "phases.csv").read_text(encoding="utf-8")
    assert table.startswith("name,verdict,phase,weight_fraction,weight_error,probability")
    assert "<html" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_an_interruption_keeps_what_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "scans").mkdir()
    for name in ("a", "b", "c"):
        np.savetxt(
            tmp_path / "scans" / f"{name}.xy", np.column_stack([ALL.two_theta, np.full(ALL.axis.size, 5.0)])
        )
    sites = '[{ element = "Ni", position = [0, 0, 0] }]'
    text = f'technique = "xrd"\n[[phases]]\nname = "fcc"\nspace_group = "Fm-3m"\nsites = {sites}\n'
    (tmp_path / "phases.toml").write_text(text + "cell = [3.5, 3.5, 3.5, 90, 90, 90]\n", encoding="utf-8")
    whole = Identifier.__call__

    def interrupted(self: Identifier, measured: xr.Dataset, row: int = 0) -> object:
        if str(measured["measurement"].values[0]) == "c":
            raise KeyboardInterrupt
        return whole(self, measured, row)

    monkeypatch.setattr(Identifier, "__call__", interrupted)
    arguments = ["identify", tmp_path / "phases.toml", tmp_path / "scans", "-o", tmp_path / "out"]
    done = CliRunner().invoke(application, [*map(str, arguments), "--wavelength", "CuKa"])
    assert done.exit_code == 130
    assert "interrupted after 2 of 3 files" in done.stderr
    assert (tmp_path / "out" / "phases.csv").read_text(encoding="utf-8").count("unreadable") == 2
