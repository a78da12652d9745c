"""`pdplan solve`: what a symbol must be for a quantity to be what was asked."""

from __future__ import annotations

from collections.abc import Iterable

from pdplan.cli.output import load, no_as_json, print_json, width
from pdplan.errors import InputError


def run(
    quantity: str | None,
    source: str | None,
    *,
    unknown: str | None,
    equals: str | None,
    given: tuple[str, ...],
    as_json: bool,
    overrides: tuple[str, ...],
) -> None:
    """Invert a quantity of the scenario's plan, or a formula of the library, and print it.

    Raises
    ------
    InputError
        Something missing, or a name that is not known.
    InfeasibleError
        No value gives what was asked.
    """
    from pdplan.planner.solving import solve_formula, solve_plan
    from pdplan.planner.solving_formulas import FORMULAS

    if quantity is None:
        _list(as_json=as_json)
        return
    if unknown is None:
        raise InputError(f"--for is missing: name the symbol to solve {quantity} for, e.g. --for rate")
    with no_as_json("solve", as_json=as_json):
        if quantity in FORMULAS:
            if source is not None or overrides:
                raise InputError(
                    f"{quantity} is a formula by itself: give its numbers with --given, without a scenario"
                )
            if equals is None:
                raise InputError(f"--equals is missing: say what {quantity} is to be")
            found = solve_formula(quantity, unknown, equals, _pairs(given))
        else:
            if given:
                raise InputError(f"--given is for formulas ({', '.join(FORMULAS)}): use --set for a scenario")
            from pdplan.planner.sizing import size

            found = solve_plan(size(load(source, overrides)), quantity, unknown, equals)
    if as_json:
        print_json(found.document())
    else:
        print(found.text(width()))


def _pairs(given: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in given:
        key, equals, value = item.partition("=")
        if not (equals and key.strip() and value.strip()):
            raise InputError(f"--given {item}: write NAME=VALUE, e.g. service_s='200 ms'")
        found[key.strip()] = value.strip()
    return found


def _list(*, as_json: bool) -> None:
    """Print the formulas that need no scenario."""
    from pdplan.planner.solving_formulas import FORMULAS

    if as_json:
        print_json(
            {"schema": "pdplan.solve/1", "formulas": {k: list(f.arguments) for k, f in FORMULAS.items()}}
        )
        return
    size = max(len(name) for name in FORMULAS)
    for name, f in FORMULAS.items():
        print(f"{name.ljust(size)}  {f.title}: {', '.join(f.arguments)}")
    print("Any quantity of a plan can be solved too: pdplan explain --list shows them.")
