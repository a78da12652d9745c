"""An expression solved for one of its symbols, with a proof; branches of max and min one by one."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any


@dataclass(frozen=True, eq=False)
class Inverse:
    """One proven solution, of the answer and the other symbols, on one branch of max and min."""

    expression: Any
    branch: Any


def inverses(expression: Any, unknown: Any, answer: Any) -> tuple[Inverse, ...]:
    """Return the closed forms of ``unknown`` where ``expression`` equals ``answer``, as many as sympy has.

    Each is proved: put back into its branch, it gives the answer identically.

    Examples
    --------
    >>> import sympy
    >>> from pdplan.serving.prefill import mean_ttft_s
    >>> R, D, T = sympy.symbols("R D T", positive=True)
    >>> [i.expression for i in inverses(mean_ttft_s(R, D), R, T)]
    [2*(D - T)/(D*(D - 2*T))]
    """
    import sympy

    found: list[Inverse] = []
    for branch in branches(expression):
        if not branch.has(unknown):
            continue
        try:
            roots = sympy.solve(sympy.Eq(branch, answer), unknown, check=False)
        except NotImplementedError:
            continue
        for root in roots:
            if (
                isinstance(root, sympy.Expr)
                and not root.has(unknown)
                and _proved(branch, unknown, root, answer)
            ):
                found.append(Inverse(_tidy(root), branch))
    return tuple({str(i.expression): i for i in found}.values())


def _tidy(root: Any) -> Any:
    """Return a root as a product of factors, a minus sign in front taken into the first sum."""
    import sympy

    whole = sympy.factor(root)
    if not (isinstance(whole, sympy.Mul) and whole.could_extract_minus_sign()):
        return whole
    above, below = sympy.fraction(whole)
    sums = [f for f in sympy.Mul.make_args(above) if isinstance(f, sympy.Add)]
    if sums:
        flipped = sympy.Add(*(-t for t in sums[0].args))
        return sympy.Mul(*[flipped if f is sums[0] else f for f in sympy.Mul.make_args(above)], -1) / below
    sums = [f for f in sympy.Mul.make_args(below) if isinstance(f, sympy.Add)]
    if sums:
        flipped = sympy.Add(*(-t for t in sums[0].args))
        return -above / sympy.Mul(*[flipped if f is sums[0] else f for f in sympy.Mul.make_args(below)])
    return whole


def branches(expression: Any) -> list[Any]:
    """Return the expression with each max and min replaced by each of its arguments.

    Examples
    --------
    >>> import sympy
    >>> a, b, c = sympy.symbols("a b c", positive=True)
    >>> sorted(map(str, branches(c * sympy.Max(a, b))))
    ['a*c', 'b*c']
    """
    import sympy

    choices = sorted(expression.atoms(sympy.Max, sympy.Min), key=str)
    if not choices:
        return [expression]
    found = []
    for picked in product(*(c.args for c in choices)):
        replaced = expression.xreplace(dict(zip(choices, picked, strict=True)))
        found += branches(replaced)
    return list(dict.fromkeys(found))


def _proved(branch: Any, unknown: Any, root: Any, answer: Any) -> bool:
    import sympy

    return bool(sympy.simplify(branch.subs(unknown, root) - answer) == 0)
