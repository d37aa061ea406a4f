"""Ways to explore are compared fairly: the same start, the same truth, and nothing counted that was not measured."""

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

from nescio.cli.application import application
from nescio.errors import ConfigurationError, ExplorationError, FileError
from nescio.explore.scalarizers import MeanMagnitude
from nescio.explore.settings import ExploreSettings
from nescio.studies.dkl import CASES, METHODS, Case, Comparison, compare, plan_comparison, summarise
from nescio.studies.dkl.cases import Source, load_case
from nescio.studies.dkl.code import code_digest
from nescio.studies.dkl.exploration import Run, checkpoints, explore_known, first_points
from nescio.studies.dkl.exploration import _judged as judged
from nescio.studies.dkl.summary import judge
from nescio.view import comparison_curves

SIDE = 16


def easy_case(name: str = "easy") -> Case:
    """Return a lattice of patches whose mean says the scalar, wherever they are; measured with a little noise."""
    rng = np.random.default_rng(0)
    n = SIDE * SIDE
    positions = np.stack(np.meshgrid(*2 * [np.arange(SIDE, dtype=float)], indexing="ij"), -1).reshape(n, 2)
    brightness = rng.permutation(np.linspace(-1.0, 1.0, n))
    patches = (brightness[:, None, None, None] + 0.1 * rng.standard_normal((n, 1, 4, 4))).astype(np.float32)
    features = np.stack([patches.mean((1, 2, 3)), *rng.standard_normal((2, n))], 1).astype(np.float32)
    truth = 2.0 + brightness
    return Case(name, positions, patches, features, truth + 0.02 * rng.standard_normal(n), truth, noisy=False)


@pytest.fixture(scope="module")
def case() -> Case:
    return easy_case()


@pytest.fixture(scope="module")
def active(case: Case) -> Run:
    return explore_known(case, METHODS["active"], seed=0, points=40)


def kept(case: Case, folder: Path) -> dict[str, tuple[Case, Path]]:
    return {case.name: (case, case.save(folder / "easy.npz"))}


def test_all_methods_of_a_seed_start_from_the_same_places_and_measure_none_twice(
    case: Case, active: Run
) -> None:
    start = first_points(len(case), 20, 0)
    for method in ("random", "grid", "forest"):
        run = explore_known(case, METHODS[method], seed=0, points=40)
        assert list(run.chosen[:20]) == start
        assert len(set(run.chosen)) == len(run.chosen) == 40
    assert list(active.chosen[:20]) == start
    assert len(set(active.chosen)) == 40
    assert first_points(len(case), 20, 1) != start


def test_an_active_deep_kernel_finds_what_its_features_tell_of_and_knows_how_sure_it_is(
    case: Case, active: Run
) -> None:
    random = explore_known(case, METHODS["random"], seed=0, points=40)
    assert judge(case, active)["found"][-1] > 0.8 > 0.4 > judge(case, random)["found"][-1]
    assert judge(case, active)["top20_ratio"][-1] > judge(case, random)["top20_ratio"][-1]
    assert active.points == (20, 30, 40)
    assert active.r2 is not None
    assert active.coverage95 is not None
    assert active.r2[-1] > 0.9
    assert random.r2 is random.coverage95 is None


def test_a_forest_explains_but_states_no_interval(case: Case) -> None:
    run = explore_known(case, METHODS["forest"], seed=0, points=30)
    assert run.r2 is not None
    assert run.r2[-1] > 0.5
    assert run.coverage95 is None


@pytest.mark.parametrize(("noisy", "covered"), [(False, 2 / 3), (True, 1.0)])
def test_an_interval_is_of_the_truth_or_of_a_measurement_where_nothing_else_is_known(
    noisy: bool, covered: float
) -> None:
    # Four places, the first measured. The model is off by 0, 1 and 3, one sd is 1, noise another 1.5.
    truth, other = np.array([9.0, 0.0, 1.0, 5.0]), np.zeros((4, 2))
    case = Case(
        "four", other, np.zeros((4, 1, 1, 1), np.float32), other.astype(np.float32), truth, truth, noisy
    )
    model = SimpleNamespace(
        mean=np.array([[0.0], [0.0], [0.0], [2.0]]), sd=np.ones((4, 1)), noise_sd=np.array([1.5])
    )
    explained, within = judged(case, model, [0])
    assert explained == pytest.approx(1 - (0 + 1 + 9) / (4 + 1 + 9))
    assert within == pytest.approx(covered)


