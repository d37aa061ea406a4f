"""What a learned agent says of a spectrum."""

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
# Any level will do: nothing is asked of the verdict.
_ALPHA = 0.5


class AgentReading(CurveScalarizer):
    """A reading of an agent that `nescio learn` made: how novel a spectrum is, or what it looks like.

    The spectrum is prepared by the agent's technique, as `nescio assess` does; its axis must bear a name that the
    technique reads (``two_theta`` or ``q`` for diffraction), and its attribute ``wavelength_angstrom`` is passed on.
    A single spectrum does not tell the uncertainty of these readings.
    """

    files: ClassVar[tuple[str, ...]] = ("agent",)
    kind: Literal["agent"] = "agent"
    agent: str
    """Its folder."""
    digest: str = ""
    """Of the agent; read from the folder when this is built, and compared with it when given."""
    reading: Literal["p-value", "novelty", "latent", "probability"] = "novelty"
    label: str = ""
    """Of the class whose probability is asked for."""
    dimension: Annotated[Whole, Field(ge=0)] = 0
    """Of the map, counted from 0; for ``latent``."""
    options: Mapping[str, Any] = Field(default_factory=dict)
    """For the technique's `prepare`, such as ``background``."""

    @model_validator(mode="before")
    @classmethod
    def _with_digest(cls, given: Any) -> Any:
        if not isinstance(given, Mapping) or not isinstance(given.get("agent"), str):
            return given
        wanted = given.get("digest", "")
        # A definition out of a record is complete, even where the agent is gone.
        if wanted and not (Path(given["agent"]) / _DOCUMENT).exists():
            return given
        found = _digest(given["agent"])
        if wanted and wanted != found:
            raise ValueError(
                f"{given['agent']}: is another agent (digest {found[:12]}, not {str(wanted)[:12]})"
            )
        # The experiment may run elsewhere than where this was typed.
        return {**given, "agent": str(Path(given["agent"]).absolute()), "digest": found}

    @model_validator(mode="after")
    def _checked(self) -> Self:
        if (self.reading == "probability") != bool(self.label):
            raise ValueError("a label is needed for the probability of a class, and for nothing else")
        return self

    def _outputs(self, unit: str, axis_unit: str) -> tuple[Output, ...]:
        del unit, axis_unit
        told = {
            "p-value": "share of known measurements at least as strange",
            "novelty": "novelty score",
            "latent": f"position on the map, dimension {self.dimension}",
            "probability": f"probability of {self.label}",
        }
        return (Output(self._titled(self.reading, False), "1", told[self.reading]),)

    def measure(self, spectrum: xr.DataArray) -> tuple[Scalar, ...]:
        """Return the reading.

        Raises:
            AgentError: The agent cannot be loaded, or is another one by now.
            MeasurementError: The spectrum cannot be prepared for it.
            ScalarizerError: The agent cannot read the spectrum, or has no such class or dimension.
        """
        from nescio.techniques import find_technique

        agent = _loaded(self.agent, self.digest)
        if self.label and self.label not in agent.labels:
            raise ScalarizerError(f"the agent knows no {self.label!r} (known: {', '.join(agent.labels)})")
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
                    f"the agent's map has {latent.size} dimensions; there is no {self.dimension}"
                )
            return (Scalar(float(latent[self.dimension])),)
        if self.reading == "probability":
            return (Scalar(float(findings["probability"].values[agent.labels.index(self.label)])),)
        name = {"p-value": "p_value", "novelty": "novelty"}[self.reading]
        return (Scalar(float(findings[name].item())),)

    def _measured(self, spectrum: xr.DataArray) -> xr.Dataset:
        """Return the spectrum in the form that readers give."""
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
        raise AgentError(f"{folder}: is another agent by now (digest {found[:12]}, not {digest[:12]})")
    return agent


def _digest(folder: str) -> str:
    """Return the digest that a saved agent bears."""
    from nescio.learn import agent_digest

    try:
        return agent_digest(folder)
    except AgentError as error:
        raise ValueError(str(error)) from None
