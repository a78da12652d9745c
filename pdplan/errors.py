"""The error tree, and the exit code each branch means at the command line.

::

    PdplanError
    ├── InputError            exit 2: what was given is wrong (name, unit, value, file)
    │   ├── UnitError             a quantity string that is not understood
    │   ├── UnknownNameError      a name that is not in the catalog (with suggestions)
    │   ├── ScenarioError         a scenario file, with line number
    │   └── UnsupportedError      understood, but its physics is not modelled (refused by name)
    └── InfeasibleError       exit 1: an honest no, with the constraint that binds
        └── UnstableError         a station is asked for more than it can serve

Anything else that escapes is a bug in pdplan: exit 3.

Every message is one line: what, value, limit, remedy.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

EXIT_OK = 0
EXIT_NO = 1
EXIT_BAD_INPUT = 2
EXIT_BUG = 3


class PdplanError(Exception):
    """Root of everything pdplan raises on purpose."""

    exit_code = EXIT_BUG


class InputError(PdplanError, ValueError):
    """What was given is wrong."""

    exit_code = EXIT_BAD_INPUT


class UnitError(InputError):
    """A quantity string that is not understood, or has the wrong dimension."""


class UnknownNameError(InputError):
    """A name that is not in the catalog."""


class ScenarioError(InputError):
    """A scenario file that cannot be used; the message carries file and line."""


class UnsupportedError(InputError):
    """Understood, but its physics is not modelled yet: refused by name, never ignored."""


class InfeasibleError(PdplanError):
    """An honest no: no answer satisfies the constraints."""

    exit_code = EXIT_NO


class UnstableError(InfeasibleError):
    """A station is offered at least as much work as it can do."""


def did_you_mean(name: str, known: Iterable[str], *, limit: int = 3) -> str:
    """Return ``"; did you mean a, b?"`` for the closest known names, or an empty string.

    Examples
    --------
    >>> did_you_mean("lama-3.1-8b", ["llama-3.1-8b", "qwen3-8b"])
    '; did you mean llama-3.1-8b?'
    >>> did_you_mean("zzz", ["llama-3.1-8b"])
    ''
    """
    folded = {k.lower(): k for k in known}
    close = difflib.get_close_matches(str(name).lower(), list(folded), n=limit, cutoff=0.6)
    return f"; did you mean {', '.join(folded[c] for c in close)}?" if close else ""