def test_the_grid_is_more_even_than_chance(case: Case) -> None:
    def closest(run: Run) -> float:
        places = case.positions[list(run.chosen[20:])]
        apart = np.linalg.norm(places[:, None] - places, axis=2)
        return float(apart[~np.eye(len(places), dtype=bool)].min())

    grid, random = (explore_known(case, METHODS[name], seed=1, points=40) for name in ("grid", "random"))
    assert closest(grid) >= 2.0 > closest(random)


def test_the_same_seed_explores_alike(case: Case) -> None:
    first, again = (explore_known(case, METHODS["random"], seed=3, points=30) for _ in range(2))
    assert first.chosen == again.chosen


def test_default_is_what_an_experiment_does_when_nothing_is_said() -> None:
    fields = ExploreSettings.model_fields
    assert METHODS["default"].surrogate == fields["surrogate"].default
    assert METHODS["default"].policy == fields["policy"].default
    assert METHODS["default"].batch == fields["batch"].default
    assert METHODS["improvement"].surrogate == METHODS["default"].surrogate
    assert METHODS["improvement"].policy != METHODS["default"].policy


def test_what_was_found_is_counted_by_the_truth() -> None:
    truth = np.arange(400.0)
    other = np.zeros((400, 2))
    case = Case(
        "ramp", other, np.zeros((400, 1, 1, 1), np.float32), other.astype(np.float32), -truth, truth, False
    )
    # The best twentieth are 380 to 399: two of them are among the first three, and all twenty are measured in the end.
    run = Run(
        chosen=(399, 0, 385, *range(380, 385), *range(386, 399)),
        points=(3, 21),
        r2=None,
        coverage95=None,
        seconds=1,
    )
    counted = judge(case, run)
    assert counted["found"] == pytest.approx([2 / 20, 1.0])
    assert counted["top20_ratio"] == pytest.approx([(399 + 385 + 0) / 3 / 389.5, 1.0])
    assert np.isnan(counted["r2"]).all()


def test_models_are_judged_at_the_seeds_every_ten_and_at_the_end() -> None:
    assert checkpoints(20, 45) == (20, 30, 40, 45)
    assert checkpoints(20, 40) == (20, 30, 40)


def drawn_curves() -> xr.Dataset:
    found = np.array([[[0.1, 0.2], [0.1, 0.4], [0.1, 0.9]], [[0.0, 0.5], [0.0, 0.5], [0.0, 0.5]]])
    missing = np.full(found.shape, np.nan)
    known = np.where(np.arange(2)[:, None, None] == 1, 0.5, missing)
    dims = ("method", "seed", "point")
    return xr.Dataset(
        {
            "found": (dims, found),
            "top20_ratio": (dims, found),
            "r2": (dims, known),
            "coverage95": (dims, known),
            "seconds": (dims[:2], found[..., 0]),
        },
        {"method": ["random", "default"], "seed": [0, 1, 2], "point": [20, 40]},
        {"candidates": 400, "best": 20},
    )


def test_a_summary_holds_medians_and_quartiles_and_nothing_where_there_is_no_model() -> None:
    summary = summarise(drawn_curves())
    # Of 40 measured points, 0.4 of 20 were among the best.
    assert summary["random"]["found_top5"] == pytest.approx(0.2)
    assert summary["random"]["quartiles"]["found_top5"] == pytest.approx([0.15, 0.325])
    assert (
        summary["random"]["r2"]
        is summary["random"]["coverage95"]
        is summary["random"]["curves"]["r2"]
        is None
    )
    assert summary["default"]["r2"] == 0.5
    assert summary["random"]["curves"]["found"]["median"] == [0.1, 0.4]
    assert summary["random"]["curves"]["points"] == [20, 40]
    assert summary["random"]["seeds"] == 3
    json.dumps(summary, allow_nan=False)


def test_the_figure_draws_medians_bands_and_no_curve_without_a_model() -> None:
    figure = comparison_curves(drawn_curves())
    found, _, explained, _ = figure.axes
    medians = [line.get_ydata() for line in found.get_lines()]
    assert any(np.allclose(y, [0.1, 0.4]) for y in medians)
    assert len(found.collections) == 2
    assert len(explained.get_lines()) == 1
    styles = {(line.get_marker(), str(line.get_linestyle())) for line in found.get_lines()[:2]}
    assert len(styles) == 2


