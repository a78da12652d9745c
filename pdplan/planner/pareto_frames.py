"""Pareto frontiers: throughput per GPU against speed per user, and cost against TTFT; split and colocated.

Two frames, each with both architectures. **Throughput** at a fixed number of GPUs: every P:D ratio and
parallelism of that size, at shares of the largest rate that it carries within the objectives. **Cost** at the
scenario's rate: every fleet up to that size that meets the objectives other than TTFT, which is the axis.
Points are by formulas; dominated ones are dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal, get_args

from pdplan.errors import InfeasibleError, InputError, UnknownNameError, did_you_mean
from pdplan.planner.evaluate import several
from pdplan.planner.pareto_fleets import AnyFleet, MixedFleet, SplitFleet, mixed_fleets, split_fleets
from pdplan.planner.pareto_frontier import frontier
from pdplan.planner.pareto_report import Pareto, Point, Ratio
from pdplan.planner.problem import Problem, assemble
from pdplan.spec.scenario import Scenario

Frame = Literal["throughput", "cost"]
FRAMES: tuple[Frame, ...] = get_args(Frame)

#: Shares of a fleet's largest rate at which it is looked at.
SHARES = (0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
#: Most GPUs of a fleet.
MOST_GPUS = 512


def pareto(scenario: Scenario, *, gpus: int = 16, frame: str = "throughput") -> Pareto:
    """Return the frontier of both architectures.

    Parameters
    ----------
    scenario : Scenario
    gpus : int
        GPUs of every fleet (``throughput``), or of the largest (``cost``).
    frame : str
        ``throughput``: output tokens per second per GPU against tokens per second per user (1 / mean TPOT).
        ``cost``: USD per hour against the p99 of TTFT (of the slowest class), at the scenario's rate.

    Raises
    ------
    UnknownNameError
        Another frame.
    InputError
        A number of GPUs out of range, or no second token anywhere.
    InfeasibleError
        No fleet of that size meets the objectives.

    Examples
    --------
    >>> from pdplan.spec.builtin import builtin_scenario
    >>> found = pareto(builtin_scenario(), gpus=10, frame="cost")
    >>> [p.fleet.label for p in found.best]
    ['1 P TP4 + 1 D TP4', '3 P TP2 + 1 D TP4']
    """
    if frame not in FRAMES:
        raise UnknownNameError(
            f"frontier {frame!r} is not known: use throughput or cost{did_you_mean(frame, FRAMES)}"
        )
    if not 1 <= gpus <= MOST_GPUS:
        raise InputError(f"gpus is {gpus}: a frontier is of 1 to {MOST_GPUS} GPUs")
    problem = assemble(scenario)
    return throughput(problem, gpus) if frame == "throughput" else cost(problem, gpus)


def throughput(problem: Problem, gpus: int) -> Pareto:
    """Output tokens per second per GPU against tokens per second per user."""
    if not any(several(d) for d in problem.demands):
        raise InputError("no request has a second token, so that nobody has a speed: use --frontier cost")
    fleets: list[AnyFleet] = [*split_fleets(problem, gpus), *mixed_fleets(problem, gpus)]
    if not fleets:
        raise InfeasibleError(f"no fleet has exactly {gpus} GPUs: its instances do not add up to that")
    points = [p for f in fleets for p in _curve(f)]
    if not points:
        raise InfeasibleError(f"no fleet of {gpus} GPUs meets the objectives at any rate: loosen them")
    kept = _both(points, lambda p: (p.tokens_per_s_per_gpu, p.tokens_per_s_user))
    return Pareto(
        problem=problem,
        frame="throughput",
        gpus=gpus,
        points=tuple(_with_ttft(p) for p in kept),
        fleets=len(fleets),
        ratios=_ratios(fleets),
    )


def cost(problem: Problem, gpus: int) -> Pareto:
    """USD per hour against the p99 of TTFT, at the scenario's rate."""
    fleets: list[AnyFleet] = []
    for n in range(1, gpus + 1):
        fleets += [*split_fleets(problem, n), *mixed_fleets(problem, n)]
    rate = problem.demand.arrival_rate
    points: list[Point] = []
    for architecture in ("split", "colocated"):
        fastest = float("inf")
        of_it = [(f.usd_per_hour, i, f) for i, f in enumerate(fleets) if f.architecture == architecture]
        floors: dict[tuple[int, int], float] = {}
        for usd, _, f in sorted(of_it, key=lambda x: x[:2]):
            # What cannot be faster than a cheaper fleet is dominated: nothing of it need be computed.
            if isinstance(f, SplitFleet) and _floor(f, floors) >= fastest:
                continue
            if not f.meets_all_but_ttft():
                continue
            ttft = f.ttft_p99_s(rate)
            fastest = min(fastest, ttft)
            points.append(Point(f, rate, 0.0, usd, ttft))
    if not points:
        raise InfeasibleError(
            f"no fleet of up to {gpus} GPUs carries {rate:.4g} req/s within the objectives: give more --gpus"
        )
    kept = _both(points, lambda p: (-p.usd_per_hour, -p.ttft_p99_s))
    paced = [_with_speed(p) for p in kept] if any(several(d) for d in problem.demands) else kept
    return Pareto(
        problem=problem, frame="cost", gpus=gpus, points=tuple(paced), fleets=len(fleets), ratios=()
    )


