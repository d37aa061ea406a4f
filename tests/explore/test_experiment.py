"""An experiment chooses, stores results, and gives the same choices after it was closed and opened again."""

import importlib.util
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from pydantic import ValidationError

from nescio.errors import ExplorationError, FileError, InterruptedExplorationError, NescioError, TraceError
from nescio.explore import Experiment, drive
from nescio.explore.candidates import Listed
from nescio.explore.experiment import (
    ChangeBudget,
    ChangeGoal,
    ChangePolicy,
    ChangeScalarizer,
    Reject,
    Resume,
    Steering,
    Undo,
)
from nescio.explore.experiment.decision import _favoured
from nescio.explore.instruments import AdaptiveAgent, AskTell, SpectrumField
from nescio.explore.policies import HypervolumeImprovement, Random
from nescio.explore.scalarizers import MeanMagnitude, Scalar, Several
from nescio.explore.settings import Budgets, Goal
from nescio.trace import Decision, Event, Measurement, verify

_SPEC = importlib.util.spec_from_file_location("instruments", Path(__file__).with_name("instruments.py"))
made = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(made)


def tell(experiment, candidate, **options):
    sample = made.Sample()
    return experiment.tell(candidate, sample.measure(sample.positions[candidate]), **options)


class Listener:
    def __init__(self):
        self.heard = []

    def update(self, status):
        pass

    def say(self, messages):
        self.heard += messages


def test_a_microscopes_python_loads_no_jax():
    script = "import sys, nescio.explore, nescio.explore.instruments; print('jax' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_names_are_loaded_when_they_are_used():
    import nescio.explore

    for name in nescio.explore.__all__:
        assert getattr(nescio.explore, name).__name__ == name
    with pytest.raises(AttributeError, match="nothing"):
        nescio.explore.nothing  # noqa: B018


def test_it_finds_the_hill_and_measures_nothing_twice(tmp_path):
    sample = made.Sample()
    with made.begin(tmp_path, budget={"points": 16}) as experiment:
        assert drive(experiment, sample, wait=False) == "16 of 16 points are measured"
        assert len(set(sample.asked)) == 16
        assert [one.origin for one in experiment.state.measured] == ["seed"] * 4 + ["policy"] * 12
        highest = int(sample.spectra.mean(1).argmax())
        assert experiment.best(1)[0][0] == highest
        assert experiment.fit is not None
    assert verify(tmp_path) == []


def test_what_goes_on_and_what_is_opened_again_is_the_same(tmp_path):
    whole, parts = made.Sample(), made.Sample()
    changes = {"freeze": {"kind": "budget", "points": 5}, "budget": {"points": 7}}
    with made.begin(tmp_path / "whole", **changes) as experiment:
        drive(experiment, whole, wait=False)
    made.begin(tmp_path / "parts", **changes).close()
    for _ in range(7):
        with Experiment.open(tmp_path / "parts") as experiment:
            (candidate,) = experiment.ask().candidates
            again = made.state(experiment)
            with Experiment.open(tmp_path / "parts", read_only=True) as other:
                assert made.state(other) == again
            parts.asked.append(candidate)
            tell(experiment, candidate)
    assert parts.asked == whole.asked
    assert verify(tmp_path / "parts") == []


def test_a_choice_stays_until_it_is_told(tmp_path):
    with made.begin(tmp_path, seeds={"points": 1}, batch=3) as experiment:
        tell(experiment, experiment.ask().candidates[0])
        three = experiment.ask(3).candidates
        assert len(set(three)) == 3
        assert experiment.ask(3).candidates == three
        assert tell(experiment, three[1]).origin == "policy"
        assert experiment.ask(3).candidates == (three[0], three[2])
        assert tell(experiment, 99 if 99 not in three else 98).origin == "person"


