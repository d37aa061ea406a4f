"""Agents that tell numbers: learned, kept, interrupted, asked what they do not know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray
from tests.learn.test_store import alter

from nescio.errors import AgentError, InterruptedTrainingError
from nescio.learn import ClassAgent, NumberAgent, NumberSettings, load_agent, save_agent, train
from nescio.signals import simulated_measurements
from nescio.techniques import NumberPrior, NumberSampler, Quantity, Structure

X = np.linspace(0.0, 1.0, 40)
NOISE = 0.05


@dataclass(frozen=True, eq=False)
class Humps:
    """Signals of two humps whose heights are the numbers."""

    technique = "humps"
    kind = "numbers"
    quantities = (Quantity("left", "m", "height on the left"), Quantity("right", "1", "height on the right"))

    @cached_property
    def axis(self) -> xr.DataArray:
        return xr.DataArray(X, dims="x", name="x", attrs={"units": "1", "long_name": "place"})

    def sampler(self, members: int = 0, seed: int = 0) -> NumberSampler:
        def draw(key: jax.Array, n: int, member: jax.Array) -> tuple[jax.Array, jax.Array]:
            number, noise = jax.random.split(jax.random.fold_in(key, member))
            heights = jax.random.uniform(number, (n, 2), minval=0.0, maxval=2.0)
            return made(heights) + NOISE * jax.random.normal(noise, (n, len(X))), heights

        return draw

    def structures(self, low: NDArray[np.float64], high: NDArray[np.float64]) -> tuple[Structure, ...]:
        known = [("one", 1.0), ("two", 1.1)]
        return tuple(
            Structure(name, np.zeros((1, 3)) + height)
            for name, height in known
            if low[0] <= height <= high[0]
        )

    def to_document(self) -> dict[str, Any]:
        return {"humps": 2}


def made(heights: Any) -> Any:
    places = jnp.exp(-(((jnp.asarray(X) - jnp.array([[0.3], [0.7]])) / 0.1) ** 2))
    return jnp.asarray(heights) @ places


class Technique:
    name = "humps"

    def prior_from_document(self, document: Mapping[str, Any]) -> Humps:
        assert document == {"humps": 2}
        return Humps()


QUICK = NumberSettings.model_validate(
    {
        "networks": {"hidden": [32], "members": 2, "steps": 400, "batch": 64, "learning_rate": 5e-3},
        "familiarity": {"hidden": [32], "latent": 3, "steps": 400, "draws": 2000, "held_out": 2000},
        "intervals": {"draws": 2000},
    }
)


@pytest.fixture(scope="module")
def agent() -> NumberAgent:
    assert isinstance(Humps(), NumberPrior)
    return NumberAgent.train(Humps(), QUICK, progress=False)


def prepared(signals: Any, **more: Any) -> xr.Dataset:
    return simulated_measurements(Humps().axis, signals, [f"m{i}" for i in range(len(signals))]).assign(more)


def test_fresh_signals_get_their_numbers_and_the_intervals_hold_them(agent: NumberAgent) -> None:
    fresh = agent.reference(2000, seed=3)
    off = np.abs(fresh["value"] - fresh["truth"])
    # Of a hump of height 1 in noise of 0.05, some seven points: 0.05 / sqrt(4.4) is the best there is.
    assert float(off.mean()) < 1.6 * 0.8 * NOISE / np.sqrt(4.4)
    inside = (fresh["truth"] >= fresh["low"]) & (fresh["truth"] <= fresh["high"])
    assert float(inside.mean()) == pytest.approx(0.9, abs=0.025)
    # By chance, one in a hundred, give or take.
    assert float((fresh["verdict"] == "novel").mean()) == pytest.approx(0.01, abs=0.008)
    assert fresh["quantity_units"].values.tolist() == ["m", "1"]


def test_a_stranger_gets_its_numbers_with_a_warning(agent: NumberAgent) -> None:
    strange = np.asarray(made([[1.0, 1.0]])) + 0.8 * np.exp(-(((X - 0.5) / 0.06) ** 2))
    found = agent.assess(prepared(np.concatenate([strange, np.asarray(made([[1.0, 1.0]]))])))
    assert found["verdict"].values.tolist() == ["novel", "known"]
    assert found["reason"].values[0].startswith("unlike the training signals (p = 0.0005, at most 0.01)")
    assert np.isfinite(found["value"].values).all()
    assert found["structures"].values[1] in ("one", "one; two")
    names, fitting = agent.structures(found)[0]
    assert names == "m1"
    assert fitting[0][1].shape == (1, 3)


def test_what_measuring_may_do_is_a_third_part_of_the_error(agent: NumberAgent) -> None:
    signals = np.asarray(made([[1.0, 0.5]]))
    disturbed = np.stack([0.8 * signals, 1.2 * signals, signals], axis=1)
    found = agent.assess(
        prepared(signals, disturbed=(("measurement", "disturbance", "x"), disturbed)).assign_coords(
            disturbance=["scale: -20%", "scale: +20%", "nothing: at all"]
        )
    )
    np.testing.assert_allclose(found["systematic"].values[0], [0.2, 0.1], atol=0.03)
    assert "measurement errors change left by more than the interval" in found["reason"].item()
    assert float(agent.assess(prepared(signals))["systematic"].max()) == 0.0


def test_the_answer_rests_on_the_humps(agent: NumberAgent) -> None:
    saliency = agent.saliency()
    assert saliency.dims == ("quantity", "x")
    left, right = saliency.values
    near_left = np.abs(X - 0.3) < 0.12
    assert left[near_left].mean() > 3.0 * left[~near_left].mean()
    assert right[np.abs(X - 0.7) < 0.12].mean() > 3.0 * right[near_left].mean()


def test_what_cannot_be_told_is_said(agent: NumberAgent) -> None:
    signals = np.asarray(made([[1.0, 1.0], [1.0, 1.0]])).copy()
    signals[1, 3] = np.nan
    given = prepared(signals).assign(problem=("measurement", ["the shutter was closed", ""]))
    found = agent.assess(given)
    assert found["verdict"].values.tolist() == ["unreadable", "unreadable"]
    assert found["reason"].values[0] == "the shutter was closed"
    assert found["reason"].values[1].startswith("has values that are not finite")
    assert found["value"].isnull().all()
    for alpha, said in (
        (0.0, "between 0 and 1"),
        (1e-5, "below the smallest p-value .* familiarity.held_out"),
    ):
        with pytest.raises(AgentError, match=said):
            agent.assess(prepared(signals[:1]), alpha=alpha)
    with pytest.raises(AgentError, match=r"not on the agent's axis \(0 to 1 1, 40 points\)"):
        agent.assess(prepared(signals[:1]).isel(x=slice(0, 30)))
    with pytest.raises(AgentError, match="need a variable intensity"):
        agent.assess(prepared(signals[:1]).rename(intensity="counts"))


def test_an_agent_comes_back_as_it_was(agent: NumberAgent, tmp_path: Path) -> None:
    save_agent(agent, tmp_path / "agent")
    again = load_agent(tmp_path / "agent", technique=Technique())
    assert again.kind == "numbers"
    assert again.identity == agent.identity
    assert again.history == agent.history
    assert again.reference(200).identical(agent.reference(200))
    with pytest.raises(AgentError, match=r"is of kind numbers \(left, right\), not classes"):
        load_agent(tmp_path / "agent", ClassAgent, technique=Technique())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"level": 1.5}, "calibration of the intervals is damaged"),
        ({"quantities": [["up", "1", "upwards"]]}, "quantities of the agent do not match"),
        ({"settings": {"networks": {"hidden": [16]}}}, "is missing|must be"),
        ({"history": [["a", 1]]}, "damaged"),
    ],
)
def test_an_agent_that_was_damaged_is_refused(
    agent: NumberAgent, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    save_agent(agent, tmp_path / "agent")
    alter(tmp_path / "agent", **changes)
    with pytest.raises(AgentError, match=said):
        load_agent(tmp_path / "agent", technique=Technique())


def test_an_interrupted_training_goes_on_to_the_same_weights(
    agent: NumberAgent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = tmp_path / "checkpoint"

    @contextmanager
    def stopping(*args: Any, **kwargs: Any) -> Iterator[Any]:
        told: list[float] = []

        def tell(amount: float, message: str = "") -> None:
            told.append(amount)
            if sum(told) == 200:
                raise KeyboardInterrupt

        yield tell

    with monkeypatch.context() as patch:
        patch.setattr(train, "track", stopping)
        with pytest.raises(
            InterruptedTrainingError, match=r"interrupted at step [12]00 of 400; the state is saved in"
        ):
            NumberAgent.train(Humps(), QUICK, checkpoint=checkpoint, progress=False)
    other = QUICK.model_copy(update={"intervals": QUICK.intervals.model_copy(update={"level": 0.8})})
    with pytest.raises(AgentError, match="belongs to another prior or other settings"):
        NumberAgent.train(Humps(), other, checkpoint=checkpoint, resume=True, progress=False)
    went_on = NumberAgent.train(Humps(), QUICK, checkpoint=checkpoint, resume=True, progress=False)
    assert went_on.history == agent.history
    assert went_on.reference(100).identical(agent.reference(100))


def test_without_familiarity_nothing_is_novel() -> None:
    few = QUICK.model_copy(
        update={"familiarity": None, "networks": QUICK.networks.model_copy(update={"steps": 5})}
    )
    agent = NumberAgent.train(Humps(), few, progress=False)
    found = agent.assess(prepared(np.zeros((1, len(X)))))
    assert found["verdict"].item() == "known"
    assert found["p_value"].isnull().all()
    assert found["reason"].item().startswith("this agent has no novelty detector")
