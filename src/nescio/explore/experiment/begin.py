"""Start a run from an experiment's file, or resume a run from its folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nescio.errors import ConfigurationError, InstrumentError, NescioError
from nescio.explore.experiment.experiment import Experiment
from nescio.explore.instruments import Instrument
from nescio.explore.settings import ExploreSettings, read_settings
from nescio.files import usable_folder

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["open_experiment"]

_TRACE = "trace.sqlite"


def open_experiment(
    what: str | Path, output: str | Path | None = None, *, say: Callable[[str], object] | None = None
) -> Experiment:
    """Start the experiment of a TOML file, or resume the run in a folder, with its instrument connected.

    Args:
        what: The TOML file, the folder of a run, or the record in it.
        output: Folder for a new run; default: the file's name without its suffix.
        say: Called with progress messages; a survey may take minutes.

    Returns:
        The experiment with a ready instrument, for :func:`nescio.explore.drive`.

    Raises:
        NescioError: The file or record is invalid, the instrument is not ready, or the folder contains a run already.
    """
    what, output = Path(what), None if output is None else Path(output)
    say = say or (lambda _: None)
    if not what.is_dir() and what.suffix != ".sqlite":
        return _started(what, output, say)
    folder = what if what.is_dir() else what.parent
    if output is not None and output.absolute() != folder.absolute():
        raise ConfigurationError(f"--output {output}: a run can only be resumed in its own folder, {folder}")
    return Experiment.open(what, connect=lambda settings: _built(settings.instrument, folder, say))


def _started(file: Path, output: Path | None, say: Callable[[str], object]) -> Experiment:
    settings = read_settings(file)
    folder = output or file.with_suffix("")
    if (folder / _TRACE).exists():
        raise ConfigurationError(
            f"{folder}: contains a run already; resume it with nescio explore {folder}, or choose another --output"
        )
    made = not folder.exists()
    usable_folder(folder)
    try:
        settings = settings.model_copy(
            update={"instrument": _seen_from(folder, settings.instrument, file.parent)}
        )
        return _surveyed(settings, folder, say)
    except BaseException:
        if made:
            # Nothing was measured; remove the folder if it is empty.
            with suppress(OSError):
                folder.rmdir()
        raise


def _surveyed(settings: ExploreSettings, folder: Path, say: Callable[[str], object]) -> Experiment:
    instrument = _built(settings.instrument, folder, say)
    say(f"surveying with {instrument.name}")
    try:
        survey = instrument.survey()
    except NescioError:
        raise
    except Exception as error:
        raise InstrumentError(
            f"{instrument.name}: the survey failed ({type(error).__name__}: {error})"
        ) from error
    say("computing the candidates")
    return Experiment.create(folder / _TRACE, settings, survey, instrument)


def _seen_from(folder: Path, instrument: BaseModel, home: Path) -> BaseModel:
    """Return the instrument's settings with its file paths relative to the run's folder."""
    moved = {}
    for name, value in instrument:
        if isinstance(value, Path) and not value.is_absolute():
            target = (home / value).resolve()
            try:
                moved[name] = Path(os.path.relpath(target, folder.resolve()))
            except ValueError:
                # On another drive.
                moved[name] = target
    return instrument.model_copy(update=moved)


def _built(settings: Any, folder: Path, say: Callable[[str], object]) -> Instrument:
    say(f"preparing the instrument ({settings.kind})")
    try:
        instrument: Instrument = settings.build(folder)
    except NescioError:
        raise
    except Exception as error:
        raise InstrumentError(
            f"instrument {settings.kind}: not ready ({type(error).__name__}: {error})"
        ) from error
    return instrument