def test_it_is_driven_by_others(tmp_path):
    sample = made.Sample()
    with made.begin(tmp_path, budget={"points": 6}) as experiment:
        assert isinstance(experiment, AskTell)
        agent = AdaptiveAgent(
            experiment, ["y", "x"], SpectrumField("counts", ["energy"], units={"counts": "counts"})
        )
        while not agent.should_stop()[0]:
            for point in agent.suggest(2):
                spectrum = sample.spectra[point["_id"]]
                agent.ingest([{"_id": point["_id"], "counts": spectrum}])
        assert experiment.state.step == 6
        assert agent.get_best_points()[0][0] == experiment.best(1)[0][0]


def test_it_ends_at_its_budget_and_goes_on_with_a_larger_one(tmp_path):
    with made.begin(tmp_path, budget={"points": 2}) as experiment:
        assert drive(experiment, made.Sample(), wait=False) == "2 of 2 points are measured"
        experiment.act(ChangeBudget(budget=Budgets(points=3)), who="me")
        assert drive(experiment, made.Sample(), wait=False) == "3 of 3 points are measured"
        finishes = [event for _, event in experiment.trace.all(Event) if event.kind == "finish"]
        assert drive(experiment, made.Sample(), wait=False) == "3 of 3 points are measured"
        assert len(finishes) == len([e for _, e in experiment.trace.all(Event) if e.kind == "finish"]) == 2


@pytest.mark.parametrize(
    ("budget", "why", "spent"),
    [
        (
            {"points": 50, "dose": 2.5, "dose_per_point": 1.0},
            "a dose of 2 of 2.5 is spent; another point needs 1",
            0.8,
        ),
        ({"points": 50, "seconds": 1e-6}, "0 of 1e-06 seconds have passed", 1.0),
    ],
)
def test_dose_and_time_end_it_too(tmp_path, budget, why, spent):
    with made.begin(tmp_path, budget=budget) as experiment:
        assert drive(experiment, made.Sample(), wait=False) == why
        assert experiment.state.spent == spent


def test_what_is_spent_is_of_what_will_be_spent_first(tmp_path):
    budget = {"points": 20, "dose": 8.0, "dose_per_point": 1.0}
    with made.begin(tmp_path, budget=budget) as experiment:
        assert experiment.state.spent == 0.0
        tell(experiment, experiment.ask().candidates[0])
        tell(experiment, experiment.ask().candidates[0])
        assert experiment.state.spent == 0.25


def test_by_default_a_small_sample_is_not_spent_on_seeds(tmp_path):
    with made.begin(tmp_path, budget={}, seeds={"points": 20}) as experiment:
        assert experiment.state.points == 40


def test_few_candidates_are_measured_to_the_last(tmp_path):
    sample = made.Sample(candidates=3)
    wanted = made.settings(budget={"points": 50}, seeds={"points": 1})
    with Experiment.create(tmp_path, wanted, sample.survey()) as experiment:
        assert drive(experiment, sample, wait=False).startswith("no candidate is left")
        assert sorted(sample.asked) == [0, 1, 2]


def test_values_that_are_all_the_same_are_told_of_once(tmp_path):
    sample = made.Sample(lambda candidate, spectrum: spectrum * 0.0 + 1.0)
    with made.begin(tmp_path, budget={"points": 8}) as experiment:
        drive(experiment, sample, observer=(person := Listener()), wait=False)
        assert person.heard == ["all 4 values so far are equal; the model cannot learn anything yet"]
        warnings = [event.message for _, event in experiment.trace.all(Event) if event.kind == "warning"]
    assert warnings == ["all 4 values so far are equal; the model cannot learn anything yet"]


