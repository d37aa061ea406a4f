import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tests.learn.toy import Toy, ToyPrior, quick

from nescio.errors import AgentError
from nescio.learn import ClassAgent, load_agent, save_agent
from nescio.learn.classes import agent as agent_module
from nescio.learn.storage import document_digest
from nescio.learn.train import Trained


def untrained(seed: int = 0) -> ClassAgent:
    """An agent with the weights it began with: what was kept must come back, be it good or bad."""
    history = ({"step": 20.0, "map": 0.5}, {"step": 40.0, "map": 0.25})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(agent_module, "fit_learner", lambda learner, *_, **__: Trained(learner, history, 40))
        return ClassAgent.train(ToyPrior(), quick(seed=seed), progress=False)


@pytest.fixture(scope="module")
def agent() -> ClassAgent:
    return untrained()


@pytest.fixture
def folder(agent: ClassAgent, tmp_path: Path) -> Path:
    save_agent(agent, tmp_path / "agent")
    return tmp_path / "agent"


def alter(folder: Path, *, sign: bool = True, **changes: object) -> None:
    """Change parts of the document; signed, as if it had been written so."""
    path = folder / "agent.json"
    document = {**json.loads(path.read_text()), **changes}
    if sign:
        del document["digest"]
        document["digest"] = document_digest(document)
    path.write_text(json.dumps(document))


def test_a_loaded_agent_gives_the_same_numbers_to_the_last_bit(agent: ClassAgent, folder: Path) -> None:
    before = agent.reference(300, seed=5)
    after = load_agent(folder, technique=Toy()).reference(300, seed=5)
    assert before.identical(after)


def test_an_agent_says_what_it_was_made_of(folder: Path) -> None:
    document = json.loads((folder / "agent.json").read_text())
    assert document["technique"] == "toy"
    assert document["labels"] == ["alpha", "beta", "gamma"]
    assert {"nescio", "jax"} <= set(document["versions"])
    assert document["axis"]["points"] == 128


def test_a_missing_agent_is_said(tmp_path: Path) -> None:
    with pytest.raises(AgentError, match="no such agent"):
        load_agent(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["agent.json", "weights.safetensors"])
@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "noise"])
def test_a_damaged_file_is_named(folder: Path, name: str, damage: str) -> None:
    path = folder / name
    content = path.read_bytes()
    path.unlink()
    if damage == "empty":
        path.write_bytes(b"")
    elif damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "noise":
        path.write_bytes(bytes(range(256)) * 8)
    with pytest.raises(AgentError, match=name.replace(".", r"\.")):
        load_agent(folder, technique=Toy())


def test_another_format_is_refused(folder: Path) -> None:
    alter(folder, format=99)
    with pytest.raises(AgentError, match="format 99"):
        load_agent(folder, technique=Toy())


def test_weights_of_another_agent_are_refused(folder: Path) -> None:
    arrays = load_file(folder / "weights.safetensors")
    arrays["calibration.novelty"] = arrays["calibration.novelty"] + 0.1
    save_file(arrays, folder / "weights.safetensors")
    with pytest.raises(AgentError, match="does not belong to"):
        load_agent(folder, technique=Toy())


def test_an_axis_that_does_not_fit_is_refused(folder: Path) -> None:
    axis = json.loads((folder / "agent.json").read_text())["axis"]
    alter(folder, axis={**axis, "stop": 200.0})
    with pytest.raises(AgentError, match="axis"):
        load_agent(folder, technique=Toy())


@pytest.mark.parametrize(
    "changes",
    [{"temperature": 1e9}, {"known_error": 0.5}, {"labels": ["beta", "alpha", "gamma"]}, {"versions": {}}],
)
def test_a_document_altered_by_hand_is_refused(folder: Path, changes: dict[str, object]) -> None:
    alter(folder, sign=False, **changes)
    with pytest.raises(AgentError, match=r"agent\.json: was changed after it was written"):
        load_agent(folder, technique=Toy())


def test_a_document_may_be_indented_otherwise(folder: Path) -> None:
    alter(folder, sign=False)
    load_agent(folder, technique=Toy())


@pytest.mark.parametrize("key", ["temperature", "known_error"])
@pytest.mark.parametrize("value", [0, -1, 0.0, -1.0])
def test_a_calibration_that_is_not_positive_is_refused(folder: Path, key: str, value: float) -> None:
    alter(folder, **{key: value})
    with pytest.raises(AgentError, match=f"{key} is .*; it must be positive"):
        load_agent(folder, technique=Toy())


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999"])
def test_a_number_that_is_not_finite_is_refused(folder: Path, value: str) -> None:
    path = folder / "agent.json"
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "temperature": "here"}).replace('"here"', value))
    with pytest.raises(AgentError, match=r"no number in JSON|not finite"):
        load_agent(folder, technique=Toy())


def test_settings_must_be_complete(folder: Path) -> None:
    settings = json.loads((folder / "agent.json").read_text())["settings"]
    del settings["training"]["patience"]
    alter(folder, settings=settings)
    with pytest.raises(AgentError, match="not complete"):
        load_agent(folder, technique=Toy())


@pytest.mark.parametrize(
    "key", ["prior", "settings", "temperature", "known_error", "history", "labels", "axis"]
)
@pytest.mark.parametrize("value", [None, "x", {"x": 1}, [1]])
def test_a_document_with_a_wrong_part_is_refused(folder: Path, key: str, value: object) -> None:
    alter(folder, **{key: value})
    with pytest.raises(AgentError, match=r"agent"):
        load_agent(folder, technique=Toy())


def test_settings_of_other_networks_are_refused(folder: Path) -> None:
    settings = json.loads((folder / "agent.json").read_text())["settings"]
    alter(folder, settings={**settings, "map": {**settings["map"], "hidden": [17]}})
    with pytest.raises(AgentError, match="but must be"):
        load_agent(folder, technique=Toy())


def test_an_unknown_technique_is_named(folder: Path) -> None:
    with pytest.raises(AgentError, match="'toy' is not installed"):
        load_agent(folder)


def test_saving_replaces_what_was_there(agent: ClassAgent, folder: Path) -> None:
    for _ in range(3):
        save_agent(agent, folder)
        document, weights = sorted(path.name for path in folder.iterdir())
        assert document == "agent.json"
        assert json.loads((folder / document).read_text())["weights"] == weights
        assert np.isfinite(load_agent(folder, technique=Toy()).calibration.temperature)
