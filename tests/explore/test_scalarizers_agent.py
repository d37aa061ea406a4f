"""Readings of an agent agree with `nescio assess`."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from pydantic import ValidationError
from tests.learn.toy import Toy, ToyPrior, quick

from nescio.explore.scalarizers import AgentReading, build_scalarizer, scalarize
from nescio.learn import ClassAgent, save_agent
from nescio.learn.classes import VIEWS, Calibration, Learner, Neighbours, NoveltyScale


class PreparingToy(Toy):
    def prepare(self, measured, prior, *, floor=0.0):
        values = np.maximum(measured["intensity"].values - floor, 0.0)
        scaled = (("measurement", "channel"), values / values.max())
        return measured.assign(
            intensity=scaled, problem=("measurement", ["too weak" if values.max() < 1 else ""])
        )


def untrained() -> ClassAgent:
    """An agent that has learned nothing reads spectra like any other, and is there at once."""
    prior, settings = ToyPrior(), quick()
    learner = Learner(prior.axis.size, 0, len(prior.labels), settings)
    scale = NoveltyScale(np.zeros(len(VIEWS)), np.ones(len(VIEWS)))
    calibration = Calibration(1.0, scale, np.linspace(-5, 5, 200), 0.1)
    places = np.random.default_rng(0).standard_normal((30, settings.map.latent)).astype(np.float32)
    neighbours = Neighbours(places, np.arange(30) % 3, 3, settings.calibration.neighbours)
    return ClassAgent(prior, learner, calibration, neighbours)


@pytest.fixture(scope="module")
def agent() -> ClassAgent:
    return untrained()


@pytest.fixture(scope="module")
def folder(tmp_path_factory, agent) -> Path:
    path = tmp_path_factory.mktemp("agents")
    save_agent(agent, path / "agent")
    save_agent(replace(agent, calibration=agent.calibration._replace(error=0.2)), path / "other")
    return path


@pytest.fixture(autouse=True)
def _toy_is_installed(monkeypatch):
    for module in ("nescio.techniques", "nescio.learn.store"):
        monkeypatch.setattr(f"{module}.find_technique", lambda name: PreparingToy())


def spectrum(height=50.0):
    channel = np.arange(128.0)
    values = height * np.exp(-0.5 * ((channel - 40) / 3) ** 2)
    return xr.DataArray(values, dims="channel", coords={"channel": channel})


def test_readings_are_those_of_an_assessment(folder, agent):
    prepared = PreparingToy().prepare(
        xr.Dataset(
            {"intensity": (("measurement", "channel"), spectrum().values[None])},
            {"measurement": ["m"], "channel": np.arange(128.0)},
        ),
        ToyPrior(),
    )
    findings = agent.assess(prepared, alpha=0.5, progress=False).isel(measurement=0)
    expected = {
        ("p-value", ""): findings["p_value"],
        ("novelty", ""): findings["novelty"],
        ("latent", ""): findings["latent"][1],
        ("probability", "beta"): findings["probability"][1],
    }
    for (reading, label), value in expected.items():
        scalarizer = AgentReading(agent=str(folder / "agent"), reading=reading, label=label, dimension=1)
        (scalar,) = scalarizer(spectrum())
        assert scalar.value == pytest.approx(value.item(), rel=1e-6), scalar.reason


def test_what_the_agent_cannot_read_is_missing_with_its_reason(folder):
    agent = str(folder / "agent")
    _, _, reasons = scalarize(AgentReading(agent=agent, options={"floor": 1.0}), [spectrum(1.5), spectrum()])
    assert reasons == ["too weak", ""]
    (scalar,) = AgentReading(agent=agent, reading="probability", label="delta")(spectrum())
    assert "has no class 'delta' (known: alpha, beta, gamma)" in scalar.reason
    (scalar,) = AgentReading(agent=agent, reading="latent", dimension=7)(spectrum())
    assert "has dimensions 0 to 1, not 7" in scalar.reason
    (scalar,) = AgentReading(agent=agent)(spectrum()[:50])
    assert "not on the agent's axis" in scalar.reason


def test_the_definition_holds_which_agent_it_was(folder):
    scalarizer = AgentReading(agent=str(folder / "agent"))
    document = scalarizer.model_dump(mode="json")
    assert len(document["digest"]) == 64
    assert build_scalarizer(document, "record") == scalarizer
    with pytest.raises(ValidationError, match="is another agent"):
        AgentReading(agent=str(folder / "other"), digest=document["digest"])
    with pytest.raises(ValidationError, match="no such agent"):
        AgentReading(agent=str(folder / "none"))
    # A record can be read where the agent is gone; only a new measurement needs it.
    gone = AgentReading(agent=str(folder / "none"), digest=document["digest"])
    assert "no such agent" in gone(spectrum())[0].reason
    with pytest.raises(ValidationError, match="label is required"):
        AgentReading(agent=str(folder / "agent"), reading="probability")


def test_the_agent_is_loaded_once(folder, monkeypatch):
    import nescio.learn

    loads = []
    load = nescio.learn.load_agent
    monkeypatch.setattr(nescio.learn, "load_agent", lambda path, of: loads.append(path) or load(path, of))
    scalarizer = AgentReading(agent=str(folder / "other"))
    scalarize(scalarizer, [spectrum()] * 3)
    assert len(loads) == 1
