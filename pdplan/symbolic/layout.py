"""An expression as it is laid out on paper: sums, products, fractions, in the order they were written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Atom:
    """An argument of a formula, by its name in the code."""

    name: str


@dataclass(frozen=True, slots=True)
class Number:
    """A number that stands in the formula itself."""

    text: str


@dataclass(frozen=True, slots=True)
class Sum:
    """Terms with their signs."""

    terms: tuple[tuple[bool, Node], ...]


@dataclass(frozen=True, slots=True)
class Product:
    """Factors, none of them a fraction."""

    factors: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Fraction:
    """Numerator over denominator."""

    above: Node
    below: Node


@dataclass(frozen=True, slots=True)
class Power:
    """A base with its exponent."""

    base: Node
    exponent: Node


@dataclass(frozen=True, slots=True)
class Call:
    """A function of its arguments: sqrt, max, min, exp, ln."""

    name: str
    arguments: tuple[Node, ...]


Node = Atom | Number | Sum | Product | Fraction | Power | Call

_NAMES = {"Max": "max", "Min": "min", "exp": "exp", "log": "ln", "ceiling": "ceil"}


def layout(expression: Any) -> Node:
    """Lay out a sympy expression that was traced without evaluation.

    Raises
    ------
    ValueError
        A function that formulas of this package do not use.

    Examples
    --------
    >>> import sympy
    >>> a, b = sympy.symbols("a b")
    >>> layout(sympy.Mul(a, sympy.Pow(b, -1), evaluate=False))
    Fraction(above=Atom(name='a'), below=Atom(name='b'))
    """
    import sympy

    if isinstance(expression, sympy.Symbol):
        return Atom(str(expression.name))
    if isinstance(expression, sympy.Rational) and expression.q != 1:
        return Fraction(Number(str(expression.p)), Number(str(expression.q)))
    if expression.is_Number:
        return Number(f"{float(expression):.15g}")
    if isinstance(expression, sympy.Add):
        return _sum([_signed(t) for t in _flat(expression, sympy.Add)])
    if isinstance(expression, sympy.Mul):
        return _product(expression)
    if isinstance(expression, sympy.Pow):
        return _power(expression)
    name = _NAMES.get(type(expression).__name__)
    if name is None:
        raise ValueError(f"no way to write {type(expression).__name__}")
    if name in ("max", "min"):
        return Call(name, tuple(dict.fromkeys(layout(a) for a in _flat(expression, type(expression)))))
    return Call(name, tuple(layout(a) for a in expression.args))


def _sum(terms: list[tuple[bool, Node]]) -> Node:
    """Return a sum that begins with a term that is added, if it has one."""
    first = next((i for i, (added, _) in enumerate(terms) if added), 0)
    return Sum((terms[first], *terms[:first], *terms[first + 1 :]))


def _flat(expression: Any, kind: Any) -> list[Any]:
    """Return the operands of nested sums or products, left to right."""
    if not isinstance(expression, kind):
        return [expression]
    return [part for a in expression.args for part in _flat(a, kind)]


def _signed(term: Any) -> tuple[bool, Node]:
    """Return whether a term of a sum is added, and the term without its sign."""
    import sympy

    factors = _flat(term, sympy.Mul)
    negative = [f for f in factors if f.is_Number and f < 0]
    if len(negative) % 2 == 0:
        return True, layout(term)
    kept = [f if f is not negative[0] else -f for f in factors]
    kept = [f for f in kept if f != 1] or [sympy.Integer(1)]
    with sympy.evaluate(False):
        return False, layout(kept[0] if len(kept) == 1 else sympy.Mul(*kept, evaluate=False))


def _product(expression: Any) -> Node:
    import sympy

    above: list[Any] = []
    below: list[Any] = []
    factors = _flat(expression, sympy.Mul)
    if any(f == 0 for f in factors):  # a zero of the right kind, see `pdplan.serving.piecewise`
        return Number("0")
    for factor in factors:
        if isinstance(factor, sympy.Rational) and factor.q != 1:
            above.append(sympy.Integer(factor.p))
            below.append(sympy.Integer(factor.q))
        elif isinstance(factor, sympy.Pow) and factor.exp.is_Number and factor.exp < 0:
            with sympy.evaluate(False):
                inverse = factor.base if factor.exp == -1 else factor.base ** (-factor.exp)
            below += _flat(inverse, sympy.Mul)
        else:
            above.append(factor)
    ones = [f for f in above if f != 1] or [sympy.Integer(1)]
    numerator = _joined([layout(f) for f in ones])
    return numerator if not below else Fraction(numerator, _joined([layout(f) for f in below]))


def _joined(factors: list[Node]) -> Node:
    return factors[0] if len(factors) == 1 else Product(tuple(factors))


def _power(expression: Any) -> Node:
    import sympy

    if expression.exp == sympy.Rational(1, 2) or expression.exp == 0.5:
        return Call("sqrt", (layout(expression.base),))
    if expression.exp.is_Number and expression.exp < 0:
        with sympy.evaluate(False):
            base = expression.base if expression.exp == -1 else expression.base ** (-expression.exp)
        return Fraction(Number("1"), layout(base))
    return Power(layout(expression.base), layout(expression.exp))


def atoms(node: Node) -> tuple[str, ...]:
    """Return the arguments that occur, in order of first sight."""
    found: dict[str, None] = {}

    def visit(n: Node) -> None:
        if isinstance(n, Atom):
            found[n.name] = None
        for part in parts(n):
            visit(part)

    visit(node)
    return tuple(found)


def parts(node: Node) -> tuple[Node, ...]:
    """Return what a node is made of."""
    if isinstance(node, Sum):
        return tuple(t for _, t in node.terms)
    if isinstance(node, Product):
        return node.factors
    if isinstance(node, Fraction):
        return (node.above, node.below)
    if isinstance(node, Power):
        return (node.base, node.exponent)
    return node.arguments if isinstance(node, Call) else ()


#: How an argument is written: its symbol, or its number with unit.
Writer = Callable[[str], str]
