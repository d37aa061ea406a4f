"""Command-line options declared by techniques; no technique is imported here."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import typer
from typer.core import TyperCommand

from nescio.errors import ConfigurationError, NescioError

if TYPE_CHECKING:
    from nescio.options import Option, TechniqueOptions

__all__ = ["Given", "TechniqueCommand", "given_options"]

_META = "nescio.options"


class Given(NamedTuple):
    """Given options, converted for a technique."""

    reading: dict[str, Any]
    preparing: dict[str, Any]


class TechniqueCommand(TyperCommand):
    """A command with the options of all installed techniques, grouped by technique."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters of the command, then those of the techniques."""
        own = super().get_params(ctx)
        return [*own, *_parameters({str(param.name) for param in own})]

    def invoke(self, ctx: Any) -> Any:
        """Run the command; the techniques' options are in the context, not in its arguments."""
        own = {str(param.name) for param in super().get_params(ctx)}
        values = {name: ctx.params.pop(name) for name in list(ctx.params) if name not in own}
        ctx.meta[_META] = {name: value for name, value in values.items() if value not in (None, False)}
        return super().invoke(ctx)


def given_options(context: typer.Context, technique: str) -> Given:
    """Return the given options, converted for a technique.

    Args:
        context: Context of the command.
        technique: Name of the technique that reads the measurements.

    Raises:
        ConfigurationError: The technique has no such option, or a value has the wrong type.
    """
    from nescio.options import options_of

    given: dict[str, Any] = context.meta.get(_META, {})
    if not given:
        return Given({}, {})
    declared = options_of(technique)
    for name in given:
        if name not in declared.all:
            known = ", ".join(_flag(one) for one in declared.all) or "none"
            raise ConfigurationError(
                f"{_flag(name)}: technique {technique!r} has no such option (its options: {known})"
            )
    return Given(
        {name: _converted(name, given[name], one) for name, one in declared.read.items() if name in given},
        {name: _converted(name, given[name], one) for name, one in declared.prepare.items() if name in given},
    )


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _converted(name: str, text: Any, option: Option) -> Any:
    if option.type == "text" or isinstance(text, bool):
        return text
    if option.type == "flag":
        # Another technique declares this option with a value, so that the command line needs one here as well.
        if text.lower() in ("true", "yes"):
            return True
        raise ConfigurationError(f"{_flag(name)} {text}: needs true, or leave the option out")
    try:
        if option.type == "whole":
            return int(text)
        numbers = tuple(float(part) for part in text.split(","))
        if not all(map(math.isfinite, numbers)) or (option.type == "number" and len(numbers) != 1):
            raise ValueError
    except ValueError:
        wanted = {"whole": "a whole number", "number": "a number"}.get(
            option.type, "numbers, separated by commas"
        )
        raise ConfigurationError(f"{_flag(name)} {text}: needs {wanted}") from None
    return numbers[0] if option.type == "number" else numbers


def _parameters(taken: set[str]) -> list[Any]:
    """Return command-line parameters for the options of all techniques.

    An option name shared by several techniques is listed once, under the first technique, with the help of all. It is
    a flag only if it is one for all of them; else it takes a value, and a flag the value true.
    """
    declared: dict[str, list[tuple[TechniqueOptions, Option]]] = {}
    for options in _all_options():
        for name, option in options.all.items():
            if name not in taken:
                declared.setdefault(name, []).append((options, option))
    return _built({name: _information(name, owners) for name, owners in declared.items()})


def _all_options() -> list[TechniqueOptions]:
    """Return the options of all techniques; packages with invalid declarations are skipped with a note."""
    from nescio.options import options_of
    from nescio.techniques import available_techniques

    found = []
    for name in available_techniques():
        try:
            found.append(options_of(name))
        except NescioError as error:
            typer.echo(f"note: the options of technique {name!r} are skipped: {error}", err=True)
    return found


def _information(name: str, owners: list[tuple[TechniqueOptions, Option]]) -> tuple[type, Any]:
    """Return type and description of a parameter for Typer."""
    options, option = owners[0]
    flag = all(one.type == "flag" for _, one in owners)
    text = " ".join(one.help if len(owners) == 1 else f"{owner.title}: {one.help}" for owner, one in owners)
    metavar = None if flag else option.metavar or option.type.upper()
    described = typer.Option(
        None, _flag(name), help=text, metavar=metavar, rich_help_panel=options.title, show_default=False
    )
    return (bool if flag else str), described


def _built(described: dict[str, tuple[type, Any]]) -> list[Any]:
    """Return the parameters that Typer makes from a signature."""

    def holder(**_: Any) -> None:
        """Have parameters."""

    signed: Callable[..., None] = holder
    signed.__annotations__ = {name: kind | None for name, (kind, _) in described.items()}
    vars(signed)["__signature__"] = inspect.Signature(
        [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind | None)
            for name, (kind, default) in described.items()
        ]
    )
    application = typer.Typer(add_completion=False)
    application.command()(signed)
    made = typer.main.get_command(application)
    return [param for param in made.params if param.name in described]
