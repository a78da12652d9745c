"""The fleet that comes next: what it is, what it takes more, and what keeps it from being smaller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pdplan.planner.colocated import ColocatedFleet
from pdplan.planner.designs_reasons import one_fewer
from pdplan.planner.evaluate import Disaggregated
from pdplan.planner.judge import cost_of

if TYPE_CHECKING:
    from pdplan.planner.answer import Plan


@dataclass(frozen=True, slots=True)
class RunnerUp:
    """The cheapest fleet of other instances that surely meets every objective, by formulas.

    ``architecture``: ``split``, of another pair of instances, or ``colocated``. ``extra_usd_per_hour`` is
    what it costs more than the plan's fleet [USD/h]: negative where it is the cheaper one. ``why``: what
    fails with one instance fewer, or a smaller one, in each of its pools.
    """

    architecture: Literal["split", "colocated"]
    label: str
    gpus: int
    usd_per_hour: float
    extra_usd_per_hour: float
    why: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "architecture": self.architecture,
            "label": self.label,
            "gpus": self.gpus,
            "usd_per_hour": float(f"{self.usd_per_hour:.10g}"),
            "extra_usd_per_hour": float(f"{self.extra_usd_per_hour:.10g}"),
            "why": list(self.why),
        }


def runner_up(plan: Plan) -> RunnerUp | None:
    """Return the runner-up of a plan; None where no fleet of other instances surely meets the objectives.

    Examples
    --------
    >>> from pdplan.planner.sizing import size
    >>> from pdplan.spec.builtin import builtin_scenario
    >>> second = runner_up(size(builtin_scenario()))
    >>> second.label, second.usd_per_hour
    ('2 prefill TP2 + 1 decode TP4', 23.92)
    """
    basis = plan.basis
    problem = basis.search.problem
    found: list[tuple[float, int, Disaggregated | ColocatedFleet]] = []
    second = basis.search.best_of_others(basis.best)
    if second is not None:
        fleet = basis.search.evaluator.fleet(
            second.prefill, second.prefill_count, second.decode, second.decode_count
        )
        pools = [(second.prefill, second.prefill_count), (second.decode, second.decode_count)]
        found.append((cost_of(problem, pools).usd_per_hour, 0, fleet))
    other = plan.colocated
    if other.cost is not None and other.count is not None and other.pool is not None:
        option = next(o for o in other.kinds if o.degrees == other.pool.degrees)
        found.append((other.cost.usd_per_hour, 1, ColocatedFleet(problem, option, other.count)))
    if not found:
        return None
    usd, _, chosen = min(found, key=lambda row: row[:2])
    return _report(chosen, usd, plan.cost.usd_per_hour)


def _report(fleet: Disaggregated | ColocatedFleet, usd: float, planned_usd: float) -> RunnerUp:
    if isinstance(fleet, ColocatedFleet):
        label, gpus = f"{fleet.count} colocated {fleet.option.label}", fleet.count * fleet.option.gpus
    else:
        p, d = fleet.prefill, fleet.decode
        label = f"{p.count} prefill {p.option.label} + {d.count} decode {d.option.label}"
        gpus = p.count * p.option.gpus + d.count * d.option.gpus
    kind: Literal["split", "colocated"] = "colocated" if isinstance(fleet, ColocatedFleet) else "split"
    return RunnerUp(kind, label, gpus, usd, usd - planned_usd, one_fewer(fleet))
