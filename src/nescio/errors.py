"""The errors a user can meet; each message names the value, the place and what would be right."""

__all__ = [
    "AgentError",
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
    """Anything that went wrong because of what Nescio was given, told in the user's terms."""

    def __str__(self) -> str:
        """Return the message in one line, however hostile the input that it quotes."""
        text = super().__str__()
        text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."
        return printable(text if text.isprintable() else text.translate(_BLANKS))


class FileError(NescioError):
    """A file cannot be read as what it should be: missing, empty, malformed, of an unknown kind."""


class ConfigurationError(NescioError):
    """A configuration holds an unknown key, or a value outside what is physically or logically possible."""


class StructureError(NescioError):
    """A crystal structure cannot be used: no cell, no sites, an unknown element, an impossible symmetry."""


class MeasurementError(NescioError):
    """Measured data cannot be used: no overlap with the prior's range, no wavelength, non-finite axis."""


class AgentError(NescioError):
    """A saved agent is incomplete, damaged or of another version, or does not fit the data given to it."""


class MissingExtraError(NescioError):
    """An optional dependency is needed that is not installed; the message names the extra to install."""


class InterruptedTrainingError(NescioError):
    """Training was interrupted by the user; the message says how to resume it."""


class TraceError(NescioError):
    """The record of an experiment is missing, damaged, locked or of another version."""


class ScalarizerError(NescioError):
    """A spectrum cannot be turned into the number asked for; the message says why."""


class InstrumentError(NescioError):
    """An instrument did not measure what it was asked to; the same request may succeed later."""


class RefusedPositionError(InstrumentError):
    """An instrument will not go to a position, now or later."""


class ConnectionLostError(InstrumentError):
    """The connection to an instrument is gone; nothing more can be measured until it is back."""


class ExplorationError(NescioError):
    """An experiment cannot start or go on: no candidates, nothing left to measure, a goal that cannot be computed."""


class InterruptedExplorationError(NescioError):
    """An experiment was interrupted by the user; the message says how to resume it."""


class FeffError(NescioError):
    """A calculation by FEFF did not come to its end: the program is missing, was stopped, or refused its input."""