def test_an_interrupted_comparison_goes_on_with_what_it_has(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"seeds": 2, "points": 30, "cache": tmp_path, "own": kept(case, tmp_path)}
    comparison = plan_comparison(["easy"], ["random", "grid"], **options)
    assert comparison.missing == comparison.jobs
    comparison.run(workers=0)
    assert comparison.missing == ()
    before = summarise(comparison.curves("easy"))
    lost, damaged = comparison.jobs[0], comparison.jobs[3]
    lost.file.unlink()
    damaged.file.write_text("{", encoding="utf-8")
    again = plan_comparison(["easy"], ["random", "grid"], **options)
    assert again.missing == (lost, damaged)
    with pytest.raises(ExplorationError, match="easy by random, random seed 0: not explored yet"):
        again.curves("easy")
    again.run(workers=0)
    after = summarise(again.curves("easy"))
    for method in before:
        assert before[method]["curves"] == after[method]["curves"]
    # Another question, other data or other code are other results.
    assert plan_comparison(["easy"], ["grid"], **{**options, "points": 31}).missing
    shifted = {"easy": (Case(**{**vars_of(case), "values": case.values + 1.0}), tmp_path / "easy.npz")}
    assert plan_comparison(["easy"], ["grid"], **{**options, "own": shifted}).missing
    monkeypatch.setattr("nescio.studies.dkl.exploration.code_digest", lambda *_: "other code")
    assert plan_comparison(["easy"], ["grid"], **options).missing


def vars_of(case: Case) -> dict[str, Any]:
    names = ("name", "positions", "patches", "features", "values", "truth", "noisy")
    return {name: getattr(case, name) for name in names}


def test_data_sets_are_kept_as_they_were(case: Case, tmp_path: Path) -> None:
    path = case.save(tmp_path / "case.npz")
    assert Case.load(path).digest == case.digest
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(FileError, match="delete it to compute it again"):
        Case.load(path)
    with pytest.raises(ExplorationError, match="truth of shape"):
        Case(**{**vars_of(case), "truth": case.truth * np.nan})


def test_the_code_that_a_result_rests_on_changes_with_what_it_does_and_not_with_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    digests = []
    for name, text in {
        "once": "def f(x):\n    return x\n",
        "again": '"""Text."""\n\ndef f(x):\n    """Text."""\n    return x  # text\n',
        "changed": "def f(x):\n    return -x\n",
    }.items():
        (tmp_path / "judged_code.py").write_text(text, encoding="utf-8")
        code_digest.cache_clear()
        digests.append((name, code_digest("judged_code")))
    code_digest.cache_clear()
    once, again, changed = (digest for _, digest in digests)
    assert once == again != changed


def test_impossible_comparisons_are_refused_in_one_line(case: Case, tmp_path: Path) -> None:
    cases = kept(case, tmp_path)
    with pytest.raises(ConfigurationError, match=r"case 'flim' is unknown \(known: film, "):
        plan_comparison(["flim"])
    with pytest.raises(ConfigurationError, match=r"method 'dkl' is unknown \(known: random, "):
        plan_comparison(["easy"], ["dkl"], own=cases)
    with pytest.raises(
        ConfigurationError,
        match=r"points = 256: must be above 20 \(first points\) and below 256 \(candidates of easy\)",
    ):
        plan_comparison(["easy"], points=256, own=cases)
    with pytest.raises(
        FileError, match=r"film: needs measured data; give the folder that contains film\.npz as --data"
    ):
        plan_comparison(["film"], cache=tmp_path)
    with pytest.raises(
        FileError, match=r"film.npz: no such file; film needs it in the folder given as --data"
    ):
        plan_comparison(["film"], cache=tmp_path, data=tmp_path)
    np.savez(tmp_path / "film.npz", image=np.zeros((8, 8)))
    with pytest.raises(FileError, match="needs an array 'loops' with 4 dimensions"):
        plan_comparison(["film"], cache=tmp_path, data=tmp_path)


