"""Numbers in sentences that a simulation, a trace or a search said: each with the sentence it stands in."""

from __future__ import annotations

import re

from pdplan import units
from pdplan.planner.working.build import given
from pdplan.symbolic import Derivation
from pdplan.trust import Trust

#: A number that is not part of a name (p95, TP2, h100), with the unit after it.
_TOKEN = re.compile(
    r"(?<![\w.-])(?P<number>\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?)"
    r"(?P<unit>%| (?:ns|us|ms|s|min|h)\b| req/(?:s|min|h)| (?:[KMGT]i?)?B\b)?(?![\w-])"
)
_DIMENSIONS = (("time", "s"), ("rate", "1/s"), ("bytes", "B"))


def spoken(text: str) -> list[tuple[str, float, str]]:
    """Return every number of a sentence: as printed, in SI, its unit.

    Examples
    --------
    >>> spoken("20,000 requests of chat-2: ttft p95 <= 500 ms: 354 ms, 99%")
    [('20,000', 20000.0, ''), ('500 ms', 0.5, 's'), ('354 ms', 0.354, 's'), ('99%', 0.99, '')]
    """
    found = []
    for m in _TOKEN.finditer(text):
        plain, unit = float(m["number"].replace(",", "")), (m["unit"] or "").strip()
        if unit == "%":
            found.append((m[0], plain / 100.0, ""))
            continue
        known = next(((d, si) for d, si in _DIMENSIONS if unit in units.DIMENSIONS[d][1]), None)
        factor = units.DIMENSIONS[known[0]][1][unit] if known else 1.0
        found.append((m[0], plain * factor, known[1] if known else ""))
    return found


def spoken_derivations(name: str, text: str, where: str, trust: Trust = Trust.SIMULATED) -> list[Derivation]:
    """Return the numbers of a sentence as ``name.1``, ``name.2``, ..."""
    return [
        given(f"{name}.{i}", f"{printed} in: {text}", "x", unit, value, where, trust=trust)
        for i, (printed, value, unit) in enumerate(spoken(text), 1)
    ]
