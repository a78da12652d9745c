"""What `explain` prints is what ran: printed numbers in the printed formula give the printed value."""

from __future__ import annotations

import math
import re
from functools import lru_cache
from pathlib import Path

import pytest

import pdplan
from pdplan.errors import InputError
from pdplan.planner import Plan
from pdplan.planner.colocated import ColocatedFleet
from pdplan.planner.problem import assemble
from pdplan.planner.sizing import size
from pdplan.planner.working.fewer import fleet_values
from pdplan.spec.builtin import builtin_scenario
from pdplan.spec.loading import parse_scenario
from pdplan.symbolic import Derivation, Shown, show_derivation
from pdplan.symbolic.numbers import ulp
from pdplan.trust import Trust

SCENARIOS = Path(__file__).parents[2] / "scenarios"
SETTINGS = {
    "batched": (),
    "one at a time": ("prefill.discipline=one_at_a_time", "prefill.router=random"),
    "round robin, one at a time": (
        "prefill.discipline=one_at_a_time",
        "classes.chat.rate=40 req/s",
        "prefill.parallel.tp=[4]",
        "decode.parallel.tp=[4]",
    ),
    "mm1": ("prefill.discipline=mm1", "first_token_from=prefill"),
}
TWO_CLASSES = """\
version: 1
model: llama-3.1-8b
accelerator: h100-sxm-80gb
link: ib-ndr-400g
colocated: {parallel: {tp: 1}}
classes:
  - {name: chat, rate: 4 req/s, prompt_tokens: 1000, output_tokens: 100, slo: {ttft: {mean: 1 s}}}
  - {name: rag, rate: 1 req/s, prompt_tokens: 4000, output_tokens: 50, slo: {ttft: {mean: 2 s}}}
"""
FILES = ("deepseek-v31-kingsoft.yaml", "three-classes.yaml", "distserve-search.yaml", "deepseek-r1-ep.yaml")


@lru_cache
def _sized(name: str) -> Plan:
    if name in SETTINGS:
        return size(builtin_scenario(SETTINGS[name]))
    return size(pdplan.Scenario.load(SCENARIOS / name))


@pytest.fixture(
    scope="module",
    params=[
        "batched",
        *(pytest.param(n, marks=pytest.mark.slow) for n in (*list(SETTINGS)[1:], *FILES)),
    ],
)
def plan(request: pytest.FixtureRequest) -> Plan:
    return _sized(request.param)


#: Residuals that are not zero to rounding, and what they may be: the root of the need is found to 0.2% of the
#: load, which the log of a tail multiplies; a lattice cuts its tail at 1e-8; a chance is a share of samples.
MAY_LEAVE = {
    "need.prefill": 0.05,
    "need.decode": 0.05,
    "prefill.wait": 2e-3,
    "breaks_first.factor": 0.05,
    "doubt.probability": 0.1,
}


def evaluated(shown: Shown, text: str) -> float:
    """Value of the right-hand side of a printed formula, units and all."""
    right = text.split(" = ", 1)[1]
    right = re.sub(r" \[[^\]]*\]", "", right).replace("·", "*").replace("^", "**")
    names = {"max": max, "min": min, "sqrt": math.sqrt, "exp": math.exp, "ln": math.log}
    return float(eval(right, {"__builtins__": {}}, names))


def printed(line: str) -> float:
    return float(line.split(" = ", 1)[1].split(" ")[0])


def with_numbers(shown: Shown) -> str:
    """The printed formula, each symbol replaced by the number printed beside it."""
    pairs = [line.split(" = ", 1) for line in shown.where]
    left, right = shown.formula.split(" = ", 1)
    for symbol, rest in sorted(pairs, key=lambda pair: -len(pair[0])):
        right = re.sub(rf"(?<![\w\[]){re.escape(symbol)}(?![\w\]])", f"({rest.strip().split(' ')[0]})", right)
    return f"{left} = {right}"


def test_printed_numbers_in_the_printed_formula_give_the_printed_value(plan: Plan) -> None:
    formulas = [show_derivation(d) for d in plan.derivations if d.kind == "formula"]
    assert len(formulas) > 30
    for shown in formulas:
        value = printed(shown.value)
        room = 0.56 * ulp(value)  # half of the last place, and what rounding the numbers adds
        assert evaluated(shown, shown.substituted) == pytest.approx(value, abs=room, rel=0), shown
        assert evaluated(shown, with_numbers(shown)) == pytest.approx(value, abs=room, rel=0), shown


