"""Readings of a trained agent."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from nescio.errors import AgentError, ScalarizerError
from nescio.explore.scalarizers.base import Output, Scalar
from nescio.explore.scalarizers.curve import CurveScalarizer
from nescio.explore.scalarizers.fields import Whole

if TYPE_CHECKING:
    import xarray as xr

    from nescio.learn import ClassAgent

__all__ = ["AgentReading"]

_DOCUMENT = "agent.json"
# The value does not matter: the verdict is not used.
_ALPHA = 0.5


class AgentReading(CurveScalarizer):
    """A reading of an agent trained by `nescio learn`: novelty, class probability or latent position.

    The agent's technique prepares the spectrum as in `nescio assess`. The axis must have a name that the technique
    reads (``two_theta`` or ``q`` for diffraction). The attribute ``wavelength_angstrom`` is passed on. The uncertainty
    of these readings is unknown.
    """

    files: ClassVar[tuple[str, ...]] = ("agent",)
    kind: Literal["agent"] = "agent"
    agent: str
    """Folder of the agent."""
    digest: str = ""
    """Digest of the agent. It is read from the folder; a given digest is compared with it."""
    reading: Literal["p-value", "novelty", "latent", "probability"] = "novelty"
    label: str = ""
    """Class of the probability."""
    dimension: Annotated[Whole, Field(ge=0)] = 0
    """Dimension of the latent space, counted from 0, for ``latent``."""
    options: Mapping[str, Any] = Field(default_factory=dict)
    """Options of the technique's `prepare`, such as ``background``."""

    @model_validator(mode="before")
    @classmethod
    def _with_digest(cls, given: Any) -> Any:
        if not isinstance(given, Mapping) or not isinstance(given.get("agent"), str):
            return given
        wanted = given.get("digest", "")
        # A definition from a record is complete, even if the agent no longer exists.
        if wanted and not (Path(given["agent"]) / _DOCUMENT).exists():
            return given
        found = _digest(given["agent"])
        if wanted and wanted != found:
            raise ValueError(
                f"{given['agent']}: this is another agent (digest {found[:12]}, expected {str(wanted)[:12]})"
            )
        # The experiment may run in another working folder.
        return {**given, "agent": str(Path(given["agent"]).absolute()), "digest": found}

    @model_validator(mode="after")
    def _checked(self) -> Self:
        if (self.reading == "probability") != bool(self.label):
            raise ValueError("label is required for reading = 'probability' and not allowed otherwise")
        return self

    def _outputs(self, unit: str, axis_unit: str) -> tuple[Output, ...]:
        del unit, axis_unit
        texts = {
            "p-value": "share of calibration measurements at least as novel",
            "novelty": "novelty score",
            "latent": f"latent position, dimension {self.dimension}",
            "probability": f"probability of {self.label}",
        }
        return (Output(self._titled(self.reading, False), "1", texts[self.reading]),)

    def measure(self, spectrum: xr.DataArray) -> tuple[Scalar, ...]:
        """Return the reading.

        Raises:
            AgentError: The agent cannot be loaded, or has been replaced.
            MeasurementError: The spectrum cannot be prepared for the agent.
            ScalarizerError: The agent cannot assess the spectrum, or the class or dimension does not exist.
        """
        from nescio.techniques import find_technique

        agent = _loaded(self.agent, self.digest)
        if self.label and self.label not in agent.labels:
            raise ScalarizerError(f"the agent has no class {self.label!r} (known: {', '.join(agent.labels)})")
        measured = self._measured(spectrum)
        technique = find_technique(agent.prior.technique)
        prepared = technique.prepare(measured, agent.prior, **dict(self.options))
        findings = agent.assess(prepared, alpha=_ALPHA, progress=False).isel(measurement=0)
        if not np.isfinite(findings["novelty"].item()):
            raise ScalarizerError(str(findings["reason"].item()))
        if self.reading == "latent":
            latent = findings["latent"].values
            if self.dimension >= latent.size:
                raise ScalarizerError(
                    f"the agent's latent space has dimensions 0 to {latent.size - 1}, not {self.dimension}"
                )
            return (Scalar(float(latent[self.dimension])),)
        if self.reading == "probability":
            return (Scalar(float(findings["probability"].values[agent.labels.index(self.label)])),)
        name = {"p-value": "p_value", "novelty": "novelty"}[self.reading]
        return (Scalar(float(findings[name].item())),)

    def _measured(self, spectrum: xr.DataArray) -> xr.Dataset:
        """Return the spectrum as a dataset like those of the readers."""
        import xarray as xr

        curve = self.curve(spectrum)
        dim = curve.axis
        measured = xr.Dataset(
            {"intensity": (("measurement", dim), curve.y[None, :])},
            {"measurement": ["spectrum"], dim: (dim, curve.x, {"units": curve.unit})},
            {"source": "spectrum"},
        )
        if "wavelength_angstrom" in spectrum.attrs:
            measured.attrs["wavelength_angstrom"] = float(spectrum.attrs["wavelength_angstrom"])
        if "composition" in spectrum.coords and spectrum.coords["composition"].dims == ("element",):
            measured = measured.assign_coords(
                composition=(("measurement", "element"), spectrum.coords["composition"].values[None, :]),
                element=spectrum.coords["element"].values,
            )
        return measured


@lru_cache(maxsize=4)
def _loaded(folder: str, digest: str) -> ClassAgent:
    from nescio.learn import ClassAgent, load_agent

    agent = load_agent(folder, ClassAgent)
    found = _digest(folder)
    if found != digest:
        raise AgentError(
            f"{folder}: the agent has been replaced (digest {found[:12]}, expected {digest[:12]})"
        )
    return agent


def _digest(folder: str) -> str:
    """Return the digest of a saved agent."""
    from nescio.learn import agent_digest

    try:
        return agent_digest(folder)
    except AgentError as error:
        raise ValueError(str(error)) from None
