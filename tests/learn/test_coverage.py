"""Measurements of a part of the axis: what of it is used, which of them share a calibration, and where that is kept."""

import stat
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.learn.test_store import untrained
from tests.learn.toy import POINTS, Toy

from nescio.errors import NescioWarning
from nescio.learn import ClassAgent, load_agent, save_agent
from nescio.learn.classes import Calibration, NoveltyScale
from nescio.learn.classes import agent as agent_module
from nescio.learn.classes.calibrate import calibrate
from nescio.learn.classes.coverage import CalibrationStore, shared_coverage
from nescio.signals import simulated_measurements

GRID = 2048


def covered(*ranges: tuple[int, int]) -> np.ndarray:
    masks = np.zeros((len(ranges), GRID), bool)
    for row, (first, last) in enumerate(ranges):
        masks[row, first:last] = True
    return masks


@given(st.integers(0, GRID), st.integers(0, GRID))
def test_no_missing_point_is_used_and_little_is_given_up(one: int, other: int) -> None:
    first, last = sorted((one, other))
    used = shared_coverage(covered((first, last)))[0]
    assert not used[:first].any()
    assert not used[last:].any()
    block = GRID // 128
    given_up = (last - first) - int(used.sum())
    assert given_up <= 0.5 * (GRID - (last - first)) + 4 * block or not used.any()
    assert given_up <= 0.25 * (last - first) + 4 * block


def test_measurements_of_nearly_the_same_range_share_a_calibration() -> None:
    rng = np.random.default_rng(0)
    ranges = [(int(rng.uniform(130, 190)), int(rng.uniform(1860, 1915))) for _ in range(50)]
    assert len(np.unique(shared_coverage(covered(*ranges)), axis=0)) == 1
    wide = [(a, b) for a in range(0, 700, 7) for b in range(1348, GRID, 7)]
    assert len(np.unique(shared_coverage(covered(*wide)), axis=0)) < 0.02 * len(wide)


def test_a_gap_in_the_middle_stays_where_it_is() -> None:
    mask = covered((0, GRID))
    mask[0, 1000:1003] = False
    used = shared_coverage(mask)[0]
    assert (~used).sum() == GRID // 128
    assert not used[1000:1003].any()


def calibration(seed: int = 0, draws: int = 300) -> Calibration:
    rng = np.random.default_rng(seed)
    return Calibration(
        1.5, NoveltyScale(rng.normal(size=2), np.ones(2)), np.sort(rng.normal(size=draws)), 0.25
    )


def same(one: Calibration | None, other: Calibration) -> bool:
    return (
        one is not None
        and np.array_equal(one.novelty, other.novelty)
        and one.temperature == other.temperature
    )


MASK = covered((100, 2000))[0]


def test_a_calibration_is_kept_for_the_next_process_and_only_for_these_weights(tmp_path: Path) -> None:
    CalibrationStore("weights", (tmp_path / "a",)).keep([MASK], [calibration()])
    assert same(CalibrationStore("weights", (tmp_path / "b", tmp_path / "a")).find(MASK), calibration())
    assert CalibrationStore("others", (tmp_path / "a",)).find(MASK) is None
    assert CalibrationStore("weights", (tmp_path / "a",)).find(~MASK) is None


def test_one_with_too_few_draws_is_made_anew(tmp_path: Path) -> None:
    store = CalibrationStore("weights", (tmp_path,))
    store.keep([MASK], [calibration()])
    assert store.find(MASK, 301) is None
    store.keep([MASK], [calibration(draws=500)])
    assert same(CalibrationStore("weights", (tmp_path,)).find(MASK, 301), calibration(draws=500))


@pytest.mark.parametrize("damage", [b"", b"x" * 1000, None])
def test_a_damaged_file_counts_as_missing(tmp_path: Path, damage: bytes | None) -> None:
    CalibrationStore("weights", (tmp_path,)).keep([MASK], [calibration()])
    (file,) = tmp_path.iterdir()
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2] if damage is None else damage)
    assert CalibrationStore("weights", (tmp_path,)).find(MASK) is None


def test_the_first_folder_that_can_be_written_to_is_used_and_memory_with_a_warning_at_last(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    bad = tmp_path / "file" / "calibrations"
    store = CalibrationStore("weights", (bad, tmp_path / "cache"))
    store.keep([MASK], [calibration()])
    assert len(list((tmp_path / "cache").iterdir())) == 1
    nowhere = CalibrationStore("weights", (bad,))
    with pytest.warns(NescioWarning, match="cannot be saved"):
        nowhere.keep([MASK], [calibration()])
    assert same(nowhere.find(MASK), calibration())


def test_a_loaded_agent_calibrates_a_range_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def counted(*arguments: object, **options: object) -> list[Calibration]:
        made.append(len(arguments[2]))  # type: ignore[arg-type]
        return calibrate(*arguments, **options)  # type: ignore[arg-type]

    save_agent(untrained(), tmp_path)
    signals = np.random.default_rng(0).uniform(0.0, 1.0, (4, POINTS))
    data = simulated_measurements(untrained().prior.axis, signals, list("abcd"))
    monkeypatch.setattr(agent_module, "calibrate", counted)
    data["covered"][0, :3] = data["covered"][1, :3] = data["covered"][2, 100:] = False

    def p_values() -> list[float]:
        agent = load_agent(tmp_path, ClassAgent, technique=Toy())
        return list(agent.assess(data, progress=False)["p_value"].values)

    first = p_values()
    assert made == [2]
    assert p_values() == first
    assert made == [2]
    assert len(list((tmp_path / "calibrations").iterdir())) == 2
    save_agent(load_agent(tmp_path, technique=Toy()), tmp_path)
    assert not (tmp_path / "calibrations").exists()


@pytest.mark.skipif(not hasattr(stat, "S_IWUSR"), reason="permissions of this system")
def test_an_agent_in_a_folder_that_cannot_be_written_to_uses_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NESCIO_CACHE", str(tmp_path / "cache"))
    save_agent(untrained(), tmp_path / "agent")
    # A file where the folder would be: that stops root as well.
    (tmp_path / "agent" / "calibrations").write_text("", encoding="utf-8")
    agent = load_agent(tmp_path / "agent", ClassAgent, technique=Toy())
    agent.partial.keep([MASK], [calibration()])
    assert len(list((tmp_path / "cache" / "calibrations").glob("*/*.safetensors"))) == 1
