"""What one loss does: a prefill or decode instance away, a NIC of each, or half of the link."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pdplan import units
from pdplan.errors import InfeasibleError
from pdplan.planner.evaluate import Disaggregated
from pdplan.planner.instances import InstanceOption, node_nics
from pdplan.planner.judge import class_plan
from pdplan.planner.problem import Problem
from pdplan.planner.result import Objective
from pdplan.planner.stations import DecodeSide, PrefillSide
from pdplan.planner.vary import scaled


@dataclass(frozen=True, slots=True)
class LostObjective:
    """One objective of a class after the loss: its value [s, or share], None where the queue grows."""

    class_name: str
    target: str
    is_share: bool
    value: float | None
    holds: bool

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        key = "value_share" if self.is_share else "value_s"
        value = None if self.value is None else float(f"{self.value:.10g}")
        return {"class": self.class_name, "target": self.target, key: value, "holds": self.holds}

    def __str__(self) -> str:
        """Return e.g. ``chat: ttft p99 <= 2 s: 3.1 s, missed``."""
        if self.value is None:
            return f"{self.class_name}: {self.target}: missed, as the queue grows"
        shown = units.show(self.value, "fraction" if self.is_share else "time")
        return f"{self.class_name}: {self.target}: {shown}, {'holds' if self.holds else 'missed'}"


@dataclass(frozen=True, slots=True)
class Loss:
    """What is lost, how often, and what it does.

    ``backlog_per_s``: requests that pile up each second while it lasts [1/s], 0 where the rest carries the
    load. ``per_year``: losses of that kind in the planned fleet [1/year], None where no rate is known.
    """

    what: str
    per_year: float | None
    backlog_per_s: float
    objectives: tuple[LostObjective, ...]
    note: str = ""

    @property
    def holds(self) -> bool:
        """Whether every objective holds during the loss."""
        return self.backlog_per_s == 0.0 and all(o.holds for o in self.objectives)

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "what": self.what,
            "per_year": None if self.per_year is None else float(f"{self.per_year:.10g}"),
            "holds": self.holds,
            "backlog_req_per_s": float(f"{self.backlog_per_s:.10g}"),
            "objectives": [o.document() for o in self.objectives],
            "note": self.note,
        }


def lost_instance(fleet: Disaggregated, role: str, per_year: float) -> Loss:
    """Judge a fleet without one instance of a pool."""
    p, d = fleet.prefill.count, fleet.decode.count
    p, d = (p - 1, d) if role == "prefill" else (p, d - 1)
    what = f"one {role} instance"
    if p == 0 or d == 0:
        rate = fleet.problem.demand.arrival_rate
        if role == "decode":
            rate *= fleet.problem.decode_work.decode_share
        note = f"it is the only one: no request gets through {role} until it is back"
        return Loss(what, per_year, rate, _none_hold(fleet.problem), note)
    left = Disaggregated(
        fleet.problem,
        PrefillSide(fleet.problem, fleet.prefill.option, p),
        DecodeSide(fleet.problem, fleet.decode.option, d),
    )
    return replace(_judged(what, left), per_year=per_year)


def lost_link(fleet: Disaggregated) -> tuple[Loss, ...]:
    """Judge the KV link with one NIC of every instance away, and at half of its bandwidth."""
    rows = []
    nics = (
        instance_nics(fleet.problem, fleet.prefill.option),
        instance_nics(fleet.problem, fleet.decode.option),
    )
    if min(nics) >= 2:
        share = min((n - 1) / n for n in nics)
        row = _judged("one NIC of an instance", with_link(fleet, share))
        note = (
            f"every instance is judged at {share:.0%} of its bandwidth, so this is the worst its requests see"
        )
        rows.append(replace(row, note=note))
    elif fleet.problem.link.kind not in ("nvlink", "pcie"):
        note = "an instance has a single NIC or a share of one: without it, it is lost as an instance is"
        rows.append(Loss("one NIC of an instance", None, 0.0, (), note))
    rows.append(_judged("half of the KV link's bandwidth", with_link(fleet, 0.5)))
    return tuple(rows)


def instance_nics(problem: Problem, option: InstanceOption) -> float:
    """NICs that an instance has for its KV; 1 for links that belong to each GPU [-]."""
    if problem.link.kind in ("nvlink", "pcie"):
        return 1.0
    node_gpus = problem.scenario.node.gpus or option.accelerator.gpus_per_node
    return node_nics(problem.link, problem.scenario, option.accelerator) * option.gpus / node_gpus


def with_link(fleet: Disaggregated, share: float) -> Disaggregated:
    """Return the fleet with that share of the link's bandwidth."""

    def narrowed(option: InstanceOption) -> InstanceOption:
        return replace(option, link_bytes_per_s=option.link_bytes_per_s * share)

    return Disaggregated(
        fleet.problem,
        PrefillSide(fleet.problem, narrowed(fleet.prefill.option), fleet.prefill.count),
        DecodeSide(fleet.problem, narrowed(fleet.decode.option), fleet.decode.count),
    )


def _judged(what: str, fleet: Disaggregated) -> Loss:
    backlog = backlog_per_s(fleet)
    if backlog > 0:
        return Loss(what, None, backlog, _none_hold(fleet.problem, fleet))
    rows = tuple(
        _objective(t.name, o) for t in fleet.problem.traffic for o in class_plan(fleet, t).objectives
    )
    return Loss(what, None, 0.0, rows)


def _objective(name: str, o: Objective) -> LostObjective:
    return LostObjective(name, str(o.target), o.is_share, o.value, o.status == "met")


def _none_hold(problem: Problem, fleet: Disaggregated | None = None) -> tuple[LostObjective, ...]:
    """Every objective as missed, but for those of stations that still carry their load."""
    rows = []
    for t in problem.traffic:
        for target in t.slo.targets:
            value = None
            if fleet is not None:
                try:
                    value = fleet.value(t.demand, target)
                except InfeasibleError:
                    value = None
            rows.append(
                LostObjective(
                    t.name, str(target), False, value, value is not None and value <= target.limit_s
                )
            )
        if t.slo.joint is not None:
            rows.append(LostObjective(t.name, str(t.slo.joint), True, None, False))
    return tuple(rows)


def backlog_per_s(fleet: Disaggregated) -> float:
    """Requests that pile up each second before the narrowest station, 0 where all carry the load [1/s].

    Stations in a row: what the narrowest lets through bounds what comes to those behind it.
    """
    rate = fleet.problem.demand.arrival_rate
    return max(0.0, rate - min(capacities_per_s(fleet).values()))


def capacities_per_s(fleet: Disaggregated) -> Mapping[str, float]:
    """Requests per second at which each station is full [1/s]; just stable is not yet full."""
    rate = fleet.problem.demand.arrival_rate
    little = scaled(fleet.problem, 1e-6)
    prefill = PrefillSide(little, fleet.prefill.option, fleet.prefill.count)
    decode = DecodeSide(little, fleet.decode.option, fleet.decode.count)
    wire = max(
        fleet.link.offered_bytes_per_s / (count * option.link_bytes_per_s)
        for count, option in (
            (fleet.prefill.count, fleet.prefill.option),
            (fleet.decode.count, fleet.decode.option),
        )
    )
    return {
        "prefill": prefill.station.max_rate,
        "decode": fleet.decode.count * decode.law.max_rate,
        "link": rate / wire,
    }
