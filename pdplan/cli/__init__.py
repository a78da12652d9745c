"""The command line: parse, call one planner function, print."""

from pdplan.cli.app import main

__all__ = ["main"]
