"""What each objective would come to in a smaller fleet, with its law put back."""

from __future__ import annotations

from pdplan.errors import InfeasibleError, UnstableError
from pdplan.planner.colocated import ColocatedFleet
from pdplan.planner.evaluate import SEARCH_POINTS, Disaggregated
from pdplan.planner.working.build import computed, endings, given, quantile_residual
from pdplan.serving.demand import ClassDemand
from pdplan.spec.slo import Target
from pdplan.symbolic import Derivation
from pdplan.trust import Trust


def fleet_values(fleet: Disaggregated | ColocatedFleet, name: str, words: str) -> list[Derivation]:
    """Return loads and objectives of a fleet beside the plan's, named below ``name``.

    Raises
    ------
    UnstableError, InfeasibleError
        A station is offered more than it can do.
    """
    where = f"the plan's laws, {words}"
    if isinstance(fleet, ColocatedFleet):
        loads = {"utilization": fleet.station.utilization, "kv_p99_share": fleet.kv_p99_share}
        rows = [given(f"{name}.{k}", f"{k} {words}", "rho", "", v, where) for k, v in loads.items()]
        return rows + _colocated(fleet, name, words)
    loads = {
        "prefill.utilization": fleet.prefill.utilization,
        "decode.utilization": fleet.decode.utilization,
        "link.utilization": fleet.link.utilization,
        "decode.kv_p99_share": fleet.decode.kv_p99_share or 0.0,
    }
    rows = [given(f"{name}.{k}", f"{k} {words}", "rho", "", v, where) for k, v in loads.items()]
    return rows + _objectives(fleet, name, words)


def _colocated(fleet: ColocatedFleet, name: str, words: str) -> list[Derivation]:
    """Return both ends of every objective of a colocated fleet."""
    rows: list[Derivation] = []
    ending = endings(fleet.problem.traffic)
    for traffic in fleet.problem.traffic:
        of = ending[traffic.name]
        ends = [(f"{t.metric}.{t.stat}", "s", fleet.bounds(traffic.demand, t)) for t in traffic.slo.targets]
        if traffic.slo.joint is not None:
            ends.append(("joint", "", (fleet.joint(traffic, 0), fleet.joint(traffic, 1))))
        for what, unit, (good, bad) in ends:
            rows += [
                given(
                    f"{name}{of}.{what}{end}",
                    f"{what} of {traffic.name}, {words}{' (favourable end)' if end else ''}",
                    "y",
                    unit,
                    value,
                    "the laws of a colocated engine; see colocated.slo",
                    trust=Trust.APPROXIMATE,
                )
                for end, value in (("", bad), (".low", good))
            ]
    return rows


def value_derivations(fleet: Disaggregated, role: str) -> list[Derivation]:
    """Return the statistic of every objective of every class of a fleet with one instance fewer."""
    return _objectives(fleet, f"fewer.{role}", f"with one {role} instance fewer")


def _objectives(fleet: Disaggregated, name: str, words: str) -> list[Derivation]:
    rows: list[Derivation] = []
    ending = endings(fleet.problem.traffic)
    for traffic in fleet.problem.traffic:
        of = ending[traffic.name]
        for target in traffic.slo.targets:
            try:
                rows.append(_value(fleet, traffic.demand, target, f"{name}{of}", words))
            except (UnstableError, InfeasibleError):
                continue
        joint = traffic.slo.joint
        if joint is not None:
            value, low, high = fleet.joint_attainment(traffic.demand, joint)
            rows.append(
                computed(
                    f"{name}{of}.joint",
                    f"Attainment of {traffic.name} {words}, at least",
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


def _value(fleet: Disaggregated, demand: ClassDemand, target: Target, prefix: str, words: str) -> Derivation:
    value, p = fleet.value(demand, target), target.probability
    residual = 0.0 if p is None else _residual(fleet, demand, target, value, p)
    return computed(
        f"{prefix}.{target.metric}.{target.stat}",
        f"{target.stat} of {target.metric.upper()} of {demand.name} {words}",
        f"{target.metric.upper()}_{target.stat}",
        "s",
        value,
        equation=f"as the same quantity of the plan, {words}",
        latex=r"q = \min\{t : P(X > t) \le 1 - p\}",
        method="the plan's laws",
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
