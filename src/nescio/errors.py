"""The errors a user can meet; each message names the value, the place and what would be right."""

__all__ = [
    "AgentError",
    "CheckpointError",
    "ConfigurationError",
    "ConnectionLostError",
    "ExplorationError",
    "FeffError",
    "FileError",
    "InstrumentError",
    "InterruptedExplorationError",
    "InterruptedTrainingError",
    "MeasurementError",
    "MissingExtraError",
    "NescioError",
    "NescioWarning",
    "RefusedPositionError",
    "ScalarizerError",
    "StructureError",
    "TraceError",
    "printable",
]

_LONGEST = 2000
_BLANKS = str.maketrans(dict.fromkeys("\t\n\r", " "))


def printable(text: str) -> str:
    r"""Return text as any file and terminal can hold it, in one line.

    A character that no terminal prints becomes ``\n`` or ``\u200b``, a byte of a file name that is not UTF-8 ``\xe9``.
    """
    return text if text.isprintable() else "".join(map(_printable, text))


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    # Python keeps the bytes of a name that is not UTF-8 as lone surrogates.
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


class NescioError(Exception):
    """Base of all errors caused by input or environment; the message is meant for the user."""

    def __str__(self) -> str:
        """Return the message as one printable line."""
        text = super().__str__()
        text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."
        return printable(text if text.isprintable() else text.translate(_BLANKS))


class FileError(NescioError):
    """A file is missing, empty, malformed or of an unknown kind, or cannot be written."""


class ConfigurationError(NescioError):
    """A configuration has an unknown key, or a value that is physically or logically impossible."""


class StructureError(NescioError):
    """A crystal structure cannot be used: no cell, no sites, an unknown element, an impossible symmetry."""


class MeasurementError(NescioError):
    """Measured data cannot be used: no overlap with the prior's range, no wavelength, non-finite axis."""


class AgentError(NescioError):
    """A saved agent is incomplete, damaged or of another version, or does not match the data."""


class CheckpointError(AgentError):
    """A training cannot continue from its saved state: it is damaged or belongs to another prior or other settings."""


class MissingExtraError(NescioError):
    """An optional dependency is not installed; the message names the extra to install."""


class InterruptedTrainingError(NescioError):
    """Training was interrupted by the user; the message says how to resume it."""


class TraceError(NescioError):
    """The record of an experiment is missing, damaged, locked or of another version."""


class ScalarizerError(NescioError):
    """A scalarizer cannot compute its number from a spectrum; the message states the reason."""


class InstrumentError(NescioError):
    """A measurement failed; the same request may succeed later."""


class RefusedPositionError(InstrumentError):
    """An instrument refuses a position; the same request will not succeed later."""


class ConnectionLostError(InstrumentError):
    """The connection to an instrument is lost; no measurement is possible until it is restored."""


class ExplorationError(NescioError):
    """An experiment cannot start or continue: no candidates, nothing left to measure, or a goal without values."""


class InterruptedExplorationError(NescioError):
    """An experiment was interrupted by the user; the message says how to resume it."""


class FeffError(NescioError):
    """A FEFF calculation did not finish: the program is missing, was stopped or rejected its input."""


class NescioWarning(UserWarning):
    """A problem that stops nothing, such as a cache that cannot be saved or files that were skipped."""
