import jax
import numpy as np
import pytest
import xarray as xr
from tests.learn.toy import POINTS, ToyPrior, novel_signals, quick

from nescio.errors import AgentError
from nescio.learn import ClassAgent, disturb, draw_ideal, expected_calibration_error
from nescio.signals import simulated_measurements
from nescio.techniques import Batch


def prepared(signals: np.ndarray, **kwargs) -> xr.Dataset:
    names = [f"m{i}" for i in range(len(signals))]
    return simulated_measurements(ToyPrior().axis, signals, names, **kwargs)


@pytest.fixture(scope="module")
def agent() -> ClassAgent:
    return ClassAgent.train(ToyPrior(), quick(), progress=False)


def test_known_signals_are_named_right(agent: ClassAgent) -> None:
    found = agent.reference(1000, seed=7)
    assert float((found["label"] == found["truth"]).mean()) > 0.99
    voted = found["candidate"].values[found["knn_probability"].values.argmax(axis=1)]
    assert float(np.mean(voted == found["truth"].values)) > 0.97


@pytest.mark.parametrize("alpha", [0.01, 0.05])
def test_known_signals_are_flagged_at_the_nominal_rate(agent: ClassAgent, alpha: float) -> None:
    n = 6000
    p_values = agent.reference(n, seed=11)["p_value"].values
    # Both the fresh signals and the calibration's own ranks scatter; four standard deviations of the two together.
    scatter = np.sqrt(alpha * (1 - alpha) * (1 / n + 1 / agent.calibration.novelty.size))
    assert abs(np.mean(p_values <= alpha) - alpha) < 4 * scatter


def test_an_unknown_class_is_flagged(agent: ClassAgent) -> None:
    found = agent.assess(prepared(novel_signals(200)))
    assert float((found["verdict"] == "novel").mean()) > 0.95


@pytest.fixture(scope="module")
def ideal() -> Batch:
    return draw_ideal(ToyPrior(), jax.random.key(3), 900)


def test_a_mixture_of_known_classes_is_flagged(agent: ClassAgent, ideal: Batch) -> None:
    one, other = (ideal.signals[ideal.labels == label][:200] for label in (0, 2))
    found = agent.assess(prepared(disturb(ToyPrior(), jax.random.key(4), 0.5 * (one + other))))
    assert float((found["verdict"] == "novel").mean()) > 0.8


def test_less_noise_alone_is_no_mixture(agent: ClassAgent, ideal: Batch) -> None:
    """Two measurements of one known signal, averaged, are as quiet as a mixture of two signals would be."""
    twice = [disturb(ToyPrior(), jax.random.key(seed), ideal.signals) for seed in (5, 6)]
    average = 0.5 * (twice[0] + twice[1])
    found = agent.assess(prepared(average / average.max(axis=1, keepdims=True)))
    assert float((found["verdict"] == "novel").mean()) < 0.03


def test_class_probabilities_are_calibrated(agent: ClassAgent) -> None:
    found = agent.reference(6000, seed=13)
    labels = np.array([agent.labels.index(name) for name in found["truth"].values])
    assert expected_calibration_error(found["probability"].values, labels) < 0.01
    # They say something: hardly ever less than sure, and right then.
    assert float(found["probability"].max("candidate").mean()) > 0.97


def test_probabilities_sum_to_one(agent: ClassAgent) -> None:
    found = agent.reference(100)
    for name in ("probability", "knn_probability"):
        assert found[name].dims == ("measurement", "candidate")
        np.testing.assert_allclose(found[name].sum("candidate"), 1.0, rtol=1e-9)


def test_a_signal_gives_the_same_numbers_whatever_comes_with_it(agent: ClassAgent) -> None:
    signals = agent.reference(700)["intensity"].values
    together = agent.assess(prepared(signals))
    alone = agent.assess(prepared(signals[123:124]))
    for name in ("novelty", "p_value", "latent", "probability", "reconstruction"):
        np.testing.assert_array_equal(alone[name].values[0], together[name].values[123])


