"""A symbol in closed form: solved by sympy, proved, picked by its numbers, checked by putting it back."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Question:
    """What one symbol must be for a quantity to come to a value.

    Parameters
    ----------
    name, symbol, unit : str
        Of the quantity.
    leaves : mapping
        The symbols that it is made of.
    unknown : Leaf
        The one to solve for.
    asked : float
        What the quantity is to be.
    evaluate : callable
        The quantity at a value of the unknown, by the functions themselves; raises outside their range.
    """

    name: str
    symbol: str
    unit: str
    leaves: Mapping[str, Leaf]
    unknown: Leaf
    asked: float
    evaluate: Callable[[float], float]

    @property
    def numbers(self) -> dict[str, float]:
        """Every number that is known, by name: the other symbols, and the quantity itself."""
        known = {leaf.name: leaf.value for leaf in self.leaves.values() if leaf.name != self.unknown.name}
        return known | {self.name: self.asked}


def solve_closed(question: Question, expression: Any) -> Solution | None:
    """Return the solution in closed form, or None where there is none.

    Parameters
    ----------
    question : Question
    expression
        The quantity in sympy symbols that bear the names of the question's leaves.

    Raises
    ------
    InfeasibleError
        No value of the unknown within the formula's range gives what is asked.
    """
    import sympy

    answer = sympy.Symbol(question.name, positive=True)
    target = sympy.Symbol(question.unknown.name, positive=True)
    found = inverses(expression, target, answer)
    if not found:
        return None
    valid: list[tuple[Any, float]] = []
    for inverse in found:
        value = _number(inverse.expression, question.numbers)
        if value is not None and _gives(question, value) and all(abs(value - v) > 1e-9 * v for _, v in valid):
            valid.append((inverse.expression, value))
    if not valid:
        raise InfeasibleError(_out_of_range(question))
    now = question.unknown.value
    best, value = min(valid, key=lambda pair: abs(math.log(pair[1] / now)) if now > 0 else pair[1])
    return _shown(question, best, value, [v for _, v in valid if v != value])


def _number(expression: Any, numbers: Mapping[str, float]) -> float | None:
    value = complex(expression.subs({s: numbers[s.name] for s in expression.free_symbols}))
    real = abs(value.imag) <= 1e-12 * abs(value) and math.isfinite(value.real)
    return value.real if real and value.real >= 0 else None


def _gives(question: Question, value: float) -> bool:
    try:
        return abs(question.evaluate(value) - question.asked) <= 1e-9 * abs(question.asked)
    except (PdplanError, ArithmeticError):
        return False


def _out_of_range(question: Question) -> str:
    """Say what the quantity can be, over all values of the unknown that the formula takes."""
    seen, asked, unknown = [], question.asked, question.unknown
    start = unknown.value if unknown.value > 0 else 1.0
    for factor in _LOOKS:
        try:
            seen.append(question.evaluate(start * factor))
        except (PdplanError, ArithmeticError):
            continue
    unit = f" {question.unit}" if question.unit else ""
    if not seen:
        span = "the formula has no value there"
    elif asked < min(seen):
        span = f"it is at least {min(seen):.4g}{unit}, ask for more"
    else:
        span = f"it is at most {max(seen):.4g}{unit}, ask for less"
    return f"no {unknown.argument} makes {question.name} {asked:.4g}{unit}: {span}"


def _shown(question: Question, expression: Any, value: float, others: list[float]) -> Solution:
    name, unit, unknown, asked = question.name, question.unit, question.unknown, question.asked
    leaves = question.leaves.values()
    symbols = {leaf.name: leaf.symbol for leaf in leaves} | {name: question.symbol}
    units = {leaf.name: leaf.unit for leaf in leaves} | {name: unit}
    names = sorted({s.name for s in expression.free_symbols})
    numbers = question.numbers
    used = {n: numbers[n] for n in names}

    def formula(**given: float) -> float:
        return float(expression.subs({s: given[s.name] for s in expression.free_symbols}))

    digits = digits_needed(formula, used, value)
    node = layout(expression)
    put = {n: number(v, digits) + (f" [{units[n]}]" if units[n] else "") for n, v in used.items()}
    left = text_symbol(unknown.symbol)
    shown_unit = f" {unknown.unit}" if unknown.unit else ""
    back = question.evaluate(value)
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
        equation=f"{text_symbol(question.symbol)} is {name}, {left} is {unknown.name}",
        inverse=f"{left} = {text(node, lambda n: text_symbol(symbols[n]))}",
        substituted=f"{left} = {text(node, put.__getitem__)}",
        latex=f"{latex_symbol(unknown.symbol)} = {latex(node, lambda n: latex_symbol(symbols[n]))}",
        where=tuple(f"{row[0].ljust(size)}  {row[1]}" for row in rows),
        check=f"{name} at {left} = {number(value)}{shown_unit} is {number(back)}{' ' + unit if unit else ''}",
        residual=back / asked - 1.0 if asked else back,
        notes=tuple(f"so does {left} = {number(v)}{shown_unit}" for v in others),
    )
