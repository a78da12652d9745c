"""`validate`: closed form beside simulation, for every quantity of a plan."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from pdplan import units
from pdplan._version import __version__
from pdplan.planner.evaluate import Disaggregated, several
from pdplan.planner.judge import judge
from pdplan.planner.problem import Array, assemble
from pdplan.planner.result import ClassPlan, Fleet
from pdplan.planner.search import Search
from pdplan.planner.simulated import draw, pd_config
from pdplan.planner.size import find, stated_fleet
from pdplan.planner.verify import Mask, steady, values_of, warm_up
from pdplan.sim.raw import RawRun
from pdplan.sim.statistics import AgreementRow, Comparison, agreement, mean_estimate, quantile_estimate
from pdplan.spec.scenario import Scenario
from pdplan.trust import Trust

#: Half-widths that an interval may have for "agrees", relative to the formula.
MEAN_TOLERANCE = 0.02
QUANTILE_TOLERANCE = 0.05
DEFAULT_REQUESTS = 400_000


@dataclass(frozen=True, eq=False)
class Validation:
    """Rows of (quantity, formula, simulated, interval, verdict, trust); truthy unless a formula fails.

    A formula fails where the simulation contradicts it although its trust is exact or bounded, or where it
    errs by more than 25% although it is only approximate.
    """

    scenario: Scenario
    fleet: Fleet
    rows: tuple[AgreementRow, ...]
    requests: int
    seed: int
    left_out: int

    @property
    def contradicted(self) -> tuple[AgreementRow, ...]:
        """Rows that fail."""
        return tuple(r for r in self.rows if r.verdict == "disagrees" and not _excused(r))

    def __bool__(self) -> bool:
        """Truthy unless a formula fails."""
        return not self.contradicted

    def document(self) -> dict[str, Any]:
        """Return the JSON document."""
        return {
            "schema": "pdplan.validate/1",
            "version": __version__,
            "scenario": self.scenario.model_dump(mode="json", exclude_none=True),
            "fleet": self.fleet.label,
            "requests": self.requests,
            "seed": self.seed,
            "left_out_warm_up": self.left_out,
            "valid": bool(self),
            "rows": [r.document() for r in self.rows],
        }

    def __str__(self) -> str:
        """Read as a table."""
        from pdplan.planner.note import validation_note

        return validation_note(self, width=80)


#: An approximate formula may err by this much before it counts as failed.
APPROXIMATE_MAY_ERR = 0.25


def _excused(row: AgreementRow) -> bool:
    return row.trust is Trust.APPROXIMATE and abs(row.relative_difference) <= APPROXIMATE_MAY_ERR


def validate(scenario: Scenario, *, seed: int = 0, requests: int = DEFAULT_REQUESTS) -> Validation:
    """Simulate the plan's fleet (or the stated one) and compare every quantity.

    Intervals are batch means at 99%, corrected together for their number after Holm.

    Parameters
    ----------
    scenario : Scenario
    seed : int
        Of the Philox streams.
    requests : int
        Requests simulated, of all classes together.

    Raises
    ------
    InfeasibleError
        There is no fleet to simulate.
    UnsupportedError
        The prefill discipline is mm1.
    """
    search = Search(assemble(scenario))
    best = find(search)
    fleet = search.evaluator.fleet(best.prefill, best.prefill_count, best.decode, best.decode_count)
    if scenario.fleet is not None:
        fleet = stated_fleet(search, scenario.fleet.prefill, scenario.fleet.decode)
    return validate_fleet(scenario, fleet, seed=seed, requests=requests)


def validate_fleet(scenario: Scenario, fleet: Disaggregated, *, seed: int, requests: int) -> Validation:
    """Simulate one fleet and compare every quantity."""
    from pdplan.sim.run import run_pd

    judged = judge(fleet)
    run = run_pd(pd_config(fleet), draw(fleet.problem, requests, seed), seed=seed)
    cut = warm_up(run)
    comparisons = list(_of_classes(fleet, judged, run, cut))
    return Validation(scenario, judged, agreement(comparisons), int(run.ttft_s.size), seed, cut)


def _of_classes(fleet: Disaggregated, judged: Fleet, run: RawRun, cut: int) -> Iterator[Comparison]:
    for index, (traffic, c) in enumerate(zip(fleet.problem.traffic, judged.classes, strict=True)):
        mine = steady(run, cut, index)
        for latency in (c.ttft, c.tpot, c.e2e):
            if latency is None or (not several(traffic.demand) and latency.metric == "tpot"):
                continue
            values = values_of(run, mine, latency.metric)
            name = f"{c.name} {latency.metric.upper()}"
            mean_trust = fleet.decode.trust if latency.metric == "tpot" else latency.trust
            yield Comparison(
                f"{name} mean", latency.mean_s, mean_trust, mean_estimate(values), MEAN_TOLERANCE, 1e-4
            )
            for p, value in latency.quantiles_s.items():
                witness = quantile_estimate(values, p)
                bracket = (latency.low_s.get(p, value), latency.high_s.get(p, value))
                label = f"{name} p{100 * p:g}"
                yield Comparison(label, bracket, latency.trust, witness, QUANTILE_TOLERANCE, 1e-4)
        yield from _parts(fleet, c, run, mine)


def _parts(fleet: Disaggregated, c: ClassPlan, run: RawRun, mine: Mask) -> Iterator[Comparison]:
    """Parts of TTFT that the engine keeps apart, in the engine's own division."""
    parts = c.ttft_parts_s
    pairs: list[tuple[str, float, Array, Trust]] = [
        # A batched step serves several prompts: their wait and their own prefill cannot be told apart.
        (
            "queue and prefill",
            parts["queue"] + parts["prefill"],
            (run.queue_s + run.prefill_s)[mine],
            fleet.prefill.station.trust,
        )
    ]
    if fleet.first_token_from_decode:
        link = parts["transfer_wait"] + parts["transfer"]
        pairs.append(("transfer", link, run.transfer_s[mine], fleet.link.wait.trust))
        wait = parts["admission"] + parts["join"]
        pairs.append(("admission and joining", wait, run.admission_s[mine], Trust.APPROXIMATE))
    for name, formula, values, trust in pairs:
        seen = mean_estimate(values)
        yield Comparison(f"{c.name} {name} mean", formula, trust, seen, MEAN_TOLERANCE, 1e-4)


def validation_rows(validation: Validation) -> list[tuple[str, ...]]:
    """Return the rows of the table that people read."""
    rows: list[tuple[str, ...]] = [
        ("quantity", "formula", "simulated", "99% interval", "off", "verdict", "trust")
    ]
    for r in validation.rows:
        formula = _time(r.formula_low)
        if r.formula_high > r.formula_low:
            formula = f"{_time(r.formula_low)}..{_time(r.formula_high)}"
        off = f"{r.relative_difference:+.1%}" if np.isfinite(r.relative_difference) else ""
        interval = f"{_time(r.low)}..{_time(r.high)}"
        rows.append((r.quantity, formula, _time(r.simulated), interval, off, r.verdict, r.trust.value))
    return rows


def _time(x: float) -> str:
    return units.show(x, "time") if np.isfinite(x) else "?"
