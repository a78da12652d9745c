"""What each objective would come to in a smaller fleet, with its law put back."""

from __future__ import annotations

from pdplan.errors import InfeasibleError, UnstableError
from pdplan.planner.evaluate import SEARCH_POINTS, Disaggregated
from pdplan.planner.working.build import computed, quantile_residual
from pdplan.serving.demand import ClassDemand
from pdplan.spec.slo import Target
from pdplan.symbolic import Derivation
from pdplan.trust import Trust


def value_derivations(fleet: Disaggregated, role: str) -> list[Derivation]:
    """Return the statistic of every objective of every class of a fleet."""
    rows: list[Derivation] = []
    alone = len(fleet.problem.traffic) == 1
    for traffic in fleet.problem.traffic:
        of = "" if alone else f".{traffic.name}"
        for target in traffic.slo.targets:
            try:
                rows.append(_value(fleet, traffic.demand, target, f"fewer.{role}{of}"))
            except (UnstableError, InfeasibleError):
                continue
        joint = traffic.slo.joint
        if joint is not None:
            value, low, high = fleet.joint_attainment(traffic.demand, joint)
            rows.append(
                computed(
                    f"fewer.{role}{of}.joint",
                    f"Attainment of {traffic.name} with one {role} instance fewer, at least",
                    "a_low",
                    "",
                    low,
                    equation="a = sum_i w_i max(0, F_i(x) + G_i(y) - 1)",
                    latex=r"a = \sum_i w_i \max(0, F_i(x) + G_i(y) - 1)",
                    method="laws given the lengths, bounded after Frechet",
                    residual=max(0.0, low - value, value - high),
                    residual_of="how far the value lies outside its bounds",
                    source="docs/theory/composition",
                    trust=Trust.BOUNDED,
                )
            )
    return rows


def _value(fleet: Disaggregated, demand: ClassDemand, target: Target, prefix: str) -> Derivation:
    value, p = fleet.value(demand, target), target.probability
    residual = 0.0 if p is None else _residual(fleet, demand, target, value, p)
    return computed(
        f"{prefix}.{target.metric}.{target.stat}",
        f"{target.stat} of {target.metric.upper()} of {demand.name} with one instance fewer",
        f"{target.metric.upper()}_{target.stat}",
        "s",
        value,
        equation="as the same quantity of the plan, with one instance fewer",
        latex=r"q = \min\{t : P(X > t) \le 1 - p\}",
        method="the plan's laws at the higher load of each instance",
        residual=residual,
        residual_of="distance of 1 - p from [P(X > q), P(X >= q)]",
        source="docs/theory/composition",
        trust=Trust.APPROXIMATE,
    )


def _residual(fleet: Disaggregated, demand: ClassDemand, target: Target, value: float, p: float) -> float:
    if target.metric == "itl":
        return quantile_residual(fleet.decode.law.itl_sf, value, p, 1e-9)
    if target.metric == "tpot":
        return quantile_residual(fleet.tpot(demand).sf, value, p, 3e-5)
    law = (fleet.ttft if target.metric == "ttft" else fleet.e2e)(demand, points=SEARCH_POINTS)
    return quantile_residual(law.sf, value, p, 1e-6)
