"""The chain beneath a quantity: what went into it, and what went into that."""

from __future__ import annotations

from collections.abc import Sequence

from pdplan.symbolic.derivation import Derivation


def with_chain(found: Sequence[Derivation], known: Sequence[Derivation]) -> tuple[Derivation, ...]:
    """Return quantities, then those that they refer to, level by level, each once.

    What is given ends the chain; it is listed after what is computed.

    Examples
    --------
    >>> a = Derivation("a", "A", "a", "", 1.0, refers={"x": "b"})
    >>> b = Derivation("b", "B", "b", "", 1.0, refers={"y": "c"})
    >>> c = Derivation("c", "C", "c", "", 1.0, given="here")
    >>> [d.name for d in with_chain([a], [c, b, a])]
    ['a', 'b', 'c']
    """
    by_name = {d.name: d for d in known}
    seen = {d.name: d for d in found}
    level = list(found)
    while level:
        level = [
            by_name[name]
            for d in level
            for name in dict.fromkeys(d.refers.values())
            if name in by_name and name not in seen
        ]
        level = list({d.name: d for d in level}.values())
        seen |= {d.name: d for d in level}
    beneath = [d for name, d in seen.items() if all(d is not f for f in found)]
    return (*found, *sorted(beneath, key=lambda d: d.kind == "given"))
