"""`doubt`: how sure a fleet is to hold when its inputs are off, what drives it, what being surer costs."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pdplan.errors import InputError, ScenarioError, UnstableError
from pdplan.planner.doubt_answer import ConfidentFleet, Doubt, DoubtedPromise, Driver, Probability
from pdplan.planner.doubt_grow import GROWTH, grow
from pdplan.planner.doubt_inputs import INPUTS, doubtful_inputs, draw_factors
from pdplan.planner.doubt_judge import Jury
from pdplan.planner.evaluate import Disaggregated
from pdplan.planner.judge import cost_of
from pdplan.planner.result import Fleet
from pdplan.planner.simulation import chosen_fleet
from pdplan.spec.scenario import Scenario

#: Points of the sequence, and the share of them at which a surer fleet must hold, unless asked otherwise.
SAMPLES: Final = 256
CONFIDENCE: Final = 0.95


def doubt(
    scenario: Scenario,
    *,
    fleet: Fleet | None = None,
    samples: int = SAMPLES,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> Doubt:
    """Judge a fleet with its inputs off by as much as they may be, by formulas, at every sample.

    Parameters
    ----------
    scenario : Scenario
        ``uncertainty`` says how far each input may be off. Times of steps that it leaves out are taken from
        the error of the fit or of the roofline; other inputs as certain.
    fleet : Fleet, optional
        A fleet of a plan; else the one that the scenario states; else the cheapest by formulas.
    samples : int
        Points of a scrambled Sobol sequence [-]; a power of two is best balanced.
    confidence : float
        Share of the samples at which the surer fleet must hold [-].
    seed : int
        Of the scrambling.

    Raises
    ------
    InputError
        Numbers out of range, or nothing in doubt.
    InfeasibleError
        There is no fleet to doubt.

    Examples
    --------
    >>> from pdplan.spec.builtin import builtin_scenario
    >>> off = "uncertainty={rate: +-10%, prefill_time: certain, decode_time: certain}"
    >>> found = doubt(builtin_scenario((off,)), samples=16)
    >>> found.probability.value, found.label
    (1.0, '1 prefill TP4 + 1 decode TP4')
    """
    if not 0 < confidence < 1:
        raise InputError(f"confidence is {confidence:g}: it must lie between 0% and 100%, e.g. 95%")
    return doubt_of(
        scenario, chosen_fleet(scenario, fleet), samples=samples, confidence=confidence, seed=seed
    )


def doubt_of(
    scenario: Scenario,
    chosen: Disaggregated,
    *,
    samples: int = SAMPLES,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> Doubt:
    """Judge a fleet at hand; see `doubt`."""
    jury, start = _jury_of(chosen, samples, seed)
    problem, prefill, decode, inputs = jury.problem, jury.prefill, jury.decode, jury.inputs
    table = jury.table(*start)
    holds = np.asarray(table.all(axis=1), dtype=bool)
    reach = grow(jury, start, math.ceil(confidence * samples - 1e-9))
    sure, in_the_way = None, ""
    if reach.counts is None:
        roomy = jury.table(GROWTH * start[0], GROWTH * start[1])
        in_the_way = str(jury.asked[int(roomy.mean(axis=0).argmin())])
    else:
        sure = _confident(jury, reach.counts, seed)
    return Doubt(
        scenario,
        prefill.label,
        decode.label,
        *start,
        cost_of(problem, [(prefill, start[0]), (decode, start[1])]).usd_per_hour,
        inputs,
        samples,
        seed,
        confidence,
        Probability.of(int(holds.sum()), samples),
        _over_load_limit(jury, start),
        tuple(
            DoubtedPromise(
                promise, Probability.of(int(column.sum()), samples), _main(drivers_of(jury, column))
            )
            for promise, column in zip(jury.asked, table.T, strict=True)
        ),
        drivers_of(jury, holds),
        sure,
        reach.best_share,
        in_the_way,
    )


def chance_of(chosen: Disaggregated, *, samples: int = SAMPLES, seed: int = 0) -> Probability:
    """Return the probability that a fleet keeps every promise: that of `doubt_of`, and no more.

    Raises
    ------
    ScenarioError
        Nothing is in doubt.
    """
    jury, start = _jury_of(chosen, samples, seed)
    return Probability.of(int(jury.table(*start).all(axis=1).sum()), samples)


def _jury_of(chosen: Disaggregated, samples: int, seed: int) -> tuple[Jury, tuple[int, int]]:
    """Return the jury of a fleet's instances, and their counts."""
    problem, prefill, decode = chosen.problem, chosen.prefill.option, chosen.decode.option
    inputs = doubtful_inputs(problem, prefill, decode)
    if all(i.is_certain for i in inputs):
        raise ScenarioError(
            f"{problem.scenario.origin.source}: no input is in doubt: say how far some may be off, e.g. "
            "uncertainty: {rate: +-20%, decode_time: {lognormal: {sd: 0.1}}}"
        )
    jury = Jury(problem, prefill, decode, inputs, draw_factors(inputs, samples, seed))
    return jury, (chosen.prefill.count, chosen.decode.count)


def _confident(jury: Jury, counts: tuple[int, int], seed: int) -> ConfidentFleet:
    """Report the surer fleet, judged again on samples of another scrambling."""
    samples = len(jury.factors)
    again = Jury(
        jury.problem, jury.prefill, jury.decode, jury.inputs, draw_factors(jury.inputs, samples, seed + 1)
    )
    cost = cost_of(jury.problem, [(jury.prefill, counts[0]), (jury.decode, counts[1])])
    held, fresh = (round(samples * j.share(*counts)) for j in (jury, again))
    return ConfidentFleet(
        *counts,
        cost.usd_per_hour,
        cost.gpus,
        Probability.of(held, samples),
        Probability.of(fresh, samples),
    )


def drivers_of(jury: Jury, holds: NDArray[np.bool_]) -> tuple[Driver, ...]:
    """Return what each input in doubt decides, the most decisive first."""
    rows = []
    for column, row in enumerate(jury.inputs):
        if row.is_certain:
            continue
        values = jury.factors[:, column]
        upper = values > np.median(values)
        rows.append(Driver(row.name, float(holds[~upper].mean()), float(holds[upper].mean())))
    return tuple(sorted(rows, key=lambda d: (-d.effect, INPUTS.index(d.name))))


def _main(drivers: tuple[Driver, ...]) -> Driver | None:
    """Return the input that decides most, None where nothing is decided."""
    return drivers[0] if drivers and drivers[0].effect > 0 else None


def _over_load_limit(jury: Jury, counts: tuple[int, int]) -> float:
    """Share of the samples at which a pool is above the load that plans allow, objectives aside [-]."""
    limit = jury.problem.scenario.max_utilization

    def over(index: int) -> bool:
        sample = jury.sample(index)
        fleet = sample.evaluator.fleet(sample.prefill, counts[0], sample.decode, counts[1])
        try:
            loads = (fleet.prefill.utilization, fleet.decode.utilization, fleet.link.utilization)
        except UnstableError:
            return True
        return max(loads) > limit

    return float(np.mean([over(i) for i in range(len(jury.factors))]))
