"""Lines of formulas, broken to a width."""

from __future__ import annotations

import textwrap


def wrapped(line: str, width: int, indent: int) -> list[str]:
    """Break a line at spaces, but never between a number and its unit; keep its leading spaces.

    Examples
    --------
    >>> wrapped("W = 2 [s] + 0.25 [s]", 14, 2)
    ['  W = 2 [s] +', '    0.25 [s]']
    """
    lead = len(line) - len(line.lstrip(" "))
    glued = line.lstrip(" ").replace(" [", "\x1f[")
    first = " " * (indent + lead)
    return [
        part.replace("\x1f", " ")
        for part in textwrap.wrap(
            glued,
            width,
            initial_indent=first,
            subsequent_indent=" " * (indent + max(lead, 1) + 3 if lead else indent + 2),
            break_long_words=False,
            break_on_hyphens=False,
        )
    ]
