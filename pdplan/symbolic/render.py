"""Derivations rendered with sympy: the formula with symbols, then with numbers, then the value."""

from __future__ import annotations

from typing import Any

from pdplan.symbolic.derivation import Derivation, Shown, source_of


def show_derivation(step: Derivation) -> Shown:
    """Trace the function of a derivation and lay out formula, substitution and value.

    Examples
    --------
    >>> from pdplan.serving.economics import disagg_ttft_penalty
    >>> shown = show_derivation(Derivation("penalty", "Transfer over prefill", "r", "", 0.05238,
    ...     disagg_ttft_penalty, {"transfer_s": 0.010737, "prefill_s": 0.205},
    ...     {"transfer_s": "X", "prefill_s": "P"}, {"transfer_s": "s", "prefill_s": "s"}))
    >>> print(shown.formula, "|", shown.substituted, "|", shown.value)
    r = X/P | r = 0.010737/0.205 | r = 0.05238
    """
    where = tuple(_where(step))
    source = step.source or (source_of(step.formula) if step.formula else "")
    value = f"{step.symbol} = {number(step.value)}{' ' + step.unit if step.unit else ''}"
    if step.formula is None:
        return Shown(
            step.name, step.title, step.equation, "", value, "", where, step.method, source, step.trust.value
        )
    expression, symbols = trace(step)
    formula = f"{step.symbol} = {plain(expression)}"
    substituted = f"{step.symbol} = {_substituted(expression, step, symbols)}"
    return Shown(
        step.name,
        step.title,
        formula,
        substituted,
        value,
        latex(step, expression),
        where,
        step.method,
        source,
        step.trust.value,
    )


def trace(step: Derivation) -> tuple[Any, dict[str, Any]]:
    """Call the formula with positive sympy symbols; return the expression and the symbols by argument."""
    import sympy

    if step.formula is None:
        raise ValueError(f"{step.name} is computed, not a formula")
    symbols = {a: sympy.Symbol(step.symbols.get(a, a), positive=True) for a in step.arguments}
    return sympy.sympify(step.formula(**symbols)), symbols


def plain(expression: Any) -> str:
    """Return an expression on one line."""
    import sympy

    return str(sympy.sstr(expression)).replace("**", "^")


def latex(step: Derivation, expression: Any) -> str:
    """Return ``symbol = expression`` in LaTeX."""
    import sympy

    return f"{step.symbol} = {sympy.latex(expression)}"


def number(x: float) -> str:
    """Return a number with five significant digits, as it is put into formulas."""
    return f"{x:.5g}"


def _substituted(expression: Any, step: Derivation, symbols: dict[str, Any]) -> str:
    """Put the numbers in without evaluating: each symbol is replaced by its number as printed."""
    import sympy

    shown = {symbols[a]: sympy.Symbol(number(v)) for a, v in step.arguments.items()}
    return plain(expression.xreplace(shown))


def _where(step: Derivation) -> list[str]:
    return [
        f"{step.symbols.get(a, a)} = {number(v)}{' ' + u if (u := step.units.get(a, '')) else ''}  {a}"
        for a, v in step.arguments.items()
    ]
