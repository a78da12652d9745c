"""`simulate`: run a scenario's fleet through the engine, or replay a trace on it."""

from __future__ import annotations

from dataclasses import asdict

from pdplan.planner.evaluate import Disaggregated
from pdplan.planner.problem import assemble
from pdplan.planner.result import Fleet
from pdplan.planner.search import Search
from pdplan.planner.simulated import simulate_fleet
from pdplan.planner.sizing import find, stated_fleet
from pdplan.sim.result import SimResult
from pdplan.sim.watch import OnProgress
from pdplan.spec.pools import FixedPool
from pdplan.spec.scenario import Scenario


def simulate(
    scenario: Scenario,
    *,
    fleet: Fleet | None = None,
    requests: int = 100_000,
    seed: int = 0,
    on_progress: OnProgress | None = None,
) -> SimResult:
    """Simulate a disaggregated fleet under the scenario's traffic.

    Parameters
    ----------
    scenario : Scenario
    fleet : Fleet, optional
        A fleet of a plan (``plan.fleet``); else the one that the scenario states; else the cheapest.
    requests : int
        Requests of all classes together.
    seed : int
        Of the Philox streams.
    on_progress : callable, optional
        Told the requests served so far, ten times a second.

    Raises
    ------
    InfeasibleError
        There is no fleet to simulate.
    UnsupportedError
        The prefill discipline is mm1.
    """
    return simulate_fleet(chosen_fleet(scenario, fleet), requests, seed, on_progress)


def chosen_fleet(scenario: Scenario, fleet: Fleet | None = None) -> Disaggregated:
    """Return the fleet asked for, ready to be judged or simulated."""
    search = Search(assemble(scenario))
    if fleet is not None:
        p, d = fleet.prefill, fleet.decode
        return stated_fleet(
            search,
            FixedPool(count=p.count, **asdict(p.degrees)),
            FixedPool(count=d.count, **asdict(d.degrees)),
        )
    if scenario.fleet is not None:
        return stated_fleet(search, scenario.fleet.prefill, scenario.fleet.decode)
    best = find(search)
    return search.evaluator.fleet(best.prefill, best.prefill_count, best.decode, best.decode_count)