def test_a_criterion_stops_it_also_after_it_was_opened_again(tmp_path):
    changes = {"stop": {"kind": "map-settled", "tolerance": 10.0, "steps": 2}, "budget": {"points": 30}}
    with made.begin(tmp_path, **changes) as experiment:
        why = drive(experiment, made.Sample(), wait=False)
        assert why.startswith("the map changed by less than 10")
        assert experiment.state.step == 6
    with Experiment.open(tmp_path) as experiment:
        assert experiment.state.finished == why
        # Whoever resumes wants the criterion to be met anew.
        experiment.act(Resume(), who="me")
        assert drive(experiment, made.Sample(), wait=False).startswith("the map changed")
        assert experiment.state.step == 9


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"policy": {"kind": "thompson"}}, "policy thompson: the goal has 2 outputs"),
        (
            {"policy": {"kind": "schedule", "stages": [{"policy": {"kind": "epsilon-greedy"}}]}},
            "policy expected-improvement: the goal has 2 outputs",
        ),
        (
            {"policy": {"kind": "random"}, "stop": {"kind": "improvement-exhausted"}},
            "improvement is only defined for one",
        ),
        ({}, "use hypervolume-improvement for two"),
    ],
)
def test_what_cannot_rank_two_numbers_is_told_before_anything_is_measured(changes, said):
    two = {"kind": "several", "parts": [{"kind": "mean-magnitude"}] * 2}
    with pytest.raises(ValidationError, match=said):
        made.settings(scalarizer=two, **changes)
    with pytest.raises(ValidationError, match="needs a goal with two outputs, not 1"):
        made.settings(policy={"kind": "hypervolume-improvement"})


def test_a_policy_for_other_numbers_is_refused(tmp_path):
    with made.begin(tmp_path) as experiment:
        experiment.act(ChangePolicy(policy=HypervolumeImprovement()), who="me")
        (told,) = experiment.apply_acts()
        assert told.startswith("me: policy refused: policy hypervolume-improvement: needs a goal with two")
        # The other way round it goes: first the numbers, then what ranks them.
        experiment.act(ChangeScalarizer(scalarizer=Several(parts=(MeanMagnitude(),) * 2)), who="me")
        experiment.act(ChangePolicy(policy=HypervolumeImprovement()), who="me")
        assert not any("refused" in told for told in experiment.apply_acts())


def test_each_favoured_region_has_its_own_weight(tmp_path):
    with made.begin(tmp_path, budget={"points": 9}) as experiment:
        drive(experiment, made.Sample(), wait=False)
        state = experiment.state
        ends = Listed(candidates=(0, 1)), Listed(candidates=(1, 2))
        steering = replace(state.steering, favoured=((ends[0], 1.0), (ends[1], 3.0)))
        weights = _favoured(replace(state, steering=steering))
    assert weights[:4].tolist() == [1.0, 3.0, 3.0, 0.0]


def test_numbers_have_the_units_of_what_was_measured(tmp_path):
    band = {"kind": "band-integral", "low": 0.2, "high": 0.8}
    with made.begin(tmp_path, scalarizer=band, budget={"points": 4}) as experiment:
        assert experiment.outputs()[0].unit == ""
        drive(experiment, made.Sample(), wait=False)
        assert experiment.outputs()[0].unit == "counts eV"
        assert experiment.outputs()[0].text(2.0) == "integral 2 counts eV"


def test_a_goal_that_was_taken_back_begins_no_new_history(tmp_path):
    changes = {"stop": {"kind": "map-settled", "tolerance": 1e-6, "steps": 9}, "budget": {"points": 7}}
    with made.begin(tmp_path, **changes) as experiment:
        drive(experiment, made.Sample(), wait=False)
        before = made.state(experiment)["history"]
        assert len(before) == 3
        experiment.act(ChangeGoal(goal=Goal(direction="minimise")), who="me")
        experiment.apply_acts()
        assert experiment.state.history() == []
        experiment.act(Undo(), who="me")
        experiment.apply_acts()
        assert made.state(experiment)["history"] == before
        with Experiment.open(tmp_path, read_only=True) as other:
            assert made.state(other) == made.state(experiment)


def test_a_scalarizer_changes_the_numbers_of_all_spectra_at_once(tmp_path):
    with made.begin(tmp_path, budget={"points": 6}) as experiment:
        drive(experiment, made.Sample(), wait=False)
        _, before = experiment.state.values()
        low = MeanMagnitude.model_validate({"select": {"energy": {"low": 0.0, "high": 0.5}}})
        experiment.act(ChangeScalarizer(scalarizer=low, goal=Goal(direction="minimise")), who="me")
        assert "scalarizer" in experiment.apply_acts()[0]
        _, after = experiment.state.values()
        candidates = [one.candidate for one in experiment.state.measured]
        np.testing.assert_allclose(after[:, 0], np.abs(made.sample()[2][candidates, 0]))
        assert experiment.state.steering.signs == (-1.0,)
        experiment.act(Undo(), who="me")
        experiment.apply_acts()
        np.testing.assert_array_equal(experiment.state.values()[1], before)
    assert verify(tmp_path) == []


