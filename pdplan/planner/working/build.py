"""Three ways for a number to come about: by a formula, by a computation, as given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from pdplan.symbolic import Derivation
from pdplan.trust import Trust

if TYPE_CHECKING:
    from pdplan.planner.result import ClassPlan
    from pdplan.planner.traffic import ClassTraffic


class Term(NamedTuple):
    """One argument of a formula: its number, symbol, unit, and the quantity that it is."""

    value: float
    symbol: str
    unit: str = ""
    of: str = ""


class Quantity(NamedTuple):
    """What a number is called and comes to, for one that can come about in several ways."""

    name: str
    title: str
    symbol: str
    unit: str
    value: float


def endings(classes: Sequence[ClassPlan | ClassTraffic]) -> dict[str, str]:
    """Return what ends the names of each class's quantities: nothing for one that is alone.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> chat, rag = SimpleNamespace(name="chat"), SimpleNamespace(name="rag")
    >>> endings([chat]), endings([chat, rag])
    ({'chat': ''}, {'chat': '.chat', 'rag': '.rag'})
    """
    return {c.name: "" if len(classes) == 1 else f".{c.name}" for c in classes}


def by_formula(
    name: str,
    title: str,
    symbol: str,
    unit: str,
    value: float,
    formula: Callable[..., Any],
    /,
    *,
    trust: Trust = Trust.EXACT,
    **terms: Term,
) -> Derivation:
    """Return a quantity that ``formula`` computed from its terms, given by the names of its arguments."""
    return Derivation(
        name,
        title,
        symbol,
        unit,
        float(value),
        formula,
        {a: float(t.value) for a, t in terms.items()},
        {a: t.symbol for a, t in terms.items()},
        {a: t.unit for a, t in terms.items() if t.unit},
        refers={a: t.of for a, t in terms.items() if t.of},
        trust=trust,
    )


def computed(
    name: str,
    title: str,
    symbol: str,
    unit: str,
    value: float,
    *,
    equation: str,
    latex: str,
    method: str,
    residual: float,
    residual_of: str,
    source: str = "",
    trust: Trust = Trust.EXACT,
    rests_on: tuple[str, ...] = (),
) -> Derivation:
    """Return a quantity that solves an equation; ``residual`` is what is left when it is put back."""
    return Derivation(
        name,
        title,
        symbol,
        unit,
        float(value),
        equation=equation,
        latex=latex,
        method=method,
        residual=float(residual),
        residual_of=residual_of,
        source=source,
        trust=trust,
        refers={r: r for r in rests_on},
    )


def given(
    name: str,
    title: str,
    symbol: str,
    unit: str,
    value: float,
    where: str,
    *,
    source: str = "",
    trust: Trust = Trust.EXACT,
) -> Derivation:
    """Return a quantity that stands somewhere: in the scenario, in the catalog, in a measurement."""
    return Derivation(name, title, symbol, unit, float(value), given=where, source=source, trust=trust)


def atoms_mean(
    name: str,
    title: str,
    symbol: str,
    unit: str,
    value: float,
    *,
    what: str,
    latex: str,
    weights: Any,
    method: str,
    source: str = "",
    trust: Trust = Trust.EXACT,
) -> Derivation:
    """Return a mean over atoms of lengths; their weights must sum to 1."""
    return computed(
        name,
        title,
        symbol,
        unit,
        value,
        equation=f"{symbol} = sum_i w_i {what}(L_i)",
        latex=latex,
        method=f"{method} at {weights.size} atoms of lengths",
        residual=float(weights.sum()) - 1.0,
        residual_of="sum of the weights - 1",
        source=source or "definition of the mean",
        trust=trust,
    )


def quantile_residual(sf: Callable[[float], Any], value: float, p: float, resolution: float) -> float:
    """How far 1 - p lies outside [P(X > q), P(X > q less the resolution)]: 0 for the p-quantile of a law.

    Examples
    --------
    >>> quantile_residual(lambda t: float(t < 2.0), 2.0, 0.9, 1e-6)
    0.0
    >>> quantile_residual(lambda t: float(t < 2.0), 3.0, 0.9, 1e-6)
    0.1
    """
    level = 1.0 - p
    return round(max(0.0, float(sf(value)) - level, level - float(sf(value * (1.0 - resolution)))), 15)
