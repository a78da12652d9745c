"""`goodput`: the largest rate at which a fleet keeps its promise, found by simulation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pdplan import units
from pdplan.errors import InputError
from pdplan.planner.result import Fleet
from pdplan.planner.simulated import draw, pd_config
from pdplan.planner.simulation import chosen_fleet
from pdplan.planner.traffic import ClassTraffic
from pdplan.sim.attainment import AttainmentCurve, attainment_against_scale, attainment_at
from pdplan.sim.goodput import Goodput
from pdplan.sim.goodput import goodput as bracket
from pdplan.sim.result_parts import Target
from pdplan.spec.scenario import Scenario

if TYPE_CHECKING:
    from pdplan.sim.raw import RawRun
    from pdplan.sim.stream import Stream

#: Both limits are multiplied by these, as DistServe's evaluation does.
SCALES = (0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
#: Requests simulated at each rate.
REQUESTS = 50_000


@dataclass(frozen=True, eq=False)
class GoodputReport:
    """What a fleet can carry, beside what it was planned for.

    Attributes
    ----------
    fleet : str
        The instances.
    planned_rate : float
        Of all classes together, from the scenario [1/s].
    goodput : Goodput
        All classes scaled together; every rate tried with its attainment.
    targets : mapping
        Limits that a request of each class should meet.
    scales : AttainmentCurve
        Attainment at the planned rate against the SLO scale.
    seed : int
    """

    fleet: str
    planned_rate: float
    goodput: Goodput
    targets: Mapping[str, Target]
    scales: AttainmentCurve
    seed: int

    def document(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "schema": "pdplan.goodput/1",
            "seed": self.seed,
            "fleet": self.fleet,
            "planned_rate": self.planned_rate,
            "headroom": self.goodput.rate / self.planned_rate,
            "goodput": self.goodput.document(),
            "against_scale": self.scales.document(),
            "trust": "simulated",
        }

    def __str__(self) -> str:
        """The answer, then attainment against rate and against SLO scale."""
        best = self.goodput
        lines = [
            f"{self.fleet}: goodput {best.rate:.4g} req/s at {best.share:.0%} attainment, "
            f"{best.rate / self.planned_rate:.2f} of the {self.planned_rate:.4g} req/s planned for",
            f"  {best.fails_at:.4g} req/s fails: "
            + ("the backlog grows" if best.limited_by == "stability" else "too many requests are late"),
            *(f"  {name}: {_limits(target)}" for name, target in self.targets.items()),
            "",
            "        req/s    TTFT    TPOT    both  99% interval",
        ]
        for point in best.points:
            a = point.attainment
            row = "".join(f"{_share(s.value):>8}" for s in (a.ttft, a.tpot, a.joint))
            spread = "" if a.joint.low is None else f"[{_share(a.joint.low)}, {_share(a.joint.high)}]"
            state = "" if point.regime == "steady" else f"  {point.regime}"
            mark = ">" if point.rate == best.rate else " "
            lines.append(f"  {mark} {point.rate:>9.4g}{row}  {spread}{state}".rstrip())
        lines += ["", f"    SLO scale    TTFT    TPOT    both  at {self.planned_rate:.4g} req/s"]
        curve = self.scales
        for x, ttft, tpot, joint in zip(curve.x, curve.ttft, curve.tpot, curve.joint, strict=True):
            lines.append(f"    {x:>9.4g}{_share(ttft):>8}{_share(tpot):>8}{_share(joint):>8}")
        lines.append(f"simulated: {best.requests:,} requests at every rate, the same ones, seed {self.seed}")
        if not best.settled:
            lines.append("the interval spans the share asked for: --requests with more narrows the rate down")
        return "\n".join(lines)


def goodput(
    scenario: Scenario,
    *,
    fleet: Fleet | None = None,
    share: float | None = None,
    requests: int = REQUESTS,
    seed: int = 0,
) -> GoodputReport:
    """Find the largest rate at which a fleet serves a share of the requests within both limits.

    Parameters
    ----------
    scenario : Scenario
        Its classes keep their shares of the rate; a class's limits are those of its attainment objective,
        else those of its TTFT and TPOT percentiles.
    fleet : Fleet, optional
        A fleet of a plan; else the one that the scenario states; else the cheapest.
    share : float, optional
        Of requests that must meet both limits [-]; default: the largest attainment objective, else 0.9.
    requests : int
        Simulated at each rate.
    seed : int
        Of the Philox streams; every rate serves the same requests.

    Raises
    ------
    InputError
        A class without a limit that a single request can meet.
    InfeasibleError
        No rate reaches the share.

    Examples
    --------
    >>> from pdplan.spec.builtin import builtin_scenario
    >>> report = goodput(builtin_scenario(), requests=5000)
    >>> report.goodput.rate > report.planned_rate      # whole instances leave room
    True
    """
    if share is not None and not 0 < share < 1:
        raise InputError(f"attainment is {share:g}: it must lie between 0 and 1; write 90% or 0.9")
    chosen = chosen_fleet(scenario, fleet)
    problem = chosen.problem
    targets = {t.name: request_target(t) for t in problem.traffic}
    if share is None:
        joint = [t.slo.joint.attainment for t in problem.traffic if t.slo.joint is not None]
        share = max(joint, default=0.9)
    planned = problem.demand.arrival_rate
    drawn = draw(problem, requests, seed)
    unit = replace(drawn, arrival_s=drawn.arrival_s * planned)
    config = pd_config(chosen)

    def run(stream: Stream) -> RawRun:
        from pdplan.sim.run import run_pd  # numba loads here

        return run_pd(config, stream, seed=seed)

    each = list(targets.values())
    found = bracket(run, unit, each, share=share, start_rate=planned)
    _, result = attainment_at(run, unit, planned, each)
    p, d = chosen.prefill, chosen.decode
    label = f"{p.count} prefill {p.option.label} + {d.count} decode {d.option.label}"
    return GoodputReport(label, planned, found, targets, attainment_against_scale(result, each, SCALES), seed)


def request_target(traffic: ClassTraffic) -> Target:
    """Limits that one request of a class should meet: a percentile's limit, whatever the percentile.

    Raises
    ------
    InputError
        There is none: a mean is not a promise to a request.
    """
    joint = traffic.slo.joint
    if joint is not None:
        return Target(joint.ttft_s, joint.tpot_s)
    limits: dict[str, float] = {}
    for target in traffic.slo.targets:
        if target.metric in ("ttft", "tpot") and target.probability is not None:
            key = f"{target.metric}_s"
            limits[key] = min(limits.get(key, target.limit_s), target.limit_s)
    if not limits:
        raise InputError(
            f"class {traffic.name} has no limit on the TTFT or TPOT of a request: give slo a percentile of "
            "one of them, or attainment with ttft and tpot"
        )
    return Target(**limits)


def _limits(target: Target) -> str:
    rows = (("TTFT", target.ttft_s), ("TPOT", target.tpot_s))
    return ", ".join(f"{name} <= {units.show(s, 'time')}" for name, s in rows if s < float("inf"))


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
