"""A laid-out expression in MathML, which browsers show without any script."""

from __future__ import annotations

from html import escape

from pdplan.symbolic.layout import Atom, Fraction, Node, Number, Power, Product, Sum, Writer


def mathml(node: Node, write: Writer) -> str:
    """Return an expression in presentation MathML; ``write`` says how an argument is written.

    Examples
    --------
    >>> mathml(Fraction(Number("1"), Atom("n")), lambda a: f"<mi>{a}</mi>")
    '<mfrac><mn>1</mn><mi>n</mi></mfrac>'
    """
    if isinstance(node, Atom):
        return write(node.name)
    if isinstance(node, Number):
        return mathml_number(node.text)
    if isinstance(node, Sum):
        (first, term), *rest = node.terms
        out = ("" if first else "<mo>−</mo>") + mathml(term, write)
        for added, term in rest:
            inner = mathml(term, write)
            sign = "+" if added else "−"
            out += f"<mo>{sign}</mo>" + (_braced(inner) if isinstance(term, Sum) and not added else inner)
        return f"<mrow>{out}</mrow>"
    if isinstance(node, Product):
        written = [
            _braced(mathml(f, write)) if isinstance(f, Sum | Fraction) else mathml(f, write)
            for f in node.factors
        ]
        return f"<mrow>{'<mo>·</mo>'.join(written)}</mrow>"
    if isinstance(node, Fraction):
        return f"<mfrac>{mathml(node.above, write)}{mathml(node.below, write)}</mfrac>"
    if isinstance(node, Power):
        base = mathml(node.base, write)
        simple = isinstance(node.base, Atom) and "<mtext>" not in base
        return f"<msup>{base if simple else _braced(base)}{mathml(node.exponent, write)}</msup>"
    inner = "<mo>,</mo>".join(mathml(a, write) for a in node.arguments)
    if node.name == "sqrt":
        return f"<msqrt>{inner}</msqrt>"
    return f"<mrow><mi>{node.name}</mi>{_braced(inner)}</mrow>"


def mathml_number(text: str, unit: str = "") -> str:
    """Return a number with its unit in MathML.

    Examples
    --------
    >>> mathml_number("0.2", "s")
    '<mrow><mn>0.2</mn><mtext>\u2009s</mtext></mrow>'
    """
    head, _, tail = text.partition("e")
    sign, digits = ("<mo>−</mo>", head[1:]) if head.startswith("-") else ("", head)
    out = f"{sign}<mn>{digits}</mn>"
    if tail:
        power = f"<mo>−</mo><mn>{tail[1:]}</mn>" if tail.startswith("-") else f"<mn>{tail}</mn>"
        out += f"<mo>×</mo><msup><mn>10</mn><mrow>{power}</mrow></msup>"
    if unit:
        out += f"<mtext>\u2009{escape(unit)}</mtext>"
    return f"<mrow>{out}</mrow>" if sign or tail or unit else out


def _braced(inner: str) -> str:
    return f"<mrow><mo>(</mo>{inner}<mo>)</mo></mrow>"
