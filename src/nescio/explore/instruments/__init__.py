"""Instruments: drivers, replays, network connections, and the handling of faults."""

from nescio.explore.instruments.adaptive import AdaptiveAgent, RunOutcomes
from nescio.explore.instruments.asktell import AskTell
from nescio.explore.instruments.bluesky import BlueskyInstrument, BlueskySettings, explore_plan
from nescio.explore.instruments.faults import Attempt, FaultPolicy, Reconnectable, measure_with_retries
from nescio.explore.instruments.grids import GridReader
from nescio.explore.instruments.network import NetworkInstrument, NetworkSettings
from nescio.explore.instruments.protocol import Instrument
from nescio.explore.instruments.readings import ReadSpectrum, SpectrumField
from nescio.explore.instruments.replay import Replay
from nescio.explore.instruments.replay_settings import ReplaySettings
from nescio.explore.instruments.server import Server, serve

__all__ = [
    "AdaptiveAgent",
    "AskTell",
    "Attempt",
    "BlueskyInstrument",
    "BlueskySettings",
    "FaultPolicy",
    "GridReader",
    "Instrument",
    "NetworkInstrument",
    "NetworkSettings",
    "ReadSpectrum",
    "Reconnectable",
    "Replay",
    "ReplaySettings",
    "RunOutcomes",
    "Server",
    "SpectrumField",
    "explore_plan",
    "measure_with_retries",
    "serve",
]
