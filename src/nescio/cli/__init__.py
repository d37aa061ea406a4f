"""The front door: the verbs of the command line. Nothing heavy is loaded before a verb runs."""

from nescio.cli.application import main

__all__ = ["main"]
