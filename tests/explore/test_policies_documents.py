"""A policy is the same after storing and reading it; invalid policies are refused in the user's terms."""

import json
import re
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from nescio.errors import ConfigurationError
from nescio.explore.candidates import build_region
from nescio.explore.policies import (
    CostAware,
    EpsilonGreedy,
    ExpectedImprovement,
    Policy,
    UpperConfidenceBound,
    build_policy,
)
from nescio.explore.stopping import build_criterion

EXAMPLES = [
    {"kind": "expected-improvement", "xi": 0.1, "best": "observed"},
    {"kind": "upper-confidence-bound", "kappa": 1},
    {"kind": "probability-of-improvement", "xi": 0.3},
    {"kind": "thompson"},
    {"kind": "maximum-variance", "noise": True},
    {"kind": "epsilon-greedy", "epsilon": 0.2, "policy": {"kind": "upper-confidence-bound", "kappa": 0.5}},
    {"kind": "coverage"},
    {"kind": "random"},
    {"kind": "hypervolume-improvement", "reference": [0.0, -1.5]},
    {"kind": "cost-aware", "policy": {"kind": "random"}, "weight": 0.5, "speed": 3.0},
    {
        "kind": "schedule",
        "stages": [
            {"policy": {"kind": "coverage"}},
            {"from_step": 20, "policy": {"kind": "epsilon-greedy", "policy": {"kind": "thompson"}}},
        ],
    },
]


def test_every_registered_kind_has_an_example():
    ours = {
        point.name
        for point in entry_points(group="nescio.policies")
        if point.value.startswith("nescio.explore.policies:")
    }
    assert {example["kind"] for example in EXAMPLES} == ours


@pytest.mark.parametrize("document", EXAMPLES, ids=lambda document: document["kind"])
def test_a_policy_is_the_same_after_json(document):
    policy = build_policy(document, "example")
    assert policy.kind == document["kind"]
    written = json.dumps(policy.document(), allow_nan=False)
    again = build_policy(json.loads(written), "again")
    assert again == policy
    assert type(again) is type(policy)
    assert again.document() == policy.document()
    for key, value in document.items():
        if key not in ("policy", "stages"):
            assert policy.document()[key] == value


def test_what_is_inside_is_written_out_in_full():
    policy = EpsilonGreedy(policy=CostAware(policy=UpperConfidenceBound(kappa=3.0), weight=1.0))
    assert policy.document()["policy"]["policy"] == {
        "kind": "upper-confidence-bound",
        "kappa": 3.0,
        "final_kappa": None,
    }


def test_a_schedule_written_in_json_still_changes():
    again = build_policy(json.loads(json.dumps(build_policy(EXAMPLES[-1], "a").document())), "b")
    assert again.at(19).kind == "coverage"
    assert again.at(20).kind == "epsilon-greedy"


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "run.toml: needs a key kind"),
        ({"kind": "best"}, "run.toml: kind 'best' is not known (known: "),
        ({"kind": "thompson", "draws": 3}, "unknown key 'draws'"),
        ({"kind": "upper-confidence-bound", "kappa": -1}, "greater than or equal to 0, not -1"),
        ({"kind": "upper-confidence-bound", "kappa": float("inf")}, "finite number"),
        ({"kind": "upper-confidence-bound", "kappa": "2"}, "valid number, not '2'"),
        ({"kind": "epsilon-greedy", "epsilon": 1.5}, "less than or equal to 1, not 1.5"),
        (
            {"kind": "epsilon-greedy", "policy": {"kind": "random", "seed": 1}},
            "policy: random: unknown key 'seed'",
        ),
        ({"kind": "epsilon-greedy", "policy": "random"}, "policy: "),
        ({"kind": "epsilon-greedy", "policy": {"kind": "agent"}}, "policy: agent: kind 'agent' is not known"),
        ({"kind": "cost-aware", "seconds": 0.0}, "seconds: Input should be greater than 0"),
        (
            {"kind": "cost-aware", "policy": {"kind": "thompson"}},
            "weight is missing: the value of one second",
        ),
        ({"kind": "schedule", "stages": []}, "stages"),
        (
            {"kind": "schedule", "stages": [{"from_step": 5, "policy": {"kind": "random"}}]},
            "must begin at step 0, not at step 5",
        ),
        (
            {"kind": "schedule", "stages": [{"policy": {"kind": "random"}}] * 2},
            "stages must be in increasing order: step 0 follows step 0",
        ),
        ({"kind": "hypervolume-improvement", "reference": [1.0]}, "reference"),
    ],
)
def test_what_cannot_be_a_policy_is_refused_in_one_line(document, message):
    with pytest.raises(ConfigurationError) as caught:
        build_policy(document, "run.toml")
    assert message in str(caught.value)
    assert str(caught.value).startswith("run.toml: ")
    assert "\n" not in str(caught.value)


def test_endless_nesting_is_refused(monkeypatch):
    # Looking for installed packages at each level is what takes long.
    found = entry_points(group="nescio.policies")
    monkeypatch.setattr("nescio.registry.entry_points", lambda group: found)
    document = {"kind": "random"}
    for _ in range(19):
        document = {"kind": "epsilon-greedy", "policy": document}
    assert build_policy(document, "run.toml").policy.policy.kind == "epsilon-greedy"
    for _ in range(2000):
        document = {"kind": "epsilon-greedy", "policy": document}
    with pytest.raises(ConfigurationError, match=r"nested too deep \(more than 20 levels\)"):
        build_policy(document, "run.toml")
    # The depth is counted from the beginning again.
    assert build_policy({"kind": "random"}, "run.toml").kind == "random"


def test_policies_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        ExpectedImprovement().xi = 1.0
    assert isinstance(ExpectedImprovement(), Policy)


def test_every_table_on_the_page_about_policies_is_valid():
    page = Path(__file__).parents[2] / "docs" / "howto" / "policy.md"
    tables = re.findall(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    shown = set()
    for text in tables:
        document = tomllib.loads(text)
        if "policy" in document:
            shown.add(build_policy(document.pop("policy"), page.name).kind)
        for region in document.pop("forbidden", []) + document.pop("favoured", []):
            build_region(region, page.name)
        if "stop" in document:
            build_criterion(document.pop("stop"), page.name)
        assert not document
    assert shown >= {example["kind"] for example in EXAMPLES}
