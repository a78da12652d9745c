"""A fleet at the scenario's rate: what `plan` judges, as means beside a simulation."""

from __future__ import annotations

from pdplan.planner.colocated import ColocatedFleet
from pdplan.planner.evaluate import Disaggregated
from pdplan.planner.judge import judge
from pdplan.planner.predict_closed import BINDS, simulated_means
from pdplan.planner.predict_parts import Means, SimulatedMeans
from pdplan.planner.simulated import simulate_fleet
from pdplan.trust import weakest


def open_formula(fleet: Disaggregated) -> Means:
    """Means over all classes at their rates, as `plan` judges a stated fleet.

    Raises
    ------
    UnstableError
        A station is offered more than it can do.
    """
    judged = judge(fleet)
    rate = fleet.problem.demand.arrival_rate
    weight = [c.rate / rate for c in judged.classes]
    ttft = sum(w * c.ttft.mean_s for w, c in zip(weight, judged.classes, strict=True))
    e2e = sum(w * c.e2e.mean_s for w, c in zip(weight, judged.classes, strict=True))
    paced = [(w, c.tpot) for w, c in zip(weight, judged.classes, strict=True) if c.tpot is not None]
    tpot = sum(w * t.mean_s for w, t in paced) / sum(w for w, _ in paced) if paced else None
    names = dict.fromkeys(n for c in judged.classes for n in (*c.ttft_parts_s, *c.decode_parts_s))
    parts = {
        n: sum(
            w * {**c.decode_parts_s, **c.ttft_parts_s}.get(n, 0.0)
            for w, c in zip(weight, judged.classes, strict=True)
        )
        for n in names
    }
    loads = {
        "prefill": judged.prefill.utilization,
        "decode": judged.decode.utilization,
        "link": judged.link.utilization,
    }
    busiest = max(loads, key=lambda name: loads[name])
    binding = busiest if loads[busiest] >= BINDS else f"none ({busiest} is busiest: {loads[busiest]:.0%})"
    trusts = [c.ttft.trust for c in judged.classes] + [t.trust for _, t in paced]
    return Means(
        throughput=rate,
        ttft_s=ttft,
        tpot_s=tpot,
        e2e_s=e2e,
        mean_batch=judged.decode.mean_batch or 0.0,
        parts_s=parts,
        binding=binding,
        trust=weakest(*trusts),
        accuracy="as pdplan plan; hold it against simulation with pdplan validate",
    )


def open_simulation(fleet: Disaggregated | ColocatedFleet, requests: int, seed: int) -> SimulatedMeans:
    """Run the engine at the scenario's rate."""
    return simulated_means(fleet, simulate_fleet(fleet, requests, seed))