def test_what_is_rejected_is_not_learned_from_and_may_be_measured_again(tmp_path):
    with made.begin(tmp_path, budget={"points": 6}) as experiment:
        drive(experiment, made.Sample(), wait=False)
        rejected = experiment.state.measured[2].candidate
        experiment.act(Reject(measurement=2), who="me")
        experiment.apply_acts()
        assert rejected not in experiment.state.values()[0]
        assert experiment.state.allowed()[rejected]


def test_no_measurement_is_lost_over_what_is_beside_its_numbers(tmp_path):
    with made.begin(tmp_path) as experiment:
        spectrum = made.Sample().measure(np.zeros(2))
        times = np.array(["2026-01-01"] * 8, "datetime64[ns]")
        odd = spectrum.assign_coords(time=("energy", times)).assign_attrs(driver=object(), units="counts")
        one = experiment.tell(3, odd)
        assert one.spectrum is not None
        kept = experiment.trace.get_dataarray(one.spectrum)
        np.testing.assert_array_equal(kept.values, spectrum.values)
        assert "energy" in kept.coords
        assert "time" not in kept.coords
        assert kept.attrs["units"] == "counts"
        impossible = xr.DataArray(np.array([object()] * 8), spectrum.coords, spectrum.dims)
        lost = experiment.tell(4, impossible)
        assert lost.spectrum is None
        assert "cannot be stored" in lost.problem
        wide = experiment.tell(5, spectrum.astype(np.longdouble))
        assert wide.spectrum is not None
        assert np.isfinite(wide.scalars[0].value)
    assert verify(tmp_path) == []


class Odd(MeanMagnitude):
    """A scalarizer of somebody's own, with mistakes."""

    def __call__(self, spectrum):
        return {0: (), 1: (Scalar("x"),), 2: 3, 3: (Scalar(1.0), Scalar(2.0))}[int(spectrum.attrs["mistake"])]


def test_no_measurement_is_lost_over_a_scalarizer_with_a_mistake(tmp_path):
    wanted = made.settings().model_copy(update={"scalarizer": Odd()})
    with Experiment.create(tmp_path, wanted, made.Sample().survey()) as experiment:
        experiment.state.steering = Steering.configured(wanted)
        spectrum = made.Sample().measure(np.zeros(2))
        for mistake in range(4):
            one = experiment.tell(mistake, spectrum.assign_attrs(mistake=mistake))
            assert one.spectrum is not None
            assert np.isnan(one.scalars[0].value)
            assert one.scalars[0].reason
    assert verify(tmp_path) == []


def test_spectra_may_change_their_shape(tmp_path):
    sample = made.Sample(lambda candidate, spectrum: spectrum[: 8 - candidate % 3])
    with made.begin(tmp_path, budget={"points": 6}) as experiment:
        drive(experiment, sample, wait=False)
        table = experiment.to_dataset()
    assert np.isfinite(table["value"].values).all()
    assert "spectrum" not in table


class Broken(Random):
    """A policy of somebody's own, with a mistake."""

    def acquisition(self, view):
        raise KeyError("no such thing")


def test_a_policy_that_fails_pauses_it_and_another_goes_on_as_if_it_had_not_been(tmp_path):
    with made.begin(tmp_path / "a", budget={"points": 7}) as experiment:
        drive(experiment, made.Sample(), wait=False)
        expected = [one.candidate for one in experiment.state.measured]
    with made.begin(tmp_path / "b", budget={"points": 7}) as experiment:
        good = experiment.state.steering.policy
        for _ in range(5):
            tell(experiment, experiment.ask().candidates[0])
        object.__setattr__(experiment.state.steering, "policy", Broken())
        asked = experiment.ask()
        assert "no such thing" in asked.messages[0]
        assert asked.waiting == experiment.state.flow.paused
        assert "no choice could be made" in asked.waiting
        object.__setattr__(experiment.state.steering, "policy", good)
        experiment.resume("by me")
        drive(experiment, made.Sample(), wait=False)
        assert [one.candidate for one in experiment.state.measured] == expected


