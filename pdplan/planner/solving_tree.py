"""A quantity as one expression of what it rests on: formulas put into each other down to a symbol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pdplan.errors import InputError, did_you_mean
from pdplan.symbolic import Derivation
from pdplan.symbolic.symbol_names import text_symbol


@dataclass(frozen=True, slots=True)
class Leaf:
    """A symbol at the end of a chain of formulas: its number, how it is written, the quantity that it is."""

    name: str
    value: float
    symbol: str
    unit: str
    argument: str


@dataclass(eq=False)
class Tree:
    """The formulas beneath a quantity, by name."""

    by_name: Mapping[str, Derivation]
    leaves: dict[str, Leaf] = field(default_factory=dict)

    def leaf_names(self, name: str) -> dict[str, Leaf]:
        """Return every symbol beneath a quantity, formulas in between included."""
        found: dict[str, Leaf] = {}
        step = self.by_name[name]
        if step.formula is None:
            return found
        for a, value in step.arguments.items():
            leaf = self._leaf(step, a, value)
            found[leaf.name] = leaf
            if leaf.name in self.by_name:
                found |= self.leaf_names(leaf.name)
        return found

    def _leaf(self, step: Derivation, argument: str, value: float) -> Leaf:
        name = step.refers.get(argument, f"{step.name}:{argument}")
        return Leaf(name, value, step.symbols.get(argument, argument), step.units.get(argument, ""), argument)

    def through_computed(self, name: str, unknown: str) -> bool:
        """Whether a quantity also depends on ``unknown`` through one that is computed."""
        return any(
            step.formula is None and self._reaches(step.name, unknown)
            for step in (self.by_name[n] for n in {name, *self._beneath(name)} if n in self.by_name)
        )

    def _beneath(self, name: str) -> set[str]:
        found: set[str] = set()
        level = [name]
        while level:
            steps = [self.by_name[n] for n in level if n in self.by_name]
            level = [r for s in steps for r in s.refers.values() if r not in found]
            found |= set(level)
        return found

    def _reaches(self, name: str, unknown: str) -> bool:
        return unknown != name and unknown in self._beneath(name)

    def expression(self, name: str, unknown: str) -> Any:
        """Return a quantity as a sympy expression; formulas that lead to ``unknown`` are put in."""
        import sympy

        step = self.by_name[name]
        assert step.formula is not None
        terms: dict[str, Any] = {}
        for a, value in step.arguments.items():
            leaf = self._leaf(step, a, value)
            below = self.by_name.get(leaf.name)
            leads = below is not None and below.formula is not None and unknown in self.leaf_names(leaf.name)
            if leads and leaf.name != unknown:
                terms[a] = self.expression(leaf.name, unknown)
            else:
                self.leaves[leaf.name] = leaf
                terms[a] = sympy.Symbol(leaf.name, positive=True)
        return sympy.sympify(step.formula(**terms))


def pick(leaves: Mapping[str, Leaf], asked: str) -> Leaf:
    """Return the symbol that a user names: by quantity, by argument, or as it is written.

    Raises
    ------
    InputError
        None, or several.
    """
    exact = [leaf for leaf in leaves.values() if asked == leaf.name]
    found = exact or [
        leaf
        for leaf in leaves.values()
        if asked in (leaf.argument, leaf.symbol, text_symbol(leaf.symbol), leaf.name.rpartition(":")[2])
    ]
    if len({leaf.name for leaf in found}) == 1:
        return found[0]
    names = sorted(leaves)
    if found:
        raise InputError(
            f"--for {asked} could be {' or '.join(sorted(leaf.name for leaf in found))}: name one of them"
        )
    hint = did_you_mean(asked, names)
    raise InputError(f"--for {asked} is not in its formula{hint}; it has {', '.join(names)}")
