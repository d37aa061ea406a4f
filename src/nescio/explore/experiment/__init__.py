"""The experiment: choose the next measurement, record the results, apply a person's acts."""

from nescio.explore.experiment.acts import (
    ACTS,
    Approve,
    ChangeBudget,
    ChangeCosts,
    ChangeGoal,
    ChangeMode,
    ChangePolicy,
    ChangeScalarizer,
    Decline,
    Favour,
    Forbid,
    Measure,
    PauseAct,
    PersonAct,
    Reject,
    Resume,
    Step,
    Stop,
    Undo,
    build_act,
)
from nescio.explore.experiment.begin import open_experiment
from nescio.explore.experiment.decision import with_model
from nescio.explore.experiment.experiment import Experiment
from nescio.explore.experiment.loop import Observer, drive, resumable, resume_command
from nescio.explore.experiment.state import Measured, Next, State
from nescio.explore.experiment.steering import Accepted, Steering

__all__ = [
    "ACTS",
    "Accepted",
    "Approve",
    "ChangeBudget",
    "ChangeCosts",
    "ChangeGoal",
    "ChangeMode",
    "ChangePolicy",
    "ChangeScalarizer",
    "Decline",
    "Experiment",
    "Favour",
    "Forbid",
    "Measure",
    "Measured",
    "Next",
    "Observer",
    "PauseAct",
    "PersonAct",
    "Reject",
    "Resume",
    "State",
    "Steering",
    "Step",
    "Stop",
    "Undo",
    "build_act",
    "drive",
    "open_experiment",
    "resumable",
    "resume_command",
    "with_model",
]
