"""`doubt`: how sure a fleet is to hold when its inputs are off, what drives it, what being surer costs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdplan._version import __version__
from pdplan.errors import InputError, ScenarioError, UnstableError
from pdplan.planner.doubt_grow import GROWTH, grow
from pdplan.planner.doubt_inputs import INPUTS, DoubtfulInput, doubtful_inputs, draw_factors
from pdplan.planner.doubt_judge import Jury, Promise
from pdplan.planner.judge import cost_of
from pdplan.planner.result import Fleet
from pdplan.planner.simulation import chosen_fleet
from pdplan.spec.scenario import Scenario

#: Normal quantile of the 95% intervals.
Z95 = 1.959964


@dataclass(frozen=True, slots=True)
class Probability:
    """A share of samples [-], with its 95% interval."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, held: int, samples: int) -> Probability:
        """Return Wilson's interval, as of independent samples (a Sobol sequence is closer).

        Examples
        --------
        >>> p = Probability.of(90, 100)          # Brown, Cai and DasGupta 2001: 0.826 to 0.945
        >>> round(p.low, 3), round(p.high, 3)
        (0.826, 0.945)
        """
        share, z2 = held / samples, Z95**2
        centre = (share + z2 / (2 * samples)) / (1 + z2 / samples)
        half = Z95 / (1 + z2 / samples) * math.sqrt(share * (1 - share) / samples + z2 / (4 * samples**2))
        low = 0.0 if held == 0 else max(0.0, centre - half)
        return cls(share, low, 1.0 if held == samples else min(1.0, centre + half))

    def document(self) -> dict[str, float]:
        """Return the JSON form."""
        return {"value": round(self.value, 6), "low": round(self.low, 6), "high": round(self.high, 6)}


@dataclass(frozen=True, slots=True)
class Driver:
    """What one input decides: shares of samples that hold in its lower and in its upper half [-]."""

    name: str
    holds_low: float
    holds_high: float

    @property
    def effect(self) -> float:
        """What the better half gains over the worse [-]."""
        return abs(self.holds_high - self.holds_low)

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "input": self.name,
            "holds_if_low": round(self.holds_low, 6),
            "holds_if_high": round(self.holds_high, 6),
        }


@dataclass(frozen=True, slots=True)
class DoubtedPromise:
    """One objective or capacity: how likely it holds, and the input that most decides it (if any fails)."""

    promise: Promise
    probability: Probability
    driver: Driver | None

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "class": self.promise.class_name or None,
            "what": self.promise.what,
            "probability": self.probability.document(),
            "driver": None if self.driver is None else self.driver.document(),
        }


@dataclass(frozen=True, slots=True)
class ConfidentFleet:
    """The cheapest fleet of the same instances that holds with the confidence asked for.

    ``fresh`` is its probability on samples that had no part in choosing it.
    """

    prefill: int
    decode: int
    usd_per_hour: float
    gpus: int
    probability: Probability
    fresh: Probability

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "prefill": self.prefill,
            "decode": self.decode,
            "gpus": self.gpus,
            "usd_per_hour": float(f"{self.usd_per_hour:.10g}"),
            "probability": self.probability.document(),
            "fresh_samples": self.fresh.document(),
        }


@dataclass(frozen=True, eq=False)
class Doubt:
    """How sure a fleet is to keep its promises.

    ``sure`` is None where no number of these instances holds with the confidence; ``in_the_way`` then names
    what fails most and ``best_share`` how far growing gets.
    """

    scenario: Scenario
    prefill_label: str
    decode_label: str
    prefill: int
    decode: int
    usd_per_hour: float
    inputs: tuple[DoubtfulInput, ...]
    samples: int
    seed: int
    confidence: float
    probability: Probability
    over_load_limit: float
    promises: tuple[DoubtedPromise, ...]
    drivers: tuple[Driver, ...]
    sure: ConfidentFleet | None
    best_share: float
    in_the_way: str

    @property
    def label(self) -> str:
        """E.g. ``2 prefill TP4 + 3 decode TP4``."""
        return self.label_of(self.prefill, self.decode)

    def label_of(self, prefill: int, decode: int) -> str:
        """Name a fleet of so many of these instances."""
        return f"{prefill} prefill {self.prefill_label} + {decode} decode {self.decode_label}"

    def __bool__(self) -> bool:
        """Whether some number of these instances holds with the confidence asked for."""
        return self.sure is not None

    def document(self) -> dict[str, Any]:
        """Return the JSON document: stable, versioned, without timings or dates."""
        return {
            "schema": "pdplan.doubt/1",
            "version": __version__,
            "samples": self.samples,
            "seed": self.seed,
            "confidence": self.confidence,
            "fleet": self.label,
            "prefill": self.prefill,
            "decode": self.decode,
            "usd_per_hour": float(f"{self.usd_per_hour:.10g}"),
            "inputs": [
                {"input": i.name, "spread": i.spread.document(), "source": i.source} for i in self.inputs
            ],
            "probability": self.probability.document(),
            "over_load_limit": round(self.over_load_limit, 6),
            "promises": [p.document() for p in self.promises],
            "drivers": [d.document() for d in self.drivers],
            "confident_fleet": None if self.sure is None else self.sure.document(),
            "best_share": round(self.best_share, 6),
            "in_the_way": self.in_the_way,
        }

    def __str__(self) -> str:
        """Read like an engineer's note, 80 columns wide."""
        from pdplan.planner.doubt_text import doubt_text

        return doubt_text(self, width=80)


def doubt(
    scenario: Scenario,
    *,
    fleet: Fleet | None = None,
    samples: int = 256,
    confidence: float = 0.95,
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
    chosen = chosen_fleet(scenario, fleet)
    problem, prefill, decode = chosen.problem, chosen.prefill.option, chosen.decode.option
    inputs = doubtful_inputs(problem, prefill, decode)
    if all(i.is_certain for i in inputs):
        raise ScenarioError(
            f"{scenario.origin.source}: no input is in doubt: say how far some may be off, e.g. "
            "uncertainty: {rate: +-20%, decode_time: {lognormal: {sd: 0.1}}}"
        )
    start = chosen.prefill.count, chosen.decode.count
    jury = Jury(problem, prefill, decode, inputs, draw_factors(inputs, samples, seed))
    table = jury.table(*start)
    holds = np.asarray(table.all(axis=1), dtype=bool)
    jury.know(*start, holds)
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
