"""The program `nescio` and its commands."""

from __future__ import annotations

from typing import Annotated

import typer

from nescio.cli.assess import assess
from nescio.cli.demo import demo
from nescio.cli.doctor import doctor
from nescio.cli.explore import explore
from nescio.cli.feff import feff
from nescio.cli.identify import identify
from nescio.cli.learn import learn
from nescio.cli.options import TechniqueCommand
from nescio.cli.outcome import guarded
from nescio.cli.reproduce import reproduce
from nescio.cli.trace import trace
from nescio.version import __version__

__all__ = ["application", "main"]

application = typer.Typer(
    name="nescio",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=(
        "Exit codes: 0 all done; 1 done, but something in it is not right (a file that could not be read, a damaged "
        "record); 2 an error; 3 an experiment waits for a person; 130 interrupted."
    ),
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"nescio {__version__}")
        raise typer.Exit


@application.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Agents for materials characterisation that know what they do not know."""


application.command()(guarded(learn))
application.command(cls=TechniqueCommand)(guarded(assess))
application.command(cls=TechniqueCommand)(guarded(identify))
for _verb in (explore, reproduce, feff, demo):
    application.command()(guarded(_verb))
application.command()(guarded(doctor, compiles=False))
application.add_typer(trace, name="trace")


def main() -> None:
    """Run the command line."""
    application()