def test_the_film_is_scalarized_as_an_experiment_would(measured_folder: Path, tmp_path: Path) -> None:
    case, path = load_case("film", tmp_path, measured_folder)
    assert path.is_file()
    assert case.patches.shape == (3600, 1, 16, 16)
    assert len(case.best) == 180
    assert case.noisy
    with np.load(measured_folder / "film.npz") as stored:
        loops, places = stored["loops"], stored["pos"]
    reading = MeanMagnitude(select={"sweep": {"values": (2, 3)}})  # type: ignore[arg-type]
    for candidate in (0, 1234, 3599):
        row, column = divmod(candidate, 60)
        loop = xr.DataArray(loops[row, column].T, dims=("sweep", "step"), coords={"sweep": [1, 2, 3]})
        assert case.values[candidate] == pytest.approx(reading(loop)[0].value, rel=1e-5)
    np.testing.assert_array_equal(case.positions, places)


@pytest.fixture
def stage(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Only the easy data, explored in this process, no PNG."""

    def run(self: Comparison, **_: Any) -> None:
        whole(self, workers=0)

    whole = Comparison.run
    sets: Mapping[str, Any] = {
        "easy": Source({}, lambda _: case),
        "film": Source({}, lambda _: pytest.fail("made"), "film.npz"),
    }
    for module in ("cases", "comparison", "report"):
        monkeypatch.setattr(f"nescio.studies.dkl.{module}.CASES", sets)
    monkeypatch.setattr(Comparison, "run", run)
    for module in ("nescio.view.report", "nescio.studies.dkl.report"):
        monkeypatch.setattr(f"{module}.figure_png", lambda figure: b"png")
    monkeypatch.setenv("NESCIO_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_verb(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(application, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def test_the_verb_prints_a_table_and_writes_numbers_and_a_report(stage: Path) -> None:
    command = ("reproduce", "dkl", "--method", "random", "--method", "grid", "--seeds", 2, "--points", 30)
    code, out, err = run_verb(*command, "--json", "dkl.json", "-o", "figures")
    assert code == 0
    assert "film is skipped (--data FOLDER adds it)" in err
    assert "4 explorations, about 1 min on two cores" in err
    numbers = json.loads((stage / "dkl.json").read_text(encoding="utf-8"))
    assert set(numbers["easy"]) == {"random", "grid"}
    for figures in numbers["easy"].values():
        assert {"found_top5", "top20_ratio", "r2", "coverage95", "curves"} <= set(figures)
    assert "dkl: easy" in out
    assert f"{numbers['easy']['grid']['top20_ratio']:.2f}" in out
    report = (stage / "figures" / "report.html").read_text(encoding="utf-8")
    assert (stage / "figures" / "easy.png").is_file()
    assert METHODS["grid"].description in report
    assert "--method random --method grid --seeds 2 --points 30" in report
    assert not re.search(r"""(src|href)\s*=\s*["'](?!data:|#)""", report)
    assert "0 explorations, about 1 min on two cores; 4 more are already stored" in run_verb(*command)[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("dkl", "--hard"), "--hard: applies to banko2021 only, not to dkl"),
        (("dkl", "--set", "map.guidance=0"), "--set: applies to banko2021 only, not to dkl"),
        (("banko2021", "--method", "gp"), "--method: applies to dkl only, not to banko2021"),
        (("xanes", "--case", "film"), "--case: applies to dkl only, not to xanes"),
        (("banko2021", "--data", "."), "--data: applies to dkl and xanes only, not to banko2021"),
        (("banko2021", "--seeds", 3), "--seeds: applies to dkl only, not to banko2021"),
    ],
)
def test_options_of_the_other_publication_are_refused(
    stage: Path, arguments: tuple[object, ...], message: str
) -> None:
    assert run_verb("reproduce", *arguments)[::2] == (2, f"error: {message}\n")


def test_film_ferroelectric_and_plasmon_are_what_there_is() -> None:
    assert list(CASES) == ["film", "ferroelectric", "plasmon"]


@pytest.mark.slow
def test_two_processes_find_what_one_finds(case: Case, tmp_path: Path) -> None:
    cases = kept(case, tmp_path)
    options: dict[str, Any] = {"seeds": 2, "points": 30, "own": cases}
    here = compare(["easy"], ["random", "grid"], workers=0, cache=tmp_path / "here", **options)
    there = compare(["easy"], ["random", "grid"], workers=2, cache=tmp_path / "there", **options)
    for method in here["easy"]:
        assert here["easy"][method]["curves"] == there["easy"][method]["curves"]
    assert "nescio.studies.banko2021" not in sys.modules
