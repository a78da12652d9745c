"""What is needed to show how a number came about."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pdplan.trust import Trust


@dataclass(frozen=True, eq=False)
class Derivation:
    """One quantity: the function that computed it and the numbers it was given.

    Parameters
    ----------
    name : str
        Dotted name of the quantity, e.g. ``ttft.prefill``.
    title : str
        What it is, in words.
    symbol : str
        Its symbol, e.g. ``E[W]``.
    unit : str
        Unit of the value, empty for pure numbers.
    value : float
        The number the plan shows.
    formula : callable, optional
        The very function that ran, if it is an expression; it is traced with sympy symbols.
    arguments : mapping of str to float
        Keyword arguments it was given.
    symbols : mapping of str to str
        Symbol of each argument; default the argument's name.
    units : mapping of str to str
        Unit of each argument.
    equation : str
        The defining equation of a quantity that is computed by transform, root or search.
    method : str
        How it was computed then, and how well.
    source : str
        Author, year, equation; default from the docstring of ``formula``.
    """

    name: str
    title: str
    symbol: str
    unit: str
    value: float
    formula: Callable[..., Any] | None = None
    arguments: Mapping[str, float] = field(default_factory=dict)
    symbols: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    equation: str = ""
    method: str = ""
    source: str = ""
    trust: Trust = Trust.EXACT


@dataclass(frozen=True, slots=True)
class Shown:
    """One quantity, ready to print: formula, numbers in it, value, source."""

    name: str
    title: str
    formula: str
    substituted: str
    value: str
    latex: str
    where: tuple[str, ...]
    method: str
    source: str
    trust: str

    def __str__(self) -> str:
        """Formula, numbers substituted, value: three lines under a title."""
        lines = [f"{self.title}  ({self.name})", f"  {self.formula}"]
        if self.substituted:
            lines.append(f"  {self.substituted}")
        lines.append(f"  {self.value}")
        lines += [f"    {line}" for line in self.where]
        if self.method:
            lines.append(f"  method: {self.method}")
        lines.append(f"  trust: {self.trust}" + (f"; source: {self.source}" if self.source else ""))
        return "\n".join(lines)

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "name": self.name,
            "title": self.title,
            "formula": self.formula,
            "substituted": self.substituted,
            "value": self.value,
            "latex": self.latex,
            "where": list(self.where),
            "method": self.method,
            "source": self.source,
            "trust": self.trust,
        }


_SECTION = re.compile(
    r"^References\n-+\n(?P<body>.*?)(?=\n\n|\n[A-Z][A-Za-z ]+\n-+\n|\Z)", re.MULTILINE | re.DOTALL
)
_LINE = re.compile(r"^Source:\s*(?P<body>.*?)(?=\n\n|\Z)", re.MULTILINE | re.DOTALL)


def source_of(function: Callable[..., Any]) -> str:
    """Return the source that a function's docstring names: its References section, or its ``Source:`` line.

    Examples
    --------
    >>> from pdplan.serving.pd_sizing import pd_ratio
    >>> source_of(pd_ratio)
    'Li, Li, Gong, Zhang 2026, arXiv 2603.04716, equation 7.'
    """
    text = inspect.getdoc(function) or ""
    match = _SECTION.search(text) or _LINE.search(text)
    return " ".join(match["body"].split()) if match else ""