def test_a_model_does_without_what_is_missing(tmp_path):
    sample = made.Sample(lambda candidate, spectrum: spectrum * np.nan if candidate % 3 == 0 else spectrum)
    with made.begin(tmp_path, budget={"points": 12}) as experiment:
        assert drive(experiment, sample, wait=False) == "12 of 12 points are measured"
        assert experiment.fit is not None


def test_an_interrupted_fit_is_made_again_and_is_the_same(tmp_path, monkeypatch):
    import nescio.explore.surrogates.surrogate as module

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    found = []
    for interrupted in (False, True):
        with made.begin(tmp_path / str(interrupted), budget={"points": 8}) as experiment:
            for _ in range(6):
                tell(experiment, experiment.ask().candidates[0])
            if interrupted:
                with monkeypatch.context() as patched:
                    # By then it was trained a little further.
                    patched.setattr(module, "given", interrupt)
                    with pytest.raises(InterruptedExplorationError):
                        drive(experiment, made.Sample(), wait=False)
            drive(experiment, made.Sample(), wait=False)
            found.append([(one.candidate, experiment.fit.mean.tolist()) for one in experiment.state.measured])
    assert found[0] == found[1]


def test_an_experiment_has_one_record_and_one_process(tmp_path):
    with made.begin(tmp_path):
        with pytest.raises(TraceError, match="exists already"):
            made.begin(tmp_path)
        with pytest.raises(TraceError, match="another process is running"):
            Experiment.open(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} <= {"trace.sqlite", "trace.sqlite.lock"}


def test_where_nothing_can_be_written_is_told_and_what_a_killed_start_left_is_removed(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="file"):
        made.begin(tmp_path / "file")
    left = tmp_path / "run" / "trace.sqlite.1.partial"
    left.parent.mkdir()
    left.write_text("half a trace")
    with made.begin(tmp_path / "run"):
        assert not left.exists()


def test_a_record_cut_short_is_told_in_one_line(tmp_path):
    with made.begin(tmp_path) as experiment:
        drive(experiment, made.Sample(), wait=False)
    path = tmp_path / "trace.sqlite"
    path.write_bytes(path.read_bytes()[:-20_000])
    with pytest.raises(TraceError, match=r"trace\.sqlite") as caught:
        Experiment.open(tmp_path)
    assert "\n" not in str(caught.value)
    path.write_bytes(b"")
    with pytest.raises(TraceError, match="not a Nescio trace"):
        Experiment.open(tmp_path)


@pytest.mark.parametrize(
    ("survey", "said"),
    [
        (xr.Dataset(), "position"),
        (xr.Dataset({"image": (("channel", "y", "x"), np.zeros((1, 4, 4)))}), "position"),
        (made.Sample().survey().isel(candidate=slice(0)), "positions have shape"),
        (made.Sample().survey().isel(coordinate=0, drop=True), "dimensions"),
        (made.Sample().survey() * np.nan, "not finite|finite number"),
    ],
)
def test_a_survey_that_gives_no_candidates_leaves_no_record(tmp_path, survey, said):
    with pytest.raises(NescioError, match=said) as caught:
        Experiment.create(tmp_path, made.settings(), survey)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_candidates_that_are_not_there_are_refused(tmp_path):
    with made.begin(tmp_path) as experiment:
        for candidate in (-1, 100):
            with pytest.raises(ExplorationError, match="there are 0 to 99"):
                experiment.tell(candidate, None)
        assert experiment.state.step == 0


