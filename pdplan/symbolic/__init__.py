"""Formulas shown: the function that ran, traced with sympy, with its numbers put in.

Importing this package does not import sympy; `render` does, when something is to be shown.
"""

from pdplan.symbolic.chain import with_chain
from pdplan.symbolic.derivation import Derivation, source_of
from pdplan.symbolic.render import show_derivation
from pdplan.symbolic.shown import Shown

__all__ = ["Derivation", "Shown", "show_derivation", "source_of", "with_chain"]
