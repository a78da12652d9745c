"""The latencies that a sensitivity looks at, of every class on a fleet."""

from __future__ import annotations

from pdplan.errors import InfeasibleError
from pdplan.planner.evaluate import Disaggregated, several


def latencies(fleet: Disaggregated) -> tuple[dict[str, float], ...] | None:
    """Return the latencies [s] of every class on a fleet; None if it is overloaded."""
    try:
        return tuple(read_latencies(fleet, i) for i in range(len(fleet.problem.traffic)))
    except InfeasibleError:
        return None


def read_latencies(fleet: Disaggregated, index: int) -> dict[str, float]:
    """Return the latencies of one class [s]; TPOT only where it is defined."""
    demand = fleet.problem.traffic[index].demand
    ttft = fleet.ttft(demand)
    found = {"ttft_mean": float(ttft.mean_s), "ttft_p99": float(ttft.quantile_s(0.99))}
    return found | ({"tpot_mean": float(fleet.tpot(demand).mean_s)} if several(demand) else {})