def test_everything_is_in_the_record(tmp_path):
    with made.begin(tmp_path, budget={"points": 6}) as experiment:
        drive(experiment, made.Sample(), wait=False)
        first, second = [one for _, one in experiment.trace.all(Decision) if one.origin == "policy"]
        assert (first.step, second.step) == (4, 5)
        assert first.model["kind"] == "coordinates"
        assert set(first.timing) == {"fit", "choose"}
        maps = experiment.trace.get_dataset(second.maps)
        np.testing.assert_allclose(maps["mean"].values, experiment.view.mean, rtol=1e-6)
        assert maps["acquisition"].values[second.chosen[0]] == np.nanmax(maps["acquisition"].values)
        _, last = experiment.trace.last(Measurement)
        np.testing.assert_array_equal(last.position, experiment.candidates.position(last.candidate))
    with Experiment.open(tmp_path, read_only=True) as again:
        seen = again.last_fit()
        np.testing.assert_array_equal(seen.mean, experiment.fit.mean)
        assert float(again.to_dataset()["predicted"][-1, 0]) == maps["mean"].values[last.candidate, 0]


def test_beside_the_model_a_step_takes_milliseconds(tmp_path):
    import time

    rng = np.random.default_rng(0)
    survey = xr.Dataset(
        {
            "position": (
                ("candidate", "coordinate"),
                np.stack(np.divmod(np.arange(3600), 60), 1).astype(float),
            ),
            "features": (("candidate", "feature"), rng.normal(size=(3600, 8))),
        },
        {"coordinate": ["y", "x"]},
    )
    survey["position"].attrs["units"] = "um"
    spectrum = made.Sample().measure(np.zeros(2))
    wanted = made.settings(budget={"points": 300}, seeds={"points": 250})
    with Experiment.create(tmp_path, wanted, survey) as experiment:
        for candidate in experiment.ask(150).candidates:
            experiment.tell(candidate, spectrum)
        taken = []
        for _ in range(30):
            start = time.perf_counter()
            experiment.apply_acts()
            choice = experiment.ask()
            experiment.tell(choice.candidates[0], spectrum)
            taken.append(time.perf_counter() - start)
    assert np.median(taken) < 0.1


@pytest.mark.parametrize("kind", ["thompson", "upper-confidence-bound"])
def test_several_places_are_chosen_at_once(tmp_path, kind):
    with made.begin(tmp_path, policy={"kind": kind}, batch=3, budget={"points": 12}) as experiment:
        sample = made.Sample()
        assert drive(experiment, sample, wait=False) == "12 of 12 points are measured"
        assert len(set(sample.asked)) == 12
        assert next(len(d.chosen) for _, d in experiment.trace.all(Decision) if d.origin == "policy") == 3


def test_regions_of_the_file_hold_from_the_beginning(tmp_path):
    half = {"kind": "listed", "candidates": list(range(20))}
    with made.begin(tmp_path, forbidden=[half], budget={"points": 10}) as experiment:
        sample = made.Sample()
        drive(experiment, sample, wait=False)
        assert min(sample.asked) >= 20


def test_favoured_regions_of_the_file_are_gone_to(tmp_path):
    # Where the hill is not.
    corner = [int(i) for i in np.argsort(made.Sample().spectra.mean(1))[:30]]
    gone = []
    for name, favoured in (("plain", []), ("steered", [{"kind": "listed", "candidates": corner}])):
        with made.begin(tmp_path / name, favoured=favoured, budget={"points": 14}) as experiment:
            drive(experiment, sample := made.Sample(), wait=False)
            gone.append(len(set(sample.asked[4:]) & set(corner)))
    assert gone[1] > gone[0]


def test_a_region_that_does_not_fit_is_refused_before_anything_is_measured(tmp_path):
    far = {"kind": "listed", "candidates": [100_000]}
    with pytest.raises(ExplorationError, match="100000"):
        made.begin(tmp_path, forbidden=[far])


def test_a_dose_that_nothing_counts_is_refused(tmp_path):
    with pytest.raises(ValueError, match="a dose limit of 5 has no effect while dose_per_point is 0"):
        made.settings(budget={"points": 5, "dose": 5.0})
    with made.begin(tmp_path) as experiment:
        experiment.act(ChangeBudget(budget=Budgets(dose=5.0)), who="me")
        assert "has no effect" in experiment.apply_acts()[0]
