"""What `explain` prints is what ran: printed numbers in the printed formula give the printed value."""

from __future__ import annotations

import re

import pytest
import sympy

import pdplan
from pdplan.errors import InputError
from pdplan.planner import Plan
from pdplan.spec.builtin import builtin_scenario
from pdplan.symbolic import show_derivation

SETTINGS = {
    "batched": (),
    "one at a time": ("prefill.discipline=one_at_a_time", "prefill.router=random"),
    "mm1": ("prefill.discipline=mm1", "first_token_from=prefill"),
}


@pytest.fixture(scope="module", params=SETTINGS)
def plan(request: pytest.FixtureRequest) -> Plan:
    return pdplan.plan(builtin_scenario(SETTINGS[request.param]), verify=False)


def test_printed_numbers_in_the_printed_formula_give_the_printed_value(plan: Plan) -> None:
    for step in plan.derivations:
        if step.formula is None:
            continue
        shown = show_derivation(step)
        expression = shown.substituted.split(" = ", 1)[1].replace("^", "**")
        value = float(sympy.sympify(expression))
        # the numbers are printed with five digits; the formula may amplify their rounding
        assert value == pytest.approx(step.value, rel=2e-3), shown


def test_exact_numbers_give_the_exact_value(plan: Plan) -> None:
    for step in plan.derivations:
        if step.formula is not None:
            assert float(step.formula(**step.arguments)) == pytest.approx(step.value, rel=1e-9), step.name


def test_computed_quantities_name_equation_and_method(plan: Plan) -> None:
    for step in plan.derivations:
        if step.formula is None:
            assert step.equation, step.name
            assert step.method, step.name


def test_residuals_of_percentiles_are_small(plan: Plan) -> None:
    rows = [s for s in plan.derivations if re.match(r"ttft\.p", s.name)]
    assert rows
    for step in rows:
        residual = float(step.method.rsplit("= ", 1)[1])
        assert abs(residual) < 1e-3


def test_a_name_selects_what_is_below_it(plan: Plan) -> None:
    assert {s.name.split(".")[0] for s in plan.explain("link")} == {"link"}
    with pytest.raises(InputError, match="did you mean"):
        plan.explain("lnik")


def test_latex_is_there_for_formulas(plan: Plan) -> None:
    (shown,) = plan.explain("link.transfer")
    assert r"\frac" in shown.latex
