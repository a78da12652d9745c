"""Derivations rendered: the formula with symbols, then with numbers and units, then the value."""

from __future__ import annotations

from typing import Any

from pdplan.symbolic.derivation import Derivation, source_of
from pdplan.symbolic.layout import Node, layout
from pdplan.symbolic.numbers import digits_needed, number
from pdplan.symbolic.shown import Shown
from pdplan.symbolic.symbol_names import latex_symbol, mathml_symbol, text_symbol
from pdplan.symbolic.write_latex import latex, latex_number
from pdplan.symbolic.write_mathml import mathml, mathml_number
from pdplan.symbolic.write_text import text

#: Ends of argument names that say a unit and not a thing.
_UNIT_ENDS = ("_bytes_per_s", "_usd_per_hour", "_per_s", "_s", "_bytes", "_tokens")


def show_derivation(step: Derivation) -> Shown:
    """Trace the function of a derivation and lay out formula, substitution and value.

    Examples
    --------
    >>> from pdplan.serving.economics import disagg_ttft_penalty
    >>> shown = show_derivation(Derivation("penalty", "Transfer over prefill", "r", "", 0.052376,
    ...     disagg_ttft_penalty, {"transfer_s": 0.010737, "prefill_s": 0.205},
    ...     {"transfer_s": "X", "prefill_s": "P"}, {"transfer_s": "s", "prefill_s": "s"}))
    >>> print(shown.formula, "|", shown.substituted, "|", shown.value)
    r = X / P | r = 0.010737 [s] / 0.205 [s] | r = 0.052376
    """
    digits = 5 if step.formula is None else digits_needed(step.formula, step.arguments, step.value)
    symbol, unit = text_symbol(step.symbol), f" {step.unit}" if step.unit else ""
    node = None if step.formula is None else as_written(step)
    plain = _plain(step, node, digits)
    return Shown(
        name=step.name,
        title=step.title,
        kind=step.kind,
        formula=f"{symbol} = {plain[0]}" if node is not None else step.equation,
        substituted=f"{symbol} = {plain[1]}" if node is not None else "",
        value=f"{symbol} = {number(step.value)}{unit}",
        latex=_latex(step, node, digits),
        mathml=_mathml(step, node, digits),
        where=tuple(_where(step, digits)),
        method=step.method or (f"given: {step.given}" if step.given else ""),
        residual=step.residual,
        residual_of=step.residual_of,
        source=step.source or (source_of(step.formula) if step.formula else ""),
        trust=step.trust.value,
    )


def trace(step: Derivation) -> tuple[Any, dict[str, Any]]:
    """Call the formula with positive sympy symbols; return the expression and the symbols by argument."""
    import sympy

    if step.formula is None:
        raise ValueError(f"{step.name} is computed, not a formula")
    symbols = {a: sympy.Symbol(step.symbols.get(a, a), positive=True) for a in step.arguments}
    return sympy.sympify(step.formula(**symbols)), symbols


def as_written(step: Derivation) -> Node:
    """Trace the formula without evaluating anything: terms stay where its author put them."""
    import sympy

    assert step.formula is not None
    symbols = {a: sympy.Symbol(a, positive=True) for a in step.arguments}
    with sympy.evaluate(False):
        return layout(sympy.sympify(step.formula(**symbols)))


def _plain(step: Derivation, node: Node | None, digits: int) -> tuple[str, str]:
    """Return the right-hand side with symbols and with numbers, as text."""
    if node is None:
        return "", ""
    numbers = {a: number(v, digits) + _unit(step, a) for a, v in step.arguments.items()}
    return text(node, lambda a: text_symbol(step.symbols.get(a, a))), text(node, numbers.__getitem__)


def _unit(step: Derivation, argument: str) -> str:
    unit = step.units.get(argument, "")
    return f" [{unit}]" if unit else ""


def _latex(step: Derivation, node: Node | None, digits: int) -> str:
    symbol = latex_symbol(step.symbol)
    value = latex_number(number(step.value), step.unit)
    if node is None:
        equation = rf"{step.latex} \\ " if step.latex else ""
        return rf"\begin{{gathered}} {equation}{symbol} = {value} \end{{gathered}}"
    numbers = {a: latex_number(number(v, digits), step.units.get(a, "")) for a, v in step.arguments.items()}
    lines = [
        f"{symbol} &= {latex(node, lambda a: latex_symbol(step.symbols.get(a, a)))}",
        f"&= {latex(node, numbers.__getitem__)}",
        f"&= {value}",
    ]
    body = r" \\ ".join(lines)
    return rf"\begin{{aligned}} {body} \end{{aligned}}"


def _mathml(step: Derivation, node: Node | None, digits: int) -> str:
    symbol = mathml_symbol(step.symbol)
    value = mathml_number(number(step.value), step.unit)
    rows = [value]
    if node is not None:
        put = {a: mathml_number(number(v, digits), step.units.get(a, "")) for a, v in step.arguments.items()}
        rows = [
            mathml(node, lambda a: mathml_symbol(step.symbols.get(a, a))),
            mathml(node, put.__getitem__),
            value,
        ]
    cells = "".join(
        f"<mtr><mtd>{symbol if i == 0 else ''}</mtd><mtd><mo>=</mo></mtd><mtd>{row}</mtd></mtr>"
        for i, row in enumerate(rows)
    )
    return (
        '<math displaystyle="true"><mtable displaystyle="true" columnalign="right center left">'
        f"{cells}</mtable></math>"
    )


def _where(step: Derivation, digits: int) -> list[str]:
    """Return one line for each argument: its symbol, its number, what it is and where it comes from."""
    if step.formula is None:
        return []
    rows = []
    for a, v in step.arguments.items():
        unit = f" {u}" if (u := step.units.get(a, "")) else ""
        rows.append((f"{text_symbol(step.symbols.get(a, a))} = {number(v, digits)}{unit}", a))
    size = max((len(r[0]) for r in rows), default=0)
    return [
        f"{left.ljust(size)}  {_words(a)}" + (f", see {step.refers[a]}" if a in step.refers else "")
        for left, a in rows
    ]


def _words(argument: str) -> str:
    """Return the words of an argument's name, without the unit at its end."""
    for end in _UNIT_ENDS:
        if argument.endswith(end) and argument not in ("prompt_tokens", "output_tokens"):
            argument = argument[: -len(end)] + (" tokens" if end == "_tokens" else "")
            break
    return argument.replace("_", " ")
