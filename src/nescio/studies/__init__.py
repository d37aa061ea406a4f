"""Studies: reproductions of publications, a comparison of exploration methods, and demonstrations.

`nescio reproduce` and `nescio demo` run them. Each study is loaded when one of its names is first used.
"""

from typing import TYPE_CHECKING

from nescio.lazy import attach

if TYPE_CHECKING:
    from nescio.studies.banko2021 import BANKO2021_TARGETS, reproduce_banko2021
    from nescio.studies.demos import (
        demonstrate_absorption,
        demonstrate_diffraction,
        demonstrate_microscope,
        write_demo_index,
    )
    from nescio.studies.dkl import comparison_table, plan_comparison
    from nescio.studies.measured import DEMO_FILES, check_measured
    from nescio.studies.xanes import XANES_TARGETS, reproduce_xanes

__all__ = [
    "BANKO2021_TARGETS",
    "DEMO_FILES",
    "XANES_TARGETS",
    "check_measured",
    "comparison_table",
    "demonstrate_absorption",
    "demonstrate_diffraction",
    "demonstrate_microscope",
    "plan_comparison",
    "reproduce_banko2021",
    "reproduce_xanes",
    "write_demo_index",
]

__getattr__, __dir__ = attach(
    __name__,
    {
        "banko2021": ["BANKO2021_TARGETS", "reproduce_banko2021"],
        "demos": [
            "demonstrate_absorption",
            "demonstrate_diffraction",
            "demonstrate_microscope",
            "write_demo_index",
        ],
        "dkl": ["comparison_table", "plan_comparison"],
        "measured": ["DEMO_FILES", "check_measured"],
        "xanes": ["XANES_TARGETS", "reproduce_xanes"],
    },
)
