"""The colocated fleet beside the plan: its size, its price, what its objectives come to."""

from __future__ import annotations

from pdplan.errors import InfeasibleError, UnstableError
from pdplan.planner.colocated import ColocatedFleet
from pdplan.planner.formulas import gpus_of, pool_usd_per_hour, share_slack_of, slack_of
from pdplan.planner.problem import Problem
from pdplan.planner.result import ClassPlan, Colocated, Cost, Objective
from pdplan.planner.working.build import Term, by_formula, computed, given, quantile_residual
from pdplan.planner.working.objectives import joint_limits, objective_name
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
    for k in c.classes:
        of = "" if len(c.classes) == 1 else f".{k.name}"
        for o in k.objectives:
            rows += _objective(problem, fleet, k, o, f"{prefix}.slo{of}.{objective_name(o)}")
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
    share = isinstance(o.target, JointTarget)
    rows = [
        given(
            f"{name}.limit",
            f"Limit of {k.name}: {o.target}",
            "y_max",
            "" if share else "s",
            o.limit,
            "slo of the scenario",
        )
    ]
    if isinstance(o.target, JointTarget):
        rows += joint_limits(o.target, k.name, name)
        for end, value in (("low", o.low), ("high", o.high)):
            rows.append(
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
            )
        return [
            *rows,
            by_formula(
                f"{name}.slack",
                f"Room left of {k.name}: of the misses allowed, those not used, colocated",
                "slack",
                "",
                o.slack,
                share_slack_of,
                trust=o.trust,
                limit=Term(o.limit, "a_min", "", f"{name}.limit"),
                value=Term(o.value, "a_low", "", f"{name}.low"),
            ),
        ]
    residual = _residual(problem, fleet, k, o, o.target)
    for end, value in (("low", o.low), ("value", o.value), ("high", o.high)):
        rows.append(
            computed(
                f"{name}.{end}",
                f"{o.target.stat} of {o.target.metric.upper()} of {k.name}, colocated"
                + {"low": ", at least", "high": ", at most", "value": ""}[end],
                f"{o.target.metric.upper()}_{o.target.stat}",
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
        )
    rows.append(
        by_formula(
            f"{name}.slack",
            f"Room left of {k.name}: {o.target}, colocated",
            "slack",
            "",
            o.slack,
            slack_of,
            trust=o.trust,
            limit=Term(o.limit, "y_max", "s", f"{name}.limit"),
            value=Term(o.value, "y", "s", f"{name}.value"),
        )
    )
    return rows


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