def test_exact_numbers_give_the_exact_value(plan: Plan) -> None:
    for step in plan.derivations:
        if step.formula is not None:
            assert float(step.formula(**step.arguments)) == pytest.approx(step.value, rel=1e-9), step.name


def test_computed_quantities_print_equation_method_and_a_small_residual(plan: Plan) -> None:
    computed = [d for d in plan.derivations if d.kind == "computed"]
    assert computed
    for step in computed:
        shown = show_derivation(step)
        assert step.equation, step.name
        assert step.latex, step.name
        assert step.method, step.name
        assert step.source, step.name
        assert "residual: " in str(shown), step.name
        left = float(shown.residual_text.rsplit("= ", 1)[1])
        assert abs(left) <= MAY_LEAVE.get(step.name, 1e-8), (step.name, left)


def test_given_quantities_say_where_they_stand(plan: Plan) -> None:
    for step in plan.derivations:
        if step.kind == "given":
            assert f"given: {step.given}"[:40] in str(show_derivation(step)).replace("\n", " "), step.name


def test_what_a_formula_refers_to_is_there_and_equal(plan: Plan) -> None:
    by_name = {d.name: d for d in plan.derivations}
    assert len(by_name) == len(plan.derivations)
    for step in plan.derivations:
        for argument, name in step.refers.items():
            assert name in by_name, (step.name, name)
            if argument in step.arguments and step.arguments[argument] > 0:
                close = pytest.approx(by_name[name].value, rel=1e-6)
                assert step.arguments[argument] == close, (step.name, argument, name)


def test_trust_is_the_plans(plan: Plan) -> None:
    by_name = {d.name: d for d in plan.derivations}
    alone = len(plan.classes) == 1
    for c in plan.classes:
        of = "" if alone else f".{c.name}"
        assert by_name[f"ttft{of}.mean"].trust is c.ttft.trust
        if c.tpot is not None:
            assert by_name[f"tpot{of}.p99"].trust is c.tpot.trust


def test_a_name_selects_what_is_below_it_then_the_chain_beneath() -> None:
    plan = _sized("batched")
    names = [s.name for s in plan.explain("ttft")]
    below = [n for n in names if n.startswith("ttft.")]
    assert names[: len(below)] == below
    assert "prefill.wait" in names
    assert "rate.total" in [s.name for s in plan.explain("prefill.utilization")]
    with pytest.raises(InputError, match="did you mean"):
        plan.explain("lnik")


def test_latex_and_mathml_are_there_for_formulas() -> None:
    shown = _sized("batched").explain("link.transfer")[0]
    assert r"\frac{b}{r}" in shown.latex
    assert "<mfrac><mi>b</mi><mi>r</mi></mfrac>" in shown.mathml


def test_a_broken_law_shows_in_its_residual() -> None:
    """The residuals are no decoration: a law moved off its answer leaves one."""
    from pdplan.planner.working.build import quantile_residual
    from pdplan.planner.working.waits import chain_residual

    plan = _sized("batched")
    chosen = plan.basis.chosen
    law = chosen.ttft(chosen.problem.demands[0])
    q = float(law.quantile_s(0.99))
    assert quantile_residual(law.sf, q, 0.99, 1e-6) < 1e-9
    assert quantile_residual(law.sf, 1.05 * q, 0.99, 1e-6) > 1e-4
    chain = chosen.prefill.station.batching.chain
    assert abs(chain_residual(chain)) < 2e-3
    moved = type(chain)(
        chain.arrival_rate * 1.05,
        chain.unit_tokens,
        chain.duration_s,
        chain.idle,
        chain.pmf,
        chain.prompt_pmf,
    )
    assert abs(chain_residual(moved)) > 1e-2


def test_names_of_a_colocated_fleet_beside_the_plan_end_with_the_class() -> None:
    problem = assemble(parse_scenario(TWO_CLASSES))
    fleet = ColocatedFleet(problem, problem.options("colocated")[0], 4)
    names = [row.name for row in fleet_values(fleet, "beside", "beside the plan")]
    classes = [f"beside.{c}.ttft.mean{end}" for c in ("chat", "rag") for end in ("", ".low")]
    assert names == ["beside.utilization", "beside.kv_p99_share", *classes]


def test_kinds() -> None:
    given = Derivation("a", "t", "a", "", 1.0, given="here", trust=Trust.EXACT)
    assert given.kind == "given"
