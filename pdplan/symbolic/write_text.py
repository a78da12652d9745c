"""A laid-out expression on one line of text."""

from __future__ import annotations

from pdplan.symbolic.layout import Atom, Call, Fraction, Node, Number, Power, Product, Sum, Writer


def text(node: Node, write: Writer) -> str:
    """Return an expression on one line; ``write`` says how an argument is written.

    Examples
    --------
    >>> text(Fraction(Product((Atom("l"), Atom("S"))), Product((Number("2"), Atom("n")))), str)
    'l · S / (2 · n)'
    >>> text(Sum(((True, Number("1")), (False, Fraction(Atom("a"), Atom("b"))))), str)
    '1 - a / b'
    """
    if isinstance(node, Atom):
        return write(node.name)
    if isinstance(node, Number):
        return node.text
    if isinstance(node, Sum):
        first, *rest = node.terms
        out = ("" if first[0] else "-") + _within(first[1], write, _LOOSE if first[0] else _ANY)
        for added, term in rest:
            out += (" + " if added else " - ") + _within(term, write, () if added else _LOOSE)
        return out
    if isinstance(node, Product):
        return " · ".join(_within(f, write, (Sum, Fraction)) for f in node.factors)
    if isinstance(node, Fraction):
        return (
            f"{_within(node.above, write, (Sum, Fraction))} / "
            f"{_within(node.below, write, (Sum, Product, Fraction))}"
        )
    if isinstance(node, Power):
        base = text(node.base, write)
        simple = isinstance(node.base, Atom | Number) and " " not in base
        return f"{base if simple else f'({base})'}^{_within(node.exponent, write, _ANY)}"
    return f"{node.name}({', '.join(text(a, write) for a in node.arguments)})"


_LOOSE: tuple[type, ...] = (Sum,)
_ANY: tuple[type, ...] = (Sum, Product, Fraction, Power)


def _within(node: Node, write: Writer, loose: tuple[type, ...]) -> str:
    written = text(node, write)
    return f"({written})" if isinstance(node, loose) and not isinstance(node, Call) else written
