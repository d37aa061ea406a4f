"""Input checks shared by all agents: the level alpha and the axis of prepared signals."""

from __future__ import annotations

import numpy as np
import xarray as xr

from nescio.errors import AgentError

__all__ = ["check_alpha", "check_axis"]


def check_alpha(alpha: float, calibrated: int | None, setting: str) -> None:
    """Check that a level lies between 0 and 1 and not below the smallest possible p-value.

    Args:
        alpha: The level.
        calibrated: Number of known scores for the p-values; None if there are no p-values.
        setting: Setting that increases this number, for the message.

    Raises:
        AgentError: The level is outside 0 to 1 or below the smallest p-value.
    """
    if not 0.0 < alpha < 1.0:
        raise AgentError(f"alpha must lie between 0 and 1, not {alpha:g}")
    if calibrated is not None and alpha < (smallest := 1.0 / (calibrated + 1)):
        raise AgentError(
            f"alpha {alpha:g} is below the smallest p-value that this agent can give, {smallest:.2g}; "
            f"no measurement could be novel. Train with more {setting}, or choose a larger alpha"
        )


def check_axis(prepared: xr.Dataset, axis: xr.DataArray) -> None:
    """Check that a dataset has prepared signals on an axis.

    Raises:
        AgentError: There are no signals, or they have another axis.
    """
    name = str(axis.name)
    if "intensity" not in prepared or prepared["intensity"].dims != ("measurement", name):
        raise AgentError(
            f"prepared measurements need a variable intensity with dimensions (measurement, {name})"
        )
    given = np.asarray(prepared[name].values, np.float64)
    if given.shape != axis.shape or not np.allclose(given, axis.values, rtol=0, atol=1e-6):
        raise AgentError(
            f"the measurements are not on the agent's axis ({axis.values[0]:g} to {axis.values[-1]:g} "
            f"{axis.attrs.get('units', '')}, {axis.size} points); prepare them with this agent's prior"
        )