def test_what_was_not_measured_has_no_say(agent: ClassAgent) -> None:
    """The value that stands where nothing was measured must not matter."""
    data = prepared(agent.reference(20)["intensity"].values)
    data["covered"][:, :30] = False
    other = data.copy(deep=True)
    other["intensity"][:, :30] = 0.7
    first, second = agent.assess(data), agent.assess(other)
    np.testing.assert_array_equal(first["p_value"], second["p_value"])
    np.testing.assert_array_equal(first["reconstruction_error"], second["reconstruction_error"])


def test_p_values_hold_where_part_of_the_axis_is_missing(agent: ClassAgent) -> None:
    n = 4000
    data = agent.reference(n, seed=21)[["intensity", "covered"]]
    data["covered"][:, POINTS - 35 :] = False
    found = agent.assess(data)
    share = float((found["p_value"] <= 0.05).mean())
    assert abs(share - 0.05) < 4 * np.sqrt(0.05 * 0.95 * (1 / n + 1 / agent.calibration.novelty.size))


def test_the_share_of_the_range_is_said(agent: ClassAgent) -> None:
    data = agent.reference(3)[["intensity", "covered"]]
    data["covered"][1, POINTS // 2 :] = False
    reasons = [str(reason) for reason in agent.assess(data)["reason"].values]
    assert ["only 50% of the agent's range was used" in reason for reason in reasons] == [
        False,
        True,
        False,
    ]


def test_an_unreadable_measurement_is_said_to_be_and_the_rest_assessed(agent: ClassAgent) -> None:
    data = prepared(agent.reference(4)["intensity"].values)
    data["problem"] = ("measurement", np.array(["", "shutter was closed", "", ""]))
    data["intensity"][2, 5] = np.nan
    found = agent.assess(data)
    assert found["verdict"].values.tolist()[1:3] == ["unreadable", "unreadable"]
    assert str(found["reason"].values[1]) == "shutter was closed"
    assert "not finite" in str(found["reason"].values[2])
    assert np.isnan(found["p_value"].values[[1, 2]]).all()
    assert np.isfinite(found["p_value"].values[[0, 3]]).all()


def test_nothing_at_all_can_be_assessed(agent: ClassAgent) -> None:
    found = agent.assess(prepared(np.zeros((0, POINTS), np.float32)))
    assert found.sizes["measurement"] == 0


def test_another_axis_is_refused(agent: ClassAgent) -> None:
    data = prepared(agent.reference(2)["intensity"].values)
    shifted = data.assign_coords(channel=data["channel"] + 0.5)
    with pytest.raises(AgentError, match="axis"):
        agent.assess(shifted)


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1, float("nan"), 1e-6])
def test_a_level_that_is_no_probability_or_too_small_for_the_calibration_is_refused(
    agent: ClassAgent, alpha: float
) -> None:
    with pytest.raises(AgentError, match="alpha"):
        agent.assess(prepared(novel_signals(1)), alpha=alpha)


def test_one_known_class_is_enough() -> None:
    agent = ClassAgent.train(ToyPrior(labels=("beta",)), quick(), progress=False)
    known = agent.reference(500, seed=2)
    novel = agent.assess(prepared(novel_signals(100)))
    assert float((known["verdict"] == "known").mean()) > 0.97
    assert float((novel["verdict"] == "novel").mean()) > 0.95


def test_compositions_are_asked_for_where_they_were_taught() -> None:
    agent = ClassAgent.train(ToyPrior(conditioned=True), quick(steps=60), progress=False)
    known = agent.reference(50)
    signals = known["intensity"].values
    with pytest.raises(AgentError, match="Co, Ni"):
        agent.assess(prepared(signals))
    with pytest.raises(AgentError, match="lack Ni"):
        agent.assess(prepared(signals, composition=np.ones((50, 1)), elements=("Co",)))
    # The order of the columns is the user's; the agent finds its own.
    told = known["composition"].values
    straight = agent.assess(prepared(signals, composition=told, elements=("Co", "Ni")))
    swapped = agent.assess(prepared(signals, composition=told[:, ::-1], elements=("Ni", "Co")))
    np.testing.assert_array_equal(straight["novelty"], swapped["novelty"])
    told[0] = np.nan
    missing = agent.assess(prepared(signals, composition=told, elements=("Co", "Ni")))
    assert str(missing["verdict"].values[0]) == "unreadable"
