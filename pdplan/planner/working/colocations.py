"""The colocated fleet beside the plan: its size, its price, what its objectives come to."""

from __future__ import annotations

from pdplan.errors import InfeasibleError, UnstableError
from pdplan.planner.colocated import ColocatedFleet
from pdplan.planner.formulas.cost import gpus_of, pool_usd_per_hour
from pdplan.planner.problem import Problem
from pdplan.planner.result import ClassPlan, Colocated, Cost, Objective
from pdplan.planner.working.build import Term, by_formula, computed, endings, given, quantile_residual
from pdplan.planner.working.objectives import joint_limits, objective_name, slack_derivation
from pdplan.spec.slo import JointTarget, Target
from pdplan.symbolic import Derivation
from pdplan.trust import Trust


def colocated_derivations(problem: Problem, c: Colocated, prefix: str = "colocated") -> list[Derivation]:
    """Return every number that a plan prints of the colocated fleet."""
    if c.pool is None or c.cost_low is None or c.count_low is None:
        return []
    rows = [
        given(
            f"{prefix}.gpus_each",
            f"GPUs of one colocated instance ({c.pool.parallelism})",
            "g_C",
            "",
            c.pool.degrees.gpus,
            "the cheapest of colocated.parallel in the scenario",
        )
    ]
    rows += _end(c, c.cost_low, c.count_low, f"{prefix}.low", "lower", prefix)
    if c.cost is not None and c.count is not None:
        rows += _end(c, c.cost, c.count, f"{prefix}.high", "upper", prefix)
    fleet = _fleet(problem, c)
    ends = endings(c.classes)
    for k in c.classes:
        for o in k.objectives:
            rows += _objective(problem, fleet, k, o, f"{prefix}.slo{ends[k.name]}.{objective_name(o)}")
    return rows


def _end(c: Colocated, cost: Cost, count: int, name: str, end: str, prefix: str) -> list[Derivation]:
    """Return one end of the bracket: instances, GPUs, price."""
    assert c.pool is not None
    gpus_each = cost.gpus / count
    n = Term(count, "n_C", "", f"{name}.instances")
    where = f"brackets of TPOT taken at their {end} end"
    rows = [
        computed(
            f"{name}.instances",
            f"Colocated instances, {where}",
            "n_C",
            "",
            count,
            equation="n_C = min{n : every objective and load limit holds}",
            latex=r"n_C = \min\{n : \text{every objective and load limit holds}\}",
            method="search over counts and parallelism, cheapest first (pdplan.planner.colocated)"
            + (f"; settled by simulation: {c.settled}" if c.settled else ""),
            residual=0.0,
            residual_of="objectives that fail at n",
            source="docs/theory/colocated",
            trust=Trust.APPROXIMATE,
        ),
        by_formula(
            f"{name}.gpus",
            f"GPUs of the colocated fleet, {where}",
            "G_C",
            "",
            cost.gpus,
            gpus_of,
            trust=Trust.APPROXIMATE,
            instances=n,
            gpus_each=Term(
                gpus_each, "g_C", "", f"{prefix}.gpus_each" if gpus_each == c.pool.degrees.gpus else ""
            ),
        ),
        by_formula(
            f"{name}.cost",
            f"Price of the colocated fleet, {where}",
            "C_C",
            "USD/h",
            cost.usd_per_hour,
            pool_usd_per_hour,
            trust=Trust.APPROXIMATE,
            instances=Term(
                cost.gpus_bought, "G_C", "", f"{name}.gpus" if cost.gpus_bought == cost.gpus else ""
            ),
            usd_per_hour_each=Term(cost.usd_per_hour / cost.gpus_bought, "c_GPU", "USD/h"),
        ),
    ]
    if cost.gpus_bought != cost.gpus:
        rows.append(
            computed(
                f"{name}.gpus_bought",
                f"GPUs bought for the colocated fleet, in whole nodes, {where}",
                "G_C",
                "",
                cost.gpus_bought,
                equation="ceil(GPUs / G) G, G GPUs of a node",
                latex=r"\lceil g / G \rceil\, G",
                method="rounded up",
                residual=float(cost.gpus_bought < cost.gpus),
                residual_of="1 if fewer are bought than used, else 0",
                source="count",
                rests_on=(f"{name}.gpus",),
            )
        )
    return rows