def _floor(fleet: SplitFleet, known: dict[tuple[int, int], float]) -> float:
    """p99 of TTFT if nobody waited anywhere, of instances of these kinds [s]."""
    key = (id(fleet.prefill), id(fleet.decode))
    if key not in known:
        known[key] = fleet.idle_ttft_p99_s()
    return known[key]


def _curve(fleet: AnyFleet) -> list[Point]:
    """One fleet at shares of its largest rate; TTFT is left for those that stay on the frontier.

    A colocated fleet goes on to the rate that it may carry by the better end of its brackets: unsure points.
    """
    usd, sure = fleet.usd_per_hour, fleet.largest.rate
    most = fleet.largest_perhaps.rate if isinstance(fleet, MixedFleet) else sure
    rates = [(share, share * sure) for share in SHARES if sure > 0.0]
    rates += [(share, share * most) for share in SHARES if share * most > 1.01 * sure]
    return [
        Point(fleet, rate, share, usd, 0.0, fleet.tpot_s(rate), sure=rate <= sure) for share, rate in rates
    ]


def _with_ttft(p: Point) -> Point:
    return replace(p, ttft_p99_s=p.fleet.ttft_p99_s(p.rate))


def _with_speed(p: Point) -> Point:
    return replace(p, tpot_s=p.fleet.tpot_s(p.rate))


def _both(points: Sequence[Point], score: Callable[[Point], tuple[float, float]]) -> list[Point]:
    """Keep the frontier of each architecture, sure and unsure points apart; mark the common one."""
    kept: list[Point] = []
    for architecture, sure in (("split", True), ("colocated", True), ("colocated", False)):
        own = [p for p in points if p.fleet.architecture == architecture and p.sure == sure]
        kept += [own[i] for i in frontier([score(p) for p in own])]
    sure_ones = [p for p in kept if p.sure]
    best = {id(sure_ones[i]) for i in frontier([score(p) for p in sure_ones])}
    marked = [replace(p, best=id(p) in best) for p in kept]
    return sorted(marked, key=lambda p: (score(p)[1], score(p)[0]))


def _ratios(fleets: Sequence[AnyFleet]) -> tuple[Ratio, ...]:
    """The knob: for the kinds that carry most, the largest rate of every P:D."""
    splits = [f for f in fleets if isinstance(f, SplitFleet)]
    if not splits:
        return ()
    most = max(splits, key=lambda f: f.largest.rate)
    of_kind = [f for f in splits if f.prefill is most.prefill and f.decode is most.decode]
    return tuple(Ratio(f, f.largest.rate, f.largest.by) for f in of_kind)
