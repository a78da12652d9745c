"""What every face shares: the scenario asked for, JSON on stdout, talk on stderr, the width of the text."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pdplan.errors import InfeasibleError

if TYPE_CHECKING:
    from pdplan.spec.scenario import Scenario


def load(source: str | None, overrides: tuple[str, ...]) -> Scenario:
    """Return the scenario asked for; without one, the built-in example, and say so on standard error."""
    from pdplan.spec.builtin import builtin_scenario
    from pdplan.spec.loading import load_scenario

    if source is None:
        print(
            "pdplan: no scenario given: this is the built-in example (pdplan plan FILE.yaml)", file=sys.stderr
        )
        return builtin_scenario(overrides)
    return load_scenario(source, overrides=overrides)


def print_json(document: Any) -> None:
    """Print one document: stable key order, no NaN, a newline at the end."""
    from pdplan.planner.json_text import document_text

    sys.stdout.write(document_text(document))


@contextmanager
def no_as_json(command: str, *, as_json: bool) -> Iterator[None]:
    """Print an honest no as JSON where JSON was asked for; the error goes on and gives the exit code."""
    try:
        yield
    except InfeasibleError as error:
        if as_json:
            from pdplan.planner.json_text import refusal_document

            print_json(refusal_document(error, command))
        raise


def width() -> int:
    """Columns to write for: the terminal's, between 60 and 120; 80 where there is no terminal."""
    if sys.stdout.isatty() or "COLUMNS" in os.environ:
        return max(60, min(120, shutil.get_terminal_size((80, 24)).columns))
    return 80


def colour() -> bool:
    """Whether to colour: a terminal, and nobody asked for plain text."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