def _fleet(problem: Problem, c: Colocated) -> ColocatedFleet | None:
    """Return the fleet that was shown, to ask its laws again."""
    assert c.pool is not None
    count = c.pool.count
    option = next((o for o in c.kinds if o.degrees == c.pool.degrees), None)
    return None if option is None else ColocatedFleet(problem, option, count)


def _objective(
    problem: Problem, fleet: ColocatedFleet | None, k: ClassPlan, o: Objective, name: str
) -> list[Derivation]:
    """Return the limit of an objective, both ends of what comes of it, and the room left."""
    joint = isinstance(o.target, JointTarget)
    limit = given(
        f"{name}.limit",
        f"Limit of {k.name}: {o.target}",
        "y_max",
        "" if joint else "s",
        o.limit,
        "slo of the scenario",
    )
    if isinstance(o.target, JointTarget):
        rows = [*joint_limits(o.target, k.name, name), *_shares(k, o, name)]
        value = Term(o.value, "a_low", "", f"{name}.low")
    else:
        rows = _latencies(k, o, o.target, name, _residual(problem, fleet, k, o, o.target))
        value = Term(o.value, "y", "s", f"{name}.value")
    return [limit, *rows, slack_derivation(o, k.name, name, value, ", colocated")]


def _shares(k: ClassPlan, o: Objective, name: str) -> list[Derivation]:
    """Return both ends of the share of requests within both limits."""
    return [
        computed(
            f"{name}.{end}",
            f"Share of requests of {k.name} within both limits, colocated, at {end}",
            f"a_{end}",
            "",
            value,
            equation="a = max(0, F(x) + G(y) - 1) to min(F(x), G(y))",
            latex=r"\max(0, F(x) + G(y) - 1) \le a \le \min(F(x), G(y))",
            method="TPOT between its mean and the law of single gaps; Frechet bounds",
            residual=max(0.0, o.low - o.high),
            residual_of="how far the lower bound lies above the upper",
            source="docs/theory/colocated",
            trust=Trust.BOUNDED,
        )
        for end, value in (("low", o.low), ("high", o.high))
    ]


def _latencies(k: ClassPlan, o: Objective, target: Target, name: str, residual: float) -> list[Derivation]:
    """Return a latency between its two ends."""
    metric = target.metric.upper()
    return [
        computed(
            f"{name}.{end}",
            f"{target.stat} of {metric} of {k.name}, colocated{words}",
            f"{metric}_{target.stat}",
            "s",
            value,
            equation="q = min{t : P(X > t) <= 1 - p}; TPOT between its mean and the law of single gaps",
            latex=r"q = \min\{t : P(X > t) \le 1 - p\}",
            method="step chain of a chunked engine, waits and own iterations convolved",
            residual=residual,
            residual_of="distance of 1 - p from [P(X > q), P(X >= q)]",
            source="docs/theory/colocated",
            trust=o.trust,
        )
        for end, words, value in (
            ("low", ", at least", o.low),
            ("value", "", o.value),
            ("high", ", at most", o.high),
        )
    ]


def _residual(
    problem: Problem, fleet: ColocatedFleet | None, k: ClassPlan, o: Objective, target: Target
) -> float:
    """Put a percentile back into its law; means and what was not solved again leave nothing."""
    p = target.probability
    if fleet is None or p is None:
        return 0.0
    demand = next(d for d in problem.demands if d.name == k.name)
    try:
        if target.metric == "ttft":
            return quantile_residual(fleet.ttft(demand).sf, o.value, p, 1e-6)
        if target.metric in ("tpot", "itl"):
            return quantile_residual(fleet.station.itl.sf, o.value, p, 1e-9)
    except (UnstableError, InfeasibleError):
        return 0.0
    return 0.0
