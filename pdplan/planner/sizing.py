"""`plan`: the cheapest fleet for a scenario, its reasons and margins, and the colocated fleet beside it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pdplan.errors import InfeasibleError, InputError, UnstableError
from pdplan.planner.answer import Plan
from pdplan.planner.benchmark import benchmark_arithmetic
from pdplan.planner.binding import binding_of
from pdplan.planner.colocated import size_colocated
from pdplan.planner.defaults import defaults_used
from pdplan.planner.evaluate import Disaggregated
from pdplan.planner.infeasible import explain_infeasible
from pdplan.planner.judge import judge
from pdplan.planner.need import fractional_need
from pdplan.planner.problem import assemble
from pdplan.planner.result import Colocated, Fleet, Need
from pdplan.planner.search import Candidate, Search
from pdplan.planner.verdict import ClassVerdict
from pdplan.planner.verdicts import Settling, class_verdict, settled_verdicts, split_problem
from pdplan.spec.pools import FixedPool
from pdplan.spec.scenario import Scenario

if TYPE_CHECKING:
    from pdplan.planner.settle import Settled


@dataclass(frozen=True, eq=False)
class Basis:
    """What a plan was made from."""

    search: Search
    best: Candidate
    chosen: Disaggregated


def plan(scenario: Scenario, *, verify: bool = True, requests: int | None = None, seed: int = 0) -> Plan:
    """Find the cheapest disaggregated fleet that meets every objective of every class, and check it.

    Parameters
    ----------
    scenario : Scenario
        The question.
    verify : bool
        Simulate the fleet, step it up where a simulation contradicts an approximate formula, and settle
        verdicts that the formulas leave open.
    requests : int, optional
        Requests of each simulation; 20,000 unless given.
    seed : int
        Of the Philox streams.

    Raises
    ------
    ScenarioError
        A name or length that is wrong.
    InfeasibleError
        No fleet meets the objectives; the message names the constraint, by how much it is missed, and the
        nearest objective that can be met.

    Examples
    --------
    >>> from pdplan.spec.builtin import builtin_scenario
    >>> p = plan(builtin_scenario(), verify=False)
    >>> p.fleet.status, p.classes[0].name
    ('met', 'chat')
    """
    sized = size(scenario)
    return verified(sized, requests=requests, seed=seed) if verify else sized


def size(scenario: Scenario) -> Plan:
    """Plan by formulas alone; see `plan`."""
    problem = assemble(scenario)
    benchmark = benchmark_arithmetic(problem)
    search = Search(problem)
    best = find(search)
    sized = _answer(search, best, size_colocated(problem))
    return replace(sized, benchmark=benchmark, stated=judge_stated(search))


def verified(sized: Plan, *, requests: int | None = None, seed: int = 0) -> Plan:
    """Return a plan checked by simulation: stepped up where contradicted, its open verdicts settled.

    A plan that the engine cannot run (a request longer than the memory of an instance) says so, unverified.
    """
    try:
        return _verified(sized, requests, seed)
    except InputError as error:
        return replace(sized, unverified=str(error))


def _verified(sized: Plan, requests: int | None, seed: int) -> Plan:
    from pdplan.planner.replay import replay  # the engine loads here
    from pdplan.planner.settle import settle_fleet
    from pdplan.planner.verification import DEFAULT_REQUESTS

    number = DEFAULT_REQUESTS if requests is None else requests
    basis: Basis = sized.basis
    problem = basis.search.problem
    if problem.scenario.prefill.discipline == "mm1":
        return replace(sized, unverified="mm1 is a calibration to a benchmark, not a way to serve")
    settled = settle_fleet(basis.search, basis.best, requests=number, seed=seed)
    settle = Settling(number, seed)
    colocated, verdicts = sized.colocated, sized.verdicts
    if any(v.reason == "undetermined" for v in verdicts):
        if len(problem.traffic) == 1:
            fleet = sized.fleet if settled.best is basis.best else judge(settled.fleet)
            colocated = settle.colocated(problem, colocated, fleet.cost.usd_per_hour)
        else:
            verdicts = settled_verdicts(verdicts, settle)
    if settled.best is not basis.best:
        known = verdicts if len(verdicts) > 1 else None
        again = _answer(basis.search, settled.best, colocated, known, settled, sized.need)
        sized = replace(again, benchmark=sized.benchmark, stated=sized.stated)
    elif colocated is not sized.colocated:  # one class: its verdict alone hangs on the colocated side
        verdict = class_verdict(problem, basis.chosen, sized.fleet, colocated, sized.need)
        sized = replace(sized, colocated=colocated, verdicts=(verdict,))
    return replace(
        sized,
        verification=settled.verification,
        replay=replay(settled.fleet, seed=seed),
        verdicts=verdicts if len(verdicts) > 1 else sized.verdicts,
    )


def _answer(
    search: Search,
    best: Candidate,
    colocated: Colocated,
    verdicts: tuple[ClassVerdict, ...] | None = None,
    settled: Settled | None = None,
    need: Need | None = None,
) -> Plan:
    """Report a fleet with everything that stands beside it; verdicts that are known are not made again.

    ``settled``: what a simulation made of it; ``need`` by the formulas, for a fleet that they find too small.
    """
    problem = search.problem
    chosen = search.evaluator.fleet(best.prefill, best.prefill_count, best.decode, best.decode_count)
    fleet = judge(chosen) if settled is None else settled.as_simulated(judge(chosen))
    if need is None or settled is None or not settled.fewer:
        need = fractional_need(search, best, chosen)
    if len(problem.traffic) == 1:
        verdicts = (class_verdict(problem, chosen, fleet, colocated, need),)
    elif verdicts is None:
        verdicts = split_problem(problem)
    return Plan(
        scenario=problem.scenario,
        fleet=fleet,
        need=need,
        binding=binding_of(search, best, fleet),
        colocated=colocated,
        verdicts=verdicts,
        considered=len(problem.options("prefill")) * len(problem.options("decode")),
        defaults=defaults_used(problem),
        rejected=tuple(
            f"{r.role} {r.label}: {r.why}" for role in ("prefill", "decode") for r in problem.rejected(role)
        ),
        basis=Basis(search, best, chosen),
    )


def find(search: Search) -> Candidate:
    """Return the cheapest fleet, or say precisely why there is none."""
    try:
        return search.best()
    except InfeasibleError as error:
        raise explain_infeasible(search, error) from None


def judge_stated(search: Search) -> Fleet | None:
    """Judge the fleet that the scenario states, if any and if it is stable."""
    stated = search.problem.scenario.fleet
    if stated is None:
        return None
    try:
        return judge(stated_fleet(search, stated.prefill, stated.decode))
    except UnstableError:
        return None


def stated_fleet(search: Search, prefill: FixedPool, decode: FixedPool) -> Disaggregated:
    """Pick the instance kinds by their parallelism; a stated TP that was not among those tried is refused."""
    picked = []
    for role, pool in (("prefill", prefill), ("decode", decode)):
        options = search.problem.options(role)  # type: ignore[arg-type]
        match = next((o for o in options if o.degrees == pool.degrees), None)
        if match is None:
            raise InfeasibleError(
                f"the stated {role} pool is {pool.degrees}, not among the parallelisms tried: "
                f"add it to {role}.parallel"
            )
        picked.append(match)
    return search.evaluator.fleet(picked[0], prefill.count, picked[1], decode.count)
