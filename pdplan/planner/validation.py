"""`validate`: closed form beside simulation, for every quantity of a plan."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pdplan import units
from pdplan._version import __version__
from pdplan.planner.evaluate import Disaggregated
from pdplan.planner.judge import judge
from pdplan.planner.result import ClassPlan, Fleet
from pdplan.planner.simulated import simulate_fleet
from pdplan.planner.simulation import chosen_fleet
from pdplan.sim.result import SimResult
from pdplan.sim.result_parts import Statistic, observed
from pdplan.sim.statistics import AgreementRow, Comparison, agreement, mean_estimate
from pdplan.spec.scenario import Scenario
from pdplan.trust import Trust

if TYPE_CHECKING:
    from matplotlib.axes import Axes

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
        return tuple(r for r in self.rows if r.verdict == "disagrees" and not excused(r))

    def __bool__(self) -> bool:
        """Truthy unless a formula fails."""
        return not self.contradicted

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw how far simulation lies from each formula (extra ``plot``) and return the axes."""
        from pdplan.planner.plot_validation import plot_agreement

        return plot_agreement(self.rows, excused, ax)

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
        from pdplan.planner.validation_text import validation_note

        return validation_note(self, width=80)


#: An approximate formula may err by this much before it counts as failed.
APPROXIMATE_MAY_ERR = 0.25


def excused(row: AgreementRow) -> bool:
    """Whether a formula that differs is only approximate, and within what it may err."""
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
    return validate_fleet(scenario, chosen_fleet(scenario), seed=seed, requests=requests)


def validate_fleet(scenario: Scenario, fleet: Disaggregated, *, seed: int, requests: int) -> Validation:
    """Simulate one fleet and compare every quantity."""
    return compared(scenario, fleet, simulate_fleet(fleet, requests, seed), seed=seed, requests=requests)


def compared(
    scenario: Scenario, fleet: Disaggregated, result: SimResult, *, seed: int, requests: int
) -> Validation:
    """Compare every quantity of a fleet with a simulation of it that has been run."""
    judged = judge(fleet)
    rows = agreement(list(_comparisons(fleet, judged, result)))
    return Validation(scenario, judged, rows, requests, seed, result.window.warmup.observations)


def _comparisons(fleet: Disaggregated, judged: Fleet, result: SimResult) -> Iterator[Comparison]:
    for c in judged.classes:
        for latency in (c.ttft, c.tpot, c.e2e):
            if latency is None:
                continue
            name = f"{c.name} {latency.metric.upper()}"
            mean_trust = fleet.decode.trust if latency.metric == "tpot" else latency.trust
            mean = result.statistic(latency.metric, None, c.name)
            yield from _comparison(f"{name} mean", latency.mean_s, mean_trust, mean, MEAN_TOLERANCE)
            ps = list(latency.quantiles_s)
            for p, seen in zip(ps, result.quantiles(latency.metric, ps, c.name), strict=True):
                bracket = (latency.low_s[p], latency.high_s[p])
                label = f"{name} p{100 * p:g}"
                yield from _comparison(label, bracket, latency.trust, seen, QUANTILE_TOLERANCE)
        yield from _parts(fleet, c, result)


def _parts(fleet: Disaggregated, c: ClassPlan, result: SimResult) -> Iterator[Comparison]:
    """Parts of TTFT that the engine keeps apart."""
    parts = c.ttft_parts_s
    # A batched step serves several prompts: their wait and their own prefill cannot be told apart.
    together = result.values("queue", c.name) + result.values("prefill", c.name)
    formula = parts["queue"] + parts["prefill"]
    seen = observed(mean_estimate(together), 0.99)
    trust = fleet.prefill.station.trust
    yield from _comparison(f"{c.name} queue and prefill mean", formula, trust, seen, MEAN_TOLERANCE)
    if not fleet.first_token_from_decode:
        return
    for name, quantity, formula, trust in (
        ("transfer", "transfer", parts["transfer_wait"] + parts["transfer"], fleet.link.wait.trust),
        ("admission and joining", "admission", parts["admission"] + parts["join"], Trust.APPROXIMATE),
    ):
        seen = result.statistic(quantity, None, c.name)
        yield from _comparison(f"{c.name} {name} mean", formula, trust, seen, MEAN_TOLERANCE)


def _comparison(
    quantity: str, formula: float | tuple[float, float], trust: Trust, seen: Statistic, tolerance: float
) -> Iterator[Comparison]:
    """One comparison, where the simulation has a witness; differences below 0.1 ms do not matter."""
    if seen.witness is not None:
        yield Comparison(quantity, formula, trust, seen.witness, tolerance, 1e-4)


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
