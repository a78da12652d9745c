"""`solve`: the value of one symbol at which a quantity of a plan, or a formula, is what was asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pdplan import units
from pdplan.errors import InputError, UnitError, did_you_mean
from pdplan.planner.answer import Plan
from pdplan.planner.derive import derivations_of
from pdplan.planner.solving_closed import Question, solve_closed
from pdplan.planner.solving_formulas import FORMULAS, Named
from pdplan.planner.solving_root import input_named, solve_root
from pdplan.planner.solving_tree import Leaf, Tree, pick
from pdplan.symbolic.solution import Solution

_DIMENSIONS = {
    "s": "time",
    "1/s": "rate",
    "B": "bytes",
    "B/s": "bytes_per_s",
    "tok": "tokens",
    "tok/s": "tokens_per_s",
    "USD/h": "price",
}


def read_value(text: str, unit: str, what: str) -> float:
    """Read a number with the unit of a quantity; pure numbers may be a percentage.

    Raises
    ------
    UnitError, InputError
        Not a quantity of that unit, or not finite.

    Examples
    --------
    >>> read_value("400 ms", "s", "it"), read_value("5%", "", "it"), read_value("3", "USD", "it")
    (0.4, 0.05, 3.0)
    """
    if unit in _DIMENSIONS:
        return units.parse(text, _DIMENSIONS[unit], what=what)
    number = text.strip()
    scale = 0.01 if number.endswith("%") else 1.0
    try:
        value = scale * float(number.removesuffix("%").removesuffix(unit).strip())
    except ValueError:
        raise UnitError(f"{what} is {text!r}: it must be a number" + (f" [{unit}]" if unit else "")) from None
    if not abs(value) < float("inf"):
        raise InputError(f"{what} is {text!r}: it must be a finite number")
    return value


def solve_formula(name: str, unknown: str, equals: str, given: Mapping[str, str]) -> Solution:
    """Invert a formula of the library; see `FORMULAS`.

    Parameters
    ----------
    name : str
        Of the formula.
    unknown : str
        The argument or symbol to solve for.
    equals : str
        What the formula is to give, with its unit.
    given : mapping of str to str
        The other arguments, with their units.

    Raises
    ------
    InputError
        An unknown name, or an argument that is missing.
    InfeasibleError
        No value of the symbol gives it.

    Examples
    --------
    >>> found = solve_formula("mean_ttft", "R", "600 ms", {"service_s": "200 ms"})
    >>> print(found.inverse, "|", found.answer)
    R = 2 · (TTFT - D) / (D · (2 · TTFT - D)) | R = 4 1/s
    """
    formula = FORMULAS[name]
    argument = _argument(formula, unknown)
    numbers = _numbers(name, formula, given, argument)
    leaves = {
        a: Leaf(a, numbers.get(a, 1.0), symbol, unit, a) for a, (symbol, unit, _) in formula.arguments.items()
    }
    asked = read_value(equals, formula.unit, "--equals")

    def evaluate(value: float) -> float:
        return float(formula.function(**{**numbers, argument: value}))

    expression = _traced(formula, leaves)
    question = Question(name, formula.symbol, formula.unit, leaves, leaves[argument], asked, evaluate)
    found = solve_closed(question, expression)
    if found is None:
        raise InputError(f"--for {unknown}: {name} has no closed form in it: solve for another symbol")
    return found


def _traced(formula: Named, leaves: Mapping[str, Leaf]) -> Any:
    import sympy

    symbols = {a: sympy.Symbol(leaf.name, positive=True) for a, leaf in leaves.items()}
    return sympy.sympify(formula.function(**symbols))


def _argument(formula: Named, unknown: str) -> str:
    for a, (symbol, _, _) in formula.arguments.items():
        if unknown in (a, symbol):
            return a
    known = [f"{a} ({symbol})" for a, (symbol, _, _) in formula.arguments.items()]
    raise InputError(
        f"--for {unknown} is not in the formula{did_you_mean(unknown, list(formula.arguments))}; it has "
        f"{', '.join(known)}"
    )


def _numbers(name: str, formula: Named, given: Mapping[str, str], unknown: str) -> dict[str, float]:
    by_argument = {_argument(formula, key): text for key, text in given.items()}
    found: dict[str, float] = {}
    for a, (symbol, unit, default) in formula.arguments.items():
        if a == unknown:
            continue
        if a in by_argument:
            found[a] = read_value(by_argument[a], unit, f"--given {a}")
        elif default is not None:
            found[a] = default
        else:
            raise InputError(
                f"{name} needs {a} ({symbol}): add --given {a}=VALUE" + (f" [{unit}]" if unit else "")
            )
    return found


def solve_plan(plan: Plan, quantity: str, unknown: str, equals: str | None) -> Solution:
    """Invert a quantity of a plan, on its fleet.

    Parameters
    ----------
    plan : Plan
        From `pdplan.plan`.
    quantity : str
        A name of ``plan.explain``, e.g. ``ttft.p99``.
    unknown : str
        A symbol of its formula, or an input of the scenario (rate, link.bandwidth, ...).
    equals : str, optional
        What it is to be, with its unit. Default: its limit, where it has one, else its own value.

    Raises
    ------
    InputError
        An unknown name.
    InfeasibleError
        No value gives it.

    Examples
    --------
    >>> from pdplan import builtin_scenario, plan
    >>> p = plan(builtin_scenario(), verify=False)
    >>> print(solve_plan(p, "prefill.utilization", "rate", "85%").inverse)
    λ_1 = n_P · ρ_P / S
    """
    by_name = {d.name: d for d in derivations_of(plan.basis.chosen, plan.fleet)}
    if quantity not in by_name:  # what is beside the fleet takes longer to gather
        by_name = {d.name: d for d in plan.derivations}
    if quantity not in by_name:
        hint = did_you_mean(quantity, list(by_name)) or "; pdplan explain --list shows them"
        raise InputError(f"no quantity {quantity!r} in the plan{hint}")
    step = by_name[quantity]
    if step.kind == "given":
        raise InputError(f"{quantity} is given ({step.given}): there is nothing to invert")
    if equals is not None:
        asked = read_value(equals, step.unit, "--equals")
    else:
        limit = by_name.get(f"slo.{quantity}.limit")
        asked = step.value if limit is None else limit.value
    tree = Tree(by_name)
    leaves = tree.leaf_names(quantity)
    problem = plan.basis.search.problem
    try:
        unknown_leaf = pick(leaves, unknown)
    except InputError as error:
        if step.formula is not None and not _is_input(unknown):
            raise error
        return solve_root(problem, plan.basis.best, quantity, step.unit, asked, input_named(unknown))
    if tree.through_computed(quantity, unknown_leaf.name) and _is_input(unknown_leaf.name):
        root_in = input_named(unknown_leaf.name)
        return solve_root(problem, plan.basis.best, quantity, step.unit, asked, root_in)
    expression = tree.expression(quantity, unknown_leaf.name)
    used = tree.leaves | {unknown_leaf.name: unknown_leaf}

    def evaluate(value: float) -> float:
        numbers = {leaf.name: leaf.value for leaf in used.values()} | {unknown_leaf.name: value}
        return float(expression.subs({s: numbers[s.name] for s in expression.free_symbols}))

    question = Question(quantity, step.symbol, step.unit, used, unknown_leaf, asked, evaluate)
    found = solve_closed(question, expression)
    if found is None:
        raise InputError(f"--for {unknown}: {quantity} has no closed form in it: solve for another symbol")
    return replace(found, notes=("everything else in the formula as it is in the plan", *found.notes))


def _is_input(name: str) -> bool:
    try:
        input_named(name)
    except InputError:
        return False
    return True
