"""How far a fleet is past each of its limits, by name: what a goodput is solved for."""

from __future__ import annotations

import math

from pdplan import units
from pdplan.planner.evaluate import SEARCH_POINTS, Disaggregated, several
from pdplan.planner.stations import DecodeSide
from pdplan.planner.traffic import ClassTraffic

#: Log of what is given over what is asked, by the name of the limit: at most 0 where it is kept.
Excesses = dict[str, float]


def ttft_excesses(fleet: Disaggregated) -> Excesses:
    """Log of what is asked over what is given, for every TTFT objective."""
    found: Excesses = {}
    for t in fleet.problem.traffic:
        for target in t.slo.targets:
            if target.metric == "ttft":
                found[f"{t.name}: {target}"] = fleet.log_excess(t.demand, target)
        joint = t.slo.joint
        if joint is not None:
            late = float(fleet.ttft(t.demand, points=SEARCH_POINTS).sf(joint.ttft_s))
            found[share_label(t.name, "TTFT", joint.attainment, joint.ttft_s)] = _log_missed(
                late, joint.attainment
            )
    return found


def decode_excesses(side: DecodeSide) -> Excesses:
    """Log excess of TPOT, ITL and KV memory of decode alone."""
    found: Excesses = _memory(side)
    for t in side.problem.traffic:
        for target in t.slo.targets:
            if target.metric in ("tpot", "itl"):
                value = side.value(t.demand, target)
                found[f"{t.name}: {target}"] = math.log(max(value, 1e-300) / target.limit_s)
        joint = t.slo.joint
        if joint is not None and several(t.demand):
            slow = float(side.tpot(t.demand).sf(joint.tpot_s))
            found[share_label(t.name, "TPOT", joint.attainment, joint.tpot_s)] = _log_missed(
                slow, joint.attainment
            )
    return found


def pair_excesses(fleet: Disaggregated) -> Excesses:
    """Log excess of every objective of a fleet, each by itself, of its KV memory and of its link."""
    return ttft_excesses(fleet) | other_excesses(fleet)


def other_excesses(fleet: Disaggregated) -> Excesses:
    """Log excess of every objective that is not on TTFT, of KV memory and of the link."""
    found = _memory(fleet.decode)
    limit = fleet.problem.scenario.max_utilization
    found["KV link"] = math.log(max(fleet.link.utilization, 1e-300) / limit)
    for t in fleet.problem.traffic:
        found |= _pace(fleet, t)
    return found


def joint_excesses(fleet: Disaggregated) -> Excesses:
    """Log excess of the attainment objectives, taken jointly as a plan does: both limits by one request."""
    found: Excesses = {}
    for t in fleet.problem.traffic:
        joint = t.slo.joint
        if joint is not None:
            missed = 1.0 - fleet.joint_attainment(t.demand, joint)[1]
            found[f"{t.name}: {joint}"] = _log_missed(missed, joint.attainment)
    return found


def _pace(fleet: Disaggregated, t: ClassTraffic) -> Excesses:
    found: Excesses = {
        f"{t.name}: {target}": fleet.log_excess(t.demand, target)
        for target in t.slo.targets
        if target.metric != "ttft"
    }
    joint = t.slo.joint
    if joint is not None and several(t.demand):
        slow = float(fleet.tpot(t.demand).sf(joint.tpot_s))
        found[share_label(t.name, "TPOT", joint.attainment, joint.tpot_s)] = _log_missed(
            slow, joint.attainment
        )
    return found


def share_label(name: str, metric: str, attainment: float, limit_s: float) -> str:
    """E.g. ``chat: 90% within TTFT 200 ms``."""
    return f"{name}: {units.show(attainment, 'fraction')} within {metric} {units.show(limit_s, 'time')}"


def _memory(side: DecodeSide) -> Excesses:
    share = side.kv_p99_share
    return {"decode KV memory": math.log(share)} if share else {}


def _log_missed(missed: float, attainment: float) -> float:
    return math.log(max(missed, 1e-300) / (1.0 - attainment))
