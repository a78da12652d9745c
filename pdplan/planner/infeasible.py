"""Why no fleet meets the objectives: the constraint, by how much, and the nearest that can be met."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from pdplan import units
from pdplan._version import __version__
from pdplan.errors import InfeasibleError, UnstableError
from pdplan.planner.instances import InstanceOption
from pdplan.planner.search import MAX_INSTANCES, Search
from pdplan.planner.traffic import ClassTraffic
from pdplan.spec.slo import Target

#: A roomy decode pool: this many times the smallest.
PLENTY = 8


@dataclass(frozen=True, slots=True)
class OutOfReach:
    """A target that no number of instances meets, and the best value that any kind of instance reaches."""

    name: str
    target: Target
    best_s: float
    how: str

    def __str__(self) -> str:
        """One line: what, limit, by how much, nearest."""
        over = self.best_s / self.target.limit_s - 1.0
        nearest = units.show(self.best_s * (1 + 1e-9), "time", digits=4)
        nearest_target = f"{self.target.metric} {self.target.stat} <= {nearest}"
        return (
            f"{self.name}: {self.target} cannot be met: {self.how} gives {nearest} even when nobody waits "
            f"({over:.0%} over); nearest feasible: {nearest_target}"
        )


class InfeasiblePlanError(InfeasibleError):
    """No fleet meets the objectives; ``document()`` is the JSON form."""

    def __init__(self, message: str, out_of_reach: tuple[OutOfReach, ...]) -> None:
        super().__init__(message)
        self.out_of_reach = out_of_reach

    def document(self) -> dict[str, Any]:
        """Return the JSON document of an infeasible plan."""
        return {
            "schema": "pdplan.plan/1",
            "version": __version__,
            "feasible": False,
            "binding": str(self),
            "nearest": [
                {
                    "class": o.name,
                    "target": str(o.target),
                    "limit_s": o.target.limit_s,
                    "nearest_s": float(f"{o.best_s:.10g}"),
                }
                for o in self.out_of_reach
            ],
        }


def explain_infeasible(search: Search, error: InfeasibleError) -> InfeasiblePlanError:
    """Find the targets that are out of reach of every kind of instance, worst first."""
    missed = [
        found
        for traffic in search.problem.traffic
        for target in traffic.slo.targets
        if (found := _out_of_reach(search, traffic, target)) is not None
    ]
    if not missed:
        return InfeasiblePlanError(f"{error}: {_together(search)}", ())
    missed.sort(key=lambda o: o.target.limit_s / o.best_s)
    return InfeasiblePlanError(str(missed[0]), tuple(missed))


def _out_of_reach(search: Search, traffic: ClassTraffic, target: Target) -> OutOfReach | None:
    """Return the target if the best instance, in any number, misses it."""
    reached = [r for r in _reached(search, traffic, target) if r is not None]
    if not reached:
        return None
    best_s, how = min(reached)
    return OutOfReach(traffic.name, target, best_s, how) if best_s > target.limit_s else None


def _reached(search: Search, traffic: ClassTraffic, target: Target) -> list[tuple[float, str] | None]:
    """Value of a statistic when nobody waits for prefill and decode is roomy, for every pair of kinds."""
    rows: list[tuple[float, str] | None] = []
    for decode in search.problem.options("decode"):
        for prefill in search.problem.options("prefill"):
            value = _value_unhurried(search, prefill, decode, traffic, target)
            if value is None:
                rows.append(None)
                continue
            kinds = (
                f"decode {decode.label}" if target.metric in ("tpot", "itl") else f"prefill {prefill.label}"
            )
            rows.append((value, kinds))
    return rows


def _value_unhurried(
    search: Search, prefill: InstanceOption, decode: InstanceOption, traffic: ClassTraffic, target: Target
) -> float | None:
    """Value of a statistic beside a roomy decode pool, or beside the largest where the link needs it."""
    for count in (_plenty(search, decode), MAX_INSTANCES):
        try:
            return search.idle_prefill(prefill, decode, count).value(traffic.demand, target)
        except UnstableError:
            continue
    return None


def _plenty(search: Search, decode: InstanceOption) -> int:
    """A decode pool that nobody would call small: several times what its own objectives and load take."""
    needed = search.smallest_decode(decode)
    return MAX_INSTANCES if needed is None else PLENTY * needed


def _together(search: Search) -> str:
    """Say what stands in the way when each objective alone can be met."""
    overloaded = _overloaded(search)
    if overloaded is not None:
        most = search.problem.scenario.max_utilization
        return f"{overloaded} above max_utilization {most:.4g}: lower the rate or allow more load"
    joints = [t for t in search.problem.traffic if t.slo.joint is not None]
    if joints:
        return f"{joints[0].name}: {joints[0].slo.joint} is not reached with any number of instances"
    return "the objectives can be met one by one but not together, or KV memory does not hold the batch"


def _overloaded(search: Search) -> str | None:
    """Name the first station that the largest fleet of any kind leaves loaded above its limit."""
    prefills, decodes = search.problem.options("prefill"), search.problem.options("decode")
    built, most = search.evaluator, search.problem.scenario.max_utilization
    stations: dict[str, list[Callable[[], Any]]] = {
        f"{MAX_INSTANCES:,} prefill instances are": [
            partial(built.prefill, o, MAX_INSTANCES) for o in prefills
        ],
        f"{MAX_INSTANCES:,} decode instances are": [partial(built.decode, o, MAX_INSTANCES) for o in decodes],
        f"with {MAX_INSTANCES:,} instances of each the link is": [
            partial(_link, search, p, d) for p in prefills for d in decodes
        ],
    }
    return next(
        (
            f"even {what} loaded"
            for what, each in stations.items()
            if not any(_carries(station, most) for station in each)
        ),
        None,
    )


def _link(search: Search, prefill: InstanceOption, decode: InstanceOption) -> Any:
    return search.idle_prefill(prefill, decode, MAX_INSTANCES).link


def _carries(station: Callable[[], Any], most: float) -> bool:
    """Whether a station is stable and below the limit."""
    try:
        return bool(station().utilization <= most)
    except UnstableError:
        return False
