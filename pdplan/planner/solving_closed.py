"""A symbol in closed form: solved by sympy, proved, picked by its numbers, checked by putting it back."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from pdplan.errors import InfeasibleError, PdplanError
from pdplan.planner.solving_tree import Leaf
from pdplan.symbolic.inverse import inverses
from pdplan.symbolic.layout import layout
from pdplan.symbolic.numbers import digits_needed, number
from pdplan.symbolic.solution import Solution
from pdplan.symbolic.symbol_names import latex_symbol, text_symbol
from pdplan.symbolic.write_latex import latex
from pdplan.symbolic.write_text import text

#: Factors at which a quantity is looked at to say what it can be.
_LOOKS = [10.0 ** (k / 4) for k in range(-48, 49)]


def solve_closed(
    name: str,
    symbol: str,
    unit: str,
    expression: Any,
    leaves: Mapping[str, Leaf],
    unknown: Leaf,
    asked: float,
    evaluate: Callable[[float], float],
) -> Solution | None:
    """Return the solution in closed form, or None where there is none.

    Parameters
    ----------
    name, symbol, unit : str
        Of the quantity.
    expression
        The quantity in sympy symbols that bear the names of ``leaves``.
    leaves : mapping
        The symbols of the expression.
    unknown : Leaf
        The one to solve for.
    asked : float
        What the quantity is to be.
    evaluate : callable
        The quantity at a value of the unknown, by the functions themselves; raises outside their range.

    Raises
    ------
    InfeasibleError
        No value of the unknown within the formula's range gives what is asked.
    """
    import sympy

    answer = sympy.Symbol(name, positive=True)
    target = sympy.Symbol(unknown.name, positive=True)
    found = inverses(expression, target, answer)
    if not found:
        return None
    numbers = {leaf.name: leaf.value for leaf in leaves.values() if leaf.name != unknown.name} | {name: asked}
    valid: list[tuple[Any, float]] = []
    for inverse in found:
        value = _number(inverse.expression, numbers)
        if (
            value is not None
            and _gives(evaluate, value, asked)
            and all(abs(value - v) > 1e-9 * v for _, v in valid)
        ):
            valid.append((inverse.expression, value))
    if not valid:
        raise InfeasibleError(_out_of_range(name, unit, unknown, asked, evaluate))
    best, value = min(
        valid, key=lambda pair: abs(math.log(pair[1] / unknown.value)) if unknown.value > 0 else pair[1]
    )
    return _shown(name, symbol, unit, best, leaves, unknown, asked, value, evaluate, numbers, valid)


def _number(expression: Any, numbers: Mapping[str, float]) -> float | None:
    value = complex(expression.subs({s: numbers[s.name] for s in expression.free_symbols}))
    real = abs(value.imag) <= 1e-12 * abs(value) and math.isfinite(value.real)
    return value.real if real and value.real >= 0 else None


def _gives(evaluate: Callable[[float], float], value: float, asked: float) -> bool:
    try:
        return abs(evaluate(value) - asked) <= 1e-9 * abs(asked)
    except (PdplanError, ArithmeticError):
        return False


def _out_of_range(
    name: str, unit: str, unknown: Leaf, asked: float, evaluate: Callable[[float], float]
) -> str:
    """Say what the quantity can be, over all values of the unknown that the formula takes."""
    seen = []
    start = unknown.value if unknown.value > 0 else 1.0
    for factor in _LOOKS:
        try:
            seen.append(evaluate(start * factor))
        except (PdplanError, ArithmeticError):
            continue
    unit = f" {unit}" if unit else ""
    if not seen:
        span = "the formula has no value there"
    elif asked < min(seen):
        span = f"it is at least {min(seen):.4g}{unit}, ask for more"
    else:
        span = f"it is at most {max(seen):.4g}{unit}, ask for less"
    return f"no {unknown.argument} makes {name} {asked:.4g}{unit}: {span}"


def _shown(
    name: str,
    symbol: str,
    unit: str,
    expression: Any,
    leaves: Mapping[str, Leaf],
    unknown: Leaf,
    asked: float,
    value: float,
    evaluate: Callable[[float], float],
    numbers: Mapping[str, float],
    valid: list[tuple[Any, float]],
) -> Solution:
    symbols = {leaf.name: leaf.symbol for leaf in leaves.values()} | {name: symbol}
    units = {leaf.name: leaf.unit for leaf in leaves.values()} | {name: unit}
    names = sorted({s.name for s in expression.free_symbols})
    used = {n: numbers[n] for n in names}

    def formula(**given: float) -> float:
        return float(expression.subs({s: given[s.name] for s in expression.free_symbols}))

    digits = digits_needed(formula, used, value)
    node = layout(expression)
    put = {n: number(v, digits) + (f" [{units[n]}]" if units[n] else "") for n, v in used.items()}
    left = text_symbol(unknown.symbol)
    shown_unit = f" {unknown.unit}" if unknown.unit else ""
    back = evaluate(value)
    others = [v for _, v in valid if v != value]
    rows = [(f"{text_symbol(symbols[n])} = {put[n].replace(' [', ' ').rstrip(']')}", n) for n in names]
    size = max((len(row[0]) for row in rows), default=0)
    return Solution(
        quantity=name,
        symbol=unknown.name,
        asked=f"{number(asked)}{' ' + unit if unit else ''}",
        value=value,
        unit=unknown.unit,
        answer=f"{left} = {number(value)}{shown_unit}",
        method="closed form, solved by sympy and proved by putting it back symbolically",
        equation=f"{text_symbol(symbol)} is {name}, {left} is {unknown.name}",
        inverse=f"{left} = {text(node, lambda n: text_symbol(symbols[n]))}",
        substituted=f"{left} = {text(node, put.__getitem__)}",
        latex=f"{latex_symbol(unknown.symbol)} = {latex(node, lambda n: latex_symbol(symbols[n]))}",
        where=tuple(f"{row[0].ljust(size)}  {row[1]}" for row in rows),
        check=f"{name} at {left} = {number(value)}{shown_unit} is {number(back)}{' ' + unit if unit else ''}",
        residual=back / asked - 1.0 if asked else back,
        notes=tuple(f"so does {left} = {number(v)}{shown_unit}" for v in others),
    )
