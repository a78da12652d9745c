"""`predict`: what a fleet gives at a concurrency that a benchmark holds, or at the scenario's rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pdplan.errors import InfeasibleError, InputError
from pdplan.planner.colocated import ColocatedFleet, size_colocated
from pdplan.planner.evaluate import Disaggregated
from pdplan.planner.no_colocated import no_colocated
from pdplan.planner.predict_closed import closed_formula, closed_simulation
from pdplan.planner.predict_open import open_formula, open_simulation
from pdplan.planner.predict_parts import Means, SimulatedMeans
from pdplan.planner.problem import Problem
from pdplan.planner.result import Fleet
from pdplan.planner.simulation import chosen_fleet
from pdplan.planner.stations import DecodeSide, PrefillSide
from pdplan.spec.scenario import Scenario

#: Requests simulated at a concurrency unless said otherwise: at least these, and so many for each user.
REQUESTS, REQUESTS_PER_USER = 50_000, 300
#: Fewest requests for each user that show more than the start of a run.
FEWEST_PER_USER = 10
#: Users that a prediction takes.
MOST_USERS = 100_000


@dataclass(frozen=True, eq=False)
class Point:
    """One concurrency (None: the scenario's rate) by formula and by simulation."""

    concurrency: int | None
    formula: Means | None
    simulated: SimulatedMeans | None

    def document(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "concurrency": self.concurrency,
            "formula": None if self.formula is None else self.formula.document(),
            "simulated": None if self.simulated is None else self.simulated.document(),
        }


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a fleet gives.

    Attributes
    ----------
    fleet : str
        The instances.
    points : tuple of Point
        One for each concurrency, or one for the scenario's rate.
    output_factor : float
        Generated over nominal output length [-].
    seed : int
    notes : tuple of str
        What is not in the formulas, or was changed.
    """

    title: str
    fleet: str
    points: tuple[Point, ...]
    output_factor: float
    seed: int
    notes: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "schema": "pdplan.predict/1",
            "scenario": self.title,
            "fleet": self.fleet,
            "loop": "open" if self.points[0].concurrency is None else "closed",
            "output_factor": self.output_factor,
            "seed": self.seed,
            "points": [p.document() for p in self.points],
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        """A table of formula beside simulation; of several concurrencies, the curve."""
        from pdplan.planner.predict_text import prediction_text

        return prediction_text(self)


def predict(
    scenario: Scenario,
    *,
    concurrency: int | Sequence[int] | None = None,
    fleet: Fleet | None = None,
    colocated: bool = False,
    output_factor: float = 1.0,
    simulate: bool = True,
    requests: int | None = None,
    seed: int = 0,
) -> Prediction:
    """Predict throughput, TTFT and TPOT of a fleet.

    Parameters
    ----------
    scenario : Scenario
        With a concurrency its rates only set the shares of the classes.
    concurrency : int or sequence of int, optional
        Requests that a benchmark client keeps in flight (closed loop); default: arrivals at the scenario's
        rate.
    fleet : Fleet, optional
        A fleet of a plan; else the one that the scenario states; else the cheapest.
    colocated : bool
        Take the smallest colocated fleet that meets the objectives instead; simulated only.
    output_factor : float
        Generated over nominal output length, in (0, 1] [-]. InferenceX-style runs generate 0.9 of it.
    simulate : bool
        Run the engine beside the formulas.
    requests : int, optional
        Requests of each simulation; 50,000, or 300 for each user, unless given.
    seed : int
        Of the Philox streams.

    Raises
    ------
    InputError
        A concurrency or a factor that cannot be, too few requests, a colocated fleet without simulation.
    InfeasibleError
        There is no fleet; or, without a concurrency, it is offered more than it can do.

    Examples
    --------
    >>> from pdplan.spec.builtin import builtin_scenario
    >>> p = predict(builtin_scenario(), concurrency=32, simulate=False)
    >>> means = p.points[0].formula
    >>> abs(means.throughput * means.e2e_s - 32) < 1e-6           # Little's law
    True
    """
    users = _users(concurrency)
    if not 0.0 < output_factor <= 1.0:
        raise InputError(f"output_factor is {output_factor:g}: it must lie in (0, 1]")
    if colocated and not simulate:
        raise InputError("a colocated fleet has no formula in a closed loop: leave --no-simulate out")
    if requests is not None and users and requests < FEWEST_PER_USER * max(users):
        raise InputError(
            f"{requests:,} requests for {max(users)} users are the start of a run only: give at least "
            f"{FEWEST_PER_USER * max(users):,}"
        )
    chosen = _colocated(scenario) if colocated else chosen_fleet(scenario, fleet)
    label = _label(chosen)
    chosen = _with_outputs(chosen, output_factor)
    notes: list[str] = []
    points = []
    for n in users or (None,):
        number = requests or max(REQUESTS, REQUESTS_PER_USER * (n or 0))
        formula: Means | None = None
        seen: SimulatedMeans | None = None
        if n is None:
            formula = open_formula(chosen) if isinstance(chosen, Disaggregated) else None
            seen = open_simulation(chosen, number, seed) if simulate else None
        else:
            if isinstance(chosen, Disaggregated):
                formula, new = closed_formula(chosen, n)
                notes += [note for note in new if note not in notes]
            seen = closed_simulation(chosen, n, number, seed) if simulate else None
        points.append(Point(n, formula, seen))
    if colocated:
        notes.append("a colocated fleet is simulated only: there is no formula for its closed loop")
    return Prediction(
        scenario.name or scenario.model, label, tuple(points), output_factor, seed, tuple(notes)
    )


def _users(concurrency: int | Sequence[int] | None) -> tuple[int, ...]:
    if concurrency is None:
        return ()
    asked = (concurrency,) if isinstance(concurrency, int) else tuple(concurrency)
    if not asked:
        raise InputError("concurrency is empty: give at least one number of requests in flight")
    for n in asked:
        if n != int(n) or not 1 <= n <= MOST_USERS:
            raise InputError(f"concurrency is {n}: it must be a whole number from 1 to {MOST_USERS:,}")
    return tuple(int(n) for n in asked)


def _label(chosen: Disaggregated | ColocatedFleet) -> str:
    if isinstance(chosen, ColocatedFleet):
        return f"{chosen.count} colocated {chosen.option.label}"
    p, d = chosen.prefill, chosen.decode
    return f"{p.count} prefill {p.option.label} + {d.count} decode {d.option.label}"


def _colocated(scenario: Scenario) -> ColocatedFleet:
    """Return the smallest colocated fleet that meets the objectives.

    Raises
    ------
    InfeasibleError
        There is none.
    """
    from pdplan.planner.problem import assemble

    problem = assemble(scenario)
    sized = size_colocated(problem)
    if sized.pool is None:
        raise InfeasibleError(no_colocated(sized.why))
    option = next(o for o in problem.options("colocated") if o.degrees == sized.pool.degrees)
    return ColocatedFleet(problem, option, sized.pool.count)


def _with_outputs(chosen: Disaggregated | ColocatedFleet, factor: float) -> Disaggregated | ColocatedFleet:
    """Return the same fleet with shorter outputs; whole token counts stay whole."""
    if factor == 1.0:
        return chosen
    traffic = []
    for t in chosen.problem.traffic:
        out = t.demand.output_tokens
        scaled = np.where(out == np.rint(out), np.rint(out * factor), out * factor)
        traffic.append(replace(t, demand=replace(t.demand, output_tokens=np.maximum(scaled, 1.0))))
    old = chosen.problem
    problem = Problem(old.scenario, old.model, old.link, tuple(traffic))
    if isinstance(chosen, ColocatedFleet):
        return replace(chosen, problem=problem)
    return Disaggregated(
        problem,
        PrefillSide(problem, chosen.prefill.option, chosen.prefill.count),
        DecodeSide(problem, chosen.decode.option, chosen.decode.count),
    )
