"""What is needed to show how a number came about."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pdplan.trust import Trust

Kind = Literal["formula", "computed", "given"]


@dataclass(frozen=True, eq=False)
class Derivation:
    """One quantity: the function that computed it and the numbers it was given.

    A *formula* has a function, which sympy traces. What is *computed* by transform, root, search or
    simulation has a defining equation, a method, and a residual: what is left when the answer is put back
    into its equation. What is *given* says where it stands.

    Parameters
    ----------
    name : str
        Dotted name of the quantity, e.g. ``ttft.prefill``.
    title : str
        What it is, in words.
    symbol : str
        Its symbol, e.g. ``E[W]``; see `pdplan.symbolic.symbol_names`.
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
    equation, latex : str
        The defining equation of a computed quantity, as text and in LaTeX.
    method : str
        How it was computed then.
    source : str
        Author, year, equation; default from the docstring of ``formula``.
    refers : mapping of str to str
        Name of the quantity that each argument is, where it is one.
    residual : float, optional
        Of a computed quantity.
    residual_of : str
        What the residual is.
    given : str
        Where a given quantity stands: a scenario, a default, a catalog entry.
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
    refers: Mapping[str, str] = field(default_factory=dict)
    latex: str = ""
    residual: float | None = None
    residual_of: str = ""
    given: str = ""

    @property
    def kind(self) -> Kind:
        """What stands behind the number: a formula, a computation, or somebody's word."""
        if self.formula is not None:
            return "formula"
        return "given" if self.given else "computed"


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
