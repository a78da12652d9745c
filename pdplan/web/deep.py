"""What takes longer than a slider may: the full answer, the map, the frontier, the check by simulation."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from pdplan.errors import InfeasibleError
from pdplan.planner.answer import Plan
from pdplan.planner.break_even_inputs import at_link, at_prompt
from pdplan.planner.break_even_state import Stations, state_of
from pdplan.planner.problem import Problem, assemble
from pdplan.planner.sizing import size, verified
from pdplan.spec.scenario import Scenario
from pdplan.web.laws import laws_of, simulated_curve
from pdplan.web.quick import kinds_of

#: Factors of the prompt length and of the bandwidth that the map shows.
PROMPT_FACTORS: Final = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0)
LINK_FACTORS: Final = (0.025, 0.08, 0.25, 1.0, 4.0)
#: GPUs up to which a frontier is drawn.
MOST_FRONTIER_GPUS: Final = 16
Report = Callable[[Any], None]


def full_answer(scenario: Scenario) -> dict[str, Any]:
    """Return the whole plan by formulas, with the laws of its fleet."""
    return _shown(size(scenario))


def _shown(plan: Plan) -> dict[str, Any]:
    """Return the plan's document with what only the page shows."""
    return plan.document() | {"laws": laws_of(plan.basis.chosen), "kinds": kinds_of(plan.basis.best)}


def verdict_map(report: Report, scenario: Scenario, index: int) -> dict[str, Any]:
    """Return whether to split one class, over prompt length and bandwidth of the link, by formulas.

    Columns are reported as they are ready, the scenario's own first; one that is not yet known is None.
    """
    problem = assemble(scenario).only(index)
    now = problem.traffic[0].demand.mean_prompt_tokens
    columns: list[list[str] | None] = [None] * len(PROMPT_FACTORS)
    drawn: dict[str, Any] = {
        "class": problem.traffic[0].name,
        "prompt_tokens": [now * f for f in PROMPT_FACTORS],
        "bytes_per_s": [problem.link.bytes_per_s * f for f in LINK_FACTORS],
        "here": (PROMPT_FACTORS.index(1.0), LINK_FACTORS.index(1.0)),
        "states": columns,
    }
    for i in sorted(range(len(PROMPT_FACTORS)), key=lambda i: abs(math.log(PROMPT_FACTORS[i]))):
        columns[i] = _column(at_prompt(problem, now * PROMPT_FACTORS[i]))
        report(drawn)
    return drawn


def _column(problem: Problem) -> list[str]:
    """Verdicts at one prompt length; queues are solved once for all bandwidths.

    More bandwidth never raises the price of the split fleet and leaves the colocated one as it is, so that a
    verdict that is the same at two bandwidths is the same between them.
    """
    stations = Stations(problem)
    known: dict[int, str] = {}

    def state(i: int) -> str:
        if i not in known:
            known[i] = _state(problem, stations, LINK_FACTORS[i])
        return known[i]

    def fill(low: int, high: int) -> None:
        if state(low) == state(high):
            known.update(dict.fromkeys(range(low, high), state(low)))
        elif high - low > 1:
            middle = (low + high) // 2
            fill(low, middle)
            fill(middle, high)

    fill(0, len(LINK_FACTORS) - 1)
    return [known[i] for i in range(len(LINK_FACTORS))]


def _state(problem: Problem, stations: Stations, factor: float) -> str:
    try:
        return state_of(at_link(problem, factor * problem.link.bytes_per_s), stations)
    except InfeasibleError:
        return "neither"


def frontier(scenario: Scenario, gpus: int) -> dict[str, Any]:
    """Return the fleets that no other beats in both cost and TTFT, up to about twice the GPUs bought."""
    from pdplan.planner.pareto_frames import pareto

    found = pareto(scenario, gpus=min(MOST_FRONTIER_GPUS, max(4, 2 * gpus)), frame="cost")
    return found.document()


def verification(report: Report, scenario: Scenario, requests: int, seed: int) -> dict[str, Any]:
    """Return the plan checked by simulation, with the law of the simulated requests.

    Reports (words, share done).
    """
    from pdplan.planner.simulated import simulate_fleet  # the engine loads here
    from pdplan.planner.verification import DEFAULT_REQUESTS

    report(("sizing by formulas", 0.02))
    sized = size(scenario)
    report((f"checking every objective on {DEFAULT_REQUESTS:,} requests", 0.1))
    plan = verified(sized, seed=seed)
    shown = _shown(plan)
    if plan.verification is None:
        return shown
    report((f"simulating {requests:,} requests", 0.3))
    fleet = plan.basis.chosen
    run = simulate_fleet(
        fleet,
        requests,
        seed,
        lambda done: report((f"simulating {requests:,} requests", 0.3 + 0.65 * min(1.0, done / requests))),
    )
    shown["simulated"] = {
        demand.name: {
            metric: simulated_curve(values)
            for metric in ("ttft", "tpot")
            if (values := run.values(metric, demand.name)).size > 0
        }
        for demand in fleet.problem.demands
    }
    shown["simulated_requests"] = requests
    report(("done", 1.0))
    return shown
