"""`nescio learn`: settings reach the learner, mistakes are named, an interruption can be resumed."""

from pathlib import Path
from typing import Any, NoReturn

import pytest

import nescio.learn.folders
from nescio.errors import InterruptedTrainingError


@pytest.fixture
def prior(tmp_path: Path) -> Path:
    path = tmp_path / "prior.toml"
    path.write_text('technique = "fake"\n[learn.training]\nsteps = 1500\n', encoding="utf-8")
    return path


def test_the_agent_is_kept_and_the_checkpoint_removed(stage: Any, prior: Path, tmp_path: Path) -> None:
    code, out, err = stage.run("learn", prior, "-o", tmp_path / "agent")
    assert (code, err) == (0, "")
    assert stage.saved == [tmp_path / "agent"]
    assert not (tmp_path / "agent.checkpoint").exists()
    assert "learned fcc, bcc" in out
    assert "all of them are classified correctly" in out


def test_settings_come_from_the_file_then_from_the_command_line(stage: Any, prior: Path) -> None:
    stage.run("learn", prior, "-o", "a")
    stage.run(
        "learn", prior, "-o", "b", "--seed", 7, "--set", "training.steps=2000", "--set", "map.hidden=[64]"
    )
    first, second = (call["settings"] for call in stage.learned)
    assert first.training.steps == 1500
    assert (second.training.steps, second.training.seed, second.map.hidden) == (2000, 7, (64,))
    assert [call["resume"] for call in stage.learned] == [False, False]


def test_notes_on_the_prior_are_printed_once_each(
    stage: Any, prior: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = ("a.cif: a line\nbroken", "a.cif: another", "a.cif: another")
    monkeypatch.setattr(type(stage.technique.load_prior(prior)), "notes", notes, raising=False)
    code, _, err = stage.run("learn", prior, "-o", "agent")
    assert code == 0
    assert err == "note: a.cif: a line broken\nnote: a.cif: another\n"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.stepz=2", "prior.toml [learn]: unknown key 'training.stepz'"),
        ("training.steps=many", "training.steps"),
        ("training.steps", "--set training.steps: needs the form KEY=VALUE"),
        (f"training.steps={'9' * 5000}", "training.steps"),
        ("training=" + "[" * 3000, "training"),
        ("training.steps.more=1", "'steps' is not a table"),
    ],
)
def test_a_wrong_override_is_one_line(stage: Any, prior: Path, override: str, message: str) -> None:
    code, _, err = stage.run("learn", prior, "-o", "agent", "--set", override)
    assert code == 2
    assert message in err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert not stage.learned


def test_an_output_that_is_a_file_is_told_before_learning(stage: Any, prior: Path) -> None:
    Path("afile").write_text("", encoding="utf-8")
    code, _, err = stage.run("learn", prior, "-o", "afile", "--overwrite")
    assert (code, err) == (2, "error: afile: is a file, where a folder is needed\n")
    assert not stage.learned


def test_the_checkpoint_stays_until_the_agent_is_saved(
    stage: Any, prior: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> NoReturn:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(nescio.learn.folders, "save_agent", full)
    assert stage.run("learn", prior, "-o", "agent")[0] == 2
    assert Path("agent.checkpoint").is_dir()


def test_an_agent_is_not_replaced_unasked(stage: Any, prior: Path) -> None:
    assert stage.run("learn", prior, "-o", "agent")[0] == 0
    code, _, err = stage.run("learn", prior, "-o", "agent")
    assert code == 2
    assert "agent: exists already; add --overwrite" in err
    assert stage.run("learn", prior, "-o", "agent", "--overwrite")[0] == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("# nothing\n", "needs a key technique"),
        ('technique = "fake"\nlearn = 3\n', "must be a table"),
        ("=", "not valid TOML"),
    ],
)
def test_a_wrong_prior_file_is_one_line(stage: Any, prior: Path, content: str, message: str) -> None:
    prior.write_text(content, encoding="utf-8")
    code, _, err = stage.run("learn", prior, "-o", "agent")
    assert code == 2
    assert message in err
    assert str(prior) in err


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (InterruptedTrainingError("interrupted at step 5, run the same command with --resume"), "--resume"),
        (KeyboardInterrupt(), "interrupted"),
    ],
)
def test_an_interruption_says_how_to_go_on(
    stage: Any, prior: Path, error: BaseException, message: str
) -> None:
    def interrupted() -> NoReturn:
        raise error

    stage.train = interrupted
    code, _, err = stage.run("learn", prior, "-o", "agent")
    assert code == 130
    assert message in err
    assert not stage.saved
