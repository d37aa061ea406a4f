"""Learning into a folder: the agent that was there stays until the new one is whole; one learner works at a time."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.learn.test_store import alter, untrained
from tests.learn.toy import Toy

from nescio.errors import AgentError, CheckpointError, FileError, InterruptedTrainingError
from nescio.learn import ClassAgent, checkpoint_of, folders, load_agent, save_agent, store, train_into


@pytest.fixture(scope="module")
def agents() -> tuple[ClassAgent, ClassAgent]:
    """Two agents that differ in their weights."""
    return untrained(seed=0), untrained(seed=1)


class KilledError(BaseException):
    """What a process cannot handle."""


def same(one: ClassAgent, other: ClassAgent) -> bool:
    return one.identity == other.identity and np.array_equal(
        one.calibration.novelty, other.calibration.novelty
    )


def test_a_death_between_the_two_files_leaves_the_agent_that_was_there(
    agents: tuple[ClassAgent, ClassAgent], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = agents
    folder = tmp_path / "agent"
    save_agent(old, folder)
    with monkeypatch.context() as patch:

        def die(*_: object) -> None:
            raise KilledError

        patch.setattr(store, "write_json", die)
        with pytest.raises(KilledError):
            save_agent(new, folder)
    assert len(list(folder.glob("*.safetensors"))) == 2
    assert same(load_agent(folder, ClassAgent, technique=Toy()), old)
    save_agent(new, folder)
    assert same(load_agent(folder, ClassAgent, technique=Toy()), new)
    assert len(list(folder.iterdir())) == 2


def test_a_disk_that_fills_up_leaves_the_agent_that_was_there(
    agents: tuple[ClassAgent, ClassAgent], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = agents
    save_agent(old, tmp_path)
    with monkeypatch.context() as patch:

        def full(path: Path, content: object) -> None:
            raise FileError(f"{path}: cannot be written (No space left on device)")

        patch.setattr("nescio.learn.storage.write_atomically", full)
        with pytest.raises(FileError, match="No space left"):
            save_agent(new, tmp_path)
    assert same(load_agent(tmp_path, ClassAgent, technique=Toy()), old)


def test_what_killed_writers_left_is_removed_and_nothing_else(
    agents: tuple[ClassAgent, ClassAgent], tmp_path: Path
) -> None:
    save_agent(agents[0], tmp_path)
    left = [
        "weights-0123456789abcdef.safetensors",
        ".weights.safetensors.0f0f0f.partial",
        ".agent.json.ab.partial",
    ]
    kept = ["notes.txt", "weights.txt", "weights-mine.safetensors"]
    for name in (*left, *kept):
        (tmp_path / name).write_text("x", encoding="utf-8")
    save_agent(agents[1], tmp_path)
    names = {file.name for file in tmp_path.iterdir()}
    assert not names & set(left)
    assert set(kept) < names


def test_an_agent_of_the_last_format_is_read(agents: tuple[ClassAgent, ClassAgent], tmp_path: Path) -> None:
    save_agent(agents[0], tmp_path)
    document = json.loads((tmp_path / "agent.json").read_text(encoding="utf-8"))
    for key in ("kind", "weights"):
        del document[key]
    (tmp_path / "agent.json").write_text(json.dumps(document), encoding="utf-8")
    alter(tmp_path, format=2)
    assert same(load_agent(tmp_path, ClassAgent, technique=Toy()), agents[0])


@pytest.mark.parametrize("name", ["../weights.safetensors", "/etc/passwd", "weights-x.safetensors", 3, None])
def test_only_weights_in_the_folder_are_read(
    agents: tuple[ClassAgent, ClassAgent], tmp_path: Path, name: object
) -> None:
    save_agent(agents[0], tmp_path / "agent")
    shutil.copy(tmp_path / "agent" / "weights.safetensors", tmp_path)
    alter(tmp_path / "agent", weights=name)
    with pytest.raises(AgentError, match="must name a file of arrays"):
        load_agent(tmp_path / "agent", technique=Toy())


def test_a_second_learner_is_refused_while_the_first_works(
    agents: tuple[ClassAgent, ClassAgent], tmp_path: Path
) -> None:
    folder = tmp_path / "agent"

    def first(checkpoint: Path, resume: bool) -> ClassAgent:
        with pytest.raises(AgentError, match=r"agent: another process is training into this folder"):
            train_into(folder, lambda *_: pytest.fail("it began all the same"))
        return agents[0]

    assert train_into(folder, first) is agents[0]
    assert train_into(folder, lambda *_: agents[1]) is agents[1]
    assert [entry.name for entry in tmp_path.iterdir()] == ["agent"]


def test_the_state_stays_until_the_agent_is_there(
    agents: tuple[ClassAgent, ClassAgent], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "agent"

    def trained(checkpoint: Path, resume: bool) -> ClassAgent:
        (checkpoint / "checkpoint.json").write_text("{}", encoding="utf-8")
        return agents[0]

    def full(*_: object) -> None:
        raise FileError("no space")

    with monkeypatch.context() as patch:
        patch.setattr(folders, "save_agent", full)
        with pytest.raises(FileError):
            train_into(folder, trained)
    assert (checkpoint_of(folder) / "checkpoint.json").exists()
    train_into(folder, trained)
    assert not checkpoint_of(folder).exists()


def test_a_state_that_does_not_fit_is_an_error_where_resuming_was_asked_for_and_else_begun_anew(
    agents: tuple[ClassAgent, ClassAgent], tmp_path: Path
) -> None:
    asked: list[bool] = []

    def trained(checkpoint: Path, resume: bool) -> ClassAgent:
        asked.append(resume)
        if resume:
            raise CheckpointError("of another prior")
        return agents[0]

    with pytest.raises(CheckpointError):
        train_into(tmp_path / "agent", trained, resume=True)
    train_into(tmp_path / "agent", trained, resume=False)
    train_into(tmp_path / "agent", trained)
    assert asked == [True, False, True, False]


def test_an_interruption_says_which_command_goes_on(tmp_path: Path) -> None:
    def interrupted(*_: object) -> ClassAgent:
        raise InterruptedTrainingError("run the same command with --resume to go on")

    with pytest.raises(InterruptedTrainingError, match="run the same command again"):
        train_into(tmp_path / "agent", interrupted)
    with pytest.raises(InterruptedTrainingError, match="--resume"):
        train_into(tmp_path / "agent", interrupted, resume=False)
