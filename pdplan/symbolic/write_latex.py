"""A laid-out expression in LaTeX."""

from __future__ import annotations

from itertools import pairwise

from pdplan.symbolic.layout import Atom, Fraction, Node, Number, Power, Product, Sum, Writer


def latex(node: Node, write: Writer) -> str:
    r"""Return an expression in LaTeX; ``write`` says how an argument is written.

    Examples
    --------
    >>> print(latex(Fraction(Product((Atom("a"), Atom("b"))), Number("2")), str))
    \frac{a \, b}{2}
    """
    if isinstance(node, Atom):
        return write(node.name)
    if isinstance(node, Number):
        return latex_number(node.text)
    if isinstance(node, Sum):
        (first, term), *rest = node.terms
        out = ("" if first else "-") + latex(term, write)
        for added, term in rest:
            inner = latex(term, write)
            out += " + " + inner if added else " - " + (_braced(inner) if isinstance(term, Sum) else inner)
        return out
    if isinstance(node, Product):
        written = [
            _braced(latex(f, write)) if isinstance(f, Sum | Fraction) else latex(f, write)
            for f in node.factors
        ]
        out = written[0]
        for before, after in pairwise(written):
            # two numbers side by side would read as one
            out += (r" \cdot " if after[:1].isdigit() or before[:1].isdigit() else r" \, ") + after
        return out
    if isinstance(node, Fraction):
        return rf"\frac{{{latex(node.above, write)}}}{{{latex(node.below, write)}}}"
    if isinstance(node, Power):
        base = latex(node.base, write)
        simple = isinstance(node.base, Atom) and "mathrm" not in base and " " not in base
        return f"{base if simple else _braced(base)}^{{{latex(node.exponent, write)}}}"
    inner = ", ".join(latex(a, write) for a in node.arguments)
    if node.name == "sqrt":
        return rf"\sqrt{{{inner}}}"
    if node.name == "ceil":
        return rf"\lceil {inner} \rceil"
    return rf"\{node.name}\left({inner}\right)"


def latex_number(text: str, unit: str = "") -> str:
    r"""Return a number with its unit in LaTeX.

    Examples
    --------
    >>> print(latex_number("4.6e-102", "s"))
    4.6 \times 10^{-102}\,\mathrm{s}
    """
    head, _, tail = text.partition("e")
    out = rf"{head} \times 10^{{{tail}}}" if tail else head
    return out + (rf"\,\mathrm{{{latex_unit(unit)}}}" if unit else "")


def latex_unit(unit: str) -> str:
    """Return a unit with what is special in LaTeX escaped."""
    return unit.replace("%", r"\%").replace(" ", r"\ ")


def _braced(inner: str) -> str:
    return rf"\left({inner}\right)"
